//! Whether what is loud is sustained as notes are: music that a PBX sends for a caller on hold is no answer.
//!
//! A held note repeats its wave exactly, also after 50 to 110 ms; a voice does so for a moment at most, because its pitch
//! and its mouth move. Speech of people was sustained for 0-36 % of its loud time (two in a hundred of their digits for more
//! than 20 %), pieces of music on hold up to 78 %. Music without held notes, drums and noise, cannot be told apart in this way.

use super::sound::STEP;

/// Samples of a step, at half the rate.
const HALF: usize = STEP / 2;
/// What is compared: 30 ms.
const WINDOW: usize = 3 * HALF;
/// With what was there so long ago: 50 to 110 ms.
const LAG_MIN: usize = 5 * HALF;
const LAG_MAX: usize = 11 * HALF;
/// Steps until all that is compared lies behind the beginning of the sound.
pub(super) const STEPS_BEFORE: u32 = 14;
/// How exactly a note repeats: the square of the correlation.
const EXACT: f32 = 0.95 * 0.95;
/// Looks below which nothing is said: 200 ms of loud sound.
const LOOKS_MIN: u32 = 10;
/// Looks from which on an utterance is longer than most answers: a second of loud sound.
const LOOKS_MANY: u32 = 50;

/// Follows a line, and counts within an utterance.
#[derive(Debug)]
pub(super) struct Sustain {
    /// The latest samples at half the rate, without what is below speech.
    past: [f32; WINDOW + LAG_MAX],
    before: f32,
    level: f32,
    looks: u32,
    held: u32,
}

impl Default for Sustain {
    fn default() -> Self {
        Self { past: [0.0; WINDOW + LAG_MAX], before: 0.0, level: 0.0, looks: 0, held: 0 }
    }
}

impl Sustain {
    /// Takes the next step of the line.
    pub(super) fn follow(&mut self, samples: &[i16; STEP]) {
        self.past.copy_within(HALF.., 0);
        let newest = self.past.len() - HALF;
        for (to, pair) in self.past[newest..].iter_mut().zip(samples.chunks_exact(2)) {
            let mean = f32::from(pair[0]).midpoint(f32::from(pair[1]));
            self.level = mean - self.before + 0.9 * self.level;
            self.before = mean;
            *to = self.level;
        }
    }

    /// An utterance begins.
    pub(super) fn begin(&mut self) {
        (self.looks, self.held) = (0, 0);
    }

    /// Looks at the latest step, which is loud.
    pub(super) fn look(&mut self) {
        let window = &self.past[LAG_MAX..];
        let own: f32 = window.iter().map(|sample| sample * sample).sum();
        let repeats = (LAG_MIN..=LAG_MAX).any(|lag| {
            let earlier = &self.past[LAG_MAX - lag..][..WINDOW];
            let (mut product, mut energy) = (0.0, 0.0);
            for (now, then) in window.iter().zip(earlier) {
                product += now * then;
                energy += then * then;
            }
            product > 0.0 && product * product > EXACT * own * energy
        });
        self.looks += 1;
        self.held += u32::from(repeats && own > 0.0);
    }

    /// Whether the utterance was sustained for longer than speech is.
    pub(super) fn is_music(&self) -> bool {
        let percent = if self.looks >= LOOKS_MANY { 20 } else { 30 };
        self.looks >= LOOKS_MIN && 100 * self.held >= percent * self.looks
    }
}
