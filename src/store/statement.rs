//! Changes as statements with their values, and many statements on one way to the database.
//!
//! SQLite runs on a thread of its own, and each statement on its own is two hand-overs between threads. What a survey
//! writes at a time is some ten small statements: together they are one text, and one hand-over.
//!
//! The statements are what SQLite and PostgreSQL both run: `$n` placeholders, `ON CONFLICT .. DO UPDATE`.

use std::borrow::Cow;

use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, AssertSqlSafe, SqliteConnection};

/// Values in one statement. The driver asks SQLite for the name of each, and SQLite counts through the names before it,
/// so the cost of a statement grows with the square: at this size it is still small beside that of the rows.
const VALUES_MAX: usize = 160;
/// Statements that go together. Larger changes are rarely alike: their texts would not be found among those that are
/// prepared already, and a hand-over costs less beside so much work.
const TOGETHER_MAX: usize = 12;

/// A value as it is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Integer(i64),
    Text(Cow<'static, str>),
    Blob(Vec<u8>),
}

/// A statement with its values so far: `$1` is the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    text: Text,
    values: Vec<Value>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Text {
    Whole(Cow<'static, str>),
    /// `head VALUES ($1, ..), (..) tail`.
    Rows {
        head: Cow<'static, str>,
        columns: usize,
        rows: usize,
        tail: Cow<'static, str>,
    },
}

impl Statement {
    pub(super) fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: Text::Whole(text.into()), values: Vec::new() }
    }

    /// Adds the next value.
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(Cow::Owned(value))
    }
}

impl From<&'static str> for Value {
    fn from(value: &'static str) -> Self {
        Self::Text(Cow::Borrowed(value))
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Blob(value)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl Text {
    fn length(&self) -> usize {
        /// `$123, `.
        const PLACE: usize = 6;
        match self {
            Self::Whole(text) => text.len(),
            Self::Rows { head, columns, rows, tail } => head.len() + tail.len() + 16 + columns * rows * PLACE,
        }
    }

    /// Writes it with each place `$n` moved to `$(n + by)`.
    fn push_moved(&self, out: &mut String, by: usize) {
        match self {
            Self::Whole(text) => push_moved(out, text, by),
            Self::Rows { head, columns, rows, tail } => {
                out.push_str(head);
                out.push_str(" VALUES ");
                for i in 0..rows * columns {
                    out.push_str(match i % columns {
                        0 if i == 0 => "(",
                        0 => "), (",
                        _ => ", ",
                    });
                    push_place(out, i + 1 + by);
                }
                out.push_str(") ");
                out.push_str(tail);
            }
        }
    }
}

fn push_place(out: &mut String, place: usize) {
    use std::fmt::Write;
    write!(out, "${place}").expect("a String takes every write");
}

fn push_moved(out: &mut String, text: &str, by: usize) {
    let mut parts = text.split('$');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let (place, rest) = part.split_at(digits);
        push_place(out, place.parse::<usize>().map_or(0, |place| place + by));
        out.push_str(rest);
    }
}

/// `head VALUES (..), (..) tail` over all rows. Many rows go in one statement, in a few sizes.
pub(super) fn statements<T>(
    head: impl Into<Cow<'static, str>>,
    columns: usize,
    tail: impl Into<Cow<'static, str>>,
    rows: &[T],
    bind: impl Fn(Statement, &T) -> Statement,
) -> Vec<Statement> {
    let (head, tail) = (head.into(), tail.into());
    let (mut rest, mut statements) = (rows, Vec::new());
    while !rest.is_empty() {
        let most = rest.len().min((VALUES_MAX / columns).max(1));
        let size = 1 << most.ilog2(); // Powers of two, so that few different statements are prepared.
        let (now, later) = rest.split_at(size);
        let text = Text::Rows { head: head.clone(), columns, rows: size, tail: tail.clone() };
        let statement = Statement { text, values: Vec::with_capacity(columns * size) };
        statements.push(now.iter().fold(statement, &bind));
        rest = later;
    }
    statements
}

/// Runs statements in their order and gives how many rows changed. The first that fails is the last that was run.
pub(super) async fn run(conn: &mut SqliteConnection, statements: Vec<Statement>) -> sqlx::Result<u64> {
    let together = if statements.len() > TOGETHER_MAX { 1 } else { TOGETHER_MAX };
    let (mut rest, mut changed) = (statements.into_iter().peekable(), 0);
    while rest.peek().is_some() {
        let (text, arguments) = joined(rest.by_ref().take(together)).map_err(sqlx::Error::Encode)?;
        let query = sqlx::query_with(AssertSqlSafe(text), arguments);
        changed += query.execute(&mut *conn).await?.rows_affected();
    }
    Ok(changed)
}

