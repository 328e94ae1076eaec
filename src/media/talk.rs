//! Talk detection by energy, against a noise floor that follows the line.

/// Below this mean magnitude nothing is talk: about -46 dBFS.
const LEVEL_MIN: u32 = 160;
/// Talk is this many times louder than the noise floor (10 dB).
const OVER_FLOOR: u32 = 3;
/// Loud audio that starts a spurt.
const ATTACK_MS: u32 = 60;
/// Quiet audio that ends one.
const RELEASE_MS: u32 = 300;
/// The floor at the start, before the line is known.
const FLOOR_START: u32 = 60;

/// A change that the detector reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TalkChange {
    /// The caller began to talk, 60 ms ago.
    Began,
    /// The caller stopped, 300 ms ago.
    Stopped,
}

/// Finds talk spurts in a stream of frame levels.
#[derive(Debug)]
pub struct TalkDetector {
    /// Mean magnitude of the line's noise, times 256.
    floor: u32,
    talking: bool,
    loud_ms: u32,
    quiet_ms: u32,
    talk_ms: u32,
}

impl Default for TalkDetector {
    fn default() -> Self {
        Self { floor: FLOOR_START << 8, talking: false, loud_ms: 0, quiet_ms: 0, talk_ms: 0 }
    }
}

impl TalkDetector {
    /// Takes one frame's mean magnitude (0-32,767) and length.
    pub fn handle_frame(&mut self, level: u32, length_ms: u32) -> Option<TalkChange> {
        let loud = level >= LEVEL_MIN.max((self.floor >> 8).saturating_mul(OVER_FLOOR));
        self.follow(level, length_ms, loud);
        if loud {
            self.loud_ms = self.loud_ms.saturating_add(length_ms);
            self.quiet_ms = 0;
        } else {
            self.loud_ms = 0;
            self.quiet_ms = self.quiet_ms.saturating_add(length_ms);
        }
        if self.talking {
            self.talk_ms = self.talk_ms.saturating_add(length_ms);
            if self.quiet_ms >= RELEASE_MS {
                self.talking = false;
                self.talk_ms = self.talk_ms.saturating_sub(self.quiet_ms);
                return Some(TalkChange::Stopped);
            }
        } else if self.loud_ms >= ATTACK_MS {
            self.talking = true;
            self.talk_ms = self.talk_ms.saturating_add(self.loud_ms);
            return Some(TalkChange::Began);
        }
        None
    }

    /// Total talk so far in ms. The pause at the end of a spurt is taken off when the spurt is over.
    #[must_use]
    pub fn talk_ms(&self) -> u32 {
        self.talk_ms
    }

    /// The floor falls fast to what is quieter, rises slowly to steady noise, and hardly at all in talk: 3 s of
    /// unbroken noise become the line's own.
    fn follow(&mut self, level: u32, length_ms: u32, loud: bool) {
        let level = level.min(0x7fff) << 8;
        let time_ms = match (level < self.floor, loud) {
            (true, _) => 100,
            (false, false) => 1000,
            (false, true) => 8000,
        };
        let step = length_ms.min(time_ms);
        let difference = i64::from(level) - i64::from(self.floor);
        let moved = i64::from(self.floor) + difference * i64::from(step) / i64::from(time_ms);
        self.floor = u32::try_from(moved).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(level, ms)` parts in, times of changes out.
    fn changes(parts: &[(u32, u32)]) -> (Vec<(u32, TalkChange)>, u32) {
        let mut detector = TalkDetector::default();
        let (mut at, mut changes) = (0, Vec::new());
        for &(level, length) in parts {
            for _ in 0..length / 20 {
                at += 20;
                changes.extend(detector.handle_frame(level, 20).map(|change| (at, change)));
            }
        }
        (changes, detector.talk_ms())
    }

    #[test]
    fn a_spurt_begins_and_ends() {
        let (found, talk_ms) = changes(&[(20, 1000), (2000, 800), (20, 1000)]);
        assert_eq!(found, [(1060, TalkChange::Began), (2100, TalkChange::Stopped)]);
        assert_eq!(talk_ms, 800);
    }

    #[test]
    fn clicks_and_pauses_between_words_do_not_count() {
        assert_eq!(changes(&[(20, 500), (9000, 40), (20, 500)]), (vec![], 0));
        let (found, talk_ms) = changes(&[(20, 500), (2000, 400), (20, 200), (2000, 400), (20, 600)]);
        assert_eq!(found.len(), 2);
        assert_eq!(talk_ms, 1000);
    }

    #[test]
    fn a_noisy_line_is_not_talk_for_ever() {
        let (found, _) = changes(&[(600, 20_000), (4000, 500), (600, 2000)]);
        assert_eq!(found.len(), 4, "the noise is learnt, then talk over it is found: {found:?}");
        assert!(found[1].0 < 8000, "{found:?}");
    }
}
