//! From sums to scores.

use std::collections::BTreeMap;

use super::read::Tally;
use super::{Cell, ReasonShare, Reasons, Score, Shrunk};
use crate::domain::QuestionKind;
use crate::scoring::{self, Figure, FigureName, Shrinkage};

impl From<Figure> for Cell {
    fn from(figure: Figure) -> Self {
        match figure {
            Figure::TooFew { .. } => Self::TooFew,
            Figure::Of(estimate) => Self::Shown(estimate),
        }
    }
}

/// The score of every question, with the change from `before` where there is one.
pub(super) fn scores(now: &Tally, before: Option<&Tally>) -> Vec<Score> {
    let scores = now.counts.iter().map(|(key @ (question, kind, scale), counts)| {
        let by_value = borrowed(counts);
        let figures = scoring::figures(*kind, *scale, &by_value);
        let before = before.and_then(|tally| tally.counts.get(key)).map(borrowed);
        let changes = before.map(|before| scoring::changes(*kind, *scale, &by_value, &before));
        Score {
            question: question.clone(),
            kind: *kind,
            scale: *scale,
            n: counts.values().sum(),
            asked: now.asked(question),
            figures: figures.into_iter().map(|(name, figure)| (name, figure.into())).collect(),
            changes: changes.unwrap_or_default(),
            distribution: counts.clone(),
        }
    });
    scores.collect()
}

/// The choices of every menu question.
pub(super) fn reasons(tally: &Tally) -> Vec<Reasons> {
    let menus = tally.counts.iter().filter(|((_, kind, _), _)| *kind == QuestionKind::Menu);
    let reasons = menus.map(|((question, _, _), counts)| {
        let n = counts.values().sum();
        let mut choices: Vec<ReasonShare> = counts
            .iter()
            .map(|(label, &count)| ReasonShare {
                label: label.clone(),
                count,
                share: scoring::share(count, n).into(),
            })
            .collect();
        choices.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.label.cmp(&b.label)));
        Reasons { question: question.clone(), n, asked: tally.asked(question), choices }
    });
    reasons.collect()
}

/// What agents are compared by, the first that there is: satisfaction, ease, resolution.
const COMPARED: [FigureName; 3] = [FigureName::CsatTopBox, FigureName::CesLowEffort, FigureName::Fcr];

/// One figure's `(k, n)` over all questions of its kind.
fn proportion(tally: &Tally, wanted: FigureName) -> (u64, u64) {
    let of_kind = tally.counts.iter().filter_map(|((_, kind, scale), counts)| {
        let (name, share) = scoring::proportion(*kind, *scale, &borrowed(counts))?;
        (name == wanted).then_some(share)
    });
    of_kind.fold((0, 0), |(k, n), share| (k + share.0, n + share.1))
}

/// Each agent's share of the first figure that they have, pulled towards that of all who have it. Agents without
/// answers have none.
pub(super) fn shrunk(tallies: &[Tally]) -> Vec<Option<Shrunk>> {
    let mut all = vec![None; tallies.len()];
    for figure in COMPARED {
        let shares: Vec<(u64, u64)> = tallies.iter().map(|tally| proportion(tally, figure)).collect();
        let Some(shrinkage) = Shrinkage::fit(&shares) else { continue };
        for (place, (k, n)) in all.iter_mut().zip(shares) {
            if place.is_none() && n > 0 {
                *place = Some(Shrunk { figure, estimate: shrinkage.of(k, n) });
            }
        }
    }
    all
}

/// Where an agent stands in a list: those of one figure together, the best first; those without one at the end.
pub(super) fn standing(shrunk: Option<&Shrunk>) -> (usize, f64) {
    let of = |shrunk: &Shrunk| {
        let place = COMPARED.iter().position(|figure| *figure == shrunk.figure);
        (place.unwrap_or(COMPARED.len()), -shrunk.estimate.value)
    };
    shrunk.map_or((COMPARED.len(), 0.0), of)
}

pub(super) fn borrowed(counts: &BTreeMap<String, u64>) -> BTreeMap<&str, u64> {
    counts.iter().map(|(value, n)| (value.as_str(), *n)).collect()
}
