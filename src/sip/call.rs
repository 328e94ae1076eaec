//! One call's signalling state.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sipx_sip::Request;
use sipx_sip::rel::Numbering;
use sipx_sip::session::Session;

use super::admit::Measure;
use super::dialog::Dialog;
use super::offer::{Described, LocalMedia};
use super::transactions::TxId;
use super::{CallKey, Ended};
use crate::domain::TrunkId;

/// What stage a call is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Offered to the owner, who has not decided.
    Offered,
    /// A reliable provisional response waits for its PRACK; the 200 follows.
    Progressing,
    /// The 200 is out, the ACK not here.
    Answered,
    /// Acknowledged.
    Up,
    /// Our BYE is out, or a rejection waits for its ACK.
    Ending,
}

/// A message that is repeated until the far end reacts.
pub(super) struct Repeat {
    pub bytes: Bytes,
    pub interval: Duration,
    pub until: Instant,
}

/// A reliable provisional response in flight (RFC 3262).
pub(super) struct Reliable {
    pub numbering: Numbering,
    pub repeat: Option<Repeat>,
}

/// A hang-up that waits until it may go out: a callee must not send BYE before the ACK (RFC 3261 §15).
#[derive(Clone, Copy, Debug)]
pub(super) struct HangUp {
    pub cause: u16,
    pub text: &'static str,
    pub ended: Ended,
}

/// One call.
pub(super) struct Call {
    pub key: CallKey,
    pub trunk: TrunkId,
    pub phase: Phase,
    pub dialog: Dialog,
    /// The INVITE server transaction that has no ACK yet: the first one or a re-INVITE's.
    pub invite: Option<TxId>,
    /// The INVITE itself, until it has its final answer.
    pub request: Option<Box<Request>>,
    /// The branch of the first INVITE, which tells a repeat from a merged request (RFC 3261 §8.2.2.2).
    pub first_branch: Bytes,
    pub first_cseq: u32,
    /// The CSeq of the INVITE that was answered last: the ACK carries it, whatever came since (RFC 3261 §13.2.2.4).
    pub invite_cseq: u32,
    /// Whose place among the unconfirmed calls it takes, until its ACK comes.
    pub unconfirmed: Option<IpAddr>,
    /// What the far end may still send.
    pub measure: Measure,
    /// The far end's description as last agreed, or as offered.
    pub described: Option<Box<Described>>,
    pub local: Option<LocalMedia>,
    /// Our own offer is out and its answer is due in the ACK (or the PRACK).
    pub answer_due: bool,
    pub repeat: Option<Repeat>,
    pub reliable: Option<Box<Reliable>>,
    pub session: Option<Session>,
    /// When the far end gives the session up, less the time that a BYE needs (RFC 4028 §10).
    pub session_over: Option<Instant>,
    /// A refresh of ours in flight.
    pub refresh: Option<TxId>,
    /// The number of our last re-INVITE that was answered: each repeat of its 2xx gets the ACK again.
    pub acknowledged: Option<u32>,
    /// Whether the far end takes UPDATE.
    pub takes_update: bool,
    pub hang_up: Option<HangUp>,
    /// The call that ends once this one is answered.
    pub replaces: Option<CallKey>,
    /// Tells a replaced timer from the one that counts.
    pub generation: u32,
}

impl Call {
    /// Makes every timer set so far stale and names the next one.
    pub(super) fn renew(&mut self) -> u32 {
        self.generation = self.generation.wrapping_add(1);
        self.generation
    }

    /// Where our media listens, once the owner has said so.
    pub(super) fn next_local(&mut self) -> Option<LocalMedia> {
        let local = self.local.as_mut()?;
        local.version += 1;
        Some(*local)
    }
}
