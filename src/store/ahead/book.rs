//! What was said ahead and waits for its call, in memory. Pure: the time is an argument.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use uuid::Uuid;

use crate::domain::{
    AgentId, CallContext, CallRef, CallerHash, Decision, Foretold, FoundBy, ReservationToken, Trigger,
};

/// A context that waits for its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// Its id.
    pub id: Uuid,
    /// What names it in an INVITE.
    pub token: ReservationToken,
    /// When it was made, in microseconds since 1970 UTC.
    pub made_us: i64,
    /// Until when it waits.
    pub ends_us: i64,
    /// The context.
    pub said: Foretold,
}

/// A decision that waits for its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frozen {
    /// Its id.
    pub id: Uuid,
    /// The call that it is about.
    pub call_ref: CallRef,
    /// When it was made, in microseconds since 1970 UTC.
    pub made_us: i64,
    /// Until when it waits.
    pub ends_us: i64,
    /// What was known of the call at that time.
    pub said: Foretold,
    /// The decision.
    pub decision: Decision,
    /// Whether the call has come.
    pub used: bool,
}

/// An agent's wish for a survey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Its id.
    pub id: Uuid,
    /// The call.
    pub call_ref: CallRef,
    /// Who wishes it, and will transfer the call.
    pub agent: AgentId,
    /// When it was made, in microseconds since 1970 UTC.
    pub made_us: i64,
    /// Until when it waits.
    pub ends_us: i64,
}

/// What a call that came has met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Met {
    /// The reservation that was made for it.
    pub reservation: Option<Reservation>,
    /// The wish of its agent.
    pub wish: Option<Wish>,
    /// What was decided of it.
    pub decided: Option<Decided>,
}

/// What was decided of a call ahead of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    /// This, and now it is used.
    Now(Box<Frozen>),
    /// Something that an earlier call with the same reference has used.
    Before,
}

/// There are too many already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// Ids by a name that several may have, the latest being the largest.
#[derive(Debug)]
struct Index<K>(HashMap<K, BTreeSet<Uuid>>);

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Hash + Eq + Clone> Index<K> {
    fn add(&mut self, key: Option<&K>, id: Uuid) {
        if let Some(key) = key {
            self.0.entry(key.clone()).or_default().insert(id);
        }
    }

    fn remove(&mut self, key: Option<&K>, id: Uuid) {
        let Some((key, ids)) = key.and_then(|key| Some((key, self.0.get_mut(key)?))) else { return };
        ids.remove(&id);
        if ids.is_empty() {
            self.0.remove(key);
        }
    }

    /// Puts under one key what stood under another, and tells what that was.
    fn rename(&mut self, former: &K, now: &K) -> BTreeSet<Uuid> {
        let ids = self.0.remove(former).unwrap_or_default();
        if !ids.is_empty() {
            self.0.entry(now.clone()).or_default().extend(&ids);
        }
        ids
    }

    /// The latest first.
    fn of(&self, key: Option<&K>) -> impl Iterator<Item = Uuid> {
        key.and_then(|key| self.0.get(key)).into_iter().flat_map(|ids| ids.iter().rev().copied())
    }
}

/// Everything that waits.
#[derive(Debug, Default)]
pub(super) struct Book {
    reservations: HashMap<Uuid, Reservation>,
    by_token: HashMap<ReservationToken, Uuid>,
    by_ref: Index<CallRef>,
    by_caller: Index<CallerHash>,
    decisions: HashMap<CallRef, Frozen>,
    wishes: HashMap<CallRef, Wish>,
}

impl Book {
    /// What waits for a caller under hashes of earlier versions waits for them under this one.
    pub(super) fn recognise(&mut self, caller: CallerHash, former: &[CallerHash]) {
        for former in former {
            for id in self.by_caller.rename(former, &caller) {
                if let Some(reservation) = self.reservations.get_mut(&id) {
                    reservation.said.caller = Some(caller);
                }
            }
        }
    }

    pub(super) fn reserve(&mut self, reservation: Reservation, max: usize) -> Result<(), Full> {
        if self.reservations.len() >= max {
            return Err(Full);
        }
        let id = reservation.id;
        self.by_token.insert(reservation.token.clone(), id);
        self.by_ref.add(reservation.said.call_ref.as_ref(), id);
        self.by_caller.add(reservation.said.caller.as_ref(), id);
        self.reservations.insert(id, reservation);
        Ok(())
    }

    pub(super) fn withdraw(&mut self, id: Uuid) -> Option<Reservation> {
        let reservation = self.reservations.remove(&id)?;
        self.by_token.remove(&reservation.token);
        self.by_ref.remove(reservation.said.call_ref.as_ref(), id);
        self.by_caller.remove(reservation.said.caller.as_ref(), id);
        Some(reservation)
    }

    /// Whether no more decisions may wait.
    pub(super) fn is_full(&self, max: usize) -> bool {
        self.decisions.len() >= max
    }

    pub(super) fn freeze(&mut self, frozen: Frozen) {
        self.decisions.insert(frozen.call_ref.clone(), frozen);
    }

    pub(super) fn frozen(&self, call_ref: &CallRef, now_us: i64) -> Option<&Frozen> {
        self.decisions.get(call_ref).filter(|frozen| frozen.ends_us > now_us)
    }

    /// A later wish about a call takes the place of an earlier one, which is given back.
    pub(super) fn wish(&mut self, wish: Wish, max: usize) -> Result<Option<Wish>, Full> {
        if self.wishes.len() >= max && !self.wishes.contains_key(&wish.call_ref) {
            return Err(Full);
        }
        Ok(self.wishes.insert(wish.call_ref.clone(), wish))
    }

