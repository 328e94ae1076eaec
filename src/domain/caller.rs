//! Who called, and whom the call is about.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ahead::ReservationToken;
use super::ids::{AgentId, CallRef, Language, QueueId, SurveyId};
use super::numbering::{self, Numbering};

/// The caller's number: by E.164 where it could be told, else as signalled. It has no `Display`, no `Serialize` and a redacted `Debug`:
/// the only way on is [`CallerHash`].
#[derive(Clone, PartialEq, Eq)]
pub struct CallerNumber {
    number: Box<str>,
    /// How it was signalled, where that is another spelling.
    signalled: Option<Box<str>>,
}

impl CallerNumber {
    /// Keeps what tells numbers apart: digits and a leading `+`; anything without digits as it is, in lower case,
    /// since a SIP user may be a name. `None` when nothing is left, or when it is one of the words for "withheld".
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let lower = text.to_ascii_lowercase();
        if text.is_empty()
            || matches!(lower.as_str(), "anonymous" | "unknown" | "restricted" | "unavailable" | "private")
        {
            return None;
        }
        let dialable = |c: char| c.is_ascii_digit() || matches!(c, '+' | ' ' | '-' | '.' | '(' | ')');
        if text.chars().all(dialable) && text.chars().any(|c| c.is_ascii_digit()) {
            let digits: String = text
                .char_indices()
                .filter(|&(i, c)| c.is_ascii_digit() || (c == '+' && i == 0))
                .map(|(_, c)| c)
                .collect();
            return Some(Self { number: digits.into(), signalled: None });
        }
        Some(Self { number: lower.into(), signalled: None })
    }

    /// The same for a number that a peer, or a person, wrote by their own plan: every spelling of one number is one
    /// caller. What is no valid number of the plan stays as it is.
    #[must_use]
    pub fn dialled(text: &str, numbering: &Numbering) -> Option<Self> {
        let plain = Self::new(text)?;
        match numbering.e164(plain.expose()) {
            Some(number) if *number != *plain.number => {
                Some(Self { number: number.into(), signalled: Some(plain.number) })
            }
            _ => Some(plain),
        }
    }

    /// Other spellings under which earlier versions, which kept numbers as they were signalled, may know this caller.
    #[must_use]
    pub fn former(&self) -> Vec<Self> {
        let mut others = numbering::spellings(&self.number);
        others.extend(self.signalled.as_deref().map(str::to_owned));
        others.sort_unstable();
        others.dedup();
        others.into_iter().map(|number| Self { number: number.into(), signalled: None }).collect()
    }

    /// Whether it is a telephone number, and not a name.
    #[must_use]
    pub fn is_number(&self) -> bool {
        let digits = self.number.strip_prefix('+').unwrap_or(&self.number);
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
    }

    /// The number for the keyed hash and for matching against lists; never for a log or a row.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.number
    }
}

impl fmt::Debug for CallerNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallerNumber(redacted)")
    }
}

/// A caller's number under a keyed HMAC-SHA-256: tells whether two calls came from one caller, and no more.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CallerHash(pub [u8; 32]);

impl CallerHash {
    /// Its first 12 hexadecimal digits: enough to tell which caller a proof is of, too few to go on with.
    #[must_use]
    pub fn beginning(self) -> String {
        let mut text = self.to_string();
        text.truncate(12);
        text
    }
}

impl fmt::Display for CallerHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for CallerHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallerHash({:02x}{:02x}..)", self.0[0], self.0[1])
    }
}

impl From<CallerHash> for String {
    fn from(hash: CallerHash) -> String {
        hash.to_string()
    }
}

impl TryFrom<String> for CallerHash {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err("a caller hash is 64 hexadecimal digits");
        }
        for (byte, i) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[i..i + 2], 16)
                .map_err(|_| "a caller hash is 64 hexadecimal digits")?;
        }
        Ok(Self(bytes))
    }
}

/// Who asked for this survey.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// The contact centre sends every call; we choose.
    #[default]
    Hangup,
    /// The agent sent this caller on purpose.
    Agent,
    /// A trial call by our own scripted caller.
    Test,
}

/// Who ended the conversation with the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// The agent hung up first.
    Agent,
    /// The caller hung up first.
    Caller,
}

/// What a PBX told us about one call, as mapped by its trunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallContext {
    /// The user part of the Request-URI, decoded.
    pub dialled: String,
    /// The survey asked for by name, where the trunk's mapping gave one.
    pub survey: Option<SurveyId>,
    /// The agent to be rated. A call without one is surveyed and kept as an orphan.
    pub agent: Option<AgentId>,
    /// The queue that the agent served.
    pub queue: Option<QueueId>,
    /// The contact centre's own reference.
    pub call_ref: Option<CallRef>,
    /// The caller's number, for the same-caller window and the lists only.
    pub caller: Option<CallerNumber>,
    /// The caller's language.
    pub language: Option<Language>,
    /// The language of callers whose context names none, as the trunk has it.
    pub language_otherwise: Option<Language>,
    /// The token of a reservation that was made for this call.
    pub reservation: Option<ReservationToken>,
    /// Who asked for the survey.
    pub trigger: Trigger,
    /// How long caller and agent talked.
    pub talk: Option<Duration>,
    /// Who hung up first.
    pub first_hang_up: Option<Party>,
    /// A mystery caller's token: `HMAC-SHA-256(mystery key, call reference)` in hexadecimal.
    pub mystery_token: Option<String>,
}

impl CallContext {
    /// Completes what a call that takes another's place does not say of itself. Who calls is never taken over: the call
    /// before may have been the agent's.
    pub fn take_over(&mut self, before: &Self) {
        self.agent = self.agent.take().or_else(|| before.agent.clone());
        self.queue = self.queue.take().or_else(|| before.queue.clone());
        self.language = self.language.take().or_else(|| before.language.clone());
        self.talk = self.talk.or(before.talk);
        self.first_hang_up = self.first_hang_up.or(before.first_hang_up);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_never_shows_in_debug() {
        let number = CallerNumber::new("+31 (20) 123-4567").unwrap();
        assert_eq!(number.expose(), "+31201234567");
        assert_eq!(format!("{number:?}"), "CallerNumber(redacted)");
        assert_eq!(CallerNumber::new(" Anonymous "), None);
        assert_eq!(CallerNumber::new("Bob").unwrap().expose(), "bob");
    }

    #[test]
    fn every_spelling_is_one_caller_and_the_former_ones_are_known() {
        let numbering = Numbering { country: "NL".to_owned().try_into().ok(), ..Numbering::default() };
        let number = CallerNumber::dialled("020 - 123 45 67", &numbering).unwrap();
        assert_eq!(number.expose(), "+31201234567");
        let former: Vec<_> = number.former().iter().map(|other| other.expose().to_owned()).collect();
        assert_eq!(former, ["0031201234567", "0201234567", "31201234567"]);
        let extension = CallerNumber::dialled("4711", &numbering).unwrap();
        assert_eq!((extension.expose(), extension.former().len()), ("4711", 0));
        assert!(extension.is_number() && !CallerNumber::new("ann.b").unwrap().is_number());
    }

    #[test]
    fn a_hash_goes_to_text_and_back() {
        let hash = CallerHash([0xa5; 32]);
        assert_eq!(CallerHash::try_from(String::from(hash)), Ok(hash));
        assert!(CallerHash::try_from("é".repeat(32)).is_err());
    }
}
