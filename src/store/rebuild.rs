//! Rows and sums made again from the journal.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use sqlx::{Connection, SqliteConnection};

use super::views::{LINE_COLUMNS, LineRow};
use super::writer::Staged;
use super::{StoreError, lock, schema, sql};
use crate::config::StoreConfig;

/// Journal lines taken at a time.
const CHUNK: i64 = 2000;

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
    conn.close().await.map_err(write_error)?;
    Ok(rebuilt)
}

async fn rebuild_on(conn: &mut SqliteConnection) -> Result<Rebuilt, StoreError> {
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await.map_err(write_error)?;
    for clear in [
        "DELETE FROM calls",
        "DELETE FROM answers",
        "DELETE FROM rollup_answers",
        "DELETE FROM rollup_calls",
        "DELETE FROM queue_counts",
    ] {
        sqlx::query(clear).execute(&mut *tx).await.map_err(write_error)?;
    }
    let (mut rebuilt, mut open, mut last) = (Rebuilt::default(), HashMap::new(), Vec::new());
    loop {
        let sql = lines_after();
        let rows: Vec<LineRow> =
            sqlx::query_as(sql).bind(last).bind(CHUNK).fetch_all(&mut *tx).await.map_err(write_error)?;
        let Some(end) = rows.last() else { break };
        last = end.id.clone();
        let mut staged = Staged::default();
        for row in &rows {
            staged.apply(&row.entry()?, row.node(), &open);
        }
        sql::run(&mut tx, staged.project()).await.map_err(write_error)?;
        staged.settle(&mut open);
        rebuilt.lines += rows.len() as u64;
    }
    tx.commit().await.map_err(write_error)?;
    rebuilt.open_calls = open.len() as u64;
    Ok(rebuilt)
}

fn lines_after() -> sqlx::SqlStr {
    use sqlx::SqlSafeStr;
    sqlx::AssertSqlSafe(format!("SELECT {LINE_COLUMNS} FROM journal WHERE id > $1 ORDER BY id LIMIT $2"))
        .into_sql_str()
}

fn write_error(cause: sqlx::Error) -> StoreError {
    StoreError::Write(Arc::new(cause))
}
