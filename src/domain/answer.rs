//! One answer to one question.

use serde::{Deserialize, Serialize};

use super::digit::Digit;
use super::ids::QuestionId;
use super::scale::Scale;

/// What a question measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuestionKind {
    /// Customer satisfaction, on a scale.
    Csat,
    /// Net promoter score: 0-10, always.
    Nps,
    /// Customer effort score, on a scale with a direction.
    Ces,
    /// First contact resolution: yes or no.
    Fcr,
    /// Any other yes/no question.
    YesNo,
    /// A choice of at most four.
    Menu,
    /// The caller's own words.
    Comment,
}

impl QuestionKind {
    /// The name in survey files, rows and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csat => "csat",
            Self::Nps => "nps",
            Self::Ces => "ces",
            Self::Fcr => "fcr",
            Self::YesNo => "yes_no",
            Self::Menu => "menu",
            Self::Comment => "comment",
        }
    }
}

/// How an answer was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GivenBy {
    /// By key.
    Key,
    /// By voice, sure enough to be taken at once.
    Voice,
    /// By voice, and confirmed by the caller.
    VoiceConfirmed,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerValue {
    /// A number on the question's scale.
    Rating(i16),
    /// Yes (`true`) or no.
    YesNo(bool),
    /// A menu entry, by its label in the survey file.
    Choice(String),
}

impl AnswerValue {
    /// The value as a number: the rating, 1 and 0 for yes and no; a choice has none.
    #[must_use]
    pub fn number(&self) -> Option<i16> {
        match self {
            Self::Rating(value) => Some(*value),
            Self::YesNo(value) => Some(i16::from(*value)),
            Self::Choice(_) => None,
        }
    }
}

impl std::fmt::Display for AnswerValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rating(value) => write!(f, "{value}"),
            Self::YesNo(true) => f.write_str("yes"),
            Self::YesNo(false) => f.write_str("no"),
            Self::Choice(label) => f.write_str(label),
        }
    }
}

/// An answer as taken: the value, and everything needed to judge it later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The question answered.
    pub question: QuestionId,
    /// What the question measures.
    pub kind: QuestionKind,
    /// The scale it was given on; yes/no and menus have none.
    pub scale: Option<Scale>,
    /// The value.
    pub value: AnswerValue,
    /// How it was given.
    pub given_by: GivenBy,
    /// The keys pressed for this answer, as they came.
    pub keys: Vec<Digit>,
    /// Set when the keys allowed two readings: `1` and then something else than `0` on a 0-10 scale.
    pub ambiguous: bool,
    /// Which asking of the question this answered, from 1.
    pub attempt: u8,
    /// Whether the caller answered before the question was over.
    pub barge_in: bool,
    /// From the start of the question (this attempt) to the answer, in ms.
    pub took_ms: u32,
}
