//! Answers that need no state: made from the bytes of the request alone, even when they do not parse.
//!
//! Every refusal is sent this way (RFC 3261 §8.2.7): a flood of bad or unwanted requests leaves nothing behind.

use std::net::SocketAddr;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sipx_sip::headers::first_hop_end;

/// Secret that makes the To tags of stateless answers the same for every copy of a request, and unguessable.
#[derive(Clone)]
pub(super) struct TagSecret([u8; 32]);

impl TagSecret {
    pub(super) fn random() -> Self {
        let mut key = [0; 32];
        getrandom::fill(&mut key).expect("the operating system has randomness");
        Self(key)
    }

    /// The first 8 bytes of a keyed hash, as text.
    pub(super) fn tag(&self, parts: &[&[u8]]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The header rows of a message, unfolded, in order, as `(name, value)`. Stops at the blank line or the end.
fn rows(message: &[u8]) -> Vec<(&[u8], Vec<u8>)> {
    let mut rows: Vec<(&[u8], Vec<u8>)> = Vec::new();
    for line in message.split(|&b| b == b'\n').skip(1) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        if matches!(line.first(), Some(b' ' | b'\t')) {
            if let Some((_, value)) = rows.last_mut() {
                value.push(b' ');
                value.extend_from_slice(line.trim_ascii());
            }
            continue;
        }
        if let Some(colon) = line.iter().position(|&b| b == b':') {
            rows.push((line[..colon].trim_ascii(), line[colon + 1..].trim_ascii().to_vec()));
        }
    }
    rows
}

/// The headers that an answer copies (RFC 3261 §8.2.6.2), by long and compact name.
const COPIED: [(&str, &[u8], &[u8]); 5] = [
    ("Via", b"via", b"v"),
    ("From", b"from", b"f"),
    ("To", b"to", b"t"),
    ("Call-ID", b"call-id", b"i"),
    ("CSeq", b"cseq", b"cseq"),
];

/// Whether these bytes look like a request that wants an answer: not a response, not an ACK, with a Via to go by.
pub(super) fn wants_answer(message: &[u8]) -> bool {
    !message.starts_with(b"SIP/")
        && !message.starts_with(b"ACK ")
        && rows(message)
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case(b"via") || name.eq_ignore_ascii_case(b"v"))
}

/// A complete response to the request in `message`. `extra` rows are written as they are.
pub(super) fn answer(
    message: &[u8],
    source: SocketAddr,
    code: u16,
    reason: &str,
    extra: &[(&str, String)],
    secret: &TagSecret,
) -> Vec<u8> {
    let rows = rows(message);
    let find = |long: &[u8], short: &[u8]| {
        rows.iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(long) || n.eq_ignore_ascii_case(short))
            .map(|(_, v)| v)
    };
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(format!("SIP/2.0 {code} {reason}\r\n").as_bytes());
    for (canonical, long, short) in COPIED {
        let mut first = true;
        for (name, value) in &rows {
            if !name.eq_ignore_ascii_case(long) && !name.eq_ignore_ascii_case(short) {
                continue;
            }
            if !first && canonical != "Via" {
                continue;
            }
            let mut value: Vec<u8> = value.iter().copied().filter(|&b| b != 0 && b != b'\r').collect();
            if canonical == "Via" && first {
                value = mark_via(&value, source);
            }
            if canonical == "To" && code > 100 && !has_tag(&value) {
                let parts: Vec<&[u8]> =
                    [(b"via".as_slice(), b"v".as_slice()), (b"call-id", b"i"), (b"cseq", b"cseq")]
                        .iter()
                        .filter_map(|(l, s)| find(l, s).map(Vec::as_slice))
                        .collect();
                value.extend_from_slice(b";tag=");
                value.extend_from_slice(secret.tag(&parts).as_bytes());
            }
            out.extend_from_slice(canonical.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(&value);
            out.extend_from_slice(b"\r\n");
            first = false;
        }
    }
    for (name, value) in extra {
        out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    out
}

/// Whether an address value carries a tag, outside of quotes and angle brackets.
fn has_tag(value: &[u8]) -> bool {
    let after = value.iter().rposition(|&b| b == b'>').map_or(0, |at| at + 1);
    value[after..].split(|&b| b == b';').any(|p| p.trim_ascii().to_ascii_lowercase().starts_with(b"tag="))
}

/// Writes the address that we saw into the topmost Via: `received` (RFC 3261 §18.2.1) and, where asked for, the value
/// of `rport` (RFC 3581 §4).
pub(super) fn mark_via(value: &[u8], source: SocketAddr) -> Vec<u8> {
    let end = first_hop_end(value).min(value.len());
    let (hop, rest) = value.split_at(end);
    let mut out = Vec::with_capacity(value.len() + 48);
    for (i, part) in hop.split(|&b| b == b';').enumerate() {
        let name = part.split(|&b| b == b'=').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
        if i > 0 && name == b"received" {
            continue;
        }
        if i > 0 {
            out.push(b';');
        }
        if i > 0 && name == b"rport" {
            out.extend_from_slice(format!("rport={}", source.port()).as_bytes());
        } else {
            out.extend_from_slice(part);
        }
    }
    let trimmed = out.trim_ascii_end().len();
    out.truncate(trimmed);
    out.extend_from_slice(format!(";received={}", source.ip().to_canonical()).as_bytes());
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn source() -> SocketAddr {
        "192.0.2.9:4321".parse().unwrap()
    }

    #[test]
    fn the_topmost_via_gets_the_address_that_we_saw() {
        let marked =
            mark_via(b"SIP/2.0/UDP 10.0.0.1:5060;rport;branch=z9hG4bKx, SIP/2.0/UDP b;rport", source());
        assert_eq!(
            String::from_utf8(marked).unwrap(),
            "SIP/2.0/UDP 10.0.0.1:5060;rport=4321;branch=z9hG4bKx;received=192.0.2.9, SIP/2.0/UDP b;rport"
        );
    }

    #[test]
    fn a_broken_request_gets_an_answer_with_what_it_had() {
        let request =
            b"INVITE sip:x SIP/2.0\r\nv: SIP/2.0/UDP h\r\nTo: <sip:a@b>\r\nCSeq: 1 INVITE\r\n folded\r\n\r\n";
        assert!(wants_answer(request));
        let secret = TagSecret::random();
        let text = String::from_utf8(answer(request, source(), 400, "Bad Request", &[], &secret)).unwrap();
        assert!(
            text.starts_with("SIP/2.0 400 Bad Request\r\nVia: SIP/2.0/UDP h;received=192.0.2.9\r\n"),
            "{text}"
        );
        assert!(text.contains("To: <sip:a@b>;tag=") && text.contains("CSeq: 1 INVITE folded\r\n"), "{text}");
        assert_eq!(
            text,
            String::from_utf8(answer(request, source(), 400, "Bad Request", &[], &secret)).unwrap()
        );
    }

    #[test]
    fn responses_and_acks_want_none() {
        assert!(!wants_answer(b"SIP/2.0 200 OK\r\nVia: x\r\n\r\n"));
        assert!(!wants_answer(b"ACK sip:x SIP/2.0\r\nVia: x\r\n\r\n"));
        assert!(!wants_answer(b"garbage"));
    }

    proptest! {
        #[test]
        fn any_bytes_make_at_most_one_header_block(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            if wants_answer(&bytes) {
                let out = answer(&bytes, source(), 400, "Bad Request", &[], &TagSecret::random());
                let blanks = out.windows(4).filter(|w| w == b"\r\n\r\n").count();
                prop_assert_eq!(blanks, 1);
            }
        }
    }
}
