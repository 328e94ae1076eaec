//! The sums that views are made from: what one transaction adds to them.

use std::collections::{BTreeMap, BTreeSet};

use super::groups::{self, AllGroups, Full, Group, GroupKey};
use super::passage::Passage;
use super::project::CallRow;
use super::state::State;
use super::statement::Statement;
use super::tiles::{self, AllWaiting, QuestionKey, Tile, TileKey, Waiting};
use super::{sql, sql_groups, sql_weekly};
use crate::domain::{CallId, DecisionReason, Disposition, Entry, Fact, Origin, Party, Stage, Week};

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
pub(super) type JourneyKey = (i64, Origin, String, String, String);
/// Day, question, value.
pub(super) type DayKey = (i64, QuestionKey, String);

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
    /// What waited under those keys before.
    before: BTreeMap<TileKey, Waiting>,
    /// The waiting calls of those keys that changed.
    groups: AllGroups,
    /// The calls that changed.
    written: BTreeMap<CallId, GroupKey>,
}

impl WeeklySums {
    /// Takes in one fact of a call that had not ended before it; `row` has taken it in already. Gives the calls that
    /// count from now on.
    pub(super) fn take_in(&mut self, row: &CallRow, entry: &Entry, state: &State) -> Group {
        match &entry.fact {
            Fact::Decided(decision) => self.decided(row, decision.reason),
            Fact::Ended { disposition, .. } => {
                if *disposition == Disposition::NotTransferred {
                    let key = (week(row), row.agent(), row.queue(), "not_transferred");
                    *self.sampling.entry(key).or_default() += 1;
                }
                self.ended(row, *disposition);
                return self.over(row, entry.at_us, state);
            }
            _ => {}
        }
        Group::new()
    }

    /// What a call brings waits for its group. Where it has no answers there is nothing that they could tell, and what its
    /// caller did counts at once.
    fn over(&mut self, row: &CallRow, at_us: i64, state: &State) -> Group {
        let key = GroupKey { origin: row.origin(), survey: survey(row), agent: row.agent() };
        let passage = Passage { queue: row.queue(), ..row.passage.clone() };
        if passage.answers.is_empty() {
            let week = week(row);
            self.steps(&key, &passage, week);
            self.asked(&key, &passage.queue, &passage, state);
            return [(row.id, passage)].into();
        }
        let queue = passage.queue.clone();
        let size = tiles::size_for(key.origin, state.sizes.at(at_us));
        let group = self.group(&key, state);
        group.insert(row.id, passage);
        let full = groups::take_full(group, &queue, size);
        self.written.insert(row.id, key.clone());
        match full {
            Some(full) => self.count(&key, full, at_us, state),
            None => Group::new(),
        }
    }

    /// Words of a comment were found after its call ended: they count with the group after its own.
    pub(super) fn heard_later(
        &mut self,
        key: &GroupKey,
        call: CallId,
        queue: &str,
        words: &[String],
        state: &State,
    ) {
        let passage = self.group(key, state).entry(call).or_default();
        queue.clone_into(&mut passage.queue);
        passage.words.push(words.to_vec());
        self.written.insert(call, key.clone());
    }

    fn group(&mut self, key: &GroupKey, state: &State) -> &mut Group {
        let before = || state.groups.get(key).cloned().unwrap_or_default();
        self.groups.entry(key.clone()).or_insert_with(before)
    }

    /// A full group counts in the week of the call that made it full.
    fn count(&mut self, key: &GroupKey, mut full: Full, at_us: i64, state: &State) -> Group {
        let size = tiles::size_for(key.origin, state.sizes.at(at_us));
        if size > 1 {
            let later = full.leave_words();
            self.group(key, state).extend(later);
        }
        let queue = full.queue.as_deref().unwrap_or(tiles::SEVERAL);
        let mut answers: BTreeMap<QuestionKey, BTreeMap<String, u64>> = BTreeMap::new();
        for (call, passage) in &full.calls {
            self.written.insert(*call, key.clone());
            self.steps(key, passage, Week::of_us(at_us).number());
            self.asked(key, queue, passage, state);
            for given in &passage.answers {
                let question = QuestionKey {
                    origin: key.origin,
                    survey: key.survey.parse().ok(),
                    question: given.question.clone(),
                    kind: given.kind.as_str(),
                    scale: given.scale,
                };
                *answers.entry(question).or_default().entry(given.value.clone()).or_default() += 1;
            }
        }
        for (question, counts) in answers {
            let tile = TileKey { question, agent: key.agent.clone() };
            let own = self.wait(&tile, state);
            let full = tiles::add(own, queue, counts, size);
            let Some(Tile { queue, counts }) = full else { continue };
            self.show(&tile, queue.as_deref(), counts, at_us);
            let asked = TileKey { question: tile.question.asked(), agent: tile.agent };
            let counts = tiles::take(self.wait(&asked, state), queue.as_deref());
            self.show(&asked, queue.as_deref(), counts, at_us);
        }
        full.calls
    }

