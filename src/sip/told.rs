//! How often something is said in the log that strangers can make happen: not more than once a minute.

use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(60);

/// When something was told last.
#[derive(Debug, Default)]
pub(super) struct Told(Option<Instant>);

impl Told {
    /// Whether it may be told now; from then on a minute passes.
    pub(super) fn may_tell(&mut self, now: Instant) -> bool {
        let due = self.0.is_none_or(|last| now.saturating_duration_since(last) >= EVERY);
        if due {
            self.0 = Some(now);
        }
        due
    }
}
