//! What is to be followed up: low scores, and callers who asked to be called back.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum_extra::extract::{Query, QueryRejection};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::Bearer;
use super::given::{limit, named, time};
use super::once::{Body, Once, Seen};
use super::{ApiState, Problem};
use crate::access::Scope;
use crate::domain::{CallId, Role};
use crate::store::rules::{ChangeError, Reason};
use crate::store::{TaskFilter, TaskKind, TaskRow, TaskState};
use crate::web::cut;

/// How far a task has come.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TaskState)]
pub(super) enum Come {
    /// Nobody has done it.
    Open,
    /// The caller was called back.
    CalledBack,
    /// It is done with. The number is destroyed, and the task cannot be opened again.
    Closed,
}

impl From<Come> for TaskState {
    fn from(come: Come) -> Self {
        match come {
            Come::Open => Self::Open,
            Come::CalledBack => Self::CalledBack,
            Come::Closed => Self::Closed,
        }
    }
}

/// What asks for attention.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TaskKind)]
pub(super) enum Kind {
    /// A low score.
    LowScore,
    /// The wish to be called back.
    Callback,
}

/// Which tasks.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// In this state: open, called_back or closed.
    #[param(inline)]
    state: Option<Come>,
    /// Of this kind: low_score or callback.
    #[param(inline)]
    kind: Option<Kind>,
    /// The page before this task, as `next` of the page before gave it.
    before: Option<String>,
    /// At most so many: 1-1000, 100 by default.
    limit: Option<u32>,
}

/// One task.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Task {
    /// Its id, which is that of the call.
    id: String,
    /// low_score or callback.
    kind: String,
    /// When it was made, RFC 3339.
    made: String,
    /// open, called_back or closed.
    state: String,
    /// The question whose answer made it.
    question: String,
    /// The answer.
    value: String,
    /// Whether there is a number to call.
    has_number: bool,
    /// What somebody wrote about it.
    note: String,
    /// When it was changed.
    changed: Option<String>,
    /// Who changed it: the id of a user or token.
    changed_by: Option<String>,
    /// The agent.
    agent: Option<String>,
    /// The queue.
    queue: Option<String>,
    /// The contact centre's reference.
    call_ref: Option<String>,
    /// The survey.
    survey: Option<String>,
    /// Where the response comes from: sampled, agent or test.
    origin: Option<String>,
}

impl From<TaskRow> for Task {
    fn from(row: TaskRow) -> Self {
        Self {
            id: row.call.to_string(),
            kind: row.kind,
            made: time(row.made_us),
            state: row.state,
            question: row.question,
            value: row.value,
            has_number: row.has_number,
            note: row.note,
            changed: row.changed_us.map(time),
            changed_by: row.changed_by,
            agent: row.agent,
            queue: row.queue,
            call_ref: row.call_ref,
            survey: row.survey,
            origin: row.origin,
        }
    }
}

/// A page of tasks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Tasks {
    /// The tasks, the latest first.
    items: Vec<Task>,
    /// The key of the next page; none on the last one.
    next: Option<String>,
}

/// What changes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TaskChange)]
pub(super) struct NewState {
    /// The state.
    state: Option<Come>,
    /// The note: up to 500 printable characters.
    note: Option<String>,
}

/// Why somebody asks for a number.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Why {
    /// The reason, kept in the audit log: 4-200 characters.
    reason: String,
}

/// A number to call.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskNumber)]
pub(super) struct Number {
    /// The caller's number.
    number: String,
}

