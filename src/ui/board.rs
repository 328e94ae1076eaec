//! Scores and responses as pages show them: every figure with its interval, its number of answers and its change.

use std::collections::BTreeMap;

use super::charts;
use super::figures::{Change, Shown, answered, percent, ratio};
use super::goals::{GoalView, Goals};
use super::words::{Tongue, spoken};
use crate::dialogue::{Survey, SurveySet};
use crate::domain::{Disposition, QuestionKind, Scale, Stage, SurveyId};
use crate::scoring::FigureName;
use crate::store::rules::{Beside, Board, Cell, Reasons, Responses, Score};

/// One figure.
pub(super) struct Tile {
    pub(super) label: String,
    /// `None` when there are too few answers.
    pub(super) shown: Option<Shown>,
    /// What it is measured against.
    pub(super) goal: Option<GoalView>,
}

/// One bar of a distribution or a funnel.
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) count: String,
    pub(super) share: String,
    pub(super) bar: String,
}

/// One question.
pub(super) struct ScoreView {
    /// Its name on the page, by which it stays the same part of it when the page changes.
    pub(super) id: String,
    pub(super) question: String,
    pub(super) kind: String,
    pub(super) n: String,
    pub(super) tiles: Vec<Tile>,
    pub(super) bars: Vec<Bar>,
}

/// A whole board.
pub(super) struct BoardView {
    pub(super) scores: Vec<ScoreView>,
    pub(super) funnel: Vec<Bar>,
    pub(super) outcomes: Vec<Bar>,
    pub(super) response: String,
}

/// An origin beside the sampled ones.
pub(super) struct BesideView {
    pub(super) origin: String,
    pub(super) board: BoardView,
}

impl Tile {
    fn new(tr: Tongue, score: &Score, figure: FigureName, cell: &Cell, goals: &Goals) -> Self {
        let estimate = match cell {
            Cell::TooFew => None,
            Cell::Shown(estimate) => Some(estimate),
        };
        let goal = goals.view(tr, figure, score.scale, estimate);
        let change = score.changes.get(&figure).map(|by| Change::new(tr, figure, score.scale, by));
        let shown = estimate.map(|estimate| {
            Shown::new(tr, figure, score.scale, estimate, change).of_asked(answered(tr, score.n, score.asked))
        });
        Self { label: tr.t(&format!("figure-{}", figure.as_str())), shown, goal }
    }
}

/// A value of an answer as people read it.
pub(super) fn answer(tr: Tongue, value: &str) -> String {
    match value {
        "yes" => tr.t("yes"),
        "no" => tr.t("no"),
        number if number.parse::<i16>().is_ok() => number.to_owned(),
        label => spoken(tr, label),
    }
}

/// Counts as bars of which the longest is full.
pub(super) fn counts(tr: Tongue, counts: impl Iterator<Item = (String, u64)> + Clone) -> Vec<Bar> {
    let most = counts.clone().map(|(_, count)| count).max().unwrap_or_default();
    let bar = |(label, count)| Bar {
        label,
        count: tr.count(count),
        share: String::new(), // A comment may hold several words: shares would add up to anything.
        bar: charts::bar(ratio(count, most)),
    };
    counts.map(bar).collect()
}

fn bars(tr: Tongue, scale: Option<Scale>, counts: &BTreeMap<String, u64>) -> Vec<Bar> {
    let whole = counts.values().sum();
    let bar = |label: String, count: u64| Bar {
        label,
        count: tr.count(count),
        share: percent(tr, count, whole),
        bar: charts::bar(ratio(count, whole)),
    };
    if let Some(scale) = scale {
        let of = |number: i16| counts.get(&number.to_string()).copied().unwrap_or_default();
        return (scale.min..=scale.max).map(|number| bar(number.to_string(), of(number))).collect();
    }
    counts.iter().map(|(value, count)| bar(answer(tr, value), *count)).collect()
}

/// What a question measures, where its name does not say so already.
fn kind(tr: Tongue, name: &str, kind: QuestionKind) -> String {
    let said = tr.t(&format!("kind-{}", kind.as_str()));
    if said.to_lowercase() == name.to_lowercase() { String::new() } else { said }
}

impl ScoreView {
    pub(super) fn new(tr: Tongue, score: &Score, goals: &Goals) -> Self {
        let tile = |(figure, cell): (&FigureName, &Cell)| Tile::new(tr, score, *figure, cell, goals);
        let scale = score.scale.map(|scale| format!("-{}-{}", scale.min, scale.max)).unwrap_or_default();
        let question = spoken(tr, score.question.as_str());
        Self {
            id: format!("score-{}-{}{scale}", score.question, score.kind.as_str()),
            kind: kind(tr, &question, score.kind),
            question,
            n: answered(tr, score.n, score.asked),
            tiles: score.figures.iter().map(tile).collect(),
            bars: bars(tr, score.scale, &score.distribution),
        }
    }
}

