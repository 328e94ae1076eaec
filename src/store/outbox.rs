//! Messages that wait to be sent. They are written in the transaction of the fact that they tell of, so none is lost
//! and none is sent about something that is not on disk; each is delivered at least once.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, SqliteConnection};
use uuid::Uuid;

use super::sql;
use super::statement::{self, Statement};
use super::views::{get, parse, read_error, uuid_of};
use super::wheres::Wheres;
use super::{StoreError, Views, schema};
use crate::config::StoreConfig;
use crate::domain::{AnswerValue, CallId, EventKind, Happening};

/// Most messages in one list: the longest page, and one more that tells whether there is another.
pub(super) const LIST_MAX: u32 = 1001;

/// To whom a message goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A webhook, by its name.
    Webhook(String),
    /// The mailboxes of the alerts.
    Mail,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Webhook(name) => write!(f, "webhook:{name}"),
            Self::Mail => f.write_str("mail"),
        }
    }
}

/// A message to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its id, the same at every try.
    pub id: Uuid,
    /// To whom.
    pub target: Target,
    /// What happened.
    pub happening: Happening,
    /// When it is to be sent at the earliest, in microseconds since 1970 UTC.
    pub due_us: i64,
}

/// What came of a try to send a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Which.
    pub id: Uuid,
    /// When, in microseconds since 1970 UTC.
    pub at_us: i64,
    /// What came of it.
    pub outcome: Outcome,
}

/// How a try went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken.
    Delivered,
    /// It was not, and is to be tried again at this time.
    Again(i64, String),
    /// It was not, and is given up.
    Dead(String),
}

/// How a message fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// It waits for its first or next try.
    Waiting,
    /// It was taken.
    Delivered,
    /// It was given up.
    Dead,
}

impl MessageState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Delivered, Self::Dead];

    /// The name in rows.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

/// A message as it stands, without what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRow {
    /// Its id.
    pub id: Uuid,
    /// When it was made, in microseconds since 1970 UTC.
    pub made_us: i64,
    /// The call that it tells of.
    pub call: CallId,
    /// The event's name.
    pub event: String,
    /// To whom: `webhook:NAME` or `mail`.
    pub target: String,
    /// How it fares.
    pub state: MessageState,
    /// How often it was tried.
    pub attempts: i64,
    /// When it is tried next, where it waits.
    pub due_us: i64,
    /// When it was tried last.
    pub tried_us: Option<i64>,
    /// What went wrong then; empty when nothing did.
    pub error: String,
}

/// A message that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Its id.
    pub id: Uuid,
    /// When it was made, in microseconds since 1970 UTC.
    pub made_us: i64,
    /// How often it was tried.
    pub attempts: u32,
    /// The event's name.
    pub event: String,
    /// What it says, as JSON.
    pub payload: String,
}

/// Which messages to list. All that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct MessageFilter {
    /// In this state.
    pub state: Option<MessageState>,
    /// To this target.
    pub target: Option<String>,
    /// Before this one; lists begin with the latest.
    pub before: Option<Uuid>,
    /// At most so many; 1001 at most.
    pub limit: Option<u32>,
}

impl Views {
    /// Messages, the latest first.
    ///
    /// # Errors
    /// [`StoreError::Read`].
    pub async fn messages(&self, filter: &MessageFilter) -> Result<Vec<MessageRow>, StoreError> {
        let mut wheres = Wheres::default();
        wheres.add("state = ", filter.state.map(|state| state.as_str().to_owned()));
        wheres.add("target = ", filter.target.clone());
        wheres.add("id < ", filter.before.map(sql::bytes));
        let limit = filter.limit.unwrap_or(LIST_MAX).min(LIST_MAX);
        let columns = "id, made_us, call_id, event, target, state, attempts, due_us, tried_us, error";
        let text = format!("SELECT {columns} FROM messages{wheres} ORDER BY id DESC LIMIT {limit}");
        let rows = wheres.bind(text).fetch_all(self.pool()).await.map_err(read_error)?;
        rows.iter().map(message).collect()
    }

    /// One message; `None` for one that never was, or is kept no more.
    ///
    /// # Errors
    /// [`StoreError::Read`].
    pub async fn message(&self, id: Uuid) -> Result<Option<MessageRow>, StoreError> {
        let query = sqlx::query("SELECT * FROM messages WHERE id = $1").bind(sql::bytes(id));
        query.fetch_optional(self.pool()).await.map_err(read_error)?.as_ref().map(message).transpose()
    }

    /// Messages to a target that are to be sent now, the longest due first.
    ///
    /// # Errors
    /// [`StoreError::Read`].
    pub async fn due(&self, target: &Target, now_us: i64, max: usize) -> Result<Vec<Due>, StoreError> {
        let text = "SELECT id, made_us, attempts, event, payload FROM messages \
                    WHERE state = 'waiting' AND target = $1 AND due_us <= $2 ORDER BY due_us, id LIMIT $3";
        let query = sqlx::query(text).bind(target.to_string()).bind(now_us).bind(sql::integer(max as u64));
        let rows = query.fetch_all(self.pool()).await.map_err(read_error)?;
        rows.iter()
            .map(|row| {
                Ok(Due {
                    id: uuid_of("messages", &get::<Vec<u8>>(row, "id")?)?,
                    made_us: get(row, "made_us")?,
                    attempts: u32::try_from(get::<i64>(row, "attempts")?).unwrap_or(u32::MAX),
                    event: get(row, "event")?,
                    payload: get(row, "payload")?,
                })
            })
            .collect()
    }
}

