//! An INVITE that takes the place of another dialog (RFC 3891): the end of an attended transfer.

use sipx_sip::{HeaderName, Request};

use super::CallKey;
use super::call::Phase;
use super::check::Refusal;
use super::core::Core;
use crate::domain::TrunkId;

/// What a Replaces header names, as we know the dialog: its `to-tag` is ours (RFC 3891 §3).
#[derive(Debug, PartialEq, Eq)]
struct Replaces {
    call_id: Vec<u8>,
    to_tag: String,
    from_tag: Vec<u8>,
    early_only: bool,
}

impl Replaces {
    fn parse(value: &[u8]) -> Option<Self> {
        let mut parts = value.split(|&b| b == b';');
        let call_id = parts.next()?.trim_ascii().to_vec();
        let (mut to_tag, mut from_tag, mut early_only) = (None, None, false);
        for part in parts {
            let mut halves = part.splitn(2, |&b| b == b'=');
            let name = halves.next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
            let given = halves.next().map(|value| value.trim_ascii().to_vec());
            match name.as_slice() {
                b"to-tag" => to_tag = given,
                b"from-tag" => from_tag = given,
                b"early-only" => early_only = true,
                _ => {}
            }
        }
        let to_tag = String::from_utf8(to_tag?).ok()?;
        (!call_id.is_empty()).then_some(Self { call_id, to_tag, from_tag: from_tag?, early_only })
    }
}

impl Core {
    /// The call that an INVITE wants to replace.
    ///
    /// # Errors
    /// The refusal that RFC 3891 §3 asks for: 400 for a header that cannot be read or stands there twice, 481 where no
    /// dialog of this trunk matches, 603 where it is over already, 486 where it is up and only an early one was meant.
    pub(super) fn replaced(&self, request: &Request, trunk: &TrunkId) -> Result<Option<CallKey>, Refusal> {
        let name = HeaderName::parse(&bytes::Bytes::from_static(b"Replaces"));
        let mut rows = request.headers.get_all(&name);
        let Some(row) = rows.next() else { return Ok(None) };
        if rows.next().is_some() {
            return Err(Refusal::new(400));
        }
        let wanted = Replaces::parse(&row.value()).ok_or_else(|| Refusal::new(400))?;
        let call = self.by_tag.get(&wanted.to_tag).and_then(|key| self.calls.get(key));
        let matches = call.filter(|call| {
            call.dialog.call_id == wanted.call_id
                && call.dialog.remote_tag == wanted.from_tag
                && call.trunk == *trunk
        });
        match matches {
            None => Err(Refusal::new(481)),
            Some(call) if call.phase == Phase::Ending => Err(Refusal::new(603)),
            // RFC 3891 §3: a user agent may replace only early dialogs that it began itself, and we begin none.
            Some(call) if !matches!(call.phase, Phase::Answered | Phase::Up) => Err(Refusal::new(481)),
            Some(_) if wanted.early_only => Err(Refusal::new(486)),
            Some(call) if self.calls.values().any(|other| other.replaces == Some(call.key)) => {
                Err(Refusal::new(481))
            }
            Some(call) => Ok(Some(call.key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialog_is_named_in_any_order_of_parameters() {
        let read = |text: &str| Replaces::parse(text.as_bytes());
        let named = read("abc@h ;from-tag = 12; to-tag=f00;x=y").unwrap();
        assert_eq!((named.call_id.as_slice(), named.to_tag.as_str()), (b"abc@h".as_slice(), "f00"));
        assert_eq!((named.from_tag.as_slice(), named.early_only), (b"12".as_slice(), false));
        assert!(read("a;to-tag=1;from-tag=2;early-only").unwrap().early_only);
        for wrong in ["", "a", "a;to-tag=1", ";to-tag=1;from-tag=2"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