    fn steps(&mut self, key: &GroupKey, passage: &Passage, week: i64) {
        for (question, done) in &passage.steps {
            for (what, (n, ms)) in done {
                let key = (week, key.origin, key.survey.clone(), question.clone(), what.clone());
                let sum = self.journey.entry(key).or_default();
                sum.0 += n;
                sum.1 += ms;
            }
        }
    }

    /// How many heard a question waits for the answers to it.
    fn asked(&mut self, key: &GroupKey, queue: &str, passage: &Passage, state: &State) {
        for (question, n) in passage.heard() {
            let Ok(question) = question.parse() else { continue };
            let survey = key.survey.parse().ok();
            let question =
                QuestionKey { origin: key.origin, survey, question, kind: tiles::ASKED, scale: None };
            let tile = TileKey { question, agent: key.agent.clone() };
            let own = self.wait(&tile, state);
            *own.entry((queue.to_owned(), String::new())).or_default() +=
                u64::try_from(n).unwrap_or_default();
        }
    }

    /// What waits for a tile, to be changed.
    fn wait(&mut self, key: &TileKey, state: &State) -> &mut Waiting {
        let before = || state.waiting.get(key).cloned().unwrap_or_default();
        let own = self.waiting.entry(key.clone()).or_insert_with(before);
        self.before.entry(key.clone()).or_insert_with(|| own.clone());
        own
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
            *self.sampling.entry((week(row), row.agent(), row.queue(), what)).or_default() += 1;
        }
    }

    fn ended(&mut self, row: &CallRow, disposition: Disposition) {
        for (part, name) in
            [(Part::All, String::new()), (Part::Agent, row.agent()), (Part::Queue, row.queue())]
        {
            let (origin, stage) = (row.origin(), row.stage);
            let key =
                CallsKey { part, week: week(row), name, origin, survey: survey(row), disposition, stage };
            *self.calls.entry(key).or_default() += 1;
        }
    }

    /// A full tile counts in the week and day of the answer that made it full.
    fn show(&mut self, key: &TileKey, queue: Option<&str>, counts: BTreeMap<String, u64>, at_us: i64) {
        let week = Week::of_us(at_us).number();
        let queue = queue.map_or((Part::Several, String::new()), |queue| (Part::Queue, queue.to_owned()));
        let parts = [(Part::All, String::new()), (Part::Agent, key.agent.clone()), queue];
        for (value, n) in counts {
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
        queries.extend(sql_weekly::set_waiting(&self.now_waiting()));
        queries.extend(sql_groups::set(&self.now_grouped()));
        queries
    }

    /// Once it is on disk: what waits now.
    pub(super) fn settle(self, state: &mut State) {
        state.waiting.extend(self.waiting);
        for (key, group) in self.groups {
            if group.is_empty() {
                state.groups.remove(&key);
            } else {
                state.groups.insert(key, group);
            }
        }
    }

    /// How many answers wait now, of those of which so many waited or wait.
    fn now_waiting(&self) -> Vec<(&TileKey, &(String, String), u64)> {
        let mut rows = Vec::new();
        for (key, before) in &self.before {
            let Some(now) = self.waiting.get(key) else { continue };
            let both: BTreeSet<_> = before.keys().chain(now.keys()).collect();
            rows.extend(both.into_iter().map(|of| (key, of, now.get(of).copied().unwrap_or(0))));
        }
        rows
    }

    /// What waits now of each call that changed; nothing of those that count.
    fn now_grouped(&self) -> Vec<(CallId, &GroupKey, Option<&Passage>)> {
        let waits = |key, call| self.groups.get(key).and_then(|group| group.get(call));
        self.written.iter().map(|(call, key)| (*call, key, waits(key, call))).collect()
    }
}

fn week(row: &CallRow) -> i64 {
    Week::of_us(row.offered_us).number()
}

fn survey(row: &CallRow) -> String {
    let survey = row.decision.as_ref().and_then(|d| d.survey.as_ref());
    survey.map(|(id, _)| id.to_string()).unwrap_or_default()
}
