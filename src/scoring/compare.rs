//! How two periods differ, each with its 95 % interval: "better than last month?" is answered by an interval that does
//! or does not hold zero.

use serde::Serialize;

use super::figure::{ANSWERS_MIN, Numbers, Z, to_f64, wilson};

/// A difference: the later less the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The value, in the units of the figure.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// Whether a value lies where chance would put it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Lower than chance explains.
    Below,
    /// As chance would have it.
    Within,
    /// Higher than chance explains.
    Above,
}

impl Verdict {
    /// Where `value` lies against `low..=high`.
    #[must_use]
    pub fn of(value: f64, low: f64, high: f64) -> Self {
        if value < low {
            Self::Below
        } else if value > high {
            Self::Above
        } else {
            Self::Within
        }
    }
}

impl Difference {
    /// Whether the later is higher or lower than the earlier, as far as the interval tells.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        Verdict::of(0.0, self.low, self.high).flipped()
    }
}

impl Verdict {
    fn flipped(self) -> Self {
        match self {
            Self::Below => Self::Above,
            Self::Within => Self::Within,
            Self::Above => Self::Below,
        }
    }
}

/// Difference of two shares `(k, n)` in percent, with the hybrid score interval: R. G. Newcombe, "Interval estimation
/// for the difference between independent proportions", Statistics in Medicine 17 (1998), method 10. `None` with fewer
/// than [`ANSWERS_MIN`] answers on a side.
#[must_use]
pub fn share_difference(later: (u64, u64), earlier: (u64, u64)) -> Option<Difference> {
    if later.1 < ANSWERS_MIN || earlier.1 < ANSWERS_MIN {
        return None;
    }
    let side = |(k, n): (u64, u64)| {
        let (low, high) = wilson(to_f64(k), to_f64(n));
        (to_f64(k) / to_f64(n), low, high)
    };
    let ((p1, l1, u1), (p2, l2, u2)) = (side(later), side(earlier));
    let value = p1 - p2;
    let low = value - ((p1 - l1).powi(2) + (u2 - p2).powi(2)).sqrt();
    let high = value + ((u1 - p1).powi(2) + (p2 - l2).powi(2)).sqrt();
    Some(Difference { value: 100.0 * value, low: 100.0 * low, high: 100.0 * high })
}

/// Difference of two net promoter scores. Each side is adjusted as in [`super::nps`] (three answers more, three quarters
/// of one a promoter and three quarters a detractor), and the variances of the two multinomials add up. The value is
/// that of the answers as they are.
#[must_use]
pub fn nps_difference(later: &Numbers, earlier: &Numbers) -> Option<Difference> {
    let side = |counts: &Numbers| {
        let among = |is: fn(i16) -> bool| counts.iter().filter(|&(&v, _)| is(v)).map(|(_, c)| c).sum::<u64>();
        let (n, pro, det) = (counts.values().sum::<u64>(), among(|v| v >= 9), among(|v| v <= 6));
        (n >= ANSWERS_MIN).then(|| {
            let (n, pro, det) = (to_f64(n), to_f64(pro), to_f64(det));
            let (p, d) = ((pro + 0.75) / (n + 3.0), (det + 0.75) / (n + 3.0));
            ((pro - det) / n, p - d, (p + d - (p - d).powi(2)) / (n + 3.0))
        })
    };
    let ((raw1, mid1, var1), (raw2, mid2, var2)) = (side(later)?, side(earlier)?);
    let (middle, half) = (mid1 - mid2, Z * (var1 + var2).sqrt());
    let (low, high) = ((middle - half).max(-2.0), (middle + half).min(2.0));
    Some(Difference { value: 100.0 * (raw1 - raw2), low: 100.0 * low, high: 100.0 * high })
}

/// Difference of two means with the interval of Welch (1947): variances may differ, and the degrees of freedom are
/// Satterthwaite's.
#[must_use]
pub fn mean_difference(later: &Numbers, earlier: &Numbers) -> Option<Difference> {
    let side = |counts: &Numbers| {
        let n = counts.values().sum::<u64>();
        let weigh =
            |f: &dyn Fn(f64) -> f64| counts.iter().map(|(&v, &c)| f(f64::from(v)) * to_f64(c)).sum::<f64>();
        (n >= ANSWERS_MIN).then(|| {
            let n = to_f64(n);
            let mean = weigh(&|v| v) / n;
            (mean, weigh(&|v| (v - mean).powi(2)) / (n - 1.0) / n, n)
        })
    };
    let ((m1, v1, n1), (m2, v2, n2)) = (side(later)?, side(earlier)?);
    let value = m1 - m2;
    let variance = v1 + v2;
    if variance <= 0.0 {
        return Some(Difference { value, low: value, high: value });
    }
    let degrees = variance.powi(2) / (v1.powi(2) / (n1 - 1.0) + v2.powi(2) / (n2 - 1.0));
    let half = super::figure::t_quantile(degrees) * variance.sqrt();
    Some(Difference { value, low: value - half, high: value + half })
}
