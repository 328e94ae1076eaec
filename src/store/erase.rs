//! Erasing: what ties a response to a call and a caller goes; answers and sums stay.
//!
//! Of a call, the caller's hash, the call's reference, the language, the length of talk, the keys and words as they
//! came, comments, transcripts and recordings go: the key of the response is destroyed, its files are removed, and its
//! facts in the journal are replaced by what is left of them ([`Fact::Erased`]), so that a rebuild gives the sums of
//! before. The call's id stays, and the time of the call in it. An agent is erased by putting a random name in the place
//! of theirs everywhere; so are an agent's name and a caller's call references in the answers to writes and in the audit
//! log ([`traces`]). Freed places in the file are overwritten (`secure_delete`), and the write-ahead log is emptied
//! at the end; a backup keeps what it holds, but for recordings and transcripts once the key is gone from it too.

use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use uuid::Uuid;

use super::ahead;
use super::audit::{self, Head, Note};
use super::state::State;
use super::vault::RECORDINGS;
use super::views::{LINE_COLUMNS, LineRow, read_error, uuid_of};
use super::writer::Job;
use super::{
    Privacy, Store, StoreError, Views, lock, outbox, recordings, schema, sql, state, statement, tasks, traces,
};
use crate::config::StoreConfig;
use crate::domain::{AgentId, Answer, CallId, CallerHash, Fact, RecordingId, StoredContext};

/// Calls in one transaction, so that answers of running calls never wait long.
const CHUNK: usize = 100;

/// What is to be erased. Calls that are still open are left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Erase {
    /// All calls of a caller.
    Caller(CallerHash),
    /// All calls that were offered in a stretch of time, in microseconds since 1970 UTC: from, and before.
    Offered(i64, i64),
    /// An agent's name.
    Agent(AgentId),
    /// Recordings and transcripts of calls that were offered before a time.
    Recordings(i64),
}

/// What was erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// Calls that something was erased of.
    pub calls: u64,
    /// Facts in the journal that were replaced.
    pub facts: u64,
    /// Keys of responses that were destroyed.
    pub keys: u64,
    /// Files that were removed.
    pub files: u64,
}

/// One transaction's worth.
#[derive(Debug)]
pub(super) enum Step {
    Calls(Vec<CallId>),
    Agent(AgentId),
    /// The references of a caller's calls, where they stand beside the calls themselves. It comes before their calls.
    References(CallerHash),
    KeysBefore(i64),
    /// What was said of a caller, or of an agent, ahead of calls.
    Ahead(Option<CallerHash>, Option<AgentId>),
    /// Empties the write-ahead log.
    Tidy,
}

/// What came of a step: counts, and the recordings whose files may go.
pub(super) type Stepped = (Erased, Vec<RecordingId>);

/// Erases while no service runs.
///
/// # Errors
/// [`StoreError::InUse`] while one does: then it has to be asked to, or stopped.
pub(super) async fn erase(
    config: &StoreConfig,
    data_dir: &Path,
    what: &Erase,
    note: Note,
) -> Result<(Erased, Head), StoreError> {
    let path = data_dir.join(&config.file);
    let _lock = lock(&path)?;
    let mut conn = schema::open_writer(&path, config).await?;
    let secret = data_dir.join(&config.secret_file);
    let privacy = Privacy::load_or_create(&secret)
        .map_err(|e| StoreError::Secret { path: secret, source: std::sync::Arc::new(e) })?;
    let mut state = state::load(&mut conn, privacy.audit()).await?;
    let views = Views::open(&path).await?;
    let calls = views.to_erase(what).await?;
    let mut erased = Erased::default();
    for step in steps(what, calls) {
        let (did, files) = run(&mut conn, &mut state, &privacy, step).await?;
        erased = erased.plus(did);
        erased.files += remove(&data_dir.join(RECORDINGS), &files);
    }
    erased.files += old_folders(&data_dir.join(RECORDINGS), what);
    let (lines, head) = audit::chain(state.head, vec![counted(note, &erased)], privacy.audit());
    statement::run(&mut conn, audit::insert(&lines)).await.map_err(sql::write_error)?;
    views.close().await;
    run_tidy(&mut conn).await?;
    conn.close().await.map_err(sql::write_error)?;
    Ok((erased, head))
}

