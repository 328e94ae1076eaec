//! What the command line has done by whoever may write: by itself while no service runs, else by the service, which
//! looks for such errands every quarter of a second, does one after the other beside calls, and answers.
//!
//! One process writes at a time and holds what it wrote in memory (the end of the audit log, open calls), so another
//! one can only ask. An errand that was taken is finished, after a crash too; one that nobody takes is withdrawn.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::{Connection as _, SqliteConnection};
use tokio::time::{Instant, sleep};
use tracing::{error, info};
use uuid::Uuid;

use super::audit::{self, Head, Note};
use super::erase::{self, Erase, Erased};
use super::statement::{self, Statement};
use super::views::{get, read_error, uuid_of};
use super::{Change, Privacy, Store, StoreError, Views, lock, schema, sql};
use crate::config::StoreConfig;

/// How often the service looks for errands.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often the command line looks for the answer.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// For how long it waits until an errand is taken: a start of the service, sums that are made anew.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);
/// For how long it waits until one that was taken is done. The service goes on after that.
const DONE_WITHIN: Duration = Duration::from_secs(1800);

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "errand", rename_all = "snake_case")]
pub enum Errand {
    /// A line in the audit log.
    Note {
        /// The line.
        line: OperatorNote,
    },
    /// Something is erased, and the proof goes to the audit log.
    Erase {
        /// What.
        what: Erase,
        /// The line, without what was done.
        line: OperatorNote,
    },
}

/// A line of the audit log for what is done on the command line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorNote {
    /// What is done, by a name of [`super::BY_OPERATORS`].
    pub what: String,
    /// Of what.
    pub scope: String,
    /// The reason given; may be empty.
    pub reason: String,
}

/// What came of an errand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// What was erased.
    pub erased: Erased,
    /// When it was done, in microseconds since 1970 UTC.
    pub at_us: i64,
    /// The line of the audit log that tells of it.
    pub head: Head,
}

/// Why an errand was not, or not seen to be, done.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum ErrandError {
    #[error("nothing was done: the process that writes to {path} did not take it within {s} s", path = path.display(), s = TAKEN_WITHIN.as_secs())]
    NotTaken { path: std::path::PathBuf },
    #[error("the service is still at it; `aftercall audit list` shows when it is done")]
    NotDone,
    #[error("the service could not do it: {0}")]
    Failed(String),
    #[error("the answer of the service makes no sense: {0}")]
    Answer(#[from] serde_json::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OperatorNote {
    fn note(self) -> Note {
        let known = audit::BY_OPERATORS.into_iter().find(|name| *name == self.what);
        Note {
            user: "operator".to_owned(),
            role: "operator",
            what: known.unwrap_or("operator"),
            scope: self.scope,
            reason: self.reason,
        }
    }
}

/// Has an errand done, by this process or by the one that may write.
///
/// # Errors
/// [`ErrandError`].
pub async fn run_errand(config: &StoreConfig, data_dir: &Path, errand: Errand) -> Result<Proof, ErrandError> {
    let path = data_dir.join(&config.file);
    match alone(config, data_dir, errand.clone()).await {
        Err(StoreError::InUse { .. }) => {}
        other => return Ok(other?),
    }
    let mut conn = schema::open_beside(&path).await?;
    let id = Uuid::now_v7();
    let body = serde_json::to_string(&errand).map_err(|e| StoreError::Encode(e.into()))?;
    let insert = Statement::new(
        "INSERT INTO errands (id, made_us, body, state, answer) VALUES ($1, $2, $3, 'open', '')",
    )
    .bind(sql::bytes(id))
    .bind(Timestamp::now().as_microsecond())
    .bind(body);
    statement::run(&mut conn, vec![insert]).await.map_err(sql::write_error)?;
    let answer = wait(&mut conn, id, &path).await;
    conn.close().await.map_err(sql::write_error)?;
    serde_json::from_str::<Result<Proof, String>>(&answer?)?.map_err(ErrandError::Failed)
}

/// Does it while nobody else writes.
async fn alone(config: &StoreConfig, data_dir: &Path, errand: Errand) -> Result<Proof, StoreError> {
    let (erased, head) = match errand {
        Errand::Erase { what, line } => erase::erase(config, data_dir, &what, line.note()).await?,
        Errand::Note { line } => {
            let path = data_dir.join(&config.file);
            let _lock = lock(&path)?;
            let mut conn = schema::open_writer(&path, config).await?;
            let secret = data_dir.join(&config.secret_file);
            let privacy = Privacy::load_or_create(&secret)
                .map_err(|e| StoreError::Secret { path: secret, source: std::sync::Arc::new(e) })?;
            let key = privacy.audit();
            let (lines, head) = audit::chain(audit::head(&mut conn, key).await?, vec![line.note()], key);
            statement::run(&mut conn, audit::insert(&lines)).await.map_err(sql::write_error)?;
            conn.close().await.map_err(sql::write_error)?;
            (Erased::default(), head)
        }
    };
    Ok(Proof { erased, at_us: Timestamp::now().as_microsecond(), head })
}

