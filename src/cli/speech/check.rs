//! `aftercall speech check`.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};

use crate::cli::{Global, print};
use crate::domain::Language;
use crate::speech::check::{SelfTest, self_test};
use crate::speech::frame::Confined;
use crate::speech::grammar::Grammars;
use crate::speech::installed::{Installed, installed};

/// Most words that are named of each grammar, where not all are asked for.
const WORDS_MAX: usize = 12;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 all models work, 1 one does not or there is none, 3 could not be done."
)]
pub(super) struct Args {
    /// Only this language.
    #[arg(value_name = "LANGUAGE")]
    language: Option<Language>,
    /// Print every word that a model does not know, not only the first ones of each grammar.
    #[arg(long)]
    verbose: bool,
}

/// Tries every model that calls would be heard with.
pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<ExitCode> {
    let (config, models) = super::settings(global)?;
    let mut found = match installed(&config, &models, &global.data) {
        Ok(found) => found,
        Err(why) => {
            eprintln!("aftercall speech check: keypad only: {why}");
            return Ok(ExitCode::FAILURE);
        }
    };
    found.retain(|one| args.language.as_ref().is_none_or(|language| *language == one.model.language));
    anyhow::ensure!(!found.is_empty(), "there is no model for that language");
    let grammars = super::grammars(global)?;
    let words = grammars.clone();
    let tried = move || {
        let mut tests: Vec<(Installed, SelfTest)> = Vec::new();
        for mut one in found {
            // The first that works is the one that callers are heard with.
            let works = |(other, test): &(Installed, SelfTest)| {
                other.model.language == one.model.language && test.fault.is_none()
            };
            if !tests.iter().any(works) {
                let words: Vec<String> = words.words(&one.model.language).into_iter().collect();
                let test = self_test(&config, &one, &words);
                one.missing = Arc::new(test.missing.iter().cloned().collect());
                tests.push((one, test));
            }
        }
        tests
    };
    let (tried, tests): (Vec<_>, Vec<_>) =
        tokio::task::spawn_blocking(tried).await.context("the self-tests")?.into_iter().unzip();
    let absent = absent(global, &tests, args.language.as_ref());
    print(&format!("{}\n", table(&tests, &absent)))?;
    print(&in_place(&tests))?;
    for (installed, _) in tried.iter().zip(&tests).filter(|(_, test)| test.fault.is_none()) {
        print(&lost(&grammars, installed, args.verbose))?;
    }
    let failed = tests.iter().any(|test| test.fault.is_some());
    Ok(ExitCode::from(u8::from(failed)))
}

/// Languages of surveys with `[voice]` that there is no model for; none where the surveys cannot be read.
fn absent(global: &Global, tests: &[SelfTest], only: Option<&Language>) -> Vec<Language> {
    let Ok(live) = crate::config::load(&global.config) else { return Vec::new() };
    let spoken = crate::health::spoken(live.surveys.iter().map(AsRef::as_ref)).into_keys();
    let there = |language: &Language| tests.iter().any(|test| test.language == language.to_string());
    spoken.filter(|it| only.is_none_or(|only| only == it) && !there(it)).collect()
}

/// Which model works in the place of one that does not.
fn in_place(tests: &[SelfTest]) -> String {
    let mut text = String::new();
    for broken in tests.iter().filter(|test| test.fault.is_some()) {
        let (language, model) = (&broken.language, &broken.model);
        let other = tests.iter().find(|test| test.language == *language && test.fault.is_none());
        text += &match other {
            Some(other) => format!("{language}: {} is used in the place of {model}\n", other.model),
            None => format!("{language}: keypad only, as {model} does not work\n"),
        };
    }
    text
}

fn table(tests: &[SelfTest], absent: &[Language]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY);
    table.set_header(["language", "model", "load ms", "MiB", "real time", "confined", "result"]);
    for test in tests {
        table.add_row([
            test.language.clone(),
            test.model.clone(),
            test.load.map_or_else(String::new, |load| load.as_millis().to_string()),
            (test.rss_bytes >> 20).to_string(),
            test.realtime_factor.map_or_else(String::new, |factor| format!("{factor:.3}")),
            confined(test),
            test.fault.as_ref().map_or_else(|| "good".to_owned(), ToString::to_string),
        ]);
    }
    for language in absent {
        let mut row = vec![language.to_string(), "none".to_owned()];
        row.resize(6, String::new());
        row.push(format!("keypad only: `aftercall speech fetch {language}` gets a model"));
        table.add_row(row);
    }
    for column in 2..5 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Which grammars a model can hear only in part, or not at all, and for want of which words.
fn lost(grammars: &Grammars, installed: &Installed, verbose: bool) -> String {
    let most = if verbose { usize::MAX } else { WORDS_MAX };
    let (model, lexicon) = (&installed.model, installed.lexicon());
    let mut text = String::new();
    for name in grammars.names(&model.language) {
        let Some(fit) = grammars.fit(&model.language, name, &lexicon) else { continue };
        let words: BTreeSet<&str> = fit.lost.iter().flat_map(|phrase| phrase.split(' ')).collect();
        let unknown: Vec<&str> = words.into_iter().filter(|word| lexicon.missing.contains(*word)).collect();
        if !fit.usable() {
            text += &format!("{} {name}: not usable with this model, keypad only", model.language);
        } else if !fit.lost.is_empty() {
            let all = fit.phrases + fit.lost.len();
            text += &format!("{} {name}: {} of {all} phrases", model.language, fit.phrases);
        } else {
            continue;
        }
        text += &format!("; not known: {}\n", listed(&unknown, most));
    }
    if let Some(few) = grammars.few_distractors(&model.language, &lexicon) {
        text += &format!("{}: WARNING: the model {} {few}\n", model.language, model.name);
    }
    text
}

/// The words, at most so many.
fn listed(words: &[&str], most: usize) -> String {
    let some = words.iter().take(most).copied().collect::<Vec<_>>().join(", ");
    match words.len().saturating_sub(most) {
        0 => some,
        more => format!("{some} and {more} more (--verbose)"),
    }
}

fn confined(test: &SelfTest) -> String {
    let Confined { landlock, calls } = test.confined;
    let by_landlock = match landlock {
        0 => None,
        Confined::LANDLOCK.. => Some("landlock".to_owned()),
        older => Some(format!("landlock {older} of {}", Confined::LANDLOCK)),
    };
    let by: Vec<_> = by_landlock.into_iter().chain(calls.then(|| "seccomp".to_owned())).collect();
    match (test.escapes.as_slice(), by.as_slice()) {
        ([], []) => "no".to_owned(),
        ([], by) => by.join(", "),
        (escapes, _) => format!("no: can {}", escapes.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::listed;

    #[test]
    fn words_are_named_up_to_a_bound() {
        assert_eq!(listed(&["naught", "nah"], 2), "naught, nah");
        assert_eq!(listed(&["a", "b", "c", "d"], 2), "a, b and 2 more (--verbose)");
        assert_eq!(listed(&[], 2), "");
    }
}
