//! `aftercall prompts`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::Global;
use crate::prompts;

/// What to do with recordings.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look for prompts that are missing, of the wrong format, clipped, silent, too loud, too soft or too long.
    #[command(after_help = "Exit codes: 0 nothing found, 1 something found, 3 the folder cannot be read.")]
    Check {
        /// Folder of the language folders.
        #[arg(default_value = "prompts")]
        dir: PathBuf,
    },
    /// Make a prompt of a recording: 8 kHz, 16 bit, mono, trimmed and levelled. WAV files are read as PBXs and studios
    /// write them (linear, float, G.711 A-law and mu-law), MP3, FLAC and Ogg Vorbis too.
    Import {
        /// The recording.
        from: PathBuf,
        /// The prompt to write, prompts/LANGUAGE/NAME.wav.
        to: PathBuf,
    },
}

/// Checks or imports.
pub(super) fn run(_global: &Global, args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Check { dir } => {
            let findings = prompts::check(&dir)?;
            for finding in &findings {
                let kind = if finding.problem.is_serious() { "error" } else { "warning" };
                println!("{kind}: {finding}");
            }
            println!("{} finding(s) in {}", findings.len(), dir.display());
            Ok(ExitCode::from(u8::from(!findings.is_empty())))
        }
        Command::Import { from, to } => {
            let made = prompts::import(&from, &to)?;
            println!("{}: {:.1} s, gain {:+.1} dB", to.display(), made.duration.as_secs_f32(), made.gain_db);
            println!("Add its text to {}.", to.with_file_name("texts.toml").display());
            Ok(ExitCode::SUCCESS)
        }
    }
}
