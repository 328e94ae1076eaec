//! The life of one call, from the INVITE to the last row.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use metrics::{counter, gauge, histogram};
use tokio::sync::mpsc;
use tracing::{Instrument, error, info, info_span, warn};

use super::deciding::{
    allowed, as_held, begun as begin_conversation, conversation, counted, decide_here, over, recognised,
};
use super::ears::Ears;
use super::follow::Follow;
use super::legs::{Held, Place};
use super::live::{self, RunningCall};
use super::{Shared, goodbye, perform, tell};
use crate::dialogue::{Dialogue, Event, Form, Outcome, Survey};
use crate::domain::{
    AgreedStream, CallId, CallStats, CallerNumber, Codec, Decision, Disposition, Entry, Fact, FailReason,
    Progress, StoredContext,
};
use crate::media::{Leg, LegEvent};
use crate::sip::{CallSignals, Ended, Incoming, SipCommand, SipEvent};
use crate::store::{Batch, Comment, Decided, Met, ResponseKey};

/// Leg events that may wait for the driver.
const LEG_EVENTS_MAX: usize = 32;
/// How long a closed leg may take to report its figures.
const STATS_MAX: Duration = Duration::from_secs(1);
/// The port in the answer of a call without media: discard (RFC 863).
const NO_MEDIA_PORT: u16 = 9;

/// Takes one offered call to its end.
pub async fn run(parts: Shared, signals: CallSignals) {
    let id = parts.store.new_call_id();
    let trunk = signals.incoming.trunk.clone();
    let span = info_span!("call", call.id = %id, trunk = %trunk);
    gauge!("aftercall_calls_active").increment(1.0);
    take(&parts, id, signals).instrument(span).await;
    gauge!("aftercall_calls_active").decrement(1.0);
}

/// Facts alone.
pub(super) fn batch_of(entries: Vec<Entry>) -> Batch {
    Batch { entries, ..Batch::default() }
}

/// A journal line of now.
pub(super) fn entry(call: CallId, fact: Fact) -> Entry {
    Entry { call, at_us: Timestamp::now().as_microsecond(), fact }
}

async fn take(parts: &Shared, id: CallId, mut signals: CallSignals) {
    let live = parts.live.load_full();
    let now = Timestamp::now();
    let before = signals.incoming.replaces.and_then(|key| parts.legs.take(key));
    let context = &mut signals.incoming.context;
    if let Some(before) = &before {
        context.take_over(&before.context);
    }
    let hash = context.caller.as_ref().map(|number| recognised(parts, number));
    let met = parts.store.ahead().meet(context, hash, now.as_microsecond());
    let hash = hash.or_else(|| met.caller());
    context.language = context.language.take().or_else(|| context.language_otherwise.clone());
    let context = &*context;
    let decision = match (&before, &met.decided) {
        // The caller comes in the place of who announced them: the decision was made then, but not knowing who it is.
        (Some(before), _) => {
            begin_conversation(parts, allowed(parts, before.decision.clone(), hash), context)
        }
        (None, Some(Decided::Now(frozen))) => {
            begin_conversation(parts, as_held(&frozen.decision, &live), context)
        }
        (None, Some(Decided::Before)) => counted(Decision::already_made()),
        (None, None) => decide_here(parts, context, hash, now),
    };
    let stored = StoredContext {
        trunk: signals.incoming.trunk.clone(),
        agent: context.agent.clone(),
        queue: context.queue.clone(),
        call_ref: context.call_ref.clone(),
        caller: hash,
        language: context.language.clone(),
        trigger: context.trigger,
        talk_s: context.talk.map(|talk| u32::try_from(talk.as_secs()).unwrap_or(u32::MAX)),
        first_hang_up: context.first_hang_up,
    };
    let opening = Batch {
        entries: vec![entry(id, Fact::Offered(stored)), entry(id, Fact::Decided(decision.clone()))],
        changes: met.changes(id),
        ..Batch::default()
    };
    let survey = decision.survey.as_ref().and_then(|(survey, _)| live.surveys.get(survey)).cloned();
    match survey {
        None => {
            over(parts, conversation(&decision, context), false);
            goodbye::decline(parts, &live, id, signals, &decision, opening).await;
        }
        Some(survey) => {
            // A decision is handed on once: who came in another's place hands on none.
            let held = Held { decision: decision.clone(), context: context.clone() };
            let leg = before.is_none().then(|| parts.legs.begin(signals.incoming.key, held));
            hold(parts, id, signals, survey, &decision, (opening, met), leg).await;
        }
    }
}

