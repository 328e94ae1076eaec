//! Single responses, in pages and as exports.

use std::convert::Infallible;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::Query;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::auth::Bearer;
use crate::access::Scope;
use crate::domain::{CallId, Role};
use crate::store::{CallFilter, CallSummary, Note, StoreError, Views};
use crate::web::WebState;

/// Responses of one page at most.
const PAGE_MAX: u32 = 1000;
/// Responses of one page, unless it is asked for otherwise.
const PAGE: u32 = 100;
/// Rows read at once for an export.
const EXPORT_PAGE: u32 = 2000;
/// Chunks of an export that may wait for a slow reader.
const CHUNKS_MAX: usize = 4;

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
    fn filter(&self) -> Result<CallFilter, Problem> {
        let time = |name: &str, text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => text
                .parse::<Timestamp>()
                .map(|at| Some(at.as_microsecond()))
                .map_err(|error| Problem::wrong(format!("{name}: {error}"))),
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

fn named<T: std::str::FromStr>(name: &str, text: Option<&str>) -> Result<Option<T>, Problem>
where
    T::Err: std::fmt::Display,
{
    text.map(|text| text.parse().map_err(|error| Problem::wrong(format!("{name}: {error}")))).transpose()
}

/// One response. No number of a caller is in it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Held {
    /// The call.
    id: String,
    /// When it was offered, RFC 3339.
    offered: String,
    /// The contact centre's reference.
    call_ref: Option<String>,
    /// The agent.
    agent: Option<String>,
    /// The queue.
    queue: Option<String>,
    /// The survey.
    survey: Option<String>,
    /// Its version.
    version: Option<i64>,
    /// Where it comes from: sampled, agent, mystery or test.
    origin: Option<String>,
    /// How it counts; none while the call runs.
    disposition: Option<String>,
    /// The values in order.
    answers: Vec<String>,
}

impl From<CallSummary> for Held {
    fn from(call: CallSummary) -> Self {
        Self {
            id: call.id.to_string(),
            offered: Timestamp::from_microsecond(call.offered_us)
                .map_or_else(|_| String::new(), |at| at.to_string()),
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
    responses((status = 200, body = Page), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem))
)]
pub(super) async fn list(
    State(state): State<WebState>,
    bearer: Bearer,
    wanted: Result<Query<Wanted>, axum_extra::extract::QueryRejection>,
) -> Result<Json<Page>, Problem> {
    bearer.may(Scope::Responses)?;
    let Query(wanted) = wanted.map_err(|error| Problem::wrong(error.to_string()))?;
    let limit = wanted.limit.unwrap_or(PAGE);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Problem::wrong(format!("limit: must lie in 1-{PAGE_MAX}")));
    }
    let filter = CallFilter { limit: Some(limit + 1), ..wanted.filter()? };
    note(&state, &bearer, "api responses", &wanted).await?;
    let mut calls = state.parts.store.views().calls(&filter).await?;
    let more = calls.len() > limit as usize;
    calls.truncate(limit as usize);
    let next = calls.last().filter(|_| more).map(|call| call.id.to_string());
    Ok(Json(Page { items: calls.into_iter().map(Held::from).collect(), next }))
}

/// Exports responses as CSV (RFC 4180), streamed. Cells that a spreadsheet would take for a formula begin with `'`.
#[utoipa::path(
    get, path = "/api/v1/exports/responses.csv", tag = "responses", params(Wanted), security(("token" = ["responses:read"])),
    responses((status = 200, content_type = "text/csv", body = String), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem))
)]
pub(super) async fn export_csv(
    State(state): State<WebState>,
    bearer: Bearer,
    wanted: Result<Query<Wanted>, axum_extra::extract::QueryRejection>,
) -> Result<Response, Problem> {
    let header = "id,offered,call_ref,agent,queue,survey,version,origin,disposition,answers\r\n".to_owned();
    export(&state, &bearer, wanted, "text/csv; charset=utf-8", header, csv_line).await
}

/// Exports responses as one JSON object a line, streamed.
#[utoipa::path(
    get, path = "/api/v1/exports/responses.ndjson", tag = "responses", params(Wanted), security(("token" = ["responses:read"])),
    responses((status = 200, content_type = "application/x-ndjson", body = String), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem))
)]
pub(super) async fn export_ndjson(
    State(state): State<WebState>,
    bearer: Bearer,
    wanted: Result<Query<Wanted>, axum_extra::extract::QueryRejection>,
) -> Result<Response, Problem> {
    let line = |call: &Held| serde_json::to_string(call).map(|line| line + "\n").unwrap_or_default();
    export(&state, &bearer, wanted, "application/x-ndjson", String::new(), line).await
}

async fn export(
    state: &WebState,
    bearer: &Bearer,
    wanted: Result<Query<Wanted>, axum_extra::extract::QueryRejection>,
    kind: &'static str,
    header: String,
    line: fn(&Held) -> String,
) -> Result<Response, Problem> {
    bearer.may(Scope::Responses)?;
    let Query(wanted) = wanted.map_err(|error| Problem::wrong(error.to_string()))?;
    let filter = wanted.filter()?;
    note(state, bearer, "api export", &wanted).await?;
    let (chunks, body) = mpsc::channel::<Bytes>(CHUNKS_MAX);
    let views = state.parts.store.views().clone();
    tokio::spawn(async move {
        if let Err(cause) = write(&views, filter, header, line, &chunks).await {
            tracing::error!(%cause, "An export was cut off");
        }
    });
    let body = Body::from_stream(ReceiverStream::new(body).map(Ok::<_, Infallible>));
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}

/// Puts the look on record; without that nothing is shown.
async fn note(state: &WebState, bearer: &Bearer, what: &'static str, wanted: &Wanted) -> Result<(), Problem> {
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

/// Page after page, no faster than they are read: memory does not grow with the export.
async fn write(
    views: &Views,
    mut filter: CallFilter,
    mut text: String,
    line: fn(&Held) -> String,
    chunks: &mpsc::Sender<Bytes>,
) -> Result<(), StoreError> {
    filter.limit = Some(EXPORT_PAGE);
    loop {
        let calls = views.calls(&filter).await?;
        let last = calls.last().map(|call| call.id);
        for call in calls {
            text += &line(&Held::from(call));
        }
        if !text.is_empty() && chunks.send(Bytes::from(std::mem::take(&mut text))).await.is_err() {
            return Ok(()); // The reader has left.
        }
        match last {
            Some(last) => filter.after = Some(last),
            None => return Ok(()),
        }
    }
}

fn csv_line(call: &Held) -> String {
    let version = call.version.map(|version| version.to_string());
    let answers = call.answers.join(" ");
    let cells = [
        Some(call.id.as_str()),
        Some(call.offered.as_str()),
        call.call_ref.as_deref(),
        call.agent.as_deref(),
        call.queue.as_deref(),
        call.survey.as_deref(),
        version.as_deref(),
        call.origin.as_deref(),
        call.disposition.as_deref(),
        Some(answers.as_str()),
    ];
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    let guarded = cells.map(|cell| guard(cell.unwrap_or_default()));
    // Memory does not fail.
    writer.write_record(&guarded).ok();
    writer.into_inner().ok().and_then(|line| String::from_utf8(line).ok()).unwrap_or_default()
}

/// A cell that no spreadsheet takes for a formula (OWASP, "CSV Injection").
fn guard(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.to_owned() }
}
