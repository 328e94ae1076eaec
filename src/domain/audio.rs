//! Sound on its way from a leg to a listener.

use std::time::Instant;

/// Samples a second of everything that is listened to.
pub const LISTEN_RATE: u32 = 8_000;

/// What one packet of the caller's audio sounds like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioFrame {
    /// Linear samples at [`LISTEN_RATE`], mono. Lost packets are filled with silence, so that a frame's place in the
    /// stream is its time.
    pub samples: Box<[i16]>,
    /// When it came. Frames may come late and in bursts; their length, not this, is the time that passed in them.
    pub at: Instant,
    /// A key is down in it, by tone or by telephone-event: not speech.
    pub key_down: bool,
}
