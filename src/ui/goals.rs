//! What figures are measured against: a target, and a benchmark that somebody enters.

use std::collections::BTreeMap;

use axum::Form;
use axum::extract::State;
use axum::response::Redirect;
use serde::Deserialize;

use super::charts::Marks;
use super::figures::{lower_is_good, value};
use super::frame::{Refusal, Ui};
use super::words::Tongue;
use crate::domain::Scale;
use crate::scoring::{Estimate, FigureName};
use crate::store::Goal;
use crate::web::{WebState, local_address};

/// All goals, by figure.
#[derive(Debug, Default)]
pub(super) struct Goals(BTreeMap<FigureName, Goal>);

/// One figure beside its goal.
pub(super) struct GoalView {
    /// The target, and whether it is reached.
    pub(super) target: Option<(String, &'static str)>,
    /// The benchmark, and where it comes from.
    pub(super) benchmark: Option<String>,
}

/// One row of the form.
pub(super) struct GoalRow {
    pub(super) figure: &'static str,
    pub(super) label: String,
    pub(super) target: String,
    pub(super) benchmark: String,
    pub(super) source: String,
}

impl Goals {
    /// Those that the viewer's pages show.
    pub(super) async fn of(ui: &Ui, state: &WebState) -> Result<Self, Refusal> {
        let goals = ui.seen(state.results().goals(&ui.viewer).await)?;
        Ok(goals.into_iter().collect())
    }

    /// The lines across a figure's chart.
    pub(super) fn marks(&self, figure: FigureName) -> Marks {
        let goal = self.0.get(&figure);
        Marks { target: goal.and_then(|goal| goal.target), benchmark: goal.and_then(|goal| goal.benchmark) }
    }

    /// What a figure says of its goal. A target that lies within the interval is neither reached nor missed.
    pub(super) fn view(
        &self,
        tr: Tongue,
        figure: FigureName,
        scale: Option<Scale>,
        of: Option<&Estimate>,
    ) -> Option<GoalView> {
        let goal = self.0.get(&figure)?;
        let target = goal.target.map(|target| {
            let said = tr.x("target-is", value(tr, figure, target));
            let lower = lower_is_good(figure, scale);
            let (verdict, class) = match of {
                Some(of) if (of.low > target && !lower) || (of.high < target && lower) => {
                    (tr.t("target-reached"), "good")
                }
                Some(of) if (of.high < target && !lower) || (of.low > target && lower) => {
                    (tr.t("target-missed"), "bad")
                }
                Some(_) => (tr.t("target-open"), "same"),
                None => return (said, "same"),
            };
            (format!("{said}: {verdict}"), class)
        });
        let source = |goal: &Goal| match goal.source.as_str() {
            "" => String::new(),
            source => format!(" ({source})"),
        };
        let benchmark = goal.benchmark.map(|benchmark| {
            format!("{}{}", tr.x("benchmark-is", value(tr, figure, benchmark)), source(goal))
        });
        (target.is_some() || benchmark.is_some()).then_some(GoalView { target, benchmark })
    }

    /// The form's rows.
    pub(super) fn rows(&self, tr: Tongue) -> Vec<GoalRow> {
        let text = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        let row = |figure: FigureName| {
            let goal = self.0.get(&figure);
            GoalRow {
                figure: figure.as_str(),
                label: tr.t(&format!("figure-{}", figure.as_str())),
                target: text(goal.and_then(|goal| goal.target)),
                benchmark: text(goal.and_then(|goal| goal.benchmark)),
                source: goal.map(|goal| goal.source.clone()).unwrap_or_default(),
            }
        };
        FigureName::ALL.into_iter().map(row).collect()
    }
}

impl FromIterator<Goal> for Goals {
    fn from_iter<I: IntoIterator<Item = Goal>>(goals: I) -> Self {
        Self(goals.into_iter().map(|goal| (goal.figure, goal)).collect())
    }
}

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct Given {
    figure: String,
    #[serde(default)]
    target: String,
    #[serde(default)]
    benchmark: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    next: String,
}

/// `POST /goals`.
pub(super) async fn set(
    ui: Ui,
    State(state): State<WebState>,
    Form(given): Form<Given>,
) -> Result<Redirect, Refusal> {
    let figure = FigureName::ALL.into_iter().find(|figure| figure.as_str() == given.figure);
    let figure = figure.ok_or_else(|| ui.nothing())?;
    let number = |text: &str| match text.trim().replace(',', ".").as_str() {
        "" => Ok(None),
        text => text.parse::<f64>().map(Some).map_err(|_| ui.wrong(&ui.tr.x("goal-number", text))),
    };
    let (target, benchmark) = (number(&given.target)?, number(&given.benchmark)?);
    let goal = Goal::new(figure, target, benchmark, &given.source);
    let goal = goal.map_err(|error| ui.wrong(&error.to_string()))?;
    ui.seen(state.results().set_goal(&ui.viewer, goal).await)?;
    Ok(Redirect::to(if local_address(&given.next) { &given.next } else { "/overview" }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Better;

    #[test]
    fn a_target_within_the_interval_is_neither_reached_nor_missed() {
        let goal = |figure, target, benchmark| Goal::new(figure, Some(target), benchmark, "others").unwrap();
        let goals = [goal(FigureName::Nps, 40.0, Some(31.0)), goal(FigureName::CesMean, 2.0, None)];
        let goals: Goals = goals.into_iter().collect();
        let of = |low, high| Estimate { n: 50, value: (low + high) / 2.0, low, high };
        let class = |figure, scale, low, high| {
            goals.view(Tongue::English, figure, scale, Some(&of(low, high))).unwrap().target.unwrap().1
        };
        assert_eq!(class(FigureName::Nps, None, 41.0, 60.0), "good");
        assert_eq!(class(FigureName::Nps, None, 30.0, 60.0), "same");
        assert_eq!(class(FigureName::Nps, None, 10.0, 39.0), "bad");
        let effort = Some(Scale { min: 1, max: 5, better: Better::Lower });
        assert_eq!(class(FigureName::CesMean, effort, 2.2, 2.6), "bad", "less effort is better");
        assert_eq!(class(FigureName::CesMean, effort, 1.2, 1.6), "good");
        let nps = goals.view(Tongue::English, FigureName::Nps, None, None).unwrap();
        assert_eq!(nps.target.unwrap().0, "Target +40");
        assert_eq!(nps.benchmark.unwrap(), "Benchmark +31 (others)");
        assert!(goals.view(Tongue::English, FigureName::Fcr, None, None).is_none());
    }
}
