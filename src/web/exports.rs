//! Single responses as a file of any length: read a page at a time, no faster than they are taken, so that memory does
//! not grow with the file. Who exports is on record before this begins.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse as _, Response as Reply};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::csv::{self, Style};
use crate::call::Shared;
use crate::dialogue::Form;
use crate::domain::{AnswerValue, QuestionKind};
use crate::store::{CallFilter, Response, StoreError};

/// The columns of every table; one for each question follows.
const COLUMNS: [&str; 9] =
    ["id", "offered", "call_ref", "agent", "queue", "survey", "version", "origin", "disposition"];
/// Rows read at once.
const PAGE: u32 = 2000;
/// Chunks that may wait for a slow reader.
pub const CHUNKS_MAX: usize = 4;

/// Rows of an export, page after page.
pub type Pages = mpsc::Receiver<Result<Vec<Response>, StoreError>>;

/// One cell, as what it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing.
    Empty,
    /// A text. Others may have chosen it, so a table must keep it from being a formula.
    Text(String),
    /// A number.
    Number(i64),
    /// A number with two places behind the point.
    Decimal(f64),
    /// Yes (`true`) or no.
    Truth(bool),
    /// A time, in microseconds since 1970 UTC.
    Time(i64),
}

/// The columns of a table of responses.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    questions: Vec<String>,
}

impl Columns {
    /// The columns for a filter: a question has one when it was answered in the filter's time, or belongs to a survey
    /// that was, in the order in which surveys ask.
    ///
    /// # Errors
    /// [`StoreError::Read`].
    pub async fn of(parts: &Shared, filter: &CallFilter) -> Result<Self, StoreError> {
        let answered = parts.store.views().answered_questions(filter).await?;
        let live = parts.live.load();
        let met = |id: &str| answered.iter().any(|(survey, _)| survey == id);
        let surveys = live.surveys.iter().filter(|survey| met(survey.id.as_str()));
        let asked = surveys.flat_map(|survey| match &survey.form {
            Form::Questions(form) => form.questions.as_slice(),
            Form::PlayForever(_) | Form::SignallingOnly => &[],
        });
        // What was said to a comment is no value.
        let asked = asked.filter(|question| question.kind != QuestionKind::Comment);
        let mut questions: Vec<String> = Vec::new();
        let all =
            asked.map(|question| question.id.as_str()).chain(answered.iter().map(|(_, id)| id.as_str()));
        for question in all {
            if !questions.iter().any(|known| known == question) {
                questions.push(question.to_owned());
            }
        }
        Ok(Self { questions })
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let questions = self.questions.iter().map(|question| format!("answer.{question}"));
        COLUMNS.iter().map(|&name| name.to_owned()).chain(questions)
    }

    /// A response's cells.
    pub fn cells(&self, response: &Response) -> impl Iterator<Item = Cell> {
        let call = &response.call;
        let text = |text: &Option<String>| text.clone().map_or(Cell::Empty, Cell::Text);
        let fixed = [
            Cell::Text(call.id.to_string()),
            Cell::Time(call.offered_us),
            text(&call.call_ref),
            text(&call.agent),
            text(&call.queue),
            text(&call.survey),
            call.version.map_or(Cell::Empty, Cell::Number),
            text(&call.origin),
            text(&call.disposition),
        ];
        let answer = |question: &String| {
            let given = response.answers.iter().rfind(|answer| answer.question == *question);
            given.map_or(Cell::Empty, |given| Cell::from(&given.value))
        };
        fixed.into_iter().chain(self.questions.iter().map(answer))
    }
}

impl From<&AnswerValue> for Cell {
    fn from(value: &AnswerValue) -> Self {
        match value {
            AnswerValue::Rating(number) => Self::Number((*number).into()),
            AnswerValue::YesNo(yes) => Self::Truth(*yes),
            AnswerValue::Choice(label) => Self::Text(label.clone()),
        }
    }
}

impl Cell {
    /// As a cell of a CSV file.
    #[must_use]
    pub fn plain(self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) => csv::guard(&text),
            Self::Number(number) => number.to_string(),
            Self::Decimal(number) => format!("{number:.2}"),
            Self::Truth(truth) => truth.to_string(),
            Self::Time(us) => {
                Timestamp::from_microsecond(us).map_or_else(|_| String::new(), |at| at.to_string())
            }
        }
    }
}

/// Reads what a filter names, page after page.
#[must_use]
pub fn pages(parts: &Shared, filter: CallFilter) -> Pages {
    let (pages, rows) = mpsc::channel(CHUNKS_MAX);
    let parts = Arc::clone(parts);
    tokio::spawn(async move {
        if let Err(cause) = read(&parts, filter, &pages).await {
            tracing::error!(%cause, "An export was cut off");
            // Who has left needs no word of it.
            pages.send(Err(cause)).await.ok();
        }
    });
    rows
}

/// Reads page after page. While calls run it rests after each for as long as that took: whoever exports can wait, and
/// cores that are never idle wake late for audio, whatever its priority.
async fn read(
    parts: &Shared,
    mut filter: CallFilter,
    pages: &mpsc::Sender<Result<Vec<Response>, StoreError>>,
) -> Result<(), StoreError> {
    filter.limit = Some(PAGE);
    loop {
        let began = Instant::now();
        let page = parts.store.views().responses(&filter).await?;
        let took = began.elapsed();
        let full = page.len() == PAGE as usize;
        filter.after = page.last().map(|response| response.call.id);
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

/// All responses of a filter as CSV (RFC 4180), to be kept under this name.
///
/// # Errors
/// [`StoreError::Read`].
pub async fn csv_file(
    parts: &Shared,
    filter: CallFilter,
    name: &str,
    style: Style,
) -> Result<Reply, StoreError> {
    let columns = Columns::of(parts, &filter).await?;
    let head = style.lines([columns.names().collect::<Vec<_>>()]).map(|names| [style.head(), names].concat());
    let rows = move |page: Vec<Response>| {
        style.lines(page.iter().map(|response| columns.cells(response).map(Cell::plain).collect::<Vec<_>>()))
    };
    let head = tokio_stream::once(head.map_err(axum::BoxError::from));
    Ok(text(head, pages(parts, filter), rows, "text/csv; charset=utf-8", name))
}

/// Pages as text, after a head. A fault on the way cuts the connection, so that nobody takes a part for the whole.
pub fn text<E: Into<axum::BoxError>>(
    head: impl tokio_stream::Stream<Item = Result<Vec<u8>, axum::BoxError>> + Send + 'static,
    pages: Pages,
    write: impl Fn(Vec<Response>) -> Result<Vec<u8>, E> + Send + 'static,
    kind: &'static str,
    name: &str,
) -> Reply {
    let pages = ReceiverStream::new(pages).map(move |page| write(page?).map_err(Into::into));
    let body = Body::from_stream(head.chain(pages).map(|chunk| chunk.map(Bytes::from)));
    let named = format!("attachment; filename=\"{name}\"");
    ([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, named)], body).into_response()
}
