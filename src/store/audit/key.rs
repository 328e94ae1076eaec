//! The hashes of lines of the audit log.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::AuditLine;

/// What the chain is keyed with: who can write the database and has not this cannot write a chain that holds.
#[derive(Clone, Copy)]
pub(in crate::store) struct AuditKey([u8; 32]);

impl AuditKey {
    pub(in crate::store) fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The hash of a line after the hash before it.
    pub(super) fn hash(&self, before: &str, line: &AuditLine, salt: &[u8]) -> String {
        hex(&self.mac(b"line", &[&octets(before), salt, &said(line)]))
    }

    /// What vouches for a line of which something was erased: for what is left of it, and for its hash, which cannot be
    /// made from that any more.
    pub(super) fn erased(&self, before: &str, line: &AuditLine) -> Vec<u8> {
        self.mac(b"erased", &[&octets(before), line.hash.as_bytes(), &said(line)]).to_vec()
    }

    fn mac(&self, kind: &[u8], parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        for part in std::iter::once(&kind).chain(parts) {
            // With its length before it no part can be taken for the beginning of the next.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

/// The hash of a line as it was before there was a key: SHA-256 over the 32 octets of the hash before it, zeros before
/// the first, and the line.
pub(super) fn plain_hash(before: &str, line: &AuditLine) -> String {
    let before = if before.is_empty() { vec![0; 32] } else { octets(before) };
    hex(&Sha256::new().chain_update(before).chain_update(said(line)).finalize())
}

/// A line as a JSON array, without its hash.
fn said(line: &AuditLine) -> Vec<u8> {
    let own = (line.seq, line.at_us, &line.user, &line.role, &line.what, &line.scope, &line.reason);
    serde_json::to_vec(&own).expect("numbers and texts go into JSON")
}

fn hex(octets: &[u8]) -> String {
    use std::fmt::Write as _;
    octets.iter().fold(String::with_capacity(64), |mut text, octet| {
        write!(text, "{octet:02x}").expect("a String takes every write");
        text
    })
}

/// Hexadecimal digits as octets; what is none is left out, and then no hash fits.
fn octets(hex: &str) -> Vec<u8> {
    let pair = |i: usize| hex.get(i..i + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..hex.len()).step_by(2).filter_map(pair).collect()
}
