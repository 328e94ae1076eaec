//! Calls that run, by their signalling: what one that takes the place of another (RFC 3891) goes on with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::{CallContext, Decision};
use crate::sip::CallKey;

/// What was decided about a running call, and of whom.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub decision: Decision,
    pub context: CallContext,
}

/// All running calls whose place another may take. Cheap to clone; as many as there are calls.
#[derive(Clone, Debug, Default)]
pub struct Legs(Arc<Mutex<HashMap<CallKey, Held>>>);

impl Legs {
    /// A call begins. It can be replaced for as long as what is given back lives.
    pub(super) fn begin(&self, key: CallKey, held: Held) -> Place {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, held);
        Place { legs: self.clone(), key }
    }

    /// What a call goes on with that takes this one's place. There is one who does.
    pub(super) fn take(&self, key: CallKey) -> Option<Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key)
    }
}

/// One call's place.
#[derive(Debug)]
pub(super) struct Place {
    legs: Legs,
    key: CallKey,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.legs.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
