//! The calls that run now, for those who watch.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::domain::{AgentId, CallId, Origin, Progress, QueueId, SurveyId, TrunkId};
use crate::store::rules::RunningSurvey;

/// One running call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningCall {
    /// The call.
    pub id: CallId,
    /// When it was answered.
    pub since: Timestamp,
    /// The agent, where one is known.
    pub agent: Option<AgentId>,
    /// The queue, where one is known.
    pub queue: Option<QueueId>,
    /// The trunk that it came by.
    pub trunk: TrunkId,
    /// The survey.
    pub survey: SurveyId,
    /// Where it comes from.
    pub origin: Origin,
    /// How far it has come.
    pub progress: Progress,
}

impl From<RunningCall> for RunningSurvey {
    fn from(call: RunningCall) -> Self {
        Self {
            id: call.id,
            since: call.since,
            agent: call.agent,
            queue: call.queue,
            survey: call.survey,
            origin: call.origin,
            progress: call.progress,
        }
    }
}

/// All running calls. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RunningCalls {
    calls: Arc<Mutex<BTreeMap<CallId, RunningCall>>>,
    changes: Arc<watch::Sender<u64>>,
}

impl Default for RunningCalls {
    fn default() -> Self {
        Self { calls: Arc::default(), changes: Arc::new(watch::channel(0).0) }
    }
}

impl RunningCalls {
    /// The calls, the oldest first.
    #[must_use]
    pub fn snapshot(&self) -> Vec<RunningCall> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Counts changes: of a call that begins, ends, or comes further. Not of answers: that something changes
    /// may tell no more than what is shown.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// A call begins. It is on the list for as long as what is given back lives.
    pub(super) fn begin(&self, call: RunningCall) -> Entry {
        let id = call.id;
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).insert(id, call);
        self.changed();
        Entry { id, calls: self.clone() }
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// One call's place on the list.
#[derive(Debug)]
pub(super) struct Entry {
    id: CallId,
    calls: RunningCalls,
}

impl Entry {
    /// The conversation has gone on.
    pub(super) fn update(&self, progress: Progress) {
        let mut calls = self.calls.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(call) = calls.get_mut(&self.id) else { return };
        if call.progress == progress {
            return;
        }
        call.progress = progress;
        drop(calls);
        self.calls.changed();
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.calls.calls.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
        self.calls.changed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_on_the_list_while_it_runs() {
        let calls = RunningCalls::default();
        let changes = calls.changes();
        let id = CallId(uuid::Uuid::now_v7());
        let entry = calls.begin(RunningCall {
            id,
            since: Timestamp::UNIX_EPOCH,
            agent: None,
            queue: None,
            trunk: "pbx".parse().unwrap(),
            survey: "short".parse().unwrap(),
            origin: Origin::Sampled,
            progress: Progress::Greeting,
        });
        entry.update(Progress::Questions);
        entry.update(Progress::Questions);
        assert_eq!(calls.snapshot()[0].progress, Progress::Questions);
        assert_eq!(*changes.borrow(), 2, "what changes nothing is not told");
        drop(entry);
        assert_eq!((calls.count(), *changes.borrow()), (0, 3));
    }
}
