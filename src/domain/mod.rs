//! Words that every part of the service shares. Knows no other module; pure data, no clock, no socket.

mod ahead;
mod answer;
mod audio;
mod caller;
mod decision;
mod digit;
mod happening;
mod heard;
mod ids;
mod numbering;
mod outcome;
mod period;
mod play;
mod record;
mod scale;
mod stream;
mod viewer;

pub use ahead::{Foretold, FoundBy, ReservationToken};
pub use answer::{Answer, AnswerValue, GivenBy, QuestionKind};
pub use audio::{AudioFrame, LISTEN_RATE};
pub use caller::{CallContext, CallerHash, CallerNumber, Party, Trigger};
pub use decision::{DecidedAhead, Decision, DecisionReason, Origin};
pub use digit::{Digit, KeyPath};
pub use happening::{EventKind, Happening};
pub use heard::{Deaf, GrammarCatalogue, HeardWord, Hearing, Listen, Meaning, Purpose, Thresholds, Verdict};
pub use ids::{
    AgentId, CallId, CallRef, IdError, Language, PromptName, QuestionId, QueueId, RecordingId, SurveyId,
    SurveyVersion, TeamId, TrunkId,
};
pub use numbering::{Country, Numbering};
pub use outcome::{Disposition, FailReason, Progress, SkipReason, Stage, Transcription};
pub use period::{Period, PeriodError, Week, midnight_us};
pub use play::{ListenId, PlayId, PromptCatalogue};
pub use record::{CallStats, DialogTrace, Entry, Fact, StoredContext};
pub use scale::{Better, Scale};
pub use stream::{AgreedStream, Codec, Direction, TelephoneEvent};
pub use viewer::{Role, UserId, Viewer};
