//! What views give back. Each type holds what its role may see, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::Serialize;

use crate::domain::{
    AgentId, Disposition, Origin, Period, QuestionId, QuestionKind, QueueId, Scale, SurveyId, TeamId, Week,
};
use crate::scoring::{Difference, Estimate, FigureName, Funnel, Limits};

/// One figure, or that there are too few answers for it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// Not enough answers to show.
    TooFew,
    /// The figure.
    Shown(Estimate),
}

/// The figures of one question on one scale, over whole tiles.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// The question.
    pub question: QuestionId,
    /// What it measures.
    pub kind: QuestionKind,
    /// On which scale.
    pub scale: Option<Scale>,
    /// Answers shown: 0, or at least the smallest cell.
    pub n: u64,
    /// How many heard the question to give them; the others did not answer it. `None` where its kind or scale changed.
    pub asked: Option<u64>,
    /// Each figure by name; empty for questions that have none but a distribution.
    pub figures: BTreeMap<FigureName, Cell>,
    /// How each figure differs from the period before, where both have one.
    pub changes: BTreeMap<FigureName, Difference>,
    /// How often each value was answered, as rows spell it (`4`, `yes`, `call_again`).
    pub distribution: BTreeMap<String, u64>,
}

/// How calls came out: stands beside every score, so that nobody reads one without its non-response. Counts of calls
/// tell no answer, so they are exact.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Responses {
    /// How far calls came, from offered to complete.
    pub funnel: Funnel,
    /// How they came out.
    pub dispositions: BTreeMap<Disposition, u64>,
    /// The surveys that the calls were chosen for: what none of them asks was not asked.
    pub surveys: BTreeSet<SurveyId>,
}

/// Scores and the responses they come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Board {
    /// The scores, by question.
    pub scores: Vec<Score>,
    /// The calls.
    pub responses: Responses,
}

/// An origin that does not speak for all callers, shown beside and never mixed in.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Beside {
    /// The origin.
    pub origin: Origin,
    /// Its scores.
    pub board: Board,
}

/// One week of a trend.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WeekPoint {
    /// The week.
    pub week: Week,
    /// Its scores. Changes are left empty.
    pub scores: Vec<Score>,
}

/// One day of the whole centre.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DayPoint {
    /// The day.
    pub day: Date,
    /// Its scores. Changes are left empty.
    pub scores: Vec<Score>,
}

/// What aggregates are asked of. No aggregate mixes origins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice<'a> {
    /// The period.
    pub period: Period,
    /// The survey; all of them when `None`.
    pub survey: Option<&'a SurveyId>,
    /// Whose answers.
    pub origin: Origin,
}

/// What aggregates were asked of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SliceName {
    /// The period.
    pub period: Period,
    /// The survey, where one was asked for.
    pub survey: Option<SurveyId>,
    /// Whose answers.
    pub origin: Origin,
}

/// The whole centre.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Overview {
    /// What it is of.
    #[serde(flatten)]
    pub slice: SliceName,
    /// The origin that was asked for.
    pub board: Board,
    /// The other origins.
    pub beside: Vec<Beside>,
    /// The 13 weeks up to the end of the period, or to this week where it goes on, those without answers left out.
    pub weeks: Vec<WeekPoint>,
    /// The days of the period, those without answers left out.
    pub days: Vec<DayPoint>,
}

/// One proportion of an agent, pulled towards that of all by how little is known ([`crate::scoring::Shrinkage`]).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Shrunk {
    /// Which figure.
    pub figure: FigureName,
    /// The value and its 95 % credible interval, in percent.
    pub estimate: Estimate,
}

/// One agent, or all calls without one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AgentRow {
    /// The agent; `None` for calls that named none.
    pub agent: Option<AgentId>,
    /// The agent's team.
    pub team: Option<TeamId>,
    /// The scores and responses.
    pub board: Board,
    /// What the row is sorted by, where there are enough answers.
    pub shrunk: Option<Shrunk>,
}

/// One team.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TeamRow {
    /// The team.
    pub team: TeamId,
    /// The scores and responses of its agents.
    pub board: Board,
}

/// The agents of a period.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agents {
    /// What it is of.
    #[serde(flatten)]
    pub slice: SliceName,
    /// Best first by shrunk score, those of one figure together; those with too few answers at the end, by name.
    pub rows: Vec<AgentRow>,
    /// The teams, by name.
    pub teams: Vec<TeamRow>,
}

