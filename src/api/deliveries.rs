//! Messages to webhooks and mailboxes: how they fared, and those that were given up.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum_extra::extract::{Query, QueryRejection};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Bearer;
use super::given::{limit, named, time};
use super::once::{Body, Once, Seen};
use super::{ApiState, Problem};
use crate::access::Scope;
use crate::domain::Role;
use crate::store::{Change, MessageFilter, MessageRow, MessageState, Note};
use crate::web::cut;

/// Which messages.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// In this state: waiting, delivered or dead.
    #[param(inline)]
    state: Option<Fate>,
    /// To this receiver: `webhook:NAME` or `mail`.
    target: Option<String>,
    /// The page before this message, as `next` of the page before gave it.
    before: Option<String>,
    /// At most so many: 1-1000, 100 by default.
    limit: Option<u32>,
}

/// How a message fared.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fate {
    /// It waits for its first or next try.
    Waiting,
    /// It was taken.
    Delivered,
    /// It was given up.
    Dead,
}

/// One message, without what it says.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Delivery {
    /// Its id, which the receiver sees as `webhook-id`.
    id: String,
    /// When it was made, RFC 3339.
    made: String,
    /// What it tells of.
    event: String,
    /// The call.
    call: String,
    /// To whom: `webhook:NAME` or `mail`.
    target: String,
    /// waiting, delivered or dead.
    state: &'static str,
    /// How often it was tried.
    attempts: i64,
    /// When it is tried next, where it waits.
    next_try: Option<String>,
    /// When it was tried last.
    last_try: Option<String>,
    /// What went wrong then.
    error: Option<String>,
}

impl From<MessageRow> for Delivery {
    fn from(row: MessageRow) -> Self {
        Self {
            id: row.id.to_string(),
            made: time(row.made_us),
            event: row.event,
            call: row.call.to_string(),
            next_try: (row.state == MessageState::Waiting).then(|| time(row.due_us)),
            target: row.target,
            state: row.state.as_str(),
            attempts: row.attempts,
            last_try: row.tried_us.map(time),
            error: Some(row.error).filter(|error| !error.is_empty()),
        }
    }
}

/// A page of messages.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Deliveries {
    /// The messages, the latest first.
    items: Vec<Delivery>,
    /// The key of the next page; none on the last one.
    next: Option<String>,
}

/// Lists messages, the latest first.
#[utoipa::path(
    get, path = "/api/v1/webhooks/deliveries", tag = "webhooks", params(Wanted),
    security(("token" = ["webhooks:read"])), responses((status = 200, body = Deliveries), super::ReadProblems)
)]
pub(super) async fn list(
    State(state): State<ApiState>,
    bearer: Bearer,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Deliveries>, Problem> {
    bearer.may(Scope::ReadWebhooks)?;
    let Query(wanted) = wanted.map_err(|error| Problem::wrong(error.to_string()))?;
    let limit = limit(wanted.limit)?;
    let fate = wanted.state.map(|fate| match fate {
        Fate::Waiting => MessageState::Waiting,
        Fate::Delivered => MessageState::Delivered,
        Fate::Dead => MessageState::Dead,
    });
    let filter = MessageFilter {
        state: fate,
        target: wanted.target,
        before: named("before", wanted.before.as_deref())?,
        limit: Some(limit + 1),
    };
    let mut rows = state.web.results().messages(&bearer.viewer(Role::Admin), &filter).await?;
    let more = cut(&mut rows, limit);
    let next = rows.last().filter(|_| more).map(|row| row.id.to_string());
    Ok(Json(Deliveries { items: rows.into_iter().map(Delivery::from).collect(), next }))
}

/// Sends again a message that was given up.
#[utoipa::path(
    post, path = "/api/v1/webhooks/deliveries/{id}/replay", tag = "webhooks",
    params(("id" = String, Path), super::IdempotencyKey), security(("token" = ["webhooks:write"])),
    responses((status = 202), (status = 404, body = Problem), super::WriteProblems)
)]
pub(super) async fn replay(
    State(state): State<ApiState>,
    bearer: Bearer,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    bearer.may(Scope::WriteWebhooks)?;
    let id = super::id(&id)?;
    let once = match Once::begin(&state, &bearer, &headers, &format!("POST replay/{id}"), &body).await? {
        Seen::Before(response) => return Ok(response),
        Seen::Never(once) => once,
    };
    let store = &state.web.parts.store;
    let message = store.views().message(id).await?;
    if message.is_none_or(|message| message.state != MessageState::Dead) {
        return Err(super::no_such());
    }
    store.note(Note::of(&bearer.viewer(Role::Admin), "replay", id.to_string(), &bearer.0.name)).await?;
    let change = Change::Replay(Some(id), Timestamp::now().as_microsecond());
    store.change(change, once.empty_receipt(StatusCode::ACCEPTED)).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}
