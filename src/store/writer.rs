//! The one task that writes. Writes that wait share a transaction; each is acknowledged once it is on disk.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;
use tracing::{error, info, warn};

use super::audit::{self, AuditLine, Head, Note};
use super::erase::{self, Step, Stepped};
use super::goals::{self, Goal};
use super::ids::Ids;
use super::passage::Passage;
use super::privacy::Privacy;
use super::project::{CallRow, RollUps};
use super::sql::{self, Line};
use super::state::{self, State};
use super::statement::{self, Statement};
use super::weekly::WeeklySums;
use super::words::{CallOf, WordSums};
use super::{Batch, Change, Health, StoreError, schema, sql_words, tiles};
use crate::config::StoreConfig;
use crate::domain::{CallId, Entry, Fact, Transcription, Week};

/// How often the disk is looked at.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// What a trial write puts down: enough to need new pages.
const TRIAL_BYTES: usize = 64 * 1024;

pub(super) enum Job {
    Write { batch: Box<Batch>, done: oneshot::Sender<Result<(), StoreError>> },
    Note { note: Note, done: oneshot::Sender<Result<Head, StoreError>> },
    CellMin { answers: u64, done: oneshot::Sender<Result<(), StoreError>> },
    Erase { step: Step, done: oneshot::Sender<Result<Stepped, StoreError>> },
    Goal { goal: Goal, done: oneshot::Sender<Result<(), StoreError>> },
    Mark { what: &'static str, until_us: i64, done: oneshot::Sender<Result<(), StoreError>> },
    Close { done: oneshot::Sender<()> },
}

pub(super) struct Writer {
    pub(super) conn: SqliteConnection,
    pub(super) path: PathBuf,
    pub(super) config: StoreConfig,
    pub(super) ids: Arc<Ids>,
    pub(super) privacy: Privacy,
    pub(super) jobs: mpsc::Receiver<Job>,
    pub(super) health: watch::Sender<Health>,
    /// Counts the writes after which views show something else.
    pub(super) changes: watch::Sender<u64>,
    /// Counts the writes that add to weeks which are over.
    pub(super) past: Arc<AtomicU64>,
    /// The end of the audit log, for those who keep it elsewhere.
    pub(super) heads: watch::Sender<Head>,
    /// What facts to come build on.
    pub(super) state: State,
}

impl Writer {
    /// Works until it is closed or every handle is gone.
    pub(super) async fn run(mut self) {
        let mut watch = tokio::time::interval(WATCH_EVERY);
        watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut jobs = Vec::new();
        let closer = loop {
            tokio::select! {
                _ = watch.tick() => self.watch_disk().await,
                taken = self.jobs.recv_many(&mut jobs, self.config.group_max) => {
                    if taken == 0 {
                        break None;
                    }
                    let closer = self.work(&mut jobs).await;
                    if closer.is_some() {
                        break closer;
                    }
                }
            }
        };
        let checkpoint = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut self.conn).await;
        if let Err(cause) = checkpoint.and(self.conn.close().await) {
            warn!(%cause, "The database was not tidied at the end; the next start does it");
        }
        if let Some(done) = closer {
            done.send(()).ok();
        }
    }

