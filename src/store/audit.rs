//! The audit log: who looked at what and who erased what, each line chained to the one before it.
//!
//! The hash of a line is HMAC-SHA-256 under a key that is made from the secret of the installation, over the hash before
//! it, a random salt, and the line as a JSON array. Changing, removing or inserting a line breaks every hash after it,
//! and nobody who has the database alone can make the hashes anew. Cutting lines off at the end breaks none, so the last
//! hash is told where it can be kept: in the log once a day, in `/metrics`, by `audit verify`, whose `--head` asks for it.
//!
//! Lines of before there was a key are chained by SHA-256 alone; the first line under the key seals them all. Of a line
//! whose scope named somebody who was erased, the salt goes too and the hash stays: it cannot be made from the line any
//! more, and a second code under the key (`erased`) vouches for it.

mod key;
mod seal;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteRow;

pub(super) use key::AuditKey;
use key::plain_hash;
pub(super) use seal::{head, rewrite};

use super::statement::{Statement, statements};
use super::views::{get, read_error};
use super::wheres::Wheres;
use super::{Privacy, StoreError, Views};
use crate::domain::Viewer;

/// Lines read at a time.
const PAGE: i64 = 2000;
/// Lines that one page of a filter is looked for among; the next page goes on from there.
const LOOKED_MAX: i64 = 100_000;
/// The columns of a line.
const COLUMNS: &str = "SELECT seq, at_us, user_id, role, what, scope, reason, hash, salt, erased FROM audit";
/// Octets of a salt.
const SALT: usize = 16;

/// What is done on the command line, by the names that the log uses.
pub const BY_OPERATORS: [&str; 10] = [
    "erase",
    "replay",
    "user_add",
    "user_link",
    "user_disable",
    "user_enable",
    "user_change",
    "user_password",
    "token_add",
    "token_revoke",
];

/// What is to be written: who did what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The user's id; `operator` on the command line, `service` for what runs by itself.
    pub user: String,
    /// As what they acted.
    pub role: &'static str,
    /// A view's name, or what was done.
    pub what: &'static str,
    /// Of what: a period, an agent, a call.
    pub scope: String,
    /// The reason given; empty where none is asked for.
    pub reason: String,
}

impl Note {
    /// What a viewer does.
    #[must_use]
    pub fn of(viewer: &Viewer, what: &'static str, scope: String, reason: &str) -> Self {
        Self {
            user: viewer.user.0.to_string(),
            role: viewer.role.as_str(),
            what,
            scope,
            reason: reason.to_owned(),
        }
    }
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of `Note`")]
pub struct AuditLine {
    /// Its number, from 1, without gaps.
    pub seq: i64,
    /// When, in microseconds since 1970 UTC.
    pub at_us: i64,
    pub user: String,
    pub role: String,
    pub what: String,
    pub scope: String,
    pub reason: String,
    /// Its hash, in hexadecimal.
    pub hash: String,
    /// What makes the hash tell nothing of the line; none for one of before there was a key.
    salt: Option<Vec<u8>>,
    /// What vouches for the line where something of it was erased.
    erased: Option<Vec<u8>>,
}

/// The end of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The number of the last line; 0 when there is none.
    pub seq: i64,
    /// Its hash, in hexadecimal; empty when there is none.
    pub hash: String,
}

/// Which lines of the log to look for. All that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Of this user, as the log names them.
    pub user: Option<String>,
    /// Of this name: a view, or what was done.
    pub what: Option<String>,
    /// At this time or later, in microseconds since 1970 UTC.
    pub from_us: Option<i64>,
    /// Before this time.
    pub to_us: Option<i64>,
    /// Before this line.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

/// Lines of the log, the latest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditPage {
    /// The lines. There may be none of them and yet more to look through.
    pub lines: Vec<AuditLine>,
    /// [`AuditFilter::before`] of the next page; none where nothing is left.
    pub next: Option<i64>,
}

/// What a check of the chain found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chain {
    /// Every line follows from the one before.
    Whole(Head),
    /// The first line that does not.
    Broken {
        /// Its number.
        seq: i64,
        /// What is wrong.
        what: &'static str,
    },
}

