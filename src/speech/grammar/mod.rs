//! What callers say, and what it means: grammars in the W3C's own form, as plain lists of phrases.
//!
//! A grammar is a file `grammars/LANGUAGE/NAME.grxml`: SRGS 1.0 in XML with SISR 1.0 string literals, so that the
//! answers to a question can be changed, and read by other tools, without touching the program. At start each file is
//! checked and every way through it is written out; that list is what a recogniser is given, and the only thing that
//! [`Grammars::read`] accepts.
//!
//! A small model hears better the fewer phrases it is given. The rule `short` of a file, where it has one, holds the
//! forms that such a model is to listen for first ([`Grammars::short`]); otherwise they are the plainest of each meaning.
//!
//! A tag is the answer itself (`7`, `yes`, the label of a choice), or one of `*repeat*`, `*skip*` and `*stop*`. The
//! phrases of `commands.grxml` are added to every other grammar of its language.

mod distractor;
mod expand;
mod fault;
mod load;
mod parse;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

pub use fault::{GrammarError, GrammarFault, NAMESPACE};

use super::{ModelFacts, Vocabulary};
use crate::domain::{GrammarCatalogue, Language, Meaning};

/// The grammar that every other one of its language takes in.
pub const COMMANDS: &str = "commands";

/// All grammars there are, by language.
#[derive(Clone, Debug, Default)]
pub struct Grammars {
    languages: BTreeMap<Language, LanguageSet>,
}

#[derive(Clone, Debug, Default)]
struct LanguageSet {
    grammars: BTreeMap<String, Arc<Grammar>>,
    /// Common words, the best first.
    distractors: Vec<String>,
}

/// One grammar: its phrases, and what each means.
#[derive(Debug)]
struct Grammar {
    phrases: BTreeMap<String, Meaning>,
    /// Those that a small model listens for first.
    short: Vec<String>,
    meanings: Vec<Meaning>,
    /// The language's distractors, those first that are most like the short phrases: from its first use on.
    rivals: OnceLock<Vec<String>>,
}

impl Grammar {
    fn new(phrases: BTreeMap<String, Meaning>, short: Vec<String>) -> Self {
        let meanings: BTreeSet<&Meaning> = phrases.values().collect();
        let meanings = meanings.into_iter().cloned().collect();
        Self { phrases, short, meanings, rivals: OnceLock::new() }
    }
}

/// What one model can be asked: its self-test and its configuration say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lexicon {
    /// Those of [`Grammars::words`] that the model does not know.
    pub missing: Arc<BTreeSet<String>>,
    /// Most distractors that it is given; 0 for a model that does better without.
    pub distractors_max: usize,
}

/// How a grammar fits a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fit {
    /// Phrases that the model can hear.
    pub phrases: usize,
    /// Phrases with a word that it does not know.
    pub lost: Vec<String>,
    /// Meanings of which no phrase is left. With one of them the grammar is not usable with this model.
    pub unsayable: Vec<Meaning>,
}

impl Fit {
    /// Whether everything that the grammar can mean can be heard.
    #[must_use]
    pub fn usable(&self) -> bool {
        self.unsayable.is_empty() && self.phrases > 0
    }
}

/// A model has fewer distractors than it wants: nonsense is then more easily taken for an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FewDistractors {
    language: Language,
    known: usize,
    wanted: usize,
}

impl fmt::Display for FewDistractors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { language, known, wanted } = self;
        match known {
            0 => write!(f, "has no distractors")?,
            _ => write!(f, "has {known} distractors")?,
        }
        write!(
            f,
            " and wants {wanted}: what is no answer may be taken for one; more words in grammars/{language}/distractors.txt help"
        )
    }
}

impl Grammars {
    /// Reads and checks `LANGUAGE/*.grxml` in a folder, and the `distractors.txt` beside them.
    ///
    /// # Errors
    /// All faults of all files, not only the first; see [`GrammarFault`].
    pub fn load(folder: &Path) -> Result<Self, Vec<GrammarError>> {
        load::load(folder)
    }

    /// The languages that there are grammars for.
    pub fn languages(&self) -> impl Iterator<Item = &Language> {
        self.languages.keys()
    }

    /// The names of a language's grammars.
    pub fn names(&self, language: &Language) -> impl Iterator<Item = &str> {
        self.set(language).into_iter().flat_map(|set| set.grammars.keys()).map(String::as_str)
    }

    /// Every word of a language's grammars and distractors: what a model is asked whether it knows.
    #[must_use]
    pub fn words(&self, language: &Language) -> BTreeSet<String> {
        let Some(set) = self.set(language) else { return BTreeSet::new() };
        let phrases = set.grammars.values().flat_map(|grammar| grammar.phrases.keys());
        let words = phrases.flat_map(|phrase| phrase.split(' ')).map(str::to_owned);
        words.chain(set.distractors.iter().cloned()).collect()
    }

    /// What a model goes without of the distractors that it wants, where that is something.
    #[must_use]
    pub fn few_distractors(&self, language: &Language, lexicon: &Lexicon) -> Option<FewDistractors> {
        let words = self.set(language).map(|set| set.distractors.as_slice()).unwrap_or_default();
        let known = words.iter().filter(|word| lexicon.knows(word)).count();
        let wanted = lexicon.distractors_max;
        (known < wanted).then(|| FewDistractors { language: language.clone(), known, wanted })
    }

