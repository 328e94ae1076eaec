//! Grammar files from `grammars/LANGUAGE/NAME.grxml`, and the distractors beside them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::expand::{Expander, Files};
use super::fault::{GrammarError, GrammarFault as Fault};
use super::{COMMANDS, Grammar, Grammars, LanguageSet, parse};
use crate::domain::{Language, Meaning};

/// The list of distractors of a language.
const DISTRACTORS: &str = "distractors.txt";

/// One folder's files, as read: name (of the file, without `.grxml`), path and text.
pub(super) struct Source {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// Reads and checks every language's folder.
pub(super) fn load(folder: &Path) -> Result<Grammars, Vec<GrammarError>> {
    let (mut grammars, mut errors) = (Grammars::default(), Vec::new());
    for path in entries(folder).map_err(|error| vec![unreadable(folder, &error)])? {
        if !path.is_dir() {
            continue;
        }
        match language(&path) {
            Ok(set) => {
                grammars.languages.insert(set.0, set.1);
            }
            Err(faults) => errors.extend(faults),
        }
    }
    if errors.is_empty() { Ok(grammars) } else { Err(errors) }
}

fn language(folder: &Path) -> Result<(Language, LanguageSet), Vec<GrammarError>> {
    let fault = |path: &Path, line, fault| GrammarError { file: path.to_owned(), line, fault };
    let name = folder.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
    let Some(language) = name else { return Err(vec![fault(folder, 0, Fault::FolderName)]) };
    let (mut sources, mut errors, mut distractors) = (Vec::new(), Vec::new(), Vec::new());
    for path in entries(folder).map_err(|error| vec![unreadable(folder, &error)])? {
        let grammar = path.extension().is_some_and(|extension| extension == "grxml");
        let list = path.file_name().is_some_and(|name| name == DISTRACTORS);
        if !grammar && !list {
            continue;
        }
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                errors.push(fault(&path, 0, Fault::NotText));
                continue;
            }
            Err(error) => {
                errors.push(unreadable(&path, &error));
                continue;
            }
        };
        if list {
            let (words, faults) = words(&text);
            distractors = words;
            errors.extend(faults.into_iter().map(|(line, found)| fault(&path, line, found)));
            continue;
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        match path.file_stem().and_then(|stem| stem.to_str()) {
            Some(name) if name.len() <= 32 && name.chars().all(plain) => {
                sources.push(Source { name: name.to_owned(), path, text });
            }
            _ => errors.push(fault(&path, 0, Fault::FileName)),
        }
    }
    match compile(&language, &sources) {
        Ok(grammars) if errors.is_empty() => Ok((language, LanguageSet { grammars, distractors })),
        Ok(_) => Err(errors),
        Err(faults) => Err(errors.into_iter().chain(faults).collect()),
    }
}

/// Checks the texts of one language and joins them.
pub(super) fn compile(
    language: &Language,
    sources: &[Source],
) -> Result<BTreeMap<String, Arc<Grammar>>, Vec<GrammarError>> {
    let (mut files, mut errors) = (Files::new(), Vec::new());
    for source in sources {
        match parse::parse(&source.text, language.as_str()) {
            Ok(rules) => {
                files.insert(source.name.clone(), rules);
            }
            Err(faults) => errors.extend(faults.into_iter().map(|(line, fault)| GrammarError {
                file: source.path.clone(),
                line,
                fault,
            })),
        }
    }
    // References into a file that has faults of its own would only repeat them.
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut expander = Expander::new(&files);
    let mut found = BTreeMap::new();
    for name in files.keys() {
        if let Some(phrases) = expander.phrases(name) {
            let short = expander.short(name).unwrap_or_else(|| plainest(&phrases));
            found.insert(name.clone(), (phrases, short));
        }
    }
    for (name, (line, fault)) in std::mem::take(&mut expander.faults) {
        let source = sources.iter().find(|source| source.name == name);
        let file = source.map(|source| source.path.clone()).unwrap_or_default();
        errors.push(GrammarError { file, line, fault });
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    // What a caller may say to every question. Where a question gives the same words a meaning of its own, that goes
    // first: "repeat" is an answer in a menu that asks what had to be repeated.
    let (commands, short_commands) = found.get(COMMANDS).cloned().unwrap_or_default();
    let join = |(mut phrases, mut short): (BTreeMap<String, Meaning>, Vec<String>)| {
        for (phrase, meaning) in &commands {
            phrases.entry(phrase.clone()).or_insert_with(|| meaning.clone());
        }
        short.extend(short_commands.iter().cloned());
        short.retain(|phrase| phrases.contains_key(phrase));
        short.sort();
        short.dedup();
        Arc::new(Grammar::new(phrases, short))
    };
    Ok(found.into_iter().map(|(name, parts)| (name, join(parts))).collect())
}

/// Of every meaning the phrases with the fewest words.
fn plainest(phrases: &BTreeMap<String, Meaning>) -> Vec<String> {
    let words = |phrase: &str| phrase.split(' ').count();
    let mut fewest: BTreeMap<&Meaning, usize> = BTreeMap::new();
    for (phrase, meaning) in phrases {
        let least = fewest.entry(meaning).or_insert(usize::MAX);
        *least = words(phrase).min(*least);
    }
    let plain = phrases.iter().filter(|(phrase, meaning)| fewest.get(meaning) == Some(&words(phrase)));
    plain.map(|(phrase, _)| phrase.clone()).collect()
}

/// The words of a list: one a line, `#` begins a comment.
fn words(text: &str) -> (Vec<String>, Vec<parse::Found>) {
    let (mut words, mut faults) = (Vec::new(), Vec::new());
    for (line, number) in text.lines().zip(1..) {
        let raw = line.split('#').next().unwrap_or_default().trim();
        match parse::word(raw) {
            Some(word) => words.push(word),
            None if raw.is_empty() => {}
            None => faults.push((number, Fault::Distractor(raw.to_owned()))),
        }
    }
    (words, faults)
}

fn entries(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn unreadable(path: &Path, error: &std::io::Error) -> GrammarError {
    GrammarError { file: path.to_owned(), line: 0, fault: Fault::Unreadable(error.kind()) }
}
