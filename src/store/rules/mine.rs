//! What an agent sees of themselves: responses without their calls, in batches of whole weeks, late and shuffled.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::board::scores;
use super::read::Tally;
use super::{Denied, Results, Score, View, ViewError};
use crate::domain::{AgentId, CallId, Origin, QuestionId, Viewer, Week, midnight_us};
use crate::store::StoreError;
use crate::store::views::{get, parse, read_error, scale_of_answer, uuid_of};

/// Batches in one answer, the latest.
const BATCHES_MAX: usize = 52;

/// One response without anything that tells which call it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AnonymousResponse {
    /// The values by question, as rows spell them.
    pub answers: BTreeMap<QuestionId, String>,
}

/// One batch of an agent's own responses.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AgentWeek {
    /// The week that it is named for: the last one in it.
    pub week: Week,
    /// The first week in it; earlier than [`Self::week`] where weeks had too few responses alone.
    pub since: Week,
    /// The responses, shuffled.
    pub responses: Vec<AnonymousResponse>,
    /// The figures of the batch, and how they differ from those of the batch before.
    pub figures: Vec<Score>,
}

/// An agent's own results, the latest batch first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MyWeeks {
    /// The agent.
    pub agent: AgentId,
    /// The batches that may be seen.
    pub weeks: Vec<AgentWeek>,
}

/// Whose responses an agent sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Those of callers whom we chose.
    Callers,
    /// Those of trial calls.
    Trials,
}

impl Whose {
    fn origin(self) -> Origin {
        match self {
            Self::Callers => Origin::Sampled,
            Self::Trials => Origin::Test,
        }
    }
}

/// A response on its way into a batch.
struct Response {
    call: CallId,
    week: Week,
    answers: AnonymousResponse,
    tally: Tally,
}

impl Results {
    /// The viewer's own responses of calls that we chose, in batches that are old enough at `now`; or of trial calls, by
    /// which one sees what the page is like.
    ///
    /// Weeks are those of UTC, and the day from which a week is shown is that of the policy's time zone. A batch is made
    /// once its last week is old enough, from responses that are all there by then, so it never changes.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn my_weeks(
        &self,
        viewer: &Viewer,
        whose: Whose,
        now: Timestamp,
    ) -> Result<MyWeeks, ViewError> {
        super::allowed(viewer, View::MyWeeks)?;
        let agent = viewer.agent.clone().ok_or(Denied::NoAgent)?;
        self.look_closely(viewer, View::MyWeeks, agent.to_string(), "").await?;
        let today = now.to_zoned(self.policy.zone()).date();
        let last = Week::of_day(today).plus(-i64::from(self.policy.agent_delay_weeks));
        let responses = self.own_responses(agent.as_str(), whose.origin(), last).await?;
        let (mut weeks, mut before): (Vec<AgentWeek>, Option<Tally>) = (Vec::new(), None);
        for batch in batches(responses, self.policy.agent_batch_min) {
            let tally = sum(&batch);
            weeks.push(self.shuffled(batch, scores(&tally, before.as_ref())));
            before = Some(tally);
        }
        weeks.reverse();
        weeks.truncate(BATCHES_MAX);
        Ok(MyWeeks { agent, weeks })
    }

    /// In the order of time, up to a week.
    async fn own_responses(
        &self,
        agent: &str,
        origin: Origin,
        last: Week,
    ) -> Result<Vec<Response>, StoreError> {
        let end_us = midnight_us(last.plus(1).monday()).unwrap_or(i64::MIN);
        let text = "SELECT calls.id, calls.offered_us, answers.question, answers.kind, answers.scale_min, \
                    answers.scale_max, answers.better, answers.value FROM calls \
                    JOIN answers ON answers.call_id = calls.id \
                    WHERE calls.agent = $1 AND calls.origin = $3 AND calls.offered_us < $2 \
                    ORDER BY calls.offered_us, calls.id, answers.position";
        let query = sqlx::query(text).bind(agent).bind(end_us).bind(origin.as_str());
        let rows = query.fetch_all(self.store.views().pool()).await.map_err(read_error)?;
        let mut responses: Vec<Response> = Vec::new();
        for row in &rows {
            let call = CallId(uuid_of("calls", &get::<Vec<u8>>(row, "id")?)?);
            if responses.last().is_none_or(|last| last.call != call) {
                let week = Week::of_us(get(row, "offered_us")?);
                let answers = AnonymousResponse { answers: BTreeMap::new() };
                responses.push(Response { call, week, answers, tally: Tally::default() });
            }
            let (Some(response), value) = (responses.last_mut(), get::<String>(row, "value")?) else {
                continue;
            };
            let key: super::read::ScoreKey =
                (parse(row, "question")?, parse(row, "kind")?, scale_of_answer(row)?);
            response.answers.answers.insert(key.0.clone(), value.clone());
            *response.tally.counts.entry(key).or_default().entry(value).or_default() += 1;
        }
        Ok(responses)
    }

    fn shuffled(&self, mut batch: Vec<Response>, figures: Vec<Score>) -> AgentWeek {
        let (since, week) = (batch[0].week, batch[batch.len() - 1].week);
        batch.sort_by_key(|response| self.store.privacy().shuffled(response.call));
        let responses = batch.into_iter().map(|response| response.answers).collect();
        AgentWeek { week, since, responses, figures }
    }
}

/// All answers of a batch.
fn sum(batch: &[Response]) -> Tally {
    let mut tally = Tally::default();
    for (key, counts) in batch.iter().flat_map(|response| &response.tally.counts) {
        for (value, n) in counts {
            *tally.counts.entry(key.clone()).or_default().entry(value.clone()).or_default() += n;
        }
    }
    tally
}

/// Whole weeks together until there are enough; what is left over waits.
fn batches(responses: Vec<Response>, min: usize) -> Vec<Vec<Response>> {
    let mut batches: Vec<Vec<Response>> = Vec::new();
    let mut batch: Vec<Response> = Vec::new();
    for response in responses {
        if batch.len() >= min && batch.last().is_some_and(|last| last.week < response.week) {
            batches.push(std::mem::take(&mut batch));
        }
        batch.push(response);
    }
    if batch.len() >= min {
        batches.push(batch);
    }
    batches
}
