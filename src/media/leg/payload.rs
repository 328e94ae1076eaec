//! What a packet carries, by what was agreed.

use crate::domain::{AgreedStream, Codec};
use crate::media::prompt::TICKS_PER_MS;
use crate::media::rtp::RtpHeader;

/// What a packet carries.
pub(super) enum Payload {
    Audio(Codec),
    /// Key events, with the clock of their durations.
    KeyEvent {
        clock_hz: u32,
    },
    /// Comfort noise, or a format that was never agreed: alive, but nothing to hear.
    Other,
}

impl Payload {
    pub(super) fn of(header: &RtpHeader, stream: &AgreedStream) -> Self {
        let payload_type = header.payload_type;
        let mut events = stream.telephone_event.iter().chain(stream.other_events.iter());
        if let Some(event) = events.find(|event| event.payload_type == payload_type) {
            return Self::KeyEvent { clock_hz: event.clock_hz };
        }
        codec_of(payload_type, stream).map_or(Self::Other, Self::Audio)
    }
}

/// The codec of a payload type: the agreed one, or one of the static ones that a far end may change to.
pub(super) fn codec_of(payload_type: u8, stream: &AgreedStream) -> Option<Codec> {
    if payload_type == stream.payload_type {
        return Some(stream.codec);
    }
    Codec::ALL.into_iter().find(|codec| codec.static_payload_type() == payload_type)
}

/// Time between two frames, in ms: a multiple of ten.
pub(super) fn ptime_ms(stream: &AgreedStream) -> u8 {
    stream.ptime_ms.clamp(10, 60) / 10 * 10
}

/// Microseconds of ticks at 8 kHz.
pub(super) fn ticks_to_us(ticks: u32) -> u32 {
    ticks.saturating_mul(1000 / TICKS_PER_MS)
}
