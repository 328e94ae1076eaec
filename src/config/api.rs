//! `[api]`: what other systems may do, how often, and for how long their word holds.

use std::time::Duration;

use serde::Deserialize;

use super::{Checked, Fault};

/// The `[api]` section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiConfig {
    /// Requests a second for each token: 1-10000. More get a 429. Taken at the start of the service.
    pub token_rate: u32,
    /// Requests at once before that rate counts: 1-100000.
    pub token_burst: u32,
    /// Requests a second from each address, whatever token they bring: 1-10000. Taken at the start of the service.
    pub source_rate: u32,
    /// Requests at once before that rate counts: 1-100000.
    pub source_burst: u32,
    /// How long a reservation waits for its call, where it does not say itself: 1 s - 24 h.
    #[serde(with = "humantime_serde")]
    pub reservation_time: Duration,
    /// Reservations that may wait at once: 1-1000000. More are refused.
    pub reservations_max: usize,
    /// How long a decision waits for its call: 1 s - 24 h. A chosen call that has not come until then counts as not
    /// transferred.
    #[serde(with = "humantime_serde")]
    pub decision_time: Duration,
    /// Decisions that may wait at once: 1-1000000. More are refused.
    pub decisions_max: usize,
    /// How long an agent's wish for a survey waits for the transfer: 1 s - 24 h.
    #[serde(with = "humantime_serde")]
    pub trigger_time: Duration,
    /// Wishes that may wait at once: 1-1000000. More are refused.
    pub triggers_max: usize,
    /// How long the answer to a write is kept for its `Idempotency-Key`: 1 min - 7 days.
    #[serde(with = "humantime_serde")]
    pub keep_answers: Duration,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            token_rate: 50,
            token_burst: 200,
            source_rate: 100,
            source_burst: 400,
            reservation_time: Duration::from_secs(10 * 60),
            reservations_max: 10_000,
            decision_time: Duration::from_secs(4 * 3600),
            decisions_max: 50_000,
            trigger_time: Duration::from_secs(2 * 3600),
            triggers_max: 10_000,
            keep_answers: Duration::from_secs(24 * 3600),
        }
    }
}

impl Checked for ApiConfig {
    fn check(&self) -> Result<(), Fault> {
        for (key, rate) in [("token_rate", self.token_rate), ("source_rate", self.source_rate)] {
            if !(1..=10_000).contains(&rate) {
                return Err(Fault::new(key, "is 1-10000"));
            }
        }
        for (key, burst) in [("token_burst", self.token_burst), ("source_burst", self.source_burst)] {
            if !(1..=100_000).contains(&burst) {
                return Err(Fault::new(key, "is 1-100000"));
            }
        }
        let at_once = [
            ("reservations_max", self.reservations_max),
            ("decisions_max", self.decisions_max),
            ("triggers_max", self.triggers_max),
        ];
        for (key, most) in at_once {
            if !(1..=1_000_000).contains(&most) {
                return Err(Fault::new(key, "is 1-1000000"));
            }
        }
        let (second, minute, day) =
            (Duration::from_secs(1), Duration::from_secs(60), Duration::from_secs(24 * 3600));
        let times = [
            ("reservation_time", self.reservation_time, second..=day),
            ("decision_time", self.decision_time, second..=day),
            ("trigger_time", self.trigger_time, second..=day),
            ("keep_answers", self.keep_answers, minute..=7 * day),
        ];
        for (key, time, range) in times {
            if !range.contains(&time) {
                let text =
                    |time: &Duration| humantime_serde::re::humantime::format_duration(*time).to_string();
                return Err(Fault::new(key, format!("is {} - {}", text(range.start()), text(range.end()))));
            }
        }
        Ok(())
    }
}
