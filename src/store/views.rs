//! What can be read: calls, one call's story, what a start needs, a copy of it all.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, FromRow, Row};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::project::{CallRow, RollUps};
use super::wheres::Wheres;
use super::{StoreError, schema, sql};
use crate::domain::{
    AgentId, Better, CallId, CallRef, CallStats, Disposition, Entry, Origin, QueueId, Scale, SurveyId,
};
use crate::priority;
use crate::selection::SelectionState;

/// Reading connections at once.
const READERS_MAX: u32 = 4;
/// Most calls in one answer; take more with [`CallFilter::after`].
pub(super) const CALLS_MAX: u32 = 10_000;

/// A handle for reading. Cheap to clone; works beside a running service.
#[derive(Clone, Debug)]
pub struct Views {
    pool: SqlitePool,
    path: PathBuf,
}

/// Which calls to list. All that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct CallFilter {
    /// Offered at this time or later, in microseconds since 1970 UTC.
    pub from_us: Option<i64>,
    /// Offered before this time.
    pub to_us: Option<i64>,
    /// Of this agent.
    pub agent: Option<AgentId>,
    /// Through this queue.
    pub queue: Option<QueueId>,
    /// With this survey.
    pub survey: Option<SurveyId>,
    /// That came out so.
    pub disposition: Option<Disposition>,
    /// Of this origin.
    pub origin: Option<Origin>,
    /// With this reference.
    pub call_ref: Option<CallRef>,
    /// After this call in the order of ids, to take up a list where it ended.
    pub after: Option<CallId>,
    /// The latest first, for a look at what happened last; else the earliest first.
    pub latest_first: bool,
    /// At most so many; 10,000 at most.
    pub limit: Option<u32>,
}

/// One call, as lists show it. Names are spelled as in the journal.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are those of `Fact` and `StoredContext`, described there")]
pub struct CallSummary {
    pub id: CallId,
    pub offered_us: i64,
    pub answered_us: Option<i64>,
    pub ended_us: Option<i64>,
    pub trunk: Option<String>,
    pub agent: Option<String>,
    pub queue: Option<String>,
    pub call_ref: Option<String>,
    pub talk_s: Option<i64>,
    pub first_hang_up: Option<String>,
    pub origin: Option<String>,
    pub reason: Option<String>,
    pub survey: Option<String>,
    pub version: Option<i64>,
    pub codec: Option<String>,
    pub language: Option<String>,
    pub stage: String,
    pub disposition: Option<String>,
    pub left_at: Option<String>,
    pub failure: Option<String>,
    pub by_caller: Option<bool>,
    pub answer_count: i64,
    /// The values in order, with a space between.
    pub answers: String,
    pub stats: Option<CallStats>,
}

/// Opens all connections at once, never to be closed one by one: their threads take the priority of the one that opens
/// them, and it must be this one.
async fn connect(options: SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    let pool = SqlitePoolOptions::new().max_connections(READERS_MAX).idle_timeout(None).max_lifetime(None);
    let pool = pool.connect_with(options).await?;
    let mut all = Vec::new();
    for _ in 0..READERS_MAX {
        all.push(pool.acquire().await?);
    }
    Ok(pool)
}

