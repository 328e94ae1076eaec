//! Changes of rows that are not made from facts: they go into the transaction of the facts that they belong to.

use uuid::Uuid;

use super::ahead::{self, Frozen, Reservation, Wish};
use super::receipts::{self, Receipt};
use super::sql::Query;
use crate::domain::CallId;

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
    /// What was said ahead and has waited long enough at this time, in microseconds since 1970 UTC, goes; and answers
    /// to writes from before the second one.
    Tidy(i64, i64),
}

impl Change {
    /// The statements that make it.
    pub(super) fn statements(&self) -> Vec<Query> {
        match self {
            Self::Reserved(reservation) => ahead::insert_reservation(reservation),
            Self::ReservationOver(id, by) => ahead::end_reservation(*id, *by),
            Self::Frozen(frozen) => ahead::insert_decision(frozen),
            Self::FrozenUsed(id) => ahead::use_decision(*id),
            Self::FrozenOver(id) => ahead::delete_decision(*id),
            Self::Wished(wish) => ahead::insert_wish(wish),
            Self::WishOver(id) => ahead::delete_wish(*id),
            Self::Receipt(receipt) => receipts::insert(receipt),
            Self::Tidy(now_us, answers_before_us) => {
                let mut queries = ahead::tidy(*now_us);
                queries.extend(receipts::tidy(*answers_before_us));
                queries
            }
        }
    }
}
