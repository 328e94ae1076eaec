//! What slows guessing of passwords: wrong ones from one address for one user make both wait, longer each time. Others
//! who sign in, and the same user from elsewhere, wait for nobody.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Wrong passwords that cost no wait.
const FREE: u32 = 5;
/// The first wait; it doubles.
const FIRST: Duration = Duration::from_secs(2);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(300);
/// After so long without a wrong password all is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);
/// Pairs of user and address that are remembered; the one that is silent for longest makes room.
const PAIRS_MAX: usize = 10_000;

/// Wrong passwords by user and address. Pure: `now` is an argument.
#[derive(Debug, Default)]
pub struct Guesses {
    pairs: HashMap<(String, IpAddr), Pair>,
}

#[derive(Debug)]
struct Pair {
    wrong: u32,
    last: Instant,
}

impl Pair {
    fn open_at(&self) -> Instant {
        if self.wrong < FREE {
            return self.last;
        }
        let doubled = FIRST.saturating_mul(2_u32.saturating_pow((self.wrong - FREE).min(16)));
        self.last + doubled.min(LONGEST)
    }
}

impl Guesses {
    /// How long this user must wait at this address; `None` when not at all. A try is counted as wrong at once, so that
    /// many at the same time are no way around; [`Self::right`] forgets it.
    #[must_use]
    pub fn try_one(&mut self, user: &str, from: IpAddr, now: Instant) -> Option<Duration> {
        let key = (user.to_lowercase(), from);
        if let Some(pair) = self.pairs.get_mut(&key) {
            let open_at = pair.open_at();
            if open_at > now {
                return Some(open_at - now);
            }
            let old = now.saturating_duration_since(pair.last) > FORGOTTEN_AFTER;
            pair.wrong = if old { 1 } else { pair.wrong.saturating_add(1) };
            pair.last = now;
            return None;
        }
        if self.pairs.len() >= PAIRS_MAX {
            self.pairs.retain(|_, pair| now.saturating_duration_since(pair.last) <= FORGOTTEN_AFTER);
        }
        if self.pairs.len() >= PAIRS_MAX
            && let Some(oldest) =
                self.pairs.iter().min_by_key(|(_, pair)| pair.last).map(|(key, _)| key.clone())
        {
            self.pairs.remove(&oldest);
        }
        self.pairs.insert(key, Pair { wrong: 1, last: now });
        None
    }

    /// The password was right: earlier wrong ones are forgotten.
    pub fn right(&mut self, user: &str, from: IpAddr) {
        self.pairs.remove(&(user.to_lowercase(), from));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_ones_wait_longer_each_time_and_others_do_not() {
        let (here, there) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let mut guesses = Guesses::default();
        let mut now = std::time::Instant::now();
        for _ in 0..FREE {
            assert_eq!(guesses.try_one("Anna", here, now), None);
        }
        assert_eq!(guesses.try_one("anna", here, now), Some(FIRST));
        assert_eq!(guesses.try_one("anna", there, now), None, "the user is not locked out elsewhere");
        assert_eq!(guesses.try_one("ben", here, now), None, "nor is anybody else");
        now += FIRST;
        assert_eq!(guesses.try_one("anna", here, now), None);
        assert_eq!(guesses.try_one("anna", here, now), Some(2 * FIRST));
        for _ in 0..40 {
            now += LONGEST;
            assert_eq!(guesses.try_one("anna", here, now), None, "no wait is longer than the longest");
        }
        guesses.right("anna", here);
        assert_eq!(guesses.try_one("anna", here, now), None);
        assert_eq!(guesses.try_one("anna", here, now), None);
    }

    #[test]
    fn memory_has_a_bound() {
        let mut guesses = Guesses::default();
        let now = std::time::Instant::now();
        for n in 0..u32::try_from(PAIRS_MAX).unwrap() + 5 {
            assert_eq!(guesses.try_one("anna", IpAddr::from(n.to_be_bytes()), now), None);
        }
        assert_eq!(guesses.pairs.len(), PAIRS_MAX);
    }
}
