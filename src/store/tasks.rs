//! What somebody is to follow up after a call: a low score, or a caller who asked to be called back. One task a call.
//!
//! The number of a caller who asked for it is sealed under a key of the task's own, which is destroyed when the task is
//! closed, when the call is erased, and after a time. Who may see what of it is [`super::rules`]' word.

use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::KeyInit as _;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::sql;
use super::statement::Statement;
use super::views::{get, read_error, uuid_of};
use super::wheres::Wheres;
use super::{Change, Privacy, Receipt, Store, StoreError, Vault, Views, seal};
use crate::domain::{CallId, CallerNumber, EventKind, Happening};

/// Most tasks in one list.
const LIST_MAX: u32 = 1001;

/// What asks for somebody's attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskKind {
    /// A low score.
    LowScore,
    /// The wish to be called back.
    Callback,
}

impl TaskKind {
    /// All kinds.
    pub const ALL: [Self; 2] = [Self::LowScore, Self::Callback];

    /// The name in rows and lists.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LowScore => "low_score",
            Self::Callback => "callback",
        }
    }
}

/// How far a task has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// Nobody has done it.
    Open,
    /// The caller was called back.
    CalledBack,
    /// It is done with; the number is destroyed.
    Closed,
}

impl TaskState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Open, Self::CalledBack, Self::Closed];

    /// The name in rows and lists.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::CalledBack => "called_back",
            Self::Closed => "closed",
        }
    }
}

/// A task to be written.
#[derive(Clone, Debug)]
pub struct NewTask {
    /// What happened.
    pub happening: Happening,
    /// The number to call, and the key that it is sealed under, where a caller asked for it and has one.
    pub number: Option<SealedNumber>,
}

/// A number under a key of its own, and that key under the installation's secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedNumber {
    number: Vec<u8>,
    key: Vec<u8>,
}

/// A task as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRow {
    /// The call, whose id is the task's.
    pub call: CallId,
    /// low_score or callback.
    pub kind: String,
    /// When it was made, in microseconds since 1970 UTC.
    pub made_us: i64,
    /// open, called_back or closed.
    pub state: String,
    /// The question whose answer made it.
    pub question: String,
    /// The answer.
    pub value: String,
    /// Whether there is a number to call.
    pub has_number: bool,
    /// What somebody wrote about it.
    pub note: String,
    /// When it was changed, in microseconds since 1970 UTC.
    pub changed_us: Option<i64>,
    /// Who changed it: a user's id.
    pub changed_by: Option<String>,
    /// The agent of the call.
    pub agent: Option<String>,
    /// Its queue.
    pub queue: Option<String>,
    /// The contact centre's reference.
    pub call_ref: Option<String>,
    /// The survey.
    pub survey: Option<String>,
    /// Where the response comes from.
    pub origin: Option<String>,
}

/// Which tasks to list. All that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct TaskFilter {
    /// In this state.
    pub state: Option<TaskState>,
    /// Of this kind.
    pub kind: Option<TaskKind>,
    /// Before this one; lists begin with the latest.
    pub before: Option<CallId>,
    /// At most so many; 1000 at most.
    pub limit: Option<u32>,
}

/// What somebody does to a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskChange {
    /// The task.
    pub call: CallId,
    /// Its new state, where it changes.
    pub state: Option<TaskState>,
    /// Its new note, where it changes.
    pub note: Option<String>,
    /// When, in microseconds since 1970 UTC.
    pub at_us: i64,
    /// Who: a user's id.
    pub by: String,
}

