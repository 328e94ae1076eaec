//! Requests inside a dialog: BYE, INFO, PRACK, UPDATE and re-INVITE.

use std::time::Instant;

use sipx_sip::headers::CSeq;
use sipx_sip::session::{self, SessionExpires};
use sipx_sip::{HeaderName, Method, Request, Response};

use super::call::{Phase, Repeat};
use super::check::{self, ALLOW, BodyKind, Refusal, SUPPORTED};
use super::core::{Core, Packet};
use super::invite::{build_response, with_sdp};
use super::offer;
use super::transactions::{CallTimer, TxId};
use super::{CallKey, Ended, Flow, SipEvent};
use crate::domain::{Digit, Direction};

impl Core {
    /// A request with a To tag, other than ACK and CANCEL.
    pub(super) fn handle_in_dialog(
        &mut self,
        packet: Packet,
        request: Request,
        tag: &str,
        flow: Flow,
        now: Instant,
    ) {
        let owner = self.by_tag.get(tag).copied();
        let call = owner.and_then(|key| self.calls.get_mut(&key)).filter(|call| call.dialog.owns(&request));
        let Some(call) = call else {
            self.refuse(&packet, &Refusal::new(481));
            return;
        };
        let key = call.key;
        // RFC 3261 §12.2.2: gaps are allowed, going back is not.
        let cseq = request.headers.typed::<CSeq>().and_then(Result::ok).map_or(0, |c| c.sequence);
        if cseq <= call.dialog.remote_cseq {
            self.refuse(&packet, &Refusal::new(500));
            return;
        }
        if request.method == Method::Invite {
            self.handle_reinvite(&packet, request, key, cseq, flow, now);
            return;
        }
        call.dialog.remote_cseq = cseq;
        let Some((id, outputs)) = self.transactions.serve(&request, flow, Some(key)) else { return };
        self.perform(id, outputs, now);
        match request.method {
            Method::Bye => self.handle_bye(key, id, now),
            Method::Info => self.handle_info(key, id, &request, now),
            Method::Update => self.handle_update(key, id, &request, flow, now),
            Method::Prack => {
                let verdict = self.handle_prack(key, &request, now);
                let acknowledged = verdict.code == 200;
                if self.calls.contains_key(&key) {
                    self.answer_request(key, id, &verdict, None, now);
                } else {
                    self.transactions.remove(id);
                    self.refuse(&packet, &verdict);
                }
                if acknowledged && self.calls.get(&key).is_some_and(|call| call.phase == Phase::Progressing) {
                    self.send_ok(key, now);
                }
            }
            Method::Options => {
                let verdict = Refusal::new(200)
                    .with("Allow", ALLOW)
                    .with("Accept", check::ACCEPT)
                    .with("Supported", SUPPORTED);
                self.answer_request(key, id, &verdict, None, now);
            }
            _ => self.answer_request(key, id, &Refusal::new(501), None, now),
        }
    }

    /// Answers in a request's transaction.
    fn answer_request(
        &mut self,
        key: CallKey,
        id: TxId,
        verdict: &Refusal,
        sdp: Option<String>,
        now: Instant,
    ) {
        match self.verdict_response(key, id, verdict, sdp) {
            Some(response) => self.respond(id, response, now),
            None => self.transactions.remove(id),
        }
    }

    fn verdict_response(
        &self,
        key: CallKey,
        id: TxId,
        verdict: &Refusal,
        sdp: Option<String>,
    ) -> Option<Response> {
        let call = self.calls.get(&key)?;
        let request = self.transactions.request_of(id)?;
        let mut builder =
            build_response(request, verdict.code, &call.dialog, &self.settings.sip.server_name)?;
        for (name, value) in &verdict.headers {
            let name = HeaderName::parse(&bytes::Bytes::from_static(name.as_bytes()));
            builder = builder.header(name, value.clone()).ok()?;
        }
        with_sdp(builder, sdp)
    }

    fn handle_bye(&mut self, key: CallKey, id: TxId, now: Instant) {
        self.answer_request(key, id, &Refusal::new(200), None, now);
        let Some(call) = self.calls.get(&key) else { return };
        match call.phase {
            // RFC 3261 §15.1.2: pending requests of the dialog get a 487.
            Phase::Offered | Phase::Progressing => self.send_final(key, 487, now),
            Phase::Ending => {
                // Both ends hung up at once; the owner knows.
                self.forget(key, now);
                return;
            }
            Phase::Answered | Phase::Up => {}
        }
        self.finish(key, Ended::Bye, now);
    }

