//! `aftercall calls`: the list, or one call's story.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::Global;
use super::filter::Filter;
use crate::domain::{CallId, CallRef, Disposition};
use crate::store::{CallFilter, CallSummary, Views};
use crate::story::{seconds, tell};
use crate::web::csv::guard;

/// Calls shown when nothing says how many.
const LIMIT: u32 = 50;
/// Calls read at a time.
const PAGE: u32 = 2000;
/// What a table shows unless told otherwise.
const SHOWN: &str = "offered,call_ref,agent,queue,survey,origin,disposition,answers";

/// Which calls, and how.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Tell this call's story, event by event.
    #[arg(value_name = "CALLID")]
    call: Option<CallId>,
    #[command(flatten)]
    filter: Filter,
    /// With this reference of the contact centre.
    #[arg(long, value_name = "REF")]
    call_ref: Option<CallRef>,
    /// That came out so: not_selected, not_transferred, complete, partial, break_off, refused, no_answer or failed.
    #[arg(long, value_parser = super::filter::named::<Disposition>)]
    disposition: Option<Disposition>,
    /// At most so many, the latest; with --csv and --json all, unless this says otherwise.
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// Print CSV with a line of names.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
    /// Columns, parted by commas; "all" is every one.
    #[arg(long, value_delimiter = ',', value_parser = column, long_help = COLUMNS_HELP)]
    columns: Vec<String>,
}

/// Columns and what is in them.
const COLUMNS: [&str; 27] = [
    "id",
    "offered",
    "answered",
    "ended",
    "trunk",
    "agent",
    "queue",
    "call_ref",
    "talk_s",
    "first_hang_up",
    "origin",
    "reason",
    "survey",
    "version",
    "codec",
    "language",
    "stage",
    "disposition",
    "left_at",
    "failure",
    "by_caller",
    "answer_count",
    "answers",
    "received",
    "sent",
    "lost",
    "jitter_ms",
];

const COLUMNS_HELP: &str = "Columns, parted by commas, of: id, offered, answered, ended, trunk, agent, queue, \
    call_ref, talk_s, first_hang_up, origin, reason, survey, version, codec, language, stage, disposition, left_at, \
    failure, by_caller, answer_count, answers (joined by spaces), received, sent, lost, jitter_ms; or all";

/// Prints the list or the story.
pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<ExitCode> {
    let views = super::open_views(global).await?;
    let code = match args.call {
        Some(call) => story(&views, call, args.json).await?,
        None => list(&views, &args).await?,
    };
    views.close().await;
    Ok(code)
}

async fn list(views: &Views, args: &Args) -> anyhow::Result<ExitCode> {
    let (from, to) = (args.filter.begin_us(), args.filter.end_us());
    let mut filter = CallFilter {
        from_us: from,
        to_us: to,
        agent: args.filter.agent.clone(),
        queue: args.filter.queue.clone(),
        survey: args.filter.survey.clone(),
        disposition: args.disposition,
        origin: args.filter.origin,
        call_ref: args.call_ref.clone(),
        ..CallFilter::default()
    };
    let columns = columns(&args.columns);
    if !args.csv && !args.json {
        filter.latest_first = true;
        filter.limit = Some(args.limit.unwrap_or(LIMIT));
        let mut calls = views.calls(&filter).await?;
        calls.reverse();
        return super::print(&table(&calls, &columns)).map(|()| ExitCode::SUCCESS);
    }
    let mut out = Output::new(args.json, &columns)?;
    let mut left = args.limit.unwrap_or(u32::MAX);
    if let Some(limit) = args.limit {
        let Some(first) = first_of_latest(views, &filter, limit).await? else {
            out.finish()?;
            return Ok(ExitCode::SUCCESS);
        };
        filter.after = first.after;
        left = first.count;
    }
    while left > 0 {
        filter.limit = Some(PAGE.min(left));
        let calls = views.calls(&filter).await?;
        let Some(last) = calls.last() else { break };
        filter.after = Some(last.id);
        left = left.saturating_sub(u32::try_from(calls.len()).unwrap_or(u32::MAX));
        out.write(&calls)?;
    }
    out.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// Where the latest calls begin.
struct Latest {
    /// The call before the first of them; none where they are all.
    after: Option<CallId>,
    /// How many there are.
    count: u32,
}

/// Goes back over the latest calls, a page at a time, so that they can be printed the oldest first.
async fn first_of_latest(views: &Views, filter: &CallFilter, limit: u32) -> anyhow::Result<Option<Latest>> {
    let mut back = CallFilter { latest_first: true, after: None, ..filter.clone() };
    let mut count = 0;
    while count < limit {
        back.limit = Some(PAGE.min(limit - count));
        let calls = views.calls(&back).await?;
        let Some(last) = calls.last() else { break };
        back.after = Some(last.id);
        count += u32::try_from(calls.len()).unwrap_or(u32::MAX);
    }
    if count == 0 {
        return Ok(None);
    }
    back.limit = Some(1);
    let before = if count < limit { None } else { views.calls(&back).await?.first().map(|call| call.id) };
    Ok(Some(Latest { after: before, count }))
}

/// Rows to standard output, in one of two forms.
enum Output<'a> {
    Csv(Box<csv::Writer<io::Stdout>>, &'a [&'static str]),
    Json(BufWriter<io::Stdout>, &'a [&'static str]),
}

