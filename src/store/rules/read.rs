//! The sums that aggregates are made from, as read.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;

use super::Responses;
use crate::domain::{Origin, QuestionId, QuestionKind, Scale, SurveyId, Week};
use crate::store::views::{get, parse, read_error, scale_of};
use crate::store::weekly::Part;
use crate::store::wheres::Wheres;
use crate::store::writer::open_week;
use crate::store::{Store, StoreError, Views, tiles};

/// A question on one scale: what one score is of.
pub(super) type ScoreKey = (QuestionId, QuestionKind, Option<Scale>);

/// What scores are made from.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// How often each value was answered, by score.
    pub(super) counts: BTreeMap<ScoreKey, BTreeMap<String, u64>>,
    /// How many calls heard each question, of those that count in it.
    pub(super) asked: BTreeMap<QuestionId, u64>,
}

impl Tally {
    /// How many were asked for the answers to a score. Not known where a question had another kind or scale meanwhile.
    pub(super) fn asked(&self, question: &QuestionId) -> Option<u64> {
        let scores = self.counts.iter().filter(|((of, _, _), _)| of == question);
        let (n, answered) =
            scores.fold((0, 0), |(n, sum), (_, counts)| (n + 1, sum + counts.values().sum::<u64>()));
        self.asked.get(question).copied().filter(|asked| n == 1 && *asked >= answered)
    }
}

/// Full tiles of one part of the centre, by name.
#[derive(Debug, Default)]
pub(super) struct Shown {
    sums: BTreeMap<String, Tiles>,
    /// More of them, of times that are over.
    past: Option<Arc<Shown>>,
}

/// By week (or day) and origin.
type Tiles = BTreeMap<(i64, Origin), Tally>;

impl Shown {
    /// The names and origins that have tiles.
    pub(super) fn names(&self) -> BTreeSet<(&str, Origin)> {
        let origins = |(name, tiles): (_, &Tiles)| -> Vec<_> {
            tiles.keys().map(|(_, origin)| (name, *origin)).collect()
        };
        self.all().flat_map(origins).collect()
    }

    fn all(&self) -> impl Iterator<Item = (&str, &Tiles)> {
        let past = self.past.iter().flat_map(|past| &past.sums);
        past.chain(&self.sums).map(|(name, tiles)| (name.as_str(), tiles))
    }

    /// The sum of everything over weeks.
    pub(super) fn sum(&self, origin: Origin, weeks: &RangeInclusive<Week>) -> Tally {
        let mut sum = Tally::default();
        self.all().for_each(|(_, tiles)| add_up(&mut sum, tiles, origin, weeks));
        sum
    }

    /// The sum of some names over weeks.
    pub(super) fn sum_of<'n>(
        &self,
        names: impl IntoIterator<Item = &'n str>,
        origin: Origin,
        weeks: &RangeInclusive<Week>,
    ) -> Tally {
        let mut sum = Tally::default();
        for name in names {
            let past = self.past.as_ref().and_then(|past| past.sums.get(name));
            let tiles = past.into_iter().chain(self.sums.get(name));
            tiles.for_each(|tiles| add_up(&mut sum, tiles, origin, weeks));
        }
        sum
    }

    async fn read(
        &mut self,
        views: &Views,
        of: Of<'_>,
        weeks: &RangeInclusive<Week>,
        at: &str,
        group: &str,
    ) -> Result<(), StoreError> {
        let wheres = wheres(of);
        let text = format!(
            "SELECT name, {at} AS at, {KEY}, CAST(SUM(n) AS BIGINT) AS n FROM shown_weeks{wheres} \
             AND week IN ({}) GROUP BY name, {group}{KEY}",
            list(weeks)
        );
        let rows = wheres.bind(text).fetch_all(views.pool()).await.map_err(read_error)?;
        rows.iter().try_for_each(|row| self.add(row))
    }

    /// Adds sums of another time, as of this one.
    fn take_in(&mut self, other: &Self, at: i64) {
        for (name, tiles) in other.all() {
            let own = self.sums.entry(name.to_owned()).or_default();
            for ((_, origin), tally) in tiles {
                add(own.entry((at, *origin)).or_default(), tally);
            }
        }
    }

    fn add(&mut self, row: &SqliteRow) -> Result<(), StoreError> {
        let n = u64::try_from(get::<i64>(row, "n")?).unwrap_or_default();
        let tiles = self.sums.entry(get(row, "name")?).or_default();
        let tally = tiles.entry((get(row, "at")?, parse(row, "origin")?)).or_default();
        let question = parse(row, "question")?;
        if get::<String>(row, "kind")? == tiles::ASKED {
            *tally.asked.entry(question).or_default() += n;
            return Ok(());
        }
        let counts = tally.counts.entry((question, parse(row, "kind")?, scale_of(row)?)).or_default();
        *counts.entry(get(row, "value")?).or_default() += n;
        Ok(())
    }
}