/// Makes messages that were given up wait again, all or one of them; gives their number. Works beside a running service,
/// which finds them by itself: nothing about messages is held in memory.
///
/// # Errors
/// The database's.
pub async fn replay(
    config: &StoreConfig,
    data_dir: &std::path::Path,
    id: Option<Uuid>,
    now_us: i64,
) -> Result<u64, StoreError> {
    let mut conn = schema::open_beside(&data_dir.join(&config.file)).await?;
    let replayed =
        statement::run(&mut conn, replay_statements(id, now_us)).await.map_err(sql::write_error)?;
    conn.close().await.map_err(sql::write_error)?;
    Ok(replayed)
}

fn message(row: &SqliteRow) -> Result<MessageRow, StoreError> {
    Ok(MessageRow {
        id: uuid_of("messages", &get::<Vec<u8>>(row, "id")?)?,
        made_us: get(row, "made_us")?,
        call: CallId(uuid_of("messages", &get::<Vec<u8>>(row, "call_id")?)?),
        event: get(row, "event")?,
        target: get(row, "target")?,
        state: parse(row, "state")?,
        attempts: get(row, "attempts")?,
        due_us: get(row, "due_us")?,
        tried_us: get(row, "tried_us")?,
        error: get(row, "error")?,
    })
}

/// What a message says: `type`, `timestamp`, `data`, as Standard Webhooks 1.0.0 proposes ("Payload structure"). No
/// number, no agent and no words of the caller are in it.
fn payload(happening: &Happening) -> String {
    let (survey, version) = &happening.survey;
    let answers: Map<String, Value> =
        happening.answers.iter().map(|(question, value)| (question.to_string(), typed(value))).collect();
    let mut data = json!({
        "call": happening.call.to_string(),
        "call_ref": happening.call_ref.as_ref().map(ToString::to_string),
        "queue": happening.queue.as_ref().map(ToString::to_string),
        "survey": survey.to_string(),
        "version": version.0,
        "origin": happening.origin.as_str(),
        "answers": answers,
    });
    if happening.kind != EventKind::Completed {
        data["task"] = json!(happening.call.to_string());
    }
    let at = Timestamp::from_microsecond(happening.at_us).unwrap_or_default();
    json!({ "type": happening.kind.as_str(), "timestamp": at.to_string(), "data": data }).to_string()
}

/// A rating as a number, yes and no as truth, a choice by its label: as the API spells them.
fn typed(value: &AnswerValue) -> Value {
    match value {
        AnswerValue::Rating(number) => json!(number),
        AnswerValue::YesNo(yes) => json!(yes),
        AnswerValue::Choice(label) => json!(label),
    }
}

pub(super) fn insert(message: &Message) -> Vec<Statement> {
    let text = "INSERT INTO messages (id, made_us, call_id, event, target, payload, state, attempts, due_us, error) \
                VALUES ($1, $2, $3, $4, $5, $6, 'waiting', 0, $7, '')";
    let query = Statement::new(text)
        .bind(sql::bytes(message.id))
        .bind(message.happening.at_us)
        .bind(sql::bytes(message.happening.call.0))
        .bind(message.happening.kind.as_str())
        .bind(message.target.to_string())
        .bind(payload(&message.happening))
        .bind(message.due_us);
    vec![query]
}

pub(super) fn tried(tried: &Tried) -> Vec<Statement> {
    let (state, due_us, error) = match &tried.outcome {
        Outcome::Delivered => (MessageState::Delivered, tried.at_us, ""),
        Outcome::Again(due_us, error) => (MessageState::Waiting, *due_us, error.as_str()),
        Outcome::Dead(error) => (MessageState::Dead, tried.at_us, error.as_str()),
    };
    let text = "UPDATE messages SET state = $1, attempts = attempts + 1, due_us = $2, tried_us = $3, error = $4 \
                WHERE id = $5 AND state = 'waiting'";
    let query = Statement::new(text)
        .bind(state.as_str())
        .bind(due_us)
        .bind(tried.at_us)
        .bind(error.to_owned())
        .bind(sql::bytes(tried.id));
    vec![query]
}

/// Makes messages that were given up wait again.
pub(super) fn replay_statements(id: Option<Uuid>, now_us: i64) -> Vec<Statement> {
    let text = "UPDATE messages SET state = 'waiting', attempts = 0, due_us = $1 WHERE state = 'dead'";
    match id {
        None => vec![Statement::new(text).bind(now_us)],
        Some(id) => {
            vec![Statement::new(format!("{text} AND id = $2")).bind(now_us).bind(sql::bytes(id))]
        }
    }
}

/// Messages that were done with before this time go, some at a time, so that answers of running calls never wait long.
pub(super) fn tidy(before_us: i64) -> Vec<Statement> {
    /// More than become so in the minute between two times.
    const MAX: i64 = 5000;
    let text = "DELETE FROM messages WHERE id IN \
                (SELECT id FROM messages WHERE state <> 'waiting' AND due_us < $1 ORDER BY due_us LIMIT $2)";
    vec![Statement::new(text).bind(before_us).bind(MAX)]
}

/// Gives up messages to targets that the configuration names no more.
pub(super) fn orphaned(known: &[Target]) -> Vec<Statement> {
    let text = format!(
        "UPDATE messages SET state = 'dead', error = 'the configuration names no such receiver' \
         WHERE state = 'waiting' AND target NOT IN ({})",
        sql::places(known.len())
    );
    let query = Statement::new(text);
    vec![known.iter().fold(query, |query, target| query.bind(target.to_string()))]
}

/// Removes what tells of a call.
pub(super) async fn erase(conn: &mut SqliteConnection, call: CallId) -> Result<(), StoreError> {
    let delete = sqlx::query("DELETE FROM messages WHERE call_id = $1").bind(sql::bytes(call.0));
    delete.execute(conn).await.map(|_| ()).map_err(sql::write_error)
}
