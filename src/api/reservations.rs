//! Contexts of calls to come: posted ahead of the transfer, joined to the call when it is there.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::auth::Bearer;
use super::given::{caller, named, stretch, time};
use super::once::{Body, Once, Seen};
use super::{ApiState, Problem};
use crate::access::Scope;
use crate::domain::{Foretold, Party, Trigger};
use crate::store::{AheadError, Reservation, ReservationRow};

/// Longest wait that can be asked for, in seconds.
const SECONDS_MAX: u32 = 24 * 3600;

/// What is known of a call to come. At least the caller, the call reference or the token that comes back must be found
/// in the INVITE.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewReservation)]
pub(super) struct New {
    /// The agent to be rated: 1-64 printable characters.
    agent: Option<String>,
    /// The queue: 1-64 printable characters.
    queue: Option<String>,
    /// The caller's number. It is not kept: only its keyed hash is.
    caller: Option<String>,
    /// The contact centre's reference: 1-128 printable characters.
    call_ref: Option<String>,
    /// The caller's language, `en` or `pt-BR`.
    language: Option<String>,
    /// `agent` when the agent asks for the survey.
    trigger: Option<Asker>,
    /// How long caller and agent talked, in seconds.
    talk_seconds: Option<u32>,
    /// Who hung up first.
    first_hang_up: Option<Who>,
    /// For how long it waits, 1-86400; as the configuration says, unless it is given.
    #[schema(minimum = 1, maximum = 86400)]
    wait_seconds: Option<u32>,
}

/// Who asks for the survey.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Asker {
    /// Nobody: the contact centre sends every call, and the selection chooses.
    Hangup,
    /// The agent.
    Agent,
}

/// One of the two who talked.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Who {
    /// The agent.
    Agent,
    /// The caller.
    Caller,
}

/// A reservation that was made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReservationMade)]
pub(super) struct Made {
    /// Its id.
    id: String,
    /// What names it in the INVITE: in the header X-Reservation, the parameter `reservation` of the Request-URI, or its
    /// user part as `rsv-TOKEN`; the trunk's mapping may say otherwise.
    token: String,
    /// Until when it waits, RFC 3339.
    expires: String,
}

/// A reservation as it stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reservation)]
pub(super) struct Standing {
    /// Its id.
    id: String,
    /// open, used, expired or withdrawn.
    state: &'static str,
    /// When it was made, RFC 3339.
    made: String,
    /// Until when it waits.
    expires: String,
    /// The call that used it.
    call: Option<String>,
    /// The agent, as long as it is open; so with the rest.
    agent: Option<String>,
    /// The queue.
    queue: Option<String>,
    /// The reference.
    call_ref: Option<String>,
    /// The language.
    language: Option<String>,
    /// Talk time in seconds.
    talk_seconds: Option<u32>,
}

impl New {
    fn said(&self, state: &ApiState) -> Result<Foretold, Problem> {
        let said = Foretold {
            agent: named("agent", self.agent.as_deref())?,
            queue: named("queue", self.queue.as_deref())?,
            call_ref: named("call_ref", self.call_ref.as_deref())?,
            caller: caller(state, self.caller.as_deref())?,
            language: named("language", self.language.as_deref().map(str::to_ascii_lowercase).as_deref())?,
            trigger: match self.trigger {
                Some(Asker::Agent) => Trigger::Agent,
                Some(Asker::Hangup) | None => Trigger::Hangup,
            },
            talk_s: self.talk_seconds,
            first_hang_up: self.first_hang_up.map(|who| match who {
                Who::Agent => Party::Agent,
                Who::Caller => Party::Caller,
            }),
        };
        if said == Foretold::default() {
            return Err(Problem::wrong("the reservation says nothing of the call"));
        }
        Ok(said)
    }
}

impl From<&Reservation> for Made {
    fn from(made: &Reservation) -> Self {
        Self { id: made.id.to_string(), token: made.token.to_string(), expires: time(made.ends_us) }
    }
}

