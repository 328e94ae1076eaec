//! Rows into statements. Many rows go in one statement, in a few sizes.
//!
//! The statements are what SQLite and PostgreSQL both run: `$n` placeholders, `ON CONFLICT .. DO UPDATE`.

use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Sqlite, SqliteConnection};

use super::project::{AnswerKey, AnswerRow, CallRow, OutcomeKey, day_text, name};
use crate::domain::{Better, CallId, Entry};

/// Values in one statement. The driver asks SQLite for the name of each, and SQLite counts through the names before it,
/// so the cost of a statement grows with the square: at this size it is still small beside that of the rows.
const VALUES_MAX: usize = 160;

/// A statement with its values so far.
pub(super) type Query = sqlx::query::Query<'static, Sqlite, SqliteArguments>;

/// One journal line as it is written.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) id: uuid::Uuid,
    pub(super) call: CallId,
    pub(super) at_us: i64,
    pub(super) kind: &'static str,
    pub(super) body: String,
}

impl Line {
    pub(super) fn new(id: uuid::Uuid, entry: &Entry) -> Result<Self, serde_json::Error> {
        let body = serde_json::to_string(&entry.fact)?;
        Ok(Self { id, call: entry.call, at_us: entry.at_us, kind: super::project::kind(&entry.fact), body })
    }
}

/// `head VALUES (..), (..) tail` over all rows. Made before anything is awaited, so that no closure lives that long.
pub(super) fn statements<T>(
    head: &str,
    columns: usize,
    tail: &str,
    rows: &[T],
    bind: impl Fn(Query, &T) -> Query,
) -> Vec<Query> {
    let (mut rest, mut queries) = (rows, Vec::new());
    while !rest.is_empty() {
        let most = rest.len().min((VALUES_MAX / columns).max(1));
        let size = 1 << most.ilog2(); // Powers of two, so that few different statements are prepared.
        let (now, later) = rest.split_at(size);
        let sql = values(head, columns, size, tail);
        queries.push(now.iter().fold(sqlx::query(AssertSqlSafe(sql)), &bind));
        rest = later;
    }
    queries
}

/// Runs statements one after the other.
pub(super) async fn run(conn: &mut SqliteConnection, queries: Vec<Query>) -> sqlx::Result<()> {
    for query in queries {
        query.execute(&mut *conn).await?;
    }
    Ok(())
}

fn values(head: &str, columns: usize, rows: usize, tail: &str) -> String {
    use std::fmt::Write;
    let mut sql = String::with_capacity(head.len() + tail.len() + columns * rows * 6);
    sql.push_str(head);
    sql.push_str(" VALUES ");
    for i in 0..rows * columns {
        let open = if i == 0 {
            "("
        } else if i % columns == 0 {
            "), ("
        } else {
            ", "
        };
        write!(sql, "{open}${}", i + 1).expect("a String takes every write");
    }
    sql.push_str(") ");
    sql.push_str(tail);
    sql
}

pub(super) fn insert_lines(node: u16, lines: &[Line]) -> Vec<Query> {
    let head = "INSERT INTO journal (id, node, call_id, at_us, kind, body)";
    statements(head, 6, "", lines, |q, line| {
        q.bind(bytes(line.id))
            .bind(i64::from(node))
            .bind(bytes(line.call.0))
            .bind(line.at_us)
            .bind(line.kind)
            .bind(line.body.as_str())
    })
}

/// The columns of `calls` that change after the first write.
const CALL_UPDATES: &str = "ON CONFLICT (id) DO UPDATE SET answered_us = excluded.answered_us, \
    ended_us = excluded.ended_us, origin = excluded.origin, reason = excluded.reason, \
    count_no = excluded.count_no, draw_ppm = excluded.draw_ppm, survey = excluded.survey, \
    version = excluded.version, codec = excluded.codec, language = excluded.language, \
    stage = excluded.stage, disposition = excluded.disposition, left_at = excluded.left_at, \
    failure = excluded.failure, by_caller = excluded.by_caller, answer_count = excluded.answer_count, \
    answers = excluded.answers, stats = excluded.stats";

