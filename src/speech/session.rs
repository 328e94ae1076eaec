//! Listening to one caller, from the start of an answer's time to what was heard.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::ears::Ears;
use super::endpointer::{Bounds, Change, Endpointer, Speech};
use super::grammar::Grammars;
use super::{Listen, Purpose, Recognisers, SpeechEvent, Thresholds, Urgency};
use crate::domain::{AudioFrame, Deaf, Hearing, Language};

/// Samples of a frame that a recording is cut into: 20 ms.
const FRAME: usize = 160;
/// Quiet line around a recording, in frames: room for the endpointer to learn the line, and to be sure of the end.
const FRAMES_BEFORE: usize = 20;
const FRAMES_AFTER: usize = 30;
/// Silence that is left at the end of a comment, in ms.
const COMMENT_TAIL_MS: u32 = 200;
/// Samples a millisecond.
const PER_MS: usize = 8;

/// One order to listen, at work. Dropping it ends it: nothing more is told.
#[derive(Debug)]
pub struct Listening(AbortHandle);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Listens to the frames of one leg until the caller has said something, and tells what.
///
/// Tells [`SpeechEvent::Began`] when speech begins, then one of the three others, and is over. When the frames end
/// first, a comment is told as far as it came, and an answer is not. Noise that seemed to be speech is let go in silence and listening goes on, so `Began`
/// is no promise. There is no deadline for a caller who says nothing but the length of a comment: that is the
/// conversation's to count, which then drops the [`Listening`]. Has to be called within a runtime.
#[must_use = "dropping it ends the listening"]
pub fn listen(
    recognisers: Arc<dyn Recognisers>,
    grammars: Arc<Grammars>,
    order: Listen,
    audio: mpsc::Receiver<AudioFrame>,
    events: mpsc::Sender<SpeechEvent>,
) -> Listening {
    let task = tokio::spawn(async move {
        let session =
            Session { recognisers: recognisers.as_ref(), grammars: &grammars, urgency: Urgency::Live };
        session.run(&order, audio, events).await;
    });
    Listening(task.abort_handle())
}

/// Hears one recording of an answer, as if it had been said on a quiet line. Waits for its turn behind live calls.
///
/// # Errors
/// [`Deaf`]: nobody can hear it now.
pub async fn hear(
    recognisers: &dyn Recognisers,
    grammars: &Grammars,
    language: &Language,
    grammar: &str,
    thresholds: Option<Thresholds>,
    samples: &[i16],
) -> Result<Hearing, Deaf> {
    let purpose = Purpose::Answer { grammar: grammar.to_owned(), thresholds };
    let order = Listen { language: language.clone(), purpose, keep_audio: false };
    let quiet = |frames: usize| std::iter::repeat_n(0, frames * FRAME);
    let all: Vec<i16> =
        quiet(FRAMES_BEFORE).chain(samples.iter().copied()).chain(quiet(FRAMES_AFTER)).collect();
    let (frames_in, frames) = mpsc::channel(all.len() / FRAME + 1);
    for samples in all.chunks(FRAME) {
        let frame = AudioFrame { samples: samples.into(), at: Instant::now(), key_down: false };
        // There is room for all of them.
        frames_in.try_send(frame).map_err(|_| Deaf::Busy)?;
    }
    drop(frames_in);
    let (events_in, mut events) = mpsc::channel(4);
    let session = Session { recognisers, grammars, urgency: Urgency::Background };
    session.run(&order, frames, events_in).await;
    while let Some(event) = events.recv().await {
        match event {
            SpeechEvent::Heard { hearing, .. } => return Ok(hearing),
            SpeechEvent::Deaf { why, .. } => return Err(why),
            SpeechEvent::Began | SpeechEvent::Recorded { .. } => {}
        }
    }
    let model = recognisers.model(language).ok_or(Deaf::NoModel)?.name;
    Ok(Hearing::of_silence(grammar, language.clone(), model))
}

/// What listening takes.
struct Session<'a> {
    recognisers: &'a dyn Recognisers,
    grammars: &'a Grammars,
    urgency: Urgency,
}

