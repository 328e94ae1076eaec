//! From facts to rows: what a call's facts add up to. Pure, so that a rebuild gives the same as the first time.

use std::collections::BTreeMap;

use serde::Serialize;

use super::days::Days;
use super::passage::Passage;
use crate::domain::{
    Answer, CallId, CallStats, Codec, Decision, Disposition, Entry, Fact, FailReason, Language, Origin,
    QuestionId, Scale, Stage, StoredContext, SurveyId, SurveyVersion,
};

/// A call as its facts have made it so far.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CallRow {
    pub(super) id: CallId,
    pub(super) node: u16,
    pub(super) offered_us: i64,
    pub(super) answered_us: Option<i64>,
    pub(super) ended_us: Option<i64>,
    pub(super) context: Option<StoredContext>,
    pub(super) decision: Option<Decision>,
    pub(super) codec: Option<Codec>,
    pub(super) language: Option<Language>,
    pub(super) stage: Stage,
    pub(super) last_asked: Option<QuestionId>,
    pub(super) disposition: Option<Disposition>,
    pub(super) left_at: Option<QuestionId>,
    pub(super) failure: Option<FailReason>,
    pub(super) by_caller: Option<bool>,
    pub(super) answers: Vec<String>,
    pub(super) stats: Option<CallStats>,
    /// What it brings to the sums that supervisors see.
    pub(super) passage: Passage,
}

/// One row of `answers`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AnswerRow {
    pub(super) call: CallId,
    /// From 1.
    pub(super) position: usize,
    pub(super) at_us: i64,
    pub(super) answer: Answer,
}

/// A key of `rollup_answers`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AnswerKey {
    pub(super) group: GroupKey,
    pub(super) question: QuestionId,
    pub(super) kind: &'static str,
    pub(super) scale: Option<Scale>,
    pub(super) value: String,
}

/// A key of `rollup_calls`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OutcomeKey {
    pub(super) group: GroupKey,
    pub(super) disposition: Disposition,
    pub(super) stage: Stage,
}

/// What both roll-ups are grouped by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GroupKey {
    /// The day of the offer, in days since 1970.
    pub(super) day: i64,
    pub(super) origin: Origin,
    pub(super) survey: Option<(SurveyId, SurveyVersion)>,
    pub(super) queue: String,
    pub(super) agent: String,
}

/// What one transaction adds to the sums. Sorted, so that two rebuilds write in the same order.
#[derive(Debug, Default)]
pub(super) struct RollUps {
    /// The days that they are of.
    pub(super) days: Days,
    pub(super) answers: BTreeMap<AnswerKey, i64>,
    pub(super) outcomes: BTreeMap<OutcomeKey, i64>,
    pub(super) queue_counts: BTreeMap<String, u64>,
    pub(super) answer_rows: Vec<AnswerRow>,
}

impl CallRow {
    pub(super) fn new(id: CallId, node: u16, at_us: i64) -> Self {
        Self {
            id,
            node,
            offered_us: at_us,
            answered_us: None,
            ended_us: None,
            context: None,
            decision: None,
            codec: None,
            language: None,
            stage: Stage::Offered,
            last_asked: None,
            disposition: None,
            left_at: None,
            failure: None,
            by_caller: None,
            answers: Vec::new(),
            stats: None,
            passage: Passage::default(),
        }
    }

    /// Takes in one fact; says whether the row changed in a way that readers should see.
    pub(super) fn apply(&mut self, entry: &Entry, sums: &mut RollUps) -> bool {
        if self.ended_us.is_none() {
            self.passage.take_in(&entry.fact);
        }
        match &entry.fact {
            Fact::Offered(context) => {
                self.offered_us = entry.at_us;
                self.context = Some(context.clone());
            }
            Fact::Decided(decision) => {
                if decision.survey.is_some() {
                    self.reach(Stage::Selected);
                }
                if let Some(count) = decision.count {
                    let ahead = decision.ahead.as_ref();
                    let counted_in = |ahead: &crate::domain::DecidedAhead| {
                        ahead.queue.as_ref().map(ToString::to_string).unwrap_or_default()
                    };
                    let queue = ahead.map_or_else(|| self.queue(), counted_in);
                    let largest = sums.queue_counts.entry(queue).or_default();
                    *largest = count.max(*largest);
                }
                self.decision = Some(decision.clone());
            }
            Fact::Answered { codec } => {
                self.reach(Stage::Answered);
                self.answered_us = Some(entry.at_us);
                self.codec = Some(*codec);
            }
            Fact::LanguageSet { language } => self.language = Some(language.clone()),
            Fact::Asked { question, .. } => {
                self.last_asked = Some(question.clone());
                let first = self.stage < Stage::Asked;
                self.reach(Stage::Asked);
                return first;
            }
            Fact::Comment { .. } => self.reach(Stage::Responded),
            Fact::Erased { was, .. } if was == "comment" => self.reach(Stage::Responded),
            Fact::Answer(answer) => self.take(answer, entry.at_us, sums),
            Fact::Ended { disposition, left_at, failure, by_caller, stats } => {
                if self.ended_us.is_some() {
                    return false; // A second end adds nothing.
                }
                if *disposition == Disposition::Complete {
                    self.reach(Stage::Complete);
                }
                self.ended_us = Some(entry.at_us);
                self.disposition = Some(*disposition);
                self.left_at.clone_from(left_at);
                self.failure = *failure;
                self.by_caller = Some(*by_caller);
                self.stats = *stats;
                let key = OutcomeKey {
                    group: self.group(&sums.days),
                    disposition: *disposition,
                    stage: self.stage,
                };
                *sums.outcomes.entry(key).or_default() += 1;
            }
            Fact::Key { .. }
            | Fact::Repeated { .. }
            | Fact::NoInput { .. }
            | Fact::NoMatch { .. }
            | Fact::Heard { .. }
            | Fact::Deaf { .. }
            | Fact::Transcribed { .. }
            | Fact::Reread { .. }
            | Fact::Skipped { .. }
            | Fact::Refused { .. }
            | Fact::Held { .. }
            | Fact::Erased { .. } => return false,
        }
        true
    }

