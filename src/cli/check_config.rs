//! `aftercall check-config`.

use std::process::ExitCode;

use super::Global;

/// Prints what is wrong, or what there is.
pub(super) fn run(global: &Global) -> anyhow::Result<ExitCode> {
    match crate::config::load(&global.config) {
        Ok(live) => {
            for warning in &live.warnings {
                println!("warning: {warning}");
            }
            for warning in live.config.web.warnings() {
                println!("warning: {warning}");
            }
            let (trunks, listeners) = (live.config.trunk.len(), live.config.listener.len());
            println!(
                "{}: good. {listeners} listeners, {trunks} trunks, {} surveys, prompts in {} languages.",
                global.config.display(),
                live.surveys.iter().count(),
                live.prompts.languages().count()
            );
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("{error}");
            Ok(ExitCode::from(1))
        }
    }
}
