//! Figures per agent, queue, survey or day. One row holds one origin; one measure one question on one scale.

use std::collections::BTreeMap;

use serde::Serialize;

use super::figure::Figure;
use super::measure::{FigureName, figures};
use super::tally::{AnswerTally, OutcomeTally, Tallies};
use crate::domain::{Disposition, Origin, QuestionId, QuestionKind, Scale, Stage, SurveyId};

/// A report: rows by group, then origin.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// The rows.
    pub rows: Vec<ReportRow>,
}

/// One group's responses of one origin.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReportRow {
    /// The agent, queue, survey or day; empty for calls without one.
    pub group: String,
    /// Where the responses come from.
    pub origin: Origin,
    /// How far the calls came.
    pub funnel: Funnel,
    /// How they came out.
    pub dispositions: BTreeMap<Disposition, u64>,
    /// The figures.
    pub measures: Vec<Measure>,
    /// Questions that have no figure but counts: menus, and yes/no beside contact resolution.
    pub choices: Vec<ChoiceCount>,
}

/// How many calls reached each stage; each stage holds those after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Funnel {
    /// Offered by the PBX.
    pub offered: u64,
    /// Chosen for a survey.
    pub selected: u64,
    /// Answered by us.
    pub answered: u64,
    /// Heard the first question begin.
    pub asked: u64,
    /// Gave an answer.
    pub responded: u64,
    /// Gave every answer that was due.
    pub complete: u64,
}

/// The figures of one question. Two questions to one caller are not two independent answers, so they never share a
/// figure; the same question in two surveys does, when kind and scale are the same.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measure {
    /// The question.
    pub question: QuestionId,
    /// What it measures.
    pub kind: QuestionKind,
    /// On which scale.
    pub scale: Option<Scale>,
    /// Each figure by name.
    pub figures: BTreeMap<FigureName, Figure>,
}

/// How often each choice of one question was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChoiceCount {
    /// The survey.
    pub survey: SurveyId,
    /// The question.
    pub question: QuestionId,
    /// Counts by choice.
    pub counts: BTreeMap<String, u64>,
}

/// What may be put into one figure: answers that agree in all of this.
type Key<'a> = (QuestionKind, &'a QuestionId, Option<Scale>);

/// The answers and calls of one row.
type Group<'a> = (Vec<&'a AnswerTally>, Vec<&'a OutcomeTally>);

impl Report {
    /// Makes the figures.
    #[must_use]
    pub fn new(tallies: &Tallies) -> Self {
        let mut groups: BTreeMap<(&str, Origin), Group<'_>> = BTreeMap::new();
        for answer in &tallies.answers {
            groups.entry((&answer.group, answer.origin)).or_default().0.push(answer);
        }
        for outcome in &tallies.outcomes {
            groups.entry((&outcome.group, outcome.origin)).or_default().1.push(outcome);
        }
        let rows = groups.into_iter().map(|((group, origin), (answers, outcomes))| ReportRow {
            group: group.to_owned(),
            origin,
            funnel: funnel(&outcomes),
            dispositions: dispositions(&outcomes),
            measures: measures(&answers),
            choices: choices(&answers),
        });
        Self { rows: rows.collect() }
    }
}

impl Funnel {
    /// How many calls reached a stage.
    #[must_use]
    pub fn reached(&self, stage: Stage) -> u64 {
        match stage {
            Stage::Offered => self.offered,
            Stage::Selected => self.selected,
            Stage::Answered => self.answered,
            Stage::Asked => self.asked,
            Stage::Responded => self.responded,
            Stage::Complete => self.complete,
        }
    }
}

impl Funnel {
    /// Adds calls that came as far as a stage.
    pub fn add(&mut self, stage: Stage, n: u64) {
        let steps = [
            (Stage::Offered, &mut self.offered),
            (Stage::Selected, &mut self.selected),
            (Stage::Answered, &mut self.answered),
            (Stage::Asked, &mut self.asked),
            (Stage::Responded, &mut self.responded),
            (Stage::Complete, &mut self.complete),
        ];
        for (_, reached) in steps.into_iter().filter(|(at, _)| *at <= stage) {
            *reached += n;
        }
    }
}

fn funnel(outcomes: &[&OutcomeTally]) -> Funnel {
    let mut funnel = Funnel::default();
    for outcome in outcomes {
        funnel.add(outcome.stage, outcome.n);
    }
    funnel
}

