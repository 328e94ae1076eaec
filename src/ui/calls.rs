//! Single calls, for the role of quality. Every look wants a reason, which is kept.

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{Html, IntoResponse as _, Response};
use serde::Deserialize;

use super::board::answer;
use super::export;
use super::frame::{Answer, Frame, Refusal, Ui};
use super::sound;
use super::timeline::Timeline;
use super::words::{Tongue, moment};
use crate::domain::{CallId, Fact, HeardWord, Period, RecordingId, Role, midnight_us};
use crate::store::rules::Reason;
use crate::store::{CallFilter, CallSummary, wav};
use crate::story::{seconds, tell};
use crate::web::WebState;
use crate::web::csv::guard;

/// What the form sends.
#[derive(Default, Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    period: String,
    #[serde(default)]
    agent: String,
    #[serde(default)]
    queue: String,
    #[serde(default)]
    survey: String,
    #[serde(default)]
    reason: String,
    /// `csv` for a file.
    #[serde(default, rename = "as")]
    form: String,
}

/// The reason to look at one call.
#[derive(Deserialize)]
pub(super) struct Why {
    #[serde(default)]
    reason: String,
}

struct Row {
    id: String,
    at: String,
    agent: String,
    queue: String,
    survey: String,
    origin: String,
    outcome: String,
    answers: String,
}

/// Something that the caller said: to be heard, and to be read where it was written down.
struct Said {
    id: String,
    label: String,
    words: Vec<Word>,
    erased: bool,
    key_words: String,
}

/// One word, and how sure the recogniser was.
pub(super) struct Word {
    pub(super) word: String,
    pub(super) sure: String,
    pub(super) unsure: bool,
}

impl Word {
    pub(super) fn new(tr: Tongue, word: &HeardWord) -> Self {
        Self {
            sure: format!("{}\u{a0}%", tr.number(f64::from(word.confidence_pm) / 10.0, 0)),
            unsure: word.confidence_pm < UNSURE_PM,
            word: word.word.clone(),
        }
    }
}

/// Below this confidence, in thousandths, a word is marked.
const UNSURE_PM: u16 = 600;

#[derive(Template)]
#[template(path = "calls.html", config = "src/ui/askama.toml")]
struct Calls<'a> {
    frame: Frame,
    tr: Tongue,
    wanted: &'a Wanted,
    surveys: Vec<(String, bool)>,
    rows: Option<Vec<Row>>,
}

#[derive(Template)]
#[template(path = "ask_call.html", config = "src/ui/askama.toml")]
struct AskCall {
    frame: Frame,
    tr: Tongue,
    call: String,
}

#[derive(Template)]
#[template(path = "call.html", config = "src/ui/askama.toml")]
struct Call {
    frame: Frame,
    tr: Tongue,
    row: Row,
    facts: Vec<[String; 2]>,
    timeline: Timeline,
    /// Each event with all its technical detail, in English as on the command line.
    log: Vec<[String; 2]>,
    said: Vec<Said>,
}

fn row(tr: Tongue, call: &CallSummary) -> Row {
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "\u{2013}".to_owned());
    let named = |prefix: &str, text: &Option<String>| match text {
        Some(name) => tr.t(&format!("{prefix}-{name}")),
        None => "\u{2013}".to_owned(),
    };
    let answers: Vec<String> = call.answers.split_whitespace().map(|value| answer(tr, value)).collect();
    Row {
        id: call.id.to_string(),
        at: moment(call.offered_us),
        agent: known(&call.agent),
        queue: known(&call.queue),
        survey: known(&call.survey),
        origin: named("origin", &call.origin),
        outcome: named("disposition", &call.disposition),
        answers: answers.join(" \u{b7} "),
    }
}

pub(super) fn reason(ui: &Ui, text: &str) -> Result<Reason, Refusal> {
    text.parse().map_err(|error: crate::store::rules::ReasonError| ui.wrong(&error.to_string()))
}

fn listing(ui: &Ui, wanted: &Wanted, rows: Option<Vec<Row>>) -> Answer {
    let surveys = ui.surveys().iter().map(|survey| (survey.to_string(), survey.as_str() == wanted.survey));
    let frame = ui.frame(ui.tr.t("page-calls"));
    let page = Calls { frame, tr: ui.tr, surveys: surveys.collect(), wanted, rows };
    Ok(Html(page.render()?))
}

/// `GET /calls`: the form.
pub(super) async fn ask(ui: Ui) -> Answer {
    ui.only(Role::Quality)?;
    let wanted = Wanted { period: ui.period().to_string(), ..Wanted::default() };
    listing(&ui, &wanted, None)
}

