//! What figures are made from: how often each value was answered, and how each call came out.

use std::collections::BTreeMap;

use crate::domain::{Disposition, Origin, QuestionId, QuestionKind, Scale, Stage, SurveyId};

/// Answers to one question in one group, counted per value. Holds one origin and one scale, so nothing mixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerTally {
    /// The agent, queue, survey or day; empty for answers that have none.
    pub group: String,
    /// Where the responses come from.
    pub origin: Origin,
    /// The survey.
    pub survey: SurveyId,
    /// The question.
    pub question: QuestionId,
    /// What it measures.
    pub kind: QuestionKind,
    /// Its scale, where it has one.
    pub scale: Option<Scale>,
    /// How often each value was answered; the values are as rows spell them (`4`, `yes`, `call_again`).
    pub counts: BTreeMap<String, u64>,
}

/// Calls of one group and origin that came out in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutcomeTally {
    /// The agent, queue, survey or day; empty for calls that have none.
    pub group: String,
    /// Where the responses come from.
    pub origin: Origin,
    /// How they count.
    pub disposition: Disposition,
    /// How far they came.
    pub stage: Stage,
    /// How many.
    pub n: u64,
}

/// All that one report is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tallies {
    /// The answers.
    pub answers: Vec<AnswerTally>,
    /// The calls.
    pub outcomes: Vec<OutcomeTally>,
}
