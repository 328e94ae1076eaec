//! Queues: all of them, and one.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{Html, Response};

use super::agents::{Detail, Row, heads};
use super::board::{self, Asked, BoardView};
use super::export::{self, Form};
use super::filters::{Origins, Surveys};
use super::frame::{Answer, Frame, Refusal, Ui, encoded};
use super::goals::Goals;
use super::trends;
use super::words::Tongue;
use crate::store::rules::{Board, QueueName};
use crate::web::WebState;

#[derive(Template)]
#[template(path = "queues.html", config = "src/ui/askama.toml")]
struct Queues {
    frame: Frame,
    tr: Tongue,
    heads: Vec<String>,
    rows: Vec<Row>,
    csv: String,
    xlsx: String,
}

/// `/queues`.
pub(super) async fn list(ui: Ui, State(state): State<WebState>) -> Answer {
    let view = ui.seen(state.results().queues(&ui.viewer, ui.slice()).await)?;
    let tr = ui.tr;
    let figures = board::headlines(view.rows.iter().map(|row| row.board.scores.as_slice()));
    let asked = Asked::of(&state.parts.live.load().surveys);
    let row = |row: &crate::store::rules::QueueRow| {
        let (name, href) = match &row.queue {
            QueueName::Queue(queue) => {
                (queue.to_string(), Some(ui.to(&format!("/queues/{}", encoded(queue.as_str())))))
            }
            QueueName::None => (tr.t("no-queue"), None),
            QueueName::Several => (tr.t("several-queues"), None),
        };
        Row { href, ..Row::new(tr, name, (&figures, &asked), &row.board) }
    };
    let page = Queues {
        frame: ui.framed(tr.t("page-queues"), Surveys::Any, Origins::Any),
        heads: heads(tr, &figures),
        rows: view.rows.iter().map(row).collect(),
        csv: ui.to("/queues.csv"),
        xlsx: ui.to("/queues.xlsx"),
        tr,
    };
    Ok(Html(page.render()?))
}

/// `/queues.csv`: the table as a file.
pub(super) async fn csv(ui: Ui, State(state): State<WebState>) -> Result<Response, Refusal> {
    file(ui, state, Form::Csv).await
}

/// `/queues.xlsx`: the same as a spreadsheet.
pub(super) async fn xlsx(ui: Ui, State(state): State<WebState>) -> Result<Response, Refusal> {
    file(ui, state, Form::Xlsx).await
}

async fn file(ui: Ui, state: WebState, form: Form) -> Result<Response, Refusal> {
    let view = ui.seen(state.results().queues(&ui.viewer, ui.slice()).await)?;
    let figures = board::headlines(view.rows.iter().map(|row| row.board.scores.as_slice()));
    let row = |row: &crate::store::rules::QueueRow| {
        let name = match &row.queue {
            QueueName::Queue(queue) => queue.to_string(),
            QueueName::None => ui.tr.t("no-queue"),
            QueueName::Several => ui.tr.t("several-queues"),
        };
        export::row(&[name], &figures, &row.board)
    };
    let head = export::heads(&["queue"], &figures);
    let rows = std::iter::once(head).chain(view.rows.iter().map(row)).collect();
    export::file(&ui, &state, ("queues", ui.scope()), form, rows).await
}

/// `/queues/{queue}`.
pub(super) async fn one(ui: Ui, State(state): State<WebState>, Path(queue): Path<String>) -> Answer {
    let queue = queue.parse().map_err(|_| ui.nothing())?;
    let view = ui.seen(state.results().queue(&ui.viewer, &queue, ui.slice()).await)?;
    if view.board == Board::default() && view.beside.is_empty() && view.weeks.is_empty() {
        return Err(ui.unknown("unknown-queue", view.queue.as_str(), ("/queues", "page-queues")));
    }
    let (tr, goals) = (ui.tr, Goals::of(&ui, &state).await?);
    let page = Detail {
        frame: ui.framed(view.queue.to_string(), Surveys::Any, Origins::Any),
        under: String::new(),
        back: ui.to("/queues"),
        back_label: tr.t("page-queues"),
        board: BoardView::new(tr, &view.board, &goals),
        controls: Vec::new(),
        trends: trends::by_week(tr, &view.weeks, &goals),
        reasons: board::reasons(tr, &view.choices),
        beside: board::beside(tr, &view.beside),
        tr,
    };
    Ok(Html(page.render()?))
}
