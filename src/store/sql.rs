//! Rows into statements.

use sqlx::Sqlite;
use sqlx::sqlite::SqliteArguments;

use super::project::{AnswerKey, AnswerRow, CallRow, OutcomeKey, day_text, name};
use super::statement::{Statement, statements};
use crate::domain::{AnswerValue, Better, CallId, Entry, QuestionKind};

/// A query with its values so far.
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

pub(super) fn insert_lines(node: u16, lines: &[Line]) -> Vec<Statement> {
    let head = "INSERT INTO journal (id, node, call_id, at_us, kind, body)";
    statements(head, 6, "", lines, |q, line| {
        q.bind(bytes(line.id))
            .bind(i64::from(node))
            .bind(bytes(line.call.0))
            .bind(line.at_us)
            .bind(line.kind)
            .bind(line.body.clone())
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

pub(super) fn upsert_calls(rows: &[&CallRow]) -> Vec<Statement> {
    let head = "INSERT INTO calls (id, node, offered_us, answered_us, ended_us, trunk, agent, queue, call_ref, \
                caller, triggered_by, talk_s, first_hang_up, origin, reason, count_no, draw_ppm, survey, version, \
                codec, language, stage, disposition, left_at, failure, by_caller, answer_count, answers, stats)";
    statements(head, 29, CALL_UPDATES, rows, |q, row| bind_call(q, row))
}

fn bind_call(q: Statement, row: &CallRow) -> Statement {
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

pub(super) fn insert_answers(rows: &[AnswerRow]) -> Vec<Statement> {
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

pub(super) fn add_answers(rows: &[(&AnswerKey, &i64)]) -> Vec<Statement> {
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
            .bind(key.group.queue.clone())
            .bind(key.group.agent.clone())
            .bind(key.value.clone())
            .bind(**n)
    })
}

pub(super) fn add_outcomes(rows: &[(&OutcomeKey, &i64)]) -> Vec<Statement> {
    let head = "INSERT INTO rollup_calls (day, origin, survey, version, queue, agent, disposition, stage, n)";
    let tail = "ON CONFLICT (day, origin, survey, version, queue, agent, disposition, stage) \
                DO UPDATE SET n = rollup_calls.n + excluded.n";
    statements(head, 9, tail, rows, |q, (key, n)| {
        let (survey, version) = survey(key.group.survey.as_ref());
        q.bind(day_text(key.group.day))
            .bind(key.group.origin.as_str())
            .bind(survey)
            .bind(version)
            .bind(key.group.queue.clone())
            .bind(key.group.agent.clone())
            .bind(key.disposition.as_str())
            .bind(key.stage.as_str())
            .bind(**n)
    })
}

pub(super) fn raise_counts(rows: &[(&String, &u64)]) -> Vec<Statement> {
    let head = "INSERT INTO queue_counts (queue, n)";
    let tail = "ON CONFLICT (queue) DO UPDATE SET n = excluded.n WHERE queue_counts.n < excluded.n";
    statements(head, 2, tail, rows, |q, (queue, n)| q.bind((*queue).clone()).bind(integer(**n)))
}

pub(super) fn insert_dialogs(rows: &[(CallId, Vec<u8>)]) -> Vec<Statement> {
    let tail = "ON CONFLICT (call_id) DO UPDATE SET sealed = excluded.sealed";
    statements("INSERT INTO open_dialogs (call_id, sealed)", 2, tail, rows, |q, (call, sealed)| {
        q.bind(bytes(call.0)).bind(sealed.clone())
    })
}

pub(super) fn delete_dialogs(calls: &[CallId]) -> Vec<Statement> {
    let head = "DELETE FROM open_dialogs WHERE call_id IN (";
    statements(head, 1, ")", calls, |q, call| q.bind(bytes(call.0)))
}

pub(super) fn insert_keys(rows: &[(CallId, Vec<u8>)]) -> Vec<Statement> {
    let tail = "ON CONFLICT (call_id) DO NOTHING";
    statements("INSERT INTO response_keys (call_id, sealed)", 2, tail, rows, |q, (call, sealed)| {
        q.bind(bytes(call.0)).bind(sealed.clone())
    })
}

/// `$1, $2, ..`, for a list of so many values.
pub(super) fn places(count: usize) -> String {
    (1..=count).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ")
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

/// A value of `answers` as it was before it became text; `None` for one that no question of this kind has.
pub(super) fn answer_value(kind: QuestionKind, text: &str) -> Option<AnswerValue> {
    match kind {
        QuestionKind::Csat | QuestionKind::Nps | QuestionKind::Ces => {
            text.parse().ok().map(AnswerValue::Rating)
        }
        QuestionKind::Fcr | QuestionKind::YesNo => match text {
            "yes" => Some(AnswerValue::YesNo(true)),
            "no" => Some(AnswerValue::YesNo(false)),
            _ => None,
        },
        QuestionKind::Menu | QuestionKind::Comment => Some(AnswerValue::Choice(text.to_owned())),
    }
}
