//! In-band keys: the dual tones of ITU-T Q.23 in 8 kHz audio, by Goertzel filters.
//!
//! Blocks of 102 samples (12.75 ms): the shortest press that Q.24 asks for, 40 ms, holds at least two whole blocks
//! wherever it begins, and so does the shortest pause.

use std::f32::consts::TAU;
use std::sync::LazyLock;

use crate::domain::Digit;

/// Samples in one block.
const BLOCK: usize = 102;
const ROWS: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
const KEYS: [[char; 4]; 4] =
    [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

/// Mean square under which a block is not looked at: about -43 dBFS.
const POWER_MIN: f32 = 52_000.0;
/// Share of the block's energy that the two tones must hold. Tones 1.5 % off pitch keep 0.7 and more.
const SHARE_MIN: f32 = 0.68;
/// The same share, summed over the two blocks that make a press.
const SHARES_MIN: f32 = 1.5;
/// The strongest tone of a group over every other one of that group, as a ratio of powers (8 dB).
const LEAD_MIN: f32 = 6.3;
/// How much stronger the row may be than the column (10 dB, so that -8 dB passes with room) ...
const TWIST_NORMAL_MAX: f32 = 10.0;
/// ... and the column than the row (6 dB).
const TWIST_REVERSE_MAX: f32 = 4.0;
/// Blocks without the key that end a press.
const RELEASE_BLOCKS: u8 = 2;

static COEFFICIENTS: LazyLock<[f32; 8]> = LazyLock::new(|| {
    let mut coefficients = [0.0; 8];
    for (coefficient, frequency) in coefficients.iter_mut().zip(ROWS.into_iter().chain(COLUMNS)) {
        *coefficient = 2.0 * (TAU * frequency / 8000.0).cos();
    }
    coefficients
});

/// Finds keys in one stream of samples.
#[derive(Debug)]
pub struct ToneDetector {
    block: [i16; BLOCK],
    filled: usize,
    /// The key of the last block, and its share of the energy.
    candidate: Option<(Digit, f32)>,
    /// The key that is down, and how many blocks it has been missing.
    down: Option<(Digit, u8)>,
}

impl Default for ToneDetector {
    fn default() -> Self {
        Self { block: [0; BLOCK], filled: 0, candidate: None, down: None }
    }
}

impl ToneDetector {
    /// Takes samples at 8 kHz and calls `pressed` once for each key that went down.
    pub fn handle_samples(&mut self, samples: impl Iterator<Item = i16>, mut pressed: impl FnMut(Digit)) {
        for sample in samples {
            self.block[self.filled] = sample;
            self.filled += 1;
            if self.filled == BLOCK {
                self.filled = 0;
                let found = examine(&self.block);
                if let Some(digit) = self.handle_block(found) {
                    pressed(digit);
                }
            }
        }
    }

    /// The key that is down now.
    #[must_use]
    pub fn held(&self) -> Option<Digit> {
        self.down.map(|(digit, _)| digit)
    }

    /// A key counts when two blocks in a row show it, and is up when two in a row do not.
    fn handle_block(&mut self, found: Option<(Digit, f32)>) -> Option<Digit> {
        let last = std::mem::replace(&mut self.candidate, found);
        let confirmed = match (last, found) {
            (Some((before, a)), Some((now, b))) if before == now && a + b >= SHARES_MIN => Some(now),
            _ => None,
        };
        let found = found.map(|(digit, _)| digit);
        if let Some((digit, missing)) = &mut self.down {
            if found == Some(*digit) {
                *missing = 0;
                return None;
            }
            *missing += 1;
            if *missing < RELEASE_BLOCKS && confirmed.is_none() {
                return None;
            }
            self.down = None;
        }
        self.down = confirmed.map(|digit| (digit, 0));
        confirmed
    }
}

/// The key whose two tones make up this block, and their share of its energy.
fn examine(block: &[i16; BLOCK]) -> Option<(Digit, f32)> {
    let energy: f32 = block.iter().map(|&sample| f32::from(sample).powi(2)).sum();
    if energy < POWER_MIN * BLOCK as f32 {
        return None;
    }
    let powers = goertzel(block);
    let (row, row_power) = strongest(&powers[..4])?;
    let (column, column_power) = strongest(&powers[4..])?;
    // A sine of amplitude A gives (A * N / 2)^2 here and A^2 * N / 2 in energy.
    let share = (row_power + column_power) * 2.0 / BLOCK as f32 / energy;
    let twisted = row_power > column_power * TWIST_NORMAL_MAX || column_power > row_power * TWIST_REVERSE_MAX;
    if share < SHARE_MIN || twisted {
        return None;
    }
    Digit::from_char(KEYS[row][column]).map(|digit| (digit, share))
}

fn goertzel(block: &[i16; BLOCK]) -> [f32; 8] {
    let coefficients = *COEFFICIENTS;
    let (mut last, mut before) = ([0f32; 8], [0f32; 8]);
    for &sample in block {
        for i in 0..8 {
            let next = f32::from(sample) + coefficients[i] * last[i] - before[i];
            before[i] = last[i];
            last[i] = next;
        }
    }
    let mut powers = [0.0; 8];
    for i in 0..8 {
        powers[i] = last[i].powi(2) + before[i].powi(2) - coefficients[i] * last[i] * before[i];
    }
    powers
}

/// The strongest of a group, if it leads every other one clearly.
fn strongest(group: &[f32]) -> Option<(usize, f32)> {
    let (best, &power) = group.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
    let leads = group.iter().enumerate().all(|(i, &other)| i == best || other * LEAD_MIN <= power);
    leads.then_some((best, power))
}

/// The samples of one key at 8 kHz: row and column at the given amplitudes, continuing from sample `from`.
#[must_use]
pub fn tone(digit: Digit, from: u32, count: u32, row_amplitude: f32, column_amplitude: f32) -> Vec<i16> {
    let place = |(row, keys): (usize, &[char; 4])| {
        keys.iter().position(|&key| key == digit.as_char()).map(|column| (row, column))
    };
    let (row, column) = KEYS.iter().enumerate().find_map(place).unwrap_or_default();
    (from..from + count)
        .map(|i| {
            let at =
                |frequency: f32| (f64::from(i) * f64::from(frequency) / 8000.0 * std::f64::consts::TAU).sin();
            (at(ROWS[row]) * f64::from(row_amplitude) + at(COLUMNS[column]) * f64::from(column_amplitude))
                as i16
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    const ALL: &str = "1234567890*#ABCD";

    fn heard(samples: &[i16]) -> String {
        let mut keys = String::new();
        ToneDetector::default().handle_samples(samples.iter().copied(), |digit| keys.push(digit.as_char()));
        keys
    }

    fn dial(
        keys: &str,
        on_ms: u32,
        off_ms: u32,
        row: f32,
        column: f32,
        lead_in: usize,
        noise: i16,
    ) -> Vec<i16> {
        let mut random = StdRng::seed_from_u64(7);
        let mut samples = vec![0; lead_in];
        for key in keys.chars() {
            samples.extend(tone(Digit::from_char(key).unwrap(), 0, on_ms * 8, row, column));
            samples.extend(vec![0; off_ms as usize * 8]);
        }
        samples.extend([0; 400]);
        samples.iter().map(|&s| s.saturating_add(random.random_range(-noise..=noise))).collect()
    }

    #[test]
    fn every_key_at_the_minimum_wherever_it_begins() {
        for lead_in in (0..BLOCK).step_by(3) {
            assert_eq!(heard(&dial(ALL, 40, 40, 6000.0, 6000.0, lead_in, 0)), ALL, "lead-in {lead_in}");
            assert_eq!(heard(&dial("5555111", 40, 40, 6000.0, 6000.0, lead_in, 0)), "5555111");
        }
    }

    #[test]
    fn twisted_quiet_noisy_and_companded_keys() {
        let eight_db = 10f32.powf(-8.0 / 20.0);
        for lead_in in [0, 17, 51, 90] {
            assert_eq!(heard(&dial(ALL, 45, 45, 6000.0, 6000.0 * eight_db, lead_in, 0)), ALL);
            assert_eq!(heard(&dial(ALL, 45, 45, 6000.0 * 0.63, 6000.0, lead_in, 0)), ALL);
            assert_eq!(heard(&dial(ALL, 45, 45, 400.0, 400.0, lead_in, 0)), ALL, "-35 dBm0 and less");
            assert_eq!(heard(&dial(ALL, 50, 50, 6000.0, 6000.0, lead_in, 800)), ALL, "noise");
            let samples = dial(ALL, 45, 45, 6000.0, 6000.0, lead_in, 0);
            let law = crate::media::g711::Law::A;
            assert_eq!(heard(&law.decode(&law.encode(&samples)).collect::<Vec<_>>()), ALL);
        }
    }

    #[test]
    fn tones_off_pitch_by_one_and_a_half_percent_still_count() {
        for (shift, expected) in [(1.015, "5"), (0.985, "5"), (1.035, ""), (0.965, "")] {
            let samples: Vec<i16> = (0..640)
                .map(|i| {
                    let at = |f: f64| (f64::from(i) * f * shift / 8000.0 * std::f64::consts::TAU).sin();
                    (6000.0 * (at(770.0) + at(1336.0))) as i16
                })
                .collect();
            assert_eq!(heard(&samples), expected, "{shift}");
        }
    }

    #[test]
    fn a_long_press_is_one_press_even_with_a_drop_out() {
        let mut samples = tone(Digit::from_char('7').unwrap(), 0, 16_000, 6000.0, 6000.0);
        samples[8000..8080].fill(0);
        assert_eq!(heard(&samples), "7");
    }

    #[test]
    fn keys_survive_g722() {
        for lead_in in (0..BLOCK).step_by(7) {
            let samples = dial(ALL, 60, 60, 6000.0, 6000.0, lead_in, 30);
            let wide: Vec<i16> =
                samples.windows(2).flat_map(|pair| [pair[0], pair[0] / 2 + pair[1] / 2]).collect();
            let octets = crate::media::g722::encode(&wide);
            assert_eq!(heard(&crate::media::g722::Decoder::new().decode(&octets)), ALL, "lead-in {lead_in}");
        }
    }

    #[test]
    fn noise_and_voices_are_no_keys() {
        let mut random = StdRng::seed_from_u64(11);
        let noise: Vec<i16> = (0..8000 * 60).map(|_| random.random_range(-9000..9000)).collect();
        assert_eq!(heard(&noise), "");
        // A minute of vowels: a glottal pulse train of changing pitch through three wandering resonances.
        let mut voice = Vec::new();
        for _ in 0..200 {
            let pitch = random.random_range(80.0..260.0);
            let formants: [f64; 3] = [
                random.random_range(300.0..900.0),
                random.random_range(900.0..1700.0),
                random.random_range(2200.0..3000.0),
            ];
            let mut states = [[0f64; 2]; 3];
            for i in 0..2400 {
                let phase = f64::from(i) * pitch / 8000.0;
                let pulse =
                    if phase.fract() < pitch / 8000.0 { 3000.0 } else { random.random_range(-60.0..60.0) };
                let mut sum = 0.0;
                for (state, formant) in states.iter_mut().zip(formants) {
                    let out = pulse
                        + 2.0 * 0.97 * (formant / 8000.0 * std::f64::consts::TAU).cos() * state[0]
                        - 0.97 * 0.97 * state[1];
                    *state = [out, state[0]];
                    sum += out;
                }
                voice.push((sum * 0.6).clamp(-32_000.0, 32_000.0) as i16);
            }
        }
        assert_eq!(heard(&voice), "");
    }
}
