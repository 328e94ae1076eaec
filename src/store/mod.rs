//! What is kept: an append-only journal of facts, and rows and sums made from it in the same transaction.
//!
//! One task writes (`writer.rs`); an answer that was acknowledged is on disk. Everything but the journal can be made
//! again ([`rebuild()`]). Callers are kept under a keyed hash ([`Privacy`]), never by their number.

mod ahead;
mod audit;
mod changes;
mod comments;
mod days;
mod erase;
#[cfg(test)]
mod erase_tests;
mod errands;
mod goals;
mod groups;
mod ids;
mod modes;
mod outbox;
mod passage;
mod privacy;
mod project;
mod rebuild;
mod receipts;
mod recordings;
mod responses;
pub mod retention;
pub mod rules;
mod schema;
mod seal;
mod sql;
mod sql_groups;
mod sql_weekly;
mod sql_words;
mod state;
mod statement;
mod sums;
mod tasks;
#[cfg(test)]
mod tasks_tests;
#[cfg(test)]
mod tests;
mod tiles;
mod traces;
mod vault;
mod views;
mod weekly;
mod wheres;
mod words;
mod writer;

use std::fs::File;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use crate::config::StoreConfig;
use crate::domain::{CallId, CallerNumber, DialogTrace, Entry, EventKind, Fact, Happening, RecordingId};

pub use ahead::{Ahead, AheadError, Decided, Frozen, Met, Reservation, ReservationRow, Wish};
pub use audit::{AuditFilter, AuditLine, AuditPage, BY_OPERATORS, Chain, Head, Note};
pub use changes::{Change, Tidy};
pub use comments::{Comment, CommentFilter, CommentRow};
pub use erase::{Erase, Erased};
pub use errands::{Errand, ErrandError, ErrandStep, OperatorNote, Proof, run_errand};
pub use goals::{Goal, GoalError};
pub use outbox::{Due, Message, MessageFilter, MessageRow, MessageState, Outcome, Target, Tried, replay};
pub use privacy::Privacy;
pub use rebuild::{Rebuilt, rebuild};
pub use receipts::Receipt;
pub use recordings::{ResponseKey, wav};
pub use responses::{GivenAnswer, Response};
pub use sums::{GroupBy, Scope};
pub use tasks::{NewTask, SealedNumber, TaskChange, TaskFilter, TaskKind, TaskRow, TaskState};
pub use vault::{Kept, Vault};
pub use views::{CallFilter, CallSummary, Views};

use ids::Ids;
use project::CallRow;
use writer::{Job, Writer};

use crate::private;

/// The folder for passing files inside that of all data.
const SCRATCH: &str = "scratch";

/// What belongs together: all of it is on disk, or nothing.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The facts in their order. With a dialog or a key, all of one call.
    pub entries: Vec<Entry>,
    /// What a BYE would need, once there is a dialog; it replaces an earlier one.
    pub dialog: Option<DialogTrace>,
    /// The key of the recordings that the facts name; kept with the first batch that brings it.
    pub key: Option<ResponseKey>,
    /// Changes of rows that are not made from facts.
    pub changes: Vec<Change>,
}

/// Whether answers can be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// They can.
    Good,
    /// The disk, or the size that the configuration allows, is nearly used up. Running calls are still written.
    Full,
    /// The last write failed.
    Failing,
}

/// A call that was open when the service went away. It stays so until its end is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Orphan {
    /// The call.
    pub call: CallId,
    /// What happened in it.
    pub entries: Vec<Entry>,
    /// Its end, as far as the store can tell.
    pub end: Fact,
    /// Its dialog, to be ended by a BYE; `None` when it never had one.
    pub dialog: Option<DialogTrace>,
}

