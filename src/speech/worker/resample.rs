//! From the telephone's 8 kHz to a model's 16 kHz, as the samples come.

use rubato::audioadapter_buffers::owned::InterleavedOwned;
use rubato::{Fft, FixedSync, Resampler};

/// Samples taken at once: 16 ms.
const BLOCK: usize = 128;

/// Doubles the rate of one utterance.
pub struct Doubler {
    resampler: Fft<f32>,
    waiting: Vec<f32>,
}

impl Doubler {
    /// For one utterance; `None` when the resampler refuses, which these rates never make it do.
    #[must_use]
    pub fn new() -> Option<Self> {
        let resampler = Fft::new(8_000, 16_000, BLOCK, 1, FixedSync::Input).ok()?;
        Some(Self { resampler, waiting: Vec::with_capacity(2 * BLOCK) })
    }

    /// Takes samples and appends what they become; up to a block stays inside until more comes.
    pub fn double(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        self.waiting.extend(samples.iter().map(|&sample| f32::from(sample)));
        loop {
            let need = self.resampler.input_frames_next();
            if self.waiting.len() < need {
                return;
            }
            let block: Vec<f32> = self.waiting.drain(..need).collect();
            let Ok(block) = InterleavedOwned::new_from(block, 1, need) else { return };
            let Ok(doubled) = self.resampler.process(&block, None) else { return };
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the cast saturates, as a loud sample should"
            )]
            out.extend(doubled.take_data().into_iter().map(|sample| sample.round() as i16));
        }
    }

    /// Appends what is still inside.
    pub fn flush(&mut self, out: &mut Vec<i16>) {
        let silence = self.resampler.output_delay() + BLOCK;
        self.double(&vec![0; silence], out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_keeps_its_pitch_and_level() {
        let tone = |rate: f32, count: usize| -> Vec<f32> {
            (0..count).map(|i| 8_000.0 * (std::f32::consts::TAU * 1_000.0 * i as f32 / rate).sin()).collect()
        };
        let narrow: Vec<i16> = tone(8_000.0, 4_000).into_iter().map(|s| s as i16).collect();
        let (mut doubler, mut wide) = (Doubler::new().unwrap(), Vec::new());
        for part in narrow.chunks(160) {
            doubler.double(part, &mut wide);
        }
        doubler.flush(&mut wide);
        assert!(wide.len() >= 8_000, "{}", wide.len());
        // The energy at 1 kHz, measured past the beginning, is that of a tone of the same level.
        let reference = tone(16_000.0, 4_000);
        let cosine = |i: usize| 8_000.0 * (std::f32::consts::TAU * 1_000.0 * i as f32 / 16_000.0).cos();
        let (mut sine, mut quarter) = (0.0_f64, 0.0_f64);
        for (i, &sample) in wide[2_000..6_000].iter().enumerate() {
            sine += f64::from(sample) * f64::from(reference[i]);
            quarter += f64::from(sample) * f64::from(cosine(i));
        }
        let level = (sine.hypot(quarter) / 4_000.0 * 2.0).sqrt();
        assert!((level - 8_000.0).abs() < 200.0, "{level}");
    }
}
