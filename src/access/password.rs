//! Passwords: Argon2id, a few at a time and off the runtime, with the same work whether or not there is such a user.
//! Strangers share one lane, so that however many they are, who is known finds another one free.

use std::sync::{Arc, LazyLock};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;

use super::AccessError;

/// Fewest characters of a password.
pub const PASSWORD_MIN: usize = 12;
/// Most characters: nobody makes us hash a novel.
pub(super) const PASSWORD_MAX: usize = 200;
/// Hashes at once. Each takes 19 MiB for some 30 ms.
const AT_ONCE: usize = 2;
/// Strangers whose passwords may wait or be looked at; further ones are told to come again.
const STRANGERS_MAX: usize = 20;

/// What a password is compared with where there is no user, so that the time tells nothing.
static NOBODY: LazyLock<Option<String>> = LazyLock::new(|| hash("the password of nobody").ok());

/// Hashes and compares passwords. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Passwords {
    room: Arc<Semaphore>,
    /// Places for strangers, those who wait included.
    strangers: Arc<Semaphore>,
    /// The one of them whose turn it is.
    lane: Arc<Semaphore>,
}

/// Whose password is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// One of somebody who signed in from there before.
    Known,
    /// Anybody's.
    Stranger,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            room: Arc::new(Semaphore::new(AT_ONCE)),
            strangers: Arc::new(Semaphore::new(STRANGERS_MAX)),
            lane: Arc::new(Semaphore::new(1)),
        }
    }
}

impl Passwords {
    /// Hashes a new password.
    ///
    /// # Errors
    /// [`AccessError::Password`] when it is too short or too long; [`AccessError::Hash`].
    pub async fn hash(&self, password: String) -> Result<String, AccessError> {
        if !(PASSWORD_MIN..=PASSWORD_MAX).contains(&password.chars().count()) {
            return Err(AccessError::Password);
        }
        let _room = self.room.acquire().await.map_err(|_| AccessError::Hash)?;
        tokio::task::spawn_blocking(move || hash(&password)).await.map_err(|_| AccessError::Hash)?
    }

    /// Whether a password is the one of a hash; without a hash the answer is no, after the same work. Nobody's password
    /// is longer than the longest, so such a text costs no work at all.
    pub(super) async fn is_right(
        &self,
        hash: Option<String>,
        password: String,
        lane: Lane,
    ) -> Result<bool, AccessError> {
        if password.chars().count() > PASSWORD_MAX {
            return Ok(false);
        }
        let known = hash.is_some();
        let _lane = match lane {
            Lane::Known => None,
            Lane::Stranger => {
                let place = self.strangers.try_acquire().map_err(|_| AccessError::Busy)?;
                Some((place, self.lane.acquire().await.map_err(|_| AccessError::Hash)?))
            }
        };
        let _room = self.room.acquire().await.map_err(|_| AccessError::Hash)?;
        let right = tokio::task::spawn_blocking(move || {
            let hash = hash.as_deref().or(NOBODY.as_deref()).unwrap_or_default();
            PasswordHash::new(hash)
                .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
        });
        Ok(right.await.map_err(|_| AccessError::Hash)? && known)
    }
}

fn hash(password: &str) -> Result<String, AccessError> {
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(|_| AccessError::Hash)?;
    Ok(hash.to_string())
}
