//! `aftercall speech`: everything about recognisers that is not a call.

mod check;
mod eval;
mod fetch;
mod place;
mod rescore;
mod test;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Subcommand;

use super::Global;
use crate::config::{SpeechConfig, SpeechModels};
use crate::domain::Language;
use crate::speech::Pool;
use crate::speech::check::fit;
use crate::speech::grammar::Grammars;
use crate::speech::installed::{NoSpeech, installed, tools};

/// What to do about speech.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Get an official model for a language.
    Fetch(fetch::Args),
    /// Try each configured model in a process of its own.
    Check(check::Args),
    /// Hear kept audio again with another model or grammar.
    Rescore(rescore::Args),
    /// Show what is heard in a recording.
    Test(test::Args),
    /// Measure recognition on a list of recordings.
    Eval(eval::Args),
}

/// Does it.
pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<ExitCode> {
    let global = &place::found(global)?;
    match args.command {
        Command::Fetch(args) => fetch::run(global, args).await,
        Command::Check(args) => check::run(global, args).await,
        Command::Rescore(args) => rescore::run(global, args).await,
        Command::Test(args) => test::run(global, args).await,
        Command::Eval(args) => eval::run(global, args).await,
    }
}

/// `[speech]` and its models, from the configuration alone: surveys and prompts may be wrong.
fn settings(global: &Global) -> anyhow::Result<(SpeechConfig, SpeechModels)> {
    let mut config = crate::config::read(&global.config)?.speech;
    let models = crate::config::speech_models(&global.config, &mut config)?;
    Ok((config, models))
}

/// The grammars that the configuration names.
fn grammars(global: &Global) -> anyhow::Result<Grammars> {
    let folder = crate::config::read(&global.config)?.service.grammars;
    let folder = global.config.parent().unwrap_or(Path::new("")).join(folder);
    Grammars::load(&folder).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("the grammars have faults\n{}", lines.join("\n"))
    })
}

/// What hears in `test`, `eval` and `rescore`: the same recognisers and grammars as in `serve`.
struct Hearers {
    pool: Arc<Pool>,
    grammars: Arc<Grammars>,
}

/// Longest wait for a model to be loaded.
const LOADING_MAX: Duration = Duration::from_secs(60);
/// In a measurement a late answer is worth more than none, and so is audio that waits, in KiB.
const PATIENCE: Duration = Duration::from_secs(60);
const PATIENCE_KIB: usize = 65_536;

/// For how long recognisers may work on an utterance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limits {
    /// As long as they may while a caller waits.
    Live,
    /// As long as it takes on a machine that is busy with other things.
    Patient,
}

/// Which of the configured models are to hear.
#[derive(Clone, Copy, Debug)]
enum Wanted<'a> {
    /// That of a language.
    Language(&'a Language),
    /// The one of this name, also where another one comes first.
    Model(&'a str),
    /// One for each language.
    All,
}

/// What to do where none of the configured models is there.
fn fetching(wanted: Wanted<'_>) -> String {
    match wanted {
        Wanted::Language(language) => format!("; `aftercall speech fetch {language}` gets one"),
        Wanted::Model(_) | Wanted::All => "; `aftercall speech fetch LANGUAGE` gets one".to_owned(),
    }
}

/// Starts recognisers; `None`, and the reason on standard error, when there are none.
async fn hearers(global: &Global, wanted: Wanted<'_>, limits: Limits) -> anyhow::Result<Option<Hearers>> {
    let (mut config, mut models) = settings(global)?;
    let grammars = grammars(global)?;
    if config.library.is_none() && tools(&config, &global.data).is_err() {
        config.library = place::library(&global.config);
    }
    if limits == Limits::Patient {
        (config.deadline, config.hung_after) = (PATIENCE, PATIENCE);
        config.queue_kib = PATIENCE_KIB;
    }
    match wanted {
        Wanted::Language(language) => models.model.retain(|model| model.language == *language),
        Wanted::Model(name) => models.model.retain(|model| model.name == name),
        Wanted::All => {}
    }
    let what = match wanted {
        Wanted::Language(language) => format!("model for {language}"),
        Wanted::Model(name) => format!("model {name} in the file of models"),
        Wanted::All => "model in the file of models".to_owned(),
    };
    if models.model.is_empty() {
        eprintln!("aftercall speech: there is no {what}");
        return Ok(None);
    }
    let found = match installed(&config, &models, &global.data) {
        Ok(found) => found,
        Err(NoSpeech::NoModel) => {
            eprintln!("aftercall speech: no {what} is there{}", fetching(wanted));
            return Ok(None);
        }
        Err(why) => {
            eprintln!("aftercall speech: {why}");
            return Ok(None);
        }
    };
    let found = {
        let (config, grammars) = (config.clone(), grammars.clone());
        tokio::task::spawn_blocking(move || fit(&config, found, &grammars)).await?
    };
    let pool = Pool::start(&config, &found);
    if found.is_empty() || !pool.settled(LOADING_MAX).await {
        eprintln!("aftercall speech: not every model works: `aftercall speech check` says why");
        return Ok(None);
    }
    Ok(Some(Hearers { pool: Arc::new(pool), grammars: Arc::new(grammars) }))
}
