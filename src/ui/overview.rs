//! The whole centre, and why callers found it hard.

use askama::Template;
use axum::extract::State;
use axum::response::Html;

use super::board::{self, BesideView, BoardView, ChartView, ReasonsView};
use super::frame::{Answer, Frame, Origins, Surveys, Ui};
use super::words::Tongue;
use crate::web::WebState;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
    tr: Tongue,
    board: BoardView,
    trends: Vec<ChartView>,
    beside: Vec<BesideView>,
}

#[derive(Template)]
#[template(path = "why.html")]
struct Why {
    frame: Frame,
    tr: Tongue,
    reasons: Vec<ReasonsView>,
}

/// `/overview`.
pub(super) async fn page(ui: Ui, State(state): State<WebState>) -> Answer {
    let view = ui.seen(state.results().overview(&ui.viewer, ui.slice()).await)?;
    let tr = ui.tr;
    let page = Overview {
        frame: ui.framed(tr.t("page-overview"), Surveys::Any, Origins::Any),
        board: BoardView::new(tr, &view.board),
        trends: board::trends(tr, &view.weeks),
        beside: board::beside(tr, &view.beside),
        tr,
    };
    Ok(Html(page.render()?))
}

/// `/why`.
pub(super) async fn why(ui: Ui, State(state): State<WebState>) -> Answer {
    let view = ui.seen(state.results().why(&ui.viewer, ui.slice()).await)?;
    let tr = ui.tr;
    let reasons = board::reasons(tr, &view.questions);
    let page = Why { frame: ui.framed(tr.t("page-why"), Surveys::Any, Origins::Any), reasons, tr };
    Ok(Html(page.render()?))
}
