//! Comments: what was recorded, and what became of it.

use std::collections::BTreeMap;

use sqlx::AssertSqlSafe;

use super::views::{LINE_COLUMNS, LineRow, read_error};
use super::{StoreError, Views};
use crate::domain::{CallId, Fact, Language, RecordingId, Transcription};

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

impl Views {
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
