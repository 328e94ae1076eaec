//! `aftercall speech`: everything about recognisers that is not a call.

mod check;
mod eval;
mod fetch;
mod rescore;
mod test;

use std::process::ExitCode;

use clap::Subcommand;

use super::Global;
use crate::config::{SpeechConfig, SpeechModels};

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
