//! The whole centre, as it changes.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::WatchStream;
use tracing::error;

use super::board::{self, BesideView, BoardView};
use super::filters::{Origins, Surveys};
use super::frame::{Answer, Frame, Refusal, Ui};
use super::goals::{GoalRow, Goals};
use super::trends::{self, ChartView};
use super::words::Tongue;
use crate::store::rules::{Overview, OverviewWatch};
use crate::web::{WebState, news};

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
    // Where anything has changed since the start, what is there now comes first: the page may be older.
    let changes = WatchStream::from_changes(state.aggregates.clone());
    let texts = changes.then(move |version| {
        let (state, watch, key) = (state.clone(), watch.clone(), key.clone());
        async move { scores(&state, &watch, ui.tr, key, version).await }
    });
    let events = news(texts);
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
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
        let view = watch.now().await.map_err(|cause| cause.to_string())?;
        let goals = watch.goals().await.map_err(|cause| cause.to_string())?.into_iter().collect();
        Scores::new(tr, &view, &goals).render().map_err(|cause| cause.to_string())
    };
    let failed = |cause: &String| error!("An open overview could not be brought up to date: {cause}");
    state.fragments.get(key, version, make).await.inspect_err(failed).ok()
}
