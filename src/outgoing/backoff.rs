//! How long to wait before the next try. Pure.

use std::time::Duration;

use rand::Rng;

/// The wait after so many tries before the one that failed: it doubles from `first` up to `most`, and is drawn from its
/// upper half, so that many messages that failed together do not come back together.
pub(super) fn wait(tries: u32, first: Duration, most: Duration, random: &mut impl Rng) -> Duration {
    let whole = first.saturating_mul(2_u32.saturating_pow(tries)).min(most);
    whole.mul_f64(random.random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_are_drawn() {
        let mut random = rand_chacha::ChaCha12Rng::seed_from_u64(1);
        let (first, most) = (Duration::from_secs(5), Duration::from_secs(3600));
        let mut drawn = std::collections::BTreeSet::new();
        for (tries, seconds) in [(0, 5), (1, 10), (4, 80), (9, 2560), (10, 3600), (u32::MAX, 3600)] {
            for _ in 0..100 {
                let wait = wait(tries, first, most, &mut random);
                let whole = Duration::from_secs(seconds);
                assert!(whole / 2 <= wait && wait <= whole, "{tries}: {wait:?}");
                drawn.insert(wait);
            }
        }
        assert!(drawn.len() > 500, "they differ");
    }
}