impl AuditLine {
    /// What it was of, with times as people write them: older lines have microseconds since 1970. The line itself, and
    /// with it the chain, stays as it was written.
    #[must_use]
    pub fn readable_scope(&self) -> String {
        let said = |word: &str| {
            let us = (word.len() == 16).then(|| word.parse().ok()).flatten();
            let at = us.and_then(|us| Timestamp::from_microsecond(us).ok());
            at.map_or_else(|| word.to_owned(), |at| at.to_string())
        };
        self.scope.split(' ').map(said).collect::<Vec<_>>().join(" ")
    }

    /// The line that follows `head`.
    fn after(head: &Head, note: Note, at_us: i64, key: &AuditKey) -> Self {
        let Note { user, role, what, scope, reason } = note;
        let (role, what) = (role.to_owned(), what.to_owned());
        let (hash, seq) = (String::new(), head.seq + 1);
        let mut salt = vec![0; SALT];
        // Without random numbers the hash may be guessed at, and holds all the same.
        getrandom::fill(&mut salt).ok();
        let mut line = Self { seq, at_us, user, role, what, scope, reason, hash, salt: None, erased: None };
        line.hash = key.hash(&head.hash, &line, &salt);
        line.salt = Some(salt);
        line
    }

    /// Whether it follows the line with this hash. One without the key may stand only before all that are under it.
    fn follows(&self, before: &str, key: &AuditKey, keyed: bool) -> bool {
        match (&self.erased, &self.salt) {
            (Some(tag), _) => *tag == key.erased(before, self),
            (None, Some(salt)) => self.hash == key.hash(before, self, salt),
            (None, None) => !keyed && self.hash == plain_hash(before, self),
        }
    }
}

/// The lines for notes in their order, and the head after them.
pub(super) fn chain(mut head: Head, notes: Vec<Note>, key: &AuditKey) -> (Vec<AuditLine>, Head) {
    let lines = notes.into_iter().map(|note| {
        let line = AuditLine::after(&head, note, Timestamp::now().as_microsecond(), key);
        head = Head { seq: line.seq, hash: line.hash.clone() };
        line
    });
    let lines = lines.collect();
    (lines, head)
}

pub(super) fn insert(lines: &[AuditLine]) -> Vec<Statement> {
    let head = "INSERT INTO audit (seq, at_us, user_id, role, what, scope, reason, hash, salt)";
    statements(head, 9, "", lines, |q, line| {
        q.bind(line.seq)
            .bind(line.at_us)
            .bind(line.user.clone())
            .bind(line.role.clone())
            .bind(line.what.clone())
            .bind(line.scope.clone())
            .bind(line.reason.clone())
            .bind(line.hash.clone())
            .bind(line.salt.clone())
    })
}

impl Views {
    /// Lines of the audit log from a number on, at most `max`; the last ones when no number is given.
    ///
    /// # Errors
    /// [`StoreError::Read`].
    pub async fn audit(&self, from: Option<i64>, max: u32) -> Result<Vec<AuditLine>, StoreError> {
        let max = i64::from(max);
        let query = match from {
            Some(from) => {
                let text = format!("{COLUMNS} WHERE seq >= $1 ORDER BY seq LIMIT $2");
                sqlx::query(AssertSqlSafe(text)).bind(from).bind(max)
            }
            None => {
                let text = format!("{COLUMNS} ORDER BY seq DESC LIMIT $1");
                sqlx::query(AssertSqlSafe(text)).bind(max)
            }
        };
        let rows = query.fetch_all(self.pool()).await.map_err(read_error)?;
        let mut lines: Vec<AuditLine> = rows.iter().map(line).collect::<Result<_, StoreError>>()?;
        if from.is_none() {
            lines.reverse();
        }
        Ok(lines)
    }

    /// Checks the whole chain. With a hash that was pinned, it must be that of some line.
    ///
    /// # Errors
    /// [`StoreError::Read`]; a broken chain is an answer.
    pub async fn verify_audit(&self, privacy: &Privacy, pinned: Option<&str>) -> Result<Chain, StoreError> {
        self.follow(Head::default(), privacy.audit(), pinned).await
    }

    /// Checks the last `max` lines against the line before them; gives the first line that was checked too.
    ///
    /// # Errors
    /// [`StoreError::Read`]; a broken chain is an answer.
    pub(super) async fn verify_audit_end(
        &self,
        privacy: &Privacy,
        max: i64,
    ) -> Result<(i64, Chain), StoreError> {
        let key = privacy.audit();
        let first = (self.last_line().await? - max + 1).max(1);
        if first == 1 {
            return Ok((first, self.follow(Head::default(), key, None).await?));
        }
        match self.audit(Some(first - 1), 1).await?.pop() {
            Some(line) if line.seq == first - 1 => {
                let head = Head { seq: line.seq, hash: line.hash };
                Ok((first, self.follow(head, key, None).await?))
            }
            _ => Ok((first, Chain::Broken { seq: first - 1, what: "is missing" })),
        }
    }