impl Views {
    /// Tasks, the latest first.
    ///
    /// # Errors
    /// [`StoreError::Read`].
    pub(super) async fn tasks(&self, filter: &TaskFilter) -> Result<Vec<TaskRow>, StoreError> {
        let mut wheres = Wheres::default();
        wheres.add("t.state = ", filter.state.map(|state| state.as_str().to_owned()));
        wheres.add("t.kind = ", filter.kind.map(|kind| kind.as_str().to_owned()));
        wheres.add("t.call_id < ", filter.before.map(|call| sql::bytes(call.0)));
        let limit = filter.limit.unwrap_or(LIST_MAX).min(LIST_MAX);
        let text = format!("{SELECT}{wheres} ORDER BY t.call_id DESC LIMIT {limit}");
        let rows = wheres.bind(text).fetch_all(self.pool()).await.map_err(read_error)?;
        rows.iter().map(task).collect()
    }

    /// One task; `None` where there is none for the call.
    ///
    /// # Errors
    /// [`StoreError::Read`].
    pub(super) async fn task(&self, call: CallId) -> Result<Option<TaskRow>, StoreError> {
        let query = sqlx::query(AssertSqlSafe(format!("{SELECT} WHERE t.call_id = $1")));
        let row = query.bind(sql::bytes(call.0)).fetch_optional(self.pool()).await.map_err(read_error)?;
        row.as_ref().map(task).transpose()
    }
}

/// The columns of [`TaskRow`].
const SELECT: &str = "SELECT t.call_id, t.kind, t.made_us, t.state, t.question, t.value, \
    t.number IS NOT NULL AS has_number, t.note, t.changed_us, t.changed_by, c.agent, c.queue, c.call_ref, c.survey, \
    c.origin FROM tasks t LEFT JOIN calls c ON c.id = t.call_id";

fn task(row: &SqliteRow) -> Result<TaskRow, StoreError> {
    Ok(TaskRow {
        call: CallId(uuid_of("tasks", &get::<Vec<u8>>(row, "call_id")?)?),
        kind: get(row, "kind")?,
        made_us: get(row, "made_us")?,
        state: get(row, "state")?,
        question: get(row, "question")?,
        value: get(row, "value")?,
        has_number: get::<i64>(row, "has_number")? != 0,
        note: get(row, "note")?,
        changed_us: get(row, "changed_us")?,
        changed_by: get(row, "changed_by")?,
        agent: get(row, "agent")?,
        queue: get(row, "queue")?,
        call_ref: get(row, "call_ref")?,
        survey: get(row, "survey")?,
        origin: get(row, "origin")?,
    })
}

impl Privacy {
    /// Seals a number under a key of its own.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn seal_number(&self, call: CallId, number: &CallerNumber) -> std::io::Result<SealedNumber> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(std::io::Error::other)?;
        let name = call.0.as_bytes();
        let number = seal::seal(&XChaCha20Poly1305::new(&key.into()), name, number.expose().as_bytes())?;
        Ok(SealedNumber { number, key: seal::seal(self.tasks(), name, &key)? })
    }

    fn open_number(&self, call: CallId, sealed: &SealedNumber) -> Option<CallerNumber> {
        let name = call.0.as_bytes();
        let key: [u8; 32] = seal::open(self.tasks(), name, &sealed.key)?.try_into().ok()?;
        let number = seal::open(&XChaCha20Poly1305::new(&key.into()), name, &sealed.number)?;
        CallerNumber::new(std::str::from_utf8(&number).ok()?)
    }
}

impl Vault {
    /// The number to call; `None` when there is none, or it has been destroyed. For [`super::rules`] alone.
    pub(super) async fn number(&self, call: CallId) -> Result<Option<CallerNumber>, StoreError> {
        let text = "SELECT t.number, k.sealed FROM tasks t JOIN task_keys k ON k.call_id = t.call_id \
                    WHERE t.call_id = $1 AND t.number IS NOT NULL";
        let row: Option<(Vec<u8>, Vec<u8>)> = sqlx::query_as(text)
            .bind(sql::bytes(call.0))
            .fetch_optional(self.views().pool())
            .await
            .map_err(read_error)?;
        let sealed = row.map(|(number, key)| SealedNumber { number, key });
        Ok(sealed.and_then(|sealed| self.privacy().open_number(call, &sealed)))
    }
}