    pub(super) fn unwish(&mut self, call_ref: &CallRef) {
        self.wishes.remove(call_ref);
    }

    /// Takes out what waits for a call that has come, and completes its context.
    pub(super) fn meet(&mut self, context: &mut CallContext, caller: Option<CallerHash>, now_us: i64) -> Met {
        let reservation = self.find(context, caller, now_us).and_then(|(id, by)| {
            let reservation = self.withdraw(id)?;
            context.complete(&reservation.said, by);
            Some(reservation)
        });
        let mut met = Met { reservation, ..Met::default() };
        let Some(call_ref) = context.call_ref.clone() else { return met };
        met.wish = self.granted(context, &call_ref, now_us);
        if context.trigger != Trigger::Test {
            met.decided = self.decided(context, &call_ref, now_us);
        }
        met
    }

    /// The reservation for a call: by its token, its reference, or its caller. By the caller alone only where neither
    /// the agent nor the queue speak against it.
    fn find(
        &self,
        context: &CallContext,
        caller: Option<CallerHash>,
        now_us: i64,
    ) -> Option<(Uuid, FoundBy)> {
        let waits = |id: &Uuid| self.reservations.get(id).is_some_and(|found| found.ends_us > now_us);
        let by_token = context.reservation.as_ref().and_then(|token| self.by_token.get(token)).copied();
        if let Some(id) = by_token.filter(waits) {
            return Some((id, FoundBy::Token));
        }
        if let Some(id) = self.by_ref.of(context.call_ref.as_ref()).find(waits) {
            return Some((id, FoundBy::CallRef));
        }
        let agrees = |id: &Uuid| {
            let said = self.reservations.get(id).map(|found| &found.said);
            said.is_some_and(|said| {
                agree(said.agent.as_ref(), context.agent.as_ref())
                    && agree(said.queue.as_ref(), context.queue.as_ref())
            })
        };
        let id = self.by_caller.of(caller.as_ref()).find(|id| waits(id) && agrees(id))?;
        Some((id, FoundBy::Caller))
    }

    /// The wish for this call, where its agent is the one who wished it.
    fn granted(&mut self, context: &mut CallContext, call_ref: &CallRef, now_us: i64) -> Option<Wish> {
        let wish = self.wishes.get(call_ref).filter(|wish| wish.ends_us > now_us)?;
        if !agree(Some(&wish.agent), context.agent.as_ref()) {
            return None;
        }
        let wish = self.wishes.remove(call_ref)?;
        context.agent = Some(wish.agent.clone());
        if context.trigger == Trigger::Hangup {
            context.trigger = Trigger::Agent;
        }
        Some(wish)
    }

    /// What was decided ahead. An agent who asks for a survey gets it, apart from all sampling, unless the call was
    /// chosen already: that a call was not chosen is then told by its decision running out.
    fn decided(&mut self, context: &mut CallContext, call_ref: &CallRef, now_us: i64) -> Option<Decided> {
        let frozen = self.decisions.get_mut(call_ref).filter(|frozen| frozen.ends_us > now_us)?;
        let chosen = frozen.decision.survey.is_some() && !frozen.used;
        if context.trigger == Trigger::Agent && !chosen {
            return None;
        }
        if frozen.used {
            return Some(Decided::Before);
        }
        context.complete(&frozen.said, FoundBy::CallRef);
        frozen.used = true;
        Some(Decided::Now(Box::new(frozen.clone())))
    }

    /// Puts back what a call met that could not be taken.
    pub(super) fn give_back(&mut self, met: Met) {
        if let Some(reservation) = met.reservation {
            // It had its place a moment ago.
            self.reserve(reservation, usize::MAX).ok();
        }
        if let Some(wish) = met.wish {
            self.wishes.entry(wish.call_ref.clone()).or_insert(wish);
        }
        if let Some(Decided::Now(frozen)) = met.decided {
            let frozen = Frozen { used: false, ..*frozen };
            self.decisions.insert(frozen.call_ref.clone(), frozen);
        }
    }

    /// Takes out what has waited long enough. Of decisions, those that were never used are given back.
    pub(super) fn over(&mut self, now_us: i64) -> Vec<Frozen> {
        let gone: Vec<Uuid> =
            self.reservations.values().filter(|r| r.ends_us <= now_us).map(|r| r.id).collect();
        for id in gone {
            self.withdraw(id);
        }
        self.wishes.retain(|_, wish| wish.ends_us > now_us);
        let gone = self.decisions.extract_if(|_, frozen| frozen.ends_us <= now_us);
        let mut unused: Vec<Frozen> = gone.map(|(_, frozen)| frozen).filter(|frozen| !frozen.used).collect();
        unused.sort_by_key(|frozen| frozen.id);
        unused
    }

    /// Forgets what was said of a caller, or of an agent.
    pub(super) fn forget(&mut self, caller: Option<CallerHash>, agent: Option<&AgentId>) {
        let about = |said: &Foretold| {
            (caller.is_some() && said.caller == caller) || (agent.is_some() && said.agent.as_ref() == agent)
        };
        let gone: Vec<Uuid> = self.reservations.values().filter(|r| about(&r.said)).map(|r| r.id).collect();
        for id in gone {
            self.withdraw(id);
        }
        self.decisions.retain(|_, frozen| !about(&frozen.said));
        self.wishes.retain(|_, wish| agent != Some(&wish.agent));
    }
}

/// Whether two sides that may each name somebody do not name different ones.
fn agree<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
    one.zip(other).is_none_or(|(one, other)| one == other)
}