/// Why the store could not do something.
#[derive(Clone, Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum StoreError {
    #[error("cannot open {path}: {source}", path = path.display())]
    Open { path: PathBuf, source: Arc<sqlx::Error> },
    #[error("another process works on {path}", path = path.display())]
    InUse { path: PathBuf },
    #[error("the folder of {path} cannot be used: {kind}", path = path.display())]
    Folder { path: PathBuf, kind: std::io::ErrorKind },
    #[error("the secret file {path} cannot be used: {source}", path = path.display())]
    Secret { path: PathBuf, source: Arc<std::io::Error> },
    #[error("SQLite {version} has a fault that can damage the database; 3.51.3 or newer is needed")]
    OldSqlite { version: String },
    #[error("the tables of {path} cannot be brought up to date: {source}", path = path.display())]
    Migrate { path: PathBuf, source: Arc<sqlx::migrate::MigrateError> },
    #[error("cannot write: {0}")]
    Write(Arc<sqlx::Error>),
    #[error("cannot read: {0}")]
    Read(Arc<sqlx::Error>),
    #[error("a fact cannot be put into words: {0}")]
    Encode(Arc<serde_json::Error>),
    #[error("row {id} of {table} makes no sense: {what}")]
    Damaged { table: &'static str, id: String, what: String },
    #[error("{path} exists already", path = path.display())]
    Exists { path: PathBuf },
    #[error("a recording cannot be kept or read: {0}")]
    Recording(Arc<std::io::Error>),
    #[error("the store is closed")]
    Closed,
}

/// A handle to the store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    jobs: mpsc::Sender<Job>,
    health: watch::Receiver<Health>,
    heads: watch::Receiver<Head>,
    changes: watch::Receiver<u64>,
    past: Arc<AtomicU64>,
    ids: Arc<Ids>,
    privacy: Privacy,
    views: Views,
    vault: Vault,
    ahead: Ahead,
    scratch: Arc<Path>,
    /// Held until the last handle is gone, so that no second process writes.
    _lock: Arc<File>,
}

impl Store {
    /// Opens or makes the database, finds the calls that an earlier run left open, and starts to write.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while another process has it open for writing; else what the file or the secret brings.
    pub async fn open(config: &StoreConfig, data_dir: &Path) -> Result<(Self, Vec<Orphan>), StoreError> {
        let path = data_dir.join(&config.file);
        close_to_others(data_dir)?;
        let lock = lock_soon(&path).await?;
        let secret = data_dir.join(&config.secret_file);
        let privacy = Privacy::load_or_create(&secret)
            .map_err(|e| StoreError::Secret { path: secret, source: Arc::new(e) })?;
        let scratch = empty_scratch(data_dir)?;
        let mut conn = schema::open_writer(&path, config).await?;
        if let Some(zone) = &config.day_zone {
            days::set(&mut conn, zone).await?;
        }
        let mut state = state::load(&mut conn, privacy.audit()).await?;
        let views = Views::open(&path).await?;
        let left_open = views.open_calls().await?;
        let sealed = views.sealed_dialogs().await?;
        let ahead = ahead::load(&views, &privacy).await?;
        let (jobs, receiver) = mpsc::channel(config.queue_max);
        let (health_in, health) = watch::channel(Health::Good);
        let (changes_in, changes) = watch::channel(0);
        let (heads_in, heads) = watch::channel(state.head.clone());
        let past = Arc::new(AtomicU64::new(0));
        let ids = Arc::new(Ids::new(config.node));
        state.open = left_open.iter().map(|(row, _)| (row.id, row.clone())).collect();
        let writer = Writer {
            conn,
            path,
            config: config.clone(),
            ids: Arc::clone(&ids),
            privacy: privacy.clone(),
            jobs: receiver,
            health: health_in,
            changes: changes_in,
            past: Arc::clone(&past),
            heads: heads_in,
            state,
        };
        tokio::spawn(writer.run());
        let store = Self {
            jobs,
            health,
            heads,
            changes,
            past,
            ids,
            vault: Vault::new(views.clone(), privacy.clone(), data_dir),
            privacy: privacy.clone(),
            views,
            ahead,
            scratch: scratch.into(),
            _lock: Arc::new(lock),
        };
        let orphan = |(row, entries): (CallRow, Vec<Entry>)| {
            let dialog = sealed.get(&row.id).and_then(|sealed| privacy.unseal(row.id, sealed));
            Orphan { call: row.id, entries, end: row.crashed(), dialog }
        };
        Ok((store, left_open.into_iter().map(orphan).collect()))
    }

