//! Statements for the sums that views are made from.

use super::sql::{better, integer};
use super::statement::{Statement, statements};
use super::tiles::{QuestionKey, TileKey};
use super::weekly::{CallsKey, DayKey, JourneyKey, SamplingKey, ShownKey};

/// The columns of a [`QuestionKey`].
const QUESTION: &str = "origin, survey, question, kind, scale_min, scale_max, better";

pub(super) fn add_shown(rows: &[(&ShownKey, &i64)]) -> Vec<Statement> {
    let head = format!("INSERT INTO shown_weeks (part, week, name, {QUESTION}, value, n)");
    let tail = format!(
        "ON CONFLICT (part, week, name, {QUESTION}, value) DO UPDATE SET n = shown_weeks.n + excluded.n"
    );
    statements(head, 12, tail, rows, |q, (key, n)| {
        let q = q.bind(key.part.as_str()).bind(key.week).bind(key.name.clone());
        bind_question(q, &key.question).bind(key.value.clone()).bind(**n)
    })
}

pub(super) fn add_days(rows: &[(&DayKey, &i64)]) -> Vec<Statement> {
    let head = format!("INSERT INTO shown_days (day, {QUESTION}, value, n)");
    let tail = format!("ON CONFLICT (day, {QUESTION}, value) DO UPDATE SET n = shown_days.n + excluded.n");
    statements(head, 10, tail, rows, |q, ((day, question, value), n)| {
        bind_question(q.bind(*day), question).bind(value.clone()).bind(**n)
    })
}

pub(super) fn add_call_weeks(rows: &[(&CallsKey, &i64)]) -> Vec<Statement> {
    let head = "INSERT INTO calls_weeks (part, week, name, origin, survey, disposition, stage, n)";
    let tail = "ON CONFLICT (part, week, name, origin, survey, disposition, stage) \
                DO UPDATE SET n = calls_weeks.n + excluded.n";
    statements(head, 8, tail, rows, |q, (key, n)| {
        q.bind(key.part.as_str())
            .bind(key.week)
            .bind(key.name.clone())
            .bind(key.origin.as_str())
            .bind(key.survey.clone())
            .bind(key.disposition.as_str())
            .bind(key.stage.as_str())
            .bind(**n)
    })
}

pub(super) fn add_sampling(rows: &[(&SamplingKey, &i64)]) -> Vec<Statement> {
    let head = "INSERT INTO sampling_weeks (week, agent, queue, what, n)";
    let tail = "ON CONFLICT (week, agent, queue, what) DO UPDATE SET n = sampling_weeks.n + excluded.n";
    statements(head, 5, tail, rows, |q, ((week, agent, queue, what), n)| {
        q.bind(*week).bind(agent.clone()).bind(queue.clone()).bind(*what).bind(**n)
    })
}

pub(super) fn add_journey(rows: &[(&JourneyKey, &(i64, i64))]) -> Vec<Statement> {
    let head = "INSERT INTO journey_weeks (week, origin, survey, question, what, n, took_ms)";
    let tail = "ON CONFLICT (week, origin, survey, question, what) DO UPDATE SET n = journey_weeks.n + excluded.n, \
                took_ms = journey_weeks.took_ms + excluded.took_ms";
    statements(head, 7, tail, rows, |q, ((week, origin, survey, question, what), (n, ms))| {
        q.bind(*week)
            .bind(origin.as_str())
            .bind(survey.clone())
            .bind(question.clone())
            .bind(what.clone())
            .bind(*n)
            .bind(*ms)
    })
}

/// Puts what waits now in the place of what waited.
pub(super) fn set_waiting(rows: &[(&TileKey, &(String, String), u64)]) -> Vec<Statement> {
    let head = format!("INSERT INTO tiles_waiting ({QUESTION}, agent, queue, value, n)");
    let tail = format!("ON CONFLICT (agent, {QUESTION}, queue, value) DO UPDATE SET n = excluded.n");
    statements(head, 11, tail, rows, |q, (key, (queue, value), n)| {
        bind_question(q, &key.question)
            .bind(key.agent.clone())
            .bind(queue.clone())
            .bind(value.clone())
            .bind(integer(*n))
    })
}

fn bind_question(q: Statement, key: &QuestionKey) -> Statement {
    q.bind(key.origin.as_str())
        .bind(key.survey.as_ref().map(ToString::to_string).unwrap_or_default())
        .bind(key.question.to_string())
        .bind(key.kind)
        .bind(key.scale.map_or(0, |s| i64::from(s.min)))
        .bind(key.scale.map_or(0, |s| i64::from(s.max)))
        .bind(key.scale.map_or("", |s| better(s.better)))
}
