//! `aftercall erase`: what ties calls to a caller or an agent goes; answers and sums stay.

use std::process::ExitCode;

use anyhow::Context as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Global;
use crate::domain::{AgentId, CallerHash, CallerNumber};
use crate::store::{Erase, Note, Privacy, StoreError, erase};

/// What, and whether for good.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(super) struct Args {
    /// All calls of this caller.
    #[arg(long, value_name = "NUMBER", group = "what")]
    caller: Option<String>,
    /// All calls of the caller with this hash (64 hexadecimal digits).
    #[arg(long, value_name = "HASH", group = "what", value_parser = hash)]
    caller_hash: Option<CallerHash>,
    /// The name of this agent, everywhere; a random one takes its place.
    #[arg(long, value_name = "ID", group = "what")]
    agent: Option<AgentId>,
    /// All calls that were offered before this day (UTC).
    #[arg(long, value_name = "DAY", group = "what")]
    before: Option<Date>,
    /// Do it. Without this only what would be erased is counted.
    #[arg(long)]
    yes: bool,
    /// Why, for the audit log.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

fn hash(text: &str) -> Result<CallerHash, String> {
    CallerHash::try_from(text.to_ascii_lowercase()).map_err(ToOwned::to_owned)
}

/// Counts, or erases and prints the proof.
pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<ExitCode> {
    let config = super::store_config(global)?;
    let views = super::open_views(global).await?;
    let (what, scope) = what(global, &config, &args)?;
    let calls = views.to_erase(&what).await?.len();
    views.close().await;
    if !args.yes {
        let text = format!("{scope}: {calls} calls would be touched. Nothing was erased; --yes does it.\n");
        return super::print(&text).map(|()| ExitCode::SUCCESS);
    }
    let note = Note { user: "operator".into(), role: "operator", what: "erase", scope, reason: args.reason };
    let (erased, head) = match erase(&config, &global.data, &what, note).await {
        Err(StoreError::InUse { path }) => anyhow::bail!(
            "the service works on {}: stop it for this, or ask the service itself to erase",
            path.display()
        ),
        other => other?,
    };
    super::print(&format!(
        "Calls touched:      {}\nFacts replaced:     {}\nKeys destroyed:     {}\nRecordings removed: {}\n\
         On record as line {} of the audit log, with the hash\n{}\n",
        erased.calls, erased.facts, erased.keys, erased.files, head.seq, head.hash
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// What to erase, and how the audit log names it: a caller by the beginning of the hash, never by the number.
fn what(
    global: &Global,
    config: &crate::config::StoreConfig,
    args: &Args,
) -> anyhow::Result<(Erase, String)> {
    if let Some(agent) = &args.agent {
        return Ok((Erase::Agent(agent.clone()), "an agent".into()));
    }
    if let Some(day) = args.before {
        let at = day.to_zoned(TimeZone::UTC).context("the day")?.timestamp();
        return Ok((Erase::Offered(i64::MIN, at.as_microsecond()), format!("calls before {day}")));
    }
    let hash = match (args.caller_hash, &args.caller) {
        (Some(hash), _) => hash,
        (None, Some(number)) => {
            let number = CallerNumber::new(number).context("that is no caller's number")?;
            let secret = global.data.join(&config.secret_file);
            anyhow::ensure!(
                secret.is_file(),
                "there is no secret {}: callers cannot be told",
                secret.display()
            );
            Privacy::load_or_create(&secret)?.caller_hash(&number)
        }
        (None, None) => anyhow::bail!("nothing is named"),
    };
    Ok((Erase::Caller(hash), "a caller".into()))
}