pub(super) fn upsert_calls(rows: &[&CallRow]) -> Vec<Query> {
    let head = "INSERT INTO calls (id, node, offered_us, answered_us, ended_us, trunk, agent, queue, call_ref, \
                caller, triggered_by, talk_s, first_hang_up, origin, reason, count_no, draw_ppm, survey, version, \
                codec, language, stage, disposition, left_at, failure, by_caller, answer_count, answers, stats)";
    statements(head, 29, CALL_UPDATES, rows, |q, row| bind_call(q, row))
}

fn bind_call(q: Query, row: &CallRow) -> Query {
    let (context, decision) = (row.context.as_ref(), row.decision.as_ref());
    let survey = decision.and_then(|d| d.survey.as_ref());
    q.bind(bytes(row.id.0))
        .bind(i64::from(row.node))
        .bind(row.offered_us)
        .bind(row.answered_us)
        .bind(row.ended_us)
        .bind(context.map(|c| c.trunk.to_string()))
        .bind(context.and_then(|c| c.agent.as_ref()).map(ToString::to_string))
        .bind(context.and_then(|c| c.queue.as_ref()).map(ToString::to_string))
        .bind(context.and_then(|c| c.call_ref.as_ref()).map(ToString::to_string))
        .bind(context.and_then(|c| c.caller).map(|c| c.to_string()))
        .bind(context.map(|c| name(&c.trigger)))
        .bind(context.and_then(|c| c.talk_s).map(i64::from))
        .bind(context.and_then(|c| c.first_hang_up).map(|p| name(&p)))
        .bind(decision.map(|d| d.origin.as_str()))
        .bind(decision.map(|d| name(&d.reason)))
        .bind(decision.and_then(|d| d.count).map(integer))
        .bind(decision.and_then(|d| d.draw_ppm).map(i64::from))
        .bind(survey.map(|(id, _)| id.to_string()))
        .bind(survey.map(|(_, version)| i64::from(version.0)))
        .bind(row.codec.map(|codec| name(&codec)))
        .bind(row.language.as_ref().map(ToString::to_string))
        .bind(row.stage.as_str())
        .bind(row.disposition.map(|d| d.as_str()))
        .bind(row.left_at.as_ref().map(ToString::to_string))
        .bind(row.failure.map(|f| name(&f)))
        .bind(row.by_caller.map(i64::from))
        .bind(integer(row.answers.len() as u64))
        .bind(row.answers.join(" "))
        .bind(row.stats.and_then(|stats| serde_json::to_string(&stats).ok()))
}

pub(super) fn insert_answers(rows: &[AnswerRow]) -> Vec<Query> {
    let head = "INSERT INTO answers (call_id, position, at_us, question, kind, scale_min, scale_max, better, value, \
                given_by, keys, ambiguous, attempt, barge_in, took_ms)";
    statements(head, 15, "", rows, |q, row| {
        let a = &row.answer;
        q.bind(bytes(row.call.0))
            .bind(integer(row.position as u64))
            .bind(row.at_us)
            .bind(a.question.to_string())
            .bind(a.kind.as_str())
            .bind(a.scale.map(|s| i64::from(s.min)))
            .bind(a.scale.map(|s| i64::from(s.max)))
            .bind(a.scale.map(|s| better(s.better)))
            .bind(a.value.to_string())
            .bind(name(&a.given_by))
            .bind(a.keys.iter().map(|k| k.as_char()).collect::<String>())
            .bind(i64::from(a.ambiguous))
            .bind(i64::from(a.attempt))
            .bind(i64::from(a.barge_in))
            .bind(i64::from(a.took_ms))
    })
}