    /// A key by INFO. Its body is read the same whatever it is called: senders mix names and forms.
    fn handle_info(&mut self, key: CallKey, id: TxId, request: &Request, now: Instant) {
        let digit = match check::body_kind(request) {
            BodyKind::None => None,
            BodyKind::Key => Some(key_in(&String::from_utf8_lossy(request.body()))),
            _ => {
                let verdict = Refusal::new(415).with("Accept", check::ACCEPT);
                self.answer_request(key, id, &verdict, None, now);
                return;
            }
        };
        let code = if digit == Some(None) { 400 } else { 200 };
        self.answer_request(key, id, &Refusal::new(code), None, now);
        if let Some(Some(digit)) = digit {
            self.emit(key, SipEvent::Key(digit));
        }
    }

    fn handle_update(&mut self, key: CallKey, id: TxId, request: &Request, flow: Flow, now: Instant) {
        if let Some(refusal) = self.session_refusal(request) {
            self.answer_request(key, id, &refusal, None, now);
            return;
        }
        let Some(call) = self.calls.get_mut(&key) else { return };
        let mut sdp = None;
        if let Some(body) = check::session_description(request) {
            // RFC 3311 §5.2: an offer while another one is open.
            if call.answer_due || call.refresh.is_some() || call.phase == Phase::Offered {
                self.answer_request(key, id, &Refusal::new(491), None, now);
                return;
            }
            match self.take_offer(key, &body, now) {
                Ok(answer) => sdp = Some(answer),
                Err(refusal) => {
                    self.answer_request(key, id, &refusal, None, now);
                    return;
                }
            }
        }
        if let Some(call) = self.calls.get_mut(&key) {
            call.dialog.refresh_target(request, flow);
        }
        let verdict = self.refreshed(key, request);
        self.answer_request(key, id, &verdict, sdp, now);
        self.arm_session(key, now);
    }

    /// 200 to a request that refreshes the session, with the terms (RFC 4028 §9).
    fn refreshed(&mut self, key: CallKey, request: &Request) -> Refusal {
        let verdict = Refusal::new(200).with("Allow", ALLOW).with("Supported", SUPPORTED);
        let Some(call) = self.calls.get_mut(&key) else { return verdict };
        let Some(Ok(asked)) = request.headers.typed::<SessionExpires>() else {
            return verdict;
        };
        let refresher = asked.refresher.unwrap_or(session::Refresher::Uas);
        let we_refresh = refresher == session::Refresher::Uas;
        call.session = Some(session::Session { interval: asked.interval, we_refresh });
        verdict
            .with("Session-Expires", format!("{};refresher={}", asked.interval.as_secs(), refresher.as_str()))
            .with("Require", session::OPTION_TAG)
    }

    /// Takes a new offer in a standing session: hold, another address, another codec. The session stays as it was
    /// when the offer is of no use.
    fn take_offer(&mut self, key: CallKey, body: &[u8], now: Instant) -> Result<String, Refusal> {
        let codecs = self.settings.sip.codecs.clone();
        let gone = || Refusal::new(481);
        let call = self.calls.get(&key).ok_or_else(gone)?;
        let trunk = call.trunk.clone();
        let reach = self.reach(&trunk, call.dialog.flow.peer.ip());
        let described =
            offer::read(body, &codecs, &reach).map_err(|error| self.refuse_offer(&trunk, &error, now))?;
        let call = self.calls.get_mut(&key).ok_or_else(gone)?;
        let stream = described.stream.clone();
        call.described = Some(Box::new(described));
        let answer = call.next_local_answer().ok_or_else(|| Refusal::new(500))?;
        self.emit(key, SipEvent::Stream(stream));
        Ok(answer)
    }