/// Adds what stands in some weeks.
fn add_up(sum: &mut Tally, tiles: &Tiles, origin: Origin, weeks: &RangeInclusive<Week>) {
    let (first, last) = (weeks.start().number(), weeks.end().number());
    let wanted = tiles.iter().filter(|((at, of), _)| *of == origin && (first..=last).contains(at));
    wanted.for_each(|(_, tally)| add(sum, tally));
}

fn add(sum: &mut Tally, more: &Tally) {
    for (question, n) in &more.asked {
        *sum.asked.entry(question.clone()).or_default() += n;
    }
    for (key, counts) in &more.counts {
        let into = sum.counts.entry(key.clone()).or_default();
        for (value, n) in counts {
            *into.entry(value.clone()).or_default() += n;
        }
    }
}

/// Which sums.
#[derive(Clone, Copy, Debug)]
pub(super) struct Of<'a> {
    /// Of which part.
    pub(super) part: Part,
    /// The agent or queue; all when `None`.
    pub(super) name: Option<&'a str>,
    /// The survey; all when `None`.
    pub(super) survey: Option<&'a SurveyId>,
}

const KEY: &str = "origin, question, kind, scale_min, scale_max, better, value";

/// Full tiles by week. Those of all agents and queues are kept where their week is over.
pub(super) async fn shown(
    store: &Store,
    closed: &Closed,
    of: Of<'_>,
    weeks: &RangeInclusive<Week>,
    now: Timestamp,
) -> Result<Shown, StoreError> {
    let by_week = async |weeks: &RangeInclusive<Week>| {
        let mut shown = Shown::default();
        shown.read(store.views(), of, weeks, "week", "week, ").await?;
        Ok(shown)
    };
    if of.name.is_some() {
        return by_week(weeks).await;
    }
    let (over, rest) = parted(weeks, now);
    let mut shown = if rest.is_empty() { Shown::default() } else { by_week(&rest).await? };
    if !over.is_empty() {
        let ends = (over.start().number(), over.end().number());
        let key = (Grain::Weeks, of.part, of.survey.cloned(), ends);
        shown.past = Some(closed.0.0.get(store, key, by_week(&over)).await?);
    }
    Ok(shown)
}

/// The number of a week's first day since 1970.
pub(super) fn first_day(week: Week) -> i64 {
    7 * week.number() - 3
}

/// The weeks that are over, and the rest.
fn parted(weeks: &RangeInclusive<Week>, now: Timestamp) -> (RangeInclusive<Week>, RangeInclusive<Week>) {
    let open = open_week(now);
    (*weeks.start()..=open.plus(-1).min(*weeks.end()), open.max(*weeks.start())..=*weeks.end())
}

/// What is known of weeks that are over: as a rule nothing is added to them any more, so they are read once. What adds to
/// them afterwards, or erases an agent, has them read again.
#[derive(Clone, Debug, Default)]
pub(super) struct Closed(Arc<(Past<Shown>, Past<Outcomes>)>);

/// How calls came out, by name and origin.
pub(super) type Outcomes = BTreeMap<(String, Origin), Responses>;