/// `POST /calls`: the list, for a reason.
pub(super) async fn list(
    ui: Ui,
    State(state): State<WebState>,
    Form(wanted): Form<Wanted>,
) -> Result<Response, Refusal> {
    ui.only(Role::Quality)?;
    let reason = reason(&ui, &wanted.reason)?;
    let named = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
    let period: Period = match named(&wanted.period) {
        Some(text) => {
            text.parse().map_err(|error: crate::domain::PeriodError| ui.wrong(&error.to_string()))?
        }
        None => ui.period(),
    };
    let wrong = |error: crate::domain::IdError| ui.wrong(&error.to_string());
    let filter = CallFilter {
        from_us: midnight_us(period.first_day()),
        to_us: midnight_us(period.next().first_day()),
        agent: named(&wanted.agent).map(|text| text.parse()).transpose().map_err(wrong)?,
        queue: named(&wanted.queue).map(|text| text.parse()).transpose().map_err(wrong)?,
        survey: named(&wanted.survey).map(|text| text.parse()).transpose().map_err(wrong)?,
        latest_first: true,
        limit: Some(200),
        ..CallFilter::default()
    };
    let calls = ui.seen(state.results().calls(&ui.viewer, &filter, &reason).await)?;
    let rows: Vec<Row> = calls.iter().map(|call| row(ui.tr, call)).collect();
    if wanted.form == "csv" {
        let head = ["id", "offered_utc", "agent", "queue", "survey", "origin", "disposition", "answers"];
        let head = head.map(str::to_owned).to_vec();
        let rows = std::iter::once(head).chain(calls.iter().map(cells)).collect();
        return export::file(&ui, &state, ("calls", period.to_string()), rows).await;
    }
    Ok(listing(&ui, &wanted, Some(rows))?.into_response())
}

/// A call as a row of a file: names as they are stored, in no language.
fn cells(call: &CallSummary) -> Vec<String> {
    let known = |text: &Option<String>| guard(text.as_deref().unwrap_or_default());
    vec![
        call.id.to_string(),
        moment(call.offered_us),
        known(&call.agent),
        known(&call.queue),
        known(&call.survey),
        known(&call.origin),
        known(&call.disposition),
        guard(&call.answers),
    ]
}

/// `GET /calls/{call}`: asks for a reason.
pub(super) async fn ask_one(ui: Ui, Path(call): Path<String>) -> Answer {
    ui.only(Role::Quality)?;
    let call: CallId = call.parse().map_err(|_| ui.nothing())?;
    let frame = ui.frame(ui.tr.t("one-call"));
    Ok(Html(AskCall { frame, tr: ui.tr, call: call.to_string() }.render()?))
}

/// `POST /calls/{call}`: its story, for a reason.
pub(super) async fn one(
    ui: Ui,
    State(state): State<WebState>,
    Path(call): Path<String>,
    Form(why): Form<Why>,
) -> Answer {
    ui.only(Role::Quality)?;
    let call: CallId = call.parse().map_err(|_| ui.nothing())?;
    let reason = reason(&ui, &why.reason)?;
    let detail =
        ui.seen(state.results().call(&ui.viewer, call, &reason).await)?.ok_or_else(|| ui.nothing())?;
    let tr = ui.tr;
    let line = |entry| match detail.story.first() {
        Some(first) => [seconds(entry, first), tell(&entry.fact)],
        None => [String::new(), String::new()],
    };
    let recording = |fact: &Fact| match fact {
        Fact::Comment { question, recording, .. } => Some((*recording, tr.x("comment-at", question))),
        Fact::Heard { question, recording: Some(recording), .. } => {
            Some((*recording, tr.x("heard-at", question)))
        }
        _ => None,
    };
    let said = |(id, label): (RecordingId, String)| {
        let text = detail.comments.iter().find(|comment| comment.recording == id);
        let words = text.and_then(|text| text.words.as_ref());
        Said {
            id: id.0.to_string(),
            label,
            erased: text.is_some() && words.is_none(),
            words: words
                .map(|words| words.iter().map(|word| Word::new(tr, word)).collect())
                .unwrap_or_default(),
            key_words: text.map(|text| text.key_words.join(", ")).unwrap_or_default(),
        }
    };
    state.reasons.keep(ui.viewer.user, call, reason, tokio::time::Instant::now().into_std());
    let summary = &detail.summary;
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "\u{2013}".to_owned());
    let page = Call {
        frame: ui.frame(tr.t("one-call")),
        row: row(tr, summary),
        facts: vec![
            [tr.t("col-ref"), known(&summary.call_ref)],
            [tr.t("col-trunk"), known(&summary.trunk)],
            [tr.t("col-codec"), known(&summary.codec)],
            [tr.t("col-language"), known(&summary.language)],
        ],
        timeline: Timeline::of(tr, &detail.story),
        log: detail.story.iter().map(line).collect(),
        said: detail.story.iter().filter_map(|entry| recording(&entry.fact)).map(said).collect(),
        tr,
    };
    Ok(Html(page.render()?))
}

/// `GET /calls/{call}/recordings/{recording}`: its audio, for the reason that the page of its call was opened for.
pub(super) async fn recording(
    ui: Ui,
    State(state): State<WebState>,
    Path((call, recording)): Path<(String, uuid::Uuid)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    ui.only(Role::Quality)?;
    let call: CallId = call.parse().map_err(|_| ui.nothing())?;
    let now = tokio::time::Instant::now().into_std();
    let reason = state.reasons.of(ui.viewer.user, call, now);
    let reason = reason.ok_or_else(|| ui.forbidden(&ui.tr.t("reason-over")))?;
    let heard = state.results().recording(&ui.viewer, call, RecordingId(recording), &reason).await;
    let samples = ui.seen(heard)?.ok_or_else(|| ui.nothing())?;
    let audio = wav(&samples).map_err(|error| ui.broken(&error))?;
    Ok(sound::wav(&headers, audio))
}
