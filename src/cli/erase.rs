//! `aftercall erase`: what ties calls to a caller or an agent goes; answers and sums stay. Beside a running service too,
//! which then does it.

use std::process::ExitCode;

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Global;
use crate::config::StoreConfig;
use crate::domain::{AgentId, CallerHash, CallerNumber, Numbering};
use crate::store::{Erase, Errand, OperatorNote, Privacy, Proof, run_errand};

/// What, and whether for good.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(super) struct Args {
    /// All calls of this caller, in any spelling of the number.
    #[arg(long, value_name = "NUMBER", group = "what")]
    caller: Option<String>,
    /// All calls of the caller with this SIP name, where callers have names and no numbers.
    #[arg(long, value_name = "NAME", group = "what")]
    caller_name: Option<String>,
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

/// A telephone number: three digits at least, and nothing else but what people write between them.
fn number(text: &str, numbering: &Numbering) -> anyhow::Result<CallerNumber> {
    let number = CallerNumber::dialled(text, numbering)
        .filter(|number| number.is_number() && number.expose().trim_start_matches('+').len() >= 3);
    number.context("--caller: is no telephone number; --caller-name takes a SIP name")
}

/// What to erase.
struct Wanted {
    what: Erase,
    /// How the audit log and the proof name it: a caller by the beginning of the hash, never by the number.
    scope: String,
}

/// Counts, or erases and prints the proof. A number goes in every spelling under which calls of it are kept.
pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<ExitCode> {
    let config = super::store_config(global)?;
    let all = wanted(global, &config, &args)?;
    let views = super::open_views(global).await?;
    let mut found = Vec::new();
    for (position, wanted) in all.into_iter().enumerate() {
        let calls = views.to_erase(&wanted.what).await?.len();
        // The first is what was asked for; the others are named only where something is kept under them.
        if position == 0 || calls > 0 {
            found.push((wanted, calls));
        }
    }
    views.close().await;
    let hint = if args.caller.is_some() && found.iter().all(|(_, calls)| *calls == 0) {
        "No calls are kept under this number in any spelling. Without `[service] country` a national number is one of \
         its own.\n"
    } else {
        ""
    };
    if !args.yes {
        let mut text = String::new();
        for (wanted, calls) in &found {
            text += &format!("{}: {calls} calls would be touched. ", wanted.scope);
        }
        return super::print(&format!("{text}Nothing was erased; --yes does it.\n{hint}"))
            .map(|()| ExitCode::SUCCESS);
    }
    for (Wanted { what, scope }, _) in found {
        let line =
            OperatorNote { what: "erase".to_owned(), scope: scope.clone(), reason: args.reason.clone() };
        let Proof { erased, at_us, head } =
            run_errand(&config, &global.data, Errand::Erase { what, line }).await?;
        let at = Timestamp::from_microsecond(at_us).context("the time of the proof")?;
        super::print(&format!(
            "Erased:             {scope}\nAt:                 {at:.0}\nCalls touched:      {}\n\
             Facts replaced:     {}\nKeys destroyed:     {}\nRecordings removed: {}\n\
             On record as line {} of the audit log, with the hash\n{}\n",
            erased.calls, erased.facts, erased.keys, erased.files, head.seq, head.hash
        ))?;
    }
    super::print(hint)?;
    Ok(ExitCode::SUCCESS)
}

fn wanted(global: &Global, config: &StoreConfig, args: &Args) -> anyhow::Result<Vec<Wanted>> {
    let only = |what, scope: String| Ok(vec![Wanted { what, scope }]);
    if let Some(agent) = &args.agent {
        return only(Erase::Agent(agent.clone()), "an agent".into());
    }
    if let Some(day) = args.before {
        let at = day.to_zoned(TimeZone::UTC).context("the day")?.timestamp();
        return only(Erase::Offered(i64::MIN, at.as_microsecond()), format!("calls before {day}"));
    }
    let of = |hash: CallerHash| Wanted {
        what: Erase::Caller(hash),
        scope: format!("caller {}", hash.beginning()),
    };
    if let Some(hash) = args.caller_hash {
        return Ok(vec![of(hash)]);
    }
    let named = match (&args.caller, &args.caller_name) {
        (Some(text), _) => number(text, &super::numbering(global)?)?,
        (None, name) => name.as_deref().and_then(CallerNumber::new).context("that is no name")?,
    };
    let secret = global.data.join(&config.secret_file);
    anyhow::ensure!(secret.is_file(), "there is no secret {}: callers cannot be told", secret.display());
    let privacy = Privacy::load_or_create(&secret)?;
    let hashes = std::iter::once(privacy.caller_hash(&named)).chain(privacy.former_hashes(&named));
    Ok(hashes.map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_from_other_texts() {
        let read = |text| number(text, &Numbering::default());
        assert_eq!(read("+31 (20) 123-4567").unwrap().expose(), "+31201234567");
        assert_eq!(read("4711").unwrap().expose(), "4711");
        for wrong in ["bob", "anonymous", "12", "+-()", "+31a20", ""] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
