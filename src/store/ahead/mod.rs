//! What other systems said of calls before they came: contexts, decisions, agents' wishes. It waits in memory
//! ([`book`]), so that a call that comes finds it without a look at the disk, and in the database, so that it outlives
//! a restart. A call that uses something of it says so in the transaction of its first facts.

mod book;
mod rows;
#[cfg(test)]
mod tests;

use std::hash::{Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::error;
use uuid::Uuid;

pub use book::{Decided, Frozen, Met, Reservation, Wish};
pub use rows::ReservationRow;
pub(super) use rows::{
    delete_decision, delete_wish, end_reservation, erase, insert_decision, insert_reservation, insert_wish,
    tidy, use_decision, waiting,
};

use super::receipts::Receipt;
use super::{Batch, Change, Store, StoreError};
use crate::domain::{
    AgentId, CallContext, CallId, CallRef, CallerHash, DecidedAhead, Decision, Disposition, Entry, Fact,
    Foretold, StoredContext, TrunkId,
};
use book::Book;

/// Decisions about different calls that can be made at once.
const AT_ONCE: usize = 16;
/// Decisions that were never used, written in one transaction.
const CHUNK: usize = 100;
/// In place of a trunk, for a call that never came by one.
const NO_TRUNK: &str = "api";

/// What was said ahead. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Ahead {
    book: Arc<Mutex<Book>>,
    /// One who decides about a call keeps others from deciding about the same one.
    deciding: Arc<[tokio::sync::Mutex<()>; AT_ONCE]>,
}

/// Why something could not be said ahead.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AheadError {
    /// As many wait as the configuration allows.
    #[error("too many wait already")]
    Full,
    /// It could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<book::Full> for AheadError {
    fn from(_: book::Full) -> Self {
        Self::Full
    }
}

impl Ahead {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out what waits for a call that has come, and completes its context.
    #[must_use]
    pub fn meet(&self, context: &mut CallContext, caller: Option<CallerHash>, now_us: i64) -> Met {
        self.book().meet(context, caller, now_us)
    }

    /// What waits for a caller under hashes of earlier versions waits for them under this one.
    pub fn recognise(&self, caller: CallerHash, former: &[CallerHash]) {
        self.book().recognise(caller, former);
    }

    /// Puts back what a call met that could not be taken.
    pub fn give_back(&self, met: Met) {
        self.book().give_back(met);
    }

    pub(super) fn forget(&self, caller: Option<CallerHash>, agent: Option<&AgentId>) {
        self.book().forget(caller, agent);
    }
}

impl Met {
    /// The caller, where the INVITE says nothing of them.
    #[must_use]
    pub fn caller(&self) -> Option<CallerHash> {
        let decided = match &self.decided {
            Some(Decided::Now(frozen)) => frozen.said.caller,
            _ => None,
        };
        self.reservation.as_ref().and_then(|reservation| reservation.said.caller).or(decided)
    }

    /// What has to be written with the first facts of the call.
    #[must_use]
    pub fn changes(&self, call: CallId) -> Vec<Change> {
        let reservation = self.reservation.as_ref().map(|r| Change::ReservationOver(r.id, Some(call)));
        let wish = self.wish.as_ref().map(|wish| Change::WishOver(wish.id));
        let frozen = match &self.decided {
            Some(Decided::Now(frozen)) => Some(Change::FrozenUsed(frozen.id)),
            _ => None,
        };
        reservation.into_iter().chain(wish).chain(frozen).collect()
    }
}

impl Store {
    /// What was said ahead of calls.
    #[must_use]
    pub fn ahead(&self) -> &Ahead {
        &self.ahead
    }

    /// Keeps a context for a call to come. `receipt` is written with it.
    ///
    /// # Errors
    /// [`AheadError`]; then nothing waits.
    pub async fn reserve(
        &self,
        said: Foretold,
        (made_us, ends_us): (i64, i64),
        max: usize,
        receipt: impl FnOnce(&Reservation) -> Option<Receipt>,
    ) -> Result<Reservation, AheadError> {
        let id = self.ids.next();
        let token = self.privacy.reservation_token(id);
        let reservation = Reservation { id, token, made_us, ends_us, said };
        self.ahead.book().reserve(reservation.clone(), max)?;
        let kept = self.change(Change::Reserved(reservation.clone()), receipt(&reservation)).await;
        if let Err(error) = kept {
            self.ahead.book().withdraw(id);
            return Err(error.into());
        }
        Ok(reservation)
    }

    /// Withdraws a reservation; says whether it still waited.
    ///
    /// # Errors
    /// [`StoreError::Write`].
    pub async fn withdraw(&self, id: Uuid, receipt: Option<Receipt>) -> Result<bool, StoreError> {
        let found = self.ahead.book().withdraw(id);
        if found.is_none() {
            return Ok(false);
        }
        self.change(Change::ReservationOver(id, None), receipt).await?;
        Ok(true)
    }

