//! `[policy]`: who may see what, from how many answers on, and for how long it is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::Deserialize;

use super::{Checked, Fault};
use crate::domain::{AgentId, TeamId};

/// A day, the unit of retention.
const DAY: Duration = Duration::from_secs(86_400);

/// Who may see what, from how many answers on, and for how long it is kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyConfig {
    /// Answers that are shown together at least, 5-100: what supervisors see changes by so many answers at a time or
    /// not at all, and never says anything about fewer. The smallest cell and the smallest step are one number, since
    /// with a smaller step two looks at a cell would differ by fewer answers than a cell may have.
    pub cell_min: u64,
    /// Responses that an agent sees together at least: 3-100. A week with fewer joins the next one.
    pub agent_batch_min: usize,
    /// A week's responses are shown to their agent from the Monday so many weeks after it on: 2-52.
    pub agent_delay_weeks: u8,
    /// The time zone of that Monday, and of the days of reports, as the IANA database names it.
    pub time_zone: String,
    /// How long recordings and transcripts are kept: 1 day - 10 years.
    #[serde(with = "humantime_serde")]
    pub keep_recordings: Duration,
    /// How long is kept what ties a response to a call and a caller: the caller's hash, the call's reference, the keys
    /// and words as they came: 1 day - 10 years. Answers and sums stay.
    #[serde(with = "humantime_serde")]
    pub keep_contexts: Duration,
    /// Who may hear and read comments.
    pub comments: CommentAccess,
    /// Teams and their agents; an agent is in one team at most.
    pub teams: BTreeMap<TeamId, Vec<AgentId>>,
}

/// Who may hear and read comments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommentAccess {
    /// The role of quality, with a reason given.
    Quality,
    /// Nobody; key words are counted all the same.
    Nobody,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self {
            cell_min: 5,
            agent_batch_min: 3,
            agent_delay_weeks: 2,
            time_zone: "UTC".into(),
            keep_recordings: 90 * DAY,
            keep_contexts: 365 * DAY,
            comments: CommentAccess::Quality,
            teams: BTreeMap::new(),
        }
    }
}

impl PolicyConfig {
    /// The time zone; UTC should the database of time zones have lost it since the check.
    #[must_use]
    pub fn zone(&self) -> TimeZone {
        TimeZone::get(&self.time_zone).unwrap_or(TimeZone::UTC)
    }

    /// The team of an agent.
    #[must_use]
    pub fn team_of(&self, agent: &AgentId) -> Option<&TeamId> {
        self.teams.iter().find(|(_, agents)| agents.contains(agent)).map(|(team, _)| team)
    }
}

impl Checked for PolicyConfig {
    fn check(&self) -> Result<(), Fault> {
        if !(5..=100).contains(&self.cell_min) {
            return Err(Fault::new("cell_min", "is 5-100"));
        }
        if !(3..=100).contains(&self.agent_batch_min) {
            return Err(Fault::new("agent_batch_min", "is 3-100"));
        }
        if !(2..=52).contains(&self.agent_delay_weeks) {
            return Err(Fault::new("agent_delay_weeks", "is 2-52"));
        }
        if TimeZone::get(&self.time_zone).is_err() {
            return Err(Fault::new("time_zone", format!("there is no time zone {:?}", self.time_zone)));
        }
        for (key, age) in [("keep_recordings", self.keep_recordings), ("keep_contexts", self.keep_contexts)] {
            if !(DAY..=3660 * DAY).contains(&age) {
                return Err(Fault::new(key, "is 1 day - 10 years"));
            }
        }
        let mut seen = BTreeSet::new();
        match self.teams.values().flatten().find(|agent| !seen.insert(*agent)) {
            Some(agent) => Err(Fault::new("teams", format!("{agent} is in more than one place"))),
            None => Ok(()),
        }
    }
}