impl Store {
    /// Erases while the service runs, a little at a time. Comes back when it is done and on record.
    ///
    /// # Errors
    /// [`StoreError::Write`]: what was erased until then stays erased, and can be asked for again.
    pub async fn erase(&self, what: &Erase, note: Note) -> Result<(Erased, Head), StoreError> {
        let calls = self.views.to_erase(what).await?;
        let mut erased = Erased::default();
        match what {
            Erase::Caller(hash) => self.ahead.forget(Some(*hash), None),
            Erase::Agent(agent) => self.ahead.forget(None, Some(agent)),
            Erase::Offered(..) | Erase::Recordings(_) => {}
        }
        for step in steps(what, calls) {
            let (did, files) = self.erase_step(step).await?;
            erased = erased.plus(did);
            let folder = std::sync::Arc::clone(self.vault.folder());
            let removed = tokio::task::spawn_blocking(move || remove(&folder, &files)).await;
            erased.files += removed.map_err(|_| StoreError::Closed)?;
        }
        let (folder, old) = (std::sync::Arc::clone(self.vault.folder()), what.clone());
        let removed = tokio::task::spawn_blocking(move || old_folders(&folder, &old)).await;
        erased.files += removed.map_err(|_| StoreError::Closed)?;
        let head = self.note(counted(note, &erased)).await?;
        self.tidy_log().await?;
        Ok((erased, head))
    }

    /// Empties the write-ahead log, so that what was erased is not in it either.
    pub(super) async fn tidy_log(&self) -> Result<(), StoreError> {
        self.erase_step(Step::Tidy).await.map(|_| ())
    }

    async fn erase_step(&self, step: Step) -> Result<Stepped, StoreError> {
        let (done, stepped) = tokio::sync::oneshot::channel();
        self.jobs.send(Job::Erase { step, done }).await.map_err(|_| StoreError::Closed)?;
        stepped.await.map_err(|_| StoreError::Closed)?
    }
}

impl Views {
    /// The calls that [`Erase`] would touch, open ones left out; none for recordings by age, which go by their day.
    ///
    /// # Errors
    /// [`StoreError::Read`].
    pub async fn to_erase(&self, what: &Erase) -> Result<Vec<CallId>, StoreError> {
        let closed = "SELECT id FROM calls WHERE ended_us IS NOT NULL";
        let query =
            match what {
                Erase::Caller(hash) => sqlx::query_scalar(AssertSqlSafe(format!("{closed} AND caller = $1")))
                    .bind(hash.to_string()),
                Erase::Agent(agent) => sqlx::query_scalar(AssertSqlSafe(format!("{closed} AND agent = $1")))
                    .bind(agent.to_string()),
                Erase::Offered(from, before) => {
                    let text = format!("{closed} AND offered_us >= $1 AND offered_us < $2");
                    sqlx::query_scalar(AssertSqlSafe(text)).bind(*from).bind(*before)
                }
                Erase::Recordings(before) => {
                    sqlx::query_scalar("SELECT call_id FROM response_keys WHERE call_id < $1")
                        .bind(first_id(*before))
                }
            };
        let ids: Vec<Vec<u8>> = query.fetch_all(self.pool()).await.map_err(read_error)?;
        ids.iter().map(|id| Ok(CallId(uuid_of("calls", id)?))).collect()
    }
}

impl Erased {
    pub(super) fn plus(self, more: Self) -> Self {
        Self {
            calls: self.calls + more.calls,
            facts: self.facts + more.facts,
            keys: self.keys + more.keys,
            files: self.files + more.files,
        }
    }
}

/// The note with what was done.
fn counted(mut note: Note, erased: &Erased) -> Note {
    let Erased { calls, facts, keys, files } = erased;
    note.scope += &format!(": {calls} calls, {facts} facts, {keys} keys, {files} files");
    note
}

fn steps(what: &Erase, calls: Vec<CallId>) -> Vec<Step> {
    let calls = || calls.chunks(CHUNK).map(|chunk| Step::Calls(chunk.to_vec()));
    match what {
        Erase::Caller(hash) => {
            let first = std::iter::once(Step::References(*hash));
            first.chain(calls()).chain([Step::Ahead(Some(*hash), None)]).collect()
        }
        Erase::Offered(..) => calls().collect(),
        Erase::Agent(agent) => vec![Step::Agent(agent.clone()), Step::Ahead(None, Some(agent.clone()))],
        Erase::Recordings(before) => vec![Step::KeysBefore(*before)],
    }
}