    fn handle_reinvite(
        &mut self,
        packet: &Packet,
        request: Request,
        key: CallKey,
        cseq: u32,
        flow: Flow,
        now: Instant,
    ) {
        if let Some(refusal) = self.session_refusal(&request) {
            self.refuse(packet, &refusal);
            return;
        }
        let Some(call) = self.calls.get_mut(&key) else { return };
        // RFC 3261 §14.2: 500 while an earlier INVITE is open, 491 while one of ours is.
        let busy = match (call.phase, call.invite.is_some() || call.repeat.is_some(), call.refresh.is_some())
        {
            (Phase::Ending, _, _) => Some(Refusal::new(481)),
            (_, true, _) => {
                Some(Refusal::new(500).with("Retry-After", rand::random_range(0..=10_u32).to_string()))
            }
            (_, _, true) => Some(Refusal::new(491)),
            _ => None,
        };
        if let Some(refusal) = busy {
            self.refuse(packet, &refusal);
            return;
        }
        let sdp = match check::session_description(&request) {
            Some(body) => match self.take_offer(key, &body, now) {
                Ok(answer) => Some(answer),
                Err(refusal) => {
                    self.refuse(packet, &refusal);
                    return;
                }
            },
            None => self.calls.get_mut(&key).and_then(|call| {
                call.answer_due = true;
                let local = call.next_local()?;
                let described = call.described.as_ref()?;
                Some(offer::again(described, local, Direction::SendRecv))
            }),
        };
        let Some((id, outputs)) = self.transactions.serve(&request, flow, Some(key)) else { return };
        self.perform(id, outputs, now);
        if let Some(call) = self.calls.get_mut(&key) {
            call.invite = Some(id);
            call.dialog.remote_cseq = cseq;
            call.invite_cseq = cseq;
            call.dialog.refresh_target(&request, flow);
        }
        let verdict = self.refreshed(key, &request);
        self.answer_reinvite(key, id, &verdict, sdp, now);
    }

    /// A 200 to a re-INVITE is repeated until its ACK, as the first one is.
    fn answer_reinvite(
        &mut self,
        key: CallKey,
        id: TxId,
        verdict: &Refusal,
        sdp: Option<String>,
        now: Instant,
    ) {
        let t1 = self.settings.sip.t1;
        let Some(response) = self.verdict_response(key, id, verdict, sdp) else { return };
        let Some(call) = self.calls.get_mut(&key) else { return };
        let bytes = sipx_sip::Message::Response(response.clone()).to_bytes();
        call.repeat = Some(Repeat { bytes, interval: t1, until: now + t1 * 64 });
        self.set_call_timer(key, CallTimer::Answer, now + t1);
        self.respond(id, response, now);
    }
}

/// Names of the field that holds the key.
const SIGNAL: [&str; 4] = ["signal", "d", "digit", "key"];

/// The key in the body of an INFO: a field `Signal=5` in any of its spellings, else the whole body.
fn key_in(body: &str) -> Option<Digit> {
    let mut fields = body.split(['\r', '\n', ';']).filter_map(|line| line.split_once(['=', ':']));
    let named = fields.find(|(name, _)| SIGNAL.iter().any(|known| name.trim().eq_ignore_ascii_case(known)));
    signal_of(named.map_or(body, |(_, value)| value).trim().trim_matches(['"', '\'']))
}

/// A key as INFO bodies write it: the character, its name, or an event code of two digits.
fn signal_of(text: &str) -> Option<Digit> {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(c), None) => Digit::from_char(c.to_ascii_uppercase()),
        (Some('1'), Some(_)) => text.parse::<u8>().ok().and_then(Digit::from_event_code),
        _ if ["star", "asterisk"].iter().any(|name| text.eq_ignore_ascii_case(name)) => Some(Digit::STAR),
        _ if ["hash", "pound"].iter().any(|name| text.eq_ignore_ascii_case(name)) => Some(Digit::HASH),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_in_every_spelling() {
        let five = Digit::from_char('5');
        for body in [
            "Signal=5\r\nDuration=160\r\n",
            " Signal = 5\n Duration = 160",
            "Signal=5\rDuration=160\r",
            "Version=1.0\r\nsignal: 5\r\nVolume=10",
            "5",
            "5\r\n",
            "d=5\r\n",
            "p=Digit-Collection\r\ny=Digits\r\ns=success\r\nd=5",
            "Signal=\"5\"",
            "signal=5;duration=160",
        ] {
            assert_eq!(key_in(body), five, "{body:?}");
        }
        assert_eq!(key_in("signal= *"), Some(Digit::STAR));
        assert_eq!(key_in("Signal=11"), Some(Digit::HASH));
        assert_eq!(key_in("Signal=pound"), Some(Digit::HASH));
        for body in ["Duration=160", "17", "", "Signal=", "hello", "55"] {
            assert_eq!(key_in(body), None, "{body:?}");
        }
    }
}
