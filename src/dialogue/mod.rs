//! The conversation with one caller: events and time in, actions out. Owns no socket, task or clock.
//!
//! [`Dialogue`] is the machine, [`Survey`] what it asks, [`SurveySet`] all surveys as loaded and checked.
//!
//! How a caller is treated, where a rule could have gone either way:
//! - A key during the greeting stops it and brings the first question. It is not taken as an answer: nobody has heard
//!   the question yet.
//! - A key in the first [`SETTLE`] of a question is kept as a raw key and otherwise passed over, for the same reason:
//!   it is the bounce of the key before, or was meant for the question before.
//! - `#` with nothing to end, and the keys `A`-`D` that no caller has, change nothing.
//! - Silence and wrong keys are counted apart; either alone can use up the attempts.
//! - Speech is listened for when the question has been played (or during it, where the survey says so), and the first
//!   key ends it. Speech that was not understood uses up no attempt: the second time the caller is sent to the keys.
//! - What was heard and is not sure is asked back; `1` or "yes" takes it. Another answer by key takes that one instead.
//! - "Stop" and "skip" are always asked back.
//! - A caller who hangs up while they leave a comment has left it.
//! - On hold nothing is timed and keys do not count. Off hold, a question that was cut short is put again from its
//!   start, at no cost to the caller.

mod capture;
mod check;
mod left_off;
mod load;
mod machine;
mod survey;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::domain::{
    Deaf, Digit, Disposition, Fact, FailReason, Hearing, KeyPath, Language, Listen, ListenId, PlayId,
    PromptName, QuestionId, RecordingId,
};

pub use left_off::complete_so_far;
pub use load::{Catalogues, Fault, SurveyError, SurveySet, Warning};
pub use machine::Dialogue;
pub use survey::{
    AfterAttempts, AfterRefuse, Answers, BargeIn, Choice, Form, Operator, Patience, Question, Questions,
    Survey, Voice, VoicePrompts, When, language_prompt, language_question,
};

/// The part of a question in which no key counts yet: nobody hears, understands and presses faster.
pub const SETTLE: Duration = Duration::from_millis(250);
/// A prompt that has not ended after this long is taken to have ended, so that a lost report cannot strand a caller.
pub const PLAY_MAX: Duration = Duration::from_secs(120);
/// The caller speaks: for so long we wait for what they say, and do not ask again.
pub const UTTERANCE_MAX: Duration = Duration::from_secs(8);
/// How long a recording that was asked for may take to come.
pub const RECORDING_WAIT: Duration = Duration::from_secs(2);
/// Utterances not understood at one question, before it is put for the keys alone.
pub const MISHEARS_MAX: u8 = 2;
/// A call held for longer is ended with what it has.
pub const HOLD_MAX: Duration = Duration::from_secs(300);
/// How often one question is repeated by `*`; a further `*` counts as a wrong key.
pub const REPEATS_MAX: u8 = 3;
/// Raw keys kept per call; further ones still work and leave no trace.
pub const KEYS_MAX: u16 = 256;

/// A comment as recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The audio.
    pub recording: RecordingId,
    /// Its length in ms.
    pub length_ms: u32,
    /// Whether its bound ended it.
    pub cut: bool,
}

/// What happens to a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The call is up and audio can flow. Once per call.
    Answered,
    /// A prompt came to its end by itself.
    PlayDone(PlayId),
    /// The caller pressed a key, once however often it was reported.
    Key {
        /// The key.
        digit: Digit,
        /// How it came.
        path: KeyPath,
    },
    /// The caller began to speak.
    SpeechBegan(ListenId),
    /// The caller was heard to say something.
    Heard {
        /// The order to listen that it came by.
        id: ListenId,
        /// What was heard.
        hearing: Box<Hearing>,
        /// The audio, where it is kept.
        recording: Option<RecordingId>,
    },
    /// A comment is over; `None` when nothing was said.
    Recorded {
        /// The order to listen that it came by.
        id: ListenId,
        /// The audio, which is on disk.
        comment: Option<Recorded>,
    },
    /// The caller's voice cannot be heard.
    Deaf {
        /// The order to listen that it came by.
        id: ListenId,
        /// Why.
        why: Deaf,
        /// What was being said, where it is kept.
        recording: Option<RecordingId>,
    },
    /// The far end hung up or cancelled.
    CallerGone,
    /// The far end put the call on hold (`true`) or took it off.
    Held(bool),
    /// The time of [`Dialogue::poll_timeout`] has come.
    Timeout,
    /// The service stops: end politely.
    Drain,
    /// The facts of the last actions could not be written. None of the actions after them was performed.
    StorageFailed,
    /// No audio comes from the caller any more.
    MediaDead,
    /// The call cannot go on.
    Failed(FailReason),
}

/// What to do for a conversation.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Play these prompts one after the other, in place of whatever plays; report the end of the last one.
    Play {
        /// To be reported in [`Event::PlayDone`].
        id: PlayId,
        /// The language of all of them.
        language: Language,
        /// The prompts in order; never empty.
        prompts: Vec<PromptName>,
    },
    /// Stop what plays, at once.
    StopPlaying,
    /// Listen to the caller, and tell what is heard under this order.
    Listen {
        /// To be named in the events.
        id: ListenId,
        /// For what.
        listen: Listen,
    },
    /// Listen no more, and forget what was being heard.
    StopListening,
    /// Listen no more, and hand over what was recorded so far.
    FinishListening,
    /// Write this down. A `Play` that follows must wait until it is on disk.
    Record(Fact),
    /// Hang up. At most once.
    HangUp,
    /// The conversation is over; nothing follows. Exactly once, also when the far end hung up.
    End(Outcome),
}

/// How a conversation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How the response counts.
    pub disposition: Disposition,
    /// The last question that the caller heard begin, where the survey did not run to its end.
    pub left_at: Option<QuestionId>,
    /// Why it failed, where it did. A partial response may carry one too.
    pub failure: Option<FailReason>,
    /// Whether the far end hung up.
    pub by_caller: bool,
}

/// Actions in the order in which to perform them.
#[must_use = "an action that is not performed leaves the caller in silence"]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Actions(Vec<Action>);

impl Actions {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The actions, to look at.
    pub fn iter(&self) -> std::slice::Iter<'_, Action> {
        self.0.iter()
    }

    fn push(&mut self, action: Action) {
        self.0.push(action);
    }

    fn record(&mut self, fact: Fact) {
        self.0.push(Action::Record(fact));
    }
}

impl IntoIterator for Actions {
    type Item = Action;
    type IntoIter = std::vec::IntoIter<Action>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Actions {
    type Item = &'a Action;
    type IntoIter = std::slice::Iter<'a, Action>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
