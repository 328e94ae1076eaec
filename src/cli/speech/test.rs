//! `aftercall speech test`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use comfy_table::Table;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;

use crate::cli::{Global, print};
use crate::domain::{AudioFrame, Hearing, Language, Meaning};
use crate::speech::grammar::Lexicon;
use crate::speech::{Recognisers, Vocabulary};

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 heard, 1 there is nothing to hear with or no speech in the file, 3 could not be done."
)]
pub(super) struct Args {
    /// The recording.
    #[arg(value_name = "FILE.wav")]
    wav: PathBuf,
    /// What to listen for: a file name in grammars/LANGUAGE without `.grxml`.
    #[arg(long, value_name = "NAME")]
    grammar: String,
    /// Language of the recording.
    #[arg(long, default_value = "en")]
    language: Language,
}

/// Shows what is heard in a recording, and what is made of it.
pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<ExitCode> {
    let samples = crate::prompts::read_speech(&args.wav)?;
    let wanted = super::Wanted::Language(&args.language);
    let Some(hearers) = super::hearers(global, wanted, super::Limits::Patient).await? else {
        return Ok(ExitCode::FAILURE);
    };
    let (language, grammar) = (&args.language, args.grammar.as_str());
    let lexicon = hearers.pool.model(language).map(|facts| Lexicon::of(&facts)).unwrap_or_default();
    let Some(Vocabulary::Phrases(phrases)) = hearers.grammars.vocabulary(language, grammar, &lexicon) else {
        let names: Vec<&str> = hearers.grammars.names(language).collect();
        anyhow::bail!("there is no grammar {grammar} in {language}: {}", names.join(", "));
    };
    let quiet = |length| std::iter::repeat_n(0i16, length);
    let all: Vec<i16> = quiet(4000).chain(samples).chain(quiet(6000)).collect();
    let frame = |samples: &[i16]| AudioFrame { samples: samples.into(), at: Instant::now(), key_down: false };
    let frames = all.chunks(160).map(frame).collect();
    let recognisers: Arc<dyn Recognisers> = Arc::clone(&hearers.pool) as _;
    let heard =
        super::eval::hear(recognisers, Arc::clone(&hearers.grammars), language, grammar, frames, 1).await?;
    let Some(hearing) = heard else {
        print("no speech was found\n")?;
        return Ok(ExitCode::FAILURE);
    };
    print(&told(&hearing, phrases.len()))?;
    Ok(ExitCode::SUCCESS)
}

fn told(hearing: &Hearing, phrases: usize) -> String {
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY).set_header(["word", "confidence", "from ms", "to ms"]);
    for word in &hearing.words {
        table.add_row([
            word.word.clone(),
            format!("{:.3}", f32::from(word.confidence_pm) / 1000.0),
            word.start_ms.to_string(),
            word.end_ms.to_string(),
        ]);
    }
    let meaning = match &hearing.meaning {
        Some(Meaning::Answer(label)) => label.as_str(),
        Some(Meaning::Repeat) => "*repeat*",
        Some(Meaning::Skip) => "*skip*",
        Some(Meaning::Stop) => "*stop*",
        None => "nothing",
    };
    format!(
        "{table}\nverdict    {} (confidence {:.3})\nmeans      {meaning}\nmodel      {}, {phrases} phrases and words\n\
         speech     {}-{} ms at {} dBFS, line at {} dBFS\ndecided    {} ms after the end of speech\n",
        hearing.verdict.as_str(),
        f32::from(hearing.confidence_pm) / 1000.0,
        hearing.model,
        hearing.start_ms,
        hearing.end_ms,
        hearing.level_dbfs,
        hearing.noise_dbfs,
        hearing.decided_ms,
    )
}
