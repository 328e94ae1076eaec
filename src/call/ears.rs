//! Listening on behalf of one call: the leg's audio to a speech session, what it tells to the conversation.

use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::{error, warn};

use super::driver::Driver;
use crate::dialogue::{Event, Recorded};
use crate::domain::{Deaf, LISTEN_RATE, Listen, ListenId, Purpose, RecordingId};
use crate::speech::{self, Listening, SpeechEvent};
use crate::store::{ResponseKey, StoreError};

/// Frames that may wait for a session: over a second of audio.
const FRAMES_MAX: usize = 64;
/// A session tells of the start of speech and of its end.
const EVENTS_MAX: usize = 4;

/// One order to listen, at work.
#[derive(Debug)]
pub(super) struct Ears {
    id: ListenId,
    purpose: Purpose,
    events: mpsc::Receiver<SpeechEvent>,
    _listening: Listening,
}

impl Ears {
    /// The next thing told; `None` when nothing more will be.
    pub(super) async fn recv(ears: &mut Option<Self>) -> Option<SpeechEvent> {
        match ears {
            Some(ears) => ears.events.recv().await,
            None => std::future::pending().await,
        }
    }
}

impl Driver<'_> {
    pub(super) fn listen(&mut self, id: ListenId, listen: Listen) {
        let Some(leg) = &self.leg else { return };
        let (frames_in, frames) = mpsc::channel(FRAMES_MAX);
        let (events_in, events) = mpsc::channel(EVENTS_MAX);
        let purpose = listen.purpose.clone();
        let (recognisers, grammars) = (Arc::clone(&self.parts.recognisers), Arc::clone(&self.grammars));
        let listening = speech::listen(recognisers, grammars, listen, frames, events_in);
        leg.listen(frames_in);
        self.ears = Some(Ears { id, purpose, events, _listening: listening });
    }

    pub(super) fn stop_listening(&mut self) {
        self.ears = None;
        self.finish_listening();
    }

    /// The session hears no more, and tells what it has.
    pub(super) fn finish_listening(&mut self) {
        if let Some(leg) = &self.leg {
            leg.deafen();
        }
    }

    /// What a session tells, as the conversation takes it. Audio that is to be kept is on disk before.
    pub(super) async fn on_speech(&mut self, event: Option<SpeechEvent>) -> Option<Event> {
        let id = self.ears.as_ref()?.id;
        if let Some(SpeechEvent::Began) = event {
            return Some(Event::SpeechBegan(id));
        }
        let comment = matches!(self.ears.as_ref()?.purpose, Purpose::Comment { .. });
        self.stop_listening();
        Some(match event {
            Some(SpeechEvent::Heard { hearing, audio }) => {
                let recording = match audio {
                    // The answer counts also where its audio could not be kept.
                    Some(audio) => self.keep(audio).await.ok(),
                    None => None,
                };
                Event::Heard { id, hearing: Box::new(hearing), recording }
            }
            Some(SpeechEvent::Recorded { audio, cut }) if !audio.is_empty() => {
                let length_ms =
                    u32::try_from(audio.len() as u64 * 1000 / u64::from(LISTEN_RATE)).unwrap_or(u32::MAX);
                match self.keep(audio).await {
                    Ok(recording) => {
                        Event::Recorded { id, comment: Some(Recorded { recording, length_ms, cut }) }
                    }
                    Err(_) => Event::StorageFailed,
                }
            }
            Some(SpeechEvent::Deaf { why, audio }) => {
                warn!(why = why.as_str(), "A caller cannot be heard, and goes on by key: {why}");
                let recording = match audio {
                    Some(audio) => self.keep(audio).await.ok(),
                    None => None,
                };
                Event::Deaf { id, why, recording }
            }
            Some(SpeechEvent::Recorded { .. }) => Event::Recorded { id, comment: None },
            None if comment => Event::Recorded { id, comment: None },
            Some(SpeechEvent::Began) | None => Event::Deaf { id, why: Deaf::Died, recording: None },
        })
    }

    async fn keep(&mut self, audio: Vec<i16>) -> Result<RecordingId, StoreError> {
        let kept = async {
            let key = match &self.key_of_response {
                Some(key) => key.clone(),
                None => ResponseKey::new(self.id).map_err(|e| StoreError::Recording(Arc::new(e)))?,
            };
            let id = self.parts.store.keep_recording(&key, audio).await?;
            self.key_of_response = Some(key);
            Ok(id)
        };
        kept.await.inspect_err(|error| error!("A recording could not be kept: {error}"))
    }
}
