//! What offer and answer agreed on: `sip` fills it in, `media` obeys it.

use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// An audio codec that we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Codec {
    /// G.711 mu-law, 8 kHz, static payload type 0 (RFC 3551 §4.5.14).
    Pcmu,
    /// G.711 A-law, 8 kHz, static payload type 8 (RFC 3551 §4.5.14).
    Pcma,
    /// G.722 at 64 kbit/s: 16 kHz audio whose RTP clock runs at 8 kHz, static payload type 9 (RFC 3551 §4.5.2).
    G722,
}

impl Codec {
    /// All codecs, in our order of preference.
    pub const ALL: [Self; 3] = [Self::Pcmu, Self::Pcma, Self::G722];

    /// The encoding name in `a=rtpmap`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
        }
    }

    /// The static payload type.
    #[must_use]
    pub fn static_payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
            Self::G722 => 9,
        }
    }
}

/// Which way audio flows, seen from us (RFC 3264 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// We only send: the far end put us on hold but listens (music-on-hold case reversed).
    SendOnly,
    /// We only receive: the far end is `sendonly`; our prompts wait.
    RecvOnly,
    /// Nothing flows; the call is on hold.
    Inactive,
}

impl Direction {
    /// Whether the far end listens to us.
    #[must_use]
    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the far end sends to us, so that silence on the wire means trouble.
    #[must_use]
    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }
}

/// The telephone-event format that was agreed (RFC 4733).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// The dynamic payload type, 96-127 as a rule.
    pub payload_type: u8,
    /// RTP clock of the events in Hz: 8000 or 16000.
    pub clock_hz: u32,
}

/// One agreed audio stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreedStream {
    /// The codec we send and expect.
    pub codec: Codec,
    /// Its payload type on the wire.
    pub payload_type: u8,
    /// The agreed key events; `None` means that keys can only come in-band or by INFO.
    pub telephone_event: Option<TelephoneEvent>,
    /// Other payload types that the far end itself maps to telephone-event. Some softphones that offer two send on the
    /// other one, and the number can mean nothing else in this call.
    pub other_events: Vec<TelephoneEvent>,
    /// Packet length that we send, in ms: 10-60.
    pub ptime_ms: u8,
    /// Where the far end said it listens. Symmetric RTP may move it.
    pub remote: SocketAddr,
    /// Networks whose packets may be taken for the far end's when they come from another address than `remote`: the
    /// signalling peer's host and the trunk's media networks.
    pub learnable: Arc<[IpNet]>,
    /// Where the far end wants RTCP (RFC 3605), by default the RTP port plus one; `None` when RTCP shares the RTP port.
    pub remote_rtcp: Option<SocketAddr>,
    /// Which way audio flows.
    pub direction: Direction,
}
