//! What selection remembers: counts per queue, today's samples, callers of late. All bounded.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::domain::{AgentId, CallRef, CallerHash, QueueId};

/// Queues, and agents, counted apart; those beyond share one count. Names come from the wire.
const NAMES_MAX: usize = 10_000;

/// What outlives a restart: the store keeps it, selection takes it up again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelectionState {
    /// The running number of the last eligible call, per queue.
    pub counts: Vec<(Option<QueueId>, u64)>,
    /// Sampled calls of today, per queue and agent.
    pub today: Vec<(Option<QueueId>, Option<AgentId>, u64)>,
    /// Sampled callers and when, the earliest first.
    pub callers: Vec<(CallerHash, Timestamp)>,
    /// Conversations that brought an answer and when, the earliest first.
    pub conversations: Vec<(Conversation, Timestamp)>,
}

/// Counts by name.
#[derive(Clone, Debug)]
pub(super) struct Counts<K> {
    by_name: HashMap<K, u64>,
    beyond: Option<u64>,
}

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self { by_name: HashMap::new(), beyond: None }
    }
}

impl<K: Eq + Hash + Clone> Counts<K> {
    pub(super) fn get(&self, name: &K) -> u64 {
        self.by_name.get(name).copied().or(self.beyond).unwrap_or_default()
    }

    /// Adds to a name's count, which begins at `start`.
    pub(super) fn add(&mut self, name: &K, n: u64, start: impl FnOnce() -> u64) -> u64 {
        let count = if self.by_name.contains_key(name) || self.by_name.len() < NAMES_MAX {
            self.by_name.entry(name.clone()).or_insert_with(start)
        } else {
            self.beyond.get_or_insert_with(start)
        };
        *count += n;
        *count
    }
}

/// Sampled calls of one day.
#[derive(Clone, Debug, Default)]
pub(super) struct Daily {
    day: Date,
    pub(super) total: u64,
    pub(super) queues: Counts<Option<QueueId>>,
    pub(super) agents: Counts<AgentId>,
}

impl Daily {
    /// Begins anew when the day has changed.
    pub(super) fn turn_to(&mut self, day: Date) {
        if self.day != day {
            *self = Self { day, ..Self::default() };
        }
    }

    pub(super) fn add(&mut self, queue: &Option<QueueId>, agent: Option<&AgentId>, n: u64) {
        self.total += n;
        self.queues.add(queue, n, || 0);
        if let Some(agent) = agent {
            self.agents.add(agent, n, || 0);
        }
    }
}

/// A conversation, as the contact centre names it: its reference, and the agent.
pub type Conversation = (CallRef, Option<AgentId>);

/// Conversations that are being, or have been, surveyed, until their window is over.
#[derive(Clone, Debug, Default)]
pub(super) struct Conversations {
    known: HashMap<Conversation, Surveyed>,
    order: VecDeque<(Conversation, Timestamp)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Surveyed {
    /// Calls about it that go on: two, for a moment, when one takes the other's place.
    calls: u32,
    /// When one brought an answer.
    answered: Option<Timestamp>,
}

impl Conversations {
    pub(super) fn has(&self, name: &Conversation, window: SignedDuration, now: Timestamp) -> bool {
        self.known.get(name).is_some_and(|surveyed| {
            surveyed.calls > 0 || surveyed.answered.is_some_and(|at| now.duration_since(at) < window)
        })
    }

    /// A survey of it goes on.
    pub(super) fn begin(&mut self, name: Conversation) {
        self.known.entry(name).or_default().calls += 1;
    }

    /// A survey of it is over. Without an answer another call may still bring one: a transfer that was tried again.
    pub(super) fn end(&mut self, name: Conversation, answered: bool, now: Timestamp, max: usize) {
        let surveyed = self.known.entry(name.clone()).or_default();
        surveyed.calls = surveyed.calls.saturating_sub(1);
        if answered {
            surveyed.answered = Some(now);
            self.order.push_back((name, now));
        } else if surveyed.calls == 0 && surveyed.answered.is_none() {
            self.known.remove(&name);
        }
        while self.order.len() > max {
            let Some((oldest, at)) = self.order.pop_front() else { break };
            if self.known.get(&oldest).is_some_and(|known| known.calls == 0 && known.answered == Some(at)) {
                self.known.remove(&oldest);
            }
        }
    }
}

/// Callers who were sampled, until their window is over.
#[derive(Clone, Debug, Default)]
pub(super) struct Callers {
    last: HashMap<CallerHash, Timestamp>,
    order: VecDeque<(CallerHash, Timestamp)>,
}

impl Callers {
    pub(super) fn seen_within(&mut self, caller: CallerHash, window: SignedDuration, now: Timestamp) -> bool {
        while let Some(&(oldest, at)) = self.order.front() {
            if now.duration_since(at) < window {
                break;
            }
            self.forget(oldest, at);
        }
        self.last.get(&caller).is_some_and(|&at| now.duration_since(at) < window)
    }

    pub(super) fn add(&mut self, caller: CallerHash, at: Timestamp, max: usize) {
        while self.order.len() >= max {
            let Some(&(oldest, at)) = self.order.front() else { break };
            self.forget(oldest, at);
        }
        self.last.insert(caller, at);
        self.order.push_back((caller, at));
    }

    /// A caller who was known by another hash is known by this one from now on.
    pub(super) fn rename(&mut self, former: CallerHash, now: CallerHash) {
        let Some(at) = self.last.remove(&former) else { return };
        let last = self.last.entry(now).or_insert(at);
        *last = (*last).max(at);
        for entry in self.order.iter_mut().filter(|entry| **entry == (former, at)) {
            entry.0 = now;
        }
    }

    fn forget(&mut self, caller: CallerHash, at: Timestamp) {
        self.order.pop_front();
        if self.last.get(&caller) == Some(&at) {
            self.last.remove(&caller);
        }
    }
}
