//! What ten milliseconds of a telephone line sound like: how loud, and whether it is a machine's tone.

/// Samples of one step: 10 ms.
pub(super) const STEP: usize = 80;
/// Level of digital silence, in dBFS.
pub(super) const SILENCE_DBFS: f32 = -90.0;

/// Samples that a tone is looked for in: 30 ms.
const WINDOW: usize = 240;
/// Order of the prediction: two sines, which is what a key or a signal of the network is.
const ORDER: usize = 4;
/// How much better than its own energy a tone can be predicted from its past, in dB. Voices stay below 22.
const TONE_GAIN_DB: f32 = 26.0;
/// How little a tone's level changes in 40 ms, in dB.
const TONE_STEADY_DB: f32 = 0.8;

/// One step, measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sound {
    /// Level without what lies below speech, in dBFS.
    pub(super) dbfs: f32,
    /// It is a steady tone or two.
    pub(super) tone: bool,
}

/// Measures a line step by step.
#[derive(Debug)]
pub(super) struct Meter {
    highpass: Highpass,
    window: [f32; WINDOW],
    /// Levels of the last four steps, the latest last.
    levels: [f32; 4],
}

impl Default for Meter {
    fn default() -> Self {
        Self { highpass: Highpass::default(), window: [0.0; WINDOW], levels: [SILENCE_DBFS; 4] }
    }
}

impl Meter {
    /// Measures the next step.
    pub(super) fn measure(&mut self, samples: &[i16; STEP]) -> Sound {
        self.window.copy_within(STEP.., 0);
        for (to, &sample) in self.window[WINDOW - STEP..].iter_mut().zip(samples) {
            *to = self.highpass.filter(f32::from(sample) / 32_768.0);
        }
        let dbfs = level(&self.window[WINDOW - STEP..]);
        let steady = self.levels.iter().all(|before| (before - dbfs).abs() < TONE_STEADY_DB);
        self.levels.rotate_left(1);
        self.levels[3] = dbfs;
        Sound { dbfs, tone: steady && prediction_gain_db(&self.window) > TONE_GAIN_DB }
    }
}

/// Root mean square in dBFS.
pub(super) fn level(samples: &[f32]) -> f32 {
    let energy: f32 = samples.iter().map(|sample| sample * sample).sum();
    decibels(energy / samples.len().max(1) as f32)
}

/// A mean square, full scale at 1, in dBFS.
pub(super) fn decibels(mean_square: f32) -> f32 {
    if mean_square > 1e-9 { 10.0 * mean_square.log10() } else { SILENCE_DBFS }
}

/// How well a window is predicted from its own past (linear prediction by Levinson's recursion), in dB.
fn prediction_gain_db(window: &[f32; WINDOW]) -> f32 {
    let mut shaped = [0.0f32; WINDOW];
    for (at, (to, from)) in shaped.iter_mut().zip(window).enumerate() {
        let phase = std::f32::consts::TAU * at as f32 / (WINDOW - 1) as f32;
        *to = from * (0.5 - 0.5 * phase.cos());
    }
    let correlation = |lag: usize| -> f64 {
        shaped[lag..].iter().zip(&shaped).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let correlations: [f64; ORDER + 1] = std::array::from_fn(correlation);
    if correlations[0] <= 1e-9 {
        return 0.0;
    }
    let mut error = correlations[0];
    let mut predictor = [0.0f64; ORDER + 1];
    for order in 1..=ORDER {
        let mut sum = correlations[order];
        for at in 1..order {
            sum += predictor[at] * correlations[order - at];
        }
        let reflection = -sum / error;
        let before = predictor;
        for at in 1..order {
            predictor[at] = before[at] + reflection * before[order - at];
        }
        predictor[order] = reflection;
        error *= 1.0 - reflection * reflection;
        if error <= correlations[0] * 1e-6 {
            return 60.0;
        }
    }
    10.0 * (correlations[0] / error).log10() as f32
}

/// A high-pass of second order at 180 Hz (Butterworth, bilinear transform): the hum of the mains and what a handset's
/// wind makes lie below, voices on a telephone above.
#[derive(Debug, Default)]
struct Highpass {
    input: [f32; 2],
    output: [f32; 2],
}

impl Highpass {
    const B0: f32 = 0.904_858_75;
    const A1: f32 = -1.800_645;
    const A2: f32 = 0.818_79;

    fn filter(&mut self, input: f32) -> f32 {
        let output = Self::B0 * (input - 2.0 * self.input[0] + self.input[1])
            - Self::A1 * self.output[0]
            - Self::A2 * self.output[1];
        self.input = [input, self.input[0]];
        self.output = [output, self.output[0]];
        output
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(of: impl Fn(usize) -> f32) -> Sound {
        let mut meter = Meter::default();
        let mut sound = Sound { dbfs: 0.0, tone: false };
        for step in 0..20 {
            let samples = std::array::from_fn(|at| (of(step * STEP + at) * 32_767.0) as i16);
            sound = meter.measure(&samples);
        }
        sound
    }

    fn sine(hz: f32, at: usize) -> f32 {
        (std::f32::consts::TAU * hz * at as f32 / 8000.0).sin()
    }

    #[test]
    fn tones_are_known_and_their_level_is_right() {
        for (low, high) in [(697.0, 1209.0), (941.0, 1477.0), (697.0, 1477.0), (425.0, 425.0)] {
            let sound = last(|at| 0.2 * sine(low, at) + 0.2 * sine(high, at));
            assert!(sound.tone, "{low} {high}");
        }
        let sound = last(|at| 0.1 * sine(1000.0, at));
        assert!((sound.dbfs + 23.0).abs() < 0.3, "{sound:?}");
        assert!(!last(|at| 0.1 * sine(1000.0, at) * (at as f32 / 1600.0)).tone, "one that swells is none");
    }

    #[test]
    fn hum_is_taken_out_and_silence_is_silent() {
        assert!(last(|at| 0.1 * sine(50.0, at)).dbfs < -40.0);
        assert_eq!(last(|_| 0.0), Sound { dbfs: SILENCE_DBFS, tone: false });
    }
}