/// Of those who heard a question, how many answered one.
pub(super) fn response(tr: Tongue, responses: &Responses) -> String {
    percent(tr, responses.funnel.responded, responses.funnel.asked)
}

impl BoardView {
    pub(super) fn new(tr: Tongue, board: &Board, goals: &Goals) -> Self {
        let funnel = &board.responses.funnel;
        let stage = |stage: Stage| {
            let count = funnel.reached(stage);
            Bar {
                label: tr.t(&format!("stage-{}", stage.as_str())),
                count: tr.count(count),
                share: percent(tr, count, funnel.offered),
                bar: charts::bar(ratio(count, funnel.offered)),
            }
        };
        let outcomes =
            board.responses.dispositions.iter().filter(|(name, _)| **name != Disposition::NotSelected);
        let outcome = |(name, count): (&Disposition, &u64)| Bar {
            label: tr.t(&format!("disposition-{}", name.as_str())),
            count: tr.count(*count),
            share: percent(tr, *count, funnel.selected),
            bar: charts::bar(ratio(*count, funnel.selected)),
        };
        let mut scores: Vec<&Score> = board.scores.iter().collect();
        scores.sort_by_key(|score| order(score.kind)); // Stable: by name among those of one kind.
        Self {
            scores: scores.into_iter().map(|score| ScoreView::new(tr, score, goals)).collect(),
            funnel: if funnel.offered > 0 { Stage::ALL.into_iter().map(stage).collect() } else { Vec::new() },
            outcomes: outcomes.map(outcome).collect(),
            response: response(tr, &board.responses),
        }
    }
}

/// The origins that do not speak for all callers.
pub(super) fn beside(tr: Tongue, list: &[Beside]) -> Vec<BesideView> {
    let one = |one: &Beside| {
        let mut board = BoardView::new(tr, &one.board, &Goals::default());
        for score in &mut board.scores {
            score.id = format!("{}-{}", one.origin.as_str(), score.id);
        }
        BesideView { origin: tr.t(&format!("origin-{}", one.origin.as_str())), board }
    };
    list.iter().map(one).collect()
}

/// Where questions of a kind stand on a page.
pub(super) fn order(kind: QuestionKind) -> usize {
    use QuestionKind as K;
    [K::Csat, K::Nps, K::Ces, K::Fcr].iter().position(|of| *of == kind).unwrap_or(usize::MAX)
}

/// The figure that stands for a question in tables and trends.
pub(super) fn headline(kind: QuestionKind) -> Option<FigureName> {
    match kind {
        QuestionKind::Csat => Some(FigureName::CsatTopBox),
        QuestionKind::Nps => Some(FigureName::Nps),
        QuestionKind::Ces => Some(FigureName::CesLowEffort),
        QuestionKind::Fcr => Some(FigureName::Fcr),
        _ => None,
    }
}

/// A figure in a table.
pub(super) struct TableCell {
    pub(super) shown: Option<Shown>,
    /// The text that stands in its place.
    pub(super) otherwise: &'static str,
}

/// The headline figures that each survey asks for, as it is now.
pub(super) struct Asked(BTreeMap<SurveyId, Vec<FigureName>>);

impl Asked {
    pub(super) fn of(surveys: &SurveySet) -> Self {
        let asks = |survey: &Survey| survey.questions().iter().filter_map(|q| headline(q.kind)).collect();
        Self(surveys.iter().map(|survey| (survey.id.clone(), asks(survey))).collect())
    }

    /// Whether none of the surveys of these calls asks for it; one that is not known any more may have.
    fn never(&self, calls: &Responses, figure: FigureName) -> bool {
        calls.surveys.iter().all(|id| self.0.get(id).is_some_and(|asked| !asked.contains(&figure)))
    }

    /// One cell: the headline figure of the first question that has it. Scores without calls of their own are of calls
    /// that stand elsewhere, and their surveys are not known.
    pub(super) fn cell(
        &self,
        tr: Tongue,
        scores: &[Score],
        calls: &Responses,
        figure: FigureName,
    ) -> TableCell {
        let cells: Vec<_> =
            scores.iter().filter_map(|score| Some((score, score.figures.get(&figure)?))).collect();
        let shown = cells.iter().find_map(|(score, cell)| match cell {
            Cell::Shown(of) => {
                let shown = Shown::new(tr, figure, score.scale, of, None);
                let n = score.asked.map(|asked| tr.xy("n-of", tr.count(score.n), tr.count(asked)));
                Some(match n {
                    Some(n) => shown.of_asked(n),
                    None => shown,
                })
            }
            Cell::TooFew => None,
        });
        let elsewhere = !scores.is_empty() && *calls == Responses::default();
        let never = cells.is_empty() && !elsewhere && self.never(calls, figure);
        TableCell { shown, otherwise: if never { "not-asked" } else { "too-few" } }
    }
}

/// The headline figures that any of these has.
pub(super) fn headlines<'a>(all: impl Iterator<Item = &'a [Score]>) -> Vec<FigureName> {
    let found: Vec<FigureName> = all.flatten().filter_map(|score| headline(score.kind)).collect();
    FigureName::ALL.into_iter().filter(|figure| found.contains(figure)).collect()
}

