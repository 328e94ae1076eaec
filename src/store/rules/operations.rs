//! How the lines and the messages do, for the role of admin. No results.

use std::collections::BTreeMap;

use jiff::Timestamp;
use uuid::Uuid;

use super::{Results, View, ViewError, allowed};
use crate::domain::Viewer;
use crate::store::{CallFilter, Change, Note};

/// Calls that the figures of lines are of.
pub const LINE_CALLS_MAX: u32 = 500;

/// How the last calls of one trunk went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Calls among the last ones.
    pub calls: u32,
    /// Those that failed.
    pub failed: u32,
    /// Packets received.
    pub received: u64,
    /// Packets lost on the way to us.
    pub lost: u64,
    /// Packets that came too late.
    pub late: u64,
    /// The highest jitter at the end of a call, in microseconds.
    pub jitter_us_max: u32,
}

impl Line {
    /// Lost packets in percent of all that were sent to us; `None` without any.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn loss_percent(&self) -> Option<f64> {
        let sent = self.received + self.lost;
        (sent > 0).then(|| 100.0 * self.lost as f64 / sent as f64)
    }
}

impl Results {
    /// How the last 500 calls went, by trunk.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn lines(&self, viewer: &Viewer) -> Result<BTreeMap<String, Line>, ViewError> {
        self.look(viewer, View::Lines, "all".to_owned()).await?;
        let last = CallFilter { latest_first: true, limit: Some(LINE_CALLS_MAX), ..CallFilter::default() };
        let mut lines: BTreeMap<String, Line> = BTreeMap::new();
        for call in self.store.views().calls(&last).await? {
            let line = lines.entry(call.trunk.unwrap_or_default()).or_default();
            line.calls += 1;
            line.failed += u32::from(call.failure.is_some());
            let Some(stats) = call.stats else { continue };
            line.received += u64::from(stats.received);
            line.lost += u64::from(stats.lost);
            line.late += u64::from(stats.late);
            line.jitter_us_max = line.jitter_us_max.max(stats.jitter_us);
        }
        Ok(lines)
    }

    /// Sends again messages that were given up, all or one of them.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn replay(&self, viewer: &Viewer, id: Option<Uuid>) -> Result<(), ViewError> {
        allowed(viewer, View::Messages)?;
        let scope = id.map_or_else(|| "all".to_owned(), |id| id.to_string());
        self.store.note(Note::of(viewer, "replay", scope, "")).await?;
        Ok(self.store.change(Change::Replay(id, Timestamp::now().as_microsecond()), None).await?)
    }
}