/// One step, in one transaction. The writer's own, or that of a process that has the database alone.
pub(super) async fn run(
    conn: &mut SqliteConnection,
    state: &mut State,
    privacy: &Privacy,
    step: Step,
) -> Result<Stepped, StoreError> {
    if matches!(step, Step::Tidy) {
        return run_tidy(conn).await.map(|()| Stepped::default());
    }
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await.map_err(sql::write_error)?;
    let mut renamed = None;
    let stepped = match step {
        Step::Calls(calls) => erase_calls(&mut tx, &calls).await?,
        Step::Agent(agent) => {
            let random = getrandom::u64().unwrap_or_default();
            let name: AgentId = format!("erased-{random:016x}").parse().expect("a plain name");
            let did = rename(&mut tx, &agent, &name).await?;
            traces::replace(&mut tx, privacy, &[agent.to_string()], name.as_str()).await?;
            renamed = Some((agent, name));
            (did, Vec::new())
        }
        Step::References(caller) => {
            let known = traces::references(&mut tx, caller).await?;
            traces::replace(&mut tx, privacy, &known, traces::ERASED).await?;
            Stepped::default()
        }
        Step::KeysBefore(before_us) => {
            let delete = "DELETE FROM response_keys WHERE call_id < $1";
            let keys = execute(&mut tx, sqlx::query(delete).bind(first_id(before_us))).await?;
            (Erased { calls: keys, keys, ..Erased::default() }, Vec::new())
        }
        Step::Ahead(caller, agent) => {
            ahead::erase(&mut tx, caller, agent.as_ref()).await?;
            Stepped::default()
        }
        Step::Tidy => Stepped::default(),
    };
    tx.commit().await.map_err(sql::write_error)?;
    if let Some((old, new)) = renamed {
        for context in state.open.values_mut().filter_map(|row| row.context.as_mut()) {
            if context.agent.as_ref() == Some(&old) {
                context.agent = Some(new.clone());
            }
        }
        let keys: Vec<_> = state.waiting.keys().filter(|key| key.agent == old.as_str()).cloned().collect();
        for mut key in keys {
            if let Some(waiting) = state.waiting.remove(&key) {
                key.agent = new.to_string();
                state.waiting.insert(key, waiting);
            }
        }
        let keys: Vec<_> = state.groups.keys().filter(|key| key.agent == old.as_str()).cloned().collect();
        for mut key in keys {
            if let Some(group) = state.groups.remove(&key) {
                key.agent = new.to_string();
                state.groups.insert(key, group);
            }
        }
    }
    Ok(stepped)
}

async fn run_tidy(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let tidied = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(conn).await;
    tidied.map(|_| ()).map_err(sql::write_error)
}

async fn erase_calls(conn: &mut SqliteConnection, calls: &[CallId]) -> Result<Stepped, StoreError> {
    let (mut erased, mut files) = (Erased::default(), Vec::new());
    for call in calls {
        let id = sql::bytes(call.0);
        let text = format!("SELECT {LINE_COLUMNS} FROM journal WHERE call_id = $1 ORDER BY id");
        let lines: Vec<LineRow> = sqlx::query_as(AssertSqlSafe(text))
            .bind(id.clone())
            .fetch_all(&mut *conn)
            .await
            .map_err(read_error)?;
        let before = erased.facts;
        for line in &lines {
            let fact = line.entry()?.fact;
            files.extend(recording_of(&fact));
            let Some(left) = what_is_left(fact) else { continue };
            let body = serde_json::to_string(&left).map_err(|e| StoreError::Encode(e.into()))?;
            let update = sqlx::query("UPDATE journal SET kind = $1, body = $2 WHERE id = $3")
                .bind(super::project::kind(&left))
                .bind(body)
                .bind(line.id.clone());
            erased.facts += execute(conn, update).await?;
        }
        let update =
            "UPDATE calls SET caller = NULL, call_ref = NULL, talk_s = NULL, language = NULL WHERE id = $1";
        execute(conn, sqlx::query(update).bind(id.clone())).await?;
        execute(conn, sqlx::query("UPDATE answers SET keys = '' WHERE call_id = $1").bind(id.clone()))
            .await?;
        execute(conn, sqlx::query("DELETE FROM comments WHERE call_id = $1").bind(id.clone())).await?;
        erased.keys += tasks::erase(conn, *call).await?;
        outbox::erase(conn, *call).await?;
        let keys =
            execute(conn, sqlx::query("DELETE FROM response_keys WHERE call_id = $1").bind(id)).await?;
        erased.keys += keys;
        erased.calls += u64::from(erased.facts > before || keys > 0);
    }
    Ok((erased, files))
}

