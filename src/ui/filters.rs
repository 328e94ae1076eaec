//! The forms above pages: period, survey and origin; and lists of choices.

use super::frame::{Frame, Ui, address, this_week};
use crate::domain::{Origin, Period};

/// One choice of a list.
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) label: String,
    pub(super) chosen: bool,
}

/// Period and survey, as the form above a page shows them.
pub(super) struct Filters {
    pub(super) action: String,
    pub(super) weeks: Vec<Choice>,
    pub(super) months: Vec<Choice>,
    pub(super) quarters: Vec<Choice>,
    pub(super) surveys: Vec<Choice>,
    pub(super) origins: Vec<Choice>,
    pub(super) earlier: String,
    pub(super) later: Option<String>,
    pub(super) days: String,
    /// What to keep in mind about the calls that are shown.
    pub(super) note: Option<String>,
}

/// Which surveys a page can be narrowed to.
#[derive(Clone, Copy)]
pub(super) enum Surveys {
    /// None: it is over all of them.
    None,
    /// One or all.
    Any,
    /// Always one.
    One,
}

/// Whether a page can show other calls than those chosen by us.
#[derive(Clone, Copy)]
pub(super) enum Origins {
    /// It cannot, or shows all of them side by side.
    Fixed,
    /// One at a time.
    Any,
}

impl Choice {
    /// A list of choices of which one is chosen.
    pub(super) fn list(all: impl IntoIterator<Item = (String, String)>, chosen: &str) -> Vec<Self> {
        let one = |(value, label): (String, String)| Self { chosen: value == chosen, value, label };
        all.into_iter().map(one).collect()
    }
}

impl Ui {
    /// The same with the form for period and survey.
    pub(super) fn framed(&self, title: impl Into<String>, surveys: Surveys, origins: Origins) -> Frame {
        let (period, now) = (self.period(), this_week());
        let one = |period: Period, label: String| Choice {
            value: period.to_string(),
            label,
            chosen: period == self.period(),
        };
        let spread = |first: Period, count: usize| {
            let mut list: Vec<Period> =
                std::iter::successors(Some(first), |period| Some(period.previous())).take(count).collect();
            let kind = std::mem::discriminant(&period);
            if std::mem::discriminant(&first) == kind && !list.contains(&period) {
                list.push(period);
            }
            list.into_iter().map(|period| one(period, period.to_string())).collect::<Vec<_>>()
        };
        let named = if matches!(surveys, Surveys::One) { self.one_survey() } else { self.survey() };
        let mut choices: Vec<Choice> = Vec::new();
        if matches!(surveys, Surveys::Any) {
            choices.push(Choice {
                value: String::new(),
                label: self.tr.t("all-surveys"),
                chosen: named.is_none(),
            });
        }
        if !matches!(surveys, Surveys::None) {
            choices.extend(self.surveys().iter().map(|survey| Choice {
                value: survey.to_string(),
                label: survey.to_string(),
                chosen: named.as_ref() == Some(survey),
            }));
        }
        let move_to = |period: Period| {
            address(&self.path, &self.query, &[("period", Some(period.to_string())), ("lang", None)])
        };
        let next = period.next();
        let filters = Filters {
            action: self.path.clone(),
            weeks: spread(Period::Week(now), 9),
            months: spread(Period::month_of(now), 7),
            quarters: spread(Period::quarter_of(now), 5),
            surveys: choices,
            origins: if matches!(origins, Origins::Any) { self.origins() } else { Vec::new() },
            earlier: move_to(period.previous()),
            later: (*next.weeks().start() <= now).then(|| move_to(next)),
            note: (matches!(origins, Origins::Any) && self.origin() != Origin::Sampled)
                .then(|| self.tr.t(&format!("note-{}", self.origin().as_str()))),
            days: format!("{} \u{2013} {}", period.first_day(), period.last_day()),
        };
        Frame { filters: Some(filters), ..self.frame(title) }
    }

    fn origins(&self) -> Vec<Choice> {
        let choice = |origin: Origin| Choice {
            value: origin.as_str().to_owned(),
            label: self.tr.t(&format!("origin-{}", origin.as_str())),
            chosen: origin == self.origin(),
        };
        Origin::ALL.into_iter().map(choice).collect()
    }
}
