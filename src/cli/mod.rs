//! The command line: one file per subcommand, each thin.
//!
//! Exit codes: 0 done; 1 the thing asked about is not as it should be (an expectation of `call`, a finding of
//! `prompts check`, a configuration that is refused); 2 the command line is wrong; 3 the work could not be done.

mod audit;
mod backup;
mod call;
mod calls;
mod check_config;
mod erase;
mod filter;
mod prompts;
mod rebuild;
mod report;
mod serve;
mod simulate;
mod speech;
mod token;
mod user;
mod webhook;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A post-call survey endpoint: SIP and RTP in, scored and durable answers out.
#[derive(Debug, Parser)]
#[command(name = "aftercall", version, max_term_width = 110)]
#[command(after_help = "Exit codes: 0 done, 1 not as expected, 2 wrong command line, 3 could not be done.")]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every subcommand shares.
#[derive(Clone, Debug, clap::Args)]
pub struct Global {
    /// Folder of everything that is written: database, secrets.
    #[arg(long, global = true, value_name = "DIR", default_value = "var/data")]
    pub data: PathBuf,
    /// Configuration file.
    #[arg(long, global = true, value_name = "FILE", default_value = "config/aftercall.toml")]
    pub config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take calls until SIGTERM (then drain) or a second one; SIGHUP reloads.
    Serve,
    /// Read configuration, surveys and prompts as `serve` would, and say what is wrong.
    CheckConfig,
    /// Place one scripted call to any SIP address.
    Call(call::Args),
    /// Be a contact centre: many callers with different manners.
    Simulate(simulate::Args),
    /// Print figures per agent, queue, survey or day.
    Report(report::Args),
    /// List calls, or tell one call's story.
    Calls(calls::Args),
    /// Check the recordings, or import one.
    Prompts(prompts::Args),
    /// Bearer tokens of the API: make, list, revoke.
    Token(token::Args),
    /// People who sign in: make, list, disable, new password, one-time link.
    User(user::Args),
    /// Messages to other systems: list, send again what was given up.
    Webhook(webhook::Args),
    /// Recognisers: get models, try them, measure them.
    Speech(speech::Args),
    /// Write a consistent copy of the database, also while the service runs.
    Backup(backup::Args),
    /// Who looked at what, and who erased what: print the log, or check its chain.
    Audit(audit::Args),
    /// Erase what ties calls to a caller or an agent; answers and sums stay.
    Erase(erase::Args),
    /// Make calls, answers and roll-ups anew from the journal.
    Rebuild,
}

/// Reads the command line and does what it says.
#[must_use]
pub fn run() -> ExitCode {
    let Cli { global, command } = Cli::parse();
    if !matches!(command, Command::Serve) {
        end_with_the_pipe();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::anyhow!("no runtime: {error}")),
    };
    let done = runtime.block_on(async {
        match command {
            Command::Serve => serve::run(global).await,
            Command::CheckConfig => check_config::run(&global),
            Command::Call(args) => call::run(args).await,
            Command::Simulate(args) => simulate::run(&global, args).await,
            Command::Report(args) => report::run(&global, args).await,
            Command::Calls(args) => calls::run(&global, args).await,
            Command::Prompts(args) => prompts::run(&global, args),
            Command::Token(args) => token::run(&global, args).await,
            Command::User(args) => user::run(&global, args).await,
            Command::Webhook(args) => webhook::run(&global, args).await,
            Command::Speech(args) => speech::run(&global, args).await,
            Command::Backup(args) => backup::run(&global, args).await,
            Command::Audit(args) => audit::run(&global, args).await,
            Command::Erase(args) => erase::run(&global, args).await,
            Command::Rebuild => rebuild::run(&global).await,
        }
    });
    // A caller's question that is still open must not keep the program.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    done.unwrap_or_else(|error| failed(&error))
}

/// Output into a pipe whose reader has left (`| head`) ends the program quietly, as it does with other tools.
#[expect(unsafe_code, reason = "the standard library has no other way back to the system's default")]
fn end_with_the_pipe() {
    // SAFETY: called first thing, on the only thread, with a handler that the system provides.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("aftercall: {}", in_full(error));
    ExitCode::from(3)
}

/// A fault with its causes, each said once: many a message holds that of its cause already.
fn in_full(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| match text {
        text if text.contains(&cause) => text,
        text if text.is_empty() => cause,
        text => format!("{text}: {cause}"),
    })
}

/// Prints to standard output; a full disk behind it is an error, not a panic.
fn print(text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// The `[store]` section; looking at results needs no configuration file.
fn store_config(global: &Global) -> anyhow::Result<crate::config::StoreConfig> {
    match crate::config::read(&global.config) {
        Ok(config) => Ok(config.store),
        Err(crate::config::ConfigError::Unreadable { .. }) => Ok(crate::config::StoreConfig::default()),
        Err(error) => Err(error.into()),
    }
}

/// How people write numbers here; looking at results needs no configuration file.
fn numbering(global: &Global) -> anyhow::Result<crate::domain::Numbering> {
    match crate::config::read(&global.config) {
        Ok(config) => Ok(config.service.numbering()),
        Err(crate::config::ConfigError::Unreadable { .. }) => Ok(crate::domain::Numbering::default()),
        Err(error) => Err(error.into()),
    }
}

/// Puts on record what the command line is about to do: by the service where one runs, else by this process.
async fn on_record(global: &Global, what: &str, scope: String) -> anyhow::Result<()> {
    use crate::store::{Errand, OperatorNote, run_errand};
    use anyhow::Context as _;
    let line = OperatorNote { what: what.to_owned(), scope, reason: String::new() };
    let noted = run_errand(&store_config(global)?, &global.data, Errand::Note { line }).await;
    noted.map(|_| ()).context("the audit log")
}

/// Opens what `serve` writes, for reading; it may be running.
async fn open_views(global: &Global) -> anyhow::Result<crate::store::Views> {
    use anyhow::Context as _;
    let path = global.data.join(&store_config(global)?.file);
    anyhow::ensure!(path.is_file(), "there is no database {}: name its folder with --data", path.display());
    crate::store::Views::open(&path).await.context("the database")
}

/// A scripted caller for this target, or the exit code for one that is malformed.
async fn caller(
    command: &str,
    target: &str,
    local: Option<std::net::IpAddr>,
) -> anyhow::Result<Result<crate::caller::Caller, ExitCode>> {
    use crate::caller::{Caller, Target, TargetError};
    let target = match Target::resolve(target).await {
        Ok(target) => target,
        Err(malformed @ TargetError::Malformed(_)) => {
            eprintln!("aftercall {command}: {malformed}");
            return Ok(Err(ExitCode::from(2)));
        }
        Err(error) => return Err(error.into()),
    };
    let local = match local {
        Some(local) => local,
        None => target.local_address().await?,
    };
    Ok(Ok(Caller::new(local, target).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let error = anyhow::anyhow!("no such file").context("x.wav: no such file").context("the prompts");
        assert_eq!(in_full(&error), "the prompts: x.wav: no such file");
    }
}
