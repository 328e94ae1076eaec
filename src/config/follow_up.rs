//! `[follow_up]`: which answers ask for somebody's attention.

use std::time::Duration;

use serde::Deserialize;

use super::{Checked, Fault};

/// A day, the unit of retention.
const DAY: Duration = Duration::from_secs(86_400);

/// The `[follow_up]` section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FollowUpConfig {
    /// Which answers are low ones, and make a task for the role of quality. None, unless it is set; a question's
    /// `low_at` counts in any case.
    pub low_scores: LowScores,
    /// How long the number of a caller who asked to be called back is kept at most: 1 hour - 1 year. It is destroyed
    /// when its task is closed.
    #[serde(with = "humantime_serde")]
    pub keep_numbers: Duration,
}

/// Which answers are low, by what their question measures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LowScores {
    /// Satisfaction: how far from the worst end of its scale an answer still is a low one, 0-1.
    pub csat: Option<f64>,
    /// Effort: likewise, by the direction of its scale.
    pub ces: Option<f64>,
    /// Recommendation: likewise.
    pub nps: Option<f64>,
    /// Whether a question that was not solved counts as low.
    pub fcr: bool,
}

impl Default for FollowUpConfig {
    fn default() -> Self {
        Self { low_scores: LowScores::default(), keep_numbers: 30 * DAY }
    }
}

impl Checked for FollowUpConfig {
    fn check(&self) -> Result<(), Fault> {
        let LowScores { csat, ces, nps, fcr: _ } = self.low_scores;
        if [csat, ces, nps].into_iter().flatten().any(|share| !(0.0..=1.0).contains(&share)) {
            return Err(Fault::new("low_scores", "each is a share of the scale, 0-1, from its worst end"));
        }
        if !(DAY / 24..=366 * DAY).contains(&self.keep_numbers) {
            return Err(Fault::new("keep_numbers", "is 1 hour - 1 year"));
        }
        Ok(())
    }
}
