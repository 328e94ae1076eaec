//! One call's signalling: its transactions, their repetition, and what the far end asks for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rsip::{Method, Request, Response, SipMessage};

use super::message::{self, Dialog, attach, cseq, push, value};
use super::phone::Phone;
use super::plan::{CallPlan, EndedBy, Hold, Offer};
use super::sdp::{self, Remote};
use super::target::Target;
use super::transport::{Endpoint, Inbox};

/// First retransmission interval (T1, RFC 3261 §17.1.1.1).
const T1: Duration = Duration::from_millis(500);
/// Longest retransmission interval of requests other than INVITE (T2).
const T2: Duration = Duration::from_secs(4);
/// How long a transaction may take: 64*T1.
const TRANSACTION_MAX: Duration = Duration::from_secs(32);

/// A request that waits for its final response.
#[derive(Debug)]
struct Pending {
    request: Request,
    bytes: Vec<u8>,
    cseq: u32,
    again: Instant,
    interval: Duration,
    until: Instant,
    provisional: bool,
}

/// One call in progress.
#[derive(Debug)]
pub(super) struct Call {
    endpoint: Arc<Endpoint>,
    inbox: Inbox,
    pub(super) dialog: Dialog,
    pub(super) phone: Phone,
    pub(super) offer: Offer,
    pub(super) hold: Option<Hold>,
    sdp_version: u32,
    pending: Vec<Pending>,
    /// The final response last received, by method.
    answered: Option<(String, Response)>,
    /// The ACK of the INVITE under this number, for when its 2xx comes again.
    acknowledged: Option<(u32, Vec<u8>)>,
    pub(super) remote: Option<Remote>,
    pub(super) ended_by: EndedBy,
    pub(super) reason: Option<String>,
    /// The far end's messages cannot reach us any more, or ours it.
    pub(super) broken: Option<String>,
}