    /// Writes facts down; comes back when they are on disk. Waits for a place when too many writes wait already.
    ///
    /// # Errors
    /// [`StoreError::Write`]: nothing of the batch is on disk.
    pub async fn append(&self, batch: Batch) -> Result<(), StoreError> {
        let (done, written) = oneshot::channel();
        self.jobs.send(Job::Write { batch: Box::new(batch), done }).await.map_err(|_| StoreError::Closed)?;
        written.await.map_err(|_| StoreError::Closed)?
    }

    /// Writes a change that belongs to no fact, and the answer that it was given, if any.
    ///
    /// # Errors
    /// [`StoreError::Write`]: neither is on disk.
    pub async fn change(&self, change: Change, receipt: Option<Receipt>) -> Result<(), StoreError> {
        let changes = std::iter::once(change).chain(receipt.map(Change::Receipt)).collect();
        self.append(Batch { changes, ..Batch::default() }).await
    }

    /// Writes to the audit log; comes back when it is on disk.
    ///
    /// # Errors
    /// [`StoreError::Write`]: it is not on record, and what it is about must not happen.
    pub async fn note(&self, note: Note) -> Result<Head, StoreError> {
        let (done, written) = oneshot::channel();
        self.jobs.send(Job::Note { note, done }).await.map_err(|_| StoreError::Closed)?;
        written.await.map_err(|_| StoreError::Closed)?
    }

    /// The end of the audit log as it moves on.
    #[must_use]
    pub fn audit_head(&self) -> watch::Receiver<Head> {
        self.heads.clone()
    }

    /// Puts a goal in the place of the one that its figure may have.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub async fn set_goal(&self, goal: Goal) -> Result<(), StoreError> {
        let (done, written) = oneshot::channel();
        self.jobs.send(Job::Goal { goal, done }).await.map_err(|_| StoreError::Closed)?;
        written.await.map_err(|_| StoreError::Closed)?
    }

    /// Counts the writes after which views of the whole centre show something else.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }

    /// Counts the writes that added to weeks which were over: facts that are told of afterwards, or a clock that was wrong.
    fn past_changes(&self) -> u64 {
        self.past.load(Ordering::Relaxed)
    }

    /// How many answers make a tile from now on. Those that are full stay as they are.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub async fn set_cell_min(&self, answers: u64) -> Result<(), StoreError> {
        let (done, written) = oneshot::channel();
        self.jobs.send(Job::CellMin { answers, done }).await.map_err(|_| StoreError::Closed)?;
        written.await.map_err(|_| StoreError::Closed)?
    }

    /// What has to be written for something that happened, in the transaction of its fact: a task where it asks for
    /// one, and a message to each target, due at its time. `number` is kept only for who asked to be called back.
    #[must_use]
    pub fn tell(
        &self,
        happening: &Happening,
        number: Option<&CallerNumber>,
        to: impl IntoIterator<Item = (Target, i64)>,
    ) -> Vec<Change> {
        let number = number.filter(|_| happening.kind == EventKind::Callback).and_then(|number| {
            let sealed = self.privacy.seal_number(happening.call, number);
            sealed
                .inspect_err(|error| tracing::error!("A number to call back could not be sealed: {error}"))
                .ok()
        });
        let task = NewTask { happening: happening.clone(), number };
        let task = (happening.kind != EventKind::Completed).then_some(Change::Task(task));
        let message = |(target, due_us)| {
            Change::Message(Message { id: self.ids.next(), target, happening: happening.clone(), due_us })
        };
        task.into_iter().chain(to.into_iter().map(message)).collect()
    }

    /// A new call's id: UUID version 7, with this node's number in it.
    #[must_use]
    pub fn new_call_id(&self) -> CallId {
        CallId(self.ids.next())
    }

    /// The id of a call that is told of afterwards: it sorts among those of its time.
    #[must_use]
    pub fn past_call_id(&self, at: jiff::Timestamp) -> CallId {
        CallId(self.ids.of_time(at))
    }

    /// Seals a recording under its response's key and writes it; when it comes back, it is on disk. A fact that names
    /// it, and the key, must follow.
    ///
    /// # Errors
    /// [`StoreError::Recording`]: nothing is kept.
    pub async fn keep_recording(
        &self,
        key: &ResponseKey,
        samples: Vec<i16>,
    ) -> Result<RecordingId, StoreError> {
        let id = RecordingId(self.ids.next());
        self.vault.keep(key, id, samples).await?;
        Ok(id)
    }

    /// What has been recorded.
    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// A folder for files that are put together and then go: emptied at every start, and closed to other users.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Room left on the disk of the database, in MiB; `None` when the system does not say.
    #[must_use]
    pub fn free_mib(&self) -> Option<u64> {
        let path = self.views().path();
        writer::free_mib(path.parent().unwrap_or(path)).ok()
    }

    /// Whether answers can be kept. Ask before a call is taken; costs next to nothing.
    #[must_use]
    pub fn health(&self) -> Health {
        *self.health.borrow()
    }

    /// What hides callers.
    #[must_use]
    pub fn privacy(&self) -> &Privacy {
        &self.privacy
    }

    /// What can be read.
    #[must_use]
    pub fn views(&self) -> &Views {
        &self.views
    }

    /// Writes what waits, tidies the file and ends the writer. Later writes are refused.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.jobs.send(Job::Close { done }).await.is_ok() {
            closed.await.ok();
        }
        self.views.close().await;
    }
}

