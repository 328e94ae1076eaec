//! The transactions in flight: sipx-sip's state machines (RFC 3261 §17, RFC 6026), with whom each one talks to and
//! which call it is for. Bounded; the oldest finished ones give way.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;
use sipx_sip::{
    ClientTransaction, Header, HeaderName, Output, Reliability, Request, Response, ServerTransaction, Timer,
    Timers, TransactionKey,
};

use super::{CallKey, Flow};
use crate::config::Transport;

/// Server transactions of requests other than INVITE that are kept to answer repeats.
const ANSWERED_MAX: usize = 20_000;
/// Octets of them.
const ANSWERED_OCTETS_MAX: usize = 32 << 20;

/// Names a transaction for timers and calls.
pub(super) type TxId = u64;

pub(super) struct Server {
    pub machine: ServerTransaction,
    pub flow: Flow,
    pub call: Option<CallKey>,
    key: TransactionKey,
}

/// Headers that a repeat is known by and an answer copies (RFC 3261 §8.2.6.2; the 100 copies Timestamp too).
const KEPT: [&HeaderName; 6] = [
    &HeaderName::Via,
    &HeaderName::From,
    &HeaderName::To,
    &HeaderName::CallId,
    &HeaderName::CSeq,
    &HeaderName::Timestamp,
];

/// A request as its transaction keeps it, and its size in octets. Everything is copied: a slice of the packet would
/// keep the whole of it, body and all, for half a minute.
fn kept(request: &Request) -> Option<(Request, usize)> {
    let copy = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
    let uri = sipx_sip::Uri::parse(copy(&request.uri.to_bytes())).ok()?;
    let mut small = Request::new(request.method.clone(), uri);
    let mut octets = request.uri.to_bytes().len();
    for header in request.headers.iter().filter(|header| KEPT.contains(&header.name())) {
        let value = header.value();
        octets += value.len();
        small.headers.push(Header::build(header.name().clone(), copy(&value)).ok()?);
    }
    Some((small, octets))
}

pub(super) struct Client {
    pub machine: ClientTransaction,
    pub flow: Flow,
    pub call: Option<CallKey>,
    key: TransactionKey,
}

/// All transactions.
pub(super) struct Transactions {
    timers: Timers,
    next: TxId,
    keys: HashMap<TransactionKey, TxId>,
    servers: HashMap<TxId, Server>,
    clients: HashMap<TxId, Client>,
    answered: VecDeque<(TxId, usize)>,
    answered_octets: usize,
}

fn reliability(flow: Flow) -> Reliability {
    match flow.transport {
        Transport::Udp => Reliability::Unreliable,
        Transport::Tcp => Reliability::Reliable,
    }
}

impl Transactions {
    pub(super) fn new(timers: Timers) -> Self {
        Self {
            timers,
            next: 0,
            keys: HashMap::new(),
            servers: HashMap::new(),
            clients: HashMap::new(),
            answered: VecDeque::new(),
            answered_octets: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Begins a server transaction. What the machine wants done at first (a timer for the 100) is returned.
    pub(super) fn serve(
        &mut self,
        request: &Request,
        flow: Flow,
        call: Option<CallKey>,
    ) -> Option<(TxId, Vec<Output>)> {
        let key = TransactionKey::from_request(request)?;
        let is_invite = request.method == sipx_sip::Method::Invite;
        let (small, octets) = kept(request)?;
        let (machine, outputs) = ServerTransaction::new(small, reliability(flow), self.timers);
        let id = self.name(key.clone());
        self.servers.insert(id, Server { machine, flow, call, key });
        if !is_invite {
            self.answered.push_back((id, octets));
            self.answered_octets += octets;
            while self.answered.len() > ANSWERED_MAX || self.answered_octets > ANSWERED_OCTETS_MAX {
                let Some((oldest, octets)) = self.answered.pop_front() else { break };
                self.answered_octets -= octets;
                self.remove(oldest);
            }
        }
        Some((id, outputs))
    }

    /// Begins a client transaction.
    pub(super) fn request(
        &mut self,
        request: Request,
        flow: Flow,
        call: Option<CallKey>,
    ) -> Option<(TxId, Vec<Output>)> {
        let key = TransactionKey::from_sent_request(&request)?;
        let (machine, outputs) = ClientTransaction::new(request, reliability(flow), self.timers);
        let id = self.name(key.clone());
        self.clients.insert(id, Client { machine, flow, call, key });
        Some((id, outputs))
    }

    fn name(&mut self, key: TransactionKey) -> TxId {
        self.next += 1;
        self.keys.insert(key, self.next);
        self.next
    }

    pub(super) fn find(&self, key: &TransactionKey) -> Option<TxId> {
        self.keys.get(key).copied()
    }

    pub(super) fn server(&mut self, id: TxId) -> Option<&mut Server> {
        self.servers.get_mut(&id)
    }

    /// The request that a server transaction answers, as it is kept.
    pub(super) fn request_of(&self, id: TxId) -> Option<&Request> {
        self.servers.get(&id).map(|server| server.machine.request())
    }

    pub(super) fn client(&mut self, id: TxId) -> Option<&mut Client> {
        self.clients.get_mut(&id)
    }

    /// The client transaction that a response answers.
    pub(super) fn answered_by(&self, response: &Response) -> Option<TxId> {
        let id = self.find(&TransactionKey::from_response(response)?)?;
        self.clients.contains_key(&id).then_some(id)
    }

    pub(super) fn remove(&mut self, id: TxId) {
        let key = match (self.servers.remove(&id), self.clients.remove(&id)) {
            (Some(server), _) => server.key,
            (None, Some(client)) => client.key,
            (None, None) => return,
        };
        if self.keys.get(&key) == Some(&id) {
            self.keys.remove(&key);
        }
    }
}

/// What falls due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// A transaction's timer. The machines ignore a timer that no longer matters.
    Transaction(TxId, Timer),
    /// A call's timer; the number tells a replaced one from the one that counts.
    Call(CallKey, CallTimer, u32),
}

/// The timers of a call that no transaction machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallTimer {
    /// Repeat the 2xx until it is acknowledged (RFC 3261 §13.3.1.4).
    Answer,
    /// Repeat the reliable provisional response until its PRACK comes (RFC 3262 §3).
    Provisional,
    /// Refresh the session, or end it (RFC 4028 §10).
    Session,
}

/// Deadlines in order of time.
#[derive(Default)]
pub(super) struct Deadlines {
    heap: BinaryHeap<Entry>,
    sequence: u64,
}

struct Entry {
    at: Instant,
    sequence: u64,
    due: Due,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.sequence).cmp(&(self.at, self.sequence))
    }
}

impl Deadlines {
    pub(super) fn set(&mut self, at: Instant, due: Due) {
        self.sequence += 1;
        self.heap.push(Entry { at, sequence: self.sequence, due });
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|entry| entry.at)
    }

    pub(super) fn pop(&mut self, now: Instant) -> Option<Due> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|entry| entry.due)
    }
}
