//! A survey as callers meet it: its prompts to hear, and its questions to go through with a keypad on the screen.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{Html, Redirect, Response};

use askama::Template;

use super::filters::Choice;
use super::frame::{Answer, Frame, Refusal, Ui, encoded};
use super::rehearsal::{Part, Rehearsal, Step};
use super::sound;
use super::words::{Tongue, spoken};
use crate::dialogue::{Form, Survey, VoicePrompts, language_prompt};
use crate::domain::{Language, PromptName, Role};
use crate::prompts::Library;
use crate::store::wav;
use crate::web::WebState;

/// Who may go through surveys: everybody who has to do with what callers hear.
const ROLES: [Role; 3] = [Role::Supervisor, Role::Quality, Role::Admin];
/// Prompts in one piece of sound.
const JOINED_MAX: usize = 20;

/// Something to be heard.
struct Sound {
    name: String,
    text: String,
    language: String,
    address: String,
    seconds: String,
}

/// One line of the conversation.
enum Line {
    Heard(Sound),
    Did(String),
}

#[derive(Template)]
#[template(path = "preview.html", config = "src/ui/askama.toml")]
struct Preview {
    frame: Frame,
    tr: Tongue,
    action: String,
    surveys: Vec<Choice>,
    languages: Vec<Choice>,
    language: String,
    title: String,
    lines: Vec<Line>,
    /// What is heard last is to be heard first.
    open: Option<String>,
    over: Option<String>,
    keys: String,
    back: Option<String>,
    again: String,
    facts: Vec<String>,
    prompts: Vec<Sound>,
}

/// The keys of a telephone, by rows.
const PAD: [[char; 3]; 4] = [['1', '2', '3'], ['4', '5', '6'], ['7', '8', '9'], ['*', '0', '#']];

/// Prompts as one piece of sound; those that the library does not hold are left out.
fn sound(tr: Tongue, library: &Library, language: &Language, names: &[PromptName]) -> Sound {
    let prompts: Vec<_> = names.iter().filter_map(|name| library.get(language, name.as_str())).collect();
    let seconds: f64 = prompts.iter().map(|prompt| prompt.duration().as_secs_f64()).sum();
    let text: Vec<&str> = prompts.iter().map(|prompt| prompt.text()).collect();
    let named: Vec<&str> = names.iter().map(PromptName::as_str).collect();
    Sound {
        name: named.join(", "),
        text: text.join(" "),
        language: language.to_string(),
        address: format!("/preview/sound/{}/{}", encoded(language.as_str()), encoded(&named.join(","))),
        seconds: format!("{}\u{a0}s", tr.number(seconds, 1)),
    }
}

/// Every prompt that a survey may play in a language, in the order of the survey.
fn prompts(survey: &Survey) -> Vec<PromptName> {
    let form = match &survey.form {
        Form::Questions(form) => form,
        Form::PlayForever(prompt) => return vec![prompt.clone()],
        Form::SignallingOnly => return Vec::new(),
    };
    let mut all: Vec<PromptName> = form.greeting.iter().cloned().collect();
    if survey.ask_language {
        all.extend((1..=survey.languages.len()).map(language_prompt));
    }
    for question in &form.questions {
        all.extend(question.prompts.iter().cloned());
        all.extend([question.no_input.clone(), question.no_match.clone()]);
        all.extend(question.voice.iter().flat_map(|voice| voice.said.iter().map(|(_, name)| name.clone())));
    }
    if let Some(VoicePrompts { greeting, heard, confirm, no_match, use_keys }) = &form.voice {
        all.extend(greeting.iter().chain([heard, confirm, no_match, use_keys]).cloned());
    }
    all.extend([form.thanks.clone(), form.goodbye.clone(), form.sorry.clone()]);
    let mut seen = std::collections::HashSet::new();
    all.retain(|name| seen.insert(name.clone()));
    all
}

