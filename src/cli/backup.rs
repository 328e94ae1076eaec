//! `aftercall backup`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::Global;

/// Where the copy goes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file to write; it must not exist.
    file: PathBuf,
}

/// Copies the database.
pub(super) async fn run(global: &Global, args: Args) -> anyhow::Result<ExitCode> {
    let views = super::open_views(global).await?;
    views.backup(&args.file).await?;
    views.close().await;
    println!("{}: {} bytes", args.file.display(), std::fs::metadata(&args.file)?.len());
    Ok(ExitCode::SUCCESS)
}