/// Ends a call that cannot be taken: the far end gets a final response, the journal the reason.
async fn fail(
    parts: &Shared,
    id: CallId,
    incoming: &Incoming,
    mut opening: Batch,
    why: FailReason,
    code: u16,
) {
    parts.sip.send(incoming.key, SipCommand::Reject { code }).await;
    let ended = Fact::Ended {
        disposition: Disposition::Failed,
        left_at: None,
        failure: Some(why),
        by_caller: false,
        stats: None,
    };
    opening.entries.push(entry(id, ended));
    warn!("A call failed before its answer: {why:?}");
    counter!("aftercall_calls_total", "disposition" => Disposition::Failed.as_str()).increment(1);
    if let Err(error) = parts.store.append(opening).await {
        error!("A failed call could not be stored either: {error}");
    }
}

/// Holds the survey.
async fn hold(
    parts: &Shared,
    id: CallId,
    signals: CallSignals,
    survey: Arc<Survey>,
    decision: &Decision,
    (mut opening, met): (Batch, Met),
    place: Option<Place>,
) {
    let CallSignals { incoming, events } = signals;
    let (leg_tx, leg_events) = mpsc::channel(LEG_EVENTS_MAX);
    let leg = match survey.form {
        Form::SignallingOnly => None,
        _ => match parts.media.open(incoming.local_ip, leg_tx) {
            Ok(leg) => Some(leg),
            Err(error) => {
                error!("No media for a call: {error}");
                // What waited for this call waits for the next one, which our 503 asks for.
                parts.store.ahead().give_back(met);
                opening.changes.clear();
                over(parts, conversation(decision, &incoming.context), false);
                fail(parts, id, &incoming, opening, FailReason::Resources, 503).await;
                return;
            }
        },
    };
    let conversation = conversation(decision, &incoming.context);
    let codec = incoming.stream.as_ref().map_or(Codec::Pcmu, |stream| stream.codec);
    opening.entries.push(entry(id, Fact::Answered { codec }));
    opening.dialog = Some(incoming.trace.clone());
    if let Err(error) = parts.store.append(opening).await {
        parts.store.ahead().give_back(met);
        over(parts, conversation, false);
        error!("A call is refused, because it could not be stored: {error}");
        parts.sip.send(incoming.key, SipCommand::Reject { code: 503 }).await;
        return;
    }
    let port = leg.as_ref().map_or(NO_MEDIA_PORT, Leg::port);
    parts.sip.send(incoming.key, SipCommand::Answer { port }).await;
    let (language, live) = (incoming.context.language.clone(), parts.live.load_full());
    let names = (incoming.context.queue.clone(), incoming.context.call_ref.clone());
    let follow = tell::follow(&survey, decision, names, &live);
    info!(
        survey = %survey.id, origin = decision.origin.as_str(), reason = decision.reason.as_str(),
        "Answered a call for the survey {}", survey.id
    );
    let ears = survey.languages.iter().filter(|language| parts.recognisers.model(language).is_some());
    let ears = ears.cloned().collect();
    let running = parts.running.begin(begun(id, &incoming, &survey, decision));
    let mut driver = Driver {
        parts,
        id,
        key: incoming.key,
        follow,
        caller: incoming.context.caller.clone(),
        dialogue: Dialogue::new(survey, language.as_ref()).with_ears(ears),
        leg,
        agreed: incoming.stream.clone(),
        prompts: Arc::clone(&live.prompts),
        grammars: Arc::clone(&live.grammars),
        ears: None,
        key_of_response: None,
        comments: Vec::new(),
        leg_events,
        sip_events: events,
        outcome: None,
        held_at_start: false,
        place,
        sip_over: false,
        running,
    };
    driver.converse().await;
    let disposition = driver.outcome.as_ref().map(|outcome| outcome.disposition);
    over(parts, conversation, matches!(disposition, Some(Disposition::Complete | Disposition::Partial)));
    driver.close().await;
}