impl Call {
    pub(super) fn new(endpoint: &Arc<Endpoint>, target: &Target, plan: &CallPlan, phone: Phone) -> Self {
        let dialog = Dialog::new(endpoint.local, target, &plan.from);
        Self {
            inbox: endpoint.enter(&dialog.call_id),
            endpoint: endpoint.clone(),
            dialog,
            phone,
            offer: plan.offer.clone(),
            hold: None,
            sdp_version: 0,
            pending: Vec::new(),
            answered: None,
            acknowledged: None,
            remote: None,
            ended_by: EndedBy::Nobody,
            reason: None,
            broken: None,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.ended_by != EndedBy::Nobody || self.broken.is_some()
    }

    /// Sends the first INVITE.
    pub(super) async fn invite(
        &mut self,
        plan: &CallPlan,
        authorization: Option<(String, String)>,
    ) -> Request {
        let mut request = self.dialog.request(Method::Invite);
        push(&mut request.headers, "Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE".into());
        push(&mut request.headers, "Supported", "timer".into());
        if let Some(seconds) = plan.session_expires {
            push(&mut request.headers, "Session-Expires", seconds.to_string());
        }
        for (name, value) in plan.headers.iter().cloned().chain(authorization) {
            push(&mut request.headers, &name, value);
        }
        if !plan.offer.delayed {
            self.describe(&mut request);
        }
        self.start(request.clone()).await;
        request
    }

    /// Sends an INVITE within the dialog.
    pub(super) async fn reinvite(&mut self) {
        let mut request = self.dialog.request(Method::Invite);
        self.describe(&mut request);
        self.start(request).await;
    }

    /// Sends any other request.
    pub(super) async fn send(&mut self, method: Method, body: Option<(&str, String)>) {
        let mut request = self.dialog.request(method);
        if let Some((kind, text)) = body {
            attach(&mut request.headers, &mut request.body, kind, text);
        }
        self.start(request).await;
    }

    /// Gives up an INVITE that has not been answered.
    pub(super) async fn cancel(&mut self, invite: &Request) {
        let request = self.dialog.cancel(invite);
        self.start(request).await;
    }

    /// The final response to a method, once it has come.
    pub(super) fn take_answer(&mut self, method: &Method) -> Option<Response> {
        self.answered.take_if(|(answered, _)| *answered == method.to_string()).map(|(_, response)| response)
    }

    /// Whether a provisional response has come to the INVITE: only then may it be cancelled (RFC 3261 §9.1).
    pub(super) fn is_proceeding(&self) -> bool {
        self.pending.iter().any(|pending| pending.request.method == Method::Invite && pending.provisional)
    }

    /// Serves the call until something happens, at the latest until `deadline`.
    pub(super) async fn pump(&mut self, deadline: Instant) {
        let wake =
            self.pending.iter().map(|pending| pending.again.min(pending.until)).fold(deadline, Instant::min);
        tokio::select! {
            message = self.inbox.recv() => match message {
                Some(SipMessage::Request(request)) => self.on_request(request).await,
                Some(SipMessage::Response(response)) => self.on_response(response).await,
                None => self.broken = Some("the connection is gone".into()),
            },
            () = tokio::time::sleep_until(wake.into()) => self.on_time(Instant::now()).await,
        }
    }

    fn describe(&mut self, request: &mut Request) {
        self.sdp_version += 1;
        let text = sdp::write(self.phone.local, &self.offer, self.sdp_version, self.hold);
        attach(&mut request.headers, &mut request.body, "application/sdp", text);
    }

    async fn start(&mut self, request: Request) {
        let bytes = message::request_bytes(&request);
        let now = Instant::now();
        let cseq = cseq(&request.headers).map_or(0, |(number, _)| number);
        self.transmit(&bytes).await;
        let until = now + TRANSACTION_MAX;
        let again = if self.endpoint.is_reliable() { until } else { now + T1 };
        let pending = Pending { request, bytes, cseq, again, interval: T1, until, provisional: false };
        self.pending.push(pending);
    }

    async fn transmit(&mut self, bytes: &[u8]) {
        if let Err(error) = self.endpoint.send(bytes).await {
            // Over UDP the next transmission may do better.
            if self.endpoint.is_reliable() {
                self.broken = Some(error.to_string());
            }
        }
    }

    async fn on_time(&mut self, now: Instant) {
        let mut again = Vec::new();
        for pending in &mut self.pending {
            if pending.again <= now && pending.until > now {
                let invite = pending.request.method == Method::Invite;
                // An INVITE that is being worked on is not repeated; others then come every T2.
                pending.interval = if pending.provisional && !invite { T2 } else { pending.interval * 2 };
                if !invite {
                    pending.interval = pending.interval.min(T2);
                }
                pending.again = now + pending.interval;
                if !(invite && pending.provisional) {
                    again.push(pending.bytes.clone());
                }
            }
        }
        // An INVITE that rings may do so for as long as the plan allows.
        let waits = |pending: &Pending| pending.request.method == Method::Invite && pending.provisional;
        let expired = self.pending.iter().find(|pending| pending.until <= now && !waits(pending));
        if let Some(expired) = expired {
            let method = expired.request.method.to_string();
            self.broken = Some(format!("no answer to {method}"));
        }
        self.pending.retain(|pending| pending.until > now || waits(pending));
        for pending in &mut self.pending {
            if pending.until <= now {
                pending.until = now + TRANSACTION_MAX;
                pending.again = pending.until;
            }
        }
        for bytes in again {
            self.transmit(&bytes).await;
        }
    }

    async fn on_response(&mut self, response: Response) {
        let Some((number, method)) = cseq(&response.headers) else { return };
        let code = response.status_code.code();
        let matches =
            |pending: &Pending| pending.cseq == number && pending.request.method.to_string() == method;
        let Some(place) = self.pending.iter().position(matches) else {
            // A 2xx that comes again wants its ACK again (RFC 3261 §13.2.2.4).
            if let Some((acknowledged, bytes)) = &self.acknowledged
                && *acknowledged == number
                && method == "INVITE"
                && code >= 200
            {
                let bytes = bytes.clone();
                self.transmit(&bytes).await;
            }
            return;
        };
        if code < 200 {
            self.pending[place].provisional = true;
            return;
        }
        let Pending { request, cseq, .. } = self.pending.remove(place);
        if request.method == Method::Invite {
            self.on_invite_answer(&request, &response, cseq).await;
        }
        self.answered = Some((method, response));
    }

    async fn on_invite_answer(&mut self, request: &Request, response: &Response, cseq: u32) {
        let accepted = response.status_code.code() < 300;
        if accepted {
            if self.remote.is_none() {
                self.dialog.establish(response);
            } else {
                self.dialog.refresh(response);
            }
        }
        let mut ack = self.dialog.ack(request, response, cseq);
        if accepted && request.body.is_empty() {
            self.sdp_version += 1;
            let answer = sdp::write(self.phone.local, &self.answer(response), self.sdp_version, self.hold);
            attach(&mut ack.headers, &mut ack.body, "application/sdp", answer);
        }
        let bytes = message::request_bytes(&ack);
        self.transmit(&bytes).await;
        self.acknowledged = Some((cseq, bytes));
        if accepted {
            self.hear_from(&String::from_utf8_lossy(&response.body)).await;
        }
    }

    /// Our answer to the offer in a 200: the first codec of theirs that we have.
    fn answer(&self, response: &Response) -> Offer {
        let mut offer = self.offer.clone();
        if let Some(remote) = sdp::read(&String::from_utf8_lossy(&response.body)) {
            offer.codecs = vec![remote.codec];
            offer.telephone_event_hz = offer.telephone_event_hz.and(remote.event.map(|(_, clock)| clock));
        }
        offer
    }

    async fn hear_from(&mut self, body: &str) {
        if let Some(mut remote) = sdp::read(body) {
            if self.offer.telephone_event_hz.is_none() {
                remote.event = None;
            }
            self.phone.connect(remote.receives.then(|| remote.clone())).await;
            self.remote = Some(remote);
        }
    }

    async fn on_request(&mut self, request: Request) {
        if request.method == Method::Ack {
            return;
        }
        let mut response = self.dialog.respond(&request, 200);
        match request.method {
            Method::Bye => {
                if self.ended_by == EndedBy::Nobody {
                    self.ended_by = EndedBy::Them;
                    self.reason = value(&request.headers, "reason");
                }
            }
            Method::Invite | Method::Update => {
                if let Some(expires) = value(&request.headers, "session-expires") {
                    push(&mut response.headers, "Session-Expires", expires);
                }
                if request.method == Method::Invite || !request.body.is_empty() {
                    let body = String::from_utf8_lossy(&request.body).into_owned();
                    self.hear_from(&body).await;
                    self.sdp_version += 1;
                    let text = sdp::write(self.phone.local, &self.offer, self.sdp_version, self.hold);
                    attach(&mut response.headers, &mut response.body, "application/sdp", text);
                }
            }
            Method::Options | Method::Info | Method::Notify => {}
            _ => response = self.dialog.respond(&request, 501),
        }
        let bytes = message::response_bytes(&response);
        self.transmit(&bytes).await;
    }
}
