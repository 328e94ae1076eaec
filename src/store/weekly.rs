//! The sums that views are made from: what one transaction adds to them.

use std::collections::{BTreeMap, BTreeSet};

use super::project::CallRow;
use super::sql;
use super::sql_weekly;
use super::statement::Statement;
use super::tiles::{self, AllWaiting, QuestionKey, Tile, TileKey};
use crate::domain::{
    Answer, DecisionReason, Disposition, Entry, Fact, GivenBy, Origin, Party, SkipReason, Stage, Week,
};

/// Microseconds in a day.
const DAY_US: i64 = 86_400_000_000;

/// What a sum is over, as rows name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Part {
    All,
    Agent,
    Queue,
    /// Tiles of more than one queue.
    Several,
}

impl Part {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Agent => "agent",
            Self::Queue => "queue",
            Self::Several => "several",
        }
    }
}

/// A key of `shown_weeks`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ShownKey {
    pub(super) part: Part,
    pub(super) week: i64,
    pub(super) name: String,
    pub(super) question: QuestionKey,
    pub(super) value: String,
}

/// A key of `calls_weeks`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CallsKey {
    pub(super) part: Part,
    pub(super) week: i64,
    pub(super) name: String,
    pub(super) origin: Origin,
    pub(super) survey: String,
    pub(super) disposition: Disposition,
    pub(super) stage: Stage,
}

