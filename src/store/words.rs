//! Comments as facts make them: a row for each, and how often each group of key words was said.
//!
//! A group is counted in steps. Comments that hold it wait until `cell_min` of them do and as many others have come since
//! the last step; then as many whole times `cell_min` of them as there are count at once, and the rest waits on. So a word
//! that four callers said is not shown; two looks at a word, and two words at one look, differ by nobody or by at least
//! `cell_min` comments; and never has everybody who commented between two steps said the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::project::CallRow;
use super::statement::Statement;
use super::weekly::TileSizes;
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
}

impl CallOf {
    pub(super) fn of(row: &CallRow) -> Self {
        let survey = row.decision.as_ref().and_then(|decision| decision.survey.as_ref());
        Self {
            call: row.id,
            offered_us: row.offered_us,
            origin: row.origin(),
            survey: survey.map(|(id, _)| id.to_string()).unwrap_or_default(),
        }
    }

    fn week(&self) -> i64 {
        Week::of_us(self.offered_us).number()
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
        match &entry.fact {
            Fact::Comment { question, recording, length_ms, language, .. } => {
                let of = CallOf::of(row);
                self.count(&of, "left");
                self.comments.push(NewComment {
                    recording: *recording,
                    question: question.clone(),
                    language: language.to_string(),
                    length_ms: *length_ms,
                    outcome: None,
                    of,
                });
            }
            Fact::Erased { was, question: Some(_) } if was == "comment" => {
                self.count(&CallOf::of(row), "left")
            }
            _ => {}
        }
    }

    /// Takes in what became of a comment; of words only those that are found are told.
    pub(super) fn transcribed(
        &mut self,
        of: &CallOf,
        (recording, outcome): (RecordingId, Transcription),
        found: &[String],
        at_us: i64,
        (waiting, sizes): (&AllWords, &TileSizes),
    ) {
        match self.comments.iter_mut().find(|comment| comment.recording == recording) {
            Some(comment) => comment.outcome = Some(outcome),
            None => self.outcomes.push((recording, outcome)),
        }
        if outcome != Transcription::Done {
            return;
        }
        self.count(of, "done");
        let size = tiles::size_for(of.origin, sizes.at(at_us));
        let own = |(origin, survey, _): &&WordKey| *origin == of.origin && *survey == of.survey;
        let mut keys: BTreeSet<WordKey> =
            waiting.keys().chain(self.waiting.keys()).filter(own).cloned().collect();
        keys.extend(found.iter().map(|word| (of.origin, of.survey.clone(), word.clone())));
        for key in keys {
            let before = self.waiting.get(&key).or_else(|| waiting.get(&key)).copied().unwrap_or_default();
            let mut now = before;
            let counts = now.add(found.contains(&key.2), size);
            if counts > 0 {
                let key = (Week::of_us(at_us).number(), of.origin, of.survey.clone(), key.2.clone());
                *self.words.entry(key).or_default() += sql::integer(counts);
            }
            if now != before {
                self.waiting.insert(key, now);
            }
        }
    }

    fn count(&mut self, of: &CallOf, what: &str) {
        let key = (of.week(), of.origin, of.survey.clone(), what.to_owned());
        *self.counts.entry(key).or_default() += 1;
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
