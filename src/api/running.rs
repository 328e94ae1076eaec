//! The calls that run now: a list, and a stream of it.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use serde::Serialize;
use tokio_stream::{Stream, StreamExt as _};
use utoipa::ToSchema;

use super::Problem;
use super::auth::Bearer;
use crate::access::Scope;
use crate::call::{RunningCall, RunningCalls};
use crate::domain::Role;
use crate::web::WebState;

/// A stream tells of changes at most so often.
const EVERY: Duration = Duration::from_millis(500);

/// A call that runs now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Running {
    /// The call.
    id: String,
    /// When it was answered, RFC 3339.
    since: String,
    /// The agent.
    agent: Option<String>,
    /// The queue.
    queue: Option<String>,
    /// The survey.
    survey: String,
    /// Where it comes from: sampled, agent, mystery or test.
    origin: &'static str,
    /// The question that is open.
    question: Option<String>,
    /// Answers so far.
    answers: usize,
}

impl From<RunningCall> for Running {
    fn from(call: RunningCall) -> Self {
        Self {
            id: call.id.to_string(),
            since: call.since.to_string(),
            agent: call.agent.map(|agent| agent.to_string()),
            queue: call.queue.map(|queue| queue.to_string()),
            survey: call.survey.to_string(),
            origin: call.origin.as_str(),
            question: call.question.map(String::from),
            answers: call.answers,
        }
    }
}

fn all(calls: &RunningCalls) -> Vec<Running> {
    calls.snapshot().into_iter().map(Running::from).collect()
}

/// Lists the calls that run now, the oldest first.
#[utoipa::path(
    get, path = "/api/v1/calls/running", tag = "calls", security(("token" = ["live:read"])),
    responses((status = 200, body = Vec<Running>), super::ReadProblems)
)]
pub(super) async fn list(
    State(state): State<WebState>,
    bearer: Bearer,
) -> Result<Json<Vec<Running>>, Problem> {
    bearer.may(Scope::Live)?;
    state.results().watch_running(&bearer.viewer(Role::Supervisor)).await?;
    Ok(Json(all(&state.parts.running)))
}

/// The same list as server-sent events: at once, and whenever it has changed, at most twice a second.
#[utoipa::path(
    get, path = "/api/v1/calls/running/stream", tag = "calls", security(("token" = ["live:read"])),
    responses((status = 200, content_type = "text/event-stream", body = String), super::ReadProblems)
)]
pub(super) async fn stream(
    State(state): State<WebState>,
    bearer: Bearer,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    bearer.may(Scope::Live)?;
    state.results().watch_running(&bearer.viewer(Role::Supervisor)).await?;
    let calls = state.parts.running.clone();
    let changes = tokio_stream::wrappers::WatchStream::new(calls.changes());
    let events = changes.throttle(EVERY).map(move |_| {
        let event = Event::default().event("running");
        Ok(event.json_data(all(&calls)).unwrap_or_else(|_| Event::default().comment("not to be written")))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}
