//! Whether a call will be surveyed, asked before it is over, so that nobody can arrange themselves to it.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Bearer;
use super::given::{caller, named, stretch, time};
use super::once::{Body, Once, Seen};
use super::{ApiState, Problem};
use crate::access::Scope;
use crate::call;
use crate::domain::{CallContext, CallRef, Foretold};
use crate::store::Frozen;

/// What is known of a call at its start.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DecisionQuestion)]
pub(super) struct Question {
    /// The contact centre's reference, by which the call is known when it comes: 1-128 printable characters.
    call_ref: String,
    /// The agent, where it is known by now.
    agent: Option<String>,
    /// The queue. Each has its rule and its count.
    queue: Option<String>,
    /// The caller's number. It is not kept: only its keyed hash is.
    caller: Option<String>,
    /// The caller's language.
    language: Option<String>,
}

/// What was decided.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Decision)]
pub(super) struct Answer {
    /// The reference again.
    call_ref: String,
    /// Whether the call is to be transferred to us when the conversation is over.
    surveyed: bool,
    /// When it was decided, RFC 3339.
    decided: String,
    /// Until when the decision waits for the call. A chosen call that has not come by then counts as not transferred.
    expires: String,
}

impl From<&Frozen> for Answer {
    fn from(frozen: &Frozen) -> Self {
        Self {
            call_ref: frozen.call_ref.to_string(),
            surveyed: frozen.decision.survey.is_some(),
            decided: time(frozen.made_us),
            expires: time(frozen.ends_us),
        }
    }
}

/// Decides whether a call will be surveyed. The decision is on disk before it is told, stands whatever happens
/// meanwhile, and is the same for everyone who asks about the same call; the call that comes with the reference gets it.
/// It is for the PBX or ACD alone: nobody else can look it up.
#[utoipa::path(
    post, path = "/api/v1/decisions", tag = "calls to come", request_body = Question, params(super::IdempotencyKey),
    security(("token" = ["decisions:ask"])), responses((status = 200, body = Answer), super::WriteProblems)
)]
pub(super) async fn decide(
    State(state): State<ApiState>,
    bearer: Bearer,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    bearer.may(Scope::Decisions)?;
    let once = match Once::begin(&state, &bearer, &headers, "POST decisions", &body).await? {
        Seen::Before(response) => return Ok(response),
        Seen::Never(once) => once,
    };
    let question: Question = body.json()?;
    let call_ref: CallRef =
        question.call_ref.parse().map_err(|error| Problem::wrong(format!("call_ref: {error}")))?;
    let language = question.language.as_deref().map(str::to_ascii_lowercase);
    let said = Foretold {
        agent: named("agent", question.agent.as_deref())?,
        queue: named("queue", question.queue.as_deref())?,
        caller: caller(&state, question.caller.as_deref())?,
        language: named("language", language.as_deref())?,
        ..Foretold::default()
    };
    let parts = &state.web.parts;
    let context = CallContext {
        agent: said.agent.clone(),
        queue: said.queue.clone(),
        call_ref: Some(call_ref.clone()),
        ..CallContext::default()
    };
    let hash = said.caller;
    let decide = || call::decide(parts, &context, hash, Timestamp::now());
    let api = parts.live.load().config.api.clone();
    let receipt = |frozen: &Frozen| once.receipt(StatusCode::OK, &Answer::from(frozen));
    let (from_to, max) = (stretch(api.decision_time), api.decisions_max);
    let frozen = parts.store.decide_ahead(call_ref, said, from_to, max, decide, receipt).await?;
    Ok(Json(Answer::from(&frozen)).into_response())
}
