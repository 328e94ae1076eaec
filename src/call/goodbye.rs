//! A call that is not surveyed: declined before the answer, or answered with a short goodbye, so that no PBX leaves a
//! caller hanging.

use std::time::{Duration, Instant};

use metrics::counter;
use tokio::sync::mpsc;
use tracing::{error, info};

use super::Shared;
use super::driver::{batch_of, entry, until};
use crate::config::{Decline, Live};
use crate::domain::{CallId, Codec, Decision, Disposition, Entry, Fact, Language, PlayId};
use crate::media::{LegEvent, Times};
use crate::sip::{CallSignals, SipCommand, SipEvent};
use crate::store::Batch;

/// The whole goodbye takes no longer than this, whatever the far end does.
const GOODBYE_MAX: Duration = Duration::from_secs(10);
const ONLY: PlayId = PlayId(0);

/// Ends a call that was not selected, as configured.
pub(super) async fn decline(
    parts: &Shared,
    live: &Live,
    id: CallId,
    signals: CallSignals,
    decision: &Decision,
    mut opening: Batch,
) {
    info!(reason = decision.reason.as_str(), "Not surveyed: {}", decision.reason.as_str());
    counter!("aftercall_calls_total", "disposition" => Disposition::NotSelected.as_str()).increment(1);
    let key = signals.incoming.key;
    match live.config.selection.decline {
        Decline::Code(code) => {
            opening.entries.push(ended(id, false));
            store(parts, opening).await;
            parts.sip.send(key, SipCommand::Reject { code }).await;
        }
        Decline::Goodbye => {
            let codec = signals.incoming.stream.as_ref().map_or(Codec::Pcmu, |stream| stream.codec);
            opening.entries.push(entry(id, Fact::Answered { codec }));
            store(parts, opening).await;
            let by_caller = say_goodbye(parts, live, signals).await;
            store(parts, batch_of(vec![ended(id, by_caller)])).await;
        }
    }
}

fn ended(id: CallId, by_caller: bool) -> Entry {
    let disposition = Disposition::NotSelected;
    entry(id, Fact::Ended { disposition, left_at: None, failure: None, by_caller, stats: None })
}

async fn store(parts: &Shared, batch: Batch) {
    if let Err(error) = parts.store.append(batch).await {
        error!("A call that was not surveyed could not be stored: {error}");
    }
}

/// Answers, plays the goodbye, hangs up. Returns whether the caller was faster.
async fn say_goodbye(parts: &Shared, live: &Live, signals: CallSignals) -> bool {
    let CallSignals { incoming, mut events } = signals;
    let (sender, mut leg_events) = mpsc::channel(8);
    let Ok(leg) = parts.media.open(incoming.local_ip, sender) else {
        parts.sip.send(incoming.key, SipCommand::Reject { code: 603 }).await;
        return false;
    };
    // Nothing is sent before the ACK: a forged request could name anybody.
    let mut agreed = incoming.stream.clone();
    parts.sip.send(incoming.key, SipCommand::Answer { port: leg.port() }).await;
    let english: Option<Language> = "en".parse().ok();
    let languages = [incoming.context.language.as_ref(), english.as_ref()];
    let prompt = languages.into_iter().flatten().find_map(|language| live.prompts.get(language, "goodbye"));
    let deadline = Instant::now() + GOODBYE_MAX;
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(SipEvent::Confirmed) => {
                    if let Some(stream) = agreed.take() {
                        leg.connect(stream);
                    }
                    let Some(prompt) = &prompt else { break };
                    leg.play(ONLY, vec![prompt.clone()], Times::Once);
                }
                Some(SipEvent::Stream(stream)) => {
                    agreed = None;
                    leg.connect(stream);
                }
                Some(SipEvent::Key(_)) => {}
                Some(SipEvent::Ended(_)) | None => return true,
            },
            Some(event) = leg_events.recv() => if event == LegEvent::PlayDone(ONLY) { break },
            () = until(Some(deadline)) => break,
        }
    }
    parts.sip.send(incoming.key, SipCommand::HangUp { cause: 200, text: "goodbye" }).await;
    false
}
