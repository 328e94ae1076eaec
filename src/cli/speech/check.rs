//! `aftercall speech check`.

use std::process::ExitCode;

use crate::cli::Global;

/// Options.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

/// Runs it.
#[expect(clippy::unused_async, reason = "filled next")]
pub(super) async fn run(_global: &Global, _args: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not there yet")
}
