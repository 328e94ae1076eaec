//! Audio: RTP and RTCP, keys, talk, prompts; few threads own all calls' sockets.
//!
//! Everything but [`engine`] and [`ports`] is pure: it takes `now` as an argument and owns no socket. The border is
//! [`MediaEngine`], [`Leg`] and [`LegEvent`].

use std::time::Instant;

use crate::domain::{CallStats, Digit, KeyPath, PlayId};

pub mod ear;
pub mod engine;
mod fuzz;
pub mod g711;
pub mod g722;
mod inbox;
pub mod jitter;
pub mod keys;
pub mod leg;
pub mod player;
pub mod ports;
mod prompt;
mod rounds;
pub mod rtcp;
pub mod rtp;
pub mod source;
pub mod talk;
mod tap;
pub mod telephone_event;
mod thread;
pub mod tone;

pub use engine::{Leg, MediaEngine, MediaError};
pub(crate) use fuzz::{fuzz_keys, fuzz_packets};
pub use player::Times;
pub use prompt::Prompt;

/// What a leg tells its owner.
///
/// Keys, `PlayDone`, `Dead` and `Closed` wait in the leg while the owner's channel is full; `Talk` may be dropped.
#[derive(Clone, Debug, PartialEq)]
pub enum LegEvent {
    /// The far end's first RTP packet came.
    Heard,
    /// The last sound of a play has been heard. A play that was stopped is not reported.
    PlayDone(PlayId),
    /// A key was pressed; heard on several paths, it comes once.
    Key {
        /// The key.
        digit: Digit,
        /// The path that told of it first.
        path: KeyPath,
        /// When its first packet came.
        at: Instant,
    },
    /// The caller began or stopped talking.
    Talk {
        /// Whether they talk now.
        on: bool,
    },
    /// No audio comes, though it should. Told once for each silence.
    Dead(DeadMedia),
    /// The leg is closed, and these are its figures. The last event.
    Closed(Box<CallStats>),
}

/// How the audio died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadMedia {
    /// Nothing ever came.
    NeverHeard,
    /// It stopped coming.
    WentSilent,
}
