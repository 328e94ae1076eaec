//! A key on a telephone.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One of the sixteen DTMF keys (ITU-T Q.23): `0`-`9`, `*`, `#`, `A`-`D`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "char", into = "char")]
pub struct Digit(u8);

impl Digit {
    /// The star key.
    pub const STAR: Self = Self(b'*');
    /// The hash (pound) key.
    pub const HASH: Self = Self(b'#');

    /// Reads a key from its printed character; lower-case letters count.
    #[must_use]
    pub fn from_char(c: char) -> Option<Self> {
        let c = c.to_ascii_uppercase();
        matches!(c, '0'..='9' | '*' | '#' | 'A'..='D').then_some(Self(c as u8))
    }

    /// Reads a telephone-event code (RFC 4733 §3.2, table 3): 0-9, 10 is star, 11 is hash, 12-15 are A-D.
    #[must_use]
    pub fn from_event_code(code: u8) -> Option<Self> {
        b"0123456789*#ABCD".get(usize::from(code)).map(|&c| Self(c))
    }

    /// The telephone-event code (RFC 4733 §3.2, table 3).
    #[must_use]
    pub fn event_code(self) -> u8 {
        match self.0 {
            b'0'..=b'9' => self.0 - b'0',
            b'*' => 10,
            b'#' => 11,
            letter => letter - b'A' + 12,
        }
    }

    /// The printed character.
    #[must_use]
    pub fn as_char(self) -> char {
        char::from(self.0)
    }

    /// The number on the key, where it carries one.
    #[must_use]
    pub fn number(self) -> Option<u8> {
        self.0.is_ascii_digit().then(|| self.0 - b'0')
    }
}

impl TryFrom<char> for Digit {
    type Error = &'static str;
    fn try_from(c: char) -> Result<Self, Self::Error> {
        Self::from_char(c).ok_or("not a telephone key (0-9, *, #, A-D)")
    }
}

impl From<Digit> for char {
    fn from(digit: Digit) -> char {
        digit.as_char()
    }
}

impl fmt::Debug for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_char())
    }
}

impl fmt::Display for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_char())
    }
}

/// The way a key press reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyPath {
    /// As a named event in the RTP stream (RFC 4733).
    Rfc4733,
    /// In the body of a SIP INFO (`application/dtmf-relay` or `application/dtmf`).
    Info,
    /// As a pair of tones in the audio.
    InBand,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_codes_go_both_ways() {
        for code in 0..16 {
            let digit = Digit::from_event_code(code).unwrap();
            assert_eq!(digit.event_code(), code);
            assert_eq!(Digit::from_char(digit.as_char()), Some(digit));
        }
        assert_eq!(Digit::from_event_code(16), None);
        assert_eq!(Digit::from_char('x'), None);
    }
}
