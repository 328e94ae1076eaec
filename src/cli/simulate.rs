//! `aftercall simulate`.

mod direct;

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};

use super::Global;
use crate::caller::{Mix, Profile, Simulation, Voices, simulate};

/// A contact centre.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 no call failed, 1 some did, 2 wrong command line, 3 no calls could be placed."
)]
pub(super) struct Args {
    /// Whom to call: `sip:user@host`, perhaps with `:port` and `;transport=tcp`.
    #[arg(required_unless_present = "direct")]
    target: Option<String>,
    /// Write past calls straight into the database instead, all marked as trials. The service must not run. Of the
    /// other options only --calls, --days, --agents, --queues, --surveys, --seed and --quiet count.
    #[arg(long, conflicts_with = "target")]
    direct: bool,
    /// With --direct: days over which the calls are spread, up to now.
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=3660), requires = "direct")]
    days: u16,
    /// With --direct: what callers were asked; one survey per queue in turn.
    #[arg(long, value_delimiter = ',', default_value = "service,short", requires = "direct")]
    surveys: Vec<String>,
    /// Calls in all.
    #[arg(long, default_value_t = 100)]
    calls: u32,
    /// New calls a second, on average.
    #[arg(long, default_value_t = 5.0)]
    rate: f64,
    /// Most calls at once.
    #[arg(long, default_value_t = 200)]
    concurrent: usize,
    /// Agents, each with a quality of its own.
    #[arg(long, default_value_t = 6)]
    agents: u16,
    /// Queues, over which the agents are spread.
    #[arg(long, value_delimiter = ',', default_value = "service,billing")]
    queues: Vec<String>,
    /// The seed of all draws.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Weights of what callers do.
    #[arg(long, default_value = "answer=50,wrong=10,silent=8,barge=18,refuse=4,leave=10,speak=0")]
    mix: Mix,
    /// Folder of what speaking callers say, WORD.VOICE.wav.
    #[arg(long, value_name = "DIR", default_value = "tests/voices/en")]
    voices: PathBuf,
    /// The questions that callers expect: service, short, callback or mood.
    #[arg(long, default_value = "service")]
    profile: Profile,
    /// Share of calls that agents send on purpose, 0-1.
    #[arg(long, default_value_t = 0.05)]
    triggered: f64,
    /// Mark the calls as test calls.
    #[arg(long)]
    test: bool,
    /// A further header of each INVITE, "Name: value". May be given again.
    #[arg(short = 'H', long = "header", value_name = "HEADER", value_parser = header)]
    headers: Vec<(String, String)>,
    /// Our address; the one that leads to the target if left out.
    #[arg(long, value_name = "IP")]
    local: Option<IpAddr>,
    /// Show no progress.
    #[arg(short, long)]
    quiet: bool,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("not \"Name: value\"")?;
    if name.trim().is_empty() || text.contains(['\r', '\n']) {
        return Err("not \"Name: value\"".into());
    }
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// Plays the contact centre and prints what came of it.
pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<ExitCode> {
    let Some(target) = &args.target else { return direct::run(global, &args).await };
    let caller = match super::caller("simulate", target, args.local).await? {
        Ok(caller) => caller,
        Err(code) => return Ok(code),
    };
    let voices = match args.mix.speaks() {
        true => Voices::load(&args.voices).map_err(anyhow::Error::msg)?,
        false => Voices::default(),
    };
    let bar = bar(&args, "{elapsed_precise} [{bar:40}] {pos}/{len} calls over, {msg}")?;
    let simulation = Simulation {
        voices,
        calls: args.calls,
        rate: args.rate,
        concurrent: args.concurrent,
        agents: args.agents,
        queues: args.queues,
        seed: args.seed,
        mix: args.mix,
        profile: args.profile,
        triggered: args.triggered,
        test: args.test,
        headers: args.headers,
    };
    let summary = simulate(&caller, &simulation, |progress| {
        bar.set_position(u64::from(progress.over));
        bar.set_message(format!("{} up", progress.begun - progress.over));
    })
    .await;
    bar.finish_and_clear();
    println!("{summary}");
    Ok(ExitCode::from(u8::from(summary.failures > 0)))
}

fn bar(args: &Args, style: &str) -> anyhow::Result<ProgressBar> {
    let bar = if args.quiet { ProgressBar::hidden() } else { ProgressBar::new(u64::from(args.calls)) };
    bar.set_style(ProgressStyle::with_template(style)?.progress_chars("=> "));
    Ok(bar)
}
