//! `aftercall speech eval`.

mod list;
mod path;
mod tally;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::list::Row;
use self::path::{Conditions, LawName};
use self::tally::{Outcome, Tally};
use super::Limits;
use crate::cli::{Global, print};
use crate::domain::{AudioFrame, Deaf, GrammarCatalogue as _, Hearing, Language};
use crate::speech::grammar::Grammars;
use crate::speech::{Listen, Purpose, Recognisers, SpeechEvent, listen};

/// Times that a recording is tried when the recognisers cannot keep up.
const TRIES: u64 = 3;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 measured, 1 there is nothing to hear with or a recording could not be heard, 3 could not be done."
)]
pub(super) struct Args {
    /// Tab-separated list: WAV file, grammar, the answer that is said (`-`: none). Paths are relative to the list.
    #[arg(value_name = "LIST.tsv", required = true)]
    lists: Vec<PathBuf>,
    /// Language of the recordings.
    #[arg(long, default_value = "en")]
    language: Language,
    /// Add noise this far below speech, in dB.
    #[arg(long, value_name = "DB", allow_negative_numbers = true)]
    noise: Option<f32>,
    /// Overload every recording by 12 dB.
    #[arg(long)]
    clip: bool,
    /// Lose so many packets.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, value_parser = percent)]
    loss: f64,
    /// Encode with this law.
    #[arg(long, value_enum, default_value = "mu")]
    law: LawName,
    /// Recordings at once.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=256))]
    jobs: u32,
    /// Times real time. Above 1 the time to a decision also counts audio that has not been heard yet.
    #[arg(long, value_name = "FACTOR", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pace: u32,
    /// Callers say nothing for so many seconds on average before they speak, and are listened to all the while.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=60))]
    pause: u32,
    /// Keep to the limits of live calls: what is not heard in time counts as unheard. Otherwise a measurement waits.
    #[arg(long)]
    live: bool,
    /// Draws jitter, loss, noise and pauses: the same seed, the same audio.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Print each recording that did not come out right.
    #[arg(long)]
    verbose: bool,
}

impl Args {
    fn conditions(&self) -> Conditions {
        Conditions {
            noise_db: self.noise,
            clip: self.clip,
            loss_percent: self.loss,
            law: self.law,
            pause: Duration::from_secs(self.pause.into()),
        }
    }
}

fn percent(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err("a percentage is 0-100".to_owned()),
    }
}

/// Sends every recording through the whole path and counts what came of it.
pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<ExitCode> {
    let mut rows = Vec::new();
    for list in &args.lists {
        rows.extend(list::read(list)?);
    }
    let wanted = super::Wanted::Language(&args.language);
    let limits = if args.live { Limits::Live } else { Limits::Patient };
    let Some(hearers) = super::hearers(global, wanted, limits).await? else { return Ok(ExitCode::FAILURE) };
    for row in &rows {
        let known = hearers.grammars.phrases(&args.language, &row.grammar).next().is_some();
        let Row { place, grammar, .. } = row;
        anyhow::ensure!(known, "{place}: there is no grammar {grammar} in {}", args.language);
        if let Some(expected) = &row.expected {
            let meanings = hearers.grammars.meanings(&args.language, grammar).unwrap_or_default();
            let given = meanings.iter().any(|meaning| tally::is(meaning, expected));
            anyhow::ensure!(given, "{place}: the grammar {grammar} has no answer {expected:?}");
        }
    }
    let conditions = args.conditions();
    let tries = if args.live { 1 } else { TRIES };
    let room = Arc::new(Semaphore::new(args.jobs as usize));
    let mut tasks = JoinSet::new();
    for (number, row) in rows.into_iter().enumerate() {
        let recognisers: Arc<dyn Recognisers> = Arc::clone(&hearers.pool) as _;
        let (grammars, room) = (Arc::clone(&hearers.grammars), Arc::clone(&room));
        let (language, seed, pace) = (args.language.clone(), args.seed, args.pace);
        tasks.spawn(async move {
            let _place = room.acquire().await.context("a place in the queue")?;
            let samples = crate::prompts::read_speech(&row.wav).with_context(|| row.place.clone())?;
            let seed = seed.wrapping_mul(1_000_003).wrapping_add(number as u64);
            let frames = path::frames(&samples, &conditions, seed);
            let once = || {
                let (recognisers, grammars) = (Arc::clone(&recognisers), Arc::clone(&grammars));
                hear(recognisers, grammars, &language, &row.grammar, frames.clone(), pace)
            };
            let mut heard = once().await;
            for attempt in 1..tries {
                if heard.is_ok() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(500 * attempt)).await;
                heard = once().await;
            }
            anyhow::Ok((row, heard))
        });
    }
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    let mut wrong = Vec::new();
    while let Some(done) = tasks.join_next().await {
        let (row, heard) = done.context("a recording")??;
        let tally = tallies.entry(row.grammar.clone()).or_default();
        match heard {
            Ok(hearing) => {
                tally.add(row.expected.as_deref(), hearing.as_ref());
                wrong.extend(difference(&row, hearing.as_ref()));
            }
            Err(deaf) => {
                tally.add_unheard();
                wrong.push(format!("{}: {deaf}", row.wav.display()));
            }
        }
    }
    wrong.sort();
    if args.verbose {
        eprintln!("{}", wrong.join("\n"));
    }
    let outcome = Outcome::of(&tallies);
    if args.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&outcome)?))?;
    } else {
        print(&format!("{}\n", outcome.table()))?;
        for (count, what) in
            [(outcome.missed(), "no speech was found"), (outcome.unheard(), "nobody could hear")]
        {
            if count > 0 {
                print(&format!("recordings in which {what}: {count}\n"))?;
            }
        }
    }
    Ok(ExitCode::from(u8::from(outcome.unheard() > 0)))
}

