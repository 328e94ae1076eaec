//! Why somebody looks at a call, kept for a short while: the page of a call was opened for a reason, and the audio on it
//! is heard for the same one, without being asked for it again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::{CallId, UserId};
use crate::store::rules::Reason;

/// For how long a reason holds after the page was opened.
const HOLDS: Duration = Duration::from_secs(600);
/// Reasons kept; with more, those that hold no longer go, and if that is not enough, all.
const KEPT_MAX: usize = 10_000;

/// The reasons of all who look. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Reasons(Arc<Mutex<HashMap<(UserId, CallId), Given>>>);

/// When it was given, and the reason.
type Given = (Instant, Reason);

impl Reasons {
    /// Somebody has opened the page of a call.
    pub fn keep(&self, user: UserId, call: CallId, reason: Reason, now: Instant) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= KEPT_MAX {
            all.retain(|_, (at, _)| now.duration_since(*at) < HOLDS);
        }
        if all.len() >= KEPT_MAX {
            all.clear();
        }
        all.insert((user, call), (now, reason));
    }

    /// Why they look at it; `None` when they gave no reason, or too long ago.
    #[must_use]
    pub fn of(&self, user: UserId, call: CallId, now: Instant) -> Option<Reason> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, reason) = all.get(&(user, call))?;
        (now.duration_since(*at) < HOLDS).then(|| reason.clone())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_reason_holds_for_one_user_one_call_and_a_while() {
        let (reasons, now) = (Reasons::default(), tokio::time::Instant::now().into_std());
        let (user, call) = (UserId(Uuid::now_v7()), CallId(Uuid::now_v7()));
        let reason: Reason = "a complaint".parse().unwrap();
        reasons.keep(user, call, reason.clone(), now);
        let later = now + HOLDS - Duration::from_secs(1);
        assert_eq!(reasons.of(user, call, later), Some(reason.clone()));
        assert_eq!(reasons.of(user, call, now + HOLDS), None);
        assert_eq!(reasons.of(UserId(Uuid::now_v7()), call, now), None);
        assert_eq!(reasons.of(user, CallId(Uuid::now_v7()), now), None);
        for _ in 0..KEPT_MAX + 5 {
            reasons.keep(user, CallId(Uuid::now_v7()), reason.clone(), now);
        }
        assert!(reasons.0.lock().unwrap().len() <= KEPT_MAX);
    }
}
