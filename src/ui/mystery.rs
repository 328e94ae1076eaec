//! Mystery and trial calls, beside what customers say of the same agents.

use askama::Template;
use axum::extract::State;
use axum::response::Html;

use super::agents::heads;
use super::board::{self, Asked, TableCell};
use super::filters::{Origins, Surveys};
use super::frame::{Answer, Frame, Ui};
use super::words::Tongue;
use crate::web::WebState;

struct Row {
    agent: String,
    origin: String,
    calls: u64,
    cells: Vec<(TableCell, TableCell)>,
}

#[derive(Template)]
#[template(path = "mystery.html", config = "src/ui/askama.toml")]
struct Mystery {
    frame: Frame,
    tr: Tongue,
    heads: Vec<String>,
    rows: Vec<Row>,
}

/// `/mystery`.
pub(super) async fn page(ui: Ui, State(state): State<WebState>) -> Answer {
    let view = ui.seen(state.results().mystery(&ui.viewer, ui.period()).await)?;
    let tr = ui.tr;
    let figures = board::headlines(view.rows.iter().map(|row| row.board.scores.as_slice()));
    let asked = Asked::of(&state.parts.live.load().surveys);
    let row = |row: &crate::store::rules::MysteryRow| Row {
        agent: row.agent.as_ref().map_or_else(|| tr.t("no-agent"), ToString::to_string),
        origin: tr.t(&format!("origin-{}", row.origin.as_str())),
        calls: row.board.responses.funnel.offered,
        cells: figures
            .iter()
            .map(|figure| {
                let own = asked.cell(tr, &row.board.scores, &row.board.responses, *figure);
                (own, asked.cell(tr, &row.customers, &row.customer_calls, *figure))
            })
            .collect(),
    };
    let page = Mystery {
        frame: ui.framed(tr.t("page-mystery"), Surveys::None, Origins::Fixed),
        heads: heads(tr, &figures),
        rows: view.rows.iter().map(row).collect(),
        tr,
    };
    Ok(Html(page.render()?))
}
