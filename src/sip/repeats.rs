//! Answers that are repeated until the far end reacts, and what follows when it never does (RFC 3261 §13.3.1.4,
//! RFC 3262 §3).

use std::time::{Duration, Instant};

use metrics::counter;

use super::core::Core;
use super::transactions::CallTimer;
use super::{CallKey, Ended};

/// RFC 3261 §13.3.1.4: the repeats of a 2xx slow down to this.
const T2: Duration = Duration::from_secs(4);

impl Core {
    /// Timer: the 2xx has no ACK yet.
    pub(super) fn repeat_answer(&mut self, key: CallKey, now: Instant) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let flow = call.dialog.flow;
        let Some(repeat) = call.repeat.as_mut() else { return };
        if now >= repeat.until {
            call.repeat = None;
            counter!("aftercall_sip_no_ack_total").increment(1);
            self.give_up(key, now);
            return;
        }
        repeat.interval = (repeat.interval * 2).min(T2);
        let (bytes, next) = (repeat.bytes.clone(), (now + repeat.interval).min(repeat.until));
        self.transmit(flow, bytes);
        self.set_call_timer(key, CallTimer::Answer, next);
    }

    /// No ACK came. RFC 3261 §13.3.1.4: the dialog is confirmed all the same, and is ended. Where the far end has never
    /// shown itself the BYE goes out once, for it may have asked for nothing.
    fn give_up(&mut self, key: CallKey, now: Instant) {
        let first = self.calls.get(&key).is_some_and(|call| call.unconfirmed.is_some());
        if !first {
            self.end_with_bye(key, 408, "no ACK", Ended::NoAck, now);
            return;
        }
        let Some(call) = self.calls.get_mut(&key) else { return };
        let (cseq, flow) = (call.dialog.next_cseq(), call.dialog.next_hop());
        if let Some(id) = call.invite.take() {
            self.transactions.remove(id);
        }
        let bye = self.calls.get(&key).and_then(|call| self.bye(&call.dialog, cseq, 408, "no ACK"));
        if let Some(bye) = bye {
            self.transmit(flow, sipx_sip::Message::Request(bye).to_bytes());
        }
        self.finish(key, Ended::NoAck, now);
    }

    /// Timer: the reliable provisional response has no PRACK yet.
    pub(super) fn repeat_provisional(&mut self, key: CallKey, now: Instant) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        let flow = call.dialog.flow;
        let Some(repeat) = call.reliable.as_mut().and_then(|r| r.repeat.as_mut()) else { return };
        if now >= repeat.until {
            // RFC 3262 §3: the UAS should reject the original request with a 5xx.
            self.send_final(key, 504, now);
            self.finish(key, Ended::NoAck, now);
            return;
        }
        repeat.interval *= 2;
        let (bytes, next) = (repeat.bytes.clone(), (now + repeat.interval).min(repeat.until));
        self.transmit(flow, bytes);
        self.set_call_timer(key, CallTimer::Provisional, next);
    }
}