impl Views {
    /// Opens an existing database for reading. No call waits for what is read: each connection's thread is behind
    /// those of calls on the cores.
    ///
    /// # Errors
    /// [`StoreError::Open`] when it is not there or no database.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let (opened, pool) = oneshot::channel();
        let (runtime, options) = (Handle::current(), schema::read_options(path));
        let error = |e| StoreError::Open { path: path.to_owned(), source: Arc::new(e) };
        std::thread::Builder::new()
            .name("open readers".to_owned())
            .spawn(move || {
                priority::behind_calls();
                // Who has gone wants no pool.
                opened.send(runtime.block_on(connect(options))).ok();
            })
            .map_err(|e| error(sqlx::Error::Io(e)))?;
        let pool = pool.await.map_err(|_| StoreError::Closed)?.map_err(error)?;
        Ok(Self { pool, path: path.to_owned() })
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Closes the connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Calls, by the time of their ids.
    ///
    /// # Errors
    /// [`StoreError::Read`], [`StoreError::Damaged`].
    pub async fn calls(&self, filter: &CallFilter) -> Result<Vec<CallSummary>, StoreError> {
        let mut wheres = Wheres::default();
        wheres.add("offered_us >= ", filter.from_us);
        wheres.add("offered_us < ", filter.to_us);
        wheres.add("agent = ", filter.agent.as_ref().map(ToString::to_string));
        wheres.add("queue = ", filter.queue.as_ref().map(ToString::to_string));
        wheres.add("survey = ", filter.survey.as_ref().map(ToString::to_string));
        wheres.add("disposition = ", filter.disposition.map(|d| d.as_str().to_owned()));
        wheres.add("origin = ", filter.origin.map(|o| o.as_str().to_owned()));
        wheres.add("call_ref = ", filter.call_ref.as_ref().map(ToString::to_string));
        let (beyond, order) = if filter.latest_first { ("id < ", "DESC") } else { ("id > ", "ASC") };
        wheres.add(beyond, filter.after.map(|call| sql::bytes(call.0)));
        let limit = filter.limit.unwrap_or(CALLS_MAX).min(CALLS_MAX);
        let text = format!("SELECT * FROM calls{wheres} ORDER BY id {order} LIMIT {limit}");
        let rows = wheres.bind(text).fetch_all(&self.pool).await.map_err(read_error)?;
        rows.iter().map(summary).collect()
    }

    /// One call; `None` for a call that we never had.
    ///
    /// # Errors
    /// [`StoreError::Read`], [`StoreError::Damaged`].
    pub async fn call(&self, call: CallId) -> Result<Option<CallSummary>, StoreError> {
        let query = sqlx::query("SELECT * FROM calls WHERE id = $1").bind(sql::bytes(call.0));
        query.fetch_optional(&self.pool).await.map_err(read_error)?.as_ref().map(summary).transpose()
    }

    /// Everything that happened in one call, in order; empty for a call that we never had.
    ///
    /// # Errors
    /// [`StoreError::Read`], [`StoreError::Damaged`].
    pub async fn story(&self, call: CallId) -> Result<Vec<Entry>, StoreError> {
        self.lines_of(call).await?.iter().map(LineRow::entry).collect()
    }

