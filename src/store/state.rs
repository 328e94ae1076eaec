//! What the writer knows beside the rows: what facts to come build on.

use std::collections::HashMap;

use sqlx::{Row, SqliteConnection};

use super::audit::{AuditKey, Head};
use super::days::Days;
use super::groups::AllGroups;
use super::project::CallRow;
use super::tiles::{self, AllWaiting, QuestionKey, TileKey};
use super::views::{get, parse, read_error, scale_of};
use super::weekly::TileSizes;
use super::words::{AllWords, WordWaiting};
use super::{StoreError, sql, sql_groups};
use crate::domain::{CallId, QuestionKind};

/// How many answers make a tile until the policy says otherwise.
const TILE: i64 = 5;

/// What facts to come build on.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Calls that have not ended.
    pub(super) open: HashMap<CallId, CallRow>,
    /// Answers of full groups that wait for a tile.
    pub(super) waiting: AllWaiting,
    /// Responses that wait for their group.
    pub(super) groups: AllGroups,
    /// Words that wait to be counted.
    pub(super) words: AllWords,
    /// How many make one.
    pub(super) sizes: TileSizes,
    /// The end of the audit log.
    pub(super) head: Head,
    /// The days that sums are of.
    pub(super) days: Days,
}

/// Brings the sums up to date where the tables are newer than the facts, and reads what waits and how long the audit log
/// is. The open calls are the caller's.
pub(super) async fn load(conn: &mut SqliteConnection, key: &AuditKey) -> Result<State, StoreError> {
    let mut sizes = tile_sizes(conn).await?;
    if sizes.0.is_empty() {
        set_tile_size(conn, 0, TILE).await?;
        sizes = tile_sizes(conn).await?;
    }
    let due: Vec<String> =
        sqlx::query_scalar("SELECT why FROM rebuild_due").fetch_all(&mut *conn).await.map_err(read_error)?;
    if !due.is_empty() {
        // The tables are newer than the facts, if there are any.
        let facts: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM journal)")
            .fetch_one(&mut *conn)
            .await
            .map_err(read_error)?;
        if facts {
            tracing::warn!(
                "This version counts otherwise ({}): all rows and sums are made anew from the journal, once, before calls are taken",
                due.join(", ")
            );
        }
        let done = super::rebuild::rebuild_on(conn).await?;
        if facts {
            tracing::info!("Sums were made anew from {} facts: {}", done.lines, due.join(", "));
        }
    }
    let head = super::audit::head(conn, key).await?;
    let days = super::days::load(conn).await?;
    let mut state = State { sizes, head, days, ..State::default() };
    let rows = sqlx::query("SELECT * FROM tiles_waiting WHERE n > 0")
        .fetch_all(&mut *conn)
        .await
        .map_err(read_error)?;
    for row in &rows {
        let survey: String = get(row, "survey")?;
        let question = QuestionKey {
            origin: parse(row, "origin")?,
            survey: survey.parse().ok(),
            question: parse(row, "question")?,
            kind: match get::<String>(row, "kind")?.as_str() {
                tiles::ASKED => tiles::ASKED,
                _ => parse::<QuestionKind>(row, "kind")?.as_str(),
            },
            scale: scale_of(row)?,
        };
        let key = TileKey { question, agent: get(row, "agent")? };
        let n = u64::try_from(get::<i64>(row, "n")?).unwrap_or_default();
        state.waiting.entry(key).or_default().insert((get(row, "queue")?, get(row, "value")?), n);
    }
    state.groups = sql_groups::load(conn).await?;
    let rows = sqlx::query("SELECT * FROM words_waiting").fetch_all(&mut *conn).await.map_err(read_error)?;
    for row in &rows {
        let n = |column| get::<i64>(row, column).map(|n| u64::try_from(n).unwrap_or_default());
        let key = (parse(row, "origin")?, get(row, "survey")?, get(row, "word")?);
        state.words.insert(key, WordWaiting { said: n("said")?, others: n("others")? });
    }
    Ok(state)
}

/// How many answers made a tile, at any time.
pub(super) async fn tile_sizes(conn: &mut SqliteConnection) -> Result<TileSizes, StoreError> {
    let rows = sqlx::query("SELECT from_us, size FROM tile_sizes ORDER BY from_us").fetch_all(conn).await;
    let rows = rows.map_err(read_error)?.into_iter();
    let size = |n: i64| u64::try_from(n).unwrap_or_default().max(1);
    Ok(TileSizes(rows.map(|row| (row.get(0), size(row.get(1)))).collect()))
}

pub(super) async fn set_tile_size(
    conn: &mut SqliteConnection,
    from_us: i64,
    size: i64,
) -> Result<(), StoreError> {
    let text = "INSERT INTO tile_sizes (from_us, size) VALUES ($1, $2) \
                ON CONFLICT (from_us) DO UPDATE SET size = excluded.size";
    let done = sqlx::query(text).bind(from_us).bind(size).execute(conn).await;
    done.map(|_| ()).map_err(sql::write_error)
}

/// Notes up to which time erasing by age has come.
pub(super) async fn mark(conn: &mut SqliteConnection, what: &str, until_us: i64) -> Result<(), StoreError> {
    let text = "INSERT INTO retention (what, until_us) VALUES ($1, $2) \
                ON CONFLICT (what) DO UPDATE SET until_us = excluded.until_us";
    let done = sqlx::query(text).bind(what.to_owned()).bind(until_us).execute(conn).await;
    done.map(|_| ()).map_err(sql::write_error)
}