/// Week, agent, queue, what.
pub(super) type SamplingKey = (i64, String, String, &'static str);
/// Week, origin, survey, question, what.
pub(super) type JourneyKey = (i64, Origin, String, String, &'static str);
/// Day, question, value.
pub(super) type DayKey = (i64, QuestionKey, String);
/// Whose tile, through which queue, which value.
pub(super) type WaitingKey = (TileKey, (String, String));

/// How many answers make a tile, from which time on, in microseconds since 1970 UTC; sorted.
#[derive(Clone, Debug, Default)]
pub(super) struct TileSizes(pub(super) Vec<(i64, u64)>);

impl TileSizes {
    pub(super) fn at(&self, at_us: i64) -> u64 {
        let after = self.0.partition_point(|(from, _)| *from <= at_us);
        let (_, size) =
            after.checked_sub(1).and_then(|i| self.0.get(i)).or(self.0.first()).unwrap_or(&(0, 5));
        *size
    }
}

/// What one transaction adds. Sorted, so that two rebuilds write in the same order.
#[derive(Debug, Default)]
pub(super) struct WeeklySums {
    shown: BTreeMap<ShownKey, i64>,
    days: BTreeMap<DayKey, i64>,
    calls: BTreeMap<CallsKey, i64>,
    sampling: BTreeMap<SamplingKey, i64>,
    journey: BTreeMap<JourneyKey, (i64, i64)>,
    /// The waiting answers of those keys that changed.
    waiting: AllWaiting,
    touched: BTreeSet<WaitingKey>,
}

impl WeeklySums {
    /// Takes in one fact of a call that had not ended before it; `row` has taken it in already.
    pub(super) fn take_in(&mut self, row: &CallRow, entry: &Entry, waiting: &AllWaiting, sizes: &TileSizes) {
        match &entry.fact {
            Fact::Decided(decision) => self.decided(row, decision.reason),
            Fact::Asked { question, attempt } => {
                self.step(row, question, if *attempt > 1 { "asked_again" } else { "heard" }, 0);
            }
            Fact::Answer(answer) => {
                let what = match answer.given_by {
                    GivenBy::Key => "key",
                    GivenBy::Voice => "voice",
                    GivenBy::VoiceConfirmed => "voice_confirmed",
                };
                self.step(row, &answer.question, what, i64::from(answer.took_ms));
                self.answered(row, answer, entry.at_us, waiting, sizes);
            }
            Fact::Comment { question, .. } => self.step(row, question, "comment", 0),
            Fact::Erased { was, question: Some(question) } if was == "comment" => {
                self.step(row, question, "comment", 0);
            }
            Fact::NoInput { question, .. } => self.step(row, question, "no_input", 0),
            Fact::NoMatch { question, .. } => self.step(row, question, "no_match", 0),
            Fact::Repeated { question } => self.step(row, question, "repeated", 0),
            Fact::Skipped { question, reason } if *reason != SkipReason::When => {
                self.step(row, question, "skipped", 0);
            }
            Fact::Refused { question } => self.step(row, question, "refused", 0),
            Fact::Ended { disposition, left_at, .. } => {
                if let (Some(question), true) = (left_at, *disposition != Disposition::Complete) {
                    self.step(row, question, "left", 0);
                }
                if *disposition == Disposition::NotTransferred {
                    let key = (week(row), agent(row), row.queue(), "not_transferred");
                    *self.sampling.entry(key).or_default() += 1;
                }
                self.ended(row, *disposition);
            }
            _ => {}
        }
    }

    fn decided(&mut self, row: &CallRow, reason: DecisionReason) {
        use DecisionReason as R;
        let what: &[&'static str] = match reason {
            R::All | R::Nth | R::Drawn => &["eligible", "selected"],
            R::NotNth | R::NotDrawn => &["eligible"],
            R::AgentTrigger => &["sent"],
            R::MysteryCaller | R::TestCall => return, // Nobody's customers.
            _ => &["excluded"],
        };
        let hung_up = row.context.as_ref().and_then(|context| context.first_hang_up);
        let first = match hung_up.filter(|_| what.contains(&"eligible")) {
            Some(Party::Agent) => Some("agent_first"),
            Some(Party::Caller) => Some("caller_first"),
            None => None,
        };
        for what in what.iter().copied().chain(first).chain(["offered"]) {
            *self.sampling.entry((week(row), agent(row), row.queue(), what)).or_default() += 1;
        }
    }

    fn step(&mut self, row: &CallRow, question: &crate::domain::QuestionId, what: &'static str, ms: i64) {
        let sum = self
            .journey
            .entry((week(row), row.origin(), survey(row), question.to_string(), what))
            .or_default();
        sum.0 += 1;
        sum.1 += ms;
    }

    fn ended(&mut self, row: &CallRow, disposition: Disposition) {
        for (part, name) in
            [(Part::All, String::new()), (Part::Agent, agent(row)), (Part::Queue, row.queue())]
        {
            let (origin, stage) = (row.origin(), row.stage);
            let key =
                CallsKey { part, week: week(row), name, origin, survey: survey(row), disposition, stage };
            *self.calls.entry(key).or_default() += 1;
        }
    }

    fn answered(
        &mut self,
        row: &CallRow,
        answer: &Answer,
        at_us: i64,
        waiting: &AllWaiting,
        sizes: &TileSizes,
    ) {
        let question = QuestionKey {
            origin: row.origin(),
            survey: row.decision.as_ref().and_then(|d| d.survey.as_ref()).map(|(id, _)| id.clone()),
            question: answer.question.clone(),
            kind: answer.kind.as_str(),
            scale: answer.scale,
        };
        let key = TileKey { question, agent: agent(row) };
        let own =
            self.waiting.entry(key.clone()).or_insert_with(|| waiting.get(&key).cloned().unwrap_or_default());
        let (queue, value) = (row.queue(), answer.value.to_string());
        self.touched.insert((key.clone(), (queue.clone(), value.clone())));
        let before: Vec<_> = own.keys().cloned().collect();
        let size = tiles::size_for(key.question.origin, sizes.at(at_us));
        if let Some(tile) = tiles::add(own, &queue, &value, size) {
            self.touched.extend(before.into_iter().map(|of| (key.clone(), of)));
            self.show(&key, tile, at_us);
        }
    }

    /// A full tile counts in the week and day of the answer that made it full.
    fn show(&mut self, key: &TileKey, tile: Tile, at_us: i64) {
        let week = Week::of_us(at_us).number();
        let queue = tile.queue.map_or((Part::Several, String::new()), |queue| (Part::Queue, queue));
        let parts = [(Part::All, String::new()), (Part::Agent, key.agent.clone()), queue];
        for (value, n) in tile.counts {
            let (question, n) = (&key.question, sql::integer(n));
            for (part, name) in &parts {
                let (name, question, value) = (name.clone(), question.clone(), value.clone());
                let key = ShownKey { part: *part, week, name, question, value };
                *self.shown.entry(key).or_default() += n;
            }
            *self.days.entry((at_us.div_euclid(DAY_US), question.clone(), value)).or_default() += n;
        }
    }

    /// Whether anything is added that views of the whole centre show.
    pub(super) fn changes_views(&self) -> bool {
        !self.shown.is_empty() || !self.calls.is_empty()
    }

    /// The earliest week that tiles or calls are added to.
    pub(super) fn first_week(&self) -> Option<i64> {
        self.shown.keys().map(|key| key.week).chain(self.calls.keys().map(|key| key.week)).min()
    }

    /// The statements that add it all.
    pub(super) fn statements(&self) -> Vec<Statement> {
        let mut queries = sql_weekly::add_shown(&self.shown.iter().collect::<Vec<_>>());
        queries.extend(sql_weekly::add_days(&self.days.iter().collect::<Vec<_>>()));
        queries.extend(sql_weekly::add_call_weeks(&self.calls.iter().collect::<Vec<_>>()));
        queries.extend(sql_weekly::add_sampling(&self.sampling.iter().collect::<Vec<_>>()));
        queries.extend(sql_weekly::add_journey(&self.journey.iter().collect::<Vec<_>>()));
        let left = |(key, of): &WaitingKey| self.waiting.get(key).and_then(|own| own.get(of)).copied();
        let waiting: Vec<_> = self.touched.iter().map(|key| (key, left(key).unwrap_or(0))).collect();
        queries.extend(sql_weekly::set_waiting(&waiting));
        queries
    }

    /// Once it is on disk: what waits now.
    pub(super) fn settle(self, waiting: &mut AllWaiting) {
        waiting.extend(self.waiting);
    }
}

fn week(row: &CallRow) -> i64 {
    Week::of_us(row.offered_us).number()
}

fn agent(row: &CallRow) -> String {
    row.context.as_ref().and_then(|c| c.agent.as_ref()).map(ToString::to_string).unwrap_or_default()
}

fn survey(row: &CallRow) -> String {
    let survey = row.decision.as_ref().and_then(|d| d.survey.as_ref());
    survey.map(|(id, _)| id.to_string()).unwrap_or_default()
}