impl Session<'_> {
    async fn run(
        &self,
        order: &Listen,
        audio: mpsc::Receiver<AudioFrame>,
        events: mpsc::Sender<SpeechEvent>,
    ) {
        let last = match &order.purpose {
            Purpose::Answer { grammar, thresholds } => {
                self.answer(order, grammar, *thresholds, audio, &events).await
            }
            Purpose::Comment { length_max } => comment(*length_max, audio, &events).await,
        };
        if let Some(SpeechEvent::Deaf { why, .. }) = last {
            super::count_deaf(why);
        }
        if let Some(event) = last {
            // Nobody waits for it any more: the call is over.
            let _told = events.send(event).await;
        }
    }

    /// The last event; `None` when the audio ended first.
    async fn answer(
        &self,
        order: &Listen,
        grammar: &str,
        thresholds: Option<Thresholds>,
        mut audio: mpsc::Receiver<AudioFrame>,
        events: &mpsc::Sender<SpeechEvent>,
    ) -> Option<SpeechEvent> {
        let language = &order.language;
        let Some(plan) = Ears::plan(self.recognisers, self.grammars, language, grammar) else {
            return Some(SpeechEvent::Deaf { why: Deaf::NoModel, audio: None });
        };
        let mut endpointer = Endpointer::new(Bounds::ANSWER);
        let (mut ears, mut kept, mut told) = (None, Vec::new(), false);
        while let Some(frame) = audio.recv().await {
            let change = endpointer.handle_frame(&frame);
            match change {
                Some(Change::Began) => {
                    match plan.open(self.recognisers, self.urgency) {
                        Ok(open) => ears = Some(open),
                        Err(why) => return Some(SpeechEvent::Deaf { why, audio: None }),
                    }
                    if !std::mem::replace(&mut told, true) {
                        events.send(SpeechEvent::Began).await.ok()?;
                    }
                }
                Some(Change::Withdrawn) => {
                    super::count_passed_over("noise");
                    ears = None;
                    kept.clear();
                }
                Some(Change::Ended(_)) | None => {}
            }
            let samples = endpointer.take();
            let fed = ears.as_mut().map(|ears| ears.feed(&samples));
            if order.keep_audio {
                kept.extend(samples);
            }
            if let Some(Err(why)) = fed {
                return Some(SpeechEvent::Deaf { why, audio: order.keep_audio.then_some(kept) });
            }
            let Some(Change::Ended(speech)) = change else { continue };
            if let Some(open) = ears.take() {
                let waited_ms = endpointer.now_ms() - speech.end_ms;
                let judged = match open.finish(&speech, thresholds, self.grammars).await {
                    Ok(judged) => judged,
                    Err(why) => {
                        return Some(SpeechEvent::Deaf { why, audio: order.keep_audio.then_some(kept) });
                    }
                };
                let late_ms = u32::try_from(frame.at.elapsed().as_millis()).unwrap_or(u32::MAX);
                let hearing = Hearing {
                    grammar: grammar.to_owned(),
                    language: language.clone(),
                    model: plan.model().to_owned(),
                    words: judged.words,
                    meaning: judged.meaning,
                    verdict: judged.verdict,
                    confidence_pm: judged.confidence_pm,
                    start_ms: speech.start_ms,
                    end_ms: speech.end_ms,
                    decided_ms: waited_ms.saturating_add(late_ms),
                    level_dbfs: speech.level_dbfs,
                    noise_dbfs: speech.noise_dbfs,
                };
                return Some(SpeechEvent::Heard { hearing, audio: order.keep_audio.then_some(kept) });
            }
        }
        None
    }
}

async fn comment(
    length_max: Duration,
    mut audio: mpsc::Receiver<AudioFrame>,
    events: &mpsc::Sender<SpeechEvent>,
) -> Option<SpeechEvent> {
    let mut endpointer = Endpointer::new(Bounds::comment(length_max));
    let silent_max_ms = u32::try_from(length_max.as_millis()).unwrap_or(u32::MAX);
    let (mut kept, mut told, mut speaking) = (Vec::new(), false, false);
    while let Some(frame) = audio.recv().await {
        let change = endpointer.handle_frame(&frame);
        match change {
            Some(Change::Began) => {
                speaking = true;
                if !std::mem::replace(&mut told, true) {
                    events.send(SpeechEvent::Began).await.ok()?;
                }
            }
            Some(Change::Withdrawn) => {
                speaking = false;
                kept.clear();
            }
            Some(Change::Ended(_)) | None => {}
        }
        kept.extend(endpointer.take());
        if let Some(Change::Ended(Speech { end_ms, taken_from_ms, cut, .. })) = change {
            kept.truncate((end_ms + COMMENT_TAIL_MS - taken_from_ms) as usize * PER_MS);
            return Some(SpeechEvent::Recorded { audio: kept, cut });
        }
        if !speaking && endpointer.now_ms() >= silent_max_ms {
            return Some(SpeechEvent::Recorded { audio: Vec::new(), cut: false });
        }
    }
    // The caller pressed the key that ends it, or hung up: what was said counts.
    Some(SpeechEvent::Recorded { audio: if speaking { kept } else { Vec::new() }, cut: false })
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
