//! Who may come in: people with a password or a one-time link, other systems with bearer tokens. They lie in a database
//! of their own, `DATA/access.db`, so that the command line can change them while the service runs.

mod guesses;
mod password;
mod people;
mod sessions;
mod tokens;
mod users;

use std::path::Path;
use std::time::Duration;

use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

pub use guesses::{Asker, Guesses};
pub use password::{Lane, PASSWORD_MIN, Passwords};
pub use people::Person;
pub use sessions::SessionRules;
pub use tokens::{Scope, Scopes, Token, TokenSummary};
pub use users::{NewUser, Rights, UserName, UserSummary};

/// Name of the database inside the data folder.
const FILE: &str = "access.db";
/// How long one process waits for another to let go of the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections at once.
const CONNECTIONS_MAX: u32 = 4;

const MIGRATIONS: [(i64, &str, &str); 3] = [
    (1, "tokens", include_str!("migrations/0001_tokens.sql")),
    (2, "users", include_str!("migrations/0002_users.sql")),
    (3, "single sign-on", include_str!("migrations/0003_single_sign_on.sql")),
];

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
    #[error("there is a user of that name already")]
    SameUser,
    #[error("there is no user of that name who may sign in")]
    NoUser,
    #[error("a password has {PASSWORD_MIN}-{} characters", password::PASSWORD_MAX)]
    Password,
    #[error("the role of agent wants an agent, and no other role has one")]
    AgentRole,
    #[error("only supervisors have teams")]
    Teams,
    #[error("role and teams of this user are what their provider of single sign-on says")]
    Provider,
    #[error("row {0} of users makes no sense")]
    Damaged(String),
    #[error("a password could not be hashed")]
    Hash,
    #[error("too many sign in at once")]
    Busy,
}

/// A handle to the database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Access {
    pool: SqlitePool,
    passwords: Passwords,
}

impl Access {
    /// Opens or makes the database in a data folder.
    ///
    /// # Errors
    /// The folder's or the file's.
    pub async fn open(data_dir: &Path) -> Result<Self, AccessError> {
        crate::private::folder(data_dir)?;
        crate::private::database(&data_dir.join(FILE))?;
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
        Ok(Self { pool, passwords: Passwords::default() })
    }

    /// Whether a data folder has the database.
    #[must_use]
    pub fn is_there(data_dir: &Path) -> bool {
        data_dir.join(FILE).is_file()
    }

    /// Closes it.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// A secret of 256 random bits, as text for an address or a cookie.
fn secret() -> Result<String, AccessError> {
    use base64::Engine as _;
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(std::io::Error::other)?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(secret))
}

/// What is kept of a secret. It is random enough to need no slow hash.
fn digest(secret: &str) -> Vec<u8> {
    use sha2::Digest as _;
    sha2::Sha256::digest(secret.as_bytes()).to_vec()
}