impl From<ReservationRow> for Standing {
    fn from(row: ReservationRow) -> Self {
        let over = row.ends_us <= Timestamp::now().as_microsecond();
        Self {
            id: row.id.to_string(),
            state: match row.state.as_str() {
                "used" => "used",
                "withdrawn" => "withdrawn",
                _ if over => "expired",
                _ => "open",
            },
            made: time(row.made_us),
            expires: time(row.ends_us),
            call: row.call.map(|call| call.to_string()),
            agent: row.said.agent.map(String::from),
            queue: row.said.queue.map(String::from),
            call_ref: row.said.call_ref.map(String::from),
            language: row.said.language.map(String::from),
            talk_seconds: row.said.talk_s,
        }
    }
}

impl From<AheadError> for Problem {
    fn from(error: AheadError) -> Self {
        match error {
            AheadError::Full => Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
            AheadError::Store(error) => error.into(),
        }
    }
}

/// Posts what is known of a call to come. What the INVITE says itself wins; the reservation completes it. It is used
/// once, found by its token, else by the call reference, else by the caller.
#[utoipa::path(
    post, path = "/api/v1/reservations", tag = "calls to come", request_body = New, params(super::IdempotencyKey),
    security(("token" = ["reservations:write"])), responses((status = 201, body = Made), super::WriteProblems)
)]
pub(super) async fn create(
    State(state): State<ApiState>,
    bearer: Bearer,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    bearer.may(Scope::Reservations)?;
    let once = match Once::begin(&state, &bearer, &headers, "POST reservations", &body).await? {
        Seen::Before(response) => return Ok(response),
        Seen::Never(once) => once,
    };
    let new: New = body.json()?;
    if new.wait_seconds.is_some_and(|seconds| !(1..=SECONDS_MAX).contains(&seconds)) {
        return Err(Problem::wrong(format!("wait_seconds: must lie in 1-{SECONDS_MAX}")));
    }
    let said = new.said(&state)?;
    let api = state.web.parts.live.load().config.api.clone();
    let wait = new.wait_seconds.map(|seconds| std::time::Duration::from_secs(seconds.into()));
    let from_to = stretch(wait.unwrap_or(api.reservation_time));
    let receipt = |made: &Reservation| once.receipt(StatusCode::CREATED, &Made::from(made));
    let made = state.web.parts.store.reserve(said, from_to, api.reservations_max, receipt).await?;
    Ok((StatusCode::CREATED, Json(Made::from(&made))).into_response())
}

/// One reservation.
#[utoipa::path(
    get, path = "/api/v1/reservations/{id}", tag = "calls to come", params(("id" = String, Path)),
    security(("token" = ["reservations:write"])), responses((status = 200, body = Standing), super::ReadProblems)
)]
pub(super) async fn one(
    State(state): State<ApiState>,
    bearer: Bearer,
    Path(id): Path<String>,
) -> Result<Json<Standing>, Problem> {
    bearer.may(Scope::Reservations)?;
    let row = state.web.parts.store.views().reservation(super::id(&id)?).await?;
    row.map(|row| Json(row.into())).ok_or_else(super::no_such)
}

/// Withdraws a reservation that still waits.
#[utoipa::path(
    delete, path = "/api/v1/reservations/{id}", tag = "calls to come", params(("id" = String, Path), super::IdempotencyKey),
    security(("token" = ["reservations:write"])), responses((status = 204), (status = 404, body = Problem), super::WriteProblems)
)]
pub(super) async fn delete(
    State(state): State<ApiState>,
    bearer: Bearer,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    bearer.may(Scope::Reservations)?;
    let id: Uuid = super::id(&id)?;
    let what = format!("DELETE reservations/{id}");
    let once = match Once::begin(&state, &bearer, &headers, &what, &body).await? {
        Seen::Before(response) => return Ok(response),
        Seen::Never(once) => once,
    };
    let receipt = once.empty_receipt(StatusCode::NO_CONTENT);
    if state.web.parts.store.withdraw(id, receipt).await? {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(super::no_such())
    }
}
