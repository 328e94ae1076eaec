//! Passwords: Argon2id, a few at a time and off the runtime, with the same work whether or not there is such a user.

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

/// What a password is compared with where there is no user, so that the time tells nothing.
static NOBODY: LazyLock<Option<String>> = LazyLock::new(|| hash("the password of nobody").ok());

/// Hashes and compares passwords. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Passwords {
    room: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { room: Arc::new(Semaphore::new(AT_ONCE)) }
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

    /// Whether a password is the one of a hash; without a hash the answer is no, after the same work.
    pub(super) async fn is_right(&self, hash: Option<String>, password: String) -> Result<bool, AccessError> {
        let known = hash.is_some() && password.chars().count() <= PASSWORD_MAX;
        let _room = self.room.acquire().await.map_err(|_| AccessError::Hash)?;
        let right = tokio::task::spawn_blocking(move || {
            let hash = hash.as_deref().or(NOBODY.as_deref()).unwrap_or_default();
            let password: String = password.chars().take(PASSWORD_MAX).collect();
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
