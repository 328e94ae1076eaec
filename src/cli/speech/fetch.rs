//! `aftercall speech fetch`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::Global;
use crate::config::{ModelConfig, SpeechConfig};
use crate::domain::Language;
use crate::speech::check::self_test;
use crate::speech::fetch::{Bounds, Draft, FetchError, Proof, adopt, download, prove, unpack};
use crate::speech::grammar::Grammars;
use crate::speech::installed::{Installed, tools};

/// Options.
#[derive(Debug, clap::Args)]
#[command(after_help = "A broken download goes on where it stopped when the command is given again.\n\
                        Exit codes: 0 the model is there, 2 wrong command line, 3 could not be done; nothing changed.")]
pub(super) struct Args {
    /// The language: en, nl, de, fr, es, pt.
    language: Language,
    /// An archive or a folder that was brought here by other means.
    #[arg(long, value_name = "FILE|DIR")]
    from: Option<PathBuf>,
    /// SHA-256 of the archive, instead of the configured one.
    #[arg(long, value_name = "HEX", value_parser = sha256, conflicts_with = "trust")]
    sha256: Option<String>,
    /// Take what comes without a checksum.
    #[arg(long)]
    trust: bool,
}

fn sha256(text: &str) -> Result<String, String> {
    let hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hex { Ok(text.to_ascii_lowercase()) } else { Err("a SHA-256 is 64 hexadecimal digits".to_owned()) }
}

/// Gets the model and puts it in its place.
pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<ExitCode> {
    let (config, models) = super::settings(global)?;
    let wanted = models.model.iter().find(|model| model.language == args.language && model.url.is_some());
    let wanted =
        wanted.with_context(|| format!("the file of models has none to fetch for {}", args.language))?;
    let folder = global.data.join("speech");
    let draft = fetch(wanted, &args, &folder).await?;
    let at = match tools(&config, &global.data) {
        Ok(tools) => {
            let grammars = super::grammars(global)?;
            let model = wanted.clone();
            tokio::task::spawn_blocking(move || tried(&config, model, tools, draft, &grammars)).await??
        }
        Err(why) => {
            println!("It was not tried on this machine: {why}.");
            draft.keep()?
        }
    };
    println!("{} is there. `aftercall speech check {}` tries it.", at.display(), args.language);
    println!("A running service takes it when it is started again.");
    Ok(ExitCode::SUCCESS)
}

async fn fetch(wanted: &ModelConfig, args: &Args, folder: &Path) -> anyhow::Result<Draft> {
    let at = folder.join(&wanted.name);
    if at.exists() {
        return Err(FetchError::AlreadyThere(at).into());
    }
    if let Some(from) = args.from.as_ref().filter(|from| from.is_dir()) {
        anyhow::ensure!(
            args.sha256.is_none(),
            "a folder has no SHA-256: leave --sha256 out and use --trust, or give the archive"
        );
        if !args.trust {
            println!("A folder has no SHA-256: nothing was checked of where it comes from.");
        }
        let (from, folder, name) = (from.clone(), folder.to_owned(), wanted.name.clone());
        let adopted = move || adopt(&from, &folder, &name, Bounds::default());
        return Ok(tokio::task::spawn_blocking(adopted).await??);
    }
    let proof = match (&args.sha256, &wanted.sha256) {
        _ if args.trust => Proof::Trust,
        (Some(sum), _) | (None, Some(sum)) => Proof::Sha256(sum.clone()),
        (None, None) => anyhow::bail!(
            "nobody has told us the SHA-256 of {}: give it with --sha256, or take what comes with --trust",
            wanted.name
        ),
    };
    // A sum or the trust of the operator goes before the configured size, which is of the configured archive.
    let bytes = wanted.bytes.filter(|_| args.sha256.is_none() && !args.trust);
    let archive = match &args.from {
        Some(file) => {
            let (file, proof) = (file.clone(), proof.clone());
            tokio::task::spawn_blocking(move || prove(&file, bytes, &proof).map(|()| file)).await??
        }
        None => downloaded(wanted, folder, bytes, &proof).await?,
    };
    let (from, into, name) = (archive.clone(), folder.to_owned(), wanted.name.clone());
    let unpacked =
        tokio::task::spawn_blocking(move || unpack(&from, &into, &name, Bounds::default())).await?;
    if args.from.is_none() {
        tokio::fs::remove_file(&archive).await.with_context(|| archive.display().to_string())?;
    }
    Ok(unpacked?)
}

/// Puts a model in its place that has passed its self-test.
fn tried(
    config: &SpeechConfig,
    model: ModelConfig,
    (library, program): (PathBuf, PathBuf),
    draft: Draft,
    grammars: &Grammars,
) -> Result<PathBuf, FetchError> {
    let words: Vec<String> = grammars.words(&model.language).into_iter().collect();
    let folder = draft.path().to_owned();
    let installed = Installed { model, folder, library, program, missing: Arc::default() };
    match self_test(config, &installed, &words).fault {
        Some(fault) => Err(FetchError::Unfit(fault)),
        None => draft.keep(),
    }
}

async fn downloaded(
    wanted: &ModelConfig,
    folder: &Path,
    bytes: Option<u64>,
    proof: &Proof,
) -> anyhow::Result<PathBuf> {
    let url = wanted.url.as_deref().context("the model has no url")?;
    tokio::fs::create_dir_all(folder).await.with_context(|| folder.display().to_string())?;
    let archive = folder.join(format!("{}.zip", wanted.name));
    let bar = ProgressBar::no_length();
    bar.set_style(ProgressStyle::with_template(
        "{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
    )?);
    bar.set_message(wanted.name.clone());
    let shown = |done, total| {
        if let Some(total) = total {
            bar.set_length(total);
        }
        bar.set_position(done);
    };
    let got = download(url, &archive, bytes, proof, shown).await;
    bar.finish_and_clear();
    got?;
    Ok(archive)
}
