//! The calls that run now: a list, and a stream of it.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use serde::Serialize;
use tokio_stream::wrappers::WatchStream;
use tokio_stream::{Stream, StreamExt as _};
use utoipa::ToSchema;

use super::Problem;
use super::auth::Bearer;
use crate::access::Scope;
use crate::domain::Role;
use crate::store::rules::RunningSurvey;
use crate::web::{WebState, guarded};

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
    /// How far it has come: greeting, questions or closing. Which question is open is not told, since one that is asked only
    /// after some answers would tell them.
    progress: &'static str,
}

impl From<RunningSurvey> for Running {
    fn from(call: RunningSurvey) -> Self {
        Self {
            id: call.id.to_string(),
            since: call.since.to_string(),
            agent: call.agent.map(|agent| agent.to_string()),
            queue: call.queue.map(|queue| queue.to_string()),
            survey: call.survey.to_string(),
            origin: call.origin.as_str(),
            progress: call.progress.as_str(),
        }
    }
}

fn all(state: &WebState, bearer: &Bearer) -> Vec<Running> {
    let calls = state.results().running(&bearer.viewer(Role::Supervisor), state.parts.running.snapshot());
    calls.into_iter().map(Running::from).collect()
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
    Ok(Json(all(&state, &bearer)))
}

/// The same list as server-sent events: at once, and whenever it has changed, at most twice a second. It ends when the
/// token is over or revoked.
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
    let changes = WatchStream::new(state.parts.running.changes()).throttle(EVERY);
    let ask = (state.clone(), bearer.clone());
    let may = move || {
        let (state, bearer) = ask.clone();
        async move { bearer.holds(&state).await }
    };
    let events = guarded(changes, may, Vec::new()).map(move |_| {
        let event = Event::default().event("running").json_data(all(&state, &bearer));
        Ok(event.unwrap_or_else(|_| Event::default().comment("not to be written")))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}
