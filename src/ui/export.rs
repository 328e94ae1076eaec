//! Tables as files for spreadsheets: CSV (RFC 4180) and XLSX.

use axum::http::header;
use axum::response::{IntoResponse as _, Response};

use super::frame::{Refusal, Ui};
use super::words::Tongue;
use crate::scoring::FigureName;
use crate::store::Note;
use crate::store::rules::{Board, Cell as Shown};
use crate::web::csv::{Separator, Style};
use crate::web::exports::Cell;
use crate::web::{WebState, XLSX, small_sheet};

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Csv,
    Xlsx,
}

/// How files for people are written: with a mark by which Excel knows UTF-8, and parted as it expects it where the
/// reader's language writes decimals with a comma.
pub(super) fn style(tr: Tongue) -> Style {
    let separator = if tr.has_decimal_comma() { Separator::Semicolon } else { Separator::Comma };
    Style { separator, bom: true }
}

/// A file of rows, the first of them the head; who takes it away is on record first.
pub(super) async fn file(
    ui: &Ui,
    state: &WebState,
    (name, scope): (&str, String),
    form: Form,
    rows: Vec<Vec<Cell>>,
) -> Result<Response, Refusal> {
    let note = Note::of(&ui.viewer, "export", format!("{name} {scope}"), "");
    state.parts.store.note(note).await.map_err(|cause| ui.broken(&cause))?;
    let (body, kind, ending) = match form {
        Form::Csv => {
            let style = style(ui.tr);
            let rows = rows.into_iter().map(|row| row.into_iter().map(Cell::plain).collect::<Vec<_>>());
            let text = style.lines(rows).map_err(|cause| ui.broken(&cause))?;
            ([style.head(), text].concat(), "text/csv; charset=utf-8", "csv")
        }
        Form::Xlsx => (small_sheet(rows).map_err(|cause| ui.broken(&cause))?, XLSX, "xlsx"),
    };
    let named = format!("attachment; filename=\"{name}.{ending}\"");
    Ok(([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, named)], body)
        .into_response())
}

/// The heads of the columns of boards.
pub(super) fn heads(first: &[&str], figures: &[FigureName]) -> Vec<Cell> {
    let of = |figure: &FigureName| ["", "_low", "_high", "_n"].map(|end| format!("{}{end}", figure.as_str()));
    let counts = ["offered", "responded"].map(str::to_owned);
    let first = first.iter().map(|name| (*name).to_owned());
    first.chain(counts).chain(figures.iter().flat_map(of)).map(Cell::Text).collect()
}

/// One board as a row: what it is of, its calls, and each figure with its interval; nothing where there are too few.
pub(super) fn row(first: &[String], figures: &[FigureName], board: &Board) -> Vec<Cell> {
    let count = |n: u64| Cell::Number(i64::try_from(n).unwrap_or(i64::MAX));
    let funnel = &board.responses.funnel;
    let figure = |figure: &FigureName| match board.scores.iter().find_map(|score| score.figures.get(figure)) {
        Some(Shown::Shown(of)) => {
            [Cell::Decimal(of.value), Cell::Decimal(of.low), Cell::Decimal(of.high), count(of.n)]
        }
        Some(Shown::TooFew) | None => [const { Cell::Empty }; 4],
    };
    let counts = [count(funnel.offered), count(funnel.responded)];
    first
        .iter()
        .map(|text| Cell::Text(text.clone()))
        .chain(counts)
        .chain(figures.iter().flat_map(figure))
        .collect()
}