    /// Writes a consistent copy while the service runs. The secret file is not in it: keep both, apart.
    ///
    /// # Errors
    /// [`StoreError::Exists`] rather than overwrite; [`StoreError::Write`].
    pub async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        match crate::private::new_file(to) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(StoreError::Exists { path: to.to_owned() });
            }
            Err(error) => return Err(StoreError::Folder { path: to.to_owned(), kind: error.kind() }),
        }
        // SQLite writes into a file that is there as long as it is empty.
        let copied = self.copy(to).await;
        if copied.is_err() {
            std::fs::remove_file(to).ok(); // The error that matters is the one before.
        }
        copied
    }

    async fn copy(&self, to: &Path) -> Result<(), StoreError> {
        let write = |e| StoreError::Write(Arc::new(e));
        let options = schema::read_options(&self.path).pragma("query_only", "OFF");
        let mut conn = options.connect().await.map_err(write)?;
        let name = to.to_string_lossy().into_owned();
        sqlx::query("VACUUM INTO $1").bind(name).execute(&mut conn).await.map_err(write)?;
        conn.close().await.map_err(write)
    }

    /// What selection needs to go on after a restart: the count of each queue, samples since `day_start`, and callers
    /// sampled since `window_start`.
    ///
    /// # Errors
    /// [`StoreError::Read`], [`StoreError::Damaged`].
    pub async fn selection_state(
        &self,
        [day_start, window_start, answered_since]: [Timestamp; 3],
    ) -> Result<SelectionState, StoreError> {
        const SAMPLED: &str = "origin = 'sampled' AND survey IS NOT NULL AND offered_us >= $1";
        let counts = sqlx::query("SELECT queue, n FROM queue_counts").fetch_all(&self.pool);
        let today = format!(
            "SELECT COALESCE(queue, '') AS queue, COALESCE(agent, '') AS agent, COUNT(*) AS n FROM calls \
             WHERE {SAMPLED} GROUP BY queue, agent"
        );
        let today = sqlx::query(AssertSqlSafe(today)).bind(day_start.as_microsecond()).fetch_all(&self.pool);
        let callers = format!(
            "SELECT caller, offered_us FROM calls WHERE {SAMPLED} AND caller IS NOT NULL ORDER BY offered_us"
        );
        let callers =
            sqlx::query(AssertSqlSafe(callers)).bind(window_start.as_microsecond()).fetch_all(&self.pool);
        let mut state = SelectionState::default();
        for row in &counts.await.map_err(read_error)? {
            let n = u64::try_from(get::<i64>(row, "n")?).unwrap_or_default();
            state.counts.push((get::<String>(row, "queue")?.parse().ok(), n));
        }
        for row in &today.await.map_err(read_error)? {
            let (queue, agent): (String, String) = (get(row, "queue")?, get(row, "agent")?);
            let n = u64::try_from(get::<i64>(row, "n")?).unwrap_or_default();
            state.today.push((queue.parse().ok(), agent.parse().ok(), n));
        }
        for row in &callers.await.map_err(read_error)? {
            let at = Timestamp::from_microsecond(get(row, "offered_us")?)
                .map_err(|e| damaged("calls", "offered_us".into(), e.to_string()))?;
            state.callers.push((parse(row, "caller")?, at));
        }
        let conversations = sqlx::query(
            "SELECT call_ref, agent, offered_us FROM calls WHERE offered_us >= $1 AND call_ref IS NOT NULL \
             AND origin IN ('sampled', 'agent') AND disposition IN ('complete', 'partial') ORDER BY offered_us",
        );
        let conversations = conversations.bind(answered_since.as_microsecond()).fetch_all(&self.pool);
        for row in &conversations.await.map_err(read_error)? {
            let at = Timestamp::from_microsecond(get(row, "offered_us")?)
                .map_err(|e| damaged("calls", "offered_us".into(), e.to_string()))?;
            let agent = get::<Option<String>>(row, "agent")?.and_then(|agent| agent.parse().ok());
            state.conversations.push(((parse(row, "call_ref")?, agent), at));
        }
        let from = (day_start.as_microsecond(), window_start.as_microsecond());
        self.add_decided_ahead(from, &mut state).await?;
        Ok(state)
    }

    /// The calls without an end, with what their facts add up to, and those.
    pub(super) async fn open_calls(&self) -> Result<Vec<(CallRow, Vec<Entry>)>, StoreError> {
        let text = format!(
            "SELECT {LINE_COLUMNS} FROM journal WHERE call_id IN (SELECT id FROM calls WHERE ended_us IS NULL) \
             ORDER BY call_id, id"
        );
        let lines: Vec<LineRow> =
            sqlx::query_as(AssertSqlSafe(text)).fetch_all(&self.pool).await.map_err(read_error)?;
        let of_call = |lines: &[LineRow]| {
            let entries = lines.iter().map(LineRow::entry).collect::<Result<Vec<_>, _>>()?;
            let mut row = CallRow::new(entries[0].call, lines[0].node(), lines[0].at_us);
            let mut sums = RollUps::default(); // They were counted when the facts were written.
            for entry in &entries {
                row.apply(entry, &mut sums);
            }
            Ok((row, entries))
        };
        lines.chunk_by(|a, b| a.call == b.call).map(of_call).collect()
    }

    /// The sealed dialogs of open calls.
    pub(super) async fn sealed_dialogs(&self) -> Result<HashMap<CallId, Vec<u8>>, StoreError> {
        let rows: Vec<(Vec<u8>, Vec<u8>)> = sqlx::query_as("SELECT call_id, sealed FROM open_dialogs")
            .fetch_all(&self.pool)
            .await
            .map_err(read_error)?;
        rows.into_iter().map(|(id, sealed)| Ok((CallId(uuid_of("open_dialogs", &id)?), sealed))).collect()
    }

    pub(super) async fn sealed_key(&self, call: CallId) -> Result<Option<Vec<u8>>, StoreError> {
        sqlx::query_scalar("SELECT sealed FROM response_keys WHERE call_id = $1")
            .bind(sql::bytes(call.0))
            .fetch_optional(&self.pool)
            .await
            .map_err(read_error)
    }

    /// The connections, for the views in other files.
    pub(super) fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    async fn lines_of(&self, call: CallId) -> Result<Vec<LineRow>, StoreError> {
        let text = format!("SELECT {LINE_COLUMNS} FROM journal WHERE call_id = $1 ORDER BY id");
        let query = sqlx::query_as(AssertSqlSafe(text)).bind(sql::bytes(call.0));
        query.fetch_all(&self.pool).await.map_err(read_error)
    }
}

