//! Comments as facts make them: a row for each, and how often each group of key words was said.
//!
//! A comment counts with the group of responses that its call belongs to ([`super::groups`]), since whether there is one may
//! depend on an answer; its words with the group after that, when they have been found. A group of words is counted in steps. Comments that hold it wait until `cell_min` of them do and as many others have come since
//! the last step; then as many whole times `cell_min` of them as there are count at once, and the rest waits on. So a word
//! that four callers said is not shown; two looks at a word, and two words at one look, differ by nobody or by at least
//! `cell_min` comments; and never has everybody who commented between two steps said the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::groups::GroupKey;
use super::passage::Passage;
use super::project::CallRow;
use super::state::State;
use super::statement::Statement;
use super::{sql, sql_words, tiles};
use crate::domain::{CallId, Entry, Fact, Origin, QuestionId, RecordingId, Transcription, Week};

/// Whose comments hold a word: origin, survey and word.
pub(super) type WordKey = (Origin, String, String);

/// What waits for the next step of one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct WordWaiting {
    /// Comments that hold it and are not counted yet.
    pub(super) said: u64,
    /// Comments since the last step that do not; more than a step's worth are not told apart.
    pub(super) others: u64,
}

/// What waits, by word.
pub(super) type AllWords = HashMap<WordKey, WordWaiting>;

impl WordWaiting {
    /// Takes in one comment; gives how many now count.
    fn add(&mut self, says: bool, size: u64) -> u64 {
        if says {
            self.said += 1;
        } else {
            self.others = (self.others + 1).min(size);
        }
        let alone = size > 1; // Where single answers are shown, so are single words.
        if self.said < size || (alone && self.others < size) {
            return 0;
        }
        let counts = self.said - self.said % size;
        *self = Self { said: self.said % size, others: 0 };
        counts
    }
}

/// What a comment's row takes from its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CallOf {
    pub(super) call: CallId,
    pub(super) offered_us: i64,
    pub(super) origin: Origin,
    /// Empty for none.
    pub(super) survey: String,
    /// Empty for none.
    pub(super) agent: String,
    /// Empty for none.
    pub(super) queue: String,
    /// Whether it has answers, and counts with its group.
    pub(super) has_answers: bool,
}

impl CallOf {
    pub(super) fn of(row: &CallRow) -> Self {
        let survey = row.decision.as_ref().and_then(|decision| decision.survey.as_ref());
        Self {
            call: row.id,
            offered_us: row.offered_us,
            origin: row.origin(),
            survey: survey.map(|(id, _)| id.to_string()).unwrap_or_default(),
            agent: row.agent(),
            queue: row.queue(),
            has_answers: !row.passage.answers.is_empty(),
        }
    }

    /// Whose group it belongs to.
    pub(super) fn group(&self) -> GroupKey {
        GroupKey { origin: self.origin, survey: self.survey.clone(), agent: self.agent.clone() }
    }
}

/// A row of `comments` as it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewComment {
    pub(super) of: CallOf,
    pub(super) recording: RecordingId,
    pub(super) question: QuestionId,
    pub(super) language: String,
    pub(super) length_ms: u32,
    pub(super) outcome: Option<Transcription>,
}

/// Week, origin, survey, what: of comments or of words.
pub(super) type CommentKey = (i64, Origin, String, String);

/// What one transaction adds. Sorted, so that two rebuilds write in the same order.
#[derive(Debug, Default)]
pub(super) struct WordSums {
    comments: Vec<NewComment>,
    /// What became of comments of earlier transactions.
    outcomes: Vec<(RecordingId, Transcription)>,
    counts: BTreeMap<CommentKey, i64>,
    words: BTreeMap<CommentKey, i64>,
    /// What waits for those words that changed.
    waiting: BTreeMap<WordKey, WordWaiting>,
}

impl WordSums {
    /// Takes in one fact of an open call.
    pub(super) fn take_in(&mut self, row: &CallRow, entry: &Entry) {
        if let Fact::Comment { question, recording, length_ms, language, .. } = &entry.fact {
            self.comments.push(NewComment {
                recording: *recording,
                question: question.clone(),
                language: language.to_string(),
                length_ms: *length_ms,
                outcome: None,
                of: CallOf::of(row),
            });
        }
    }

    /// Takes in what became of a comment.
    pub(super) fn transcribed(&mut self, recording: RecordingId, outcome: Transcription) {
        match self.comments.iter_mut().find(|comment| comment.recording == recording) {
            Some(comment) => comment.outcome = Some(outcome),
            None => self.outcomes.push((recording, outcome)),
        }
    }

