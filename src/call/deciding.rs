//! What is decided about a call before anything happens in it: whether it is surveyed, as whom its caller is known, and
//! that a conversation is surveyed once.

use std::sync::PoisonError;

use jiff::Timestamp;
use metrics::counter;

use super::Shared;
use crate::config::Live;
use crate::domain::{CallContext, CallerHash, CallerNumber, Decision, DecisionReason, Origin};
use crate::selection::Conversation;

/// Decides whether a call, or one to come, is surveyed. Here every decision is counted, once: one that was made ahead
/// was counted then.
pub fn decide(parts: &Shared, context: &CallContext, caller: Option<CallerHash>, now: Timestamp) -> Decision {
    let mut selector = parts.selector.lock().unwrap_or_else(PoisonError::into_inner);
    counted(selector.decide(context, caller, now))
}

/// The same for a call that is here. If it is surveyed its conversation is taken in the same breath: of two calls about
/// one conversation that come at once, one is surveyed.
pub(super) fn decide_here(
    parts: &Shared,
    context: &CallContext,
    caller: Option<CallerHash>,
    now: Timestamp,
) -> Decision {
    let mut selector = parts.selector.lock().unwrap_or_else(PoisonError::into_inner);
    let decision = selector.decide(context, caller, now);
    if let Some(name) = conversation(&decision, context) {
        selector.begin(name);
    }
    counted(decision)
}

/// A decision that was made before: its conversation is taken now.
pub(super) fn begun(parts: &Shared, decision: Decision, context: &CallContext) -> Decision {
    if let Some(name) = conversation(&decision, context) {
        parts.selector.lock().unwrap_or_else(PoisonError::into_inner).begin(name);
    }
    decision
}

/// The hash of a caller; what is remembered of them under the spellings of earlier versions goes over to it.
pub(super) fn recognised(parts: &Shared, number: &CallerNumber) -> CallerHash {
    let privacy = parts.store.privacy();
    let (hash, former) = (privacy.caller_hash(number), privacy.former_hashes(number));
    if !former.is_empty() {
        parts.selector.lock().unwrap_or_else(PoisonError::into_inner).recognise(hash, &former);
        parts.store.ahead().recognise(hash, &former);
    }
    hash
}

pub(super) fn counted(decision: Decision) -> Decision {
    counter!("aftercall_decisions_total", "reason" => decision.reason.as_str(), "origin" => decision.origin.as_str())
        .increment(1);
    decision
}

/// What names a conversation that must be surveyed once.
pub(super) fn conversation(decision: &Decision, context: &CallContext) -> Option<Conversation> {
    let real = decision.survey.is_some() && matches!(decision.origin, Origin::Sampled | Origin::Agent);
    context.call_ref.clone().filter(|_| real).map(|call_ref| (call_ref, context.agent.clone()))
}

/// A decision that was made without knowing the caller.
pub(super) fn allowed(parts: &Shared, decision: Decision, caller: Option<CallerHash>) -> Decision {
    let selector = parts.selector.lock().unwrap_or_else(PoisonError::into_inner);
    if selector.forbids(caller) {
        return Decision { survey: None, reason: DecisionReason::DoNotSurvey, ..decision };
    }
    decision
}

/// A decision made ahead, with the version of its survey that is held now.
pub(super) fn as_held(decision: &Decision, live: &Live) -> Decision {
    let mut decision = decision.clone();
    if let Some((id, version)) = &mut decision.survey
        && let Some(survey) = live.surveys.get(id)
    {
        *version = survey.version;
    }
    decision
}

/// A conversation's survey is over.
pub(super) fn over(parts: &Shared, conversation: Option<Conversation>, answered: bool) {
    if let Some(name) = conversation {
        let mut selector = parts.selector.lock().unwrap_or_else(PoisonError::into_inner);
        selector.end(name, answered, Timestamp::now());
    }
}
