//! One key press, though it may be heard on up to three paths.

use std::time::{Duration, Instant};

use crate::domain::{Digit, KeyPath};

/// A report on another path joins a press whose last sign of life is at most this old. INFO is sent when the key
/// goes up and travels by way of SIP; a tone needs two blocks and the reordering window.
const JOIN: Duration = Duration::from_millis(1000);
/// The same for an INFO, which SIP repeats after half a second and one and a half when it was lost (RFC 3261 §17.1.2).
const JOIN_INFO: Duration = Duration::from_millis(4000);
/// Presses remembered.
const REMEMBERED: usize = 8;

#[derive(Clone, Copy, Debug)]
struct Press {
    digit: Digit,
    /// Which paths have told of it, by [`bit`].
    paths: u8,
    last: Instant,
}

/// Merges the reports of the three paths. Within one path each report is a press of its own: the path's own rules
/// (timestamps, confirmed tones) have seen to that.
#[derive(Debug, Default)]
pub struct KeyMerge {
    presses: [Option<Press>; REMEMBERED],
    next: usize,
    /// A press was told of by INFO and by RFC 4733.
    tells_twice: bool,
}

fn bit(path: KeyPath) -> u8 {
    match path {
        KeyPath::Rfc4733 => 1,
        KeyPath::Info => 2,
        KeyPath::InBand => 4,
    }
}

impl KeyMerge {
    /// A key went down on a path. Whether that is a press not heard on another path yet.
    pub fn handle_press(&mut self, digit: Digit, path: KeyPath, now: Instant) -> bool {
        // A far end that tells of its keys on both paths does so of each: then a late INFO is one that SIP repeated.
        let both = bit(KeyPath::Info) | bit(KeyPath::Rfc4733);
        self.tells_twice |= self.presses.iter().flatten().any(|press| press.paths & both == both);
        let join = if path == KeyPath::Info && self.tells_twice { JOIN_INFO } else { JOIN };
        let joins = |press: &&mut Press| {
            press.digit == digit
                && press.paths & bit(path) == 0
                && now.saturating_duration_since(press.last) <= join
        };
        // The oldest that fits: two quick presses of one key are told twice on each path, in order.
        let (older, newer) = self.presses.split_at_mut(self.next);
        let mut oldest_first = newer.iter_mut().chain(older).flatten();
        if let Some(press) = oldest_first.find(joins) {
            press.paths |= bit(path);
            return false;
        }
        self.presses[self.next] = Some(Press { digit, paths: bit(path), last: now });
        self.next = (self.next + 1) % REMEMBERED;
        true
    }

    /// The key is still down on a path.
    pub fn handle_held(&mut self, digit: Digit, path: KeyPath, now: Instant) {
        let (older, newer) = self.presses.split_at_mut(self.next);
        let mut newest_first = older.iter_mut().rev().chain(newer.iter_mut().rev()).flatten();
        if let Some(press) = newest_first.find(|press| press.digit == digit && press.paths & bit(path) != 0) {
            press.last = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reports as `<ms> <key> <path>`; gives the keys that counted.
    fn counted(reports: &[(u64, char, KeyPath)]) -> String {
        let start = Instant::now();
        let mut merge = KeyMerge::default();
        reports
            .iter()
            .filter(|&&(ms, key, path)| {
                merge.handle_press(Digit::from_char(key).unwrap(), path, start + Duration::from_millis(ms))
            })
            .map(|&(_, key, _)| key)
            .collect()
    }

    use KeyPath::{InBand, Info, Rfc4733};

    #[test]
    fn a_press_on_three_paths_counts_once() {
        assert_eq!(counted(&[(0, '5', Rfc4733), (60, '5', InBand), (300, '5', Info)]), "5");
        assert_eq!(counted(&[(0, '5', Info), (300, '5', Rfc4733)]), "5");
    }

    #[test]
    fn quick_presses_on_two_paths_count_each() {
        assert_eq!(
            counted(&[(0, '5', Rfc4733), (200, '5', Rfc4733), (250, '5', Info), (450, '5', Info)]),
            "55"
        );
        assert_eq!(
            counted(&[(0, '1', Rfc4733), (150, '0', Rfc4733), (200, '1', Info), (350, '0', Info)]),
            "10"
        );
    }

    #[test]
    fn presses_far_apart_on_different_paths_are_two() {
        assert_eq!(counted(&[(0, '5', Rfc4733), (1500, '5', Info)]), "55");
        // SIP repeats an INFO that was lost: of a far end that tells of each key twice it is the same press.
        let twice = [(0, '1', Rfc4733), (100, '1', Info), (3000, '5', Rfc4733), (5500, '5', Info)];
        assert_eq!(counted(&twice), "15");
    }

    #[test]
    fn a_long_press_is_still_joined() {
        let start = Instant::now();
        let five = Digit::from_char('5').unwrap();
        let mut merge = KeyMerge::default();
        assert!(merge.handle_press(five, Rfc4733, start));
        merge.handle_held(five, Rfc4733, start + Duration::from_secs(3));
        assert!(!merge.handle_press(five, Info, start + Duration::from_millis(3200)));
    }
}
