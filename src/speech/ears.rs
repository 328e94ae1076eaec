//! The recognisers that hear one utterance: one, or three that hear it with different vocabularies.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::sync::oneshot;

use super::endpointer::Speech;
use super::grammar::{Grammars, Lexicon};
use super::judge::{Heard, Judgement, judge};
use super::{ModelFacts, Recognisers, Thresholds, Urgency, Utterance, Vocabulary, Words};
use crate::domain::{Deaf, HeardWord, Language, Verdict};

/// Samples a millisecond.
const PER_MS: u32 = 8;

/// What one question's utterances are heard with.
#[derive(Debug)]
pub(super) struct Plan {
    facts: ModelFacts,
    language: Language,
    grammar: String,
    main: Vocabulary,
    wide: Option<Vocabulary>,
    full: Option<Vocabulary>,
}

/// One utterance, being heard.
pub(super) struct Ears<'a> {
    plan: &'a Plan,
    main: Box<dyn Utterance>,
    /// Others that help the judge. One that fails is done without.
    wide: Option<Box<dyn Utterance>>,
    full: Option<Box<dyn Utterance>>,
    samples: u32,
    hiss: Hiss,
}

/// A little noise under what recognisers hear, three steps of 16 bits: lines that send digital silence between words
/// have none, and no model has learnt what that sounds like ("nine" is heard at 0.5 instead of 1.0). The same for each
/// utterance, so that the same audio gives the same words.
#[derive(Debug)]
struct Hiss(SmallRng);

impl Hiss {
    const STEPS: i16 = 5;

    fn new() -> Self {
        Self(SmallRng::seed_from_u64(3))
    }

    fn under(&mut self, samples: &[i16]) -> Vec<i16> {
        let mut step = || self.0.random_range(-Self::STEPS..=Self::STEPS);
        samples.iter().map(|sample| sample.saturating_add(step())).collect()
    }
}

impl Ears<'_> {
    /// What a question is to be heard with; `None` when there is no model or grammar for it.
    pub(super) fn plan(
        recognisers: &dyn Recognisers,
        grammars: &Grammars,
        language: &Language,
        grammar: &str,
    ) -> Option<Plan> {
        let facts = recognisers.model(language)?;
        let lexicon = Lexicon::of(&facts);
        let whole = grammars.vocabulary(language, grammar, &lexicon)?;
        let (main, wide, full) = if facts.rule.witness.is_some() {
            let wide = grammars.wide(language, grammar, &lexicon);
            (grammars.short(language, grammar, &lexicon)?, wide, Some(whole))
        } else {
            (whole, None, None)
        };
        Some(Plan { facts, language: language.clone(), grammar: grammar.to_owned(), main, wide, full })
    }

    /// Takes the next samples.
    pub(super) fn feed(&mut self, samples: &[i16]) -> Result<(), Deaf> {
        if samples.is_empty() {
            return Ok(());
        }
        self.samples += samples.len() as u32;
        let samples = self.hiss.under(samples);
        self.main.feed(&samples)?;
        for other in [&mut self.wide, &mut self.full] {
            other.take_if(|utterance| utterance.feed(&samples).is_err());
        }
        Ok(())
    }

    /// Waits for all results and judges them. What was cut short by the bound is no answer.
    pub(super) async fn finish(
        self,
        speech: &Speech,
        thresholds: Option<Thresholds>,
        grammars: &Grammars,
    ) -> Result<Judgement, Deaf> {
        let (main, wide, full) =
            (self.main.finish(), self.wide.map(Utterance::finish), self.full.map(Utterance::finish));
        let heard = Heard { main: result(main).await?, wide: other(wide).await, full: other(full).await };
        let Plan { facts, language, grammar, .. } = self.plan;
        let read = |words: &[HeardWord]| {
            let words: Vec<&str> = words.iter().map(|word| word.word.as_str()).collect();
            grammars.read(language, grammar, &words)
        };
        let thresholds = thresholds.unwrap_or_else(|| facts.rule.into());
        let mut judged = judge(&facts.rule, thresholds, &heard, read);
        if speech.cut {
            judged.verdict = Verdict::NoMatch;
        }
        // From the first sample fed to the start of listening; no word ends after what was fed.
        let fed_ms = self.samples / PER_MS;
        for word in &mut judged.words {
            word.start_ms = speech.taken_from_ms + word.start_ms.min(fed_ms);
            word.end_ms = speech.taken_from_ms + word.end_ms.min(fed_ms);
        }
        Ok(judged)
    }
}

impl Plan {
    /// Fresh recognisers for one utterance.
    pub(super) fn open(&self, recognisers: &dyn Recognisers, urgency: Urgency) -> Result<Ears<'_>, Deaf> {
        let open = |vocabulary: &Vocabulary| recognisers.open(&self.language, vocabulary, urgency);
        let main = open(&self.main)?;
        let other = |vocabulary: &Option<Vocabulary>| vocabulary.as_ref().and_then(|it| open(it).ok());
        Ok(Ears {
            plan: self,
            main,
            wide: other(&self.wide),
            full: other(&self.full),
            samples: 0,
            hiss: Hiss::new(),
        })
    }

    /// The model's name.
    pub(super) fn model(&self) -> &str {
        &self.facts.name
    }
}

/// A recogniser that went without a word has died.
async fn result(finished: oneshot::Receiver<Result<Words, Deaf>>) -> Result<Words, Deaf> {
    finished.await.unwrap_or(Err(Deaf::Died))
}

async fn other(finished: Option<oneshot::Receiver<Result<Words, Deaf>>>) -> Option<Words> {
    result(finished?).await.ok()
}
