//! The recognisers that hear one utterance: one, or two side by side and a third where they leave a doubt.
//!
//! What is needed for nearly every utterance is heard while it is spoken, so that little is left to do at its end; what
//! only some need is heard afterwards, from the samples.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::sync::oneshot;

use super::endpointer::Speech;
use super::grammar::{Grammars, Lexicon};
use super::judge::{self, Heard, Judgement, judge};
use super::{ModelFacts, Recognisers, Thresholds, Urgency, Utterance, Vocabulary, Words};
use crate::domain::{Deaf, HeardWord, Language, Verdict};

/// Samples a millisecond.
const PER_MS: u32 = 8;
/// Samples a second.
const SECOND: usize = 8_000;

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
    recognisers: &'a dyn Recognisers,
    urgency: Urgency,
    main: Box<dyn Utterance>,
    /// Helps the judge. Where it fails the judge does without.
    wide: Option<Box<dyn Utterance>>,
    /// All that was said, where it may have to be heard again: the bound of an utterance bounds it.
    said: Vec<i16>,
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
        let (main, wide, full) = if let Some(witness) = &facts.rule.witness {
            let wide = grammars.wide(language, grammar, &lexicon, witness.words.into());
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
        self.wide.take_if(|utterance| utterance.feed(&samples).is_err());
        if self.plan.full.is_some() {
            self.said.extend(samples);
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
        if speech.cut {
            // Nothing that has no end is an answer, whatever words were found in its first seconds.
            super::count_passed_over("endless");
            return Ok(Judgement {
                words: Vec::new(),
                meaning: None,
                verdict: Verdict::NoMatch,
                confidence_pm: 0,
            });
        }
        let Plan { facts, language, grammar, full, .. } = self.plan;
        let read = |words: &[HeardWord]| {
            let words: Vec<&str> = words.iter().map(|word| word.word.as_str()).collect();
            grammars.read(language, grammar, &words)
        };
        let thresholds = thresholds.unwrap_or_else(|| facts.rule.into());
        let (main, wide) = (self.main.finish(), self.wide.map(Utterance::finish));
        let main = result(main).await?;
        let again = |vocabulary: &Vocabulary| {
            let mut utterance = self.recognisers.open(language, vocabulary, self.urgency).ok()?;
            self.said.chunks(SECOND).try_for_each(|samples| utterance.feed(samples)).ok()?;
            Some(utterance.finish())
        };
        let full = full.as_ref().filter(|_| judge::in_doubt(&main, read)).and_then(again);
        let heard = Heard { main, wide: other(wide).await, full: other(full).await };
        let mut judged = judge(&facts.rule, thresholds, &heard, read);
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
    pub(super) fn open<'a>(
        &'a self,
        recognisers: &'a dyn Recognisers,
        urgency: Urgency,
    ) -> Result<Ears<'a>, Deaf> {
        let open = |vocabulary: &Vocabulary| recognisers.open(&self.language, vocabulary, urgency);
        Ok(Ears {
            plan: self,
            recognisers,
            urgency,
            main: open(&self.main)?,
            wide: self.wide.as_ref().and_then(|it| open(it).ok()),
            said: Vec::new(),
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
