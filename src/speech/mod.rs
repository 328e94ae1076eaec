//! Speech: from the caller's audio to a judged [`Hearing`], on this machine alone.
//!
//! Libvosk can be killed by a bad grammar or a broken model file, so it lives in worker processes of their own
//! (`src/bin/aftercall-speech.rs`); this module starts and watches them and never links the library. A worker that
//! dies, hangs or is full costs the utterances in it: the caller goes on by key.

mod backoff;
mod board;
pub mod check;
mod ears;
pub mod endpointer;
pub mod fetch;
pub mod frame;
pub mod grammar;
pub mod installed;
pub mod judge;
mod line;
pub mod pool;
#[cfg(test)]
pub mod scripted;
pub mod session;
mod supervisor;
pub mod worker;

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::oneshot;

pub use self::installed::Installed;
pub use self::pool::Pool;
pub use self::session::{Listening, listen};
use crate::domain::{Deaf, HeardWord, Hearing, Language};
pub use crate::domain::{Listen, Purpose, Thresholds};

/// What a recogniser may hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vocabulary {
    /// One of these phrases, or something unknown. Checked words of the model only, never empty.
    Phrases(Arc<[String]>),
    /// Anything that the model knows. Only for models with an open vocabulary.
    Open,
}

/// Who waits for an utterance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// A caller on the line.
    Live,
    /// Nobody: it is heard when no live stream needs the worker.
    Background,
}

/// What was heard in one utterance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// The words, in order; times count from the first sample fed.
    pub words: Vec<HeardWord>,
}

/// Whatever can open recognisers: the pool of worker processes, or a script in a test.
pub trait Recognisers: Send + Sync {
    /// The model that hears a language, and whether it has an open vocabulary; `None` when there is none that works.
    fn model(&self, language: &Language) -> Option<ModelFacts>;

    /// A fresh recogniser for one utterance. Never waits.
    ///
    /// # Errors
    /// [`Deaf`]: nobody can hear this utterance now.
    fn open(
        &self,
        language: &Language,
        vocabulary: &Vocabulary,
        urgency: Urgency,
    ) -> Result<Box<dyn Utterance>, Deaf>;
}

/// What the rest needs to know of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFacts {
    /// Its name, for records.
    pub name: String,
    /// Its unknown word, as it appears in results.
    pub unknown: String,
    /// Whether it can be asked with [`Vocabulary::Open`].
    pub open_vocabulary: bool,
    /// How many distractors each of its grammars gets.
    pub distractors: u16,
    /// How sure is sure enough.
    pub rule: judge::Rule,
    /// Words of the grammars that it does not know.
    pub missing: Arc<BTreeSet<String>>,
}

/// One recogniser with one utterance. Dropping it gives the utterance up.
pub trait Utterance: Send {
    /// Takes samples at 8 kHz, mono. Never waits: what does not fit in the queue to the worker ends the utterance.
    ///
    /// # Errors
    /// The worker is gone, or too slow.
    fn feed(&mut self, samples: &[i16]) -> Result<(), Deaf>;

    /// Ends the utterance. The result comes within the deadline of the configuration, or an error does.
    fn finish(self: Box<Self>) -> oneshot::Receiver<Result<Words, Deaf>>;
}

/// What listening tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpeechEvent {
    /// The caller began to speak.
    Began,
    /// One utterance was heard and judged. Listening is over.
    Heard {
        /// What.
        hearing: Hearing,
        /// The samples from shortly before speech to its end, where they are kept.
        audio: Option<Vec<i16>>,
    },
    /// A comment is over, by silence or by its bound. Listening is over.
    Recorded {
        /// The samples, without the silence at the end; empty when nothing was said.
        audio: Vec<i16>,
        /// Whether the bound ended it.
        cut: bool,
    },
    /// Nobody can hear the caller any more: the keys remain. Listening is over.
    Deaf {
        /// Why.
        why: Deaf,
        /// What was being said when a recogniser failed on it, where the samples are kept: to be studied.
        audio: Option<Vec<i16>>,
    },
}

/// Counts an utterance that nobody heard, once however many recognisers listened to it.
pub(crate) fn count_deaf(why: Deaf) {
    metrics::counter!("aftercall_speech_deaf_total", "why" => why.as_str()).increment(1);
}

/// Counts what was loud and was no answer by its sound alone.
pub(crate) fn count_passed_over(why: &'static str) {
    metrics::counter!("aftercall_speech_passed_over_total", "why" => why).increment(1);
}