fn dispositions(outcomes: &[&OutcomeTally]) -> BTreeMap<Disposition, u64> {
    let mut counts = BTreeMap::new();
    for outcome in outcomes {
        *counts.entry(outcome.disposition).or_default() += outcome.n;
    }
    counts
}

fn measures(answers: &[&AnswerTally]) -> Vec<Measure> {
    let mut merged: BTreeMap<Key<'_>, BTreeMap<&str, u64>> = BTreeMap::new();
    for answer in answers {
        let counts = merged.entry((answer.kind, &answer.question, answer.scale)).or_default();
        for (value, n) in &answer.counts {
            *counts.entry(value).or_default() += n;
        }
    }
    let measures = merged.into_iter().map(|((kind, question, scale), counts)| {
        let figures = figures(kind, scale, &counts);
        Measure { question: question.clone(), kind, scale, figures }
    });
    measures.filter(|measure| !measure.figures.is_empty()).collect()
}

fn choices(answers: &[&AnswerTally]) -> Vec<ChoiceCount> {
    let mut counted: BTreeMap<(&SurveyId, &QuestionId), BTreeMap<String, u64>> = BTreeMap::new();
    for answer in answers.iter().filter(|a| matches!(a.kind, QuestionKind::Menu | QuestionKind::YesNo)) {
        let counts = counted.entry((&answer.survey, &answer.question)).or_default();
        for (value, n) in &answer.counts {
            *counts.entry(value.clone()).or_default() += n;
        }
    }
    let count = |((survey, question), counts): ((&SurveyId, &QuestionId), _)| ChoiceCount {
        survey: survey.clone(),
        question: question.clone(),
        counts,
    };
    counted.into_iter().map(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Better;

    fn tally(
        group: &str,
        origin: Origin,
        kind: QuestionKind,
        better: Better,
        value: &str,
        n: u64,
    ) -> AnswerTally {
        AnswerTally {
            group: group.into(),
            origin,
            survey: "service".parse().unwrap(),
            question: "q".parse().unwrap(),
            kind,
            scale: kind.as_str().contains('s').then_some(Scale { min: 1, max: 5, better }),
            counts: BTreeMap::from([(value.into(), n)]),
        }
    }

    #[test]
    fn nothing_mixes() {
        let tallies = Tallies {
            answers: vec![
                tally("anna", Origin::Sampled, QuestionKind::Csat, Better::Higher, "5", 6),
                tally("anna", Origin::Sampled, QuestionKind::Csat, Better::Higher, "4", 4),
                tally("anna", Origin::Sampled, QuestionKind::Csat, Better::Lower, "1", 7),
                tally("anna", Origin::Agent, QuestionKind::Csat, Better::Higher, "5", 2),
                tally("anna", Origin::Sampled, QuestionKind::Fcr, Better::Higher, "yes", 5),
                tally("anna", Origin::Sampled, QuestionKind::Menu, Better::Higher, "repeat", 3),
            ],
            outcomes: vec![
                OutcomeTally {
                    group: "anna".into(),
                    origin: Origin::Sampled,
                    disposition: Disposition::Complete,
                    stage: Stage::Complete,
                    n: 10,
                },
                OutcomeTally {
                    group: "anna".into(),
                    origin: Origin::Sampled,
                    disposition: Disposition::BreakOff,
                    stage: Stage::Asked,
                    n: 2,
                },
                OutcomeTally {
                    group: "anna".into(),
                    origin: Origin::Sampled,
                    disposition: Disposition::NotSelected,
                    stage: Stage::Offered,
                    n: 90,
                },
            ],
        };
        let report = Report::new(&tallies);
        let [sampled, agent] = &report.rows[..] else { panic!("{report:#?}") };
        assert_eq!((sampled.origin, agent.origin), (Origin::Sampled, Origin::Agent));
        let ns: Vec<_> = sampled
            .measures
            .iter()
            .map(|m| (m.kind, m.figures.values().map(Figure::n).max().unwrap()))
            .collect();
        assert_eq!(ns, [(QuestionKind::Csat, 10), (QuestionKind::Csat, 7), (QuestionKind::Fcr, 5)]);
        assert_eq!(agent.measures[0].figures[&FigureName::CsatMean], Figure::TooFew { n: 2 });
        let funnel =
            Funnel { offered: 102, selected: 12, answered: 12, asked: 12, responded: 10, complete: 10 };
        assert_eq!(sampled.funnel, funnel);
        assert_eq!(sampled.choices[0].counts["repeat"], 3);
    }
}