/// One agent's page.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AgentDetail {
    /// The agent.
    pub agent: AgentId,
    /// The team.
    pub team: Option<TeamId>,
    /// What it is of.
    #[serde(flatten)]
    pub slice: SliceName,
    /// The origin that was asked for.
    pub board: Board,
    /// The other origins, with what the agent sent on purpose among them.
    pub beside: Vec<Beside>,
    /// The 13 weeks up to the end of the period, or to this week where it goes on.
    pub weeks: Vec<WeekPoint>,
    /// Each week's share against what chance allows around the mean of the 13 weeks.
    pub charts: Vec<Chart>,
    /// Why callers found it hard, and other choices.
    pub choices: Vec<Reasons>,
}

/// A control chart of one share over weeks: a p-chart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Chart {
    /// The question.
    pub question: QuestionId,
    /// The figure.
    pub figure: FigureName,
    /// The weeks that have answers.
    pub points: Vec<ChartPoint>,
}

/// One week of a chart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ChartPoint {
    /// The week.
    pub week: Week,
    /// The share in percent, and between which limits chance would leave it.
    pub limits: Limits,
}

/// What a queue's row or page stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueName {
    /// One queue.
    Queue(QueueId),
    /// Calls that named no queue.
    None,
    /// Tiles whose answers came through several queues: too few came through each to show them apart.
    Several,
}

/// One queue.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QueueRow {
    /// Which.
    pub queue: QueueName,
    /// The scores and responses.
    pub board: Board,
}

/// The queues of a period, by name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Queues {
    /// What it is of.
    #[serde(flatten)]
    pub slice: SliceName,
    /// The queues.
    pub rows: Vec<QueueRow>,
}

/// One queue's page.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QueueDetail {
    /// The queue.
    pub queue: QueueId,
    /// What it is of.
    #[serde(flatten)]
    pub slice: SliceName,
    /// The origin that was asked for.
    pub board: Board,
    /// The other origins.
    pub beside: Vec<Beside>,
    /// The 13 weeks up to the end of the period, or to this week where it goes on.
    pub weeks: Vec<WeekPoint>,
    /// Why callers found it hard, and other choices.
    pub choices: Vec<Reasons>,
}

/// The choices of one menu question: why it was hard.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reasons {
    /// The question.
    pub question: QuestionId,
    /// Answers shown.
    pub n: u64,
    /// How many heard the question to give them.
    pub asked: Option<u64>,
    /// The choices by their label, the most frequent first, each with its share in percent.
    pub choices: Vec<ReasonShare>,
}

/// One choice.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReasonShare {
    /// The label in the survey file.
    pub label: String,
    /// How often it was chosen.
    pub count: u64,
    /// Its share in percent.
    pub share: Cell,
}

/// Why callers found it hard.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Why {
    /// What it is of.
    #[serde(flatten)]
    pub slice: SliceName,
    /// Every menu question.
    pub questions: Vec<Reasons>,
    /// What they said in their own words.
    pub said: Said,
}

/// What callers said in comments: groups of key words, never the words themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Said {
    /// Comments that were left in calls that count.
    pub comments: u64,
    /// Whether any of them was transcribed. How many would tell of the last call, which is transcribed a moment later.
    pub transcribed: bool,
    /// The groups, the most frequent first. Those that too few callers said are not among them.
    pub words: Vec<WordCount>,
}

/// One group of key words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WordCount {
    /// Its name in the configuration.
    pub word: String,
    /// In how many comments it was found, in whole steps of the smallest cell.
    pub count: u64,
}

/// Mystery callers' and trial calls' results, by agent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mystery {
    /// The period.
    pub period: Period,
    /// By agent and origin.
    pub rows: Vec<MysteryRow>,
}

/// One agent's mystery or trial calls, beside what customers say of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MysteryRow {
    /// The agent; `None` for calls that named none.
    pub agent: Option<AgentId>,
    /// Mystery or test.
    pub origin: Origin,
    /// Its scores and responses. No customer gave them, so single ones are shown.
    pub board: Board,
    /// The sampled scores of the same agent.
    pub customers: Vec<Score>,
    /// How those calls came out.
    pub customer_calls: Responses,
}