    /// Writes all of a group in one transaction. Gives back who waits for the end, if that was among the jobs.
    async fn work(&mut self, jobs: &mut Vec<Job>) -> Option<oneshot::Sender<()>> {
        let (mut batches, mut waiting, mut closer) = (Vec::new(), Vec::new(), None);
        let (mut notes, mut noting) = (Vec::new(), Vec::new());
        for job in jobs.drain(..) {
            match job {
                Job::Write { batch, done } => {
                    batches.push(batch);
                    waiting.push(done);
                }
                Job::Note { note, done } => {
                    notes.push(note);
                    noting.push(done);
                }
                Job::CellMin { answers, done } => {
                    done.send(self.set_cell_min(answers).await).ok();
                }
                Job::Erase { step, done } => {
                    let stepped = erase::run(&mut self.conn, &mut self.state, &self.privacy, step).await;
                    self.past.fetch_add(1, Ordering::Relaxed); // Names in weeks that are over may be others now.
                    self.changed();
                    done.send(stepped).ok();
                }
                Job::Goal { goal, done } => {
                    let set = goals::set(&mut self.conn, &goal).await;
                    self.changed(); // Before it is acknowledged: who then looks is shown it.
                    done.send(set).ok();
                }
                Job::Mark { what, until_us, done } => {
                    done.send(state::mark(&mut self.conn, what, until_us).await).ok();
                }
                Job::Close { done } => closer = Some(done),
            }
        }
        if batches.is_empty() && notes.is_empty() {
            return closer;
        }
        let result = self.write(&batches, notes).await;
        if let Err(cause) = &result {
            self.failed(cause);
            self.reconnect().await;
        }
        for done in noting {
            done.send(result.clone().map(|()| self.state.head.clone())).ok();
        }
        for done in waiting {
            done.send(result.clone()).ok(); // A caller that no longer waits has ended.
        }
        closer
    }

    async fn write(&mut self, batches: &[Box<Batch>], notes: Vec<Note>) -> Result<(), StoreError> {
        let entries = batches.iter().flat_map(|batch| &batch.entries);
        let ended = sql_words::calls_of(&mut self.conn, entries, &self.state.open).await?;
        let mut staged = Staged::of(&self.state, ended);
        for batch in batches {
            for entry in &batch.entries {
                staged
                    .lines
                    .push(Line::new(self.ids.next(), entry).map_err(|e| StoreError::Encode(Arc::new(e)))?);
                staged.apply(entry, self.config.node, &self.state);
            }
            if let (Some(dialog), Some(first)) = (&batch.dialog, batch.entries.first()) {
                staged
                    .dialogs
                    .extend(self.privacy.seal(first.call, dialog).map(|sealed| (first.call, sealed)));
            }
            if let Some(key) = &batch.key {
                staged.keys.extend(self.privacy.seal_key(key).map(|sealed| (key.call, sealed)));
            }
        }
        staged.changes.extend(batches.iter().flat_map(|batch| &batch.changes).flat_map(Change::statements));
        let lines = std::mem::take(&mut staged.lines);
        let (audit, head) = audit::chain(self.state.head.clone(), notes, self.privacy.audit());
        self.commit(&lines, &audit, &mut staged).await.map_err(sql::write_error)?;
        if head != self.state.head {
            self.heads.send_replace(head.clone());
        }
        self.state.head = head;
        let open = open_week(Timestamp::now()).number();
        if staged.weekly.first_week().is_some_and(|week| week < open) {
            self.past.fetch_add(1, Ordering::Relaxed);
        }
        if staged.weekly.changes_views() {
            self.changed();
        }
        staged.settle(&mut self.state);
        Ok(())
    }

    /// Views show something else from now on.
    fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    async fn commit(&mut self, lines: &[Line], audit: &[AuditLine], staged: &mut Staged) -> sqlx::Result<()> {
        let (begun, ended): (BTreeSet<_>, BTreeSet<_>) =
            (staged.dialogs.iter().map(|(call, _)| *call).collect(), staged.ended().collect());
        staged.dialogs.retain(|(call, _)| !ended.contains(call));
        let gone: Vec<CallId> = ended.difference(&begun).copied().collect();
        let mut queries = sql::insert_lines(self.config.node, lines);
        queries.extend(sql::insert_dialogs(&staged.dialogs));
        queries.extend(sql::delete_dialogs(&gone));
        queries.extend(sql::insert_keys(&staged.keys));
        queries.extend(staged.project());
        queries.extend(audit::insert(audit));
        queries.append(&mut staged.changes);
        statement::run_whole(&mut self.conn, queries).await
    }

