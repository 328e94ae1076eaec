//! One figure with its interval. Shares and the NPS are in percent, means in the units of their scale.

use std::collections::BTreeMap;

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::domain::{Better, Scale};

/// Fewer answers than this say more about those who gave them than about an agent.
pub const ANSWERS_MIN: u64 = 5;
/// The standard normal quantile of 0.975, for 95 % intervals.
pub(super) const Z: f64 = 1.959_963_984_540_054;

/// A figure, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Figure {
    /// Fewer than [`ANSWERS_MIN`] answers.
    TooFew {
        /// How many there are.
        n: u64,
    },
    /// Enough answers.
    Of(Estimate),
}

/// A value and its 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// Answers it is made from.
    pub n: u64,
    /// The value.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Figure {
    /// How many answers there are.
    #[must_use]
    pub fn n(&self) -> u64 {
        match self {
            Self::TooFew { n } => *n,
            Self::Of(estimate) => estimate.n,
        }
    }

    fn of(n: u64, estimate: impl FnOnce(f64) -> (f64, f64, f64)) -> Self {
        if n < ANSWERS_MIN {
            return Self::TooFew { n };
        }
        let (value, low, high) = estimate(to_f64(n));
        Self::Of(Estimate { n, value, low, high })
    }
}

/// How often each number was answered.
pub(super) type Numbers = BTreeMap<i16, u64>;

/// The share of `k` among `n` in percent, with the score interval of Wilson (1927).
#[must_use]
pub fn share(k: u64, n: u64) -> Figure {
    Figure::of(n, |n| {
        let (low, high) = wilson(to_f64(k), n);
        (100.0 * to_f64(k) / n, 100.0 * low, 100.0 * high)
    })
}

