//! The whole centre, as it changes.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{Html, Response};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::WatchStream;
use tracing::error;

use super::board::{self, BesideView, BoardView};
use super::filters::{Origins, Surveys};
use super::frame::{Answer, Frame, Refusal, Ui};
use super::goals::{GoalRow, Goals};
use super::live;
use super::trends::{self, ChartView};
use super::words::Tongue;
use crate::store::rules::{Overview, OverviewWatch};
use crate::web::WebState;

#[derive(Template)]
#[template(path = "overview.html", config = "src/ui/askama.toml")]
struct Page {
    frame: Frame,
    tr: Tongue,
    scores: String,
    live: String,
    goals: Vec<GoalRow>,
    here: String,
}

/// What changes while the page is open.
#[derive(Template)]
#[template(path = "overview_scores.html", config = "src/ui/askama.toml")]
struct Scores {
    tr: Tongue,
    board: BoardView,
    days: Vec<ChartView>,
    trends: Vec<ChartView>,
    beside: Vec<BesideView>,
}

impl Scores {
    fn new(tr: Tongue, view: &Overview, goals: &Goals) -> Self {
        Self {
            board: BoardView::new(tr, &view.board, goals),
            days: trends::by_day(tr, &view.days, goals),
            trends: trends::by_week(tr, &view.weeks, goals),
            beside: board::beside(tr, &view.beside),
            tr,
        }
    }
}

/// `/overview`.
pub(super) async fn page(ui: Ui, State(state): State<WebState>) -> Answer {
    let view = ui.seen(state.results().overview(&ui.viewer, ui.slice()).await)?;
    let (tr, goals) = (ui.tr, Goals::of(&ui, &state).await?);
    let page = Page {
        frame: ui.framed(tr.t("page-overview"), Surveys::Any, Origins::Any),
        scores: Scores::new(tr, &view, &goals).render()?,
        live: ui.to("/overview/stream"),
        goals: if ui.viewer.teams.is_empty() { goals.rows(tr) } else { Vec::new() },
        here: ui.to("/overview"),
        tr,
    };
    Ok(Html(page.render()?))
}

/// `/overview/stream`: the scores again when they have changed.
pub(super) async fn stream(ui: Ui, State(state): State<WebState>) -> Result<Response, Refusal> {
    let watch = ui.seen(state.results().watch_overview(&ui.viewer, ui.slice()).await)?;
    let key = format!("{} {}", ui.tr.code(), ui.to("/overview"));
    let (tr, of, changes) = (ui.tr, state.clone(), state.aggregates.clone());
    let made = move |version| {
        let (state, watch, key) = (of.clone(), watch.clone(), key.clone());
        async move { scores(&state, &watch, tr, key, version).await }
    };
    // What is there now comes first, since the page may be older. What others were shown before the last change, of which
    // they may not have been told yet, would be older than the page.
    let version = *state.parts.store.changes().borrow();
    let first = made(version).await;
    let texts = tokio_stream::once(first).chain(WatchStream::from_changes(changes).then(made));
    Ok(live::parts(&ui, &state, texts))
}

/// Made once for all who watch the same.
async fn scores(
    state: &WebState,
    watch: &OverviewWatch,
    tr: Tongue,
    key: String,
    version: u64,
) -> Option<Arc<str>> {
    let make = || async {
        let results = state.results(); // Those of now: the policy may be another one than at the start.
        let view = results.watched(watch).await.map_err(|cause| cause.to_string())?;
        let goals = results.watched_goals(watch).await.map_err(|cause| cause.to_string())?;
        let goals = goals.into_iter().collect();
        Scores::new(tr, &view, &goals).render().map_err(|cause| cause.to_string())
    };
    let failed = |cause: &String| error!("An open overview could not be brought up to date: {cause}");
    state.fragments.get(key, version, make).await.inspect_err(failed).ok()
}
