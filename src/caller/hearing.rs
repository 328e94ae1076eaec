//! What the caller hears: when prompts begin and end, by energy.

use std::time::{Duration, Instant};

/// Mean magnitude from which a frame is sound: about -50 dBFS.
const SOUND: u32 = 100;
/// A pause this long parts two spurts.
const PAUSE: Duration = Duration::from_millis(300);

/// The ear of one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hearing {
    /// RTP packets received.
    pub packets: u32,
    /// Packets missing between them, by sequence number.
    pub lost: u32,
    /// When the first packet came.
    pub first_packet: Option<Instant>,
    /// When the first sound came.
    pub first_sound: Option<Instant>,
    /// When sound was last heard.
    pub last_sound: Option<Instant>,
    /// When the present or last spurt of sound began.
    pub spurt_since: Option<Instant>,
    /// Spurts of sound, parted by 300 ms of silence or more.
    pub spurts: u32,
    /// From a key's first packet to the first quiet frame, for keys pressed into a prompt.
    pub reactions: Vec<Duration>,
    pressed_into: Option<Instant>,
}

impl Hearing {
    /// One packet came; `level` is its mean magnitude.
    pub(super) fn handle_packet(&mut self, level: u32, missing: u32, now: Instant) {
        self.packets += 1;
        self.lost += missing;
        self.first_packet.get_or_insert(now);
        if level >= SOUND {
            if !self.is_sounding(now) {
                self.spurts += 1;
                self.spurt_since = Some(now);
            }
            self.first_sound.get_or_insert(now);
            self.last_sound = Some(now);
        } else if let Some(pressed) = self.pressed_into.take() {
            self.reactions.push(now.saturating_duration_since(pressed));
        }
    }

    /// A key is being pressed.
    pub(super) fn handle_press(&mut self, now: Instant) {
        let recent = |at: Instant| now.saturating_duration_since(at) < Duration::from_millis(60);
        self.pressed_into = self.last_sound.is_some_and(recent).then_some(now);
    }

    /// Whether a prompt is being spoken, short pauses included.
    #[must_use]
    pub fn is_sounding(&self, now: Instant) -> bool {
        !self.quiet_for(PAUSE, now) && self.last_sound.is_some()
    }

    /// Whether there has been no sound for so long.
    #[must_use]
    pub fn quiet_for(&self, length: Duration, now: Instant) -> bool {
        self.last_sound.is_none_or(|at| now.saturating_duration_since(at) >= length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spurts_and_reactions_are_found() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut ear = Hearing::default();
        for ms in (0..2000u64).step_by(20) {
            if ms == 400 {
                ear.handle_press(at(ms));
            }
            let loud = matches!(ms, 200..=479 | 600..=799 | 1500..);
            ear.handle_packet(if loud { 2000 } else { 5 }, 0, at(ms));
        }
        assert_eq!(ear.spurts, 2, "a gap of 120 ms is none");
        assert_eq!(ear.first_sound, Some(at(200)));
        assert_eq!(ear.spurt_since, Some(at(1500)));
        assert_eq!(ear.reactions, [Duration::from_millis(80)]);
        assert!(ear.is_sounding(at(2000)) && !ear.quiet_for(PAUSE, at(2000)));
        assert!(ear.quiet_for(PAUSE, at(2280)));
    }
}
