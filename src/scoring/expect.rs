//! How many of an agent's calls were to be chosen.

use serde::Serialize;

use super::figure::{Z, to_f64};

/// A number that was to be expected, and the range that 95 of 100 draws would lie in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Expected {
    /// The number.
    pub value: f64,
    /// Lower end of the range.
    pub low: f64,
    /// Upper end of the range.
    pub high: f64,
}

/// Calls of one agent among those of one queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stratum {
    /// The agent's calls that could have been chosen.
    pub own: u64,
    /// All calls that could have been.
    pub all: u64,
    /// All calls that were.
    pub chosen: u64,
}

/// What would be chosen of an agent's calls, had each queue's choice been drawn among all its calls alike: the sum of
/// hypergeometric means over the queues, and 1.96 standard deviations around it (as in the test of Mantel and Haenszel,
/// 1959). Every Nth call is spread more evenly than a draw, so the range is wide enough for it.
#[must_use]
pub fn expected(strata: &[Stratum]) -> Expected {
    let (mut mean, mut variance) = (0.0, 0.0);
    for stratum in strata.iter().filter(|s| s.all > 0) {
        let (own, all, chosen) = (to_f64(stratum.own), to_f64(stratum.all), to_f64(stratum.chosen));
        let share = chosen / all;
        mean += own * share;
        if all > 1.0 {
            variance += own * share * (1.0 - share) * (all - own) / (all - 1.0);
        }
    }
    let half = Z * variance.sqrt();
    Expected { value: mean, low: (mean - half).max(0.0), high: mean + half }
}