/// Lists tasks, the latest first.
#[utoipa::path(
    get, path = "/api/v1/tasks", tag = "follow-up", params(Wanted), security(("token" = ["tasks:read"])),
    responses((status = 200, body = Tasks), super::ReadProblems)
)]
pub(super) async fn list(
    State(state): State<ApiState>,
    bearer: Bearer,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Tasks>, Problem> {
    bearer.may(Scope::ReadTasks)?;
    let Query(wanted) = wanted.map_err(|error| Problem::wrong(error.to_string()))?;
    let limit = limit(wanted.limit)?;
    let filter = TaskFilter {
        state: wanted.state.map(TaskState::from),
        kind: wanted.kind.map(|kind| match kind {
            Kind::LowScore => TaskKind::LowScore,
            Kind::Callback => TaskKind::Callback,
        }),
        before: named::<CallId>("before", wanted.before.as_deref())?,
        limit: Some(limit + 1),
    };
    let mut rows = state.web.results().tasks(&bearer.viewer(Role::Quality), &filter).await?;
    let more = cut(&mut rows, limit);
    let next = rows.last().filter(|_| more).map(|row| row.call.to_string());
    Ok(Json(Tasks { items: rows.into_iter().map(Task::from).collect(), next }))
}

/// One task.
#[utoipa::path(
    get, path = "/api/v1/tasks/{id}", tag = "follow-up", params(("id" = String, Path)),
    security(("token" = ["tasks:read"])), responses((status = 200, body = Task), super::ReadProblems)
)]
pub(super) async fn one(
    State(state): State<ApiState>,
    bearer: Bearer,
    Path(id): Path<String>,
) -> Result<Json<Task>, Problem> {
    bearer.may(Scope::ReadTasks)?;
    let task = state.web.results().task(&bearer.viewer(Role::Quality), CallId(super::id(&id)?)).await?;
    task.map(|row| Json(row.into())).ok_or_else(super::no_such)
}

/// Changes the state or the note of a task. Closing it destroys the number.
#[utoipa::path(
    patch, path = "/api/v1/tasks/{id}", tag = "follow-up", params(("id" = String, Path), super::IdempotencyKey),
    request_body = NewState, security(("token" = ["tasks:write"])),
    responses((status = 200, body = Task), (status = 404, body = Problem), super::WriteProblems)
)]
pub(super) async fn change(
    State(state): State<ApiState>,
    bearer: Bearer,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    bearer.may(Scope::WriteTasks)?;
    let id = super::id(&id)?;
    let once = match Once::begin(&state, &bearer, &headers, &format!("PATCH tasks/{id}"), &body).await? {
        Seen::Before(response) => return Ok(response),
        Seen::Never(once) => once,
    };
    let new: NewState = body.json()?;
    if new.state.is_none() && new.note.is_none() {
        return Err(Problem::wrong("neither a state nor a note is given"));
    }
    let change = (new.state.map(TaskState::from), new.note);
    let receipt = |row: &TaskRow| once.receipt(StatusCode::OK, &Task::from(row.clone()));
    let (results, viewer) = (state.web.results(), bearer.viewer(Role::Quality));
    let row = results.change_task(&viewer, CallId(id), change, receipt).await?;
    Ok(Json(Task::from(row)).into_response())
}

/// The number of a caller who asked to be called back. Each look goes to the audit log with its reason.
#[utoipa::path(
    get, path = "/api/v1/tasks/{id}/number", tag = "follow-up", params(("id" = String, Path), Why),
    security(("token" = ["tasks:number"])), responses((status = 200, body = Number), super::ReadProblems)
)]
pub(super) async fn number(
    State(state): State<ApiState>,
    bearer: Bearer,
    Path(id): Path<String>,
    why: Result<Query<Why>, QueryRejection>,
) -> Result<Response, Problem> {
    bearer.may(Scope::TaskNumbers)?;
    let Query(why) = why.map_err(|error| Problem::wrong(error.to_string()))?;
    let reason: Reason = why.reason.parse().map_err(|error| Problem::wrong(format!("reason: {error}")))?;
    let (results, viewer) = (state.web.results(), bearer.viewer(Role::Quality));
    let number = results.task_number(&viewer, CallId(super::id(&id)?), &reason).await?;
    let number = number.ok_or_else(super::no_such)?;
    let kept = [(axum::http::header::CACHE_CONTROL, "no-store")];
    Ok((kept, Json(Number { number: number.expose().to_owned() })).into_response())
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::View(error) => error.into(),
            ChangeError::NoTask => super::no_such(),
            ChangeError::Closed => Self::new(StatusCode::CONFLICT, error.to_string()),
            ChangeError::Note => Self::wrong(format!("note: {error}")),
        }
    }
}
