//! Many agents' shares, each pulled towards that of all by how little is known of it; and shares over weeks against
//! what chance allows.

use serde::Serialize;
use statrs::function::beta::{beta_reg, ln_beta};

use super::compare::Verdict;
use super::figure::{Estimate, to_f64};

/// A beta distribution of agents' true shares, estimated from all of them (empirical Bayes).
///
/// By the method of moments of J. C. Kleinman, "Proportions with extraneous variance: single and independent samples",
/// Journal of the American Statistical Association 68 (1973), with the numbers of answers as weights. Agents who differ
/// less than chance alone would have it leave the spread undefined; what is known of all together then counts as much
/// as all answers, and no more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Shrinkage {
    /// Of the good kind, before any answer is seen.
    pub alpha: f64,
    /// Of the other kind.
    pub beta: f64,
}

impl Shrinkage {
    /// From every agent's `(k, n)`. `None` with fewer than two agents that have answers.
    #[must_use]
    pub fn fit(shares: &[(u64, u64)]) -> Option<Self> {
        let known: Vec<(f64, f64)> =
            shares.iter().filter(|(_, n)| *n > 0).map(|&(k, n)| (to_f64(k), to_f64(n))).collect();
        if known.len() < 2 {
            return None;
        }
        let sum = |f: &dyn Fn(f64, f64) -> f64| known.iter().map(|&(k, n)| f(k, n)).sum::<f64>();
        let (total, good) = (sum(&|_, n| n), sum(&|k, _| k));
        let p = good / total;
        let binomial = p * (1.0 - p);
        let spread = sum(&|k, n| n * (k / n - p).powi(2));
        let others = to_f64(known.len() as u64) - 1.0;
        let room = total - sum(&|_, n| n * n) / total - others;
        // The correlation of two answers about one agent.
        let gamma = (spread - binomial * others) / (binomial * room);
        let weight =
            if gamma.is_finite() && gamma > 0.0 { (1.0 / gamma - 1.0).clamp(0.0, total) } else { total };
        // All alike in every answer: half an answer of each kind keeps the distribution proper.
        let (alpha, beta) = (p * weight, (1.0 - p) * weight);
        Some(Self { alpha: alpha.max(0.5), beta: beta.max(0.5) })
    }

    /// One agent's share in percent: the posterior mean, and the middle 95 % of the posterior.
    #[must_use]
    pub fn of(&self, k: u64, n: u64) -> Estimate {
        let (a, b) = (self.alpha + to_f64(k), self.beta + to_f64(n.saturating_sub(k)));
        Estimate {
            n,
            value: 100.0 * a / (a + b),
            low: 100.0 * beta_quantile(a, b, 0.025),
            high: 100.0 * beta_quantile(a, b, 0.975),
        }
    }
}

/// The place of which `p` lies below, by Newton's method, and by halving where that would leave the bounds known so far:
/// `statrs` gives the distribution to the last digits, and its inverse to fewer.
fn beta_quantile(a: f64, b: f64, p: f64) -> f64 {
    /// Halving alone would need so many steps for all digits; Newton's method needs about six.
    const STEPS_MAX: usize = 64;
    let ln_beta = ln_beta(a, b);
    let (mut low, mut high, mut at) = (0.0, 1.0, a / (a + b));
    for _ in 0..STEPS_MAX {
        let over = beta_reg(a, b, at) - p;
        if over < 0.0 {
            low = at;
        } else {
            high = at;
        }
        let density = ((a - 1.0) * at.ln() + (b - 1.0) * (-at).ln_1p() - ln_beta).exp();
        let newton = at - over / density;
        let next = if low < newton && newton < high { newton } else { f64::midpoint(low, high) };
        if (next - at).abs() <= f64::EPSILON * at {
            return next;
        }
        at = next;
    }
    at
}

/// One week's share, in percent, and the limits of a p-chart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Limits {
    /// Answers of the week.
    pub n: u64,
    /// The share.
    pub value: f64,
    /// The share over all weeks.
    pub centre: f64,
    /// Three standard errors below, 0 at least.
    pub low: f64,
    /// Three standard errors above, 100 at most.
    pub high: f64,
    /// Where the week lies.
    pub verdict: Verdict,
}

/// The p-chart of weeks `(k, n)`: three standard errors around the share of all, each week by its own number of answers
/// (D. C. Montgomery, *Introduction to Statistical Quality Control*, control chart for fraction nonconforming with
/// variable sample size). Weeks without answers are left out.
#[must_use]
pub fn p_chart(weeks: &[(u64, u64)]) -> Vec<Limits> {
    let (good, total) = weeks.iter().fold((0, 0), |(k, n), week| (k + week.0, n + week.1));
    if total == 0 {
        return Vec::new();
    }
    let centre = to_f64(good) / to_f64(total);
    let limits = weeks.iter().filter(|(_, n)| *n > 0).map(|&(k, n)| {
        let half = 3.0 * (centre * (1.0 - centre) / to_f64(n)).sqrt();
        let (value, low, high) = (to_f64(k) / to_f64(n), (centre - half).max(0.0), (centre + half).min(1.0));
        let verdict = Verdict::of(value, low, high);
        Limits {
            n,
            value: 100.0 * value,
            centre: 100.0 * centre,
            low: 100.0 * low,
            high: 100.0 * high,
            verdict,
        }
    });
    limits.collect()
}