pub(super) fn add_answers(rows: &[(&AnswerKey, &i64)]) -> Vec<Query> {
    let head = "INSERT INTO rollup_answers (day, origin, survey, version, question, kind, scale_min, scale_max, \
                better, queue, agent, value, n)";
    let tail = "ON CONFLICT (day, origin, survey, version, question, kind, scale_min, scale_max, better, queue, \
                agent, value) DO UPDATE SET n = rollup_answers.n + excluded.n";
    statements(head, 13, tail, rows, |q, (key, n)| {
        let (survey, version) = survey(key.group.survey.as_ref());
        q.bind(day_text(key.group.day))
            .bind(key.group.origin.as_str())
            .bind(survey)
            .bind(version)
            .bind(key.question.to_string())
            .bind(key.kind)
            .bind(key.scale.map_or(0, |s| i64::from(s.min)))
            .bind(key.scale.map_or(0, |s| i64::from(s.max)))
            .bind(key.scale.map_or("", |s| better(s.better)))
            .bind(key.group.queue.as_str())
            .bind(key.group.agent.as_str())
            .bind(key.value.as_str())
            .bind(**n)
    })
}

pub(super) fn add_outcomes(rows: &[(&OutcomeKey, &i64)]) -> Vec<Query> {
    let head = "INSERT INTO rollup_calls (day, origin, survey, version, queue, agent, disposition, stage, n)";
    let tail = "ON CONFLICT (day, origin, survey, version, queue, agent, disposition, stage) \
                DO UPDATE SET n = rollup_calls.n + excluded.n";
    statements(head, 9, tail, rows, |q, (key, n)| {
        let (survey, version) = survey(key.group.survey.as_ref());
        q.bind(day_text(key.group.day))
            .bind(key.group.origin.as_str())
            .bind(survey)
            .bind(version)
            .bind(key.group.queue.as_str())
            .bind(key.group.agent.as_str())
            .bind(key.disposition.as_str())
            .bind(key.stage.as_str())
            .bind(**n)
    })
}

pub(super) fn raise_counts(rows: &[(&String, &u64)]) -> Vec<Query> {
    let head = "INSERT INTO queue_counts (queue, n)";
    let tail = "ON CONFLICT (queue) DO UPDATE SET n = excluded.n WHERE queue_counts.n < excluded.n";
    statements(head, 2, tail, rows, |q, (queue, n)| q.bind(queue.as_str()).bind(integer(**n)))
}

pub(super) fn insert_dialogs(rows: &[(CallId, Vec<u8>)]) -> Vec<Query> {
    let tail = "ON CONFLICT (call_id) DO UPDATE SET sealed = excluded.sealed";
    statements("INSERT INTO open_dialogs (call_id, sealed)", 2, tail, rows, |q, (call, sealed)| {
        q.bind(bytes(call.0)).bind(sealed.as_slice())
    })
}

pub(super) fn delete_dialogs(calls: &[CallId]) -> Vec<Query> {
    let head = "DELETE FROM open_dialogs WHERE call_id IN (";
    statements(head, 1, ")", calls, |q, call| q.bind(bytes(call.0)))
}

pub(super) fn insert_keys(rows: &[(CallId, Vec<u8>)]) -> Vec<Query> {
    let tail = "ON CONFLICT (call_id) DO NOTHING";
    statements("INSERT INTO response_keys (call_id, sealed)", 2, tail, rows, |q, (call, sealed)| {
        q.bind(bytes(call.0)).bind(sealed.as_slice())
    })
}

pub(super) fn write_error(cause: sqlx::Error) -> super::StoreError {
    super::StoreError::Write(std::sync::Arc::new(cause))
}

pub(super) fn bytes(id: uuid::Uuid) -> Vec<u8> {
    id.as_bytes().to_vec()
}

/// Counts fit: nothing here counts to 2^63.
pub(super) fn integer(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn survey(survey: Option<&(crate::domain::SurveyId, crate::domain::SurveyVersion)>) -> (String, i64) {
    survey.map_or((String::new(), 0), |(id, version)| (id.to_string(), i64::from(version.0)))
}

pub(super) fn better(better: Better) -> &'static str {
    match better {
        Better::Higher => "higher",
        Better::Lower => "lower",
    }
}
