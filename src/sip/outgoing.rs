//! Requests that we send inside a dialog: BYE, and the refresh of a session.

use std::time::{Duration, Instant};

use bytes::Bytes;
use sipx_sip::session::{self, Session, SessionExpires};
use sipx_sip::{HeaderName, Method, Request, Response};

use super::call::{Call, HangUp, Phase};
use super::core::{Core, tag_text};
use super::dialog::Dialog;
use super::offer;
use super::transactions::{CallTimer, TxId};
use super::{CallKey, Ended, Flow, SipEvent};

/// The longest session interval that is counted with.
const SESSION_MAX: Duration = Duration::from_secs(24 * 3600);
/// After how long a refused refresh is tried again.
const REFRESH_AGAIN: Duration = Duration::from_secs(2);

impl Core {
    /// The owner hangs up.
    pub(super) fn hang_up(&mut self, key: CallKey, cause: u16, text: &'static str, now: Instant) {
        self.hang_up_as(key, HangUp { cause, text, ended: Ended::ByUs }, now);
    }

    /// Ends a call as soon as that may be.
    pub(super) fn hang_up_as(&mut self, key: CallKey, how: HangUp, now: Instant) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        match call.phase {
            Phase::Offered | Phase::Progressing => self.reject(key, 480, now),
            Phase::Answered => call.hang_up = Some(how),
            Phase::Up => self.end_with_bye(key, how.cause, how.text, how.ended, now),
            Phase::Ending => {}
        }
    }

    /// Sends BYE and tells the owner; the call stays known until the far end has answered.
    pub(super) fn end_with_bye(
        &mut self,
        key: CallKey,
        cause: u16,
        text: &'static str,
        ended: Ended,
        now: Instant,
    ) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.phase = Phase::Ending;
        call.repeat = None;
        call.renew();
        let cseq = call.dialog.next_cseq();
        if let Some(id) = call.invite.take() {
            self.transactions.remove(id);
        }
        self.emit(key, SipEvent::Ended(ended));
        let request = self
            .calls
            .get(&key)
            .and_then(|call| Some((self.bye(&call.dialog, cseq, cause, text)?, call.dialog.next_hop())));
        match request {
            Some((bye, flow)) => self.send_request(bye, flow, Some(key), now),
            None => self.forget(key, now),
        }
    }

    /// A BYE with the reason why (RFC 3326).
    pub(super) fn bye(&self, dialog: &Dialog, cseq: u32, cause: u16, text: &str) -> Option<Request> {
        let builder = dialog.request(&Method::Bye, cseq, &new_branch()).ok()?;
        let reason = format!("SIP;cause={cause};text=\"{text}\"");
        Some(self.with_agent(builder.header(HeaderName::Reason, reason).ok()?)?.build())
    }

    fn with_agent(&self, builder: sipx_sip::RequestBuilder) -> Option<sipx_sip::RequestBuilder> {
        match self.settings.sip.server_name.as_str() {
            "" => Some(builder),
            name => builder.header(HeaderName::UserAgent, name.to_owned()).ok(),
        }
    }

    pub(super) fn send_request(&mut self, request: Request, flow: Flow, call: Option<CallKey>, now: Instant) {
        let is_bye = request.method == Method::Bye;
        match self.transactions.request(request, flow, call) {
            Some((id, outputs)) => {
                if let Some(call) = call.filter(|_| !is_bye).and_then(|key| self.calls.get_mut(&key)) {
                    call.refresh = Some(id);
                }
                self.perform(id, outputs, now);
            }
            None => {
                if let Some(key) = call {
                    self.forget(key, now);
                }
            }
        }
    }

    /// An answer to a request of ours.
    pub(super) fn handle_answer(&mut self, id: TxId, response: &Response, now: Instant) {
        if response.status.is_provisional() {
            return;
        }
        let Some(key) = self.transactions.client(id).and_then(|client| client.call) else {
            self.transactions.remove(id);
            return;
        };
        let Some(call) = self.calls.get_mut(&key) else {
            self.transactions.remove(id);
            return;
        };
        if call.refresh == Some(id) {
            call.refresh = None;
            self.handle_refresh_answer(key, id, response, now);
        } else if call.phase == Phase::Ending {
            self.transactions.remove(id);
            self.forget(key, now);
        }
    }

    /// A request of ours got no answer.
    pub(super) fn handle_no_answer(&mut self, id: TxId, now: Instant) {
        let Some(key) = self.transactions.client(id).and_then(|client| client.call) else { return };
        let Some(call) = self.calls.get_mut(&key) else { return };
        if call.phase == Phase::Ending {
            self.forget(key, now);
        } else if call.refresh == Some(id) {
            // RFC 4028 §10: no answer to a refresh ends the session.
            call.refresh = None;
            self.end_with_bye(key, 408, "session refresh failed", Ended::SessionExpired, now);
        }
    }

    /// Starts the session timer anew, after an answer or a refresh.
    pub(super) fn arm_session(&mut self, key: CallKey, now: Instant) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        if call.phase != Phase::Up || call.repeat.is_some() {
            return;
        }
        if let Some(session) = call.session.as_mut() {
            // What a far end writes there may be any number; no call lasts a day.
            session.interval = session.interval.min(SESSION_MAX);
            let session = *session;
            call.session_over = Some(now + Session { we_refresh: false, ..session }.act_after());
            self.set_call_timer(key, CallTimer::Session, now + session.act_after());
        }
    }

    /// A refresh was refused: it is tried again as long as the session stands.
    fn refresh_again(&mut self, key: CallKey, now: Instant) {
        let again = now + REFRESH_AGAIN;
        if self.calls.get(&key).and_then(|call| call.session_over).is_some_and(|over| over <= again) {
            self.end_with_bye(key, 408, "session expired", Ended::SessionExpired, now);
        } else {
            self.set_call_timer(key, CallTimer::Session, again);
        }
    }

    /// Timer: refresh the session, or end it because the far end did not.
    pub(super) fn handle_session_timer(&mut self, key: CallKey, now: Instant) {
        let Some(session) = self.calls.get(&key).and_then(|call| call.session) else { return };
        if !session.we_refresh {
            self.end_with_bye(key, 408, "session expired", Ended::SessionExpired, now);
            return;
        }
        let Some(call) = self.calls.get_mut(&key) else { return };
        let (cseq, takes_update) = (call.dialog.next_cseq(), call.takes_update);
        let method = if takes_update { Method::Update } else { Method::Invite };
        let local = if takes_update { None } else { call.next_local() };
        let description =
            local.zip(call.described.as_ref()).map(|(l, d)| offer::again(d, l, d.stream.direction));
        let flow = call.dialog.next_hop();
        let request = call.dialog.request(&method, cseq, &new_branch()).ok().and_then(|builder| {
            let value = format!("{};refresher=uac", session.interval.as_secs());
            let builder = builder
                .header(HeaderName::Contact, call.dialog.contact())
                .ok()?
                .header(HeaderName::Supported, super::check::SUPPORTED)
                .ok()?
                .header(HeaderName::SessionExpires, value)
                .ok()?;
            match description {
                Some(sdp) => {
                    Some(builder.header(HeaderName::ContentType, "application/sdp").ok()?.body(sdp).build())
                }
                None => Some(builder.build()),
            }
        });
        match request {
            Some(request) => self.send_request(request, flow, Some(key), now),
            None => self.end_with_bye(key, 500, "refresh impossible", Ended::SessionExpired, now),
        }
    }

    fn handle_refresh_answer(&mut self, key: CallKey, id: TxId, response: &Response, now: Instant) {
        let invite =
            self.transactions.client(id).is_some_and(|c| c.machine.request().method == Method::Invite);
        let cseq = response.headers.typed::<sipx_sip::CSeq>().and_then(Result::ok).map_or(0, |c| c.sequence);
        if response.status.is_success() {
            self.transactions.remove(id);
            if invite {
                self.acknowledge(key, cseq);
            }
            let agreed = response.headers.typed::<SessionExpires>().and_then(Result::ok);
            if let Some(call) = self.calls.get_mut(&key) {
                let asked = call.session.map(|s| s.interval);
                // In this exchange the roles are turned: we are the UAC.
                call.session = session::adopt(agreed, asked);
            }
            self.arm_session(key, now);
            return;
        }
        match response.status.code() {
            // RFC 4028 §10 and RFC 3261 §12.2.1.2: these say that the dialog is gone.
            408 | 481 => self.end_with_bye(key, 481, "dialog gone", Ended::SessionExpired, now),
            422 => {
                let min = response.headers.typed::<session::MinSe>().and_then(Result::ok);
                if let (Some(call), Some(min)) = (self.calls.get_mut(&key), min)
                    && let Some(session) = call.session.as_mut()
                {
                    session.interval = session.interval.max(min.0);
                }
                self.refresh_again(key, now);
            }
            _ => self.refresh_again(key, now),
        }
    }

    /// The ACK for a 2xx to our re-INVITE (RFC 3261 §13.2.2.4): sent straight to the next hop, outside of any
    /// transaction.
    fn acknowledge(&mut self, key: CallKey, cseq: u32) {
        let Some(call) = self.calls.get_mut(&key) else { return };
        call.acknowledged = Some(cseq);
        let flow = call.dialog.next_hop();
        if let Ok(builder) = call.dialog.request(&Method::Ack, cseq, &new_branch()) {
            let mut out = Vec::new();
            builder.build().write_to(&mut out);
            self.transmit(flow, Bytes::from(out));
        }
    }

    /// A response that answers no request in flight: a 2xx whose ACK was lost comes again, and gets it again.
    pub(super) fn acknowledge_again(&mut self, response: &Response) {
        let cseq = response.headers.typed::<sipx_sip::CSeq>().and_then(Result::ok);
        let Some(cseq) = cseq.filter(|cseq| cseq.method == Method::Invite && response.status.is_success())
        else {
            return;
        };
        let from = response.headers.typed::<sipx_sip::headers::From>().and_then(Result::ok);
        let tag = from.as_ref().and_then(|from| from.0.tag()).map(tag_text);
        let Some(&key) = tag.and_then(|tag| self.by_tag.get(&tag)) else { return };
        let same = |call: &Call| {
            let id = response.headers.value(&HeaderName::CallId);
            call.acknowledged == Some(cseq.sequence) && id.is_some_and(|id| *id == call.dialog.call_id)
        };
        if self.calls.get(&key).is_some_and(same) {
            self.acknowledge(key, cseq.sequence);
        }
    }
}

fn new_branch() -> String {
    format!("z9hG4bK{:016x}", rand::random::<u64>())
}