    /// Takes in calls that count from now on, in this week.
    pub(super) fn count(&mut self, of: (Origin, &str), passage: &Passage, at_us: i64, state: &State) {
        let week = Week::of_us(at_us).number();
        self.add(week, of, "left", i64::from(passage.comments));
        for found in &passage.words {
            self.add(week, of, "done", 1);
            self.heard(week, of, found, state.sizes.at(at_us), &state.words);
        }
    }

    /// One transcribed comment; of words only those that are found are told.
    fn heard(&mut self, week: i64, of: (Origin, &str), found: &[String], size: u64, waiting: &AllWords) {
        let size = tiles::size_for(of.0, size);
        let own = |(origin, survey, _): &&WordKey| (*origin, survey.as_str()) == of;
        let mut keys: BTreeSet<WordKey> =
            waiting.keys().chain(self.waiting.keys()).filter(own).cloned().collect();
        keys.extend(found.iter().map(|word| (of.0, of.1.to_owned(), word.clone())));
        for key in keys {
            let before = self.waiting.get(&key).or_else(|| waiting.get(&key)).copied().unwrap_or_default();
            let mut now = before;
            let counts = now.add(found.contains(&key.2), size);
            if counts > 0 {
                let key = (week, of.0, of.1.to_owned(), key.2.clone());
                *self.words.entry(key).or_default() += sql::integer(counts);
            }
            if now != before {
                self.waiting.insert(key, now);
            }
        }
    }

    fn add(&mut self, week: i64, (origin, survey): (Origin, &str), what: &str, n: i64) {
        if n > 0 {
            *self.counts.entry((week, origin, survey.to_owned(), what.to_owned())).or_default() += n;
        }
    }

    /// The statements that add it all.
    pub(super) fn statements(&self) -> Vec<Statement> {
        let mut queries = sql_words::set_outcomes(&self.outcomes); // Of rows that are there already.
        queries.extend(sql_words::insert_comments(&self.comments));
        queries.extend(sql_words::add_counts(&self.counts.iter().collect::<Vec<_>>()));
        queries.extend(sql_words::add_words(&self.words.iter().collect::<Vec<_>>()));
        queries.extend(sql_words::set_waiting(&self.waiting.iter().collect::<Vec<_>>()));
        queries
    }

    /// Once it is on disk: what waits now.
    pub(super) fn settle(self, waiting: &mut AllWords) {
        waiting.extend(self.waiting);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_word_said_by_four_is_not_shown() {
        let mut waiting = WordWaiting::default();
        for _ in 0..40 {
            assert_eq!(waiting.add(false, 5), 0);
        }
        for _ in 0..4 {
            assert_eq!(waiting.add(true, 5), 0);
        }
        assert_eq!(waiting.add(true, 5), 5);
        assert_eq!(waiting, WordWaiting::default());
    }

    #[test]
    fn what_everybody_says_waits_for_others() {
        let mut waiting = WordWaiting::default();
        for _ in 0..12 {
            assert_eq!(waiting.add(true, 5), 0);
        }
        for _ in 0..4 {
            assert_eq!(waiting.add(false, 5), 0);
        }
        assert_eq!(waiting.add(false, 5), 10);
        assert_eq!(waiting, WordWaiting { said: 2, others: 0 });
    }

    #[test]
    fn trial_calls_have_nobody_to_protect() {
        let mut waiting = WordWaiting::default();
        assert_eq!((waiting.add(true, 1), waiting.add(false, 1), waiting.add(true, 1)), (1, 0, 1));
    }

    proptest! {
        /// Whatever is shown, of any words and at any two times, differs by nobody or by at least a step; and between two
        /// steps of a word there were as many comments without it.
        #[test]
        fn differences_do_not_isolate(comments in proptest::collection::vec(any::<[bool; 3]>(), 0..300), size in 5u64..9) {
            let (mut waiting, mut shown) = ([WordWaiting::default(); 3], vec![0u64]);
            let (mut counted, mut said, mut others) = ([0u64; 3], [0u64; 3], [0u64; 3]);
            for comment in comments {
                for word in 0..3 {
                    said[word] += u64::from(comment[word]);
                    others[word] += u64::from(!comment[word]);
                    let counts = waiting[word].add(comment[word], size);
                    if counts > 0 {
                        prop_assert!(others[word] >= size);
                        others[word] = 0;
                        counted[word] += counts;
                        shown.push(counted[word]);
                    }
                    prop_assert!(counted[word] <= said[word]);
                }
            }
            for one in &shown {
                for other in &shown {
                    prop_assert!(one == other || one.abs_diff(*other) >= size, "{shown:?}");
                }
            }
        }
    }
}