/// What [`LineRow`] reads.
pub(super) const LINE_COLUMNS: &str = "id, node, call_id, at_us, body";

/// One journal line as read.
#[derive(Debug)]
pub(super) struct LineRow {
    pub(super) id: Vec<u8>,
    node: i64,
    call: Vec<u8>,
    at_us: i64,
    body: String,
}

impl<'r> FromRow<'r, SqliteRow> for LineRow {
    fn from_row(row: &'r SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            node: row.try_get("node")?,
            call: row.try_get("call_id")?,
            at_us: row.try_get("at_us")?,
            body: row.try_get("body")?,
        })
    }
}

impl LineRow {
    pub(super) fn entry(&self) -> Result<Entry, StoreError> {
        let call = CallId(uuid_of("journal", &self.call)?);
        let fact = serde_json::from_str(&self.body)
            .map_err(|e| damaged("journal", format!("{:02x?}", self.id), e.to_string()))?;
        Ok(Entry { call, at_us: self.at_us, fact })
    }

    pub(super) fn node(&self) -> u16 {
        u16::try_from(self.node).unwrap_or_default()
    }
}

fn summary(row: &SqliteRow) -> Result<CallSummary, StoreError> {
    let stats: Option<String> = get(row, "stats")?;
    Ok(CallSummary {
        id: CallId(uuid_of("calls", &get::<Vec<u8>>(row, "id")?)?),
        offered_us: get(row, "offered_us")?,
        answered_us: get(row, "answered_us")?,
        ended_us: get(row, "ended_us")?,
        trunk: get(row, "trunk")?,
        agent: get(row, "agent")?,
        queue: get(row, "queue")?,
        call_ref: get(row, "call_ref")?,
        talk_s: get(row, "talk_s")?,
        first_hang_up: get(row, "first_hang_up")?,
        origin: get(row, "origin")?,
        reason: get(row, "reason")?,
        survey: get(row, "survey")?,
        version: get(row, "version")?,
        codec: get(row, "codec")?,
        language: get(row, "language")?,
        stage: get(row, "stage")?,
        disposition: get(row, "disposition")?,
        left_at: get(row, "left_at")?,
        failure: get(row, "failure")?,
        by_caller: get::<Option<i64>>(row, "by_caller")?.map(|n| n != 0),
        answer_count: get(row, "answer_count")?,
        answers: get(row, "answers")?,
        stats: stats.and_then(|text| serde_json::from_str(&text).ok()),
    })
}

/// The scale of a row of sums.
pub(super) fn scale_of(row: &SqliteRow) -> Result<Option<Scale>, StoreError> {
    let better = match get::<String>(row, "better")?.as_str() {
        "higher" => Some(Better::Higher),
        "lower" => Some(Better::Lower),
        _ => None,
    };
    let (min, max) = (get(row, "scale_min")?, get(row, "scale_max")?);
    Ok(better.map(|better| Scale { min, max, better }))
}

/// The scale of a row of `answers`, which has none for yes/no and menus.
pub(super) fn scale_of_answer(row: &SqliteRow) -> Result<Option<Scale>, StoreError> {
    if get::<Option<String>>(row, "better")?.is_some() { scale_of(row) } else { Ok(None) }
}

pub(super) fn get<'r, T>(row: &'r SqliteRow, column: &'static str) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(column).map_err(read_error)
}

/// Reads a name back into its type.
pub(super) fn parse<T: DeserializeOwned>(row: &SqliteRow, column: &'static str) -> Result<T, StoreError> {
    let text: String = get(row, column)?;
    serde_json::from_value(serde_json::Value::String(text.clone()))
        .map_err(|e| damaged("rollup", format!("{column} {text:?}"), e.to_string()))
}

pub(super) fn uuid_of(table: &'static str, bytes: &[u8]) -> Result<Uuid, StoreError> {
    Uuid::from_slice(bytes).map_err(|e| damaged(table, format!("{bytes:02x?}"), e.to_string()))
}

pub(super) fn damaged(table: &'static str, id: String, what: String) -> StoreError {
    StoreError::Damaged { table, id, what }
}

pub(super) fn read_error(cause: sqlx::Error) -> StoreError {
    StoreError::Read(Arc::new(cause))
}
