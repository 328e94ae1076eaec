//! Why callers found it hard: choices and groups of key words for supervisors, single comments for the role of quality.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response};
use serde::Deserialize;

use super::board::{self, Bar, ReasonsView};
use super::call::{self, Word};
use super::filters::{Origins, Surveys};
use super::frame::{Answer, Frame, Refusal, Ui};
use super::words::{Tongue, moment, spoken};
use crate::domain::{RecordingId, Role, Transcription, midnight_us};
use crate::store::CommentFilter;
use crate::store::rules::{CommentDetail, Said};
use crate::web::{WebState, cut};

/// Comments on a page.
const PAGE: u32 = 50;

#[derive(Template)]
#[template(path = "why.html", config = "src/ui/askama.toml")]
struct Why {
    frame: Frame,
    tr: Tongue,
    reasons: Vec<ReasonsView>,
    heard: String,
    words: Vec<Bar>,
}

/// What the form sends.
#[derive(Default, Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    reason: String,
    /// The last comment of the page before.
    #[serde(default)]
    after: String,
}

struct Row {
    call: String,
    at: String,
    agent: String,
    queue: String,
    survey: String,
    question: String,
    length: String,
    words: Vec<Word>,
    /// Why there are no words.
    silent: String,
    key_words: Vec<String>,
}

#[derive(Template)]
#[template(path = "comments.html", config = "src/ui/askama.toml")]
struct Comments {
    frame: Frame,
    tr: Tongue,
    action: String,
    reason: String,
    fault: Option<String>,
    rows: Option<Vec<Row>>,
    next: Option<String>,
}

/// `GET /why`: what this role may see, or the form that asks for a reason.
pub(super) async fn page(ui: Ui, State(state): State<WebState>) -> Answer {
    if ui.viewer.role == Role::Quality {
        return listing(&ui, String::new(), None, None);
    }
    let view = ui.seen(state.results().why(&ui.viewer, ui.slice()).await)?;
    let tr = ui.tr;
    let page = Why {
        frame: ui.framed(tr.t("page-why"), Surveys::Any, Origins::Any),
        reasons: board::reasons(tr, &view.questions),
        heard: heard(tr, &view.said),
        words: board::counts(tr, view.said.words.iter().map(|word| (spoken(tr, &word.word), word.count))),
        tr,
    };
    Ok(Html(page.render()?))
}

fn heard(tr: Tongue, said: &Said) -> String {
    match said {
        Said { comments: 0, .. } => tr.t("said-none"),
        Said { transcribed: false, comments, .. } => tr.x("said-unheard", comments),
        Said { comments, .. } => tr.x("said-heard", comments),
    }
}

/// `POST /why`: comments, for a reason.
pub(super) async fn comments(
    ui: Ui,
    State(state): State<WebState>,
    Form(wanted): Form<Wanted>,
) -> Result<Response, Refusal> {
    ui.only(Role::Quality)?;
    let reason = match call::reason(&ui, &wanted.reason) {
        Ok(reason) => reason,
        Err(fault) => {
            let page = listing(&ui, wanted.reason, Some(fault), None)?;
            return Ok((StatusCode::BAD_REQUEST, page).into_response());
        }
    };
    let after = match wanted.after.as_str() {
        "" => None,
        key => Some(key_of(key).ok_or_else(|| ui.wrong(&ui.tr.t("comments-after")))?),
    };
    let days = ui.period();
    let start = |day| midnight_us(day).unwrap_or(i64::MAX); // The end of the calendar.
    let filter = CommentFilter {
        from_us: start(days.first_day()),
        to_us: start(days.next().first_day()),
        survey: ui.survey(),
        origin: ui.origin(),
        after,
        limit: PAGE + 1,
    };
    let mut found = ui.seen(state.results().comments(&ui.viewer, &filter, &reason).await)?;
    let more = cut(&mut found, PAGE);
    let last = found.last().filter(|_| more).map(|one| &one.row);
    let next = last.map(|row| format!("{}-{}", row.offered_us, row.recording.0));
    let rows = found.iter().map(|one| row(ui.tr, one)).collect();
    Ok(listing(&ui, wanted.reason, None, Some((rows, next)))?.into_response())
}

/// Time and id of the last comment of a page, as the next one is asked for by.
fn key_of(text: &str) -> Option<(i64, RecordingId)> {
    let (at_us, id) = text.split_once('-')?;
    Some((at_us.parse().ok()?, RecordingId(id.parse().ok()?)))
}

fn listing(
    ui: &Ui,
    reason: String,
    fault: Option<String>,
    found: Option<(Vec<Row>, Option<String>)>,
) -> Answer {
    let (rows, next) = found.map_or((None, None), |(rows, next)| (Some(rows), next));
    let frame = ui.framed(ui.tr.t("page-why"), Surveys::Any, Origins::Any);
    let page = Comments { frame, tr: ui.tr, action: ui.with(&[]), reason, fault, rows, next };
    Ok(Html(page.render()?))
}

fn row(tr: Tongue, one: &CommentDetail) -> Row {
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "\u{2013}".to_owned());
    let words = one.text.as_ref().and_then(|text| text.words.as_ref());
    let silent = match (one.row.outcome, words) {
        (Some(Transcription::Done), Some(words)) if words.is_empty() => tr.t("comment-empty"),
        (Some(Transcription::Done), Some(_)) => String::new(),
        (Some(Transcription::Done), None) => tr.t("erased"),
        (Some(Transcription::NoModel), _) => tr.t("comment-no-model"),
        (Some(Transcription::Failed), _) => tr.t("comment-failed"),
        (None, _) => tr.t("comment-waits"),
    };
    Row {
        call: one.row.call.to_string(),
        at: moment(one.row.offered_us),
        agent: known(&one.row.agent),
        queue: known(&one.row.queue),
        survey: one.row.survey.clone(),
        question: spoken(tr, one.row.question.as_str()),
        length: format!("{}\u{a0}s", one.row.length_ms / 1000),
        words: words.map(|words| words.iter().map(|word| Word::new(tr, word)).collect()).unwrap_or_default(),
        silent,
        key_words: one.text.iter().flat_map(|text| &text.key_words).map(|word| spoken(tr, word)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_asked_for_by_time_and_id() {
        let id = uuid::Uuid::now_v7();
        assert_eq!(key_of(&format!("17-{id}")), Some((17, RecordingId(id))));
        assert_eq!((key_of("17"), key_of("17-x"), key_of(&format!("x-{id}"))), (None, None, None));
    }
}