    /// Lines by a filter.
    ///
    /// # Errors
    /// [`StoreError::Read`].
    pub(super) async fn audit_page(&self, filter: &AuditFilter) -> Result<AuditPage, StoreError> {
        let last = self.last_line().await?;
        let mut end = filter.before.unwrap_or(i64::MAX).min(last + 1);
        if let Some(us) = filter.to_us {
            end = end.min(self.first_line_at(us, last).await?);
        }
        let begin = match filter.from_us {
            Some(us) => self.first_line_at(us, last).await?,
            None => 1,
        };
        let looked = begin.max(end.saturating_sub(LOOKED_MAX));
        let mut wheres = Wheres::default();
        wheres.add("seq < ", Some(end));
        wheres.add("seq >= ", Some(looked));
        wheres.add("user_id = ", filter.user.clone());
        wheres.add("what = ", filter.what.clone());
        let text = format!("{COLUMNS}{wheres} ORDER BY seq DESC LIMIT {}", filter.limit);
        let rows = wheres.bind(text).fetch_all(self.pool()).await.map_err(read_error)?;
        let lines: Vec<AuditLine> = rows.iter().map(line).collect::<Result<_, StoreError>>()?;
        let full = lines.len() >= filter.limit as usize;
        let went_to = lines.last().filter(|_| full).map_or(looked, |line| line.seq);
        Ok(AuditPage { lines, next: (went_to > begin).then_some(went_to) })
    }

    async fn last_line(&self) -> Result<i64, StoreError> {
        let text = "SELECT COALESCE(MAX(seq), 0) FROM audit";
        sqlx::query_scalar(text).fetch_one(self.pool()).await.map_err(read_error)
    }

    /// The first line at a time or later; one past the last where there is none. Lines are in the order of time, so a
    /// search by halves finds it without an index.
    async fn first_line_at(&self, us: i64, last: i64) -> Result<i64, StoreError> {
        let (mut low, mut high) = (1, last + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            let text = "SELECT at_us FROM audit WHERE seq >= $1 ORDER BY seq LIMIT 1";
            let at: Option<i64> = sqlx::query_scalar(text)
                .bind(middle)
                .fetch_optional(self.pool())
                .await
                .map_err(read_error)?;
            if at.is_some_and(|at| at < us) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    async fn follow(
        &self,
        mut head: Head,
        key: &AuditKey,
        pinned: Option<&str>,
    ) -> Result<Chain, StoreError> {
        let (mut found, mut keyed) = (pinned.is_none(), false);
        loop {
            let lines = self.audit(Some(head.seq + 1), u32::try_from(PAGE).unwrap_or(u32::MAX)).await?;
            if lines.is_empty() {
                break;
            }
            for line in lines {
                if line.seq != head.seq + 1 {
                    return Ok(Chain::Broken { seq: head.seq + 1, what: "is missing" });
                }
                if !line.follows(&head.hash, key, keyed) {
                    return Ok(Chain::Broken { seq: line.seq, what: "was changed, or one before it was" });
                }
                keyed |= line.salt.is_some();
                found |= pinned == Some(line.hash.as_str());
                head = Head { seq: line.seq, hash: line.hash };
            }
        }
        if head.seq > 0 && !keyed {
            let what = "and those before it are not under the key of this installation: start the service once, which \
                        seals them; where that was done before, lines were cut off";
            return Ok(Chain::Broken { seq: head.seq, what });
        }
        if found {
            Ok(Chain::Whole(head))
        } else {
            Ok(Chain::Broken { seq: head.seq + 1, what: "is missing: no line has the pinned hash" })
        }
    }
}

fn line(row: &SqliteRow) -> Result<AuditLine, StoreError> {
    Ok(AuditLine {
        seq: get(row, "seq")?,
        at_us: get(row, "at_us")?,
        user: get(row, "user_id")?,
        role: get(row, "role")?,
        what: get(row, "what")?,
        scope: get(row, "scope")?,
        reason: get(row, "reason")?,
        hash: get(row, "hash")?,
        salt: get(row, "salt")?,
        erased: get(row, "erased")?,
    })
}
