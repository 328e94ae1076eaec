//! What was said ahead, as rows.

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::book::{Frozen, Reservation, Wish};
use crate::domain::{AgentId, CallId, CallerHash, Decision, Foretold, Origin};
use crate::selection::SelectionState;
use crate::store::sql;
use crate::store::statement::Statement;
use crate::store::views::{get, read_error, uuid_of};
use crate::store::{Privacy, StoreError, Views};

/// How long one can see what became of a reservation: a day, in microseconds.
const KEEP_US: i64 = 86_400_000_000;

/// A reservation as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReservationRow {
    /// Its id.
    pub id: Uuid,
    /// open, used or withdrawn; one that is open may be over.
    pub state: String,
    /// When it was made, in microseconds since 1970 UTC.
    pub made_us: i64,
    /// Until when it waits.
    pub ends_us: i64,
    /// The call that used it.
    pub call: Option<CallId>,
    /// The context; nothing of it is left once it is used or over.
    pub said: Foretold,
}

/// All that waits.
#[derive(Debug, Default)]
pub(in crate::store) struct Waiting {
    pub(in crate::store) reservations: Vec<Reservation>,
    pub(in crate::store) decisions: Vec<Frozen>,
    pub(in crate::store) wishes: Vec<Wish>,
}

impl Views {
    /// A reservation; `None` for one that never was, or was over a day ago.
    ///
    /// # Errors
    /// [`StoreError::Read`].
    pub async fn reservation(&self, id: Uuid) -> Result<Option<ReservationRow>, StoreError> {
        let query = sqlx::query("SELECT * FROM reservations WHERE id = $1").bind(sql::bytes(id));
        query.fetch_optional(self.pool()).await.map_err(read_error)?.as_ref().map(reservation).transpose()
    }
}

fn reservation(row: &SqliteRow) -> Result<ReservationRow, StoreError> {
    let call: Option<Vec<u8>> = get(row, "call_id")?;
    Ok(ReservationRow {
        id: id_of(row)?,
        state: get(row, "state")?,
        made_us: get(row, "made_us")?,
        ends_us: get(row, "ends_us")?,
        call: call.map(|id| uuid_of("reservations", &id)).transpose()?.map(CallId),
        said: json(row, "said")?,
    })
}

fn id_of(row: &SqliteRow) -> Result<Uuid, StoreError> {
    uuid_of("what was said ahead", &get::<Vec<u8>>(row, "id")?)
}

fn json<T: DeserializeOwned>(row: &SqliteRow, column: &'static str) -> Result<T, StoreError> {
    let text: String = get(row, column)?;
    serde_json::from_str(&text).map_err(|cause| damaged(column, &cause))
}

fn damaged(column: &'static str, cause: &dyn std::fmt::Display) -> StoreError {
    StoreError::Damaged { table: "what was said ahead", id: column.to_owned(), what: cause.to_string() }
}

/// What waits, and what was used and is still to be known as used.
pub(in crate::store) async fn waiting(views: &Views, privacy: &Privacy) -> Result<Waiting, StoreError> {
    let all = |text: &'static str| sqlx::query(text).fetch_all(views.pool());
    let mut found = Waiting::default();
    for row in
        &all("SELECT * FROM reservations WHERE state = 'open' ORDER BY id").await.map_err(read_error)?
    {
        let ReservationRow { id, made_us, ends_us, said, .. } = reservation(row)?;
        let token = privacy.reservation_token(id);
        found.reservations.push(Reservation { id, token, made_us, ends_us, said });
    }
    for row in &all("SELECT * FROM decisions ORDER BY id").await.map_err(read_error)? {
        found.decisions.push(Frozen {
            id: id_of(row)?,
            call_ref: get::<String>(row, "call_ref")?.parse().map_err(|e| damaged("call_ref", &e))?,
            made_us: get(row, "made_us")?,
            ends_us: get(row, "ends_us")?,
            said: json(row, "said")?,
            decision: json(row, "decision")?,
            used: get::<String>(row, "state")? == "used",
        });
    }
    for row in &all("SELECT * FROM triggers ORDER BY id").await.map_err(read_error)? {
        found.wishes.push(Wish {
            id: id_of(row)?,
            call_ref: get::<String>(row, "call_ref")?.parse().map_err(|e| damaged("call_ref", &e))?,
            agent: get::<String>(row, "agent")?.parse().map_err(|e| damaged("agent", &e))?,
            made_us: get(row, "made_us")?,
            ends_us: get(row, "ends_us")?,
        });
    }
    Ok(found)
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "{}".to_owned())
}

pub(in crate::store) fn insert_reservation(reservation: &Reservation) -> Vec<Statement> {
    let said = &reservation.said;
    let insert = "INSERT INTO reservations (id, made_us, ends_us, state, agent, caller, said) \
                  VALUES ($1, $2, $3, 'open', $4, $5, $6)";
    let query = Statement::new(insert)
        .bind(sql::bytes(reservation.id))
        .bind(reservation.made_us)
        .bind(reservation.ends_us)
        .bind(said.agent.as_ref().map(ToString::to_string))
        .bind(said.caller.map(|hash| hash.to_string()))
        .bind(text(said));
    vec![query]
}

