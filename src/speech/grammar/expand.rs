//! Rules to phrases: every way through a grammar, with what it means.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::fault::GrammarFault as Fault;
use super::parse::{Expansion, Found, Rules};
use crate::domain::Meaning;

/// Most phrases of a grammar.
pub(super) const PHRASES_MAX: usize = 2_000;
/// The rule with the forms that a small model listens for first.
const SHORT: &str = "short";
/// Most words of a phrase.
pub(super) const WORDS_MAX: usize = 12;

/// All files of one folder, by name.
pub(super) type Files = BTreeMap<String, Rules>;

/// One way through a rule.
///
/// Its meaning follows SISR 1.0 for string literals: the last tag of the rule wins; without a tag it is that of the
/// last rule referred to. A rule without any tag means nothing here, where the standard would give its words.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    words: Vec<Rc<str>>,
    tag: Option<Meaning>,
    latest: Option<Meaning>,
}

impl Way {
    fn then(&self, next: &Self) -> Self {
        Self {
            words: self.words.iter().chain(&next.words).cloned().collect(),
            tag: next.tag.clone().or_else(|| self.tag.clone()),
            latest: next.latest.clone().or_else(|| self.latest.clone()),
        }
    }

    fn meaning(&self) -> Option<&Meaning> {
        self.tag.as_ref().or(self.latest.as_ref())
    }
}

type Ways = Rc<BTreeSet<Way>>;

/// Expands the rules of a folder, each once.
pub(super) struct Expander<'a> {
    files: &'a Files,
    done: BTreeMap<(&'a str, &'a str), Option<Ways>>,
    /// The rules that are being expanded, outermost first.
    open: Vec<(&'a str, &'a str)>,
    /// Faults, with the file that they are in.
    pub(super) faults: Vec<(String, Found)>,
}

impl<'a> Expander<'a> {
    pub(super) fn new(files: &'a Files) -> Self {
        Self { files, done: BTreeMap::new(), open: Vec::new(), faults: Vec::new() }
    }

    /// The phrases of a file's root rule and what they mean; `None` when the file has no root, or a rule that cannot
    /// be expanded. Faults are noted, those of rules that nothing refers to as well.
    pub(super) fn phrases(&mut self, file: &str) -> Option<BTreeMap<String, Meaning>> {
        let (file, rules) = self.files.get_key_value(file)?;
        for name in rules.rules.keys() {
            self.rule(file, name);
        }
        let root = rules.root.as_ref()?;
        let line = rules.rules.get(root).map_or(0, |rule| rule.line);
        let ways = self.rule(file, root)?;
        let mut phrases = BTreeMap::new();
        for way in ways.iter() {
            let phrase = way.words.join(" ");
            let fault = match (way.meaning(), phrases.get(&phrase)) {
                (None, _) => Fault::NoMeaning(phrase),
                (Some(meaning), _) if phrase.is_empty() => Fault::Silence(meaning.clone()),
                (Some(other), Some(one)) if one != other => {
                    Fault::TwoMeanings { phrase, one: Meaning::clone(one), other: other.clone() }
                }
                (Some(meaning), _) => {
                    phrases.insert(phrase, meaning.clone());
                    continue;
                }
            };
            self.faults.push((file.clone(), (line, fault)));
        }
        if ways.is_empty() {
            self.faults.push((file.clone(), (line, Fault::Empty)));
        }
        Some(phrases)
    }

    /// The phrases of a file's rule [`SHORT`], when it has one.
    pub(super) fn short(&mut self, file: &str) -> Option<Vec<String>> {
        let (file, rules) = self.files.get_key_value(file)?;
        let (name, _) = rules.rules.get_key_value(SHORT)?;
        let ways = self.rule(file, name)?;
        Some(ways.iter().map(|way| way.words.join(" ")).collect())
    }

