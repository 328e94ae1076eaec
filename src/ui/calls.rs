//! The list of single calls, for the role of quality. What is looked for stands in the address, so that a list is a
//! link; why somebody looks is sent apart from it, and kept.

use askama::Template;
use axum::Form;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use serde::Deserialize;

use super::board::answer;
use super::call::reason;
use super::export;
use super::filters::{Choice, Filters, Origins, Surveys};
use super::frame::{Answer, Frame, Refusal, Ui};
use super::words::{Tongue, moment};
use crate::domain::{CallId, Disposition, IdError, Origin, Period, Role, midnight_us};
use crate::store::{CallFilter, CallSummary, Note};
use crate::web::exports::Columns;
use crate::web::{self, WebState, cut, exports};

/// Calls on a page.
const PAGE: u32 = 200;

/// What the form sends.
#[derive(Default, Deserialize)]
pub(super) struct Why {
    #[serde(default)]
    reason: String,
    /// `csv` for a file.
    #[serde(default, rename = "as")]
    form: String,
}

/// A field of the filter as it was filled in, and what is wrong with it.
#[derive(Default)]
struct Field {
    value: String,
    fault: Option<String>,
}

pub(super) struct Row {
    pub(super) id: String,
    pub(super) at: String,
    pub(super) call_ref: String,
    pub(super) agent: String,
    pub(super) queue: String,
    pub(super) survey: String,
    pub(super) origin: String,
    pub(super) outcome: String,
    pub(super) answers: String,
}

/// The filter of the address, as the form shows it.
struct Asked {
    filter: CallFilter,
    period: Field,
    agent: Field,
    queue: Field,
    call_ref: Field,
    origins: Vec<Choice>,
    outcomes: Vec<Choice>,
}

/// What was found.
struct Found {
    rows: Vec<Row>,
    /// The address of the next page.
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "calls.html", config = "src/ui/askama.toml")]
struct Calls<'a> {
    frame: Frame,
    tr: Tongue,
    filters: Filters,
    asked: &'a Asked,
    /// The address of this page, to which the reason is sent.
    here: String,
    reason: &'a str,
    fault: Option<String>,
    found: Option<Found>,
}

impl Asked {
    /// Reads the address. What is wrong in it is told at its field.
    fn of(ui: &Ui) -> Self {
        let mut filter = CallFilter { latest_first: true, ..CallFilter::default() };
        let mut period = Field::of(ui, "period");
        let days = match period.value.parse::<Period>() {
            Ok(days) => days,
            Err(_) => {
                period.fault = (!period.value.is_empty()).then(|| ui.tr.x("period-wrong", &period.value));
                ui.period()
            }
        };
        filter.from_us = midnight_us(days.first_day());
        filter.to_us = midnight_us(days.next().first_day());
        let (mut agent, mut queue, mut call_ref) =
            (Field::of(ui, "agent"), Field::of(ui, "queue"), Field::of(ui, "ref"));
        filter.agent = agent.read(ui);
        filter.queue = queue.read(ui);
        filter.call_ref = call_ref.read(ui);
        filter.survey = ui.survey();
        filter.origin = Origin::ALL.into_iter().find(|one| ui.asked("origin") == Some(one.as_str()));
        filter.disposition =
            Disposition::ALL.into_iter().find(|one| ui.asked("outcome") == Some(one.as_str()));
        filter.after = ui.asked("after").and_then(|text| text.parse::<CallId>().ok());
        let choices = |any: &str, prefix: &str, all: Vec<&str>, chosen: Option<&str>| {
            let named = all.into_iter().map(|name| (name.to_owned(), ui.tr.t(&format!("{prefix}-{name}"))));
            let any = (String::new(), ui.tr.t(any));
            Choice::list([any].into_iter().chain(named), chosen.unwrap_or_default())
        };
        let (origin, outcome) =
            (filter.origin.map(Origin::as_str), filter.disposition.map(Disposition::as_str));
        Self {
            origins: choices("any-origin", "origin", Origin::ALL.map(Origin::as_str).to_vec(), origin),
            outcomes: choices(
                "any-outcome",
                "disposition",
                Disposition::ALL.map(Disposition::as_str).to_vec(),
                outcome,
            ),
            filter,
            period,
            agent,
            queue,
            call_ref,
        }
    }

    fn is_wrong(&self) -> bool {
        [&self.period, &self.agent, &self.queue, &self.call_ref].iter().any(|field| field.fault.is_some())
    }
}

impl Field {
    fn of(ui: &Ui, name: &str) -> Self {
        Self { value: ui.asked(name).unwrap_or_default().to_owned(), fault: None }
    }