pub(in crate::store) fn end_reservation(id: Uuid, by: Option<CallId>) -> Vec<Statement> {
    let update = "UPDATE reservations SET state = $1, call_id = $2, agent = NULL, caller = NULL, said = $3 \
                  WHERE id = $4";
    let state = if by.is_some() { "used" } else { "withdrawn" };
    let query = Statement::new(update)
        .bind(state)
        .bind(by.map(|call| sql::bytes(call.0)))
        .bind(text(&Foretold::default()))
        .bind(sql::bytes(id));
    vec![query]
}

pub(in crate::store) fn insert_decision(frozen: &Frozen) -> Vec<Statement> {
    let said = &frozen.said;
    let insert = "INSERT INTO decisions (id, made_us, ends_us, state, call_ref, agent, caller, said, decision) \
                  VALUES ($1, $2, $3, 'open', $4, $5, $6, $7, $8)";
    let query = Statement::new(insert)
        .bind(sql::bytes(frozen.id))
        .bind(frozen.made_us)
        .bind(frozen.ends_us)
        .bind(frozen.call_ref.to_string())
        .bind(said.agent.as_ref().map(ToString::to_string))
        .bind(said.caller.map(|hash| hash.to_string()))
        .bind(text(said))
        .bind(text(&frozen.decision));
    vec![query]
}

/// Of a decision that was used only its reference stays, so that it is not used twice.
pub(in crate::store) fn use_decision(id: Uuid) -> Vec<Statement> {
    let update = "UPDATE decisions SET state = 'used', agent = NULL, caller = NULL, said = $1 WHERE id = $2";
    vec![Statement::new(update).bind(text(&Foretold::default())).bind(sql::bytes(id))]
}

pub(in crate::store) fn delete_decision(id: Uuid) -> Vec<Statement> {
    vec![Statement::new("DELETE FROM decisions WHERE id = $1").bind(sql::bytes(id))]
}

pub(in crate::store) fn insert_wish(wish: &Wish) -> Vec<Statement> {
    let insert = "INSERT INTO triggers (id, made_us, ends_us, call_ref, agent) VALUES ($1, $2, $3, $4, $5)";
    let query = Statement::new(insert)
        .bind(sql::bytes(wish.id))
        .bind(wish.made_us)
        .bind(wish.ends_us)
        .bind(wish.call_ref.to_string())
        .bind(wish.agent.to_string());
    vec![query]
}

pub(in crate::store) fn delete_wish(id: Uuid) -> Vec<Statement> {
    vec![Statement::new("DELETE FROM triggers WHERE id = $1").bind(sql::bytes(id))]
}

/// What is over goes: of reservations, first what was said, a day later the rest.
pub(in crate::store) fn tidy(now_us: i64) -> Vec<Statement> {
    let said = "UPDATE reservations SET agent = NULL, caller = NULL, said = $1 \
                WHERE state = 'open' AND ends_us <= $2 AND said <> $1";
    vec![
        Statement::new(said).bind(text(&Foretold::default())).bind(now_us),
        Statement::new("DELETE FROM reservations WHERE ends_us <= $1").bind(now_us.saturating_sub(KEEP_US)),
        Statement::new("DELETE FROM decisions WHERE state = 'used' AND ends_us <= $1").bind(now_us),
        Statement::new("DELETE FROM triggers WHERE ends_us <= $1").bind(now_us),
    ]
}

impl Views {
    /// Adds what was decided ahead and is no call yet to what selection goes on from.
    pub(in crate::store) async fn add_decided_ahead(
        &self,
        (day_start_us, window_start_us): (i64, i64),
        state: &mut SelectionState,
    ) -> Result<(), StoreError> {
        let query = sqlx::query("SELECT made_us, said, decision FROM decisions WHERE state = 'open'");
        for row in &query.fetch_all(self.pool()).await.map_err(read_error)? {
            let (at_us, said): (i64, Foretold) = (get(row, "made_us")?, json(row, "said")?);
            let decision: Decision = json(row, "decision")?;
            if let Some(count) = decision.count {
                match state.counts.iter_mut().find(|(queue, _)| *queue == said.queue) {
                    Some((_, n)) => *n = count.max(*n),
                    None => state.counts.push((said.queue.clone(), count)),
                }
            }
            if decision.origin != Origin::Sampled || decision.survey.is_none() {
                continue;
            }
            if at_us >= day_start_us {
                state.today.push((said.queue, said.agent, 1));
            }
            let at = Timestamp::from_microsecond(at_us).map_err(|cause| damaged("made_us", &cause))?;
            state.callers.extend(said.caller.filter(|_| at_us >= window_start_us).map(|caller| (caller, at)));
        }
        state.callers.sort_by_key(|(_, at)| *at);
        Ok(())
    }
}

/// Removes what was said of a caller, or of an agent.
pub(in crate::store) async fn erase(
    conn: &mut SqliteConnection,
    caller: Option<CallerHash>,
    agent: Option<&AgentId>,
) -> Result<(), StoreError> {
    let caller = caller.map(|hash| hash.to_string());
    let agent = agent.map(ToString::to_string);
    for delete in [
        "DELETE FROM reservations WHERE caller = $1 OR agent = $2",
        "DELETE FROM decisions WHERE caller = $1 OR agent = $2",
        "DELETE FROM triggers WHERE $1 IS NULL AND agent = $2",
    ] {
        let query = sqlx::query(delete).bind(caller.clone()).bind(agent.clone());
        query.execute(&mut *conn).await.map_err(sql::write_error)?;
    }
    Ok(())
}
