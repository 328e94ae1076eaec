//! The calls that run now, as they change. How far they have come is shown, and nothing that depends on an
//! answer.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{Html, Response};
use jiff::Timestamp;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::WatchStream;
use tracing::error;

use super::frame::{Answer, Frame, Refusal, Ui};
use super::live;
use super::words::Tongue;
use crate::domain::Viewer;
use crate::store::rules::RunningSurvey;
use crate::web::WebState;

/// Calls on the page; more are only counted.
const ROWS_MAX: usize = 100;

struct Row {
    agent: String,
    queue: String,
    survey: String,
    origin: String,
    progress: String,
    since: String,
}

#[derive(Template)]
#[template(path = "running_rows.html", config = "src/ui/askama.toml")]
struct Rows {
    tr: Tongue,
    rows: Vec<Row>,
    all: usize,
}

#[derive(Template)]
#[template(path = "running.html", config = "src/ui/askama.toml")]
struct Running {
    frame: Frame,
    tr: Tongue,
    rows: String,
}

/// The calls of the viewer's teams.
fn rows(tr: Tongue, viewer: &Viewer, state: &WebState) -> Rows {
    let calls = state.results().running(viewer, state.parts.running.snapshot());
    let dash = || "\u{2013}".to_owned();
    let now = Timestamp::now();
    let row = |call: &RunningSurvey| Row {
        agent: call.agent.as_ref().map_or_else(dash, ToString::to_string),
        queue: call.queue.as_ref().map_or_else(dash, ToString::to_string),
        survey: call.survey.to_string(),
        origin: tr.t(&format!("origin-{}", call.origin.as_str())),
        progress: tr.t(&format!("progress-{}", call.progress.as_str())),
        since: format!("{}\u{a0}s", now.duration_since(call.since).as_secs().max(0)),
    };
    Rows { tr, rows: calls.iter().take(ROWS_MAX).map(row).collect(), all: calls.len() }
}

/// `/running`.
pub(super) async fn page(ui: Ui, State(state): State<WebState>) -> Answer {
    ui.seen(state.results().watch_running(&ui.viewer).await)?;
    let rows = rows(ui.tr, &ui.viewer, &state).render()?;
    Ok(Html(Running { frame: ui.frame(ui.tr.t("page-running")), tr: ui.tr, rows }.render()?))
}

/// `/running/stream`: the table again whenever something has changed.
pub(super) async fn stream(ui: Ui, State(state): State<WebState>) -> Result<Response, Refusal> {
    ui.seen(state.results().watch_running(&ui.viewer).await)?; // On record with the page, unless it was left open.
    let teams: Vec<String> = ui.viewer.teams.iter().map(ToString::to_string).collect();
    let key = format!("running {} {}", ui.tr.code(), teams.join(" "));
    let (tr, viewer, mut changes) = (ui.tr, Arc::new(ui.viewer.clone()), state.running.clone());
    changes.mark_unchanged();
    let first = rows(tr, &viewer, &state).render().map(Arc::from).ok();
    let of = state.clone();
    let texts = WatchStream::from_changes(changes).then(move |version| {
        let (state, viewer, key) = (of.clone(), Arc::clone(&viewer), key.clone());
        async move {
            // Made once for all of the same teams.
            let make = || async { rows(tr, &viewer, &state).render() };
            let failed = |cause: &askama::Error| error!("The calls that run could not be shown: {cause}");
            state.fragments.get(key, version, make).await.inspect_err(failed).ok()
        }
    });
    Ok(live::parts(&ui, &state, tokio_stream::once(first).chain(texts)))
}
