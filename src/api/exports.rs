//! All responses of a filter as a file: CSV, NDJSON, XLSX.

use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum_extra::extract::{Query, QueryRejection};

use super::Problem;
use super::auth::Bearer;
use super::responses::{Held, Wanted, note};
use crate::access::Scope;
use crate::store::{CallFilter, Response as Stored};
use crate::web::csv::Style;
use crate::web::exports::{self, Columns};
use crate::web::{SheetError, WebState, XLSX, sheet_chunks, write_sheet};

/// Exports responses as CSV (RFC 4180), streamed. After the columns of the call there is one for each question that
/// was answered in that time, `answer.` and its name: a number for ratings, `true` or `false` for yes and no, the label
/// of a choice. Cells that a spreadsheet would take for a formula begin with `'`. For an Excel that expects semicolons and
/// takes a file without a byte order mark for another encoding: `separator=semicolon&bom=true`.
#[utoipa::path(
    get, path = "/api/v1/exports/responses.csv", tag = "responses", params(Wanted), security(("token" = ["responses:read"])),
    responses((status = 200, content_type = "text/csv", body = String), super::ReadProblems)
)]
pub(super) async fn csv(
    State(state): State<WebState>,
    bearer: Bearer,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Problem> {
    let style = match &wanted {
        Ok(Query(wanted)) => wanted.style(),
        Err(_) => Style::default(),
    };
    let filter = begin(&state, &bearer, wanted, Form::Csv).await?;
    Ok(exports::csv_file(&state.parts, filter, "responses.csv", style).await?)
}

/// Exports responses as one JSON object a line, each as in the list of responses, streamed.
#[utoipa::path(
    get, path = "/api/v1/exports/responses.ndjson", tag = "responses", params(Wanted), security(("token" = ["responses:read"])),
    responses((status = 200, content_type = "application/x-ndjson", body = String), super::ReadProblems)
)]
pub(super) async fn ndjson(
    State(state): State<WebState>,
    bearer: Bearer,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Problem> {
    let filter = begin(&state, &bearer, wanted, Form::Other).await?;
    let rows = exports::pages(&state.parts, filter);
    let kind = "application/x-ndjson";
    Ok(exports::text(tokio_stream::empty(), rows, json_lines, kind, "responses.ndjson"))
}

/// Exports responses as a spreadsheet (Office Open XML), as many sheets as its million rows a sheet ask for, with the
/// columns of the CSV file: numbers, truth values and times (UTC) as such. It is put together on disk, a page at a
/// time, and sent when it is whole. Texts are as they came: their cells
/// have that type, so none is a formula.
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
    let filter = begin(&state, &bearer, wanted, Form::Other).await?;
    let columns = Columns::of(&state.parts, &filter).await?;
    let rows = exports::pages(&state.parts, filter);
    let file = write_sheet(columns, rows, state.parts.store.scratch().to_owned()).await?;
    let named = "attachment; filename=\"responses.xlsx\"";
    let body = Body::from_stream(sheet_chunks(file));
    Ok(([(header::CONTENT_TYPE, XLSX), (header::CONTENT_DISPOSITION, named)], body).into_response())
}

/// What form an export has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Csv,
    Other,
}

impl From<SheetError> for Problem {
    fn from(cause: SheetError) -> Self {
        match cause {
            SheetError::Busy => {
                let detail = "other spreadsheets are being made; CSV can be had at once".to_owned();
                Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
            }
            SheetError::Failed(_) => {
                tracing::error!("{cause}");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, None)
            }
        }
    }
}

/// What is asked for, once it may be had and is on record.
async fn begin(
    state: &WebState,
    bearer: &Bearer,
    wanted: Result<Query<Wanted>, QueryRejection>,
    form: Form,
) -> Result<CallFilter, Problem> {
    bearer.may(Scope::Responses)?;
    let Query(wanted) = wanted.map_err(|error| Problem::wrong(error.to_string()))?;
    if form != Form::Csv {
        wanted.no_style()?;
    }
    let filter = wanted.filter()?;
    note(state, bearer, "api export", wanted.described()).await?;
    Ok(filter)
}

fn json_lines(page: Vec<Stored>) -> Result<Vec<u8>, serde_json::Error> {
    let mut lines = Vec::new();
    for response in page {
        serde_json::to_writer(&mut lines, &Held::from(response))?;
        lines.push(b'\n');
    }
    Ok(lines)
}
