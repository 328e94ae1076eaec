//! Recognisers that hear what a test tells them to, in order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::judge::Rule;
use super::{ModelFacts, Recognisers, Urgency, Utterance, Vocabulary, Words};
use crate::domain::{Deaf, HeardWord, Language};

/// What happens to one utterance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// These words are heard, with one confidence in thousandths for all of them.
    Hear(String, u16),
    /// There is no recogniser free.
    NotOpened(Deaf),
    /// The recogniser fails while it is fed.
    FailsAtFeed(Deaf),
    /// It fails when it should tell.
    FailsAtEnd(Deaf),
    /// It goes without a word.
    Vanishes,
}

/// Recognisers with a script. Beyond its end they hear nothing.
#[derive(Clone, Debug, Default)]
pub struct Scripted {
    script: Arc<Mutex<VecDeque<Line>>>,
    asked: Arc<Mutex<Vec<Vocabulary>>>,
}

impl Scripted {
    /// Follows these lines, one an utterance.
    #[must_use]
    pub fn new(script: impl IntoIterator<Item = Line>) -> Self {
        Self { script: Arc::new(Mutex::new(script.into_iter().collect())), ..Self::default() }
    }

    /// With what the utterances so far were to be heard.
    #[must_use]
    pub fn asked(&self) -> Vec<Vocabulary> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Recognisers for Scripted {
    fn model(&self, _: &Language) -> Option<ModelFacts> {
        let rule = Rule { accept_pm: 950, confirm_pm: 800, witness: None, command_pm: 950 };
        Some(ModelFacts {
            name: "scripted".to_owned(),
            unknown: "[unk]".to_owned(),
            open_vocabulary: true,
            distractors: 0,
            rule,
            missing: std::sync::Arc::default(),
        })
    }

    fn open(&self, _: &Language, vocabulary: &Vocabulary, _: Urgency) -> Result<Box<dyn Utterance>, Deaf> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(vocabulary.clone());
        let line = self.script.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        match line.unwrap_or_else(|| Line::Hear(String::new(), 0)) {
            Line::NotOpened(deaf) => Err(deaf),
            line => Ok(Box::new(Told { line, samples: 0 })),
        }
    }
}

struct Told {
    line: Line,
    samples: u32,
}

impl Utterance for Told {
    fn feed(&mut self, samples: &[i16]) -> Result<(), Deaf> {
        self.samples += samples.len() as u32;
        match self.line {
            Line::FailsAtFeed(deaf) => Err(deaf),
            _ => Ok(()),
        }
    }

    fn finish(self: Box<Self>) -> oneshot::Receiver<Result<Words, Deaf>> {
        let (tell, told) = oneshot::channel();
        let result = match self.line {
            Line::Hear(text, confidence_pm) => {
                let end_ms = self.samples / 8;
                let word =
                    |word: &str| HeardWord { word: word.to_owned(), confidence_pm, start_ms: 0, end_ms };
                Ok(Words { words: text.split_whitespace().map(word).collect() })
            }
            Line::NotOpened(deaf) | Line::FailsAtFeed(deaf) | Line::FailsAtEnd(deaf) => Err(deaf),
            Line::Vanishes => return told,
        };
        // Whoever asked may have gone.
        let _told = tell.send(result);
        told
    }
}