/// What was read of the past, and at which count of changes to it.
#[derive(Debug)]
struct Past<T>(Mutex<(u64, HashMap<ClosedKey, Arc<T>>)>);

/// By what, of what part and survey, and the first and last week or day.
type ClosedKey = (Grain, Part, Option<SurveyId>, (i64, i64));

/// How sums are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Grain {
    Period,
    Weeks,
    Days,
}

/// Sums that are kept; with more, all are read anew.
const CLOSED_MAX: usize = 64;

impl<T> Default for Past<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Past<T> {
    /// What is kept under this key, else what is read now.
    async fn get(
        &self,
        store: &Store,
        key: ClosedKey,
        read: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<Arc<T>, StoreError> {
        let version = store.past_changes();
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known =
            |kept: &(u64, HashMap<_, _>)| (kept.0 == version).then(|| kept.1.get(&key).cloned()).flatten();
        if let Some(known) = known(&lock()) {
            return Ok(known);
        }
        let sum = Arc::new(read.await?);
        let mut kept = lock();
        if kept.0 != version || kept.1.len() >= CLOSED_MAX {
            *kept = (version, HashMap::new());
        }
        kept.1.insert(key, Arc::clone(&sum));
        Ok(sum)
    }
}

/// Full tiles of every agent or queue by period: each one's sum stands at its first week.
pub(super) async fn shown_sums(
    store: &Store,
    closed: &Closed,
    of: Of<'_>,
    periods: [&RangeInclusive<Week>; 2],
    now: Timestamp,
) -> Result<Shown, StoreError> {
    let mut shown = Shown::default();
    for weeks in periods {
        let at = weeks.start().number();
        let (over, rest) = parted(weeks, now);
        if !over.is_empty() {
            let read = async {
                let mut sum = Shown::default();
                sum.read(store.views(), of, &over, "0", "").await?;
                Ok(sum)
            };
            let ends = (over.start().number(), over.end().number());
            let key = (Grain::Period, of.part, of.survey.cloned(), ends);
            shown.take_in(&*closed.0.0.get(store, key, read).await?, at);
        }
        if !rest.is_empty() {
            shown.read(store.views(), of, &rest, &at.to_string(), "").await?;
        }
    }
    Ok(shown)
}

/// Full tiles of the whole centre by day, in the place of weeks. Those of weeks that are over are kept.
pub(super) async fn shown_days(
    store: &Store,
    closed: &Closed,
    survey: Option<&SurveyId>,
    days: RangeInclusive<i64>,
    now: Timestamp,
) -> Result<Shown, StoreError> {
    let open = first_day(open_week(now));
    let over = *days.start()..=(open - 1).min(*days.end());
    let rest = open.max(*days.start())..=*days.end();
    let mut shown =
        if rest.is_empty() { Shown::default() } else { read_days(store.views(), survey, &rest).await? };
    if !over.is_empty() {
        let key = (Grain::Days, Part::All, survey.cloned(), (*over.start(), *over.end()));
        shown.past = Some(closed.0.0.get(store, key, read_days(store.views(), survey, &over)).await?);
    }
    Ok(shown)
}

async fn read_days(
    views: &Views,
    survey: Option<&SurveyId>,
    days: &RangeInclusive<i64>,
) -> Result<Shown, StoreError> {
    let mut wheres = Wheres::default();
    wheres.add("survey = ", survey.map(ToString::to_string));
    wheres.add("day >= ", Some(*days.start()));
    wheres.add("day <= ", Some(*days.end()));
    let text = format!(
        "SELECT '' AS name, day AS at, {KEY}, CAST(SUM(n) AS BIGINT) AS n FROM shown_days{wheres} GROUP BY day, {KEY}"
    );
    let rows = wheres.bind(text).fetch_all(views.pool()).await.map_err(read_error)?;
    let mut shown = Shown::default();
    rows.iter().try_for_each(|row| shown.add(row))?;
    Ok(shown)
}

/// How calls came out. What came of those of all agents and queues is kept where their week is over.
pub(super) async fn responses(
    store: &Store,
    closed: &Closed,
    of: Of<'_>,
    weeks: &RangeInclusive<Week>,
    now: Timestamp,
) -> Result<Outcomes, StoreError> {
    if of.name.is_some() {
        return outcomes(store.views(), of, weeks).await;
    }
    let (over, rest) = parted(weeks, now);
    let mut all = if rest.is_empty() { Outcomes::new() } else { outcomes(store.views(), of, &rest).await? };
    if !over.is_empty() {
        let ends = (over.start().number(), over.end().number());
        let key = (Grain::Period, of.part, of.survey.cloned(), ends);
        let past = closed.0.1.get(store, key, outcomes(store.views(), of, &over)).await?;
        for (key, responses) in &*past {
            all.entry(key.clone()).or_default().add(responses);
        }
    }
    Ok(all)
}

async fn outcomes(views: &Views, of: Of<'_>, weeks: &RangeInclusive<Week>) -> Result<Outcomes, StoreError> {
    let wheres = wheres(of);
    let text = format!(
        "SELECT name, origin, survey, disposition, stage, CAST(SUM(n) AS BIGINT) AS n FROM calls_weeks{wheres} \
         AND week IN ({}) GROUP BY name, origin, survey, disposition, stage",
        list(weeks)
    );
    let rows = wheres.bind(text).fetch_all(views.pool()).await.map_err(read_error)?;
    let mut all = Outcomes::new();
    for row in &rows {
        let n = u64::try_from(get::<i64>(row, "n")?).unwrap_or_default();
        let own = all.entry((get(row, "name")?, parse(row, "origin")?)).or_default();
        own.funnel.add(parse(row, "stage")?, n);
        *own.dispositions.entry(parse(row, "disposition")?).or_default() += n;
        own.surveys.extend(get::<String>(row, "survey")?.parse::<SurveyId>());
    }
    Ok(all)
}

/// How many of what, by the columns asked for; of one origin, and perhaps one survey, where the table knows them.
pub(super) async fn counts<const N: usize>(
    views: &Views,
    table: &'static str,
    columns: [&'static str; N],
    sum: &'static str,
    weeks: &RangeInclusive<Week>,
    of: Option<(Option<&SurveyId>, Origin)>,
) -> Result<Vec<([String; N], u64)>, StoreError> {
    let mut wheres = Wheres::default();
    wheres.add("survey = ", of.and_then(|(survey, _)| survey).map(ToString::to_string));
    wheres.add("origin = ", of.map(|(_, origin)| origin.as_str().to_owned()));
    let word = if of.is_some() { "AND" } else { "WHERE" };
    let list_of = columns.join(", ");
    let text = format!(
        "SELECT {list_of}, CAST(SUM({sum}) AS BIGINT) AS n FROM {table}{wheres} {word} week IN ({}) GROUP BY {list_of}",
        list(weeks)
    );
    let rows = wheres.bind(text).fetch_all(views.pool()).await.map_err(read_error)?;
    let mut all = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut names = [const { String::new() }; N];
        for (name, column) in names.iter_mut().zip(columns) {
            *name = get(row, column)?;
        }
        all.push((names, u64::try_from(get::<i64>(row, "n")?).unwrap_or_default()));
    }
    Ok(all)
}

fn wheres(of: Of<'_>) -> Wheres {
    let mut wheres = Wheres::default();
    wheres.add("part = ", Some(of.part.as_str().to_owned()));
    wheres.add("name = ", of.name.map(ToOwned::to_owned));
    wheres.add("survey = ", of.survey.map(ToString::to_string));
    wheres
}

/// Weeks one by one, so that the table is searched at each of them and not read through. At most a year and a half.
fn list(weeks: &RangeInclusive<Week>) -> String {
    /// More weeks than any view asks for.
    const MAX: usize = 80;
    let numbers = (weeks.start().number()..=weeks.end().number()).take(MAX).map(|week| week.to_string());
    numbers.collect::<Vec<_>>().join(", ")
}