/// One menu question.
pub(super) struct ReasonsView {
    pub(super) question: String,
    pub(super) n: String,
    pub(super) rows: Vec<ReasonRow>,
}

/// One choice of it.
pub(super) struct ReasonRow {
    pub(super) label: String,
    pub(super) count: String,
    pub(super) shown: Option<Shown>,
}

/// The choices of menus.
pub(super) fn reasons(tr: Tongue, list: &[Reasons]) -> Vec<ReasonsView> {
    let shown = |cell: &Cell| match cell {
        Cell::Shown(of) => Some(Shown::new(tr, FigureName::Fcr, None, of, None)),
        Cell::TooFew => None,
    };
    let row = |choice: &crate::store::rules::ReasonShare| ReasonRow {
        label: spoken(tr, &choice.label),
        count: tr.count(choice.count),
        shown: shown(&choice.share),
    };
    let view = |one: &Reasons| ReasonsView {
        question: spoken(tr, one.question.as_str()),
        n: answered(tr, one.n, one.asked),
        rows: one.choices.iter().map(row).collect(),
    };
    list.iter().map(view).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Better;
    use crate::scoring::{Difference, Estimate};

    #[test]
    fn a_tile_says_how_sure_it_is() {
        let estimate = Estimate { n: 40, value: 80.0, low: 65.2, high: 89.5 };
        let by = Difference { value: 12.4, low: 1.0, high: 23.0 };
        let score = Score {
            question: "satisfaction".parse().unwrap(),
            kind: QuestionKind::Csat,
            scale: Some(Scale { min: 1, max: 5, better: Better::Higher }),
            n: 40,
            asked: Some(52),
            figures: BTreeMap::from([
                (FigureName::CsatTopBox, Cell::Shown(estimate)),
                (FigureName::CsatMean, Cell::TooFew),
            ]),
            changes: BTreeMap::from([(FigureName::CsatTopBox, by)]),
            distribution: BTreeMap::from([("4".into(), 30), ("5".into(), 10)]),
        };
        let view = ScoreView::new(Tongue::English, &score, &Goals::default());
        let shown = view.tiles[0].shown.as_ref().unwrap();
        assert_eq!((shown.value.as_str(), shown.interval.as_str()), ("80\u{a0}%", "65\u{a0}% to 90\u{a0}%"));
        let change = shown.change.as_ref().unwrap();
        assert_eq!((change.text.as_str(), change.class), ("+12 points (+1 to +23)", "good"));
        assert_eq!(shown.n, "n 40 of 52 asked", "with those who did not answer");
        assert!(view.tiles[1].shown.is_none());
        let labels: Vec<&str> = view.bars.iter().map(|bar| bar.label.as_str()).collect();
        assert_eq!(labels, ["1", "2", "3", "4", "5"], "values that nobody gave are there too");
    }

    #[test]
    fn too_few_is_not_what_was_never_asked() {
        let id = |name: &str| -> SurveyId { name.parse().unwrap() };
        let asked = Asked(BTreeMap::from([
            (id("short"), vec![FigureName::CsatTopBox]),
            (id("long"), vec![FigureName::CsatTopBox, FigureName::CesLowEffort]),
        ]));
        let calls = |names: &[&str]| Responses {
            surveys: names.iter().map(|name| id(name)).collect(),
            ..Responses::default()
        };
        let said = |calls: &Responses, figure| {
            [Tongue::English, Tongue::Dutch].map(|tr| {
                let cell = asked.cell(tr, &[], calls, figure);
                assert!(cell.shown.is_none());
                tr.t(cell.otherwise)
            })
        };
        let (few, never) = (["too few", "te weinig"], ["not asked", "niet gevraagd"]);
        let ces = FigureName::CesLowEffort;
        assert_eq!(said(&calls(&["short"]), FigureName::CsatTopBox), few);
        assert_eq!(said(&calls(&["short"]), ces), never);
        assert_eq!(said(&calls(&["short", "long"]), ces), few);
        assert_eq!(said(&calls(&["short", "gone"]), ces), few, "nobody knows what it asked");
        assert_eq!(said(&calls(&[]), ces), never, "no call was surveyed");
        let score = Score {
            question: "satisfaction".parse().unwrap(),
            kind: QuestionKind::Csat,
            scale: None,
            n: 5,
            asked: None,
            figures: BTreeMap::from([(FigureName::CsatTopBox, Cell::TooFew)]),
            changes: BTreeMap::new(),
            distribution: BTreeMap::new(),
        };
        let cell = |calls: &Responses, figure| {
            asked.cell(Tongue::English, std::slice::from_ref(&score), calls, figure).otherwise
        };
        assert_eq!(cell(&calls(&["short"]), FigureName::CsatTopBox), "too-few");
        assert_eq!(cell(&Responses::default(), ces), "too-few", "its calls stand in other rows");
    }
}
