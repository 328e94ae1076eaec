//! Single responses: calls with what was answered to which question.

use std::collections::HashMap;

use sqlx::sqlite::SqliteRow;

use super::sql;
use super::views::{get, parse, read_error, uuid_of};
use super::wheres::Wheres;
use super::{CallFilter, CallSummary, StoreError, Views};
use crate::domain::{AnswerValue, CallId, GivenBy, QuestionKind, Week};

/// A call and its answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// The call.
    pub call: CallSummary,
    /// The answers in the order of answering.
    pub answers: Vec<GivenAnswer>,
}

/// One answer as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenAnswer {
    /// The question.
    pub question: String,
    /// What it measures.
    pub kind: QuestionKind,
    /// The value.
    pub value: AnswerValue,
    /// How it was given.
    pub given_by: GivenBy,
    /// When, in microseconds since 1970 UTC.
    pub at_us: i64,
    /// From the start of the question to the answer, in ms.
    pub took_ms: i64,
}

/// Questions with the weeks in which they were answered: those of the sums, of responses that wait for their group, and
/// of calls that go on, both of which are few and of any week.
const ANSWERED: &str = "SELECT week AS since, week AS until, origin, survey, question FROM journey_weeks \
     WHERE what IN ('key', 'voice', 'voice_confirmed') \
     UNION ALL SELECT 0, 1000000, responses_waiting.origin, responses_waiting.survey, answers.question \
     FROM responses_waiting JOIN answers ON answers.call_id = responses_waiting.call_id \
     UNION ALL SELECT 0, 1000000, calls.origin, calls.survey, answers.question \
     FROM calls JOIN answers ON answers.call_id = calls.id \
     WHERE calls.ended_us IS NULL AND calls.origin IS NOT NULL AND calls.survey IS NOT NULL";

impl Views {
    /// Calls as [`Views::calls`] gives them, with their answers.
    ///
    /// # Errors
    /// [`StoreError::Read`], [`StoreError::Damaged`].
    pub async fn responses(&self, filter: &CallFilter) -> Result<Vec<Response>, StoreError> {
        let calls = self.calls(filter).await?;
        self.with_answers(calls).await
    }

    /// One call with its answers; `None` for a call that we never had.
    ///
    /// # Errors
    /// [`StoreError::Read`], [`StoreError::Damaged`].
    pub async fn response(&self, call: CallId) -> Result<Option<Response>, StoreError> {
        let call = self.call(call).await?;
        Ok(self.with_answers(call.into_iter().collect()).await?.pop())
    }

    /// The questions that were answered in calls of the filter's time, survey and origin, each with its survey. Found
    /// in the sums of weeks and in what is not in them yet, so there may be some that no call of the filter answers.
    ///
    /// # Errors
    /// [`StoreError::Read`].
    pub async fn answered_questions(&self, filter: &CallFilter) -> Result<Vec<(String, String)>, StoreError> {
        let mut wheres = Wheres::default();
        let week = |us: i64| Week::of_us(us).number();
        wheres.add("until >= ", filter.from_us.map(week));
        wheres.add("since <= ", filter.to_us.map(week));
        wheres.add("survey = ", filter.survey.as_ref().map(ToString::to_string));
        wheres.add("origin = ", filter.origin.map(|origin| origin.as_str().to_owned()));
        let text =
            format!("SELECT DISTINCT survey, question FROM ({ANSWERED}){wheres} ORDER BY survey, question");
        let rows = wheres.bind(text).fetch_all(self.pool()).await.map_err(read_error)?;
        rows.iter().map(|row| Ok((get(row, "survey")?, get(row, "question")?))).collect()
    }

    async fn with_answers(&self, calls: Vec<CallSummary>) -> Result<Vec<Response>, StoreError> {
        let answered = calls.iter().filter(|call| call.answer_count > 0);
        let ids: Vec<String> = answered.map(|call| call.id.0.simple().to_string()).collect();
        let mut of_calls: HashMap<CallId, Vec<GivenAnswer>> = HashMap::with_capacity(ids.len());
        if !ids.is_empty() {
            // All ids are one value: a place for each would cost more than the rows.
            let text = "SELECT call_id, question, kind, value, given_by, at_us, took_ms FROM answers \
                        WHERE call_id IN (SELECT unhex(value) FROM json_each($1)) ORDER BY call_id, position";
            let ids = serde_json::to_string(&ids).map_err(|e| StoreError::Encode(e.into()))?;
            let rows = sqlx::query(text).bind(ids).fetch_all(self.pool()).await.map_err(read_error)?;
            for row in &rows {
                let call = CallId(uuid_of("answers", &get::<Vec<u8>>(row, "call_id")?)?);
                of_calls.entry(call).or_default().push(given(row)?);
            }
        }
        let whole =
            |call: CallSummary| Response { answers: of_calls.remove(&call.id).unwrap_or_default(), call };
        Ok(calls.into_iter().map(whole).collect())
    }
}

fn given(row: &SqliteRow) -> Result<GivenAnswer, StoreError> {
    let (kind, text): (QuestionKind, String) = (parse(row, "kind")?, get(row, "value")?);
    let value = sql::answer_value(kind, &text).ok_or_else(|| StoreError::Damaged {
        table: "answers",
        id: format!("{:02x?}", get::<Vec<u8>>(row, "call_id").unwrap_or_default()),
        what: format!("{text:?} is no value of {}", kind.as_str()),
    })?;
    Ok(GivenAnswer {
        question: get(row, "question")?,
        kind,
        value,
        given_by: parse(row, "given_by")?,
        at_us: get(row, "at_us")?,
        took_ms: get(row, "took_ms")?,
    })
}