    async fn set_cell_min(&mut self, answers: u64) -> Result<(), StoreError> {
        let now = jiff::Timestamp::now().as_microsecond();
        if self.state.sizes.at(now) != answers {
            state::set_tile_size(&mut self.conn, now, sql::integer(answers)).await?;
            self.state.sizes = state::tile_sizes(&mut self.conn).await?;
        }
        Ok(())
    }

    fn failed(&mut self, cause: &StoreError) {
        let full = matches!(cause, StoreError::Write(cause) if is_full(cause));
        let health = if full { Health::Full } else { Health::Failing };
        if self.health.send_replace(health) == Health::Good {
            error!(%cause, "Answers cannot be written; new calls are refused until they can");
        }
    }

    /// Looks at the free space, and tries a write when the last one failed.
    async fn watch_disk(&mut self) {
        let before = *self.health.borrow();
        let folder = self.path.parent().unwrap_or(&self.path);
        let now = match free_mib(folder) {
            Ok(free) if free < self.config.free_min_mib => Health::Full,
            Ok(_) if before == Health::Good => Health::Good,
            Ok(_) => self.health_by_trial().await,
            Err(_) => Health::Failing,
        };
        if before == now {
            return;
        }
        self.health.send_replace(now);
        match now {
            Health::Good => info!("Answers can be written again; new calls are taken"),
            Health::Full => error!("The disk is nearly full; new calls are refused"),
            Health::Failing => error!("The data folder cannot be read; new calls are refused"),
        }
    }

    async fn health_by_trial(&mut self) -> Health {
        if self.trial().await.is_ok() {
            return Health::Good;
        }
        self.reconnect().await;
        match self.trial().await {
            Ok(()) => Health::Good,
            Err(cause) if is_full(&cause) => Health::Full,
            Err(_) => Health::Failing,
        }
    }

    /// A connection whose transaction failed half way may refuse every later one, also when the disk is well again.
    async fn reconnect(&mut self) {
        if let Ok(conn) = schema::open_writer(&self.path, &self.config).await {
            self.conn = conn;
        }
    }

    async fn trial(&mut self) -> sqlx::Result<()> {
        let nobody = vec![0u8; 16];
        let write = "INSERT INTO open_dialogs (call_id, sealed) VALUES ($1, $2)";
        let remove = "DELETE FROM open_dialogs WHERE call_id = $1";
        sqlx::query(remove).bind(nobody.clone()).execute(&mut self.conn).await?;
        sqlx::query(write).bind(nobody.clone()).bind(vec![0u8; TRIAL_BYTES]).execute(&mut self.conn).await?;
        sqlx::query(remove).bind(nobody).execute(&mut self.conn).await?;
        Ok(())
    }
}

/// What a group of writes comes to, before it is on disk.
#[derive(Default)]
pub(super) struct Staged {
    lines: Vec<Line>,
    sums: RollUps,
    weekly: WeeklySums,
    words: WordSums,
    rows: HashMap<CallId, CallRow>,
    /// Calls that had ended before, and that something is told of now.
    ended: HashMap<CallId, CallOf>,
    changed: BTreeSet<CallId>,
    dialogs: Vec<(CallId, Vec<u8>)>,
    keys: Vec<(CallId, Vec<u8>)>,
    /// Statements for what is not made from facts.
    changes: Vec<Statement>,
}

impl Staged {
    /// An empty one, that knows the calls which [`sql_words::calls_of`] found.
    pub(super) fn of(state: &State, ended: HashMap<CallId, CallOf>) -> Self {
        let sums = RollUps { days: state.days.clone(), ..RollUps::default() };
        Self { sums, ended, ..Self::default() }
    }

