//! What one call brings to the sums that supervisors see: its answers, what its caller did at each question, and the words
//! of its comments. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{
    Answer, Disposition, Fact, GivenBy, QuestionId, QuestionKind, Scale, SkipReason, Transcription,
};

/// How often something was done at a question, and how many milliseconds it took in all.
pub(super) type Done = (i64, i64);

/// By question and what was done there.
pub(super) type Steps = BTreeMap<String, BTreeMap<String, Done>>;

/// What one call brings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Passage {
    /// Empty for calls that named none.
    pub(super) queue: String,
    pub(super) answers: Vec<Given>,
    pub(super) steps: Steps,
    /// Comments that were left.
    pub(super) comments: u32,
    /// The groups of key words in each comment that has been transcribed.
    pub(super) words: Vec<Vec<String>>,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Given {
    pub(super) question: QuestionId,
    pub(super) kind: QuestionKind,
    pub(super) scale: Option<Scale>,
    pub(super) value: String,
}

impl Passage {
    /// Takes in one fact of the call.
    pub(super) fn take_in(&mut self, fact: &Fact) {
        match fact {
            Fact::Asked { question, attempt, .. } => {
                self.step(question, if *attempt > 1 { "asked_again" } else { "heard" }, 0);
            }
            Fact::Answer(answer) => self.answered(answer),
            Fact::Comment { question, .. } => self.left(question),
            Fact::Erased { was, question: Some(question) } if was == "comment" => self.left(question),
            Fact::Transcribed { outcome: Transcription::Done, key_words, .. } => {
                self.words.push(key_words.clone());
            }
            Fact::NoInput { question, .. } => self.step(question, "no_input", 0),
            Fact::NoMatch { question, .. } => self.step(question, "no_match", 0),
            Fact::Repeated { question } => self.step(question, "repeated", 0),
            Fact::Skipped { question, reason } if *reason != SkipReason::When => {
                self.step(question, "skipped", 0);
            }
            Fact::Refused { question } => self.step(question, "refused", 0),
            Fact::Ended { disposition, left_at: Some(question), .. }
                if *disposition != Disposition::Complete =>
            {
                self.step(question, "left", 0);
            }
            _ => {}
        }
    }

    /// The questions that were heard, and how often.
    pub(super) fn heard(&self) -> impl Iterator<Item = (&String, i64)> {
        self.steps.iter().filter_map(|(question, done)| Some((question, done.get("heard")?.0)))
    }

    fn answered(&mut self, answer: &Answer) {
        let what = match answer.given_by {
            GivenBy::Key => "key",
            GivenBy::Voice => "voice",
            GivenBy::VoiceConfirmed => "voice_confirmed",
        };
        self.step(&answer.question, what, i64::from(answer.took_ms));
        self.answers.push(Given {
            question: answer.question.clone(),
            kind: answer.kind,
            scale: answer.scale,
            value: answer.value.to_string(),
        });
    }

    fn left(&mut self, question: &QuestionId) {
        self.comments += 1;
        self.step(question, "comment", 0);
    }

    fn step(&mut self, question: &QuestionId, what: &str, ms: i64) {
        let steps = self.steps.entry(question.to_string()).or_default();
        let done = steps.entry(what.to_owned()).or_default();
        done.0 += 1;
        done.1 += ms;
    }
}
