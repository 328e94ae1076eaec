//! `aftercall rebuild`.

use std::process::ExitCode;

use super::Global;

/// Makes the projections anew.
pub(super) async fn run(global: &Global) -> anyhow::Result<ExitCode> {
    let done = crate::store::rebuild(&super::store_config(global)?, &global.data).await?;
    println!("Made calls, answers and roll-ups anew from {} journal entries.", done.lines);
    Ok(ExitCode::SUCCESS)
}
