//! Opening the database: settings, version, tables.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, SqlStr, SqliteConnection};

use super::StoreError;
use crate::config::StoreConfig;

/// Older ones can corrupt a WAL database when two connections reset the WAL at once.
const SQLITE_MIN: (u32, u32, u32) = (3, 51, 3);
/// How long we wait for another process (a backup, a report) to let go of the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Pages in the WAL before it is written back: 16 MiB. Larger than SQLite's own 1000, to sync the database less often.
const CHECKPOINT_PAGES: &str = "4000";
/// The WAL file is cut to this after it is written back: 64 MiB.
const WAL_BYTES_MAX: &str = "67108864";
/// SQLite's own page size, in KiB.
const PAGE_KIB: u32 = 4;

const MIGRATIONS: [(i64, &str, &str); 12] = [
    (1, "first", include_str!("migrations/0001_first.sql")),
    (2, "voice", include_str!("migrations/0002_voice.sql")),
    (3, "rules", include_str!("migrations/0003_rules.sql")),
    (4, "ahead", include_str!("migrations/0004_ahead.sql")),
    (5, "journey", include_str!("migrations/0005_journey.sql")),
    (6, "goals", include_str!("migrations/0006_goals.sql")),
    (7, "follow_up", include_str!("migrations/0007_follow_up.sql")),
    (8, "comments", include_str!("migrations/0008_comments.sql")),
    (9, "errands", include_str!("migrations/0009_errands.sql")),
    (10, "groups", include_str!("migrations/0010_groups.sql")),
    (12, "audit_key", include_str!("migrations/0012_audit_key.sql")),
    (13, "day_zone", include_str!("migrations/0013_day_zone.sql")),
];

/// Settings for reading.
pub(super) fn read_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("query_only", "ON")
}

/// Opens a connection that writes beside the one of a running service: for tables of which it holds nothing in memory.
pub(super) async fn open_beside(path: &Path) -> Result<SqliteConnection, StoreError> {
    let options =
        SqliteConnectOptions::new().filename(path).create_if_missing(false).busy_timeout(BUSY_TIMEOUT);
    let options = options.pragma("secure_delete", "ON"); // As the other one does.
    options.connect().await.map_err(|e| StoreError::Open { path: path.to_owned(), source: Arc::new(e) })
}

/// Opens the one connection that writes.
pub(super) async fn open_writer(path: &Path, config: &StoreConfig) -> Result<SqliteConnection, StoreError> {
    let mut options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(64)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .pragma("journal_size_limit", WAL_BYTES_MAX)
        .pragma("cache_size", "-16384")
        .pragma("secure_delete", "ON"); // What is erased is overwritten.
    if let Some(mib) = config.size_max_mib {
        options = options.pragma("max_page_count", (mib.saturating_mul(1024) / PAGE_KIB).to_string());
    }
    let open = |e| StoreError::Open { path: path.to_owned(), source: Arc::new(e) };
    let mut conn = options.connect().await.map_err(open)?;
    let version: String =
        sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut conn).await.map_err(open)?;
    if parse_version(&version).is_none_or(|version| version < SQLITE_MIN) {
        return Err(StoreError::OldSqlite { version });
    }
    let migrations = MIGRATIONS.map(|(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, SqlStr::from_static(sql), false)
    });
    let migrated = Migrator::with_migrations(migrations.to_vec()).run_direct(None, &mut conn, false).await;
    migrated.map_err(|source| StoreError::Migrate { path: path.to_owned(), source: Arc::new(source) })?;
    Ok(conn)
}

fn parse_version(text: &str) -> Option<(u32, u32, u32)> {
    let mut parts = text.split('.').map(str::parse);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch))) => Some((major, minor, patch)),
        _ => None,
    }
}