async fn rename(conn: &mut SqliteConnection, old: &AgentId, new: &AgentId) -> Result<Erased, StoreError> {
    let mut erased = Erased::default();
    let text = format!(
        "SELECT {LINE_COLUMNS} FROM journal WHERE kind = 'offered' \
         AND call_id IN (SELECT id FROM calls WHERE agent = $1) ORDER BY id"
    );
    let query = sqlx::query_as(AssertSqlSafe(text)).bind(old.to_string());
    let lines: Vec<LineRow> = query.fetch_all(&mut *conn).await.map_err(read_error)?;
    for line in &lines {
        let Fact::Offered(context) = line.entry()?.fact else { continue };
        let fact = Fact::Offered(StoredContext { agent: Some(new.clone()), ..context });
        let body = serde_json::to_string(&fact).map_err(|e| StoreError::Encode(e.into()))?;
        let update =
            sqlx::query("UPDATE journal SET body = $1 WHERE id = $2").bind(body).bind(line.id.clone());
        erased.facts += execute(conn, update).await?;
    }
    for (table, column, only) in [
        ("calls", "agent", ""),
        ("rollup_answers", "agent", ""),
        ("rollup_calls", "agent", ""),
        ("responses_waiting", "agent", ""),
        ("tiles_waiting", "agent", ""),
        ("sampling_weeks", "agent", ""),
        ("shown_weeks", "name", " AND part = 'agent'"),
        ("calls_weeks", "name", " AND part = 'agent'"),
    ] {
        let text = format!("UPDATE {table} SET {column} = $1 WHERE {column} = $2{only}");
        let update = sqlx::query(AssertSqlSafe(text)).bind(new.to_string()).bind(old.to_string());
        let rows = execute(conn, update).await?;
        erased.calls += if table == "calls" { rows } else { 0 };
    }
    Ok(erased)
}

async fn execute(conn: &mut SqliteConnection, query: sql::Query) -> Result<u64, StoreError> {
    query.execute(conn).await.map(|done| done.rows_affected()).map_err(sql::write_error)
}

fn recording_of(fact: &Fact) -> Option<RecordingId> {
    match fact {
        Fact::Comment { recording, .. } => Some(*recording),
        Fact::Heard { recording, .. } | Fact::Deaf { recording, .. } => *recording,
        _ => None,
    }
}

/// A fact without what tells about its caller; `None` when nothing does.
fn what_is_left(fact: Fact) -> Option<Fact> {
    let was = super::project::kind(&fact).to_owned();
    match fact {
        Fact::Offered(context) => {
            let known = context.call_ref.is_some()
                || context.caller.is_some()
                || context.language.is_some()
                || context.talk_s.is_some();
            let left =
                StoredContext { call_ref: None, caller: None, language: None, talk_s: None, ..context };
            known.then_some(Fact::Offered(left))
        }
        Fact::Answer(answer) if !answer.keys.is_empty() => {
            Some(Fact::Answer(Answer { keys: Vec::new(), ..answer }))
        }
        Fact::NoMatch { question, attempt, keys } if !keys.is_empty() => {
            Some(Fact::NoMatch { question, attempt, keys: Vec::new() })
        }
        Fact::Key { question, .. } => Some(Fact::Erased { was, question }),
        Fact::Heard { question, .. } | Fact::Comment { question, .. } | Fact::Reread { question, .. } => {
            Some(Fact::Erased { was, question: Some(question) })
        }
        // That a recogniser failed tells nothing about the caller.
        Fact::Deaf { question, why, recording: Some(_) } => {
            Some(Fact::Deaf { question, why, recording: None })
        }
        // Which groups of key words were found counts like an answer.
        Fact::Transcribed { recording, outcome, sealed: Some(_), key_words, .. } => {
            Some(Fact::Transcribed { recording, outcome, model: None, sealed: None, key_words })
        }
        Fact::LanguageSet { .. } => Some(Fact::Erased { was, question: None }),
        _ => None,
    }
}

/// The first id that a call offered at this time can have (RFC 9562 §5.7).
fn first_id(at_us: i64) -> Vec<u8> {
    let ms = u128::try_from(at_us.div_euclid(1000)).unwrap_or(0);
    sql::bytes(Uuid::from_u128(ms << 80))
}

/// Removes files; one that is not there is no fault, since its key is gone.
fn remove(folder: &Path, files: &[RecordingId]) -> u64 {
    let removed = files.iter().filter(|id| std::fs::remove_file(recordings::path_of(folder, **id)).is_ok());
    removed.count() as u64
}

/// Removes the folders of days that are over before the time to which recordings are erased.
fn old_folders(folder: &Path, what: &Erase) -> u64 {
    let Erase::Recordings(before_us) = what else { return 0 };
    let Ok(before) = Timestamp::from_microsecond(*before_us) else { return 0 };
    let before = before.strftime("%Y-%m-%d").to_string();
    let Ok(days) = std::fs::read_dir(folder) else { return 0 };
    let old = days.flatten().filter(|day| day.file_name().to_str().is_some_and(|day| day < before.as_str()));
    old.map(|day| {
        let files = std::fs::read_dir(day.path()).map_or(0, |files| files.count() as u64);
        if std::fs::remove_dir_all(day.path()).is_ok() { files } else { 0 }
    })
    .sum()
}