/// Runs statements as one transaction: all of them, or none.
pub(super) async fn run_whole(conn: &mut SqliteConnection, statements: Vec<Statement>) -> sqlx::Result<()> {
    let begin = Statement::new("BEGIN IMMEDIATE");
    let whole: Vec<_> =
        std::iter::once(begin).chain(statements).chain(std::iter::once(Statement::new("COMMIT"))).collect();
    let run = run(conn, whole).await;
    if run.is_err() {
        // It fails where the beginning failed, or where SQLite has rolled back by itself.
        sqlx::query("ROLLBACK").execute(conn).await.ok();
    }
    run.map(|_| ())
}

/// Statements as one text, whose places count through the values of all.
fn joined(
    statements: impl Iterator<Item = Statement>,
) -> Result<(String, SqliteArguments), sqlx::error::BoxDynError> {
    let (mut text, mut arguments) = (String::new(), SqliteArguments::default());
    for statement in statements {
        text.reserve(statement.text.length() + 2);
        if !text.is_empty() {
            text.push_str("; ");
        }
        statement.text.push_moved(&mut text, arguments.len());
        for value in statement.values {
            match value {
                Value::Null => arguments.add(None::<i64>)?,
                Value::Integer(value) => arguments.add(value)?,
                Value::Text(value) => arguments.add(value)?,
                Value::Blob(value) => arguments.add(value)?,
            }
        }
    }
    Ok((text, arguments))
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection, Row};

    use super::*;

    async fn table() -> SqliteConnection {
        let mut conn = SqliteConnection::connect("sqlite::memory:").await.expect("a database");
        let make = "CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT, octets BLOB, n INTEGER)";
        sqlx::query(make).execute(&mut conn).await.expect("a table");
        conn
    }

    async fn rows(conn: &mut SqliteConnection) -> Vec<(i64, Option<String>, Option<Vec<u8>>, Option<i64>)> {
        let rows = sqlx::query("SELECT * FROM t ORDER BY id").fetch_all(conn).await.expect("rows");
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect()
    }

    fn insert(id: i64, word: Option<&'static str>) -> Statement {
        Statement::new("INSERT INTO t (id, word, octets, n) VALUES ($1, $2, $3, $1 + 1)")
            .bind(id)
            .bind(word)
            .bind(vec![7u8, 0])
    }

    #[tokio::test]
    async fn each_statement_gets_its_own_values() {
        let mut conn = table().await;
        let update = Statement::new("UPDATE t SET word = $2 WHERE id = $1").bind(1).bind("uno".to_owned());
        let delete = Statement::new("DELETE FROM t WHERE id = $1").bind(2);
        let all = vec![insert(1, Some("one")), insert(2, None), insert(13, Some("$1")), update, delete];
        assert_eq!(run(&mut conn, all).await.expect("it runs"), 5);
        let (one, octets) = (Some("uno".to_owned()), Some(vec![7, 0]));
        let last = (13, Some("$1".to_owned()), octets.clone(), Some(14));
        assert_eq!(rows(&mut conn).await, [(1, one, octets, Some(2)), last]);
    }

    #[tokio::test]
    async fn more_statements_than_go_together_all_run() {
        let mut conn = table().await;
        let many = i64::try_from(TOGETHER_MAX).expect("a small number") * 3 + 1;
        let all: Vec<_> = (0..many).map(|id| insert(id, None)).collect();
        run_whole(&mut conn, all).await.expect("it runs");
        assert_eq!(rows(&mut conn).await.len(), all_of(many));
    }

    fn all_of(many: i64) -> usize {
        usize::try_from(many).expect("a small number")
    }

    #[tokio::test]
    async fn of_a_transaction_that_fails_nothing_stays_and_the_next_one_runs() {
        let mut conn = table().await;
        for at in [0, TOGETHER_MAX] {
            let at = i64::try_from(at).expect("a small number");
            let mut all: Vec<_> = (0..=at).map(|id| insert(id, None)).collect();
            all.push(insert(0, Some("a second 0")));
            all.push(insert(99, None));
            let failed = run_whole(&mut conn, all).await.expect_err("there is a 0 already");
            assert!(failed.to_string().contains("UNIQUE"), "{failed}");
            assert_eq!(rows(&mut conn).await, []);
        }
        run_whole(&mut conn, vec![insert(1, None)]).await.expect("the connection is well");
        assert_eq!(rows(&mut conn).await.len(), 1);
    }

    #[test]
    fn rows_are_put_into_few_sizes() {
        let rows: Vec<i64> = (0..7).collect();
        let all = statements("INSERT INTO t (id, n)", 2, "", &rows, |s, n| s.bind(*n).bind(*n));
        assert_eq!(all.iter().map(|statement| statement.values.len()).collect::<Vec<_>>(), [8, 4, 2]);
        let (text, _) = joined(all.into_iter().skip(1)).expect("they join");
        let (two, one) = ("VALUES ($1, $2), ($3, $4) ", "VALUES ($5, $6) ");
        assert_eq!(text, format!("INSERT INTO t (id, n) {two}; INSERT INTO t (id, n) {one}"));
    }
}
