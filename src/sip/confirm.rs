//! What confirms or takes back an INVITE: ACK, PRACK and CANCEL (RFC 3261 §13.3.1.4 and §9.2, RFC 3262 §3).

use std::time::Instant;

use sipx_sip::headers::CSeq;
use sipx_sip::rel::RAck;
use sipx_sip::{Request, TransactionKey};

use super::call::{Call, Phase};
use super::check::{self, Refusal};
use super::core::{Core, Packet};
use super::offer;
use super::{CallKey, Ended, SipEvent};

impl Core {
    /// An ACK for a 2xx (one for anything else ends in its transaction).
    pub(super) fn handle_ack(&mut self, request: &Request, tag: &str, now: Instant) {
        let Some(&key) = self.by_tag.get(tag) else { return };
        let Some(call) = self.calls.get_mut(&key) else { return };
        let cseq = request.headers.typed::<CSeq>().and_then(Result::ok).map_or(0, |c| c.sequence);
        if call.repeat.is_none() || !call.dialog.owns(request) || cseq != call.invite_cseq {
            return;
        }
        call.repeat = None;
        let first = call.phase == Phase::Answered;
        let waited = call.unconfirmed.take();
        if call.phase != Phase::Ending {
            call.phase = Phase::Up;
        }
        if let Some(id) = call.invite.take() {
            self.transactions.remove(id);
        }
        self.confirm(waited);
        if self.take_late_answer(key, request).is_err() {
            self.end_with_bye(key, 488, "no usable answer", Ended::NoCodec, now);
            return;
        }
        if first {
            self.emit(key, SipEvent::Confirmed);
        }
        self.arm_session(key, now);
        if let Some(wanted) = self.calls.get_mut(&key).and_then(|call| call.hang_up.take()) {
            self.end_with_bye(key, wanted.cause, wanted.text, wanted.ended, now);
        }
    }

    /// Reads the answer to our own offer, where one is due.
    fn take_late_answer(&mut self, key: CallKey, request: &Request) -> Result<(), ()> {
        let codecs = self.settings.sip.codecs.clone();
        let Some(call) = self.calls.get_mut(&key) else { return Ok(()) };
        if !std::mem::take(&mut call.answer_due) || (call.described.is_some() && request.body().is_empty()) {
            return Ok(());
        }
        let (trunk, peer) = (call.trunk.clone(), call.dialog.flow.peer.ip());
        let sdp = check::session_description(request).ok_or(())?;
        let reach = self.reach(&trunk, peer);
        let described = offer::read(&sdp, &codecs, &reach).map_err(|_| ())?;
        let Some(call) = self.calls.get_mut(&key) else { return Ok(()) };
        let stream = described.stream.clone();
        call.described = Some(Box::new(described));
        self.emit(key, SipEvent::Stream(stream));
        Ok(())
    }

    /// PRACK: the provisional response arrived, so the answer may follow (RFC 3262 §3).
    pub(super) fn handle_prack(&mut self, key: CallKey, request: &Request, now: Instant) -> Refusal {
        let Some(Ok(rack)) = request.headers.typed::<RAck>() else { return Refusal::new(400) };
        let Some(call) = self.calls.get_mut(&key) else { return Refusal::new(481) };
        let cseq = call.first_cseq;
        let Some(reliable) = call.reliable.as_mut() else { return Refusal::new(481) };
        if !reliable.numbering.acknowledge(&rack, cseq, b"INVITE") {
            return Refusal::new(481);
        }
        reliable.repeat = None;
        let offered = call.answer_due;
        if offered && self.take_late_answer(key, request).is_err() {
            // The provisional response counts as acknowledged, so nothing would end this call any more.
            self.send_final(key, 488, now);
            self.finish(key, Ended::NoCodec, now);
            return Refusal::new(400);
        }
        if let Some(call) = self.calls.get_mut(&key) {
            // The offer and its answer have passed: the 200 carries no description again.
            call.answer_due = offered;
        }
        Refusal::new(200)
    }

    /// CANCEL (RFC 3261 §9.2): ends an INVITE that has no final answer yet.
    pub(super) fn handle_cancel(&mut self, packet: &Packet, request: &Request, now: Instant) {
        let invite =
            TransactionKey::for_cancelled_invite(request).and_then(|key| self.transactions.find(&key));
        let Some(id) = invite else {
            self.refuse(packet, &Refusal::new(481));
            return;
        };
        self.answer_stateless(packet, &Refusal::new(200));
        let Some(key) = self.transactions.server(id).and_then(|server| server.call) else { return };
        let pending = |call: &Call| matches!(call.phase, Phase::Offered | Phase::Progressing);
        if self.calls.get(&key).is_some_and(pending) {
            self.send_final(key, 487, now);
            self.finish(key, Ended::Cancelled, now);
        }
    }
}
