//! Responses put together for showing: a group is full with so many responses about one agent, and counts as a whole from
//! then on. [`super::rules`] says why.

use std::collections::{BTreeMap, HashMap};

use super::passage::Passage;
use crate::domain::{CallId, Origin};

/// An agent's responses wait for a group of one queue until this many groups' worth wait; then they go together.
pub(super) const WAITING_GROUPS: usize = 3;

/// Whose responses a group holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct GroupKey {
    pub(super) origin: Origin,
    /// Empty for none.
    pub(super) survey: String,
    /// Empty for calls that named none.
    pub(super) agent: String,
}

/// Calls that wait for their group, in the order of their ids. One without answers is the words of a call that counts
/// already: they fill no group, and count with the next one.
pub(super) type Group = BTreeMap<CallId, Passage>;

/// All calls that wait.
pub(super) type AllGroups = HashMap<GroupKey, Group>;

/// A full group.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Full {
    /// The queue that all its calls came through; `None` when they came through several.
    pub(super) queue: Option<String>,
    pub(super) calls: Group,
}

impl Full {
    /// Takes the words of comments away, to wait for the next group. Those of the last call are not found yet, so that
    /// whether there are some would show in what counts now.
    pub(super) fn leave_words(&mut self) -> Group {
        let responses = self.calls.iter_mut().filter(|(_, passage)| !passage.answers.is_empty());
        let words = responses.map(|(call, passage)| {
            let (queue, words) = (passage.queue.clone(), std::mem::take(&mut passage.words));
            (*call, Passage { queue, words, ..Passage::default() })
        });
        words.filter(|(_, passage)| !passage.words.is_empty()).collect()
    }
}

/// Takes the group that is full with the last response, which came through this queue.
pub(super) fn take_full(waiting: &mut Group, queue: &str, size: u64) -> Option<Full> {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let responses = waiting.values().filter(|call| !call.answers.is_empty());
    if responses.clone().filter(|call| call.queue == queue).count() >= size {
        let (calls, rest) = std::mem::take(waiting).into_iter().partition(|(_, call)| call.queue == queue);
        *waiting = rest;
        return Some(Full { queue: Some(queue.to_owned()), calls });
    }
    (responses.count() >= WAITING_GROUPS.saturating_mul(size))
        .then(|| Full { queue: None, calls: std::mem::take(waiting) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::QuestionKind;
    use crate::store::passage::Given;

    fn response(queue: &str) -> Passage {
        let (question, value) = ("q".parse().unwrap(), "1".to_owned());
        let answers = vec![Given { question, kind: QuestionKind::YesNo, scale: None, value }];
        Passage { queue: queue.to_owned(), answers, ..Passage::default() }
    }

    fn call(number: usize) -> CallId {
        CallId(uuid::Uuid::from_u128(number as u128))
    }

    proptest! {
        #[test]
        fn every_response_is_in_one_group_or_waits(
            queues in proptest::collection::vec("[abcdefg]", 0..200), size in 5u64..9,
        ) {
            let (mut waiting, mut full) = (Group::new(), Vec::new());
            for (number, queue) in queues.iter().enumerate() {
                waiting.insert(call(number), response(queue));
                full.extend(take_full(&mut waiting, queue, size));
                prop_assert!(waiting.len() < WAITING_GROUPS * size as usize);
            }
            prop_assert_eq!(full.iter().map(|group| group.calls.len()).sum::<usize>() + waiting.len(), queues.len());
            for group in full {
                prop_assert!(group.calls.len() >= size as usize);
                let one = |queue: &String| group.calls.values().all(|call| call.queue == *queue);
                prop_assert!(group.queue.as_ref().is_none_or(one));
            }
        }
    }

    #[test]
    fn what_is_heard_later_fills_no_group() {
        let mut waiting = Group::new();
        for number in 0..4 {
            waiting.insert(call(number), response("a"));
            waiting.insert(call(number + 10), Passage { queue: "a".into(), ..Passage::default() });
            assert_eq!(take_full(&mut waiting, "a", 5), None);
        }
        waiting.insert(call(4), response("a"));
        waiting.insert(call(20), Passage { queue: "b".into(), ..Passage::default() });
        assert_eq!(take_full(&mut waiting, "a", 5).unwrap().calls.len(), 9);
        assert_eq!(waiting.len(), 1, "of another queue");
    }
}