/// The score interval of Wilson (1927), 0-1.
pub(super) fn wilson(k: f64, n: f64) -> (f64, f64) {
    let (p, z2) = (k / n, Z * Z);
    let middle = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

/// The mean, with the interval of Student's t.
#[must_use]
pub fn mean(counts: &Numbers) -> Figure {
    Figure::of(counts.values().sum(), |n| {
        let weigh =
            |f: &dyn Fn(f64) -> f64| counts.iter().map(|(&v, &c)| f(f64::from(v)) * to_f64(c)).sum::<f64>();
        let mean = weigh(&|v| v) / n;
        let variance = weigh(&|v| (v - mean) * (v - mean)) / (n - 1.0);
        let half = t_quantile(n - 1.0) * (variance / n).sqrt();
        (mean, mean - half, mean + half)
    })
}

/// The net promoter score: percent of 9-10 less percent of 0-6.
///
/// The interval is the adjusted Wald with three answers more, three quarters of one a promoter and three quarters a
/// detractor, cut to -100..100: B. Rocks, "Interval Estimation for the Net Promoter Score", The American Statistician
/// 70 (2016), in the form of Lewis and Sauro, "Confidence Intervals for Net Promoter Scores" (2021).
#[must_use]
pub fn nps(counts: &Numbers) -> Figure {
    let among = |is: fn(i16) -> bool| counts.iter().filter(|&(&v, _)| is(v)).map(|(_, c)| c).sum::<u64>();
    let (promoters, detractors) = (to_f64(among(|v| v >= 9)), to_f64(among(|v| v <= 6)));
    Figure::of(counts.values().sum(), |n| {
        let more = n + 3.0;
        let (p, d) = ((promoters + 0.75) / more, (detractors + 0.75) / more);
        let half = Z * ((p + d - (p - d) * (p - d)) / more).sqrt();
        let (low, high) = ((p - d - half).max(-1.0), (p - d + half).min(1.0));
        (100.0 * (promoters - detractors) / n, 100.0 * low, 100.0 * high)
    })
}

/// Percent of answers in the top box: the two best numbers of a scale of five or more, the best one of a shorter.
#[must_use]
pub fn top_box(scale: Scale, counts: &Numbers) -> Figure {
    share_of(counts, in_top_box(scale))
}

/// Whether a number lies in the top box.
pub(super) fn in_top_box(scale: Scale) -> impl Fn(i16) -> bool {
    let width = if scale.max - scale.min >= 4 { 2 } else { 1 };
    move |v| match scale.better {
        Better::Higher => v > scale.max - width,
        Better::Lower => v < scale.min + width,
    }
}

/// Percent of answers on the easy side: strictly better than the middle of the scale.
#[must_use]
pub fn low_effort(scale: Scale, counts: &Numbers) -> Figure {
    share_of(counts, is_easy(scale))
}

/// Whether a number lies on the easy side.
pub(super) fn is_easy(scale: Scale) -> impl Fn(i16) -> bool {
    let twice_middle = scale.min + scale.max;
    move |v| match scale.better {
        Better::Higher => 2 * v > twice_middle,
        Better::Lower => 2 * v < twice_middle,
    }
}

fn share_of(counts: &Numbers, is: impl Fn(i16) -> bool) -> Figure {
    let k = counts.iter().filter(|&(&v, _)| is(v)).map(|(_, c)| c).sum();
    share(k, counts.values().sum())
}

/// The 0.975 quantile of Student's t.
///
/// With many degrees of freedom by the expansion in powers of their inverse around the normal quantile: the root search
/// of `statrs` is off in the seventh digit there, the expansion in the twelfth.
pub(super) fn t_quantile(degrees: f64) -> f64 {
    if degrees < 200.0 {
        return StudentsT::new(0.0, 1.0, degrees).map_or(Z, |t| t.inverse_cdf(0.975));
    }
    let terms = [
        (Z.powi(3) + Z) / 4.0,
        (5.0 * Z.powi(5) + 16.0 * Z.powi(3) + 3.0 * Z) / 96.0,
        (3.0 * Z.powi(7) + 19.0 * Z.powi(5) + 17.0 * Z.powi(3) - 15.0 * Z) / 384.0,
        (79.0 * Z.powi(9) + 776.0 * Z.powi(7) + 1482.0 * Z.powi(5) - 1920.0 * Z.powi(3) - 945.0 * Z)
            / 92_160.0,
    ];
    terms.iter().rev().fold(0.0, |sum, term| (sum + term) / degrees) + Z
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(super) fn to_f64(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Reference {
        share: Vec<Share>,
        mean: Vec<Counted>,
        nps: Vec<Counted>,
    }

    #[derive(Deserialize)]
    struct Share {
        k: u64,
        n: u64,
        expect: [f64; 3],
    }

    #[derive(Deserialize)]
    struct Counted {
        counts: Numbers,
        expect: [f64; 3],
    }

    #[track_caller]
    fn check(figure: Figure, expect: [f64; 3], of: &dyn std::fmt::Debug) {
        let Figure::Of(e) = figure else { panic!("too few: {of:?}") };
        for (ours, theirs) in [e.value, e.low, e.high].into_iter().zip(expect) {
            assert!((ours - theirs).abs() <= 1e-9, "{ours} and not {theirs}: {of:?}");
        }
    }

    #[test]
    fn figures_equal_the_reference() {
        let text = include_str!("../../tests/reference/scoring.json");
        let reference: Reference = serde_json::from_str(text).unwrap();
        for case in &reference.share {
            check(share(case.k, case.n), case.expect, &(case.k, case.n));
        }
        for case in &reference.mean {
            check(mean(&case.counts), case.expect, &case.counts);
        }
        for case in &reference.nps {
            check(nps(&case.counts), case.expect, &case.counts);
        }
        assert!(reference.share.len() + reference.mean.len() + reference.nps.len() > 90);
    }

    #[test]
    fn boxes_follow_the_direction() {
        let counts = Numbers::from([(1, 10), (2, 20), (3, 30), (4, 25), (5, 15)]);
        let value = |figure: Figure| match figure {
            Figure::Of(estimate) => estimate.value,
            Figure::TooFew { .. } => f64::NAN,
        };
        let scale = |better| Scale { min: 1, max: 5, better };
        assert_eq!(value(top_box(scale(Better::Higher), &counts)), 40.0);
        assert_eq!(value(top_box(scale(Better::Lower), &counts)), 30.0);
        assert_eq!(value(low_effort(scale(Better::Lower), &counts)), 30.0);
        let moods = Scale { min: 1, max: 3, better: Better::Lower };
        assert_eq!(value(top_box(moods, &Numbers::from([(1, 3), (2, 1), (3, 1)]))), 60.0);
        let seven = Scale { min: 1, max: 7, better: Better::Higher };
        assert_eq!(value(low_effort(seven, &Numbers::from([(4, 5), (5, 5)]))), 50.0);
    }

    #[test]
    fn fewer_than_five_say_nothing() {
        assert_eq!(nps(&Numbers::from([(9, 4)])), Figure::TooFew { n: 4 });
        assert_eq!(mean(&Numbers::new()), Figure::TooFew { n: 0 });
        assert_eq!(share(4, 4).n(), 4);
    }
}
