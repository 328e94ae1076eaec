//! Who is told of what happens in a call.

use std::sync::Arc;

use super::driver::Driver;
use super::follow::Follow;
use crate::config::{Config, Live};
use crate::dialogue::Survey;
use crate::domain::{CallRef, CallerNumber, Decision, Entry, EventKind, Happening, QueueId};
use crate::store::{Change, Store, Target};

/// Begins to follow a call.
pub(super) fn follow(
    survey: &Arc<Survey>,
    decision: &Decision,
    names: (Option<QueueId>, Option<CallRef>),
    live: &Live,
) -> Follow {
    Follow::new(Arc::clone(survey), decision.clone(), names, live.config.follow_up.low_scores)
}

/// What has to be written with these facts for those who are told of them.
pub(super) fn changes(driver: &mut Driver<'_>, entries: &[Entry]) -> Vec<Change> {
    let happenings: Vec<_> = entries.iter().flat_map(|entry| driver.follow.take(entry)).collect();
    if happenings.is_empty() {
        return Vec::new();
    }
    let live = driver.parts.live.load();
    told(&driver.parts.store, &live.config, &happenings, driver.caller.as_ref())
}

/// What has to be written for what happened.
pub(super) fn told(
    store: &Store,
    config: &Config,
    happenings: &[Happening],
    number: Option<&CallerNumber>,
) -> Vec<Change> {
    let told = happenings
        .iter()
        .map(|happening| store.tell(happening, number, targets(config, happening.kind, happening.at_us)));
    told.flatten().collect()
}

/// Who is told of an event, and from when on. Mail waits a little, so that several make one.
fn targets(config: &Config, kind: EventKind, at_us: i64) -> Vec<(Target, i64)> {
    let hooks = config.webhook.iter().filter(|hook| hook.events.contains(&kind));
    let hooks = hooks.map(|hook| (Target::Webhook(hook.name.clone()), at_us));
    let gathered = i64::try_from(config.alerts.gather.as_micros()).unwrap_or_default();
    let mail = config.alerts.tells(kind).then_some((Target::Mail, at_us.saturating_add(gathered)));
    hooks.chain(mail).collect()
}
