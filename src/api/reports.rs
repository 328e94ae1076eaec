//! Aggregates, as supervisors see them: made of whole tiles ([`crate::store::rules`]), so that no single answer can be
//! had from them.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum_extra::extract::{Query, QueryRejection};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Digest as _;
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::auth::Bearer;
use crate::access::Scope;
use crate::domain::{Origin, Period, Role, SurveyId};
use crate::store::rules::{Slice, ViewError};
use crate::web::WebState;

/// What is reported.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// The whole centre.
    Overview,
    /// Its agents and teams.
    Agents,
    /// Its queues.
    Queues,
    /// Why callers found it hard.
    Why,
    /// What callers did at each question of one survey.
    Journey,
    /// How calls were chosen.
    Sampling,
    /// Mystery and trial calls, beside the customers'.
    Mystery,
}

/// Of when and what.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// A week (2026-W47), a month (2026-11) or a quarter (2026-Q4).
    period: String,
    /// Of this survey alone; `journey` needs one.
    survey: Option<String>,
    /// Whose answers: sampled (if left out), agent, mystery or test. They are never mixed.
    #[param(inline)]
    origin: Option<Whose>,
}

/// Where calls come from.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Whose {
    /// Callers chosen by us.
    #[default]
    Sampled,
    /// Sent by the agent.
    Agent,
    /// Mystery callers.
    Mystery,
    /// Trial calls.
    Test,
}

impl From<Whose> for Origin {
    fn from(whose: Whose) -> Self {
        match whose {
            Whose::Sampled => Self::Sampled,
            Whose::Agent => Self::Agent,
            Whose::Mystery => Self::Mystery,
            Whose::Test => Self::Test,
        }
    }
}

/// Reports aggregates of a period. A figure stands on at least as many answers as the policy asks for, with its 95 %
/// interval; it changes in whole steps of so many. With the `ETag` of an earlier answer in `If-None-Match` one that has
/// not changed is answered 304.
#[utoipa::path(
    get, path = "/api/v1/reports/{kind}", tag = "reports", params(("kind" = Kind, Path, description = "What is reported"), Wanted),
    security(("token" = ["reports:read"])),
    responses((status = 200, body = Value, headers(("ETag" = String))), (status = 304, description = "It has not changed"), super::ReadProblems)
)]
pub(super) async fn one(
    State(state): State<WebState>,
    bearer: Bearer,
    Path(kind): Path<String>,
    headers: HeaderMap,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Problem> {
    bearer.may(Scope::Reports)?;
    let kind: Kind = serde_json::from_value(Value::String(kind))
        .map_err(|_| Problem::new(StatusCode::NOT_FOUND, "there is no such report".to_owned()))?;
    let Query(wanted) = wanted.map_err(|error| Problem::wrong(error.to_string()))?;
    let period: Period = wanted.period.parse().map_err(|error| Problem::wrong(format!("period: {error}")))?;
    let survey: Option<SurveyId> = match &wanted.survey {
        Some(name) => Some(name.parse().map_err(|error| Problem::wrong(format!("survey: {error}")))?),
        None => None,
    };
    let slice = Slice { period, survey: survey.as_ref(), origin: wanted.origin.unwrap_or_default().into() };
    let (results, viewer) = (state.results(), bearer.viewer(Role::Supervisor));
    let report = match kind {
        Kind::Overview => json(&results.overview(&viewer, slice).await?),
        Kind::Agents => json(&results.agents(&viewer, slice).await?),
        Kind::Queues => json(&results.queues(&viewer, slice).await?),
        Kind::Why => json(&results.why(&viewer, slice).await?),
        Kind::Sampling => json(&results.sampling(&viewer, period).await?),
        Kind::Mystery => json(&results.mystery(&viewer, period).await?),
        Kind::Journey => {
            slice.survey.ok_or_else(|| Problem::wrong("survey: is needed for journey"))?;
            json(&results.journey(&viewer, slice).await?)
        }
    };
    Ok(tagged(&headers, report?))
}

fn json(report: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(report).map_err(|cause| {
        tracing::error!(%cause, "A report could not be written");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, None)
    })
}

/// The report under the hash of its text; 304 for who has it.
fn tagged(headers: &HeaderMap, report: Vec<u8>) -> Response {
    let hash = sha2::Sha256::digest(&report);
    let tag = format!("\"{}\"", hash[..16].iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let asked = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let known = asked.flat_map(|value| value.split(',')).map(str::trim);
    // RFC 9110 §13.1.2: compared without regard to weakness.
    let has = known
        .map(|known| known.strip_prefix("W/").unwrap_or(known))
        .any(|known| known == tag || known == "*");
    let kept = [(header::ETAG, tag), (header::CACHE_CONTROL, "private, no-cache".to_owned())];
    if has {
        return (StatusCode::NOT_MODIFIED, kept).into_response();
    }
    (kept, [(header::CONTENT_TYPE, "application/json")], report).into_response()
}

impl From<ViewError> for Problem {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Denied(denied) => Self::new(StatusCode::FORBIDDEN, denied.to_string()),
            ViewError::Store(error) => error.into(),
        }
    }
}
