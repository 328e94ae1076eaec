//! Agents who ask for a survey while they talk.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Bearer;
use super::given::{stretch, time};
use super::once::{Body, Once, Seen};
use super::{ApiState, Problem};
use crate::access::Scope;
use crate::store::Wish;

/// Which call, and who asks.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTrigger)]
pub(super) struct New {
    /// The contact centre's reference, by which the call is known when it comes: 1-128 printable characters.
    call_ref: String,
    /// The agent: 1-64 printable characters.
    agent: String,
}

/// A trigger that waits for its call.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Trigger)]
pub(super) struct Made {
    /// The reference.
    call_ref: String,
    /// The agent.
    agent: String,
    /// Until when it waits, RFC 3339.
    expires: String,
}

impl From<&Wish> for Made {
    fn from(wish: &Wish) -> Self {
        let (call_ref, agent) = (wish.call_ref.to_string(), wish.agent.to_string());
        Self { call_ref, agent, expires: time(wish.ends_us) }
    }
}

/// Marks a call that goes on elsewhere, so that its transfer is surveyed as the agent's own: its answers stay apart from
/// those of sampled calls. A call that was chosen ahead stays a sampled one, and one that another agent transfers is not
/// marked. A later trigger for the same call takes the place of the earlier one.
#[utoipa::path(
    post, path = "/api/v1/triggers", tag = "calls to come", request_body = New, params(super::IdempotencyKey),
    security(("token" = ["triggers:write"])), responses((status = 201, body = Made), super::WriteProblems)
)]
pub(super) async fn create(
    State(state): State<ApiState>,
    bearer: Bearer,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    bearer.may(Scope::Triggers)?;
    let once = match Once::begin(&state, &bearer, &headers, "POST triggers", &body).await? {
        Seen::Before(response) => return Ok(response),
        Seen::Never(once) => once,
    };
    let new: New = body.json()?;
    let call_ref = new.call_ref.parse().map_err(|error| Problem::wrong(format!("call_ref: {error}")))?;
    let agent = new.agent.parse().map_err(|error| Problem::wrong(format!("agent: {error}")))?;
    let api = state.web.parts.live.load().config.api.clone();
    let (from_to, max) = (stretch(api.trigger_time), api.triggers_max);
    let receipt = |wish: &Wish| once.receipt(StatusCode::CREATED, &Made::from(wish));
    let wish = state.web.parts.store.wish((call_ref, agent), from_to, max, receipt).await?;
    Ok((StatusCode::CREATED, Json(Made::from(&wish))).into_response())
}
