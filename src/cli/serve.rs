//! `aftercall serve`.

use std::process::ExitCode;

use super::Global;

/// Runs the service.
pub(super) async fn run(global: Global) -> anyhow::Result<ExitCode> {
    crate::app::serve(global.config, global.data).await?;
    Ok(ExitCode::SUCCESS)
}