    /// Adds a fact. One about a call that has ended, or never began, is kept in the journal and moves nothing; but for
    /// what became of its comments.
    pub(super) fn apply(&mut self, entry: &Entry, node: u16, state: &State) {
        if let Fact::Transcribed { recording, outcome, key_words, .. } = &entry.fact {
            self.words.transcribed(*recording, *outcome);
            let row = self.rows.get(&entry.call).or_else(|| state.open.get(&entry.call));
            let ended = match row {
                Some(row) if row.ended_us.is_none() => None,
                Some(row) => Some(CallOf::of(row)),
                None => self.ended.get(&entry.call).cloned(),
            };
            if let Some(of) = ended {
                if *outcome == Transcription::Done {
                    self.heard_later(&of, key_words, entry.at_us, state);
                }
                return;
            }
        }
        let open = &state.open;
        let known = self.rows.contains_key(&entry.call) || open.contains_key(&entry.call);
        if !known && !matches!(entry.fact, Fact::Offered(_)) {
            return;
        }
        let row = self.rows.entry(entry.call).or_insert_with(|| {
            open.get(&entry.call).cloned().unwrap_or_else(|| CallRow::new(entry.call, node, entry.at_us))
        });
        if row.ended_us.is_some() {
            return;
        }
        if row.apply(entry, &mut self.sums) {
            self.changed.insert(entry.call);
        }
        let (origin, survey) = (row.origin(), CallOf::of(row).survey);
        let counts = self.weekly.take_in(row, entry, state);
        self.words.take_in(row, entry);
        for passage in counts.values() {
            self.words.count((origin, &survey), passage, entry.at_us, state);
        }
    }

    /// Words of a call that has ended: where it has no answers, they count at once.
    fn heard_later(&mut self, of: &CallOf, words: &[String], at_us: i64, state: &State) {
        // Trial and mystery calls are groups of their own.
        if of.has_answers && tiles::size_for(of.origin, state.sizes.at(at_us)) > 1 {
            self.weekly.heard_later(&of.group(), of.call, &of.queue, words, state);
            return;
        }
        let passage = Passage { words: vec![words.to_vec()], ..Passage::default() };
        self.words.count((of.origin, &of.survey), &passage, at_us, state);
    }

    /// The statements for rows and sums.
    pub(super) fn project(&self) -> Vec<Statement> {
        let changed: Vec<&CallRow> = self.changed.iter().filter_map(|call| self.rows.get(call)).collect();
        let mut queries = sql::upsert_calls(&changed);
        queries.extend(sql::insert_answers(&self.sums.answer_rows));
        queries.extend(sql::add_answers(&self.sums.answers.iter().collect::<Vec<_>>()));
        queries.extend(sql::add_outcomes(&self.sums.outcomes.iter().collect::<Vec<_>>()));
        queries.extend(sql::raise_counts(&self.sums.queue_counts.iter().collect::<Vec<_>>()));
        queries.extend(self.weekly.statements());
        queries.extend(self.words.statements());
        queries
    }

    /// Once it is on disk: what is open and what waits now.
    pub(super) fn settle(self, state: &mut State) {
        self.weekly.settle(state);
        self.words.settle(&mut state.words);
        let open = &mut state.open;
        for (call, row) in self.rows {
            if row.ended_us.is_some() {
                open.remove(&call);
            } else {
                open.insert(call, row);
            }
        }
    }

    fn ended(&self) -> impl Iterator<Item = CallId> {
        self.rows.values().filter(|row| row.ended_us.is_some()).map(|row| row.id)
    }
}

/// The week that answers still come into: for an hour after its end there may be one on its way.
pub(super) fn open_week(now: Timestamp) -> Week {
    const STRAGGLERS: SignedDuration = SignedDuration::from_hours(1);
    Week::of_us(now.saturating_sub(STRAGGLERS).unwrap_or(now).as_microsecond())
}

fn is_full(cause: &sqlx::Error) -> bool {
    /// `SQLITE_FULL`.
    const FULL: &str = "13";
    cause.as_database_error().and_then(|e| e.code()).is_some_and(|code| code == FULL)
}

pub(super) fn free_mib(folder: &std::path::Path) -> std::io::Result<u64> {
    let stat = rustix::fs::statvfs(folder)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize) / (1024 * 1024))
}
