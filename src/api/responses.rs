//! Single responses, in pages.

use axum::Json;
use axum::extract::State;
use axum_extra::extract::Query;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::auth::Bearer;
use super::given::{limit, named, time};
use crate::access::Scope;
use crate::domain::{CallId, Role};
use crate::store::{CallFilter, CallSummary, Note};
use crate::web::{WebState, cut};

/// Which responses.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Offered at this time or later, RFC 3339.
    from: Option<String>,
    /// Offered before this time, RFC 3339.
    to: Option<String>,
    /// Of this agent.
    agent: Option<String>,
    /// Through this queue.
    queue: Option<String>,
    /// With this survey.
    survey: Option<String>,
    /// The page after this key, as `next` of the page before gave it.
    after: Option<String>,
    /// At most so many: 1-1000, 100 by default.
    limit: Option<u32>,
}

impl Wanted {
    pub(super) fn filter(&self) -> Result<CallFilter, Problem> {
        let time = |name: &str, text: &Option<String>| {
            named::<Timestamp>(name, text.as_deref()).map(|at| at.map(|at| at.as_microsecond()))
        };
        Ok(CallFilter {
            from_us: time("from", &self.from)?,
            to_us: time("to", &self.to)?,
            agent: named("agent", self.agent.as_deref())?,
            queue: named("queue", self.queue.as_deref())?,
            survey: named("survey", self.survey.as_deref())?,
            after: named::<CallId>("after", self.after.as_deref())?,
            ..CallFilter::default()
        })
    }
}

/// One response. No number of a caller is in it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Held {
    /// The call.
    pub(super) id: String,
    /// When it was offered, RFC 3339.
    pub(super) offered: String,
    /// The contact centre's reference.
    pub(super) call_ref: Option<String>,
    /// The agent.
    pub(super) agent: Option<String>,
    /// The queue.
    pub(super) queue: Option<String>,
    /// The survey.
    pub(super) survey: Option<String>,
    /// Its version.
    pub(super) version: Option<i64>,
    /// Where it comes from: sampled, agent, mystery or test.
    pub(super) origin: Option<String>,
    /// How it counts; none while the call runs.
    pub(super) disposition: Option<String>,
    /// The values in order.
    pub(super) answers: Vec<String>,
}

impl From<CallSummary> for Held {
    fn from(call: CallSummary) -> Self {
        Self {
            id: call.id.to_string(),
            offered: time(call.offered_us),
            call_ref: call.call_ref,
            agent: call.agent,
            queue: call.queue,
            survey: call.survey,
            version: call.version,
            origin: call.origin,
            disposition: call.disposition,
            answers: call.answers.split_whitespace().map(str::to_owned).collect(),
        }
    }
}

/// A page of responses.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page {
    /// The responses, the oldest first.
    items: Vec<Held>,
    /// The key of the next page; none on the last one.
    next: Option<String>,
}

/// Lists responses, the oldest first.
#[utoipa::path(
    get, path = "/api/v1/responses", tag = "responses", params(Wanted), security(("token" = ["responses:read"])),
    responses((status = 200, body = Page), super::ReadProblems)
)]
pub(super) async fn list(
    State(state): State<WebState>,
    bearer: Bearer,
    wanted: Result<Query<Wanted>, axum_extra::extract::QueryRejection>,
) -> Result<Json<Page>, Problem> {
    bearer.may(Scope::Responses)?;
    let Query(wanted) = wanted.map_err(|error| Problem::wrong(error.to_string()))?;
    let limit = limit(wanted.limit)?;
    let filter = CallFilter { limit: Some(limit + 1), ..wanted.filter()? };
    note(&state, &bearer, "api responses", &wanted).await?;
    let mut calls = state.parts.store.views().calls(&filter).await?;
    let more = cut(&mut calls, limit);
    let next = calls.last().filter(|_| more).map(|call| call.id.to_string());
    Ok(Json(Page { items: calls.into_iter().map(Held::from).collect(), next }))
}

/// Puts the look on record; without that nothing is shown.
pub(super) async fn note(
    state: &WebState,
    bearer: &Bearer,
    what: &'static str,
    wanted: &Wanted,
) -> Result<(), Problem> {
    let parts = [
        ("from", &wanted.from),
        ("to", &wanted.to),
        ("agent", &wanted.agent),
        ("queue", &wanted.queue),
        ("survey", &wanted.survey),
        ("after", &wanted.after),
    ];
    let set = parts.iter().filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)));
    let scope = set.collect::<Vec<_>>().join(" ");
    let note = Note::of(&bearer.viewer(Role::Quality), what, scope, &bearer.0.name);
    state.parts.store.note(note).await?;
    Ok(())
}