    /// What was decided of a call ahead of it; else what is decided now, once it is on disk.
    ///
    /// # Errors
    /// [`AheadError`]; then nothing is decided.
    pub async fn decide_ahead(
        &self,
        call_ref: CallRef,
        said: Foretold,
        (now_us, ends_us): (i64, i64),
        max: usize,
        decide: impl FnOnce() -> Decision,
        receipt: impl FnOnce(&Frozen) -> Option<Receipt>,
    ) -> Result<Frozen, AheadError> {
        let mut hasher = std::hash::DefaultHasher::new();
        call_ref.hash(&mut hasher);
        let slot = usize::try_from(hasher.finish() % AT_ONCE as u64).unwrap_or_default();
        let _alone = self.ahead.deciding[slot].lock().await;
        let known = self.ahead.book().frozen(&call_ref, now_us).cloned();
        if let Some(frozen) = known {
            if let Some(receipt) = receipt(&frozen) {
                self.append(Batch { changes: vec![Change::Receipt(receipt)], ..Batch::default() }).await?;
            }
            return Ok(frozen);
        }
        self.end_waiting(now_us).await?; // One about the same call may have run out just now.
        if self.ahead.book().is_full(max) {
            return Err(AheadError::Full);
        }
        let queue = said.queue.clone();
        let ahead = Some(DecidedAhead { at_us: now_us, queue });
        let decision = Decision { ahead, ..decide() };
        let id = self.ids.next();
        let frozen = Frozen { id, call_ref, made_us: now_us, ends_us, said, decision, used: false };
        self.change(Change::Frozen(frozen.clone()), receipt(&frozen)).await?;
        self.ahead.book().freeze(frozen.clone());
        Ok(frozen)
    }

    /// Keeps an agent's wish for a survey of a call that goes on elsewhere.
    ///
    /// # Errors
    /// [`AheadError`]; then the wish does not wait.
    pub async fn wish(
        &self,
        (call_ref, agent): (CallRef, AgentId),
        (made_us, ends_us): (i64, i64),
        max: usize,
        receipt: impl FnOnce(&Wish) -> Option<Receipt>,
    ) -> Result<Wish, AheadError> {
        let wish = Wish { id: self.ids.next(), call_ref, agent, made_us, ends_us };
        let before = self.ahead.book().wish(wish.clone(), max)?;
        let mut changes: Vec<_> = before.iter().map(|wish| Change::WishOver(wish.id)).collect();
        changes.push(Change::Wished(wish.clone()));
        changes.extend(receipt(&wish).map(Change::Receipt));
        if let Err(error) = self.append(Batch { changes, ..Batch::default() }).await {
            self.ahead.book().unwish(&wish.call_ref);
            return Err(error.into());
        }
        Ok(wish)
    }

    /// Ends what has waited long enough. Calls that were decided ahead and never came get their facts now.
    ///
    /// # Errors
    /// [`StoreError::Write`]; what could not be written is taken up at the next start.
    pub async fn end_waiting(&self, now_us: i64) -> Result<(), StoreError> {
        let over = self.ahead.book().over(now_us);
        for chunk in over.chunks(CHUNK) {
            let mut batch = Batch::default();
            for frozen in chunk {
                batch.entries.extend(never_came(self.new_call_id(), frozen, now_us));
                batch.changes.push(Change::FrozenOver(frozen.id));
            }
            let lost = chunk.len();
            self.append(batch)
                .await
                .inspect_err(|_| error!("{lost} decisions that ran out are not in the journal yet"))?;
        }
        Ok(())
    }
}

/// The facts of a call that was decided ahead and never came.
fn never_came(call: CallId, frozen: &Frozen, now_us: i64) -> [Entry; 3] {
    let said = frozen.said.clone();
    let context = StoredContext {
        trunk: NO_TRUNK.parse::<TrunkId>().expect("a plain name"),
        agent: said.agent,
        queue: said.queue,
        call_ref: Some(frozen.call_ref.clone()),
        caller: said.caller,
        language: said.language,
        trigger: said.trigger,
        talk_s: said.talk_s,
        first_hang_up: said.first_hang_up,
    };
    let chosen = frozen.decision.survey.is_some();
    let ended = Fact::Ended {
        disposition: if chosen { Disposition::NotTransferred } else { Disposition::NotSelected },
        left_at: None,
        failure: None,
        by_caller: false,
        stats: None,
    };
    [
        Entry { call, at_us: frozen.made_us, fact: Fact::Offered(context) },
        Entry { call, at_us: frozen.made_us, fact: Fact::Decided(frozen.decision.clone()) },
        Entry { call, at_us: now_us, fact: ended },
    ]
}

/// What waited when the service went away.
pub(super) async fn load(views: &super::Views, privacy: &super::Privacy) -> Result<Ahead, StoreError> {
    let ahead = Ahead::default();
    {
        let waiting = waiting(views, privacy).await?;
        let mut book = ahead.book();
        for reservation in waiting.reservations {
            // What was let in once is not refused now.
            book.reserve(reservation, usize::MAX).ok();
        }
        for frozen in waiting.decisions {
            book.freeze(frozen);
        }
        for wish in waiting.wishes {
            book.wish(wish, usize::MAX).ok();
        }
    }
    Ok(ahead)
}
