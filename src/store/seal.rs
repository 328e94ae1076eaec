//! Sealing: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha), 24 octets of random nonce before the text. What is sealed
//! under a name opens under no other.

use std::io;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

/// Length of the random nonce before a sealed text, in bytes.
const NONCE: usize = 24;

/// Seals a text under a name.
///
/// # Errors
/// The system gives no random numbers, or the text is longer than the cipher takes (256 GiB).
pub(super) fn seal(cipher: &XChaCha20Poly1305, name: &[u8], text: &[u8]) -> io::Result<Vec<u8>> {
    let mut nonce = [0; NONCE];
    getrandom::fill(&mut nonce).map_err(io::Error::other)?;
    let closed = cipher
        .encrypt(&XNonce::from(nonce), Payload { msg: text, aad: name })
        .map_err(|_| io::Error::other("the text is too long to be sealed"))?;
    Ok([&nonce[..], &closed].concat())
}

/// Opens what [`seal`] sealed; `None` for anything else.
pub(super) fn open(cipher: &XChaCha20Poly1305, name: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, closed) = sealed.split_first_chunk::<NONCE>()?;
    cipher.decrypt(&XNonce::from(*nonce), Payload { msg: closed, aad: name }).ok()
}
