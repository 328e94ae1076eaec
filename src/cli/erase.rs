//! `aftercall erase`: what ties calls to a caller or an agent goes; answers and sums stay. Beside a running service too,
//! which then does it.

use std::process::ExitCode;

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Global;
use crate::config::StoreConfig;
use crate::domain::{AgentId, CallerHash, CallerNumber};
use crate::store::{Erase, Errand, OperatorNote, Privacy, Proof, Views, run_errand};

/// What, and whether for good.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(super) struct Args {
    /// All calls of this caller, by the number as the PBX sends it.
    #[arg(long, value_name = "NUMBER", group = "what", value_parser = number)]
    caller: Option<CallerNumber>,
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
fn number(text: &str) -> Result<CallerNumber, String> {
    let no_number = || "is no telephone number; --caller-name takes a SIP name".to_owned();
    let number = CallerNumber::new(text).ok_or_else(no_number)?;
    let (digits, others) = number.expose().chars().partition::<String, _>(char::is_ascii_digit);
    if digits.len() >= 3 && (others.is_empty() || others == "+") { Ok(number) } else { Err(no_number()) }
}

/// What to erase.
struct Wanted {
    what: Erase,
    /// How the audit log and the proof name it: a caller by the beginning of the hash, never by the number.
    scope: String,
    /// The number, and its other spellings with their hashes.
    spelled: Option<(String, Vec<(String, CallerHash)>)>,
}

/// Counts, or erases and prints the proof.
pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<ExitCode> {
    let config = super::store_config(global)?;
    let views = super::open_views(global).await?;
    let Wanted { what, scope, spelled } = wanted(global, &config, &args)?;
    let calls = views.to_erase(&what).await?.len();
    let hint = match &spelled {
        Some(spelled) if calls == 0 => hint(&views, spelled).await?,
        _ => String::new(),
    };
    views.close().await;
    if !args.yes {
        let text =
            format!("{scope}: {calls} calls would be touched. Nothing was erased; --yes does it.\n{hint}");
        return super::print(&text).map(|()| ExitCode::SUCCESS);
    }
    let line = OperatorNote { what: "erase".to_owned(), scope: scope.clone(), reason: args.reason };
    let Proof { erased, at_us, head } =
        run_errand(&config, &global.data, Errand::Erase { what, line }).await?;
    let at = Timestamp::from_microsecond(at_us).context("the time of the proof")?;
    super::print(&format!(
        "Erased:             {scope}\nAt:                 {at:.0}\nCalls touched:      {}\nFacts replaced:     {}\n\
         Keys destroyed:     {}\nRecordings removed: {}\n\
         On record as line {} of the audit log, with the hash\n{}\n{hint}",
        erased.calls, erased.facts, erased.keys, erased.files, head.seq, head.hash
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// What was looked for in vain, and which other spellings of the number have calls.
async fn hint(
    views: &Views,
    (number, others): &(String, Vec<(String, CallerHash)>),
) -> anyhow::Result<String> {
    let mut text = format!(
        "No calls are kept under {number}, spelled like that; callers are known by what the PBX sent.\n"
    );
    let before = text.len();
    for (other, hash) in others {
        let calls = views.to_erase(&Erase::Caller(*hash)).await?.len();
        if calls > 0 {
            text += &format!("Under {other} there are {calls}: --caller {other}\n");
        }
    }
    if text.len() == before {
        let others: Vec<&str> = others.iter().map(|(other, _)| other.as_str()).collect();
        text += &format!("Nor under {}. The PBX may leave out the country's code.\n", others.join(", "));
    }
    Ok(text)
}

/// Other ways in which the same number is sent: `+31..`, `0031..`, `31..`.
fn spellings(number: &str) -> Vec<String> {
    let plain = number.strip_prefix('+').or_else(|| number.strip_prefix("00")).unwrap_or(number);
    let all = [format!("+{plain}"), format!("00{plain}"), plain.to_owned()];
    all.into_iter().filter(|other| other != number).collect()
}

fn wanted(global: &Global, config: &StoreConfig, args: &Args) -> anyhow::Result<Wanted> {
    if let Some(agent) = &args.agent {
        return Ok(Wanted { what: Erase::Agent(agent.clone()), scope: "an agent".into(), spelled: None });
    }
    if let Some(day) = args.before {
        let at = day.to_zoned(TimeZone::UTC).context("the day")?.timestamp();
        let what = Erase::Offered(i64::MIN, at.as_microsecond());
        return Ok(Wanted { what, scope: format!("calls before {day}"), spelled: None });
    }
    let of = |hash: CallerHash| (Erase::Caller(hash), format!("caller {}", hash.beginning()));
    if let Some(hash) = args.caller_hash {
        let (what, scope) = of(hash);
        return Ok(Wanted { what, scope, spelled: None });
    }
    let named = args.caller_name.as_deref().map(|name| CallerNumber::new(name).context("that is no name"));
    let number = args.caller.clone().map(Ok).or(named).context("nothing is named")??;
    let secret = global.data.join(&config.secret_file);
    anyhow::ensure!(secret.is_file(), "there is no secret {}: callers cannot be told", secret.display());
    let privacy = Privacy::load_or_create(&secret)?;
    let (what, scope) = of(privacy.caller_hash(&number));
    let others = spellings(number.expose()).into_iter();
    let others = others.filter_map(|text| Some((privacy.caller_hash(&CallerNumber::new(&text)?), text)));
    let others = others.map(|(hash, text)| (text, hash)).collect();
    let spelled = args.caller.is_some().then(|| (number.expose().to_owned(), others));
    Ok(Wanted { what, scope, spelled })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_from_other_texts_and_spelled_in_other_ways() {
        assert_eq!(number("+31 (20) 123-4567").unwrap().expose(), "+31201234567");
        for wrong in ["bob", "anonymous", "12", "+-()", "+31a20", ""] {
            assert!(number(wrong).is_err(), "{wrong}");
        }
        assert_eq!(spellings("+31201234567"), ["0031201234567", "31201234567"]);
        assert_eq!(spellings("0031201234567"), ["+31201234567", "31201234567"]);
        assert_eq!(spellings("31201234567"), ["+31201234567", "0031201234567"]);
    }
}
