//! The outcome of selection: who is surveyed, and why.

use serde::{Deserialize, Serialize};

use super::ids::{QueueId, SurveyId, SurveyVersion};

/// Where a response comes from. No figure mixes origins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Chosen by us: the only origin that speaks for all callers.
    Sampled,
    /// Sent by the agent.
    Agent,
    /// A mystery caller.
    Mystery,
    /// Our own trial calls.
    Test,
}

impl Origin {
    /// All origins.
    pub const ALL: [Self; 4] = [Self::Sampled, Self::Agent, Self::Mystery, Self::Test];

    /// The name in rows and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sampled => "sampled",
            Self::Agent => "agent",
            Self::Mystery => "mystery",
            Self::Test => "test",
        }
    }
}

/// The outcome of selection for one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The origin that a response to this call has, or would have had.
    pub origin: Origin,
    /// The survey to hold; `None` means not surveyed.
    pub survey: Option<(SurveyId, SurveyVersion)>,
    /// Why.
    pub reason: DecisionReason,
    /// The running number of this call among the eligible ones of its queue, where the rule counts.
    pub count: Option<u64>,
    /// The random draw in 0..1 in parts per million, where the rule draws.
    pub draw_ppm: Option<u32>,
    /// Set where it was made, and told, before the call came to us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<DecidedAhead>,
}

impl Decision {
    /// About a call whose decision was made ahead and has been used: it is not decided again.
    #[must_use]
    pub fn already_made() -> Self {
        Self {
            origin: Origin::Sampled,
            survey: None,
            reason: DecisionReason::AlreadyDecided,
            count: None,
            draw_ppm: None,
            ahead: None,
        }
    }
}

/// When a decision was made ahead of its call, and for which queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecidedAhead {
    /// When, in microseconds since 1970 UTC.
    pub at_us: i64,
    /// The queue of that time, in which it was counted; the call may come from another.
    pub queue: Option<QueueId>,
}

/// Why a call was or was not surveyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionReason {
    /// Selected: the queue's rule surveys all.
    All,
    /// Selected: it was the Nth.
    Nth,
    /// Selected: the draw fell under the share.
    Drawn,
    /// Selected: the agent asked for it.
    AgentTrigger,
    /// Selected: a listed mystery caller.
    MysteryCaller,
    /// Selected: a trial call.
    TestCall,
    /// Not selected: not the Nth.
    NotNth,
    /// Not selected: the draw fell above the share.
    NotDrawn,
    /// Not eligible: talked too briefly.
    TalkTooShort,
    /// Not eligible: the same caller was surveyed within the window.
    SameCaller,
    /// Not eligible: on the do-not-survey list.
    DoNotSurvey,
    /// Not eligible: outside opening hours.
    OutsideHours,
    /// Not eligible: the day's cap in all is reached.
    CapTotal,
    /// Not eligible: the queue's cap for the day is reached.
    CapQueue,
    /// Not eligible: the agent's cap for the day is reached.
    CapAgent,
    /// Not eligible: no rule of the configuration covers this queue.
    NoRule,
    /// Not eligible: the survey asked for does not exist.
    UnknownSurvey,
    /// Not eligible: the decision about this call was made ahead, and has been used.
    AlreadyDecided,
    /// Not eligible: this conversation was, or is being, surveyed by another call.
    SameCall,
}

impl DecisionReason {
    /// The name in rows, reports and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Nth => "nth",
            Self::Drawn => "drawn",
            Self::AgentTrigger => "agent_trigger",
            Self::MysteryCaller => "mystery_caller",
            Self::TestCall => "test_call",
            Self::NotNth => "not_nth",
            Self::NotDrawn => "not_drawn",
            Self::TalkTooShort => "talk_too_short",
            Self::SameCaller => "same_caller",
            Self::DoNotSurvey => "do_not_survey",
            Self::OutsideHours => "outside_hours",
            Self::CapTotal => "cap_total",
            Self::CapQueue => "cap_queue",
            Self::CapAgent => "cap_agent",
            Self::NoRule => "no_rule",
            Self::UnknownSurvey => "unknown_survey",
            Self::AlreadyDecided => "already_decided",
            Self::SameCall => "same_call",
        }
    }
}