    fn read<T: std::str::FromStr<Err = IdError>>(&mut self, ui: &Ui) -> Option<T> {
        if self.value.is_empty() {
            return None;
        }
        let read = self.value.parse();
        if read.is_err() {
            self.fault = Some(ui.tr.t("name-wrong"));
        }
        read.ok()
    }
}

/// A call as lists show it.
pub(super) fn row(tr: Tongue, call: &CallSummary) -> Row {
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "\u{2013}".to_owned());
    let named = |prefix: &str, text: &Option<String>| match text {
        Some(name) => tr.t(&format!("{prefix}-{name}")),
        None => "\u{2013}".to_owned(),
    };
    let answers: Vec<String> = call.answers.split_whitespace().map(|value| answer(tr, value)).collect();
    Row {
        id: call.id.to_string(),
        at: moment(call.offered_us),
        call_ref: known(&call.call_ref),
        agent: known(&call.agent),
        queue: known(&call.queue),
        survey: known(&call.survey),
        origin: named("origin", &call.origin),
        outcome: named("disposition", &call.disposition),
        answers: answers.join(" \u{b7} "),
    }
}

fn listing(ui: &Ui, asked: &Asked, (reason, fault): (&str, Option<String>), found: Option<Found>) -> Answer {
    let mut frame = ui.framed(ui.tr.t("page-calls"), Surveys::Any, Origins::Fixed);
    let filters = frame.filters.take().ok_or_else(|| ui.nothing())?;
    let page = Calls { frame, tr: ui.tr, filters, asked, here: ui.with(&[]), reason, fault, found };
    Ok(Html(page.render()?))
}

/// `GET /calls`: the form, filled in as the address says.
pub(super) async fn ask(ui: Ui) -> Result<Response, Refusal> {
    ui.only(Role::Quality)?;
    let asked = Asked::of(&ui);
    let status = if asked.is_wrong() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Ok((status, listing(&ui, &asked, ("", None), None)?).into_response())
}

/// `POST /calls`: the list that the address asks for, for a reason.
pub(super) async fn list(
    ui: Ui,
    State(state): State<WebState>,
    Form(why): Form<Why>,
) -> Result<Response, Refusal> {
    ui.only(Role::Quality)?;
    let asked = Asked::of(&ui);
    let reason = reason(&ui, &why.reason);
    let (Ok(reason), false) = (&reason, asked.is_wrong()) else {
        let page = listing(&ui, &asked, (&why.reason, reason.err()), None)?;
        return Ok((StatusCode::BAD_REQUEST, page).into_response());
    };
    let results = state.results();
    if why.form == "csv" || why.form == "xlsx" {
        let filter = CallFilter { latest_first: false, after: None, ..asked.filter };
        let scope = ui.seen(results.calls_may_go(&ui.viewer, &filter, reason).await)?;
        let note = Note::of(&ui.viewer, "export", format!("calls {scope}"), reason.as_str());
        state.parts.store.note(note).await.map_err(|cause| ui.broken(&cause))?;
        if why.form == "xlsx" {
            return sheet(&ui, &state, filter).await;
        }
        let file = exports::csv_file(&state.parts, filter, "calls.csv", export::style(ui.tr)).await;
        return file.map_err(|cause| ui.broken(&cause));
    }
    let filter = CallFilter { limit: Some(PAGE + 1), ..asked.filter.clone() };
    let mut calls = ui.seen(results.calls(&ui.viewer, &filter, reason).await)?;
    let more = cut(&mut calls, PAGE);
    let last = calls.last().filter(|_| more);
    let next = last.map(|call| ui.with(&[("after", Some(call.id.to_string()))]));
    let found = Found { rows: calls.iter().map(|call| row(ui.tr, call)).collect(), next };
    Ok(listing(&ui, &asked, (&why.reason, None), Some(found))?.into_response())
}

/// All calls of a filter as a spreadsheet.
async fn sheet(ui: &Ui, state: &WebState, filter: CallFilter) -> Result<Response, Refusal> {
    let columns = Columns::of(&state.parts, &filter).await.map_err(|cause| ui.broken(&cause))?;
    let rows = exports::pages(&state.parts, filter);
    let file = web::write_sheet(columns, rows, state.parts.store.scratch().to_owned()).await;
    let body = Body::from_stream(web::sheet_chunks(file.map_err(|cause| ui.broken(&cause))?));
    let named = "attachment; filename=\"calls.xlsx\"";
    Ok(([(header::CONTENT_TYPE, web::XLSX), (header::CONTENT_DISPOSITION, named)], body).into_response())
}