    /// What the words mean, when together they are exactly one phrase of the grammar.
    #[must_use]
    pub fn read(&self, language: &Language, grammar: &str, words: &[impl AsRef<str>]) -> Option<Meaning> {
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        self.grammar(language, grammar)?.phrases.get(&words.join(" ")).cloned()
    }

    /// Every phrase of a grammar with its meaning, in alphabetical order.
    pub fn phrases(&self, language: &Language, grammar: &str) -> impl Iterator<Item = (&str, &Meaning)> {
        let phrases = self.grammar(language, grammar).map(|grammar| grammar.phrases.iter());
        phrases.into_iter().flatten().map(|(phrase, meaning)| (phrase.as_str(), meaning))
    }

    /// How a grammar fits a model; `None` when there is no such grammar.
    #[must_use]
    pub fn fit(&self, language: &Language, grammar: &str, lexicon: &Lexicon) -> Option<Fit> {
        let grammar = self.grammar(language, grammar)?;
        let (mut lost, mut heard) = (Vec::new(), BTreeSet::new());
        for (phrase, meaning) in &grammar.phrases {
            if lexicon.knows(phrase) {
                heard.insert(meaning);
            } else {
                lost.push(phrase.clone());
            }
        }
        let unsayable = grammar.meanings.iter().filter(|meaning| !heard.contains(meaning)).cloned().collect();
        Some(Fit { phrases: grammar.phrases.len() - lost.len(), lost, unsayable })
    }

    /// What a model is told to listen for; `None` when there is no such grammar, or the model cannot hear all that it
    /// can mean.
    #[must_use]
    pub fn vocabulary(&self, language: &Language, grammar: &str, lexicon: &Lexicon) -> Option<Vocabulary> {
        self.fit(language, grammar, lexicon).filter(Fit::usable)?;
        let set = self.set(language)?;
        let Grammar { phrases, short, .. } = set.grammars.get(grammar)?.as_ref();
        let mut list: Vec<String> = phrases.keys().filter(|phrase| lexicon.knows(phrase)).cloned().collect();
        if lexicon.distractors_max > 0 {
            let answers = short.iter().flat_map(|phrase| phrase.split(' ')).collect();
            let all = phrases.keys().flat_map(|phrase| phrase.split(' ')).collect();
            let known: Vec<String> =
                set.distractors.iter().filter(|word| lexicon.knows(word)).cloned().collect();
            list.extend(distractor::choose(&known, &answers, &all, lexicon.distractors_max));
        }
        Some(Vocabulary::Phrases(list.into()))
    }

    /// The fewest phrases that a small model can be asked with: of every meaning the plain forms.
    #[must_use]
    pub fn short(&self, language: &Language, grammar: &str, lexicon: &Lexicon) -> Option<Vocabulary> {
        let short = &self.grammar(language, grammar)?.short;
        let list: Vec<String> = short.iter().filter(|phrase| lexicon.knows(phrase)).cloned().collect();
        (!list.is_empty()).then(|| Vocabulary::Phrases(list.into()))
    }

    /// The plain forms among those words of the language's list of distractors that are most like them, at most so
    /// many. What is still heard as the same answer among these has a witness. Only words of the answers themselves are
    /// left out.
    #[must_use]
    pub fn wide(
        &self,
        language: &Language,
        grammar: &str,
        lexicon: &Lexicon,
        words_max: usize,
    ) -> Option<Vocabulary> {
        let set = self.set(language)?;
        let grammar = set.grammars.get(grammar)?;
        let rivals = grammar.rivals.get_or_init(|| {
            let own: BTreeSet<&str> = grammar.short.iter().flat_map(|phrase| phrase.split(' ')).collect();
            let others: Vec<&String> =
                set.distractors.iter().filter(|it| !own.contains(it.as_str())).collect();
            distractor::nearest_first(&others, &own)
        });
        let rivals = rivals.iter().filter(|word| lexicon.knows(word)).take(words_max);
        let plain = grammar.short.iter().filter(|phrase| lexicon.knows(phrase));
        let list: Vec<String> = plain.chain(rivals).cloned().collect();
        (!list.is_empty()).then(|| Vocabulary::Phrases(list.into()))
    }

    /// The folder of a language, or that of the language without its region.
    fn set(&self, language: &Language) -> Option<&LanguageSet> {
        self.languages.get(language).or_else(|| {
            let main: Language = language.as_str().split('-').next()?.parse().ok()?;
            self.languages.get(&main)
        })
    }

    fn grammar(&self, language: &Language, grammar: &str) -> Option<&Grammar> {
        self.set(language)?.grammars.get(grammar).map(Arc::as_ref)
    }
}

impl Lexicon {
    /// Of a model.
    #[must_use]
    pub fn of(facts: &ModelFacts) -> Self {
        Self { missing: Arc::clone(&facts.missing), distractors_max: usize::from(facts.distractors) }
    }

    fn knows(&self, phrase: &str) -> bool {
        !phrase.split(' ').any(|word| self.missing.contains(word))
    }
}

impl GrammarCatalogue for Grammars {
    fn meanings(&self, language: &Language, grammar: &str) -> Option<Vec<Meaning>> {
        self.grammar(language, grammar).map(|grammar| grammar.meanings.clone())
    }
}
