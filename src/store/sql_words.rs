//! Statements for comments and their words.

use std::collections::HashMap;

use sqlx::SqliteConnection;

use super::StoreError;
use super::project::CallRow;
use super::sql::{bytes, integer};
use super::statement::{Statement, statements};
use super::views::{get, parse, read_error};
use super::words::{CallOf, CommentKey, NewComment, WordKey, WordWaiting};
use crate::domain::{CallId, Entry, Fact, RecordingId, Transcription};

/// The calls, not open, whose comments facts tell of.
pub(super) async fn calls_of(
    conn: &mut SqliteConnection,
    entries: impl IntoIterator<Item = &Entry>,
    open: &HashMap<CallId, CallRow>,
) -> Result<HashMap<CallId, CallOf>, StoreError> {
    let told = entries.into_iter().filter(|entry| matches!(entry.fact, Fact::Transcribed { .. }));
    let calls: Vec<CallId> = told.map(|entry| entry.call).filter(|call| !open.contains_key(call)).collect();
    let mut found = HashMap::new();
    for call in calls {
        // What was never decided counts as `CallRow::origin` has it.
        let text = "SELECT offered_us, COALESCE(origin, 'sampled') AS origin, COALESCE(survey, '') AS survey, \
                    COALESCE(agent, '') AS agent, COALESCE(queue, '') AS queue, answer_count FROM calls WHERE id = $1";
        let row =
            sqlx::query(text).bind(bytes(call.0)).fetch_optional(&mut *conn).await.map_err(read_error)?;
        if let Some(row) = row {
            let (offered_us, origin) = (get(&row, "offered_us")?, parse(&row, "origin")?);
            let of = CallOf {
                call,
                offered_us,
                origin,
                survey: get(&row, "survey")?,
                agent: get(&row, "agent")?,
                queue: get(&row, "queue")?,
                has_answers: get::<i64>(&row, "answer_count")? > 0,
            };
            found.insert(call, of);
        }
    }
    Ok(found)
}

pub(super) fn insert_comments(rows: &[NewComment]) -> Vec<Statement> {
    let head = "INSERT INTO comments (recording, call_id, offered_us, origin, survey, question, language, length_ms, \
                outcome)";
    statements(head, 9, "", rows, |q, row| {
        q.bind(bytes(row.recording.0))
            .bind(bytes(row.of.call.0))
            .bind(row.of.offered_us)
            .bind(row.of.origin.as_str())
            .bind(row.of.survey.clone())
            .bind(row.question.to_string())
            .bind(row.language.clone())
            .bind(i64::from(row.length_ms))
            .bind(row.outcome.map_or("", Transcription::as_str))
    })
}

pub(super) fn set_outcomes(rows: &[(RecordingId, Transcription)]) -> Vec<Statement> {
    let set = |(recording, outcome): &(RecordingId, Transcription)| {
        Statement::new("UPDATE comments SET outcome = $1 WHERE recording = $2")
            .bind(outcome.as_str())
            .bind(bytes(recording.0))
    };
    rows.iter().map(set).collect()
}

pub(super) fn add_counts(rows: &[(&CommentKey, &i64)]) -> Vec<Statement> {
    add("comment_weeks", "what", rows)
}

pub(super) fn add_words(rows: &[(&CommentKey, &i64)]) -> Vec<Statement> {
    add("word_weeks", "word", rows)
}

fn add(table: &str, of: &str, rows: &[(&CommentKey, &i64)]) -> Vec<Statement> {
    let head = format!("INSERT INTO {table} (week, origin, survey, {of}, n)");
    let tail = format!("ON CONFLICT (week, origin, survey, {of}) DO UPDATE SET n = {table}.n + excluded.n");
    statements(head, 5, tail, rows, |q, ((week, origin, survey, of), n)| {
        q.bind(*week).bind(origin.as_str()).bind(survey.clone()).bind(of.clone()).bind(**n)
    })
}

/// Puts what waits now in the place of what waited.
pub(super) fn set_waiting(rows: &[(&WordKey, &WordWaiting)]) -> Vec<Statement> {
    let head = "INSERT INTO words_waiting (origin, survey, word, said, others)";
    let tail =
        "ON CONFLICT (origin, survey, word) DO UPDATE SET said = excluded.said, others = excluded.others";
    statements(head, 5, tail, rows, |q, ((origin, survey, word), waiting)| {
        q.bind(origin.as_str())
            .bind(survey.clone())
            .bind(word.clone())
            .bind(integer(waiting.said))
            .bind(integer(waiting.others))
    })
}