/// What came of a recording, when it is not what was expected.
fn difference(row: &Row, hearing: Option<&Hearing>) -> Option<String> {
    use crate::domain::{Meaning, Verdict};
    let said = row.expected.as_deref().unwrap_or("-");
    let Some(hearing) = hearing else {
        return row.expected.as_ref().map(|_| format!("{}\t{said}\tno speech found", row.wav.display()));
    };
    let fine = match (&row.expected, hearing.verdict, &hearing.meaning) {
        (None, verdict, _) => verdict == Verdict::NoMatch,
        (Some(said), Verdict::Accept | Verdict::Confirm, Some(Meaning::Answer(heard))) => said == heard,
        _ => false,
    };
    let words: Vec<String> =
        hearing.words.iter().map(|word| format!("{}:{}", word.word, word.confidence_pm)).collect();
    (!fine)
        .then(|| format!("{}\t{said}\t{}\t{}", row.wav.display(), hearing.verdict.as_str(), words.join(" ")))
}

/// Plays frames to a listener in time. `None`: no speech was found in them.
pub(super) async fn hear(
    recognisers: Arc<dyn Recognisers>,
    grammars: Arc<Grammars>,
    language: &Language,
    grammar: &str,
    frames: Vec<AudioFrame>,
    pace: u32,
) -> Result<Option<Hearing>, Deaf> {
    let purpose = Purpose::Answer { grammar: grammar.to_owned(), thresholds: None };
    let order = Listen { language: language.clone(), purpose, keep_audio: false };
    let (frames_in, audio) = mpsc::channel(64);
    let (events_in, mut events) = mpsc::channel(4);
    let listening = listen(recognisers, grammars, order, audio, events_in);
    let begun = Instant::now();
    let mut played = Duration::ZERO;
    for mut frame in frames {
        played += Duration::from_micros(frame.samples.len() as u64 * 125) / pace;
        tokio::time::sleep_until(begun + played).await;
        frame.at = Instant::now().into_std();
        if frames_in.send(frame).await.is_err() {
            break;
        }
    }
    drop(frames_in);
    let mut heard = Ok(None);
    while let Some(event) = events.recv().await {
        match event {
            SpeechEvent::Heard { hearing, .. } => heard = Ok(Some(hearing)),
            SpeechEvent::Deaf { why, .. } => heard = Err(why),
            SpeechEvent::Began | SpeechEvent::Recorded { .. } => {}
        }
    }
    drop(listening);
    heard
}
