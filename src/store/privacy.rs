//! The secret of this installation: caller hashes, sealed dialogs and cookies.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::KeyInit;
use hmac::{Hmac, KeyInit as _, Mac};
use sha2::Sha256;
use uuid::Uuid;

use super::audit::AuditKey;
use super::recordings::ResponseKey;
use super::seal;
use crate::domain::{CallId, CallerHash, CallerNumber, DialogTrace, ReservationToken};

/// Shortest secret, in bytes.
const SECRET_MIN: usize = 32;
/// Longest secret read, in bytes.
const SECRET_MAX: u64 = 4096;

/// What hides callers. Its `Debug` shows nothing.
#[derive(Clone)]
pub struct Privacy {
    caller_key: [u8; 32],
    mystery_key: [u8; 32],
    shuffle_key: [u8; 32],
    reservation_key: [u8; 32],
    dialogs: XChaCha20Poly1305,
    responses: XChaCha20Poly1305,
    tasks: XChaCha20Poly1305,
    cookies: XChaCha20Poly1305,
    audit: AuditKey,
    receipt_key: [u8; 32],
}

impl std::fmt::Debug for Privacy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Privacy")
    }
}

impl Privacy {
    /// Reads the secret, or makes one, readable by the owner alone, when the file is not there.
    ///
    /// # Errors
    /// The file's; [`io::ErrorKind::InvalidData`] when it holds fewer than 32 bytes.
    pub fn load_or_create(path: &Path) -> io::Result<Self> {
        let mut secret = Vec::new();
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(mut file) => {
                secret.resize(SECRET_MIN, 0);
                getrandom::fill(&mut secret).map_err(io::Error::other)?;
                file.write_all(&secret)?;
                file.sync_all()?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                crate::private::tighten(path);
                return Self::load(path);
            }
            Err(error) => return Err(error),
        }
        Ok(Self::new(&secret))
    }

    /// Reads the secret.
    ///
    /// # Errors
    /// As [`Self::load_or_create`], and [`io::ErrorKind::NotFound`].
    pub fn load(path: &Path) -> io::Result<Self> {
        let mut secret = Vec::new();
        std::fs::File::open(path)?.take(SECRET_MAX).read_to_end(&mut secret)?;
        if secret.len() < SECRET_MIN {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the secret has fewer than 32 bytes"));
        }
        Ok(Self::new(&secret))
    }

    /// From a secret at hand.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self {
            caller_key: mac(secret, b"aftercall caller"),
            mystery_key: mac(secret, b"aftercall mystery"),
            shuffle_key: mac(secret, b"aftercall shuffle"),
            reservation_key: mac(secret, b"aftercall reservation"),
            dialogs: XChaCha20Poly1305::new(&mac(secret, b"aftercall dialog").into()),
            responses: XChaCha20Poly1305::new(&mac(secret, b"aftercall response").into()),
            tasks: XChaCha20Poly1305::new(&mac(secret, b"aftercall task").into()),
            cookies: XChaCha20Poly1305::new(&mac(secret, b"aftercall cookie").into()),
            audit: AuditKey::new(mac(secret, b"aftercall audit")),
            receipt_key: mac(secret, b"aftercall receipt"),
        }
    }

    /// A caller's number under the keyed HMAC-SHA-256.
    #[must_use]
    pub fn caller_hash(&self, number: &CallerNumber) -> CallerHash {
        CallerHash(mac(&self.caller_key, number.expose().as_bytes()))
    }

    /// The hashes under which earlier versions may know a caller.
    #[must_use]
    pub fn former_hashes(&self, number: &CallerNumber) -> Vec<CallerHash> {
        number.former().iter().map(|former| self.caller_hash(former)).collect()
    }

    /// The key under which a mystery caller's token is made from a call reference, unless the configuration has one.
    #[must_use]
    pub fn mystery_key(&self) -> [u8; 32] {
        self.mystery_key
    }

    /// The token of a reservation, which nobody can guess from its id.
    pub(super) fn reservation_token(&self, id: Uuid) -> ReservationToken {
        let whole = mac(&self.reservation_key, id.as_bytes());
        ReservationToken::of(*whole.first_chunk().expect("a hash has more than 16 octets"))
    }

    /// A place for a call in an order that nobody outside can know.
    pub(super) fn shuffled(&self, call: CallId) -> [u8; 32] {
        mac(&self.shuffle_key, call.0.as_bytes())
    }

    /// Seals a dialog for one call; it opens for no other.
    pub(super) fn seal(&self, call: CallId, dialog: &DialogTrace) -> Option<Vec<u8>> {
        seal::seal(&self.dialogs, call.0.as_bytes(), &serde_json::to_vec(dialog).ok()?).ok()
    }

    /// Opens what [`Self::seal`] sealed; `None` for anything else.
    pub(super) fn unseal(&self, call: CallId, sealed: &[u8]) -> Option<DialogTrace> {
        serde_json::from_slice(&seal::open(&self.dialogs, call.0.as_bytes(), sealed)?).ok()
    }

    /// Seals what a browser keeps for us under the name of its cookie.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn seal_cookie(&self, name: &str, text: &[u8]) -> io::Result<Vec<u8>> {
        seal::seal(&self.cookies, name.as_bytes(), text)
    }

    /// Opens what [`Self::seal_cookie`] sealed; `None` for anything else.
    #[must_use]
    pub fn open_cookie(&self, name: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        seal::open(&self.cookies, name.as_bytes(), sealed)
    }

    /// What the audit log is chained under.
    pub(super) fn audit(&self) -> &AuditKey {
        &self.audit
    }

    /// The name under which the answer to a write is kept. The key that came with the write may name somebody.
    #[must_use]
    pub fn receipt_name(&self, key: &str) -> String {
        use base64::Engine as _;
        let name = mac(&self.receipt_key, key.as_bytes());
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(name)
    }

    /// What the keys of tasks are sealed under.
    pub(super) fn tasks(&self) -> &XChaCha20Poly1305 {
        &self.tasks
    }

    /// Seals the key of a response.
    pub(super) fn seal_key(&self, key: &ResponseKey) -> Option<Vec<u8>> {
        seal::seal(&self.responses, key.call.0.as_bytes(), &key.key).ok()
    }

    /// Opens what [`Self::seal_key`] sealed; `None` for anything else.
    pub(super) fn unseal_key(&self, call: CallId, sealed: &[u8]) -> Option<ResponseKey> {
        let key = seal::open(&self.responses, call.0.as_bytes(), sealed)?.try_into().ok()?;
        Some(ResponseKey { call, key })
    }
}

fn mac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_secret_is_made_once_for_the_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.key");
        let number = CallerNumber::new("+31201234567").unwrap();
        let first = Privacy::load_or_create(&path).unwrap().caller_hash(&number);
        assert_eq!(Privacy::load_or_create(&path).unwrap().caller_hash(&number), first);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_ne!(Privacy::new(&[7; 32]).caller_hash(&number), first);
        std::fs::write(&path, "short").unwrap();
        assert!(Privacy::load_or_create(&path).is_err());
    }

    #[test]
    fn a_sealed_dialog_opens_for_its_call_only() {
        let privacy = Privacy::new(&[1; 32]);
        let dialog = crate::store::tests::dialog();
        let (one, other) = (CallId(Uuid::from_u128(1)), CallId(Uuid::from_u128(2)));
        let sealed = privacy.seal(one, &dialog).unwrap();
        assert_eq!(privacy.unseal(one, &sealed), Some(dialog));
        assert_eq!(privacy.unseal(other, &sealed), None);
        assert_eq!(privacy.unseal(one, &sealed[..10]), None);
    }
}
