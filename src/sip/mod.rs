//! The only place that knows SIP (RFC 3261).
//!
//! `core::Core` is the whole protocol without sockets or clock: packets and commands in, packets and events out.
//! `transport` owns the sockets and turns its crank. Parsing and the transaction machines are `sipx-sip`'s, whose types
//! stop at this module's border; what it leaves to its user (repeating the 2xx, dialogs, admission, caps, delayed
//! offers, hold, session timers) is here.
//!
//! A call, seen from outside: [`Incoming`] arrives with its context; the owner sends [`SipCommand::Answer`] or
//! [`SipCommand::Reject`]; events follow until [`SipEvent::Ended`], after which nothing comes.

mod admit;
mod call;
mod check;
mod confirm;
mod context;
mod core;
mod dialog;
mod digest;
mod framing;
mod fuzz;
mod indialog;
mod invite;
mod lenient;
mod offer;
mod outgoing;
mod raw;
mod reach;
mod refuse;
mod repeats;
mod replaces;
mod stream;
mod table;
#[cfg(test)]
mod tests;
mod told;
mod transactions;
mod transport;
mod uui;

use std::net::{IpAddr, SocketAddr};

pub use context::SourceExpr;
pub use core::Closed;
pub(crate) use fuzz::{fuzz_offer, fuzz_packet};
pub use offer::OfferError;
pub use transport::{CallSignals, Endpoint, EndpointError, SipHandle};

use crate::config::Transport;
use crate::domain::{AgreedStream, CallContext, DialogTrace, Digit, TrunkId};

/// One call, for as long as this process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallKey(pub u64);

/// The way between us and a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Datagram or stream.
    pub transport: Transport,
    /// Which of our listeners.
    pub listener: usize,
    /// Which connection, on a stream.
    pub connection: Option<u64>,
    /// The far address.
    pub peer: SocketAddr,
}

/// A call that somebody offers us. Until it is answered or rejected the far end waits.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Its name for commands.
    pub key: CallKey,
    /// The trunk it came by.
    pub trunk: TrunkId,
    /// What the trunk's mapping made of its headers.
    pub context: CallContext,
    /// The stream we would agree to; `None` when the INVITE had no offer, so that ours comes first.
    pub stream: Option<AgreedStream>,
    /// The address of this machine that the peer reached, for the media socket.
    pub local_ip: IpAddr,
    /// What ends this dialog after a crash.
    pub trace: DialogTrace,
    /// The call whose place it takes (RFC 3891): that one ends once this one is answered.
    pub replaces: Option<CallKey>,
}

/// What happens to a call that was offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SipEvent {
    /// The answer was acknowledged: both ends can speak.
    Confirmed,
    /// The agreed stream is now this: first after a delayed offer, later after each re-INVITE or UPDATE.
    Stream(AgreedStream),
    /// A key by INFO.
    Key(Digit),
    /// It is over.
    Ended(Ended),
}

/// How a call ended, seen from signalling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The far end hung up.
    Bye,
    /// The far end gave up before the answer.
    Cancelled,
    /// We hung up or rejected, as commanded.
    ByUs,
    /// Another call took its place.
    Replaced,
    /// Our answer was never acknowledged.
    NoAck,
    /// The far end's answer to our offer was of no use.
    NoCodec,
    /// The session timer ran out.
    SessionExpired,
    /// A request of ours failed, or the connection is gone.
    Transport,
}

/// What a call's owner wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SipCommand {
    /// Answer with 200, media at this local port.
    Answer {
        /// Our RTP port.
        port: u16,
    },
    /// Refuse with this final status (400-699).
    Reject {
        /// The status code.
        code: u16,
    },
    /// End an answered call with BYE; the text goes into its Reason header (RFC 3326).
    HangUp {
        /// The SIP cause, for example 200 for a survey that ran to its end.
        cause: u16,
        /// A few words without caller data.
        text: &'static str,
    },
}
