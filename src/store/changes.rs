//! Changes of rows that are not made from facts: they go into the transaction of the facts that they belong to.

use uuid::Uuid;

use super::ahead::{self, Frozen, Reservation, Wish};
use super::errands::{self, ErrandStep};
use super::outbox::{self, Message, Target, Tried};
use super::receipts::{self, Receipt};
use super::statement::Statement;
use super::tasks::{self, NewTask, TaskChange};
use crate::domain::CallId;

/// A day in microseconds.
const DAY_US: i64 = 86_400_000_000;

/// Up to which times, in microseconds since 1970 UTC, things are of no more use.
#[derive(Clone, Copy, Debug)]
pub struct Tidy {
    /// Now: what was said ahead of calls and is over.
    pub now_us: i64,
    /// Answers to writes.
    pub answers_before_us: i64,
    /// Messages that were delivered or given up.
    pub messages_before_us: i64,
    /// Numbers to call back.
    pub numbers_before_us: i64,
}

/// One change.
#[derive(Clone, Debug)]
pub enum Change {
    /// A reservation was made.
    Reserved(Reservation),
    /// A reservation was used by a call, or withdrawn.
    ReservationOver(Uuid, Option<CallId>),
    /// A decision was made ahead of its call.
    Frozen(Frozen),
    /// A decision was used by its call.
    FrozenUsed(Uuid),
    /// A decision was never used; its facts are written beside this.
    FrozenOver(Uuid),
    /// An agent wishes a survey.
    Wished(Wish),
    /// A wish was granted.
    WishOver(Uuid),
    /// A write was answered.
    Receipt(Receipt),
    /// There is something to follow up.
    Task(NewTask),
    /// Somebody followed it up.
    TaskChanged(TaskChange),
    /// There is something to tell.
    Message(Message),
    /// It was told, or not.
    Tried(Tried),
    /// Messages that were given up are to be tried again: one, or all.
    Replay(Option<Uuid>, i64),
    /// Messages to others than these are given up.
    Orphaned(Vec<Target>),
    /// What the command line asked for has come so far.
    Errand(Uuid, ErrandStep),
    /// What is of no more use goes.
    Tidy(Tidy),
}

impl Change {
    /// The statements that make it.
    pub(super) fn statements(&self) -> Vec<Statement> {
        match self {
            Self::Reserved(reservation) => ahead::insert_reservation(reservation),
            Self::ReservationOver(id, by) => ahead::end_reservation(*id, *by),
            Self::Frozen(frozen) => ahead::insert_decision(frozen),
            Self::FrozenUsed(id) => ahead::use_decision(*id),
            Self::FrozenOver(id) => ahead::delete_decision(*id),
            Self::Wished(wish) => ahead::insert_wish(wish),
            Self::WishOver(id) => ahead::delete_wish(*id),
            Self::Receipt(receipt) => receipts::insert(receipt),
            Self::Task(task) => tasks::insert(task),
            Self::TaskChanged(change) => tasks::change(change),
            Self::Message(message) => outbox::insert(message),
            Self::Tried(tried) => outbox::tried(tried),
            Self::Replay(id, now_us) => outbox::replay_statements(*id, *now_us),
            Self::Orphaned(known) => outbox::orphaned(known),
            Self::Errand(id, step) => errands::step(*id, step),
            Self::Tidy(tidy) => {
                let mut queries = ahead::tidy(tidy.now_us);
                queries.extend(receipts::tidy(tidy.answers_before_us));
                queries.extend(outbox::tidy(tidy.messages_before_us));
                queries.extend(tasks::tidy(tidy.numbers_before_us));
                queries.extend(errands::tidy(tidy.now_us - DAY_US));
                queries
            }
        }
    }
}
