//! How the service is doing, for those who keep it running. No results are here.

use askama::Template;
use axum::extract::State;
use axum::response::Html;

use super::frame::{Answer, Frame, Ui};
use super::words::Tongue;
use crate::domain::Role;
use crate::store::Health;
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
    trunks: Vec<[String; 3]>,
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
    let trunk = |trunk: &crate::config::TrunkConfig| {
        let sources: Vec<String> = trunk.sources.iter().map(ToString::to_string).collect();
        [
            trunk.name.to_string(),
            sources.join(", "),
            trunk.language.as_ref().map(ToString::to_string).unwrap_or_default(),
        ]
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
        running: state.parts.running.count(),
        calls_max: config.sip.calls_max.to_string(),
        keypad_only: state.ears.none().map(ToString::to_string),
        processes: processes.collect(),
        trunks: config.trunk.iter().map(trunk).collect(),
        surveys: live.surveys.iter().map(|one| survey(one)).collect(),
        tr,
    };
    Ok(Html(page.render()?))
}
