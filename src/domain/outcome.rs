//! How a call, a question or a transcription ended.

use serde::{Deserialize, Serialize};

/// How a response counts. The words are those of the American Association for Public Opinion Research's
/// *Standard Definitions* (complete, partial, break-off, refusal, non-contact), fitted to a caller who is already
/// on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// The call was not chosen; nobody was asked anything.
    NotSelected,
    /// The call was chosen ahead, and was never transferred to us.
    NotTransferred,
    /// Every question that was due got an answer, or was skipped by the survey's own rules.
    Complete,
    /// At least one answer, but not all.
    Partial,
    /// Left before the first answer.
    BreakOff,
    /// Declined, by the refuse key, before the first answer.
    Refused,
    /// Stayed on the line and never answered.
    NoAnswer,
    /// We could not hold the survey.
    Failed,
}

impl Disposition {
    /// All dispositions.
    pub const ALL: [Self; 8] = [
        Self::NotSelected,
        Self::NotTransferred,
        Self::Complete,
        Self::Partial,
        Self::BreakOff,
        Self::Refused,
        Self::NoAnswer,
        Self::Failed,
    ];

    /// The name in rows and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotSelected => "not_selected",
            Self::NotTransferred => "not_transferred",
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::BreakOff => "break_off",
            Self::Refused => "refused",
            Self::NoAnswer => "no_answer",
            Self::Failed => "failed",
        }
    }
}

/// How far a call came: the steps of the funnel, each one holding the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The PBX offered it.
    Offered,
    /// It was chosen for a survey.
    Selected,
    /// We answered.
    Answered,
    /// The caller heard the first question begin.
    Asked,
    /// The caller gave at least one answer.
    Responded,
    /// The response is complete.
    Complete,
}

impl Stage {
    /// All stages, the widest first.
    pub const ALL: [Self; 6] =
        [Self::Offered, Self::Selected, Self::Answered, Self::Asked, Self::Responded, Self::Complete];

    /// The name in rows and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Selected => "selected",
            Self::Answered => "answered",
            Self::Asked => "asked",
            Self::Responded => "responded",
            Self::Complete => "complete",
        }
    }
}

/// How the transcription of a comment went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transcription {
    /// There is text.
    Done,
    /// No model with an open vocabulary is there for the language.
    NoModel,
    /// The recogniser failed on it, more than once.
    Failed,
}

impl Transcription {
    /// The name in rows and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NoModel => "no_model",
            Self::Failed => "failed",
        }
    }
}

/// Why a question was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// The survey's `when` did not hold.
    When,
    /// All attempts were used up.
    Attempts,
    /// The caller pressed the refuse key, and the survey goes on.
    Refused,
    /// The caller asked to pass over it.
    Caller,
}

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailReason {
    /// No audio came, from the start or any more.
    NoMedia,
    /// Offer and answer found no common codec, or the answer to our offer was unusable.
    NoCodec,
    /// The 200 was never acknowledged.
    NoAck,
    /// The caller gave up (CANCEL) before we answered.
    Cancelled,
    /// An answer could not be written.
    Storage,
    /// No port or other resource was left.
    Resources,
    /// The session timer ran out, or a refresh failed.
    SessionExpired,
    /// The transport failed.
    Transport,
    /// The service stopped while the call ran.
    Shutdown,
    /// Another call took its place: the end of an attended transfer. Nobody left it.
    Replaced,
    /// The service was not there any more; found open at the next start.
    Crash,
}

impl FailReason {
    /// The reason in words, for a log.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::NoMedia => "no audio came",
            Self::NoCodec => "offer and answer had no codec in common",
            Self::NoAck => "the answer was never acknowledged",
            Self::Cancelled => "the far end gave up before the answer",
            Self::Storage => "an answer could not be written",
            Self::Resources => "no port or other resource was left",
            Self::SessionExpired => "the session timer ran out",
            Self::Transport => "the connection was lost",
            Self::Shutdown => "the service stopped",
            Self::Replaced => "another call took its place",
            Self::Crash => "the service had ended",
        }
    }
}

/// How far a call that runs has come, as far as it depends on no answer. Which question is open, and how many have been
/// asked or answered, would tell an answer wherever a question is asked only after some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing has been asked yet.
    Greeting,
    /// It is asked.
    Questions,
    /// It says goodbye.
    Closing,
}

impl Progress {
    /// The name in results.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Greeting => "greeting",
            Self::Questions => "questions",
            Self::Closing => "closing",
        }
    }
}