/// Waits for the answer, and takes the errand away with it.
async fn wait(conn: &mut SqliteConnection, id: Uuid, path: &Path) -> Result<String, ErrandError> {
    let begun = Instant::now();
    loop {
        sleep(ASK_EVERY).await;
        let select = sqlx::query("SELECT state, answer FROM errands WHERE id = $1").bind(sql::bytes(id));
        let row = select.fetch_optional(&mut *conn).await.map_err(read_error)?;
        let not_taken = || ErrandError::NotTaken { path: path.to_owned() };
        let row = row.ok_or_else(not_taken)?;
        match get::<String>(&row, "state")?.as_str() {
            "done" => {
                statement::run(conn, vec![delete(id, "done")]).await.map_err(sql::write_error)?;
                return Ok(get(&row, "answer")?);
            }
            "open" if begun.elapsed() > TAKEN_WITHIN => {
                let gone = statement::run(conn, vec![delete(id, "open")]).await.map_err(sql::write_error)?;
                if gone > 0 {
                    return Err(not_taken());
                }
            }
            _ if begun.elapsed() > DONE_WITHIN => return Err(ErrandError::NotDone),
            _ => {}
        }
    }
}

fn delete(id: Uuid, state: &'static str) -> Statement {
    Statement::new("DELETE FROM errands WHERE id = $1 AND state = $2").bind(sql::bytes(id)).bind(state)
}

/// How far an errand has come.
#[derive(Clone, Debug)]
pub enum ErrandStep {
    /// It is at work.
    Taken,
    /// It is answered.
    Done(String),
}

/// The statements for a step. What was asked is gone with the answer.
pub(super) fn step(id: Uuid, step: &ErrandStep) -> Vec<Statement> {
    vec![match step {
        ErrandStep::Taken => {
            Statement::new("UPDATE errands SET state = 'taken' WHERE id = $1 AND state = 'open'")
                .bind(sql::bytes(id))
        }
        ErrandStep::Done(answer) => {
            Statement::new("UPDATE errands SET state = 'done', body = '', answer = $2 WHERE id = $1")
                .bind(sql::bytes(id))
                .bind(answer.clone())
        }
    }]
}

/// Answers that nobody came for, and errands that nobody took in time.
pub(super) fn tidy(before_us: i64) -> Vec<Statement> {
    let delete = "DELETE FROM errands WHERE made_us < $1 AND state <> 'taken'";
    vec![Statement::new(delete).bind(before_us)]
}

impl Views {
    async fn errands(&self) -> Result<Vec<(Uuid, i64, String, String)>, StoreError> {
        let select = "SELECT id, made_us, body, state FROM errands WHERE state <> 'done' ORDER BY id";
        let rows = sqlx::query(select).fetch_all(self.pool()).await.map_err(read_error)?;
        let errand = |row| {
            let id = uuid_of("errands", &get::<Vec<u8>>(row, "id")?)?;
            Ok((id, get(row, "made_us")?, get(row, "body")?, get(row, "state")?))
        };
        rows.iter().map(errand).collect()
    }
}

impl Store {
    /// Does what the command line asks, for as long as it is waited for.
    pub async fn run_errands(&self) {
        loop {
            if let Err(cause) = self.run_errands_once().await {
                error!(%cause, "What the command line asks could not be done, and is tried again");
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn run_errands_once(&self) -> Result<(), StoreError> {
        for (id, made_us, body, state) in self.views().errands().await? {
            let age = Timestamp::now().as_microsecond().saturating_sub(made_us);
            if state == "open" && i128::from(age) > TAKEN_WITHIN.as_micros().cast_signed() {
                continue; // Nobody waits for it any more.
            }
            self.change(Change::Errand(id, ErrandStep::Taken), None).await?;
            if !self.views().errands().await?.iter().any(|(known, ..)| *known == id) {
                continue; // It was withdrawn just now.
            }
            let done = match serde_json::from_str(&body) {
                Ok(errand) => self.run_errand(errand).await.map_err(|cause| cause.to_string()),
                Err(fault) => Err(fault.to_string()),
            };
            let answer = serde_json::to_string(&done).map_err(|e| StoreError::Encode(e.into()))?;
            self.change(Change::Errand(id, ErrandStep::Done(answer)), None).await?;
            self.tidy_log().await?;
        }
        Ok(())
    }

    async fn run_errand(&self, errand: Errand) -> Result<Proof, StoreError> {
        let (erased, head) = match errand {
            Errand::Note { line } => (Erased::default(), self.note(line.note()).await?),
            Errand::Erase { what, line } => {
                let scope = line.scope.clone();
                let (erased, head) = self.erase(&what, line.note()).await?;
                info!("Erased for the operator: {scope}: {erased:?}; line {} of the audit log", head.seq);
                (erased, head)
            }
        };
        Ok(Proof { erased, at_us: Timestamp::now().as_microsecond(), head })
    }
}
