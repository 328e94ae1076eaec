//! Comments to text, after their calls: one at a time, by whoever hears the language, when no caller needs them.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use super::driver::entry;
use crate::domain::{Deaf, Fact, HeardWord, Language, RecordingId, Transcription};
use crate::speech::{Recognisers, Urgency, Vocabulary};
use crate::store::{Batch, Comment, Store, StoreError};

/// Comments that may wait; the rest waits in the database for the next start.
pub const WAITING_MAX: usize = 1024;
/// Samples fed at a time: 100 ms.
const CHUNK: usize = 800;
/// A chunk every so often: four times as fast as it was said.
const CHUNK_EVERY: Duration = Duration::from_millis(25);
/// Tries at one comment.
const TRIES_MAX: u8 = 3;
/// Pause after a try that failed.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// Groups of key words by name; each is counted once for a comment that holds one of its phrases.
pub type KeyWords = BTreeMap<String, Vec<String>>;

/// Transcribes what comes, until nobody can send any more.
pub async fn run(
    store: Store,
    recognisers: Arc<dyn Recognisers>,
    key_words: KeyWords,
    mut comments: mpsc::Receiver<Comment>,
) {
    // One that came in while these were looked for is among them and on its way too; its words must not count twice.
    let mut done = HashSet::new();
    match store.views().comments_without_text(WAITING_MAX).await {
        Ok(left) => {
            if !left.is_empty() {
                info!("{} comments of earlier runs have no text yet", left.len());
            }
            for comment in left {
                transcribe(&store, recognisers.as_ref(), &key_words, &comment).await;
                done.insert(comment.recording);
            }
        }
        Err(error) => error!("Comments of earlier runs cannot be read: {error}"),
    }
    while let Some(comment) = comments.recv().await {
        if done.remove(&comment.recording) {
            continue;
        }
        transcribe(&store, recognisers.as_ref(), &key_words, &comment).await;
    }
}

async fn transcribe(store: &Store, recognisers: &dyn Recognisers, key_words: &KeyWords, comment: &Comment) {
    let model = recognisers.model(&comment.language).filter(|model| model.open_vocabulary);
    let (outcome, words) = match &model {
        None if comment.tried_without_model => return, // Nothing has changed since.
        None => (Transcription::NoModel, None),
        Some(_) => match hear(store, recognisers, comment).await {
            Ok(Some(words)) => (Transcription::Done, Some(words)),
            Ok(None) => return, // Its key was destroyed: it is as if it had never been.
            Err(Trouble::Deaf(why)) => {
                crate::speech::count_deaf(why);
                warn!(why = why.as_str(), "A comment could not be transcribed: {why}");
                (Transcription::Failed, None)
            }
            Err(Trouble::Store(error)) => {
                error!("A comment could not be read: {error}");
                (Transcription::Failed, None)
            }
        },
    };
    counter!("aftercall_comments_total", "outcome" => outcome.as_str()).increment(1);
    if let Err(error) = keep(store, comment, outcome, model.map(|m| m.name), words, key_words).await {
        error!("A comment's text could not be stored: {error}");
    }
}

enum Trouble {
    Deaf(Deaf),
    Store(StoreError),
}

async fn hear(
    store: &Store,
    recognisers: &dyn Recognisers,
    comment: &Comment,
) -> Result<Option<Vec<HeardWord>>, Trouble> {
    let samples = store.vault().recording(comment.call, comment.recording).await.map_err(Trouble::Store)?;
    let Some(samples) = samples else { return Ok(None) };
    let mut last = Deaf::Busy;
    for attempt in 0..TRIES_MAX {
        if attempt > 0 {
            tokio::time::sleep(RETRY_AFTER).await;
        }
        match once(recognisers, &comment.language, &samples).await {
            Ok(words) => return Ok(Some(words)),
            Err(why) => last = why,
        }
    }
    Err(Trouble::Deaf(last))
}

async fn once(
    recognisers: &dyn Recognisers,
    language: &Language,
    samples: &[i16],
) -> Result<Vec<HeardWord>, Deaf> {
    let mut utterance = recognisers.open(language, &Vocabulary::Open, Urgency::Background)?;
    for chunk in samples.chunks(CHUNK) {
        utterance.feed(chunk)?;
        tokio::time::sleep(CHUNK_EVERY).await;
    }
    utterance.finish().await.unwrap_or(Err(Deaf::Died)).map(|heard| heard.words)
}

async fn keep(
    store: &Store,
    comment: &Comment,
    outcome: Transcription,
    model: Option<String>,
    words: Option<Vec<HeardWord>>,
    key_words: &KeyWords,
) -> Result<(), StoreError> {
    let found = words.as_deref().map(|words| found(words, key_words)).unwrap_or_default();
    let sealed = match words {
        Some(words) => store.vault().seal_words(comment.call, comment.recording, &words).await?,
        None => None,
    };
    let recording: RecordingId = comment.recording;
    let fact = Fact::Transcribed { recording, outcome, model, sealed, key_words: found };
    let entries = vec![entry(comment.call, fact)];
    store.append(Batch { entries, ..Batch::default() }).await
}

/// The groups of which a phrase occurs among the words.
fn found(words: &[HeardWord], key_words: &KeyWords) -> Vec<String> {
    let text: Vec<String> = words.iter().map(|word| word.word.to_lowercase()).collect();
    let holds = |phrase: &String| {
        let phrase: Vec<String> = phrase.split_whitespace().map(str::to_lowercase).collect();
        !phrase.is_empty() && text.windows(phrase.len()).any(|window| window == phrase)
    };
    key_words.iter().filter(|(_, phrases)| phrases.iter().any(holds)).map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_words_are_found_as_whole_words_and_phrases() {
        let word = |word: &str| HeardWord { word: word.into(), confidence_pm: 900, start_ms: 0, end_ms: 1 };
        let words: Vec<_> = "I had to wait on hold too long".split(' ').map(word).collect();
        let groups: KeyWords = [
            ("waiting", vec!["queue", "on hold"]),
            ("price", vec!["hol", "expensive"]),
            ("nothing", vec![""]),
        ]
        .into_iter()
        .map(|(name, phrases)| (name.to_owned(), phrases.into_iter().map(str::to_owned).collect()))
        .collect();
        assert_eq!(found(&words, &groups), ["waiting"]);
        assert!(found(&[], &groups).is_empty());
    }
}
