//! Rows and sums made again from the journal.

use std::path::Path;
use std::time::Duration;

use sqlx::{Connection, SqliteConnection};
use tokio::time::Instant;

use super::state::State;
use super::views::{LINE_COLUMNS, LineRow};
use super::writer::Staged;
use super::{StoreError, lock, schema, sql, sql_words, statement};
use crate::config::StoreConfig;

/// Journal lines taken at a time.
const CHUNK: i64 = 2000;
/// How often the log says how far it has come.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What a rebuild went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Journal lines read.
    pub lines: u64,
    /// Calls found open; the next start of the service closes them.
    pub open_calls: u64,
}

/// Throws away rows and sums and makes them again, in one transaction: readers see the old ones until it is done.
///
/// # Errors
/// [`StoreError::InUse`] while the service runs; [`StoreError::Damaged`] for a journal line that cannot be read, and
/// then nothing is changed.
pub async fn rebuild(config: &StoreConfig, data_dir: &Path) -> Result<Rebuilt, StoreError> {
    let path = data_dir.join(&config.file);
    let _lock = lock(&path)?;
    let mut conn = schema::open_writer(&path, config).await?;
    let rebuilt = rebuild_on(&mut conn).await?;
    conn.close().await.map_err(sql::write_error)?;
    Ok(rebuilt)
}

pub(super) async fn rebuild_on(conn: &mut SqliteConnection) -> Result<Rebuilt, StoreError> {
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await.map_err(sql::write_error)?;
    for clear in [
        "DELETE FROM calls",
        "DELETE FROM answers",
        "DELETE FROM rollup_answers",
        "DELETE FROM rollup_calls",
        "DELETE FROM queue_counts",
        "DELETE FROM responses_waiting",
        "DELETE FROM tiles_waiting",
        "DELETE FROM shown_weeks",
        "DELETE FROM shown_days",
        "DELETE FROM calls_weeks",
        "DELETE FROM sampling_weeks",
        "DELETE FROM journey_weeks",
        "DELETE FROM comments",
        "DELETE FROM comment_weeks",
        "DELETE FROM words_waiting",
        "DELETE FROM word_weeks",
        "DELETE FROM rebuild_due",
    ] {
        sqlx::query(clear).execute(&mut *tx).await.map_err(sql::write_error)?;
    }
    let sizes = super::state::tile_sizes(&mut tx).await?;
    let (mut rebuilt, mut last) = (Rebuilt::default(), Vec::new());
    let days = super::days::load(&mut tx).await?;
    let mut state = State { sizes, days, ..State::default() };
    let mut told = Instant::now();
    loop {
        let sql = lines_after();
        let rows: Vec<LineRow> =
            sqlx::query_as(sql).bind(last).bind(CHUNK).fetch_all(&mut *tx).await.map_err(sql::write_error)?;
        let Some(end) = rows.last() else { break };
        last = end.id.clone();
        let entries = rows.iter().map(LineRow::entry).collect::<Result<Vec<_>, _>>()?;
        let ended = sql_words::calls_of(&mut tx, &entries, &state.open).await?;
        let mut staged = Staged::of(&state, ended);
        for (row, entry) in rows.iter().zip(&entries) {
            staged.apply(entry, row.node(), &state);
        }
        statement::run(&mut tx, staged.project()).await.map_err(sql::write_error)?;
        staged.settle(&mut state);
        rebuilt.lines += rows.len() as u64;
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            tracing::info!("Making rows and sums anew: {} facts so far", rebuilt.lines);
        }
    }
    tx.commit().await.map_err(sql::write_error)?;
    rebuilt.open_calls = state.open.len() as u64;
    Ok(rebuilt)
}

fn lines_after() -> sqlx::SqlStr {
    use sqlx::SqlSafeStr;
    sqlx::AssertSqlSafe(format!("SELECT {LINE_COLUMNS} FROM journal WHERE id > $1 ORDER BY id LIMIT $2"))
        .into_sql_str()
}
