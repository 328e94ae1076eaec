//! The protocol without IO: tables, dispatch and time.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use metrics::counter;
use sipx_sip::error::ParseError;
use sipx_sip::headers::To;
use sipx_sip::transaction::TuEvent;
use sipx_sip::{
    Limits, Message, Method, Output, Request, Response, Timer, Timers, TransactionKey, parse_datagram,
};

use super::admit::{Buckets, trunk_of};
use super::call::Call;
use super::check::{self, Refusal};
use super::digest::Authenticator;
use super::lenient;
use super::raw::{self, TagSecret};
use super::told::Told;
use super::transactions::{CallTimer, Deadlines, Due, Transactions, TxId};
use super::{CallKey, Flow, Incoming, SipCommand, SipEvent};
use crate::config::{SipConfig, TrunkConfig, UnknownSource};
use crate::domain::{DialogTrace, TrunkId};

/// INVITEs of ended calls that are still recognised as repeats.
const ENDED_MAX: usize = 100_000;

/// Everything of the configuration that the protocol needs; replaced as a whole on reload.
#[derive(Clone)]
pub(super) struct Settings {
    pub sip: SipConfig,
    pub trunks: Vec<TrunkConfig>,
    /// The password of each trunk that has one, in the order of `trunks`.
    pub passwords: Vec<Option<String>>,
    /// Addresses of this machine beside loopback.
    pub own: Vec<IpAddr>,
}

/// A message from the network.
pub(super) struct Packet {
    pub flow: Flow,
    /// The address of this machine that it reached.
    pub local: SocketAddr,
    /// What the far end knows that address as.
    pub advertised: SocketAddr,
    pub bytes: Bytes,
}

/// A message to the network.
#[derive(Debug)]
pub(super) struct Transmit {
    pub flow: Flow,
    pub bytes: Bytes,
}

/// Something for the owner of calls.
#[derive(Debug)]
pub(super) enum Event {
    Incoming(Box<Incoming>),
    Call(CallKey, SipEvent),
}

/// Why no new call is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The service is draining.
    Draining,
    /// Answers cannot be stored at present.
    Storage,
}

pub(super) struct Core {
    pub(super) settings: Arc<Settings>,
    pub(super) secret: TagSecret,
    pub(super) authenticator: Authenticator,
    pub(super) buckets: Buckets,
    pub(super) closed: Option<Closed>,
    pub(super) transactions: Transactions,
    pub(super) calls: HashMap<CallKey, Call>,
    pub(super) by_tag: HashMap<String, CallKey>,
    pub(super) by_call_id: HashMap<Bytes, CallKey>,
    pub(super) per_trunk: HashMap<TrunkId, usize>,
    /// Answered calls of each address whose ACK has not come.
    pub(super) unconfirmed: HashMap<IpAddr, usize>,
    /// When the refusal of an offer was last told, by trunk.
    pub(super) told: HashMap<TrunkId, Told>,
    pub(super) deadlines: Deadlines,
    pub(super) ended: (HashMap<u64, u64>, VecDeque<(Instant, u64)>),
    transmits: VecDeque<Transmit>,
    pub(super) events: VecDeque<Event>,
    next_call: u64,
    limits: Limits,
}

impl Core {
    pub(super) fn new(settings: Arc<Settings>, now: Instant) -> Self {
        let secret = TagSecret::random();
        let timers = Timers { t1: settings.sip.t1, ..Timers::default() };
        Self {
            authenticator: Authenticator::new(secret.clone(), now),
            buckets: Buckets::new(settings.sip.source_rate, settings.sip.source_burst),
            secret,
            closed: None,
            transactions: Transactions::new(timers),
            calls: HashMap::new(),
            by_tag: HashMap::new(),
            by_call_id: HashMap::new(),
            per_trunk: HashMap::new(),
            unconfirmed: HashMap::new(),
            told: HashMap::new(),
            deadlines: Deadlines::default(),
            ended: (HashMap::new(), VecDeque::new()),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            next_call: 0,
            limits: Limits { max_message_bytes: 64 * 1024, ..Limits::datagram() },
            settings,
        }
    }

    /// New settings for requests to come. Running calls go on as they are.
    pub(super) fn reload(&mut self, settings: Arc<Settings>) {
        self.buckets = Buckets::new(settings.sip.source_rate, settings.sip.source_burst);
        self.settings = settings;
    }

