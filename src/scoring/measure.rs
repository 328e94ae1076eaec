//! Which figures a question has, by what it measures.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::compare::{Difference, mean_difference, nps_difference, share_difference};
use super::figure::{Figure, Numbers, in_top_box, is_easy, low_effort, mean, nps, share, top_box};
use crate::domain::{QuestionKind, Scale};

/// Which figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FigureName {
    /// Percent satisfied: [`top_box`].
    CsatTopBox,
    /// Mean satisfaction.
    CsatMean,
    /// Net promoter score: [`nps`].
    Nps,
    /// Mean effort.
    CesMean,
    /// Percent on the easy side: [`low_effort`].
    CesLowEffort,
    /// Percent resolved at first contact.
    Fcr,
}

impl FigureName {
    /// All figures, in the order of reports.
    pub const ALL: [Self; 6] =
        [Self::CsatTopBox, Self::CsatMean, Self::Nps, Self::CesMean, Self::CesLowEffort, Self::Fcr];

    /// The name in rows and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CsatTopBox => "csat_top_box",
            Self::CsatMean => "csat_mean",
            Self::Nps => "nps",
            Self::CesMean => "ces_mean",
            Self::CesLowEffort => "ces_low_effort",
            Self::Fcr => "fcr",
        }
    }
}

/// How often each value was answered, as rows spell them (`4`, `yes`).
type Counts<'a> = BTreeMap<&'a str, u64>;

/// The figures of one question.
#[must_use]
pub fn figures(
    kind: QuestionKind,
    scale: Option<Scale>,
    counts: &Counts<'_>,
) -> BTreeMap<FigureName, Figure> {
    let numbers = numbers(counts);
    let figures = match (kind, scale) {
        (QuestionKind::Csat, Some(scale)) => {
            vec![(FigureName::CsatTopBox, top_box(scale, &numbers)), (FigureName::CsatMean, mean(&numbers))]
        }
        (QuestionKind::Nps, Some(_)) => vec![(FigureName::Nps, nps(&numbers))],
        (QuestionKind::Ces, Some(scale)) => vec![
            (FigureName::CesMean, mean(&numbers)),
            (FigureName::CesLowEffort, low_effort(scale, &numbers)),
        ],
        (QuestionKind::Fcr, _) => {
            let (yes, n) = resolved(counts);
            vec![(FigureName::Fcr, share(yes, n))]
        }
        _ => Vec::new(),
    };
    figures.into_iter().collect()
}

/// How each figure of one question differs between two periods, where both have answers enough.
#[must_use]
pub fn changes(
    kind: QuestionKind,
    scale: Option<Scale>,
    later: &Counts<'_>,
    earlier: &Counts<'_>,
) -> BTreeMap<FigureName, Difference> {
    let (now, before) = (numbers(later), numbers(earlier));
    let change = |name: FigureName| match name {
        FigureName::Nps => nps_difference(&now, &before),
        FigureName::CsatMean | FigureName::CesMean => mean_difference(&now, &before),
        FigureName::CsatTopBox | FigureName::CesLowEffort | FigureName::Fcr => {
            let (_, now) = proportion(kind, scale, later)?;
            share_difference(now, proportion(kind, scale, earlier)?.1)
        }
    };
    let names = figures(kind, scale, later).into_keys();
    names.filter_map(|name| Some((name, change(name)?))).collect()
}

/// The figure of a question that is a share, as `(k, n)`; an NPS has none.
#[must_use]
pub fn proportion(
    kind: QuestionKind,
    scale: Option<Scale>,
    counts: &Counts<'_>,
) -> Option<(FigureName, (u64, u64))> {
    let numbers = numbers(counts);
    let among = |is: &dyn Fn(i16) -> bool| {
        let k = numbers.iter().filter(|&(&v, _)| is(v)).map(|(_, c)| c).sum();
        (k, numbers.values().sum())
    };
    match (kind, scale) {
        (QuestionKind::Csat, Some(scale)) => Some((FigureName::CsatTopBox, among(&in_top_box(scale)))),
        (QuestionKind::Ces, Some(scale)) => Some((FigureName::CesLowEffort, among(&is_easy(scale)))),
        (QuestionKind::Fcr, _) => Some((FigureName::Fcr, resolved(counts))),
        _ => None,
    }
}

fn numbers(counts: &Counts<'_>) -> Numbers {
    counts.iter().filter_map(|(value, &n)| Some((value.parse().ok()?, n))).collect()
}

fn resolved(counts: &Counts<'_>) -> (u64, u64) {
    let of = |value| counts.get(value).copied().unwrap_or_default();
    (of("yes"), of("yes") + of("no"))
}