impl Store {
    /// Changes a task. Who may is [`super::rules`]' word.
    pub(super) async fn change_task(
        &self,
        change: TaskChange,
        receipt: Option<Receipt>,
    ) -> Result<(), StoreError> {
        self.change(Change::TaskChanged(change), receipt).await
    }
}

/// A wish to be called back takes the place of a low score of the same call, which is open since a moment ago.
pub(super) fn insert(new: &NewTask) -> Vec<Statement> {
    let happening = &new.happening;
    let kind = match happening.kind {
        EventKind::LowScore => TaskKind::LowScore,
        EventKind::Callback => TaskKind::Callback,
        EventKind::Completed => return Vec::new(),
    };
    let text = "INSERT INTO tasks (call_id, kind, made_us, state, question, value, number, note) \
                VALUES ($1, $2, $3, 'open', $4, $5, $6, '') ON CONFLICT (call_id) DO UPDATE SET kind = excluded.kind, \
                number = COALESCE(excluded.number, tasks.number) WHERE excluded.kind = 'callback'";
    let call = sql::bytes(happening.call.0);
    let (question, value) =
        happening.answers.last().map(|(question, value)| (question.clone(), value.to_string())).unzip();
    let task = Statement::new(text)
        .bind(call.clone())
        .bind(kind.as_str())
        .bind(happening.at_us)
        .bind(question.map(String::from).unwrap_or_default())
        .bind(value.unwrap_or_default())
        .bind(new.number.as_ref().map(|sealed| sealed.number.clone()));
    let key = new.number.as_ref().map(|sealed| {
        let text = "INSERT INTO task_keys (call_id, sealed) VALUES ($1, $2) \
                    ON CONFLICT (call_id) DO UPDATE SET sealed = excluded.sealed";
        Statement::new(text).bind(call).bind(sealed.key.clone())
    });
    std::iter::once(task).chain(key).collect()
}

pub(super) fn change(change: &TaskChange) -> Vec<Statement> {
    let call = sql::bytes(change.call.0);
    let text = "UPDATE tasks SET state = COALESCE($1, state), note = COALESCE($2, note), changed_us = $3, \
                changed_by = $4 WHERE call_id = $5";
    let update = Statement::new(text)
        .bind(change.state.map(TaskState::as_str))
        .bind(change.note.clone())
        .bind(change.at_us)
        .bind(change.by.clone())
        .bind(call.clone());
    let mut queries = vec![update];
    if change.state == Some(TaskState::Closed) {
        queries.push(Statement::new("DELETE FROM task_keys WHERE call_id = $1").bind(call.clone()));
        queries.push(Statement::new("UPDATE tasks SET number = NULL WHERE call_id = $1").bind(call));
    }
    queries
}

/// Numbers of tasks that were made before this time are destroyed.
pub(super) fn tidy(before_us: i64) -> Vec<Statement> {
    let old = "SELECT call_id FROM tasks WHERE made_us < $1 AND number IS NOT NULL";
    vec![
        Statement::new(format!("DELETE FROM task_keys WHERE call_id IN ({old})")).bind(before_us),
        Statement::new("UPDATE tasks SET number = NULL WHERE made_us < $1 AND number IS NOT NULL")
            .bind(before_us),
    ]
}

/// Destroys the number of a call's task, and removes the task; gives how many keys went.
pub(super) async fn erase(conn: &mut SqliteConnection, call: CallId) -> Result<u64, StoreError> {
    let mut keys = 0;
    for (delete, is_key) in
        [("DELETE FROM task_keys WHERE call_id = $1", true), ("DELETE FROM tasks WHERE call_id = $1", false)]
    {
        let query = sqlx::query(delete).bind(sql::bytes(call.0));
        let done = query.execute(&mut *conn).await.map_err(sql::write_error)?.rows_affected();
        keys += if is_key { done } else { 0 };
    }
    Ok(keys)
}
