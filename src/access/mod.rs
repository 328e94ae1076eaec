//! Who may come in: bearer tokens of other systems. They lie in a database of their own, `DATA/access.db`, so that the
//! command line can change them while the service runs.

mod tokens;

use std::path::Path;
use std::time::Duration;

use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

pub use tokens::{Scope, Scopes, Token, TokenSummary};

/// Name of the database inside the data folder.
const FILE: &str = "access.db";
/// How long one process waits for another to let go of the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections at once.
const CONNECTIONS_MAX: u32 = 4;

const MIGRATIONS: [(i64, &str, &str); 1] = [(1, "tokens", include_str!("migrations/0001_tokens.sql"))];

/// Why the database could not be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum AccessError {
    #[error("the access database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the tables of the access database cannot be brought up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    #[error("the folder of the access database: {0}")]
    Folder(#[from] std::io::Error),
    #[error("there is a token of that name already")]
    SameName,
    #[error("{0:?} is no scope")]
    UnknownScope(String),
}

/// A handle to the database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Access {
    pool: SqlitePool,
}

impl Access {
    /// Opens or makes the database in a data folder.
    ///
    /// # Errors
    /// The folder's or the file's.
    pub async fn open(data_dir: &Path) -> Result<Self, AccessError> {
        std::fs::create_dir_all(data_dir)?;
        let options = SqliteConnectOptions::new()
            .filename(data_dir.join(FILE))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS_MAX).connect_with(options).await?;
        let migrations = MIGRATIONS.map(|(version, name, sql)| {
            Migration::new(version, name.into(), MigrationType::Simple, SqlStr::from_static(sql), false)
        });
        let mut conn = pool.acquire().await?;
        Migrator::with_migrations(migrations.to_vec()).run_direct(None, &mut *conn, false).await?;
        drop(conn);
        Ok(Self { pool })
    }

    /// Closes it.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
