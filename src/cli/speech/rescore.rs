//! `aftercall speech rescore`.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use comfy_table::Table;
use jiff::Timestamp;

use super::{Hearers, Wanted};
use crate::cli::Global;
use crate::config;
use crate::domain::{Entry, Fact, Hearing};
use crate::speech::session;
use crate::store::{Batch, Kept, Privacy, Store, Vault};
use crate::story::meant;

/// Options.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The answers stay as they were taken; with --write each new reading is put beside the old one, which \
                        needs the service to be stopped.\nExit codes: 0 done, 3 there is nothing to hear with, or the data cannot be \
                        read."
)]
pub(super) struct Args {
    /// The grammar to hear with, instead of the one that was used.
    #[arg(long)]
    grammar: Option<String>,
    /// The model to hear with, by its name in the file of models, instead of the first that is there.
    #[arg(long)]
    model: Option<String>,
    /// Only this question.
    #[arg(long)]
    question: Option<String>,
    /// Put the new readings into the journal.
    #[arg(long)]
    write: bool,
}

/// Hears kept audio again and shows what would change.
pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<ExitCode> {
    let config = config::read(&global.config)?;
    let wanted = args.model.as_deref().map_or(Wanted::All, Wanted::Model);
    let Some(Hearers { pool, grammars }) = super::hearers(global, wanted, super::Limits::Patient).await?
    else {
        return Ok(ExitCode::from(3));
    };

    let views = crate::cli::open_views(global).await?;
    let privacy =
        Privacy::load_or_create(&global.data.join(&config.store.secret_file)).context("the secret")?;
    let vault = Vault::new(views, privacy, &global.data);
    let kept = vault.kept().await?;
    let wanted =
        |kept: &&Kept| args.question.as_ref().is_none_or(|question| kept.question.as_str() == question);
    let mut readings = Vec::new();
    let mut gone = 0;
    for kept in kept.iter().filter(wanted) {
        let Some(samples) = vault.recording(kept.call, kept.recording).await? else {
            gone += 1;
            continue;
        };
        let grammar = args.grammar.as_deref().unwrap_or(&kept.hearing.grammar);
        let language = &kept.hearing.language;
        let hearing = session::hear(pool.as_ref(), &grammars, language, grammar, None, &samples)
            .await
            .with_context(|| format!("a recording in {language} with {grammar}"))?;
        readings.push((kept, hearing));
    }
    println!("{}", table(&readings));
    let changed = readings.iter().filter(|(kept, new)| read(&kept.hearing) != read(new)).count();
    println!("{} readings, {changed} of them different; {gone} recordings are erased", readings.len());
    if args.write {
        write(global, &config.store, &readings).await?;
        println!("{} readings written beside the old ones", readings.len());
    }
    Ok(ExitCode::SUCCESS)
}

/// What a hearing comes to.
fn read(hearing: &Hearing) -> String {
    match &hearing.meaning {
        Some(meaning) => format!("{} {}", hearing.verdict.as_str(), meant(meaning)),
        None => hearing.verdict.as_str().to_owned(),
    }
}

/// How often each reading became each other one.
fn table(readings: &[(&Kept, Hearing)]) -> Table {
    let mut changes: BTreeMap<(String, String, String), u32> = BTreeMap::new();
    for (kept, new) in readings {
        *changes.entry((kept.question.to_string(), read(&kept.hearing), read(new))).or_default() += 1;
    }
    let mut table = Table::new();
    table.set_header(["question", "was", "is", "n"]);
    for ((question, was, is), n) in changes {
        table.add_row([question, was, is, n.to_string()]);
    }
    table
}

async fn write(
    global: &Global,
    config: &config::StoreConfig,
    readings: &[(&Kept, Hearing)],
) -> anyhow::Result<()> {
    let (store, _orphans) = Store::open(config, &global.data).await.context("the database, for writing")?;
    let store = Arc::new(store);
    for (kept, hearing) in readings {
        let fact = Fact::Reread {
            question: kept.question.clone(),
            recording: kept.recording,
            hearing: Box::new(hearing.clone()),
        };
        let at_us = Timestamp::now().as_microsecond();
        let entries = vec![Entry { call: kept.call, at_us, fact }];
        store.append(Batch { entries, ..Batch::default() }).await?;
    }
    store.close().await;
    Ok(())
}
