//! What happens in a call that somebody outside is to hear of.

use serde::{Deserialize, Serialize};

use super::answer::AnswerValue;
use super::decision::Origin;
use super::ids::{CallId, CallRef, QuestionId, QueueId, SurveyId, SurveyVersion};

/// The kinds of happenings, as configuration and messages name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EventKind {
    /// A response is complete.
    #[serde(rename = "response.completed")]
    Completed,
    /// A caller gave a low score; once a call.
    #[serde(rename = "response.low_score")]
    LowScore,
    /// A caller asked to be called back.
    #[serde(rename = "callback.requested")]
    Callback,
}

impl EventKind {
    /// The name in configuration, messages and rows.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "response.completed",
            Self::LowScore => "response.low_score",
            Self::Callback => "callback.requested",
        }
    }
}

/// Something that happened. It holds no number, no agent and no words of the caller: who may know those asks for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    /// What.
    pub kind: EventKind,
    /// When, in microseconds since 1970 UTC.
    pub at_us: i64,
    /// In which call.
    pub call: CallId,
    /// The contact centre's reference.
    pub call_ref: Option<CallRef>,
    /// The queue.
    pub queue: Option<QueueId>,
    /// The survey.
    pub survey: (SurveyId, SurveyVersion),
    /// Where the response comes from.
    pub origin: Origin,
    /// The answers it is about: all of a complete response, else the one that made it happen.
    pub answers: Vec<(QuestionId, AnswerValue)>,
}
