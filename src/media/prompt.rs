//! One prompt, encoded once for each codec and shared by every call that plays it.

use std::fmt;
use std::time::Duration;

use super::g711::Law;
use super::g722;
use crate::domain::Codec;

/// Ticks of the RTP clock, octets, and samples at 8 kHz in one millisecond: the same for all three codecs.
pub(super) const TICKS_PER_MS: u32 = 8;

/// A recorded sentence in every codec that we speak. Each form holds 8 octets per millisecond, so a position in one
/// is a position in all, and a call that changes codec goes on where it was.
pub struct Prompt {
    name: Box<str>,
    text: Box<str>,
    pcmu: Box<[u8]>,
    pcma: Box<[u8]>,
    g722: Box<[u8]>,
}

impl Prompt {
    /// Encodes a prompt from its samples at 8 kHz and the same recording at 16 kHz. The shorter one decides the
    /// length.
    #[must_use]
    pub fn new(name: &str, text: &str, narrow: &[i16], wide: &[i16]) -> Self {
        let len = narrow.len().min(wide.len() / 2);
        Self {
            name: name.into(),
            text: text.into(),
            pcmu: Law::Mu.encode(&narrow[..len]).into(),
            pcma: Law::A.encode(&narrow[..len]).into(),
            g722: g722::encode(&wide[..2 * len]).into(),
        }
    }

    /// The name by which surveys ask for it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it says.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How long it plays.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_micros(self.pcmu.len() as u64 * 1000 / u64::from(TICKS_PER_MS))
    }

    /// The samples that a caller hears on an ordinary line, at 8 kHz.
    #[must_use]
    pub fn samples(&self) -> Vec<i16> {
        Law::Mu.decode(&self.pcmu).collect()
    }

    /// The octets to send in `codec`, 8 per millisecond.
    #[must_use]
    pub fn octets(&self, codec: Codec) -> &[u8] {
        match codec {
            Codec::Pcmu => &self.pcmu,
            Codec::Pcma => &self.pcma,
            Codec::G722 => &self.g722,
        }
    }
}

impl fmt::Debug for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prompt({} {:?})", self.name, self.duration())
    }
}

/// Fills `out` with silence in `codec`.
pub(super) fn fill_silence(codec: Codec, out: &mut [u8]) {
    match codec {
        Codec::Pcmu => out.fill(Law::Mu.silence()),
        Codec::Pcma => out.fill(Law::A.silence()),
        Codec::G722 => {
            for (octet, &silent) in out.iter_mut().zip(g722::silence().iter().cycle()) {
                *octet = silent;
            }
        }
    }
}