/// A call as the view of running calls shows it at its start.
fn begun(id: CallId, incoming: &Incoming, survey: &Survey, decision: &Decision) -> RunningCall {
    RunningCall {
        id,
        since: Timestamp::now(),
        agent: incoming.context.agent.clone(),
        queue: incoming.context.queue.clone(),
        trunk: incoming.trunk.clone(),
        survey: survey.id.clone(),
        origin: decision.origin,
        progress: Progress::Greeting,
    }
}

/// Everything that one running call owns.
pub(super) struct Driver<'a> {
    pub parts: &'a Shared,
    pub id: CallId,
    pub key: crate::sip::CallKey,
    pub follow: Follow,
    /// Whom to call back, should they ask for it.
    pub caller: Option<CallerNumber>,
    pub dialogue: Dialogue,
    pub leg: Option<Leg>,
    /// The stream that was agreed on, until the far end has shown by its ACK that it asked for it: before that nothing
    /// is sent, since a forged request could name anybody.
    agreed: Option<AgreedStream>,
    pub prompts: Arc<crate::prompts::Library>,
    pub grammars: Arc<crate::speech::grammar::Grammars>,
    pub ears: Option<Ears>,
    /// The key of what is recorded of this caller, once there is something.
    pub key_of_response: Option<ResponseKey>,
    /// What the caller said in their own words; transcribed once the call is over.
    pub comments: Vec<Comment>,
    leg_events: mpsc::Receiver<LegEvent>,
    sip_events: mpsc::Receiver<SipEvent>,
    pub outcome: Option<Outcome>,
    /// The call came on hold.
    held_at_start: bool,
    /// Whether another call may still take this one's place with its decision: not once somebody has answered.
    place: Option<Place>,
    sip_over: bool,
    running: live::Entry,
}

