//! The calls that are known, and what of them outlives them for a while.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::time::Instant;

use super::call::Call;
use super::core::Core;
use super::reach::Reach;
use super::{CallKey, Ended, SipEvent};
use crate::domain::TrunkId;

impl Core {
    /// Keeps a call under each name that it is found by; [`Self::forget`] is the way back.
    pub(super) fn keep(&mut self, call: Call) {
        self.by_tag.insert(call.dialog.local_tag.clone(), call.key);
        self.by_call_id.insert(call.dialog.call_id.clone(), call.key);
        *self.per_trunk.entry(call.trunk.clone()).or_default() += 1;
        self.calls.insert(call.key, call);
    }

    /// Forgets a call; its INVITE stays recognisable for as long as repeats of it can arrive.
    pub(super) fn forget(&mut self, key: CallKey, now: Instant) {
        let Some(call) = self.calls.remove(&key) else { return };
        self.by_tag.remove(&call.dialog.local_tag);
        if self.by_call_id.get(&call.dialog.call_id) == Some(&key) {
            self.by_call_id.remove(&call.dialog.call_id);
        }
        self.confirm(call.unconfirmed);
        if let Some(count) = self.per_trunk.get_mut(&call.trunk) {
            *count = count.saturating_sub(1);
        }
        let mark = mark_of((&call.dialog.call_id[..], &call.dialog.remote_tag[..], call.first_cseq));
        let until = now + self.settings.sip.t1 * 64;
        self.ended.0.insert(mark, mark_of(&call.first_branch));
        self.ended.1.push_back((until, mark));
    }

    /// A call that waited for its ACK does so no more.
    pub(super) fn confirm(&mut self, waiting: Option<IpAddr>) {
        let Some(peer) = waiting else { return };
        if let Some(count) = self.unconfirmed.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                self.unconfirmed.remove(&peer);
            }
        }
    }

    /// A call was answered, and waits for its ACK (or its PRACK) from now on.
    pub(super) fn await_ack(&mut self, key: CallKey) {
        if let Some(call) = self.calls.get_mut(&key).filter(|call| call.unconfirmed.is_none()) {
            let peer = call.dialog.flow.peer.ip();
            call.unconfirmed = Some(peer);
            *self.unconfirmed.entry(peer).or_default() += 1;
        }
    }

    /// From where the media of a call on this trunk may come.
    pub(super) fn reach(&self, trunk: &TrunkId, peer: IpAddr) -> Reach {
        Reach::new(peer, self.settings.trunks.iter().find(|config| config.name == *trunk), &self.settings.own)
    }

    /// For an INVITE whose call is over: the branch under which it came first, as [`mark_of`].
    pub(super) fn late_repeat(&self, call_id: &[u8], from_tag: &[u8], cseq: u32) -> Option<u64> {
        self.ended.0.get(&mark_of((call_id, from_tag, cseq))).copied()
    }

    /// Ends a call without a word to its peer, and tells the owner.
    pub(super) fn finish(&mut self, key: CallKey, ended: Ended, now: Instant) {
        self.emit(key, SipEvent::Ended(ended));
        self.forget(key, now);
    }
}

/// One number in place of what it is made of, for as long as one run.
pub(super) fn mark_of(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}
