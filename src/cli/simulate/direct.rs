//! `aftercall simulate --direct`: a history instead of calls.

use std::process::ExitCode;

use anyhow::Context as _;
use jiff::Timestamp;
use tokio::task::JoinSet;

use super::Args;
use crate::caller::History;
use crate::cli::Global;
use crate::domain::SurveyId;
use crate::store::{Batch, Store, StoreError};

/// Calls on their way to the disk at once: they share transactions.
const AT_ONCE: usize = 512;

/// Writes the calls and says how many.
pub(super) async fn run(global: &Global, args: &Args) -> anyhow::Result<ExitCode> {
    let live = crate::config::load(&global.config)?;
    let survey = |name: &String| {
        let id: SurveyId = name.parse().map_err(|e| anyhow::anyhow!("--surveys {name:?}: {e}"))?;
        live.surveys.get(&id).cloned().with_context(|| format!("there is no survey {name:?}"))
    };
    let queue = |name: &String| name.parse().map_err(|e| anyhow::anyhow!("--queues {name:?}: {e}"));
    let history = History {
        calls: u64::from(args.calls),
        days: args.days,
        until: Timestamp::now(),
        agents: args.agents,
        queues: args.queues.iter().map(queue).collect::<anyhow::Result<_>>()?,
        surveys: args.surveys.iter().map(survey).collect::<anyhow::Result<_>>()?,
        seed: args.seed,
    };
    anyhow::ensure!(!history.queues.is_empty() && !history.surveys.is_empty(), "name a queue and a survey");
    let (store, _) = Store::open(&live.config.store, &global.data).await?;
    let bar = super::bar(args, "{elapsed_precise} [{bar:40}] {pos}/{len} calls written")?;
    let written = write(&store, &history, &bar).await;
    store.close().await;
    bar.finish_and_clear();
    println!("Wrote {} calls of {} days, all marked as trials.", written?, args.days);
    Ok(ExitCode::SUCCESS)
}

async fn write(store: &Store, history: &History, bar: &indicatif::ProgressBar) -> Result<u64, StoreError> {
    let (mut writing, mut written) = (JoinSet::new(), 0);
    let mut done = |over: Result<Result<(), StoreError>, _>| {
        written += 1;
        bar.set_position(written);
        over.map_err(|_| StoreError::Closed)?
    };
    for call in history.calls() {
        if writing.len() >= AT_ONCE
            && let Some(over) = writing.join_next().await
        {
            done(over)?;
        }
        let id = store.past_call_id(call.at);
        let (entries, store) = (call.entries(id), store.clone());
        writing.spawn(async move { store.append(Batch { entries, ..Batch::default() }).await });
    }
    while let Some(over) = writing.join_next().await {
        done(over)?;
    }
    Ok(written)
}