impl Driver<'_> {
    /// Events in, actions out, until the conversation says that it is over.
    async fn converse(&mut self) {
        let mut ending = self.parts.ending.clone();
        let mut drained = false;
        while self.outcome.is_none() {
            let deadline = self.dialogue.poll_timeout();
            let event = tokio::select! {
                // In this order: a key that came in time counts, though its deadline passed while a write waited.
                biased;
                event = self.sip_events.recv(), if !self.sip_over => self.on_sip(event),
                Some(event) = self.leg_events.recv() => self.on_leg(event),
                event = Ears::recv(&mut self.ears) => self.on_speech(event).await,
                on = async { ending.wait_for(|on| *on).await.is_ok() }, if !drained => {
                    drained = true;
                    on.then_some(Event::Drain)
                }
                () = until(deadline) => Some(Event::Timeout),
            };
            if let Some(event) = event {
                self.handle(event).await;
            }
            if std::mem::take(&mut self.held_at_start) {
                self.handle(Event::Held(true)).await;
            }
        }
    }

    /// One event through the machine. A failed write becomes an event of its own, whose actions write nothing that
    /// has to be waited for.
    async fn handle(&mut self, event: Event) {
        let at = Instant::now();
        let key = matches!(event, Event::Key { .. });
        let actions = self.dialogue.handle(event, at);
        if perform::all(self, actions).await.is_err() {
            let actions = self.dialogue.handle(Event::StorageFailed, Instant::now());
            if perform::all(self, actions).await.is_err() {
                error!("A call's end is not stored yet; the next start will close it");
            }
        }
        self.running.update(self.dialogue.progress());
        if self.dialogue.has_responded() {
            self.place = None;
        }
        if key {
            histogram!("aftercall_key_reaction_seconds").record(at.elapsed().as_secs_f64());
        }
    }

    fn on_sip(&mut self, event: Option<SipEvent>) -> Option<Event> {
        match event {
            Some(SipEvent::Confirmed) => {
                if let Some(stream) = self.agreed.take() {
                    self.held_at_start = self.connect(stream);
                }
                Some(Event::Answered)
            }
            Some(SipEvent::Stream(stream)) => {
                self.agreed = None;
                Some(Event::Held(self.connect(stream)))
            }
            Some(SipEvent::Key(digit)) => {
                if let Some(leg) = &self.leg {
                    leg.press(digit);
                }
                None
            }
            Some(SipEvent::Ended(ended)) => {
                self.sip_over = true;
                Some(match ended {
                    Ended::Bye | Ended::ByUs => Event::CallerGone,
                    Ended::Replaced => Event::Failed(FailReason::Replaced),
                    Ended::Cancelled => Event::Failed(FailReason::Cancelled),
                    Ended::NoAck => Event::Failed(FailReason::NoAck),
                    Ended::NoCodec => Event::Failed(FailReason::NoCodec),
                    Ended::SessionExpired => Event::Failed(FailReason::SessionExpired),
                    Ended::Transport => Event::Failed(FailReason::Transport),
                })
            }
            None => {
                self.sip_over = true;
                Some(Event::Failed(FailReason::Transport))
            }
        }
    }

    /// Media as agreed from now on. Whether the far end does not listen.
    fn connect(&self, stream: AgreedStream) -> bool {
        let held = !stream.direction.sends();
        if let Some(leg) = &self.leg {
            leg.connect(stream);
        }
        held
    }

    fn on_leg(&mut self, event: LegEvent) -> Option<Event> {
        match event {
            LegEvent::PlayDone(id) => Some(Event::PlayDone(id)),
            LegEvent::Key { digit, path, .. } => Some(Event::Key { digit, path }),
            LegEvent::Dead(_) => Some(Event::MediaDead),
            LegEvent::Heard | LegEvent::Talk { .. } | LegEvent::Closed(_) => None,
        }
    }

    /// Closes the leg, and writes how it ended.
    async fn close(&mut self) {
        let stats = self.close_leg().await;
        let Some(outcome) = self.outcome.take() else { return };
        let disposition = outcome.disposition;
        counter!("aftercall_calls_total", "disposition" => disposition.as_str()).increment(1);
        let why = outcome.failure.map_or("", FailReason::in_words);
        let because = if why.is_empty() { "" } else { ", since " };
        info!(disposition = disposition.as_str(), "The survey ended: {}{because}{why}", disposition.as_str());
        let ended = Fact::Ended {
            disposition,
            left_at: outcome.left_at,
            failure: outcome.failure,
            by_caller: outcome.by_caller,
            stats,
        };
        let entries = vec![entry(self.id, ended)];
        let changes = tell::changes(self, &entries);
        let batch = Batch { entries, changes, ..Batch::default() };
        if let Err(error) = self.parts.store.append(batch).await {
            error!("The end of a call could not be stored; the next start will close it: {error}");
        }
        for comment in self.comments.drain(..) {
            // Where no more may wait, the next start finds it in the database.
            self.parts.comments.try_send(comment).ok();
        }
    }

    async fn close_leg(&mut self) -> Option<CallStats> {
        self.leg.take()?.close();
        let closed = async {
            while let Some(event) = self.leg_events.recv().await {
                if let LegEvent::Closed(stats) = event {
                    return Some(*stats);
                }
            }
            None
        };
        tokio::time::timeout(STATS_MAX, closed).await.ok().flatten()
    }
}

pub(super) async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
