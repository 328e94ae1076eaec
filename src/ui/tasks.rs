//! What is to be followed up, for the role of quality: low scores, and callers who asked to be called back.

use std::collections::HashMap;

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::response::{Html, Redirect};
use serde::Deserialize;

use super::filters::Choice;
use super::frame::{Answer, Frame, Refusal, Ui};
use super::users::names;
use super::words::{Tongue, moment, spoken};
use crate::domain::{CallId, Role};
use crate::store::rules::{ChangeError, NOTE_MAX, Reason, ReasonError, TaskCard};
use crate::store::{TaskFilter, TaskKind, TaskState};
use crate::web::{WebState, cut, local_address};

/// Tasks of one page.
const PAGE: u32 = 50;

struct Task {
    id: String,
    kind: String,
    is_callback: bool,
    made: String,
    state: String,
    state_label: String,
    facts: Vec<[String; 2]>,
    note: String,
    changed: Option<String>,
    has_number: bool,
    /// What it can become.
    states: Vec<Choice>,
}

#[derive(Template)]
#[template(path = "tasks.html", config = "src/ui/askama.toml")]
struct Tasks {
    frame: Frame,
    tr: Tongue,
    states: Vec<Choice>,
    kinds: Vec<Choice>,
    tasks: Vec<Task>,
    /// Whether there may be others with another filter.
    narrowed: bool,
    next: Option<String>,
    note_max: usize,
    here: String,
}

#[derive(Template)]
#[template(path = "task_number.html", config = "src/ui/askama.toml")]
struct Number {
    frame: Frame,
    tr: Tongue,
    number: String,
}

/// What the form of one task sends.
#[derive(Deserialize)]
pub(super) struct Given {
    #[serde(default)]
    state: String,
    #[serde(default)]
    note: String,
    #[serde(default)]
    query: String,
}

/// Why somebody asks for a number.
#[derive(Deserialize)]
pub(super) struct Why {
    #[serde(default)]
    reason: String,
}

fn state_of(name: &str) -> Option<TaskState> {
    TaskState::ALL.into_iter().find(|state| state.as_str() == name)
}

impl Task {
    fn new(tr: Tongue, row: TaskCard, names: &HashMap<String, String>) -> Self {
        let label =
            |state: TaskState| (state.as_str().to_owned(), tr.t(&format!("task-state-{}", state.as_str())));
        let closed = row.state == TaskState::Closed.as_str();
        let named = |by: &String| names.get(by).cloned().unwrap_or_else(|| tr.t("an-api-token"));
        let facts = [
            ("task-question", Some(spoken(tr, &row.question)).filter(|text| !text.is_empty())),
            ("col-queue", row.queue),
            ("survey", row.survey),
            ("col-origin", row.origin.map(|origin| tr.t(&format!("origin-{origin}")))),
        ];
        let changed = row.changed_us.map(|at| {
            tr.xy("task-changed", moment(at), row.changed_by.as_ref().map(named).unwrap_or_default())
        });
        Self {
            id: row.call.to_string(),
            is_callback: row.kind == TaskKind::Callback.as_str(),
            kind: tr.t(&format!("task-kind-{}", row.kind)),
            made: moment(row.made_us),
            state_label: tr.t(&format!("task-state-{}", row.state)),
            facts: facts.into_iter().filter_map(|(name, value)| Some([tr.t(name), value?])).collect(),
            note: row.note,
            changed,
            has_number: row.has_number,
            states: if closed {
                Vec::new()
            } else {
                Choice::list(TaskState::ALL.into_iter().map(label), &row.state)
            },
            state: row.state,
        }
    }
}