impl<'a> Output<'a> {
    fn new(json: bool, columns: &'a [&'static str]) -> anyhow::Result<Self> {
        if json {
            return Ok(Self::Json(BufWriter::new(io::stdout()), columns));
        }
        let mut csv = csv::Writer::from_writer(io::stdout());
        csv.write_record(columns)?;
        Ok(Self::Csv(Box::new(csv), columns))
    }

    fn write(&mut self, calls: &[CallSummary]) -> anyhow::Result<()> {
        for call in calls {
            match self {
                Self::Csv(csv, columns) => {
                    csv.write_record(columns.iter().map(|column| guarded(&cell(call, column))))?;
                }
                Self::Json(out, columns) => {
                    let object: Map<_, _> =
                        columns.iter().map(|&column| (column.to_owned(), cell(call, column))).collect();
                    writeln!(out, "{}", Value::Object(object))?;
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Csv(mut csv, _) => csv.flush()?,
            Self::Json(mut out, _) => out.flush()?,
        }
        Ok(())
    }
}

fn column(name: &str) -> Result<String, String> {
    if name == "all" || COLUMNS.contains(&name) {
        return Ok(name.to_owned());
    }
    Err(format!("no such column; there are {}", COLUMNS.join(", ")))
}

fn columns(asked: &[String]) -> Vec<&'static str> {
    if asked.iter().any(|name| name == "all") {
        return COLUMNS.to_vec();
    }
    let shown: Vec<&str> = SHOWN.split(',').collect();
    let asked: Vec<&str> = if asked.is_empty() { shown } else { asked.iter().map(String::as_str).collect() };
    asked.iter().filter_map(|name| COLUMNS.iter().find(|column| *column == name)).copied().collect()
}

fn table(calls: &[CallSummary], columns: &[&'static str]) -> String {
    let mut table = super::filter::table();
    table.set_header(columns);
    for call in calls {
        table.add_row(columns.iter().map(|column| plain(&cell(call, column))));
    }
    format!("{table}\n{} calls\n", calls.len())
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A cell of a CSV file. What others have chosen must not become a formula.
fn guarded(value: &Value) -> String {
    match value {
        Value::String(text) => guard(text),
        other => plain(other),
    }
}

fn cell(call: &CallSummary, column: &str) -> Value {
    let time = |us: i64| Value::from(when(us));
    let stats = call.stats.as_ref();
    match column {
        "id" => call.id.to_string().into(),
        "offered" => time(call.offered_us),
        "answered" => call.answered_us.map_or(Value::Null, time),
        "ended" => call.ended_us.map_or(Value::Null, time),
        "trunk" => call.trunk.clone().into(),
        "agent" => call.agent.clone().into(),
        "queue" => call.queue.clone().into(),
        "call_ref" => call.call_ref.clone().into(),
        "talk_s" => call.talk_s.into(),
        "first_hang_up" => call.first_hang_up.clone().into(),
        "origin" => call.origin.clone().into(),
        "reason" => call.reason.clone().into(),
        "survey" => call.survey.clone().into(),
        "version" => call.version.into(),
        "codec" => call.codec.clone().into(),
        "language" => call.language.clone().into(),
        "stage" => call.stage.clone().into(),
        "disposition" => call.disposition.clone().into(),
        "left_at" => call.left_at.clone().into(),
        "failure" => call.failure.clone().into(),
        "by_caller" => call.by_caller.into(),
        "answer_count" => call.answer_count.into(),
        "answers" => call.answers.clone().into(),
        "received" => stats.map(|s| s.received).into(),
        "sent" => stats.map(|s| s.sent).into(),
        "lost" => stats.map(|s| s.lost).into(),
        "jitter_ms" => stats.map(|s| f64::from(s.jitter_us) / 1000.0).into(),
        _ => Value::Null,
    }
}

/// A time as it is printed: UTC, to the millisecond.
fn when(us: i64) -> String {
    Timestamp::from_microsecond(us).map_or_else(|_| us.to_string(), |at| format!("{at:.3}"))
}

async fn story(views: &Views, call: CallId, json: bool) -> anyhow::Result<ExitCode> {
    let entries = views.story(call).await?;
    let Some(first) = entries.first() else {
        eprintln!("aftercall: there is no call {call}");
        return Ok(ExitCode::from(1));
    };
    let mut text = String::new();
    if json {
        for entry in &entries {
            text += &serde_json::to_string(entry)?;
            text.push('\n');
        }
    } else {
        text += &format!("call {call}, offered {}\n", when(first.at_us));
        for entry in &entries {
            text += &format!("{:>9} s  {}\n", seconds(entry, first), tell(&entry.fact));
        }
    }
    super::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_named_and_checked() {
        assert_eq!(columns(&["answers".into(), "call_ref".into()]), ["answers", "call_ref"]);
        assert_eq!((columns(&[]).len(), columns(&["all".into()]).len()), (8, COLUMNS.len()));
        assert!(column("caller").is_err());
    }
}
