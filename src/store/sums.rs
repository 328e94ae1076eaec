//! The sums that reports for operators are made from, as the roll-ups hold them.

use std::collections::BTreeMap;

use sqlx::sqlite::SqliteRow;

use super::project::day_text;
use super::views::{get, parse, read_error, scale_of};
use super::wheres::Wheres;
use super::{StoreError, Views};
use crate::domain::{AgentId, Origin, QueueId, SurveyId};
use crate::scoring::{AnswerTally, OutcomeTally, Tallies};

/// Microseconds in a day.
const DAY_US: i64 = 86_400_000_000;

/// What a report has a line for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// Every agent.
    Agent,
    /// Every queue.
    Queue,
    /// Every survey.
    Survey,
    /// Every day, of the time zone that the sums are of.
    Day,
}

/// What a report covers. All that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Days from the one that this time has in UTC on, in microseconds since 1970.
    pub from_us: Option<i64>,
    /// Days before the one that this time has in UTC; a time within a day takes that day in.
    pub to_us: Option<i64>,
    /// Of this agent.
    pub agent: Option<AgentId>,
    /// Through this queue.
    pub queue: Option<QueueId>,
    /// With this survey.
    pub survey: Option<SurveyId>,
    /// Of this origin.
    pub origin: Option<Origin>,
}

impl Views {
    /// The sums for a report, from the roll-ups.
    ///
    /// # Errors
    /// [`StoreError::Read`], [`StoreError::Damaged`].
    pub async fn report(&self, by: GroupBy, scope: &Scope) -> Result<Tallies, StoreError> {
        let mut wheres = Wheres::default();
        wheres.add("day >= ", scope.from_us.map(|us| day_text(us.div_euclid(DAY_US))));
        wheres.add("day <= ", scope.to_us.map(|us| day_text((us - 1).div_euclid(DAY_US))));
        wheres.add("agent = ", scope.agent.as_ref().map(ToString::to_string));
        wheres.add("queue = ", scope.queue.as_ref().map(ToString::to_string));
        wheres.add("survey = ", scope.survey.as_ref().map(ToString::to_string));
        wheres.add("origin = ", scope.origin.map(|o| o.as_str().to_owned()));
        let group = match by {
            GroupBy::Agent => "agent",
            GroupBy::Queue => "queue",
            GroupBy::Survey => "survey",
            GroupBy::Day => "day",
        };
        let key = "origin, survey, question, kind, scale_min, scale_max, better";
        let text = format!(
            "SELECT {group} AS grp, {key}, value, CAST(SUM(n) AS BIGINT) AS n FROM rollup_answers{wheres} \
             GROUP BY {group}, {key}, value ORDER BY {group}, {key}, value"
        );
        let answers = wheres.bind(text).fetch_all(self.pool()).await.map_err(read_error)?;
        let text = format!(
            "SELECT {group} AS grp, origin, disposition, stage, CAST(SUM(n) AS BIGINT) AS n FROM rollup_calls{wheres} \
             GROUP BY {group}, origin, disposition, stage ORDER BY {group}, origin, disposition, stage"
        );
        let outcomes = wheres.bind(text).fetch_all(self.pool()).await.map_err(read_error)?;
        Ok(Tallies {
            answers: answer_tallies(&answers)?,
            outcomes: outcomes.iter().map(outcome_tally).collect::<Result<_, _>>()?,
        })
    }
}

/// Gathers rows that differ in the value alone; they come sorted.
fn answer_tallies(rows: &[SqliteRow]) -> Result<Vec<AnswerTally>, StoreError> {
    let mut tallies: Vec<AnswerTally> = Vec::new();
    for row in rows {
        let tally = AnswerTally {
            group: get(row, "grp")?,
            origin: parse(row, "origin")?,
            survey: parse(row, "survey")?,
            question: parse(row, "question")?,
            kind: parse(row, "kind")?,
            scale: scale_of(row)?,
            counts: BTreeMap::new(),
        };
        let (value, n): (String, i64) = (get(row, "value")?, get(row, "n")?);
        let same = |last: &&mut AnswerTally| {
            let last = AnswerTally { counts: BTreeMap::new(), ..(**last).clone() };
            last == tally
        };
        let n = u64::try_from(n).unwrap_or_default();
        if let Some(last) = tallies.last_mut().filter(same) {
            last.counts.insert(value, n);
        } else {
            tallies.push(AnswerTally { counts: BTreeMap::from([(value, n)]), ..tally });
        }
    }
    Ok(tallies)
}

fn outcome_tally(row: &SqliteRow) -> Result<OutcomeTally, StoreError> {
    Ok(OutcomeTally {
        group: get(row, "grp")?,
        origin: parse(row, "origin")?,
        disposition: parse(row, "disposition")?,
        stage: parse(row, "stage")?,
        n: u64::try_from(get::<i64>(row, "n")?).unwrap_or_default(),
    })
}
