//! Any sound file to a prompt: 8 kHz mono, trimmed, levelled, peaks held.

use std::path::Path;
use std::time::Duration;

use super::check::{FRAME, TARGET_DBFS, active_level_dbfs};
use super::wav::{self, RATE_HZ, WavError};

/// Silence kept before and after the speech: 100 ms.
const MARGIN: usize = RATE_HZ as usize / 10;
/// A frame this much under the active level is silence, in dB.
const TRIM_DB: f32 = 35.0;
/// No sample goes beyond this; the limiter bends what would (-1 dBFS).
const PEAK: f32 = 0.891;
/// Where the limiter begins to bend (-6 dBFS).
const KNEE: f32 = 0.5;

/// Why an import failed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file cannot be read or written.
    #[error(transparent)]
    Wav(#[from] WavError),
    /// There is nothing in it.
    #[error("{}: holds no sound", .0.display())]
    Silent(std::path::PathBuf),
}

/// What an import made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Imported {
    /// How long the prompt is.
    pub duration: Duration,
    /// By how much it was made louder (or softer, below 0), in dB.
    pub gain_db: f32,
}

/// Converts any sound file that is read (WAV of any rate, channels and samples, G.711 too; MP3, FLAC, Ogg Vorbis) to a
/// prompt.
///
/// # Errors
/// [`ImportError`] when the input is no sound or the output cannot be written.
pub fn import(from: &Path, to: &Path) -> Result<Imported, ImportError> {
    let samples = wav::read_any(from)?;
    let samples = without_offset(samples);
    let level = active_level_dbfs(&samples).ok_or_else(|| ImportError::Silent(from.into()))?;
    let trimmed = trim(&samples, level);
    let gain_db = TARGET_DBFS - level;
    let gain = 10f32.powf(gain_db / 20.0);
    let levelled: Vec<f32> = trimmed.iter().map(|sample| limit(sample * gain)).collect();
    wav::write_prompt(to, &wav::to_i16(&levelled))?;
    Ok(Imported { duration: Duration::from_secs_f64(levelled.len() as f64 / f64::from(RATE_HZ)), gain_db })
}

fn without_offset(mut samples: Vec<f32>) -> Vec<f32> {
    let offset = samples.iter().sum::<f32>() / samples.len().max(1) as f32;
    samples.iter_mut().for_each(|sample| *sample -= offset);
    samples
}

fn trim(samples: &[f32], level: f32) -> &[f32] {
    let least = 10f32.powf((level - TRIM_DB) / 10.0);
    let loud =
        |frame: &[f32]| frame.iter().map(|sample| sample * sample).sum::<f32>() >= least * frame.len() as f32;
    let mut frames = samples.chunks(FRAME);
    let first = frames.position(loud).unwrap_or(0);
    let last = samples.chunks(FRAME).rposition(loud).unwrap_or(0);
    let from = (first * FRAME).saturating_sub(MARGIN);
    let to = ((last + 1) * FRAME + MARGIN).min(samples.len());
    &samples[from..to]
}

/// Leaves what is under the knee alone and bends the rest towards the peak.
fn limit(sample: f32) -> f32 {
    let size = sample.abs();
    if size <= KNEE {
        return sample;
    }
    let room = PEAK - KNEE;
    (KNEE + room * ((size - KNEE) / room).tanh()).copysign(sample)
}

#[cfg(test)]
mod tests {
    use hound::{SampleFormat, WavSpec, WavWriter};

    use super::*;
    use crate::prompts::wav::read_prompt;

    fn check(rate: u32, channels: u16, bits: u16, format: SampleFormat, amplitude: f32) {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("in.wav"), dir.path().join("out.wav"));
        let spec = WavSpec { channels, sample_rate: rate, bits_per_sample: bits, sample_format: format };
        let mut writer = WavWriter::create(&from, spec).unwrap();
        for i in 0..rate * 3 {
            let inside = (rate..rate * 2).contains(&i);
            let phase = f64::from(i) * 500.0 / f64::from(rate) * std::f64::consts::TAU;
            let sample = if inside { amplitude * phase.sin() as f32 } else { 0.0 };
            for _ in 0..channels {
                match format {
                    SampleFormat::Float => writer.write_sample(sample).unwrap(),
                    SampleFormat::Int => {
                        let full = (1i64 << (bits - 1)) as f32 - 1.0;
                        writer.write_sample((sample * full) as i32).unwrap();
                    }
                }
            }
        }
        writer.finalize().unwrap();
        let imported = import(&from, &to).unwrap();
        let ms = imported.duration.as_millis();
        assert!((1180..=1260).contains(&ms), "{rate} {ms} ms");
        let samples = read_prompt(&to).unwrap();
        let level = active_level_dbfs(&wav::to_f32(&samples)).unwrap();
        assert!((level - TARGET_DBFS).abs() < 1.0, "{rate} {level} dBFS");
        assert!(samples.iter().all(|sample| sample.unsigned_abs() < 29_300));
    }

    #[test]
    fn any_rate_width_and_level_becomes_a_prompt() {
        check(8000, 1, 16, SampleFormat::Int, 0.9);
        check(44_100, 2, 24, SampleFormat::Int, 0.02);
        check(48_000, 1, 32, SampleFormat::Float, 0.5);
        check(16_000, 2, 8, SampleFormat::Int, 0.5);
        check(22_050, 1, 32, SampleFormat::Int, 0.3);
    }

    #[test]
    fn nothing_in_nothing_out() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("in.wav");
        wav::write_prompt(&from, &[0; 8000]).unwrap();
        assert!(matches!(import(&from, &dir.path().join("out.wav")), Err(ImportError::Silent(_))));
        assert!(matches!(import(&dir.path().join("none.wav"), &from), Err(ImportError::Wav(_))));
    }
}
