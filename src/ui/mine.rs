//! An agent's own results.

use askama::Template;
use axum::extract::State;
use axum::response::Html;
use jiff::Timestamp;

use super::board::{ScoreView, answer};
use super::frame::{Answer, Frame, Ui};
use super::goals::Goals;
use super::words::{Tongue, spoken};
use crate::domain::Origin;
use crate::store::rules::Whose;
use crate::web::WebState;

struct WeekView {
    title: String,
    scores: Vec<ScoreView>,
    questions: Vec<String>,
    responses: Vec<Vec<String>>,
}

#[derive(Template)]
#[template(path = "mine.html", config = "src/ui/askama.toml")]
struct Mine {
    frame: Frame,
    tr: Tongue,
    agent: String,
    weeks: Vec<WeekView>,
    delay: u8,
    batch: usize,
    /// Said above trial calls.
    trials: Option<String>,
}

/// `/my-weeks`.
pub(super) async fn page(ui: Ui, State(state): State<WebState>) -> Answer {
    let whose = if ui.origin() == Origin::Test { Whose::Trials } else { Whose::Callers };
    let view = ui.seen(state.results().my_weeks(&ui.viewer, whose, Timestamp::now()).await)?;
    let tr = ui.tr;
    let week = |week: &crate::store::rules::AgentWeek| {
        let asked = week.figures.iter().map(|score| &score.question);
        let values = |response: &crate::store::rules::AnonymousResponse| {
            let one = |question| response.answers.get(question).map(|value| answer(tr, value));
            asked.clone().map(|question| one(question).unwrap_or_else(|| "\u{2013}".into())).collect()
        };
        WeekView {
            title: if week.since == week.week {
                week.week.to_string()
            } else {
                format!("{} \u{2013} {}", week.since, week.week)
            },
            scores: week.figures.iter().map(|score| ScoreView::new(tr, score, &Goals::default())).collect(),
            responses: week.responses.iter().map(values).collect(),
            questions: asked.clone().map(|question| spoken(tr, question.as_str())).collect(),
        }
    };
    let live = state.parts.live.load();
    let page = Mine {
        frame: ui.frame(tr.t("page-my-weeks")),
        agent: view.agent.to_string(),
        weeks: view.weeks.iter().map(week).collect(),
        delay: live.config.policy.agent_delay_weeks,
        batch: live.config.policy.agent_batch_min,
        trials: (whose == Whose::Trials).then(|| tr.t("note-test")),
        tr,
    };
    Ok(Html(page.render()?))
}
