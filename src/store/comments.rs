//! Comments: what was recorded, and what became of it.

use std::collections::BTreeMap;

use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteRow;

use super::views::{LINE_COLUMNS, LineRow, get, parse, read_error, uuid_of};
use super::{StoreError, Views, sql};
use crate::domain::{
    CallId, Entry, Fact, Language, Origin, QuestionId, RecordingId, SurveyId, Transcription,
};

/// A comment that waits for its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// The call.
    pub call: CallId,
    /// The audio.
    pub recording: RecordingId,
    /// The language it was left in.
    pub language: Language,
    /// Whether it is on record that no model could hear it.
    pub tried_without_model: bool,
}

/// Which comments to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommentFilter {
    /// Of calls that were offered at this time or later, in microseconds since 1970 UTC.
    pub from_us: i64,
    /// Of calls that were offered before this time.
    pub to_us: i64,
    /// Of this survey; of all when `None`.
    pub survey: Option<SurveyId>,
    /// Of this origin.
    pub origin: Origin,
    /// Before this one in the list, to take it up where it ended.
    pub after: Option<(i64, RecordingId)>,
    /// At most so many.
    pub limit: u32,
}

/// One comment, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommentRow {
    /// The audio.
    pub recording: RecordingId,
    /// The call.
    pub call: CallId,
    /// When the call was offered, in microseconds since 1970 UTC.
    pub offered_us: i64,
    /// The agent of the call.
    pub agent: Option<String>,
    /// The queue of the call.
    pub queue: Option<String>,
    /// The survey; empty for none.
    pub survey: String,
    /// The question.
    pub question: QuestionId,
    /// Its length in ms.
    pub length_ms: i64,
    /// What became of it; `None` while it waits for its text.
    pub outcome: Option<Transcription>,
}

impl Views {
    /// Comments, the latest first.
    ///
    /// # Errors
    /// [`StoreError::Read`], [`StoreError::Damaged`].
    pub async fn comments(&self, filter: &CommentFilter) -> Result<Vec<CommentRow>, StoreError> {
        let text = "SELECT c.recording, c.call_id, c.offered_us, calls.agent, calls.queue, c.survey, c.question, \
                    c.length_ms, c.outcome FROM comments c JOIN calls ON calls.id = c.call_id \
                    WHERE c.offered_us >= $1 AND c.offered_us < $2 AND c.origin = $3 AND ($4 IS NULL OR c.survey = $4) \
                    AND (c.offered_us, c.recording) < ($5, $6) ORDER BY c.offered_us DESC, c.recording DESC LIMIT $7";
        let (at_us, id) = match filter.after {
            Some((at_us, recording)) => (at_us, sql::bytes(recording.0)),
            None => (i64::MAX, Vec::new()),
        };
        let rows = sqlx::query(text)
            .bind(filter.from_us)
            .bind(filter.to_us)
            .bind(filter.origin.as_str())
            .bind(filter.survey.as_ref().map(ToString::to_string))
            .bind(at_us)
            .bind(id)
            .bind(i64::from(filter.limit))
            .fetch_all(self.pool())
            .await
            .map_err(read_error)?;
        rows.iter().map(comment).collect()
    }

    /// What became of the comments of these calls, in the order in which it did. Found by the calls: the plus keeps the
    /// index of all comments out of it.
    pub(super) async fn transcripts(&self, calls: &[CallId]) -> Result<Vec<Entry>, StoreError> {
        let text = format!(
            "SELECT {LINE_COLUMNS} FROM journal WHERE call_id IN ({}) AND +kind = 'transcribed' ORDER BY id",
            sql::places(calls.len())
        );
        let query = sqlx::query_as(AssertSqlSafe(text));
        let query = calls.iter().fold(query, |query, call| query.bind(sql::bytes(call.0)));
        let lines: Vec<LineRow> = query.fetch_all(self.pool()).await.map_err(read_error)?;
        lines.iter().map(LineRow::entry).collect()
    }

    /// The oldest comments that have no text and did not fail, at most `max`.
    ///
    /// # Errors
    /// The database's; [`StoreError::Damaged`] for a line that makes no sense.
    pub async fn comments_without_text(&self, max: usize) -> Result<Vec<Comment>, StoreError> {
        let text = format!(
            "SELECT {LINE_COLUMNS} FROM journal WHERE kind IN ('comment', 'transcribed') ORDER BY id"
        );
        let lines: Vec<LineRow> =
            sqlx::query_as(AssertSqlSafe(text)).fetch_all(self.pool()).await.map_err(read_error)?;
        let mut waiting: BTreeMap<RecordingId, Comment> = BTreeMap::new();
        for line in lines {
            let entry = line.entry()?;
            match entry.fact {
                Fact::Comment { recording, language, .. } => {
                    let comment =
                        Comment { call: entry.call, recording, language, tried_without_model: false };
                    waiting.insert(recording, comment);
                }
                Fact::Transcribed { recording, outcome: Transcription::NoModel, .. } => {
                    waiting.entry(recording).and_modify(|comment| comment.tried_without_model = true);
                }
                Fact::Transcribed { recording, .. } => {
                    waiting.remove(&recording);
                }
                _ => {}
            }
        }
        Ok(waiting.into_values().take(max).collect())
    }
}

fn comment(row: &SqliteRow) -> Result<CommentRow, StoreError> {
    let id = |column| uuid_of("comments", &get::<Vec<u8>>(row, column)?);
    let waits = get::<String>(row, "outcome")?.is_empty();
    Ok(CommentRow {
        recording: RecordingId(id("recording")?),
        call: CallId(id("call_id")?),
        offered_us: get(row, "offered_us")?,
        agent: get(row, "agent")?,
        queue: get(row, "queue")?,
        survey: get(row, "survey")?,
        question: parse(row, "question")?,
        length_ms: get(row, "length_ms")?,
        outcome: if waits { None } else { Some(parse(row, "outcome")?) },
    })
}