    fn take(&mut self, answer: &Answer, at_us: i64, sums: &mut RollUps) {
        self.reach(Stage::Responded);
        let value = answer.value.to_string();
        self.answers.push(value.clone());
        sums.answer_rows.push(AnswerRow {
            call: self.id,
            position: self.answers.len(),
            at_us,
            answer: answer.clone(),
        });
        let key = AnswerKey {
            group: self.group(&sums.days),
            question: answer.question.clone(),
            kind: answer.kind.as_str(),
            scale: answer.scale,
            value,
        };
        *sums.answers.entry(key).or_default() += 1;
    }

    fn reach(&mut self, stage: Stage) {
        self.stage = self.stage.max(stage);
    }

    fn group(&self, days: &Days) -> GroupKey {
        GroupKey {
            day: days.of(self.offered_us),
            origin: self.origin(),
            survey: self.decision.as_ref().and_then(|d| d.survey.clone()),
            queue: self.queue(),
            agent: self.agent(),
        }
    }

    pub(super) fn origin(&self) -> Origin {
        self.decision.as_ref().map_or(Origin::Sampled, |d| d.origin)
    }

    pub(super) fn queue(&self) -> String {
        let queue = self.context.as_ref().and_then(|c| c.queue.as_ref());
        queue.map(ToString::to_string).unwrap_or_default()
    }

    /// Empty for none.
    pub(super) fn agent(&self) -> String {
        let agent = self.context.as_ref().and_then(|c| c.agent.as_ref());
        agent.map(ToString::to_string).unwrap_or_default()
    }

    /// How a call that was found open at a start is closed: what was answered stays.
    pub(super) fn crashed(&self) -> Fact {
        let answered = self.stage >= Stage::Responded;
        Fact::Ended {
            disposition: if answered { Disposition::Partial } else { Disposition::Failed },
            left_at: self.last_asked.clone(),
            failure: Some(FailReason::Crash),
            by_caller: false,
            stats: None,
        }
    }
}

/// A fact's name in the journal.
pub(super) fn kind(fact: &Fact) -> &'static str {
    match fact {
        Fact::Offered(_) => "offered",
        Fact::Decided(_) => "decided",
        Fact::Answered { .. } => "answered",
        Fact::Asked { .. } => "asked",
        Fact::Key { .. } => "key",
        Fact::Repeated { .. } => "repeated",
        Fact::NoInput { .. } => "no_input",
        Fact::NoMatch { .. } => "no_match",
        Fact::Heard { .. } => "heard",
        Fact::Deaf { .. } => "deaf",
        Fact::Comment { .. } => "comment",
        Fact::Transcribed { .. } => "transcribed",
        Fact::Reread { .. } => "reread",
        Fact::Answer(_) => "answer",
        Fact::LanguageSet { .. } => "language_set",
        Fact::Skipped { .. } => "skipped",
        Fact::Refused { .. } => "refused",
        Fact::Held { .. } => "held",
        Fact::Ended { .. } => "ended",
        Fact::Erased { .. } => "erased",
    }
}

/// A day as rows name it: `2026-11-22`.
pub(super) fn day_text(day: i64) -> String {
    i32::try_from(day)
        .ok()
        .and_then(|days| {
            jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().try_days(days).ok()?).ok()
        })
        .map_or_else(|| format!("day {day}"), |date| date.to_string())
}

/// A unit variant's name as its `Serialize` gives it: the one that the journal and the rows share.
pub(super) fn name<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}
