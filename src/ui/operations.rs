//! How the service is doing, for those who keep it running. No results are here.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::response::{Html, Redirect};
use serde::Deserialize;

use super::frame::{Answer, Frame, Refusal, Ui};
use super::words::{Tongue, moment};
use crate::domain::Role;
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

struct Trunk {
    name: String,
    sources: String,
    up: usize,
    calls: u32,
    failed: u32,
    loss: String,
    late: u64,
    jitter: String,
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
}

/// Messages on the page.
const MESSAGES_MAX: u32 = 50;

/// Calls and requests that were refused since the start, by what they were told.
fn refused(metrics: &str) -> Vec<[String; 2]> {
    let of = |line: &str| {
        let (labels, count) = line.strip_prefix("aftercall_sip_refused_total{code=\"")?.split_once("\"} ")?;
        Some([labels.to_owned(), count.to_owned()])
    };
    metrics.lines().filter_map(of).collect()
}

#[derive(Template)]
#[template(path = "operations.html")]
struct Operations {
    frame: Frame,
    tr: Tongue,
    storage: &'static str,
    storage_text: String,
    running: usize,
    calls_max: String,
    keypad_only: Option<String>,
    processes: Vec<Process>,
    version: &'static str,
    since: String,
    free: Option<String>,
    refused: Vec<[String; 2]>,
    trunks: Vec<Trunk>,
    of_calls: u32,
    troubles: Vec<Trouble>,
    messages: Vec<Message>,
    surveys: Vec<[String; 3]>,
}

/// `/operations`.
pub(super) async fn page(ui: Ui, State(state): State<WebState>) -> Answer {
    ui.only(Role::Admin)?;
    let (tr, live) = (ui.tr, state.parts.live.load_full());
    let processes = state.ears.pool.state().into_iter().flat_map(|language| {
        let of = move |process: crate::speech::pool::ProcessState| Process {
            language: language.language.to_string(),
            model: language.model.clone(),
            phase: process.phase.as_str().to_owned(),
            background: process.background,
            streams: process.streams,
            restarts: process.restarts,
            memory: format!("{} MiB", process.rss_bytes >> 20),
        };
        language.processes.clone().into_iter().map(of).collect::<Vec<_>>()
    });
    let config = &live.config;
    let (running, lines) =
        (state.parts.running.snapshot(), ui.seen(state.results().lines(&ui.viewer).await)?);
    let trunk = |trunk: &crate::config::TrunkConfig| {
        let sources: Vec<String> = trunk.sources.iter().map(ToString::to_string).collect();
        let line = lines.get(trunk.name.as_str()).cloned().unwrap_or_default();
        let dash = || "\u{2013}".to_owned();
        let jitter = f64::from(line.jitter_us_max) / 1000.0;
        Trunk {
            sources: sources.join(", "),
            up: running.iter().filter(|call| call.trunk == trunk.name).count(),
            loss: line.loss_percent().map_or_else(dash, |loss| format!("{}\u{a0}%", tr.number(loss, 2))),
            jitter: format!("{}\u{a0}ms", tr.number(jitter, 1)),
            name: trunk.name.to_string(),
            calls: line.calls,
            failed: line.failed,
            late: line.late,
        }
    };
    let dead = MessageFilter {
        state: Some(MessageState::Dead),
        limit: Some(MESSAGES_MAX),
        ..MessageFilter::default()
    };
    let messages = ui.seen(state.results().messages(&ui.viewer, &dead).await)?;
    let message = |row: MessageRow| Message {
        id: row.id.to_string(),
        made: moment(row.made_us),
        event: row.event,
        target: row.target,
        attempts: row.attempts,
        error: row.error,
    };
    let trouble = |trouble: crate::observe::Trouble| Trouble {
        at: moment(trouble.at.as_microsecond()),
        is_error: trouble.is_error,
        text: trouble.text,
    };
    let survey = |survey: &crate::dialogue::Survey| {
        let languages: Vec<String> = survey.languages.iter().map(ToString::to_string).collect();
        [format!("{} v{}", survey.id, survey.version.0), survey.title.clone(), languages.join(", ")]
    };
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
        refused: refused(&state.metrics.render()),
        of_calls: LINE_CALLS_MAX,
        troubles: crate::observe::troubles().into_iter().map(trouble).collect(),
        messages: messages.into_iter().map(message).collect(),
        running: running.len(),
        calls_max: config.sip.calls_max.to_string(),
        keypad_only: state.ears.none().map(ToString::to_string),
        processes: processes.collect(),
        trunks: config.trunk.iter().map(trunk).collect(),
        surveys: live.surveys.iter().map(|one| survey(one)).collect(),
        tr,
    };
    Ok(Html(page.render()?))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_read_from_the_metrics() {
        let text = "# TYPE aftercall_sip_refused_total counter\naftercall_sip_refused_total{code=\"503\"} 7\n\
                    aftercall_sip_refused_total{code=\"488\"} 1\naftercall_sip_calls 3\n";
        assert_eq!(refused(text), [["503".to_owned(), "7".to_owned()], ["488".to_owned(), "1".to_owned()]]);
    }
}
