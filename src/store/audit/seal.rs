//! The end of the log, under the key; and taking something out of lines without breaking the chain.

use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};

use super::key::{AuditKey, plain_hash};
use super::{AuditLine, COLUMNS, Head, Note, PAGE, chain, insert, line};
use crate::store::views::read_error;
use crate::store::{StoreError, sql, statement};

/// What the line says by which an older chain comes under the key.
pub(super) const SEALED: &str = "audit_seal";

/// The end of the log as it is on disk. A chain of before there was a key comes under it first: the line that is added
/// holds the hash of the last one, and so all of them.
pub(in crate::store) async fn head(conn: &mut SqliteConnection, key: &AuditKey) -> Result<Head, StoreError> {
    let last = sqlx::query("SELECT seq, hash, salt FROM audit ORDER BY seq DESC LIMIT 1");
    let Some(row) = last.fetch_optional(&mut *conn).await.map_err(read_error)? else {
        return Ok(Head::default());
    };
    let head = Head { seq: row.get(0), hash: row.get(1) };
    if row.get::<Option<Vec<u8>>, _>(2).is_some() {
        return Ok(head);
    }
    let any = "SELECT EXISTS (SELECT 1 FROM audit WHERE salt IS NOT NULL)";
    if sqlx::query_scalar(any).fetch_one(&mut *conn).await.map_err(read_error)? {
        return Ok(head);
    }
    let mut scope = format!("lines 1-{}", head.seq);
    if let Some(seq) = plain_fault(conn).await? {
        tracing::error!(
            line = seq,
            "The audit log was changed at line {seq} or before it, when it had no key yet"
        );
        scope += &format!(", broken at line {seq}");
    }
    let note = Note {
        user: "service".into(),
        role: "service",
        what: SEALED,
        scope,
        reason: "the chain has a key from here on".into(),
    };
    let (lines, head) = chain(head, vec![note], key);
    statement::run(conn, insert(&lines)).await.map_err(sql::write_error)?;
    tracing::info!("The audit log is under the key of this installation from line {} on", head.seq);
    Ok(head)
}

/// The first line of a chain without a key that does not follow from the one before.
async fn plain_fault(conn: &mut SqliteConnection) -> Result<Option<i64>, StoreError> {
    let mut head = Head::default();
    loop {
        let lines = lines_after(conn, head.seq).await?;
        if lines.is_empty() {
            return Ok(None);
        }
        for line in lines {
            if line.seq != head.seq + 1 || line.hash != plain_hash(&head.hash, &line) {
                return Ok(Some(head.seq + 1));
            }
            head = Head { seq: line.seq, hash: line.hash };
        }
    }
}

async fn lines_after(conn: &mut SqliteConnection, seq: i64) -> Result<Vec<AuditLine>, StoreError> {
    let text = format!("{COLUMNS} WHERE seq > $1 ORDER BY seq LIMIT {PAGE}");
    let rows = sqlx::query(AssertSqlSafe(text)).bind(seq).fetch_all(conn).await.map_err(read_error)?;
    rows.iter().map(line).collect()
}

/// Puts other texts in the place of scopes and reasons that hold a word. Hashes stay, so that the chain and every hash
/// that was kept elsewhere hold; the key vouches for what such a line says now. Only lines with the word are read: the
/// log may be long, and answers of running calls wait meanwhile.
pub(in crate::store) async fn rewrite(
    conn: &mut SqliteConnection,
    key: &AuditKey,
    word: &str,
    change: impl Fn(&str) -> Option<String>,
) -> Result<(), StoreError> {
    let mut seq = 0;
    loop {
        let text = format!(
            "{COLUMNS} WHERE seq > $1 AND (instr(scope, $2) > 0 OR instr(reason, $2) > 0) ORDER BY seq LIMIT {PAGE}"
        );
        let query = sqlx::query(AssertSqlSafe(text)).bind(seq).bind(word.to_owned());
        let rows = query.fetch_all(&mut *conn).await.map_err(read_error)?;
        let lines: Vec<AuditLine> = rows.iter().map(line).collect::<Result<_, _>>()?;
        let Some(last) = lines.last() else { return Ok(()) };
        seq = last.seq;
        for line in lines.into_iter().filter(|line| line.what != SEALED) {
            let (scope, reason) = (change(&line.scope), change(&line.reason));
            if scope.is_none() && reason.is_none() {
                continue;
            }
            let left = AuditLine {
                scope: scope.unwrap_or_else(|| line.scope.clone()),
                reason: reason.unwrap_or_else(|| line.reason.clone()),
                ..line
            };
            replace(conn, key, left).await?;
        }
    }
}

/// Writes what is left of a line.
async fn replace(conn: &mut SqliteConnection, key: &AuditKey, line: AuditLine) -> Result<(), StoreError> {
    let before = sqlx::query_scalar("SELECT hash FROM audit WHERE seq = $1").bind(line.seq - 1);
    let before: Option<String> = before.fetch_optional(&mut *conn).await.map_err(read_error)?;
    let tag = key.erased(&before.unwrap_or_default(), &line);
    let text = "UPDATE audit SET scope = $1, reason = $2, salt = NULL, erased = $3 WHERE seq = $4";
    let update = sqlx::query(text).bind(line.scope).bind(line.reason).bind(tag).bind(line.seq);
    update.execute(conn).await.map(|_| ()).map_err(sql::write_error)
}
