//! The INVITE and its answer (RFC 3261 §13.3, RFC 3262, RFC 4028 §9).

use std::time::Instant;

use metrics::counter;
use sipx_sip::headers::{Address, CSeq, Supported};
use sipx_sip::rel::{self, Numbering};
use sipx_sip::session::{self, MinSe, SessionExpires};
use sipx_sip::{HeaderName, Method, Request, Response, ResponseBuilder, StatusCode};
use tracing::warn;

use super::admit::Measure;
use super::call::{Call, HangUp, Phase, Reliable, Repeat};
use super::check::{self, ALLOW, Refusal, SUPPORTED, reason_phrase};
use super::core::{Core, Event, Packet};
use super::dialog::Dialog;
use super::digest::Verdict;
use super::offer::{self, Described, LocalMedia, OfferError};
use super::reach::Reach;
use super::table::mark_of;
use super::transactions::CallTimer;
use super::{CallKey, Ended, Flow, Incoming, context, refuse};
use crate::config::{Provisional, TrunkConfig};
use crate::domain::TrunkId;

impl Core {
    /// A new call, perhaps. Everything that can refuse it does so before anything is kept.
    pub(super) fn handle_invite(
        &mut self,
        packet: Packet,
        request: Request,
        trunk: usize,
        flow: Flow,
        now: Instant,
    ) {
        if self.is_known(&packet, &request) {
            return;
        }
        let settings = std::sync::Arc::clone(&self.settings);
        let Some(config) = settings.trunks.get(trunk) else { return };
        let admitted = self
            .admit(&packet, &request, config, settings.passwords.get(trunk), now)
            .and_then(|described| Ok((described, self.replaced(&request, &config.name)?)));
        let (described, replaces) = match admitted {
            Ok(admitted) => admitted,
            Err(refusal) => {
                self.refuse(&packet, &refusal);
                return;
            }
        };
        let tag = format!("{:016x}", rand::random::<u64>());
        let Some(dialog) =
            Dialog::from_invite(&request, flow, packet.advertised, tag, config.sources.as_slice().into())
        else {
            self.refuse(&packet, &Refusal::new(400));
            return;
        };
        let key = self.name_call();
        let Some((id, outputs)) = self.transactions.serve(&request, flow, Some(key)) else {
            self.refuse(&packet, &Refusal::new(400));
            return;
        };
        let incoming = Incoming {
            key,
            trunk: config.name.clone(),
            context: context::read(&request, config),
            stream: described.as_ref().map(|d| d.stream.clone()),
            local_ip: packet.local.ip(),
            trace: dialog.trace(),
            replaces,
        };
        let call = Call {
            key,
            trunk: config.name.clone(),
            phase: Phase::Offered,
            invite: Some(id),
            first_branch: branch_of(&request),
            first_cseq: dialog.remote_cseq,
            invite_cseq: dialog.remote_cseq,
            unconfirmed: None,
            measure: Measure::new(now),
            described,
            local: None,
            answer_due: false,
            repeat: None,
            reliable: None,
            session: None,
            session_over: None,
            refresh: None,
            acknowledged: None,
            takes_update: sipx_sip::update::peer_allows(&request.headers),
            hang_up: None,
            replaces,
            generation: 0,
            dialog,
            request: Some(Box::new(request)),
        };
        self.keep(call);
        self.perform(id, outputs, now);
        self.events.push_back(Event::Incoming(Box::new(incoming)));
    }

    /// Everything that can refuse a new call: limits, password, session timer, offer. Gives back the offer as read.
    fn admit(
        &mut self,
        packet: &Packet,
        request: &Request,
        config: &TrunkConfig,
        password: Option<&Option<String>>,
        now: Instant,
    ) -> Result<Option<Box<Described>>, Refusal> {
        let settings = std::sync::Arc::clone(&self.settings);
        let in_trunk = self.per_trunk.get(&config.name).copied().unwrap_or(0);
        let full = self.calls.len() >= settings.sip.calls_max
            || config.calls_max.is_some_and(|most| in_trunk >= most);
        let source = packet.flow.peer.ip();
        // Nobody may have asked for these calls: the source of a datagram can be forged, its ACK cannot.
        let unconfirmed =
            self.unconfirmed.get(&source).copied().unwrap_or(0) >= settings.sip.unconfirmed_max();
        if full || unconfirmed || self.closed.is_some() {
            counter!("aftercall_sip_busy_total").increment(1);
            return Err(self.busy());
        }
        if let (Some(auth), Some(password)) = (&config.auth, password.and_then(Option::as_ref))
            && let Verdict::Challenge(values) = self.authenticator.check(request, auth, password, source, now)
        {
            return Err(values.into_iter().fold(Refusal::new(401), |r, v| r.with("WWW-Authenticate", v)));
        }
        if let Some(refusal) = self.session_refusal(request) {
            return Err(refusal);
        }
        let reach = Reach::new(source, Some(config), &settings.own);
        let read = |sdp: bytes::Bytes| offer::read(&sdp, &settings.sip.codecs, &reach).map(Box::new);
        let described = check::session_description(request).map(read).transpose();
        described.map_err(|error| self.refuse_offer(&config.name, &error, now))
    }

