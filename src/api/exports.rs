//! All responses of a filter as a file: CSV, NDJSON, XLSX.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::{Query, QueryRejection};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::auth::Bearer;
use super::responses::{Held, Wanted, note};
use super::{Problem, xlsx};
use crate::access::Scope;
use crate::call::Shared;
use crate::store::{CallFilter, StoreError};
use crate::web::WebState;
use crate::web::csv::{guard, lines as csv_of};

/// The columns of tables.
pub(super) const COLUMNS: [&str; 10] =
    ["id", "offered", "call_ref", "agent", "queue", "survey", "version", "origin", "disposition", "answers"];
/// Rows read at once.
const PAGE: u32 = 2000;
/// Chunks that may wait for a slow reader.
pub(super) const CHUNKS_MAX: usize = 4;

/// Writes rows of a page as text.
type Write = fn(&[Held]) -> Result<Vec<u8>, csv::Error>;

/// Exports responses as CSV (RFC 4180), streamed. Cells that a spreadsheet would take for a formula begin with `'`.
#[utoipa::path(
    get, path = "/api/v1/exports/responses.csv", tag = "responses", params(Wanted), security(("token" = ["responses:read"])),
    responses((status = 200, content_type = "text/csv", body = String), super::ReadProblems)
)]
pub(super) async fn csv(
    State(state): State<WebState>,
    bearer: Bearer,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Problem> {
    let header = format!("{}\r\n", COLUMNS.join(","));
    text(&state, &bearer, wanted, "text/csv; charset=utf-8", header, csv_lines).await
}

/// Exports responses as one JSON object a line, streamed.
#[utoipa::path(
    get, path = "/api/v1/exports/responses.ndjson", tag = "responses", params(Wanted), security(("token" = ["responses:read"])),
    responses((status = 200, content_type = "application/x-ndjson", body = String), super::ReadProblems)
)]
pub(super) async fn ndjson(
    State(state): State<WebState>,
    bearer: Bearer,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Problem> {
    text(&state, &bearer, wanted, "application/x-ndjson", String::new(), json_lines).await
}

/// Exports responses as a spreadsheet (Office Open XML), as many sheets as its million rows a sheet ask for. It is put
/// together on disk, a page at a time, and sent when it is whole. Cells are guarded as in the CSV file.
#[utoipa::path(
    get, path = "/api/v1/exports/responses.xlsx", tag = "responses", params(Wanted), security(("token" = ["responses:read"])),
    responses(
        (status = 200, content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", body = String),
        (status = 503, description = "Other spreadsheets are being made", body = Problem),
        super::ReadProblems
    )
)]
pub(super) async fn xlsx(
    State(state): State<WebState>,
    bearer: Bearer,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Problem> {
    let rows = begin(&state, &bearer, wanted, "api export").await?;
    let file = xlsx::write(rows, state.parts.store.scratch().to_owned()).await?;
    let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    let named = "attachment; filename=\"responses.xlsx\"";
    let body = Body::from_stream(xlsx::chunks(file));
    Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, named)], body).into_response())
}

/// Rows of an export, page after page, no faster than they are taken: memory does not grow with the export.
async fn begin(
    state: &WebState,
    bearer: &Bearer,
    wanted: Result<Query<Wanted>, QueryRejection>,
    what: &'static str,
) -> Result<mpsc::Receiver<Result<Vec<Held>, StoreError>>, Problem> {
    bearer.may(Scope::Responses)?;
    let Query(wanted) = wanted.map_err(|error| Problem::wrong(error.to_string()))?;
    let filter = wanted.filter()?;
    note(state, bearer, what, &wanted).await?;
    let (pages, rows) = mpsc::channel(CHUNKS_MAX);
    let parts = Arc::clone(&state.parts);
    tokio::spawn(async move {
        if let Err(cause) = read(&parts, filter, &pages).await {
            tracing::error!(%cause, "An export was cut off");
            // Who has left needs no word of it.
            pages.send(Err(cause)).await.ok();
        }
    });
    Ok(rows)
}

/// Reads page after page. While calls run it rests after each for as long as that took: whoever exports can wait, and
/// cores that are never idle wake late for audio, whatever its priority.
async fn read(
    parts: &Shared,
    mut filter: CallFilter,
    pages: &mpsc::Sender<Result<Vec<Held>, StoreError>>,
) -> Result<(), StoreError> {
    filter.limit = Some(PAGE);
    loop {
        let began = Instant::now();
        let calls = parts.store.views().calls(&filter).await?;
        let took = began.elapsed();
        let full = calls.len() == PAGE as usize;
        filter.after = calls.last().map(|call| call.id);
        let page: Vec<Held> = calls.into_iter().map(Held::from).collect();
        if !page.is_empty() && pages.send(Ok(page)).await.is_err() {
            return Ok(()); // The reader has left.
        }
        if !full {
            return Ok(());
        }
        if parts.running.count() > 0 {
            tokio::time::sleep(took).await;
        }
    }
}

/// An export as text. A fault on the way cuts the connection, so that nobody takes a part for the whole.
async fn text(
    state: &WebState,
    bearer: &Bearer,
    wanted: Result<Query<Wanted>, QueryRejection>,
    kind: &'static str,
    head: String,
    lines: Write,
) -> Result<Response, Problem> {
    let rows = begin(state, bearer, wanted, "api export").await?;
    let head = tokio_stream::once(Ok::<_, axum::BoxError>(Bytes::from(head)));
    let pages = ReceiverStream::new(rows).map(move |page| Ok(Bytes::from(lines(&page?)?)));
    let body = Body::from_stream(head.chain(pages));
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}

/// A row's cells as tables have them.
pub(super) fn cells(call: &Held) -> [String; 10] {
    let version = call.version.map(|version| version.to_string());
    let answers = call.answers.join(" ");
    let cells = [
        Some(call.id.as_str()),
        Some(call.offered.as_str()),
        call.call_ref.as_deref(),
        call.agent.as_deref(),
        call.queue.as_deref(),
        call.survey.as_deref(),
        version.as_deref(),
        call.origin.as_deref(),
        call.disposition.as_deref(),
        Some(answers.as_str()),
    ];
    cells.map(|cell| guard(cell.unwrap_or_default()))
}

fn csv_lines(page: &[Held]) -> Result<Vec<u8>, csv::Error> {
    csv_of(page.iter().map(cells))
}

fn json_lines(page: &[Held]) -> Result<Vec<u8>, csv::Error> {
    let mut lines = Vec::new();
    for call in page {
        serde_json::to_writer(&mut lines, call).map_err(std::io::Error::from)?;
        lines.push(b'\n');
    }
    Ok(lines)
}
