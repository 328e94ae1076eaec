//! What selection remembers: counts per queue, today's samples, callers of late. All bounded.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::domain::{AgentId, CallerHash, QueueId};

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

    fn forget(&mut self, caller: CallerHash, at: Timestamp) {
        self.order.pop_front();
        if self.last.get(&caller) == Some(&at) {
            self.last.remove(&caller);
        }
    }
}