/// `GET /tasks`: open ones, unless the address says otherwise.
pub(super) async fn list(ui: Ui, State(state): State<WebState>) -> Answer {
    ui.only(Role::Quality)?;
    let tr = ui.tr;
    let (in_state, of_kind) = (ui.asked("state").unwrap_or("open"), ui.asked("kind").unwrap_or_default());
    let before = ui.asked("before").map(str::parse::<CallId>).transpose().map_err(|_| ui.nothing())?;
    let filter = TaskFilter {
        state: state_of(in_state),
        kind: TaskKind::ALL.into_iter().find(|kind| kind.as_str() == of_kind),
        before,
        limit: Some(PAGE + 1),
    };
    let mut rows = ui.seen(state.results().task_cards(&ui.viewer, &filter).await)?;
    let names = names(&ui, &state).await?;
    let more = cut(&mut rows, PAGE);
    let last = rows.last().map(|row| row.call.to_string());
    let next = more.then(|| ui.with(&[("before", last)]));
    let all = ("all".to_owned(), tr.t("task-state-all"));
    let named = TaskState::ALL
        .map(|state| (state.as_str().to_owned(), tr.t(&format!("task-states-{}", state.as_str()))));
    let kinds =
        TaskKind::ALL.map(|kind| (kind.as_str().to_owned(), tr.t(&format!("task-kinds-{}", kind.as_str()))));
    let any = (String::new(), tr.t("task-kind-all"));
    let page = Tasks {
        frame: ui.frame(tr.t("page-tasks")),
        states: Choice::list(named.into_iter().chain([all]), in_state),
        kinds: Choice::list([any].into_iter().chain(kinds), of_kind),
        narrowed: ui.asked("state").is_some() || filter.kind.is_some(),
        tasks: rows.into_iter().map(|row| Task::new(tr, row, &names)).collect(),
        next,
        note_max: NOTE_MAX,
        here: ui.with(&[]).split_once('?').map(|(_, query)| query.to_owned()).unwrap_or_default(),
        tr,
    };
    Ok(Html(page.render()?))
}

/// `GET /tasks/{call}`: one task, as mails name it.
pub(super) async fn one(ui: Ui, State(state): State<WebState>, Path(call): Path<String>) -> Answer {
    ui.only(Role::Quality)?;
    let call: CallId = call.parse().map_err(|_| ui.nothing())?;
    let row = ui.seen(state.results().task_card(&ui.viewer, call).await)?.ok_or_else(|| ui.nothing())?;
    let names = names(&ui, &state).await?;
    let page = Tasks {
        frame: ui.frame(ui.tr.t("page-tasks")),
        states: Vec::new(),
        kinds: Vec::new(),
        narrowed: false,
        tasks: vec![Task::new(ui.tr, row, &names)],
        next: None,
        note_max: NOTE_MAX,
        here: "state=all".to_owned(),
        tr: ui.tr,
    };
    Ok(Html(page.render()?))
}

/// `POST /tasks/{call}`: its state, its note.
pub(super) async fn change(
    ui: Ui,
    State(state): State<WebState>,
    Path(call): Path<String>,
    Form(given): Form<Given>,
) -> Result<Redirect, Refusal> {
    ui.only(Role::Quality)?;
    let call: CallId = call.parse().map_err(|_| ui.nothing())?;
    let new = match given.state.as_str() {
        "" => None,
        name => Some(state_of(name).ok_or_else(|| ui.nothing())?),
    };
    // Browsers send the line breaks of a text field as CR LF.
    let note = given.note.replace("\r\n", "\n").trim().to_owned();
    let changed = state.results().change_task(&ui.viewer, call, (new, Some(note)), |_| None).await;
    changed.map_err(|error| match error {
        ChangeError::View(error) => match ui.seen(Err::<(), _>(error)) {
            Err(refusal) => refusal,
            Ok(()) => ui.nothing(),
        },
        ChangeError::NoTask => ui.nothing(),
        ChangeError::Closed => ui.wrong(&ui.tr.t("task-is-closed")),
        ChangeError::Note => ui.wrong(&ui.tr.x("task-note-long", NOTE_MAX)),
    })?;
    let list = format!("/tasks?{}", given.query);
    let list = if local_address(&list) && !given.query.is_empty() { list.as_str() } else { "/tasks" };
    Ok(Redirect::to(&format!("{list}#task-{call}")))
}

/// `POST /tasks/{call}/number`: the number to call, for a reason.
pub(super) async fn number(
    ui: Ui,
    State(state): State<WebState>,
    Path(call): Path<String>,
    Form(why): Form<Why>,
) -> Answer {
    ui.only(Role::Quality)?;
    let call: CallId = call.parse().map_err(|_| ui.nothing())?;
    let reason: Reason = why.reason.parse().map_err(|error: ReasonError| ui.wrong(&error.to_string()))?;
    let number = ui.seen(state.results().task_number(&ui.viewer, call, &reason).await)?;
    let number = number.ok_or_else(|| ui.wrong(&ui.tr.t("task-number-gone")))?;
    let frame = ui.frame(ui.tr.t("task-number"));
    Ok(Html(Number { frame, tr: ui.tr, number: number.expose().to_owned() }.render()?))
}