    /// The refusal of an offer, with a warning that says why; once a minute and trunk the log says so too.
    pub(super) fn refuse_offer(&mut self, trunk: &TrunkId, error: &OfferError, now: Instant) -> Refusal {
        let (code, text) = error.warning();
        let refusal = Refusal::new(error.sip_status());
        if self.told.entry(trunk.clone()).or_default().may_tell(now) {
            warn!(trunk = %trunk, "An offer was refused with {}: {text}", refusal.code);
        }
        refusal.with("Warning", format!("{code} aftercall \"{text}\""))
    }

    /// Repeats of an INVITE that we know are swallowed; the same INVITE by another way is merged: 482 (RFC 3261
    /// §8.2.2.2).
    fn is_known(&mut self, packet: &Packet, request: &Request) -> bool {
        let call_id = request.headers.value(&HeaderName::CallId).unwrap_or_default();
        let cseq = request.headers.typed::<CSeq>().and_then(Result::ok).map_or(0, |c| c.sequence);
        let from = request.headers.value(&HeaderName::From).and_then(|v| Address::parse(&v, "From").ok());
        let tag = from.as_ref().and_then(Address::tag).unwrap_or_default();
        if let Some(call) = self.by_call_id.get(call_id.as_ref()).and_then(|key| self.calls.get(key))
            && call.first_cseq == cseq
            && call.dialog.remote_tag == tag
        {
            if call.first_branch != branch_of(request) {
                self.refuse(packet, &Refusal::new(482));
            }
            return true;
        }
        match self.late_repeat(&call_id, tag, cseq) {
            None => false,
            Some(branch) => {
                if branch != mark_of(branch_of(request)) {
                    self.refuse(packet, &Refusal::new(482));
                }
                true
            }
        }
    }

    /// 422 for a session interval shorter than ours (RFC 4028 §9), 400 for one that cannot be read.
    pub(super) fn session_refusal(&self, request: &Request) -> Option<Refusal> {
        match self.session_terms(request)? {
            Err(()) => Some(Refusal::new(400)),
            Ok(session::Answer::TooBrief(floor)) => {
                Some(Refusal::new(422).with("Min-SE", floor.as_secs().to_string()))
            }
            Ok(_) => None,
        }
    }

    /// What the session timer of this request comes to; `None` when timers are off or nobody asks for one.
    fn session_terms(&self, request: &Request) -> Option<Result<session::Answer, ()>> {
        let supported = request.headers.typed_all::<Supported>().filter_map(Result::ok);
        let supports = supported.into_iter().any(|list| list.0.contains(session::OPTION_TAG));
        let requested = match request.headers.typed::<SessionExpires>() {
            Some(Err(_)) => return Some(Err(())),
            Some(Ok(requested)) => Some(requested),
            None if !self.settings.sip.session_timers => return None,
            None => None,
        };
        let min = request.headers.typed::<MinSe>().and_then(Result::ok).map(|min| min.0);
        Some(Ok(session::answer(supports, requested, min, self.settings.sip.session_min)))
    }

    /// The owner answers.
    pub(super) fn answer(&mut self, key: CallKey, port: u16, now: Instant) {
        let provisional = self.trunk_provisional(key);
        let Some(call) = self.calls.get_mut(&key) else { return };
        if call.phase != Phase::Offered {
            return;
        }
        let address = std::net::SocketAddr::new(call.dialog.advertised.ip(), port);
        call.local = Some(LocalMedia { address, session_id: rand::random::<u32>().into(), version: 0 });
        let Some(request) = call.request.as_deref() else { return };
        let wanted = rel::reliability(rel::Offered::in_request(request), true);
        let code = match (provisional, wanted) {
            (Provisional::Progress, _) => 183,
            (Provisional::Ringing, _) | (_, rel::Reliability::Required) => 180,
            (Provisional::None, _) => 0,
        };
        if code == 0 {
            self.send_ok(key, now);
            return;
        }
        let reliable = wanted != rel::Reliability::Forbidden;
        let sent = self.send_provisional(key, code, reliable, now);
        if sent && !reliable {
            self.send_ok(key, now);
        }
    }

