//! The recorded prompts: loaded and encoded at the start, checked for what callers would hear, imported from any sound
//! file.
//!
//! A folder for each language holds `NAME.wav` (8 kHz, 16 bit, mono) and `texts.toml`, a flat table of what each one
//! says.

mod check;
mod import;
mod library;
mod packed;
mod riff;
mod sound;
mod wav;

pub use check::{Finding, Problem, check};
pub use import::{ImportError, Imported, import};
pub use library::{Library, PromptsError};
pub use sound::Refused;
pub use wav::WavError;

/// Reads any sound file as speech: samples at 8 kHz, mono.
///
/// # Errors
/// [`WavError`] for what is no sound that is read, or not convertible.
pub fn read_speech(path: &std::path::Path) -> Result<Vec<i16>, WavError> {
    wav::read_any(path).map(|samples| wav::to_i16(&samples))
}
