//! WAV files in and out, and changes of rate.

use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use rubato::audioadapter_buffers::owned::InterleavedOwned;
use rubato::{Fft, FixedSync, Resampler};

/// The one rate of prompts, in Hz.
pub(super) const RATE_HZ: u32 = 8000;
/// Longest file read, in samples of all channels: ten minutes of stereo at 48 kHz.
const SAMPLES_MAX: u32 = 2 * 48_000 * 600;

/// Why a WAV file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WavError {
    /// It cannot be read, or is no WAV file.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: hound::Error,
    },
    /// A prompt has to be 8 kHz, 16 bit, mono PCM.
    #[error(
        "{}: {rate_hz} Hz, {bits} bit, {channels} channel(s); a prompt is 8000 Hz, 16 bit, mono PCM (use `prompts import`)",
        path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Its rate.
        rate_hz: u32,
        /// Its sample width.
        bits: u16,
        /// Its channels.
        channels: u16,
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

/// Reads a file that is in the format of prompts already.
pub(super) fn read_prompt(path: &Path) -> Result<Vec<i16>, WavError> {
    let file = |source| WavError::File { path: path.into(), source };
    let reader = WavReader::open(path).map_err(file)?;
    let WavSpec { channels, sample_rate, bits_per_sample, sample_format } = reader.spec();
    if (channels, sample_rate, bits_per_sample, sample_format) != (1, RATE_HZ, 16, SampleFormat::Int) {
        let path = path.into();
        return Err(WavError::Format { path, rate_hz: sample_rate, bits: bits_per_sample, channels });
    }
    reader.into_samples().collect::<Result<_, _>>().map_err(file)
}

/// Reads any WAV file as mono at 8 kHz, full scale at 1.
pub(super) fn read_any(path: &Path) -> Result<Vec<f32>, WavError> {
    let file = |source| WavError::File { path: path.into(), source };
    let reader = WavReader::open(path).map_err(file)?;
    let spec = reader.spec();
    let unconvertible = || WavError::Unconvertible { path: path.into(), rate_hz: spec.sample_rate };
    if spec.channels == 0 || reader.len() > SAMPLES_MAX || !(4000..=384_000).contains(&spec.sample_rate) {
        return Err(unconvertible());
    }
    let samples: Vec<f32> = match spec.sample_format {
        SampleFormat::Float => reader.into_samples::<f32>().collect::<Result<_, _>>().map_err(file)?,
        SampleFormat::Int => {
            let full = (1u64 << (u32::from(spec.bits_per_sample.clamp(1, 32)) - 1)) as f32;
            let scaled = reader.into_samples::<i32>().map(|sample| sample.map(|sample| sample as f32 / full));
            scaled.collect::<Result<_, _>>().map_err(file)?
        }
    };
    let channels = usize::from(spec.channels);
    let mono =
        samples.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() / channels as f32).collect();
    resample(mono, spec.sample_rate, RATE_HZ).ok_or_else(unconvertible)
}

/// Writes a file in the format of prompts.
pub(super) fn write_prompt(path: &Path, samples: &[i16]) -> Result<(), WavError> {
    let file = |source| WavError::File { path: path.into(), source };
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