    fn trunk_provisional(&self, key: CallKey) -> Provisional {
        let trunk = self.calls.get(&key).map(|call| &call.trunk);
        self.settings
            .trunks
            .iter()
            .find(|t| Some(&t.name) == trunk)
            .map(|t| t.provisional)
            .unwrap_or_default()
    }

    /// Sends 180 or 183. A reliable one to an INVITE without offer must carry ours (RFC 3262 §5).
    fn send_provisional(&mut self, key: CallKey, code: u16, reliable: bool, now: Instant) -> bool {
        let codecs = self.settings.sip.codecs.clone();
        let (t1, server) = (self.settings.sip.t1, self.settings.sip.server_name.clone());
        let Some(call) = self.calls.get_mut(&key) else { return false };
        let body = match (&call.described, reliable) {
            (Some(_), _) if code == 183 => call.next_local_answer(),
            (None, true) => {
                call.answer_due = true;
                call.next_local().map(|local| offer::offer(local, &codecs))
            }
            _ => None,
        };
        let mut numbering = Numbering::starting_at(rand::random_range(1..=rel::MAX_FIRST_RSEQ / 2));
        let rseq = if reliable { numbering.allocate() } else { None };
        let Some(request) = call.request.as_deref() else { return false };
        let built = build_response(request, code, &call.dialog, &server).and_then(|mut builder| {
            if let Some(rseq) = rseq {
                builder = builder.header(HeaderName::Require, "100rel").ok()?;
                builder = builder.header(HeaderName::RSeq, rseq.to_string()).ok()?;
            }
            with_sdp(builder, body)
        });
        let (Some(response), Some(id)) = (built, call.invite) else { return false };
        if reliable {
            let bytes = sipx_sip::Message::Response(response.clone()).to_bytes();
            let repeat = Repeat { bytes, interval: t1, until: now + t1 * 64 };
            call.reliable = Some(Box::new(Reliable { numbering, repeat: Some(repeat) }));
            call.phase = Phase::Progressing;
            self.await_ack(key);
            self.set_call_timer(key, CallTimer::Provisional, now + t1);
        }
        self.respond(id, response, now);
        true
    }

    /// Sends the 200, and repeats it until its ACK.
    pub(super) fn send_ok(&mut self, key: CallKey, now: Instant) {
        let codecs = self.settings.sip.codecs.clone();
        let (t1, server) = (self.settings.sip.t1, self.settings.sip.server_name.clone());
        let terms = self.calls.get(&key).and_then(|call| self.session_terms(call.request.as_deref()?));
        let Some(call) = self.calls.get_mut(&key) else { return };
        let body = match (&call.described, call.answer_due) {
            (Some(_), _) if call.reliable.as_ref().is_some_and(|_| call.answer_due) => None,
            (Some(_), _) => call.next_local_answer(),
            (None, _) => {
                call.answer_due = true;
                call.next_local().map(|local| offer::offer(local, &codecs))
            }
        };
        let Some(request) = call.request.take() else { return };
        let accepted = match terms {
            Some(Ok(session::Answer::Accept(accepted))) => Some(accepted),
            _ => None,
        };
        let built = build_response(&request, 200, &call.dialog, &server).and_then(|mut builder| {
            builder = builder
                .header(HeaderName::Allow, ALLOW)
                .ok()?
                .header(HeaderName::Supported, SUPPORTED)
                .ok()?;
            if let Some(terms) = accepted {
                let value = format!("{};refresher={}", terms.interval.as_secs(), terms.refresher.as_str());
                builder = builder.header(HeaderName::SessionExpires, value).ok()?;
                if terms.require {
                    builder = builder.header(HeaderName::Require, session::OPTION_TAG).ok()?;
                }
            }
            with_sdp(builder, body)
        });
        let (Some(response), Some(id)) = (built, call.invite) else {
            if let Some(id) = call.invite.take() {
                self.transactions.remove(id);
            }
            self.finish(key, Ended::Transport, now);
            return;
        };
        call.session = accepted.map(|terms| session::Session {
            interval: terms.interval,
            we_refresh: terms.refresher == session::Refresher::Uas,
        });
        call.phase = Phase::Answered;
        let bytes = sipx_sip::Message::Response(response.clone()).to_bytes();
        call.repeat = Some(Repeat { bytes, interval: t1, until: now + t1 * 64 });
        let replaced = call.replaces.take();
        self.await_ack(key);
        self.set_call_timer(key, CallTimer::Answer, now + t1);
        self.respond(id, response, now);
        if let Some(replaced) = replaced.filter(|old| self.is_up(*old)) {
            let how = HangUp { cause: 200, text: "replaced", ended: Ended::Replaced };
            self.hang_up_as(replaced, how, now);
        }
    }