/// Makes the folder for passing files, without what an earlier run left there.
fn empty_scratch(data_dir: &Path) -> Result<PathBuf, StoreError> {
    let path = data_dir.join(SCRATCH);
    let fault = |e: std::io::Error| StoreError::Folder { path: path.clone(), kind: e.kind() };
    match std::fs::remove_dir_all(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(fault(error)),
        _ => {}
    }
    std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(fault)?;
    Ok(path)
}

/// Makes the data folder for its owner alone, and closes what an earlier version left open in it.
fn close_to_others(data_dir: &Path) -> Result<(), StoreError> {
    let fault = |e: std::io::Error| StoreError::Folder { path: data_dir.to_owned(), kind: e.kind() };
    private::folder(data_dir).map_err(fault)?;
    private::tighten(&data_dir.join(vault::RECORDINGS));
    Ok(())
}

/// The same, but waits a moment for whoever holds it: the command line does while it writes a line to the audit log,
/// and no start of the service may fail by that.
async fn lock_soon(path: &Path) -> Result<File, StoreError> {
    const PATIENCE: Duration = Duration::from_secs(5);
    const AGAIN_AFTER: Duration = Duration::from_millis(50);
    let begun = tokio::time::Instant::now();
    loop {
        match lock(path) {
            Err(StoreError::InUse { .. }) if begun.elapsed() < PATIENCE => {
                tokio::time::sleep(AGAIN_AFTER).await;
            }
            other => return other,
        }
    }
}

/// Locks the database against a second writing process; the lock goes with the file handle.
fn lock(path: &Path) -> Result<File, StoreError> {
    let folder = |e: std::io::Error| StoreError::Folder { path: path.to_owned(), kind: e.kind() };
    if let Some(parent) = path.parent() {
        private::make_folder(parent).map_err(folder)?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = private::file(Path::new(&name)).map_err(folder)?;
    private::database(path).map_err(folder)?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| StoreError::InUse { path: path.to_owned() })?;
    Ok(file)
}