    /// Every way through a rule; `None` when it has a fault, which is noted once.
    fn rule(&mut self, file: &'a str, name: &'a str) -> Option<Ways> {
        if let Some(done) = self.done.get(&(file, name)) {
            return done.clone();
        }
        let rule = self.files.get(file)?.rules.get(name)?;
        self.open.push((file, name));
        let ways = self.ways(file, &rule.body, rule.line).map(|ways| {
            // Outside its rule, a way means one thing.
            let meant =
                |way: &Way| Way { words: way.words.clone(), tag: None, latest: way.meaning().cloned() };
            Rc::new(ways.iter().map(meant).collect::<BTreeSet<Way>>())
        });
        self.open.pop();
        if let Some(ways) = &ways {
            for (line, example) in &rule.examples {
                if !ways.iter().any(|way| way.words.join(" ") == *example) {
                    self.faults.push((file.to_owned(), (*line, Fault::Example(example.clone()))));
                }
            }
        }
        self.done.insert((file, name), ways.clone());
        ways
    }

    fn ways(&mut self, file: &'a str, expansion: &'a Expansion, line: u32) -> Option<Ways> {
        match expansion {
            Expansion::Void => Some(Rc::default()),
            Expansion::Word(word) => {
                Some(one(Way { words: vec![Rc::from(word.as_str())], ..Way::default() }))
            }
            Expansion::Tag(meaning) => Some(one(Way { tag: Some(meaning.clone()), ..Way::default() })),
            Expansion::Sequence(parts) => {
                let mut all = one(Way::default());
                for part in parts {
                    let ways = self.ways(file, part, line)?;
                    all = self.joined(file, line, &all, &ways)?;
                }
                Some(all)
            }
            Expansion::OneOf(choices) => {
                let mut all = BTreeSet::new();
                for choice in choices {
                    all.extend(self.ways(file, choice, line)?.iter().cloned());
                    self.bounded(file, line, all.len())?;
                }
                Some(Rc::new(all))
            }
            Expansion::Repeat(body, low, high) => {
                let body = self.ways(file, body, line)?;
                let mut times = one(Way::default());
                let mut all = BTreeSet::new();
                for count in 0..=*high {
                    if count >= *low {
                        all.extend(times.iter().cloned());
                        self.bounded(file, line, all.len())?;
                    }
                    if count < *high {
                        times = self.joined(file, line, &times, &body)?;
                    }
                }
                Some(Rc::new(all))
            }
            Expansion::Reference { line, file: other, rule } => {
                self.referred(file, *line, other.as_deref(), rule.as_deref())
            }
        }
    }

    fn referred(
        &mut self,
        file: &'a str,
        line: u32,
        other: Option<&str>,
        rule: Option<&str>,
    ) -> Option<Ways> {
        let mut fault = |fault| {
            self.faults.push((file.to_owned(), (line, fault)));
            None
        };
        let target = other.unwrap_or(file);
        let Some((target, rules)) = self.files.get_key_value(target) else {
            return fault(Fault::NoFile(target.to_owned()));
        };
        let Some(name) = rule.or(rules.root.as_deref()) else {
            return fault(Fault::Rootless(target.clone()));
        };
        let Some((name, found)) = rules.rules.get_key_value(name) else {
            return fault(Fault::NoRule(name.to_owned()));
        };
        if target != file && !found.public {
            return fault(Fault::Private(name.clone()));
        }
        if self.open.contains(&(target.as_str(), name.as_str())) {
            return fault(Fault::Recursive(name.clone()));
        }
        self.rule(target, name)
    }

    fn joined(&mut self, file: &str, line: u32, before: &Ways, after: &Ways) -> Option<Ways> {
        self.bounded(file, line, before.len().saturating_mul(after.len()))?;
        let mut all = BTreeSet::new();
        for first in before.iter() {
            for second in after.iter() {
                let way = first.then(second);
                if way.words.len() > WORDS_MAX {
                    self.faults.push((file.to_owned(), (line, Fault::Words { max: WORDS_MAX })));
                    return None;
                }
                all.insert(way);
            }
        }
        Some(Rc::new(all))
    }

    fn bounded(&mut self, file: &str, line: u32, count: usize) -> Option<()> {
        if count <= PHRASES_MAX {
            return Some(());
        }
        self.faults.push((file.to_owned(), (line, Fault::Phrases { max: PHRASES_MAX })));
        None
    }
}

fn one(way: Way) -> Ways {
    Rc::new(BTreeSet::from([way]))
}
