//! How long to wait before a process is started again.

use std::time::Duration;

use rand::Rng;

/// Doubles with every failure, up to a bound; each wait is varied, so that processes that died together do not come
/// back together.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    min: Duration,
    max: Duration,
    failures: u32,
}

impl Backoff {
    /// From the shortest to the longest wait.
    #[must_use]
    pub(super) fn new(min: Duration, max: Duration) -> Self {
        Self { min, max, failures: 0 }
    }

    /// The next wait, after a life of this length. One that outlived the longest wait starts from the shortest again.
    pub(super) fn next(&mut self, lived: Duration, random: &mut impl Rng) -> Duration {
        if lived > self.max {
            self.failures = 0;
        }
        let whole = self.min.saturating_mul(1 << self.failures.min(20)).min(self.max);
        self.failures = self.failures.saturating_add(1);
        whole.mul_f64(random.random_range(0.75..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn waits_double_to_a_bound_and_a_long_life_is_forgiven() {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let waits: Vec<_> = (0..40).map(|_| backoff.next(Duration::ZERO, &mut random).as_millis()).collect();
        for (wait, whole) in waits.iter().zip([100, 200, 400, 800, 1000, 1000, 1000]) {
            assert!((whole * 3 / 4..=whole).contains(wait), "{waits:?}");
        }
        assert!(waits.iter().all(|&wait| wait <= 1000) && waits[39] >= 750);
        assert!(backoff.next(Duration::from_secs(2), &mut random) <= Duration::from_millis(100));
    }
}