    /// Takes no new calls (or takes them again).
    pub(super) fn close(&mut self, closed: Option<Closed>) {
        self.closed = closed;
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    pub(super) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    pub(super) fn calls_len(&self) -> usize {
        self.calls.len()
    }

    pub(super) fn transactions_len(&self) -> usize {
        self.transactions.len()
    }

    /// Whether a call still needs this connection.
    pub(super) fn uses(&self, connection: u64) -> bool {
        self.calls.values().any(|call| call.dialog.flow.connection == Some(connection))
    }

    /// A message came in.
    pub(super) fn handle_packet(&mut self, mut packet: Packet, now: Instant) {
        // Some peers put a blank line before the message, or send nothing else to keep a NAT open.
        let blank = packet.bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        packet.bytes = packet.bytes.slice(blank..);
        if packet.bytes.is_empty() {
            return;
        }
        let settings = Arc::clone(&self.settings);
        let Some(trunk) = trunk_of(&settings.trunks, packet.flow.peer.ip()) else {
            counter!("aftercall_sip_unknown_source_total").increment(1);
            let answered = settings.sip.unknown_source == UnknownSource::Forbid
                && self.buckets.take(packet.flow.peer.ip(), now);
            if answered {
                self.refuse(&packet, &Refusal::new(403));
            }
            return;
        };
        match self.read(&packet.bytes) {
            Ok(Message::Request(mut request)) => {
                self.mark_source(&mut request, &packet);
                self.handle_request(packet, request, trunk, now);
            }
            Ok(Message::Response(response)) => self.handle_response(response, now),
            Err(error) => {
                counter!("aftercall_sip_malformed_total").increment(1);
                if self.buckets.take(packet.flow.peer.ip(), now) {
                    let code = if matches!(error, ParseError::Limit { .. }) { 413 } else { 400 };
                    self.refuse(&packet, &Refusal::new(code));
                }
            }
        }
    }

    /// Parses a message. One that a strict parser refuses, or that is odd in a part that nobody uses, is mended first.
    fn read(&self, bytes: &Bytes) -> Result<Message, ParseError> {
        let strict = parse_datagram(bytes.clone(), &self.limits);
        let odd = match &strict {
            Ok(Message::Request(request)) => check::is_odd(request),
            Ok(Message::Response(_)) => false,
            Err(ParseError::Limit { .. }) => false,
            Err(_) => true,
        };
        if odd && let Cow::Owned(mended) = lenient::message(bytes) {
            let mended = parse_datagram(mended.into(), &self.limits);
            return if mended.is_ok() { mended } else { strict };
        }
        strict
    }

    /// A message on a stream whose end cannot be found: only its head is answered.
    pub(super) fn handle_broken(&mut self, packet: &Packet, code: u16, now: Instant) {
        let known = trunk_of(&self.settings.trunks, packet.flow.peer.ip()).is_some();
        counter!("aftercall_sip_malformed_total").increment(1);
        if known && self.buckets.take(packet.flow.peer.ip(), now) {
            self.refuse(packet, &Refusal::new(code));
        }
    }

    /// Writes where a request came from into its topmost Via, so that every answer carries it.
    fn mark_source(&self, request: &mut Request, packet: &Packet) {
        if let Some(via) = request.headers.remove_first(&sipx_sip::HeaderName::Via) {
            let marked = raw::mark_via(&via.value(), packet.flow.peer);
            match sipx_sip::Header::build(sipx_sip::HeaderName::Via, marked) {
                Ok(header) => request.headers.push_front(header),
                Err(_) => request.headers.push_front(via),
            }
        }
    }

    fn handle_request(&mut self, packet: Packet, request: Request, trunk: usize, now: Instant) {
        let flow = self.response_flow(&request, packet.flow);
        if let Some(id) = TransactionKey::from_request(&request).and_then(|key| self.transactions.find(&key))
            && let Some(server) = self.transactions.server(id)
        {
            let outputs = server.machine.on_request(&request);
            self.perform(id, outputs, now);
            return;
        }
        let in_dialog =
            request.headers.typed::<To>().and_then(Result::ok).and_then(|to| to.0.tag().map(tag_text));
        let outside = in_dialog.is_none() && !matches!(request.method, Method::Ack | Method::Cancel);
        if let Some(tag) = in_dialog.as_ref()
            && !self.may_go_on(tag, packet.bytes.len(), now)
        {
            counter!("aftercall_sip_rate_limited_total").increment(1);
            return;
        }
        if outside && !self.buckets.take(packet.flow.peer.ip(), now) {
            counter!("aftercall_sip_rate_limited_total").increment(1);
            if request.method == Method::Invite {
                self.refuse_busy(&packet);
            }
            return;
        }
        if let Err(refusal) = check::check(&request) {
            if request.method != Method::Ack {
                self.refuse(&packet, &refusal);
            }
            return;
        }
        match (&request.method, in_dialog) {
            (Method::Ack, Some(tag)) => self.handle_ack(&request, &tag, now),
            (Method::Ack, None) => {}
            (Method::Cancel, _) => self.handle_cancel(&packet, &request, now),
            (_, Some(tag)) => self.handle_in_dialog(packet, request, &tag, flow, now),
            (Method::Invite, None) => self.handle_invite(packet, request, trunk, flow, now),
            (Method::Options, None) => self.answer_options(&packet),
            (_, None) => self.refuse(&packet, &Refusal::new(481)),
        }
    }

    /// Whether a call may send one more request. What is over its measure is dropped, as if it had been lost.
    fn may_go_on(&mut self, tag: &str, octets: usize, now: Instant) -> bool {
        let call = self.by_tag.get(tag).and_then(|key| self.calls.get_mut(key));
        call.is_none_or(|call| call.measure.take(octets, now))
    }

    fn handle_response(&mut self, response: Response, now: Instant) {
        let Some(id) = self.transactions.answered_by(&response) else {
            self.acknowledge_again(&response);
            return;
        };
        if let Some(client) = self.transactions.client(id) {
            let outputs = client.machine.on_response(response);
            self.perform(id, outputs, now);
        }
    }

    pub(super) fn transmit(&mut self, flow: Flow, bytes: Bytes) {
        self.transmits.push_back(Transmit { flow, bytes });
    }

    pub(super) fn emit(&mut self, key: CallKey, event: SipEvent) {
        self.events.push_back(Event::Call(key, event));
    }

    pub(super) fn name_call(&mut self) -> CallKey {
        self.next_call += 1;
        CallKey(self.next_call)
    }

    /// Does what a transaction wants done.
    pub(super) fn perform(&mut self, id: TxId, outputs: Vec<Output>, now: Instant) {
        for output in outputs {
            match output {
                Output::Send(message) => {
                    let server = self.transactions.server(id).map(|s| s.flow);
                    if let Some(flow) = server.or_else(|| self.transactions.client(id).map(|c| c.flow)) {
                        self.transmit(flow, message.to_bytes());
                    }
                }
                Output::SetTimer { timer, after } => {
                    self.deadlines.set(now + after, Due::Transaction(id, timer))
                }
                Output::ToTu(event) => self.handle_tu(id, *event, now),
                Output::Terminated(_) => self.transactions.remove(id),
                _ => {} // A cleared timer is recognised as stale when it fires.
            }
        }
    }

    fn handle_tu(&mut self, id: TxId, event: TuEvent, now: Instant) {
        match event {
            TuEvent::Response(response) => self.handle_answer(id, &response, now),
            TuEvent::Timeout | TuEvent::TransportError => self.handle_no_answer(id, now),
            TuEvent::Ack(ack) => {
                let tag =
                    ack.headers.typed::<To>().and_then(Result::ok).and_then(|to| to.0.tag().map(tag_text));
                if let Some(tag) = tag {
                    self.handle_ack(&ack, &tag, now);
                }
            }
            // A request is handled where it comes in, before its transaction is made.
            _ => {}
        }
    }

    /// Time passed: does everything that fell due.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while let Some(due) = self.deadlines.pop(now) {
            match due {
                Due::Transaction(id, timer) => self.handle_transaction_timer(id, timer, now),
                Due::Call(key, timer, generation) => {
                    if self.calls.get(&key).is_some_and(|call| call.generation == generation) {
                        match timer {
                            CallTimer::Answer => self.repeat_answer(key, now),
                            CallTimer::Provisional => self.repeat_provisional(key, now),
                            CallTimer::Session => self.handle_session_timer(key, now),
                        }
                    }
                }
            }
        }
        while self.ended.1.front().is_some_and(|(at, _)| *at <= now) || self.ended.1.len() > ENDED_MAX {
            if let Some((_, mark)) = self.ended.1.pop_front() {
                self.ended.0.remove(&mark);
            }
        }
    }

    fn handle_transaction_timer(&mut self, id: TxId, timer: Timer, now: Instant) {
        let server = self.transactions.server(id).map(|server| server.machine.on_timer(timer));
        let outputs =
            server.or_else(|| self.transactions.client(id).map(|client| client.machine.on_timer(timer)));
        self.perform(id, outputs.unwrap_or_default(), now);
    }

    pub(super) fn set_call_timer(&mut self, key: CallKey, timer: CallTimer, at: Instant) {
        if let Some(call) = self.calls.get_mut(&key) {
            let generation = call.renew();
            self.deadlines.set(at, Due::Call(key, timer, generation));
        }
    }

    /// The owner of a call wants something.
    pub(super) fn handle_command(&mut self, key: CallKey, command: SipCommand, now: Instant) {
        match command {
            SipCommand::Answer { port } => self.answer(key, port, now),
            SipCommand::Reject { code } => self.reject(key, code, now),
            SipCommand::HangUp { cause, text } => self.hang_up(key, cause, text, now),
        }
    }

    /// Ends a dialog that an earlier run of the service left open. Whatever comes back is ignored.
    pub(super) fn end_orphan(
        &mut self,
        trace: &DialogTrace,
        flow: Flow,
        advertised: SocketAddr,
        now: Instant,
    ) {
        let dialog = super::dialog::Dialog::from_trace(trace, flow, advertised);
        if let Some(bye) = dialog.and_then(|d| self.bye(&d, trace.cseq, 503, "restarted")) {
            self.send_request(bye, flow, None, now);
        }
    }
}

pub(super) fn tag_text(tag: &[u8]) -> String {
    String::from_utf8_lossy(tag).into_owned()
}
