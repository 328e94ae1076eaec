//! What `report` and `calls` share: filters, and how tables look.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;

use crate::domain::{AgentId, Origin, QueueId, SurveyId};

/// Which calls.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Filter {
    /// From this day or time on (2026-11-22 or 2026-11-22T08:00:00Z; days are UTC).
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,
    /// Until before this day or time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<Timestamp>,
    /// Of this agent.
    #[arg(long)]
    pub(super) agent: Option<AgentId>,
    /// Through this queue.
    #[arg(long)]
    pub(super) queue: Option<QueueId>,
    /// With this survey.
    #[arg(long)]
    pub(super) survey: Option<SurveyId>,
    /// Of this origin: sampled, agent, mystery or test.
    #[arg(long, value_parser = named::<Origin>)]
    pub(super) origin: Option<Origin>,
}

impl Filter {
    pub(super) fn begin_us(&self) -> Option<i64> {
        self.from.map(|at| at.as_microsecond())
    }

    pub(super) fn end_us(&self) -> Option<i64> {
        self.to.map(|at| at.as_microsecond())
    }
}

/// Reads a name as the journal spells it.
pub(super) fn named<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).map_err(|e| e.to_string())
}

fn time(text: &str) -> Result<Timestamp, String> {
    if let Ok(day) = text.parse::<Date>() {
        return day.to_zoned(TimeZone::UTC).map(|at| at.timestamp()).map_err(|e| e.to_string());
    }
    text.parse().map_err(|e: jiff::Error| e.to_string())
}

/// An empty table in the house style: no lines but under the header, wrapped to the terminal.
pub(super) fn table() -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_preset("     ──            ");
    table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
    table
}