    fn is_up(&self, key: CallKey) -> bool {
        self.calls.get(&key).is_some_and(|call| matches!(call.phase, Phase::Answered | Phase::Up))
    }

    /// The owner refuses: a final response that is repeated until its ACK.
    pub(super) fn reject(&mut self, key: CallKey, code: u16, now: Instant) {
        self.send_final(key, code, now);
        self.finish(key, Ended::ByUs, now);
    }

    /// Sends a final refusal in the INVITE's transaction.
    pub(super) fn send_final(&mut self, key: CallKey, code: u16, now: Instant) {
        let server = self.settings.sip.server_name.clone();
        let retry_after_s = self.retry_after_s();
        let Some(call) = self.calls.get_mut(&key) else { return };
        let (Some(request), Some(id)) = (call.request.take(), call.invite.take()) else { return };
        // Who is not selected or has hung up is not refused.
        if (500..600).contains(&code) {
            refuse::count(code, Some(&call.trunk));
        }
        let built = build_response(&request, code, &call.dialog, &server).and_then(|builder| {
            if code != 503 {
                return Some(builder);
            }
            builder.header(HeaderName::RetryAfter, retry_after_s.to_string()).ok()
        });
        if let Some(builder) = built {
            self.respond(id, builder.build(), now);
        }
    }

    pub(super) fn respond(&mut self, id: super::transactions::TxId, response: Response, now: Instant) {
        if let Some(server) = self.transactions.server(id) {
            let outputs = server.machine.on_tu_response(response);
            self.perform(id, outputs, now);
        }
    }
}

impl Call {
    /// Our answer to the description last read.
    pub(super) fn next_local_answer(&mut self) -> Option<String> {
        let local = self.next_local()?;
        self.described.as_ref().map(|described| offer::answer(described, local))
    }
}

/// Starts a response with our tag, our Contact and the route that the request recorded (RFC 3261 §12.1.1).
pub(super) fn build_response(
    request: &Request,
    code: u16,
    dialog: &Dialog,
    server: &str,
) -> Option<ResponseBuilder> {
    let mut builder =
        ResponseBuilder::to_request(request, StatusCode::new(code)?, reason_phrase(code)).ok()?;
    let to = request.headers.value(&HeaderName::To)?;
    if Address::parse(&to, "To").ok()?.tag().is_none() && code > 100 {
        let tagged = [to.as_ref(), b";tag=", dialog.local_tag.as_bytes()].concat();
        builder = builder.set_header(&HeaderName::To, tagged).ok()?;
    }
    if (101..300).contains(&code) {
        for route in request.headers.get_all(&HeaderName::RecordRoute) {
            builder = builder.header(HeaderName::RecordRoute, route.value().into_owned()).ok()?;
        }
        let target_refresh = matches!(request.method, Method::Invite | Method::Update);
        if target_refresh {
            builder = builder.header(HeaderName::Contact, dialog.contact()).ok()?;
        }
    }
    if !server.is_empty() {
        builder = builder.header(HeaderName::Server, server.to_owned()).ok()?;
    }
    Some(builder)
}

/// Finishes a response with a session description, or without a body.
pub(super) fn with_sdp(builder: ResponseBuilder, sdp: Option<String>) -> Option<Response> {
    match sdp {
        Some(sdp) => Some(builder.header(HeaderName::ContentType, "application/sdp").ok()?.body(sdp).build()),
        None => Some(builder.build()),
    }
}

fn branch_of(request: &Request) -> bytes::Bytes {
    let via = request.headers.typed::<sipx_sip::Via>().and_then(Result::ok);
    via.and_then(|via| via.branch().map(bytes::Bytes::copy_from_slice)).unwrap_or_default()
}
