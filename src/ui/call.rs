//! One call: its story, and what was said in it. Every look wants a reason, which is kept.

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse as _, Response};
use serde::Deserialize;

use super::calls::{Row, row};
use super::frame::{Answer, Frame, Refusal, Ui};
use super::sound;
use super::timeline::Timeline;
use super::words::Tongue;
use crate::domain::{CallId, Fact, HeardWord, RecordingId, Role};
use crate::store::rules::Reason;
use crate::store::wav;
use crate::story::{seconds, tell};
use crate::web::WebState;

/// The reason to look at one call.
#[derive(Deserialize)]
pub(super) struct Why {
    #[serde(default)]
    reason: String,
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
#[template(path = "ask_call.html", config = "src/ui/askama.toml")]
struct AskCall {
    frame: Frame,
    tr: Tongue,
    call: String,
    fault: Option<String>,
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

/// A reason that was sent; what is wrong with it, in the reader's words.
pub(super) fn reason(ui: &Ui, text: &str) -> Result<Reason, String> {
    text.parse().map_err(|_: crate::store::rules::ReasonError| ui.tr.t("reason-wrong"))
}

fn asked(ui: &Ui, call: CallId, fault: Option<String>) -> Answer {
    let frame = ui.frame(ui.tr.t("one-call"));
    Ok(Html(AskCall { frame, tr: ui.tr, call: call.to_string(), fault }.render()?))
}

/// `GET /calls/{call}`: asks for a reason.
pub(super) async fn ask_one(ui: Ui, Path(call): Path<String>) -> Answer {
    ui.only(Role::Quality)?;
    let call: CallId = call.parse().map_err(|_| ui.nothing())?;
    asked(&ui, call, None)
}

/// `POST /calls/{call}`: its story, for a reason.
pub(super) async fn one(
    ui: Ui,
    State(state): State<WebState>,
    Path(call): Path<String>,
    Form(why): Form<Why>,
) -> Result<Response, Refusal> {
    ui.only(Role::Quality)?;
    let call: CallId = call.parse().map_err(|_| ui.nothing())?;
    let reason = match reason(&ui, &why.reason) {
        Ok(reason) => reason,
        Err(fault) => return Ok((StatusCode::BAD_REQUEST, asked(&ui, call, Some(fault))?).into_response()),
    };
    let detail =
        ui.seen(state.results().call(&ui.viewer, call, &reason).await)?.ok_or_else(|| ui.nothing())?;
    let tr = ui.tr;
    let line = |entry| match detail.story.first() {
        Some(first) => [seconds(entry, first), tell(&entry.fact)],
        None => [String::new(), String::new()],
    };
    let recording = |fact: &Fact| match fact {
        Fact::Comment { question, recording, .. } => Some((*recording, tr.x("comment-at", question))),
        Fact::Heard { question, recording: Some(recording), .. }
        | Fact::Deaf { question, recording: Some(recording), .. } => {
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
    Ok(Html(page.render()?).into_response())
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
