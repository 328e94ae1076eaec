//! Prompts in and out as files, and changes of rate.

use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavSpec, WavWriter};
use rubato::audioadapter_buffers::owned::InterleavedOwned;
use rubato::{Fft, FixedSync, Resampler};

use super::riff;
use super::sound::{self, Refused};

/// The one rate of prompts, in Hz.
pub(super) const RATE_HZ: u32 = 8000;

/// Why a sound file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WavError {
    /// It cannot be read or written.
    #[error("{}: {what}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        what: String,
    },
    /// It is no sound, or of a kind that is not read.
    #[error("{}: {refused}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        refused: Refused,
    },
    /// A rate or length that cannot be converted.
    #[error("{}: a rate of {rate_hz} Hz or this length cannot be converted", path.display())]
    Unconvertible {
        /// The file.
        path: PathBuf,
        /// Its rate.
        rate_hz: u32,
    },
}

fn octets(path: &Path) -> Result<Vec<u8>, WavError> {
    let read =
        sound::octets(path).map_err(|what| WavError::File { path: path.into(), what: what.to_string() })?;
    read.map_err(|refused| WavError::Refused { path: path.into(), refused })
}

/// Reads a file that is in the format of prompts already.
pub(super) fn read_prompt(path: &Path) -> Result<Vec<i16>, WavError> {
    let refused = |refused| WavError::Refused { path: path.into(), refused };
    let bytes = octets(path)?;
    if !riff::is_riff(&bytes) {
        let is_sound = sound::read(&bytes, path).is_ok();
        let why =
            if is_sound { Refused::NotPlain("is no WAV file".into()) } else { sound::name(&bytes, path) };
        return Err(refused(why));
    }
    match riff::read_plain(&bytes).map_err(refused)? {
        (RATE_HZ, samples) => Ok(samples),
        (rate_hz, _) => Err(refused(Refused::NotPlain(format!("{rate_hz} Hz, 16 bit, 1 channel(s)")))),
    }
}

/// Reads any sound file as mono at 8 kHz, full scale at 1.
pub(super) fn read_any(path: &Path) -> Result<Vec<f32>, WavError> {
    let refused = |refused| WavError::Refused { path: path.into(), refused };
    let mono = sound::read(&octets(path)?, path).map_err(refused)?;
    let rate_hz = mono.rate_hz;
    resample(mono.samples, rate_hz, RATE_HZ)
        .ok_or_else(|| WavError::Unconvertible { path: path.into(), rate_hz })
}

/// Writes a file in the format of prompts.
pub(super) fn write_prompt(path: &Path, samples: &[i16]) -> Result<(), WavError> {
    let file = |source: hound::Error| WavError::File { path: path.into(), what: source.to_string() };
    let spec =
        WavSpec { channels: 1, sample_rate: RATE_HZ, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let mut writer = WavWriter::create(path, spec).map_err(file)?;
    for &sample in samples {
        writer.write_sample(sample).map_err(file)?;
    }
    writer.finalize().map_err(file)
}

/// Changes the rate of a whole recording. `None` when the resampler refuses, which a sound rate never makes it do.
pub(super) fn resample(samples: Vec<f32>, from_hz: u32, to_hz: u32) -> Option<Vec<f32>> {
    if from_hz == to_hz || samples.is_empty() {
        return Some(samples);
    }
    let frames = samples.len();
    let mut resampler = Fft::<f32>::new(from_hz as usize, to_hz as usize, 1024, 1, FixedSync::Input).ok()?;
    let input = InterleavedOwned::new_from(samples, 1, frames).ok()?;
    resampler.process_all(&input, frames, None).ok().map(InterleavedOwned::take_data)
}

/// To 16 bits, with what is beyond full scale clipped.
pub(super) fn to_i16(samples: &[f32]) -> Vec<i16> {
    samples.iter().map(|&sample| (sample * 32_767.0).round().clamp(-32_768.0, 32_767.0) as i16).collect()
}

/// From 16 bits, full scale at 1.
pub(super) fn to_f32(samples: &[i16]) -> Vec<f32> {
    samples.iter().map(|&sample| f32::from(sample) / 32_768.0).collect()
}
