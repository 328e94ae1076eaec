//! The way through one survey: what callers did at each question.

use askama::Template;
use axum::extract::State;
use axum::response::Html;

use super::board;
use super::charts;
use super::figures::percent;
use super::filters::{Origins, Surveys};
use super::frame::{Answer, Frame, Ui};
use super::words::{Tongue, spoken};
use crate::dialogue::{Operator, Question, Survey};
use crate::store::rules::{Slice, Step};
use crate::web::WebState;

struct StepView {
    question: String,
    /// When alone it is asked.
    when: String,
    heard: String,
    bar: String,
    answered: String,
    by_key: String,
    by_voice: String,
    asked_again: String,
    no_input: String,
    no_match: String,
    left: String,
    left_share: String,
    took: String,
}

#[derive(Template)]
#[template(path = "journey.html", config = "src/ui/askama.toml")]
struct Journey {
    frame: Frame,
    tr: Tongue,
    steps: Vec<StepView>,
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn step(tr: Tongue, step: &Step, most: u64, survey: Option<&Survey>) -> StepView {
    let by_voice = step.by_voice + step.by_voice_confirmed;
    let answers = step.by_key + by_voice + step.comments;
    let took = if answers == 0 { 0.0 } else { step.took_ms as f64 / answers as f64 / 1000.0 };
    StepView {
        question: spoken(tr, &step.question),
        when: question(survey, &step.question).and_then(|of| of.when.as_ref()).map_or_else(
            String::new,
            |when| {
                let (asked, value) =
                    (spoken(tr, when.question.as_str()), board::answer(tr, &when.value.to_string()));
                tr.x("journey-when", format!("{asked} {} {value}", sign(when.operator)))
            },
        ),
        heard: tr.count(step.heard),
        bar: charts::bar(if most == 0 { 0.0 } else { step.heard as f64 / most as f64 }),
        answered: percent(tr, answers, step.heard),
        by_key: tr.count(step.by_key),
        by_voice: tr.count(by_voice),
        asked_again: tr.count(step.asked_again),
        no_input: tr.count(step.no_input),
        no_match: tr.count(step.no_match),
        left: tr.count(step.left + step.refused),
        left_share: percent(tr, step.left + step.refused, step.heard),
        took: if answers == 0 { "\u{2013}".into() } else { format!("{}\u{a0}s", tr.number(took, 1)) },
    }
}

/// Where a question stands in a survey.
fn place(survey: Option<&Survey>, name: &str) -> usize {
    let place = survey.and_then(|survey| survey.questions().iter().position(|of| of.id.as_str() == name));
    place.unwrap_or(usize::MAX)
}

fn question<'s>(survey: Option<&'s Survey>, name: &str) -> Option<&'s Question> {
    survey?.questions().iter().find(|of| of.id.as_str() == name)
}

fn sign(operator: Operator) -> &'static str {
    match operator {
        Operator::Equal => "=",
        Operator::NotEqual => "\u{2260}",
        Operator::Less => "<",
        Operator::AtMost => "\u{2264}",
        Operator::Greater => ">",
        Operator::AtLeast => "\u{2265}",
    }
}

/// `/journey`.
pub(super) async fn page(mut ui: Ui, State(state): State<WebState>) -> Answer {
    if ui.survey().is_none() {
        let busiest = ui.seen(state.results().busiest_survey(&ui.viewer, ui.slice()).await)?;
        ui.show(busiest);
    }
    let survey = ui.one_survey().ok_or_else(|| ui.nothing())?;
    let view =
        ui.seen(state.results().journey(&ui.viewer, Slice { survey: Some(&survey), ..ui.slice() }).await)?;
    let tr = ui.tr;
    let most = view.steps.iter().map(|step| step.heard).max().unwrap_or_default();
    let surveys = &state.parts.live.load().surveys;
    let held = surveys.get(&survey).map(AsRef::as_ref);
    let mut steps = view.steps;
    // In the order of the survey as it is now; what it does not ask any more comes last.
    steps.sort_by_key(|step| place(held, &step.question));
    let steps = steps.iter().map(|one| step(tr, one, most, held)).collect();
    let page = Journey { frame: ui.framed(tr.t("page-journey"), Surveys::One, Origins::Any), steps, tr };
    Ok(Html(page.render()?))
}
