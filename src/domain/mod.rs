//! Words that every part of the service shares. Knows no other module; pure data, no clock, no socket.

mod answer;
mod caller;
mod digit;
mod ids;
mod play;
mod record;
mod scale;
mod stream;

pub use answer::{Answer, AnswerValue, GivenBy, QuestionKind};
pub use caller::{CallContext, CallerHash, CallerNumber, Party, Trigger};
pub use digit::{Digit, KeyPath};
pub use ids::{
    AgentId, CallId, CallRef, IdError, Language, PromptName, QuestionId, QueueId, SurveyId, SurveyVersion,
    TrunkId,
};
pub use play::{PlayId, PromptCatalogue};
pub use record::{
    CallStats, Decision, DecisionReason, DialogTrace, Disposition, Entry, Fact, FailReason, Origin,
    SkipReason, Stage, StoredContext,
};
pub use scale::{Better, Scale};
pub use stream::{AgreedStream, Codec, Direction, TelephoneEvent};
