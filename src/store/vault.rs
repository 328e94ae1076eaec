//! What callers said: recordings, and the words of them, for those who may open them. Reading needs no lock, so it
//! works beside a running service.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sqlx::AssertSqlSafe;

use super::recordings::{self, ResponseKey};
use super::views::{LINE_COLUMNS, LineRow, read_error};
use super::{Privacy, StoreError, Views};
use crate::domain::{CallId, Fact, HeardWord, Hearing, Language, QuestionId, RecordingId, SurveyId};

/// The folder of recordings inside that of all data.
pub(super) const RECORDINGS: &str = "recordings";

/// Recordings, sealed words, and the keys to both. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Vault {
    views: Views,
    privacy: Privacy,
    folder: Arc<Path>,
}

/// Audio of an answer that was kept: with how it was heard at that time, or set aside because nobody could hear it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The call.
    pub call: CallId,
    /// The question.
    pub question: QuestionId,
    /// The audio.
    pub recording: RecordingId,
    /// The survey of the call, where that is known.
    pub survey: Option<SurveyId>,
    /// The language that the question was asked in, where that is known.
    pub language: Option<Language>,
    /// What was heard in it; `None` when the recogniser failed.
    pub hearing: Option<Hearing>,
}

impl Vault {
    /// The recordings in a data folder.
    #[must_use]
    pub fn new(views: Views, privacy: Privacy, data_dir: &Path) -> Self {
        Self { views, privacy, folder: data_dir.join(RECORDINGS).into() }
    }

    pub(super) fn views(&self) -> &Views {
        &self.views
    }

    pub(super) fn privacy(&self) -> &Privacy {
        &self.privacy
    }

    /// Where recordings lie.
    pub(super) fn folder(&self) -> &Arc<Path> {
        &self.folder
    }

    pub(super) async fn keep(
        &self,
        key: &ResponseKey,
        id: RecordingId,
        samples: Vec<i16>,
    ) -> Result<(), StoreError> {
        let (key, folder) = (key.clone(), Arc::clone(&self.folder));
        let written =
            tokio::task::spawn_blocking(move || recordings::write(&folder, &key, id, &samples)).await;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(StoreError::Recording(Arc::new(error))),
            Err(_) => Err(StoreError::Closed),
        }
    }

    /// A recording's samples at 8 kHz; `None` when its key has been destroyed.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    pub async fn recording(&self, call: CallId, id: RecordingId) -> Result<Option<Vec<i16>>, StoreError> {
        let Some(key) = self.response_key(call).await? else { return Ok(None) };
        let folder = Arc::clone(&self.folder);
        let read = tokio::task::spawn_blocking(move || recordings::read(&folder, &key, id)).await;
        match read {
            Ok(Ok(samples)) => Ok(Some(samples)),
            Ok(Err(error)) => Err(StoreError::Recording(Arc::new(error))),
            Err(_) => Err(StoreError::Closed),
        }
    }

    /// The answers whose audio was kept, the oldest first.
    ///
    /// # Errors
    /// The database's; [`StoreError::Damaged`] for a line that makes no sense.
    pub async fn kept(&self) -> Result<Vec<Kept>, StoreError> {
        let text = format!(
            "SELECT {LINE_COLUMNS} FROM journal WHERE kind IN ('offered', 'decided', 'language_set', 'heard', 'deaf') \
             AND call_id IN (SELECT call_id FROM journal WHERE kind IN ('heard', 'deaf')) ORDER BY id"
        );
        let lines: Vec<LineRow> =
            sqlx::query_as(AssertSqlSafe(text)).fetch_all(self.views.pool()).await.map_err(read_error)?;
        let mut kept = Vec::new();
        let mut calls: HashMap<CallId, (Option<SurveyId>, Option<Language>)> = HashMap::new();
        for line in lines {
            let entry = line.entry()?;
            let known = calls.entry(entry.call).or_default();
            let (question, recording, hearing) = match entry.fact {
                Fact::Offered(context) => {
                    known.1 = context.language;
                    continue;
                }
                Fact::Decided(decision) => {
                    known.0 = decision.survey.map(|(survey, _)| survey);
                    continue;
                }
                Fact::LanguageSet { language } => {
                    known.1 = Some(language);
                    continue;
                }
                Fact::Heard { question, recording: Some(recording), hearing, .. } => {
                    (question, recording, Some(*hearing))
                }
                Fact::Deaf { question, recording: Some(recording), .. } => (question, recording, None),
                _ => continue,
            };
            let (survey, language) = known.clone();
            kept.push(Kept { call: entry.call, question, recording, survey, language, hearing });
        }
        Ok(kept)
    }

    /// The key of a response's recordings; `None` when there is none, or it has been destroyed.
    ///
    /// # Errors
    /// The database's.
    pub async fn response_key(&self, call: CallId) -> Result<Option<ResponseKey>, StoreError> {
        let sealed = self.views.sealed_key(call).await?;
        Ok(sealed.and_then(|sealed| self.privacy.unseal_key(call, &sealed)))
    }

    /// Words under the key of their response, in base64; `None` when the key has been destroyed.
    ///
    /// # Errors
    /// The database's, or the system's random numbers.
    pub async fn seal_words(
        &self,
        call: CallId,
        recording: RecordingId,
        words: &[HeardWord],
    ) -> Result<Option<String>, StoreError> {
        let Some(key) = self.response_key(call).await? else { return Ok(None) };
        let plain = serde_json::to_vec(words).map_err(|e| StoreError::Encode(e.into()))?;
        let sealed = key.seal(recording, &plain).map_err(|e| StoreError::Recording(e.into()))?;
        Ok(Some(STANDARD.encode(sealed)))
    }

    /// The words that [`Self::seal_words`] sealed; `None` when they do not open any more.
    ///
    /// # Errors
    /// The database's.
    pub async fn open_words(
        &self,
        call: CallId,
        recording: RecordingId,
        sealed: &str,
    ) -> Result<Option<Vec<HeardWord>>, StoreError> {
        let Some(key) = self.response_key(call).await? else { return Ok(None) };
        let plain = STANDARD.decode(sealed).ok().and_then(|sealed| key.open(recording, &sealed));
        Ok(plain.and_then(|plain| serde_json::from_slice(&plain).ok()))
    }
}