/// `GET /preview`: the first survey.
pub(super) async fn first(ui: Ui) -> Result<Redirect, Refusal> {
    ui.one_of(&ROLES)?;
    let survey = ui.one_survey().ok_or_else(|| ui.nothing())?;
    Ok(Redirect::to(&format!("/preview/{}", encoded(survey.as_str()))))
}

/// `GET /preview/{survey}`: as far as the keys of the address lead.
pub(super) async fn page(ui: Ui, State(state): State<WebState>, Path(name): Path<String>) -> Answer {
    ui.one_of(&ROLES)?;
    let (tr, live) = (ui.tr, state.parts.live.load_full());
    // The form asks by name, so that choosing another survey needs no script.
    let name = ui.asked("of").unwrap_or(&name);
    let survey = name.parse().ok().and_then(|id| live.surveys.get(&id)).ok_or_else(|| ui.nothing())?;
    let asked = ui.asked("in").and_then(|text| survey.languages.iter().find(|one| one.as_str() == text));
    let language = asked.or(if survey.ask_language { None } else { survey.languages.first() });
    let keys: String =
        ui.asked("keys").unwrap_or_default().chars().take(super::rehearsal::STEPS_MAX).collect();
    let now = tokio::time::Instant::now().into_std();
    let rehearsal = Rehearsal::of(survey, language, &Step::read(&keys), now);
    let line = |part: &Part| match part {
        Part::Heard(language, names) => Line::Heard(sound(tr, &live.prompts, language, names)),
        Part::Did(Step::Press(digit)) => Line::Did(tr.x("preview-pressed", digit.as_char())),
        Part::Did(Step::Wait) => Line::Did(tr.t("preview-waited")),
    };
    let here = format!("/preview/{}", encoded(survey.id.as_str()));
    let with = |keys: &str| {
        let language = language.map(|language| format!("in={}&", encoded(language.as_str())));
        format!("{here}?{}keys={}", language.unwrap_or_default(), encoded(keys))
    };
    let mut before = keys.clone();
    let back = before.pop().map(|_| with(&before));
    let spoken_in = language.or(survey.languages.first());
    let listed = |language: &Language| {
        prompts(survey)
            .iter()
            .map(|name| sound(tr, &live.prompts, language, std::slice::from_ref(name)))
            .collect()
    };
    let not_known = survey.ask_language.then(|| (String::new(), tr.t("preview-ask")));
    let languages = survey.languages.iter().map(|one| (one.to_string(), one.to_string()));
    let surveys =
        live.surveys.iter().map(|one| (one.id.to_string(), format!("{} \u{2013} {}", one.id, one.title)));
    let page = Preview {
        frame: ui.frame(tr.t("page-preview")),
        surveys: Choice::list(surveys, survey.id.as_str()),
        languages: Choice::list(
            not_known.into_iter().chain(languages),
            language.map(Language::as_str).unwrap_or_default(),
        ),
        language: language.map(ToString::to_string).unwrap_or_default(),
        title: survey.title.clone(),
        lines: rehearsal.parts.iter().map(line).collect(),
        open: rehearsal.open.as_ref().map(|question| spoken(tr, question.as_str())),
        over: rehearsal.over.map(|outcome| tr.t(&format!("disposition-{}", outcome.disposition.as_str()))),
        back,
        again: with(""),
        facts: rehearsal.facts,
        prompts: spoken_in.map(listed).unwrap_or_default(),
        action: here,
        keys,
        tr,
    };
    Ok(Html(page.render()?))
}

/// `GET /preview/sound/{language}/{prompts}`: prompts one after the other, as callers hear them.
pub(super) async fn sound_of(
    ui: Ui,
    State(state): State<WebState>,
    Path((language, names)): Path<(Language, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    ui.one_of(&ROLES)?;
    let live = state.parts.live.load_full();
    let mut samples = Vec::new();
    for name in names.split(',').take(JOINED_MAX) {
        let prompt = live.prompts.get(&language, name).ok_or_else(|| ui.nothing())?;
        samples.extend(prompt.samples());
    }
    let audio = wav(&samples).map_err(|error| ui.broken(&error))?;
    Ok(sound::wav(&headers, audio))
}
