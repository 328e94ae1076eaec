//! Tables as files for spreadsheets (CSV, RFC 4180).

use axum::http::header;
use axum::response::{IntoResponse as _, Response};

use super::frame::{Refusal, Ui};
use crate::scoring::FigureName;
use crate::store::Note;
use crate::store::rules::{Board, Cell};
use crate::web::csv::guard;
use crate::web::{self, WebState};

/// A file of rows; who takes it away is on record first.
pub(super) async fn file(
    ui: &Ui,
    state: &WebState,
    (name, scope): (&str, String),
    rows: Vec<Vec<String>>,
) -> Result<Response, Refusal> {
    let note = Note::of(&ui.viewer, "export", format!("{name} {scope}"), "");
    state.parts.store.note(note).await.map_err(|cause| ui.broken(&cause))?;
    let text = web::csv::lines(rows).map_err(|cause| ui.broken(&cause))?;
    let named = format!("attachment; filename=\"{name}.csv\"");
    let kind = "text/csv; charset=utf-8".to_owned();
    Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, named)], text).into_response())
}

/// The heads of the columns of boards.
pub(super) fn heads(first: &[&str], figures: &[FigureName]) -> Vec<String> {
    let of = |figure: &FigureName| ["", "_low", "_high", "_n"].map(|end| format!("{}{end}", figure.as_str()));
    let counts = ["offered", "responded"].map(str::to_owned);
    first.iter().map(|name| (*name).to_owned()).chain(counts).chain(figures.iter().flat_map(of)).collect()
}

/// One board as a row: what it is of, its calls, and each figure with its interval; nothing where there are too few.
pub(super) fn row(first: &[String], figures: &[FigureName], board: &Board) -> Vec<String> {
    let funnel = &board.responses.funnel;
    let figure = |figure: &FigureName| match board.scores.iter().find_map(|score| score.figures.get(figure)) {
        Some(Cell::Shown(of)) => [
            format!("{:.2}", of.value),
            format!("{:.2}", of.low),
            format!("{:.2}", of.high),
            of.n.to_string(),
        ],
        Some(Cell::TooFew) | None => [const { String::new() }; 4],
    };
    let counts = [funnel.offered.to_string(), funnel.responded.to_string()];
    first.iter().map(|text| guard(text)).chain(counts).chain(figures.iter().flat_map(figure)).collect()
}
