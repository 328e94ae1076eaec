//! What a caller was heard to say, and what was made of it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ids::Language;

/// One word, as recognised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeardWord {
    /// The word, in the spelling of the model; its unknown word stands for what it could not place.
    pub word: String,
    /// How sure the recogniser is, in thousandths: 0-1000.
    pub confidence_pm: u16,
    /// From the start of listening to the word's start, in ms.
    pub start_ms: u32,
    /// From the start of listening to the word's end, in ms.
    pub end_ms: u32,
}

/// What a phrase means, by the literal tag of its grammar (W3C Semantic Interpretation 1.0, literal syntax).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// An answer: `7`, `yes`, `no`, or the label of a choice.
    Answer(String),
    /// Put the question again.
    Repeat,
    /// Pass over the question.
    Skip,
    /// End the survey.
    Stop,
}

/// What to do with what was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Sure enough to take it.
    Accept,
    /// Ask the caller whether it was that.
    Confirm,
    /// Not an answer, or not sure enough to be asked about.
    NoMatch,
}

impl Verdict {
    /// The name in rows and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Confirm => "confirm",
            Self::NoMatch => "no_match",
        }
    }
}

/// One utterance, heard and judged.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hearing {
    /// The grammar it was heard with; empty for open speech.
    pub grammar: String,
    /// The language it was heard in.
    pub language: Language,
    /// The model that heard it.
    pub model: String,
    /// The words, in order.
    pub words: Vec<HeardWord>,
    /// What the words mean; `None` when they mean nothing to the grammar.
    pub meaning: Option<Meaning>,
    /// What to do.
    pub verdict: Verdict,
    /// The confidence that the verdict rests on, in thousandths: 0-1000.
    pub confidence_pm: u16,
    /// From the start of listening to the start of speech, in ms.
    pub start_ms: u32,
    /// From the start of listening to the end of speech, in ms.
    pub end_ms: u32,
    /// From the end of speech to the verdict, in ms.
    pub decided_ms: u32,
    /// Level of the speech in decibels below full scale (dBFS), as a negative number.
    pub level_dbfs: i8,
    /// Level of the line without speech, in dBFS.
    pub noise_dbfs: i8,
}

impl Hearing {
    /// Of a recording on which nobody says anything.
    #[must_use]
    pub fn of_silence(grammar: &str, language: Language, model: String) -> Self {
        Self {
            grammar: grammar.to_owned(),
            language,
            model,
            words: Vec::new(),
            meaning: None,
            verdict: Verdict::NoMatch,
            confidence_pm: 0,
            start_ms: 0,
            end_ms: 0,
            decided_ms: 0,
            level_dbfs: -90,
            noise_dbfs: -90,
        }
    }

    /// What the caller is asked to confirm because of it: an answer that is not sure enough, and every wish to pass over
    /// the question or to stop. Nothing, where it was itself said to confirm something (`confirming`).
    #[must_use]
    pub fn asks_back(&self, confirming: bool) -> Option<&Meaning> {
        let understood = !confirming && self.verdict != Verdict::NoMatch;
        let meaning = self.meaning.as_ref().filter(|_| understood)?;
        match meaning {
            Meaning::Answer(_) => (self.verdict == Verdict::Confirm).then_some(meaning),
            Meaning::Skip | Meaning::Stop => Some(meaning),
            Meaning::Repeat => None,
        }
    }
}

impl fmt::Debug for Hearing {
    /// Without the words and their meaning: what a caller says does not belong in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hearing")
            .field("grammar", &self.grammar)
            .field("words", &self.words.len())
            .field("verdict", &self.verdict)
            .field("confidence_pm", &self.confidence_pm)
            .finish_non_exhaustive()
    }
}

/// Why a caller's voice cannot be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Deaf {
    /// There is no library, no model for the language, or the model failed its self-test.
    #[error("there is no recogniser for this language")]
    NoModel,
    /// As many streams as the workers take are open.
    #[error("the recognisers are busy")]
    Busy,
    /// The worker died.
    #[error("the recogniser died")]
    Died,
    /// The worker did not answer in time.
    #[error("the recogniser did not answer in time")]
    Slow,
    /// The worker answered with something that is no answer.
    #[error("the recogniser answered with garbage")]
    Garbage,
}

impl Deaf {
    /// The name in rows and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoModel => "no_model",
            Self::Busy => "busy",
            Self::Died => "died",
            Self::Slow => "slow",
            Self::Garbage => "garbage",
        }
    }
}

/// The grammars there are, as far as the checks of a survey need to know.
pub trait GrammarCatalogue {
    /// Everything that a grammar's phrases can mean; `None` when it does not exist in that language.
    fn meanings(&self, language: &Language, grammar: &str) -> Option<Vec<Meaning>>;
}

/// How sure an utterance must be, for one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Confidence from which an answer is taken at once, in thousandths.
    pub accept_pm: u16,
    /// Confidence from which the caller is asked whether it was that, in thousandths.
    pub confirm_pm: u16,
}

/// What to listen for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// One answer, by a grammar. `None` takes the model's own thresholds.
    Answer {
        /// The grammar's name.
        grammar: String,
        /// The question's own thresholds.
        thresholds: Option<Thresholds>,
    },
    /// The caller's own words, to be kept as audio and heard later.
    Comment {
        /// Longest recording.
        length_max: Duration,
    },
}

/// An order to listen, from the start of an answer's time to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The caller's language.
    pub language: Language,
    /// What to listen for.
    pub purpose: Purpose,
    /// Whether the samples are handed back with what was heard.
    pub keep_audio: bool,
}
