//! How the service is doing, for those who keep it running. No results are here.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::response::{Html, Redirect};
use serde::Deserialize;

use super::frame::{Answer, Frame, Refusal, Ui};
use super::trunks::{self, Trunk};
use super::words::{Tongue, moment};
use crate::dialogue::Survey;
use crate::domain::Role;
use crate::observe;
use crate::speech::frame::Confined;
use crate::speech::pool::{LanguageState, ProcessState};
use crate::store::rules::LINE_CALLS_MAX;
use crate::store::{Health, MessageFilter, MessageRow, MessageState};
use crate::web::WebState;

struct Process {
    language: String,
    model: String,
    phase: String,
    background: bool,
    streams: usize,
    restarts: u64,
    memory: String,
}

struct Trouble {
    at: String,
    is_error: bool,
    text: String,
}

/// A message that was given up.
struct Message {
    id: String,
    made: String,
    event: String,
    target: String,
    attempts: i64,
    error: String,
    due: String,
}

/// Messages on the page.
const MESSAGES_MAX: u32 = 50;

#[derive(Template)]
#[template(path = "operations.html", config = "src/ui/askama.toml")]
struct Operations {
    frame: Frame,
    tr: Tongue,
    storage: &'static str,
    storage_text: String,
    running: usize,
    calls_max: String,
    keypad_only: Option<String>,
    unconfined: Option<&'static str>,
    processes: Vec<Process>,
    version: &'static str,
    since: String,
    free: Option<String>,
    trunks: Vec<Trunk>,
    of_calls: u32,
    troubles: Vec<Trouble>,
    messages: Vec<Message>,
    waiting: Vec<Message>,
    surveys: Vec<[String; 3]>,
}

/// `/operations`.
pub(super) async fn page(ui: Ui, State(state): State<WebState>) -> Answer {
    ui.only(Role::Admin)?;
    let (tr, live) = (ui.tr, state.parts.live.load_full());
    let config = &live.config;
    let (running, lines) =
        (state.parts.running.snapshot(), ui.seen(state.results().lines(&ui.viewer).await)?);
    let dead = MessageFilter {
        state: Some(MessageState::Dead),
        limit: Some(MESSAGES_MAX),
        ..MessageFilter::default()
    };
    let messages = ui.seen(state.results().messages(&ui.viewer, &dead).await)?;
    let waiting = MessageFilter { state: Some(MessageState::Waiting), ..dead };
    let waiting = ui.seen(state.results().messages(&ui.viewer, &waiting).await)?;
    let storage = match state.parts.store.health() {
        Health::Good => "good",
        Health::Full => "full",
        Health::Failing => "failing",
    };
    let page = Operations {
        frame: ui.frame(tr.t("page-operations")),
        storage,
        storage_text: tr.t(&format!("storage-{storage}")),
        version: env!("CARGO_PKG_VERSION"),
        since: moment(state.started.as_microsecond()),
        free: state.parts.store.free_mib().map(|mib| format!("{} GiB", tr.number(mib as f64 / 1024.0, 1))),
        of_calls: LINE_CALLS_MAX,
        troubles: crate::observe::troubles().into_iter().map(Trouble::from).collect(),
        messages: messages.into_iter().map(Message::from).collect(),
        waiting: waiting.into_iter().map(Message::from).collect(),
        running: running.len(),
        calls_max: config.sip.calls_max.to_string(),
        keypad_only: state.ears.none().map(ToString::to_string),
        unconfined: state.ears.pool.cage().and_then(Confined::not_held),
        processes: state.ears.pool.state().iter().flat_map(processes).collect(),
        trunks: trunks::list(tr, &config.trunk, &running, &lines, &state.metrics.render()),
        surveys: live.surveys.iter().map(|one| survey(one)).collect(),
        tr,
    };
    Ok(Html(page.render()?))
}

fn processes(language: &LanguageState) -> Vec<Process> {
    let of = |process: &ProcessState| Process {
        language: language.language.to_string(),
        model: language.model.clone(),
        phase: process.phase.as_str().to_owned(),
        background: process.background,
        streams: process.streams,
        restarts: process.restarts,
        memory: format!("{} MiB", process.rss_bytes >> 20),
    };
    language.processes.iter().map(of).collect()
}

fn survey(survey: &Survey) -> [String; 3] {
    let languages: Vec<String> = survey.languages.iter().map(ToString::to_string).collect();
    [format!("{} v{}", survey.id, survey.version.0), survey.title.clone(), languages.join(", ")]
}

impl From<observe::Trouble> for Trouble {
    fn from(trouble: observe::Trouble) -> Self {
        Self { at: moment(trouble.at.as_microsecond()), is_error: trouble.is_error, text: trouble.text }
    }
}

impl From<MessageRow> for Message {
    fn from(row: MessageRow) -> Self {
        Self {
            id: row.id.to_string(),
            made: moment(row.made_us),
            event: row.event,
            target: row.target,
            attempts: row.attempts,
            error: row.error,
            due: moment(row.due_us),
        }
    }
}

/// Which message is to be sent again.
#[derive(Deserialize)]
pub(super) struct Again {
    /// Its id; all of them when empty.
    #[serde(default)]
    id: String,
}

/// `POST /operations/replay`: sends again what was given up.
pub(super) async fn replay(
    ui: Ui,
    State(state): State<WebState>,
    Form(again): Form<Again>,
) -> Result<Redirect, Refusal> {
    ui.only(Role::Admin)?;
    let id = match again.id.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| ui.nothing())?),
    };
    ui.seen(state.results().replay(&ui.viewer, id).await)?;
    Ok(Redirect::to("/operations"))
}
