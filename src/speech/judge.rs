//! The rule by which an utterance is taken, asked about, or refused.

use serde::Deserialize;

use super::Thresholds;

/// How sure is sure enough, for one model. Thresholds of a question go before these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Confidence from which an answer is taken at once, in thousandths: 1-1000.
    pub accept_pm: u16,
    /// Confidence from which the caller is asked whether it was that, in thousandths: 1 to `accept_pm`.
    pub confirm_pm: u16,
}

impl From<Rule> for Thresholds {
    fn from(rule: Rule) -> Self {
        Self { accept_pm: rule.accept_pm, confirm_pm: rule.confirm_pm }
    }
}
