//! Single calls, for the role of quality, with a reason. Every look is on record before anything is shown.

use std::collections::HashMap;

use jiff::Timestamp;

use super::{Denied, Reason, Results, View, ViewError};
use crate::config::CommentAccess;
use crate::domain::{CallId, Entry, Fact, HeardWord, RecordingId, Transcription, Viewer};
use crate::store::{CallFilter, CallSummary, CommentFilter, CommentRow};

/// Calls in one list at most.
const CALLS_MAX: u32 = 500;

/// Comments in one list at most.
const COMMENTS_MAX: u32 = 500;

/// One call with all that is kept of it.
#[derive(Clone, Debug, PartialEq)]
pub struct CallDetail {
    /// The row that lists show.
    pub summary: CallSummary,
    /// Everything that happened, in order.
    pub story: Vec<Entry>,
    /// The texts of its comments.
    pub comments: Vec<CommentText>,
}

/// The text of a comment.
#[derive(Clone, Debug, PartialEq)]
pub struct CommentText {
    /// The audio.
    pub recording: RecordingId,
    /// The words; `None` when they were erased.
    pub words: Option<Vec<HeardWord>>,
    /// The groups of key words found in it.
    pub key_words: Vec<String>,
}

/// One comment of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct CommentDetail {
    /// The row.
    pub row: CommentRow,
    /// Its text; `None` when it was not transcribed.
    pub text: Option<CommentText>,
}

impl Results {
    /// What callers said in their own words, the latest first.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn comments(
        &self,
        viewer: &Viewer,
        filter: &CommentFilter,
        reason: &Reason,
    ) -> Result<Vec<CommentDetail>, ViewError> {
        let CommentFilter { from_us, to_us, survey, origin, after, .. } = filter;
        let mut scope =
            format!("from {} to {} origin {}", instant(*from_us), instant(*to_us), origin.as_str());
        if let Some(survey) = survey {
            scope += &format!(" survey {survey}");
        }
        if let Some((at_us, recording)) = after {
            scope += &format!(" after {} {recording}", instant(*at_us));
        }
        if self.policy.comments == CommentAccess::Nobody {
            super::allowed(viewer, View::Comments)?;
            return Err(Denied::Comments.into());
        }
        self.look_closely(viewer, View::Comments, scope, reason.as_str()).await?;
        let filter = CommentFilter { limit: filter.limit.min(COMMENTS_MAX), ..filter.clone() };
        let rows = self.store.views().comments(&filter).await?;
        let done = rows.iter().filter(|row| row.outcome == Some(Transcription::Done));
        let calls: Vec<CallId> = done.map(|row| row.call).collect();
        let texts = self.texts(&self.store.views().transcripts(&calls).await?).await?;
        let mut texts: HashMap<_, _> = texts.into_iter().map(|text| (text.recording, text)).collect();
        let detail = |row: CommentRow| CommentDetail { text: texts.remove(&row.recording), row };
        Ok(rows.into_iter().map(detail).collect())
    }

    /// The texts of comments, by the facts that hold them.
    async fn texts(&self, facts: &[Entry]) -> Result<Vec<CommentText>, ViewError> {
        let mut comments = Vec::new();
        for entry in facts {
            let Fact::Transcribed { recording, sealed: Some(sealed), key_words, .. } = &entry.fact else {
                continue;
            };
            let words = self.store.vault().open_words(entry.call, *recording, sealed).await?;
            comments.push(CommentText { recording: *recording, words, key_words: key_words.clone() });
        }
        Ok(comments)
    }

    /// A list of calls, 500 at most.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn calls(
        &self,
        viewer: &Viewer,
        filter: &CallFilter,
        reason: &Reason,
    ) -> Result<Vec<CallSummary>, ViewError> {
        self.look_closely(viewer, View::Calls, described(filter), reason.as_str()).await?;
        let limit = Some(filter.limit.unwrap_or(CALLS_MAX).min(CALLS_MAX));
        Ok(self.store.views().calls(&CallFilter { limit, ..filter.clone() }).await?)
    }

    /// Puts on record that all calls of a filter go out as a file. Who gets an answer may read them, and has how the
    /// audit log tells of the filter.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn calls_may_go(
        &self,
        viewer: &Viewer,
        filter: &CallFilter,
        reason: &Reason,
    ) -> Result<String, ViewError> {
        let scope = described(filter);
        self.look_closely(viewer, View::Calls, scope.clone(), reason.as_str()).await?;
        Ok(scope)
    }

    /// One call; `None` when there is no such call.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn call(
        &self,
        viewer: &Viewer,
        call: CallId,
        reason: &Reason,
    ) -> Result<Option<CallDetail>, ViewError> {
        self.look_closely(viewer, View::Call, call.to_string(), reason.as_str()).await?;
        let Some(summary) = self.store.views().call(call).await? else { return Ok(None) };
        let mut story = self.store.views().story(call).await?;
        if self.policy.comments == CommentAccess::Nobody {
            let of_a_comment = |e: &Entry| matches!(e.fact, Fact::Comment { .. } | Fact::Transcribed { .. });
            story.retain(|entry| !of_a_comment(entry));
        }
        let comments = self.texts(&story).await?;
        Ok(Some(CallDetail { summary, story, comments }))
    }

    /// A recording's samples at 8 kHz, of an answer or a comment; `None` when it was erased or is of another call.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn recording(
        &self,
        viewer: &Viewer,
        call: CallId,
        recording: RecordingId,
        reason: &Reason,
    ) -> Result<Option<Vec<i16>>, ViewError> {
        self.look_closely(viewer, View::Recording, format!("{call} {recording}"), reason.as_str()).await?;
        let story = self.store.views().story(call).await?;
        let named = story.iter().find_map(|entry| match &entry.fact {
            Fact::Comment { recording: id, .. } if *id == recording => Some(true),
            Fact::Heard { recording: Some(id), .. } | Fact::Deaf { recording: Some(id), .. }
                if *id == recording =>
            {
                Some(false)
            }
            _ => None,
        });
        match named {
            None => Ok(None),
            Some(true) if self.policy.comments == CommentAccess::Nobody => Err(Denied::Comments.into()),
            Some(_) => Ok(self.store.vault().recording(call, recording).await?),
        }
    }
}

/// A time as the audit log tells it.
fn instant(us: i64) -> String {
    Timestamp::from_microsecond(us).map_or_else(|_| "ever".to_owned(), |at| at.to_string())
}

/// A filter as the audit log tells it.
fn described(filter: &CallFilter) -> String {
    let parts = [
        ("from", filter.from_us.map(instant)),
        ("to", filter.to_us.map(instant)),
        ("agent", filter.agent.as_ref().map(ToString::to_string)),
        ("queue", filter.queue.as_ref().map(ToString::to_string)),
        ("survey", filter.survey.as_ref().map(ToString::to_string)),
        ("disposition", filter.disposition.map(|d| d.as_str().to_owned())),
        ("origin", filter.origin.map(|o| o.as_str().to_owned())),
        ("call_ref", filter.call_ref.as_ref().map(ToString::to_string)),
        ("after", filter.after.map(|call| call.to_string())),
    ];
    let given = parts.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value?)));
    let given: Vec<String> = given.collect();
    if given.is_empty() { "all".into() } else { given.join(" ") }
}
