//! A leg as its thread keeps it: its sockets, its owner, and what it has counted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::super::LegEvent;
use super::super::inbox::Inbox;
use super::super::leg::LegCore;
use super::super::ports::{self, Sockets};
use super::super::rounds::Rounds;

/// Visits after which a settled far end is all that a socket listens to: two seconds at 20 ms, in which strangers are
/// still counted.
const TIED_AFTER: u32 = 100;

/// A leg on its way to its thread.
pub(in crate::media) struct NewLeg {
    pub(in crate::media) core: LegCore,
    pub(in crate::media) sockets: Sockets,
    pub(in crate::media) port: u16,
    pub(in crate::media) inbox: Arc<Inbox>,
    pub(in crate::media) events: mpsc::Sender<LegEvent>,
}

pub(super) struct Entry {
    pub(super) core: LegCore,
    /// `None` once closed.
    pub(super) sockets: Option<Sockets>,
    pub(super) port: u16,
    pub(super) inbox: Arc<Inbox>,
    pub(super) events: mpsc::Sender<LegEvent>,
    /// An event that found the owner's channel full.
    pub(super) stuck: Option<LegEvent>,
    pub(super) rounds: Rounds,
    /// Whom the RTP socket is tied to.
    pub(super) tied: Option<SocketAddr>,
    /// Visits in a row that found the far end settled.
    pub(super) settled_for: u32,
    pub(super) closed_at: Option<Instant>,
}

/// A leg must stay small: the budget is 12 KiB with its channels.
const _: () = assert!(size_of::<Entry>() <= 4096);

/// Counts between two flushes to the metrics.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) late_wakes: u64,
    pub(super) skipped_ms: u64,
    pub(super) send_failures: u64,
    pub(super) blocked_events: u64,
}

impl Entry {
    /// Ties the socket to a far end that has been settled for a while, and lets go when SIP moves it.
    pub(super) fn tie(&mut self) {
        let settled = self.core.settled();
        self.settled_for = if settled.is_some() { self.settled_for.saturating_add(1) } else { 0 };
        let wanted = settled.filter(|_| self.settled_for >= TIED_AFTER);
        if wanted == self.tied {
            return;
        }
        let Some(sockets) = &self.sockets else { return };
        // Where the system refuses, the source lock does the same work, and the next visit tries again.
        if ports::tie(&sockets.rtp, wanted).is_ok() {
            self.tied = wanted;
        }
    }

    /// Hands over what the owner's channel takes. True when nothing is left.
    pub(super) fn deliver(&mut self, tally: &mut Tally) -> bool {
        while let Some(event) = self.stuck.take().or_else(|| self.core.poll_event()) {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(event)) => {
                    tally.blocked_events += 1;
                    self.stuck = Some(event);
                    return false;
                }
                Err(TrySendError::Closed(_)) => while self.core.poll_event().is_some() {},
            }
        }
        true
    }
}
