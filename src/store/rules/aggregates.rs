//! What supervisors see: sums over whole tiles, with how calls came out beside every score.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::board::{borrowed, reasons, scores, shrunk, standing};
use super::read::{self, Of, Outcomes, Shown, Tally};
use super::{
    AgentDetail, AgentRow, Agents, Beside, Board, Chart, ChartPoint, DayPoint, Denied, Mystery, MysteryRow,
    Overview, QueueDetail, QueueName, QueueRow, Queues, Responses, Results, Said, Slice, SliceName, TeamRow,
    View, ViewError, WeekPoint, Why, WordCount,
};
use crate::domain::{AgentId, Origin, Period, QueueId, SurveyId, Viewer, Week};
use crate::scoring;
use crate::store::StoreError;
use crate::store::weekly::Part;

/// Weeks of a trend.
const TREND: i64 = 13;

/// One part of the centre over the weeks that its page needs.
struct Page {
    shown: Shown,
    responses: BTreeMap<(String, Origin), Responses>,
    period: Period,
    origin: Origin,
    /// The last week of trends.
    last: Week,
}

impl Results {
    /// The whole centre.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn overview(&self, viewer: &Viewer, slice: Slice<'_>) -> Result<Overview, ViewError> {
        self.look(viewer, View::Overview, slice.scope(None)).await?;
        Ok(self.read_overview(slice).await?)
    }

    pub(super) async fn read_overview(&self, slice: Slice<'_>) -> Result<Overview, StoreError> {
        let page = self.page(Of { part: Part::All, name: None, survey: slice.survey }, slice).await?;
        let period = slice.period;
        let first = read::first_day(*period.weeks().start());
        let last = first + 7 * (period.weeks().end().number() - period.weeks().start().number()) + 6;
        let now = jiff::Timestamp::now();
        let by_day = read::shown_days(&self.store, &self.closed, slice.survey, first..=last, now).await?;
        let days = (first..=last).filter_map(|day| {
            let at = Week::from_number(day); // Days stand in the place of weeks there.
            let scores = scores(&by_day.sum(slice.origin, &(at..=at)), None);
            let days = jiff::Span::new().try_days(i32::try_from(day - first).ok()?).ok()?;
            let day = period.first_day().checked_add(days).ok()?;
            (!scores.is_empty()).then_some(DayPoint { day, scores })
        });
        let days = days.collect();
        Ok(Overview {
            slice: slice.named(),
            board: page.board(slice.origin),
            beside: page.beside(),
            weeks: page.trend(),
            days,
        })
    }

    /// The agents of the viewer's teams, best first.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn agents(&self, viewer: &Viewer, slice: Slice<'_>) -> Result<Agents, ViewError> {
        self.look(viewer, View::Agents, slice.scope(None)).await?;
        let of = Of { part: Part::Agent, name: None, survey: slice.survey };
        let (shown, responses, weeks) = self.two_periods(of, slice.period).await?;
        let mut names: BTreeSet<&str> = responses.keys().map(|(name, _)| name.as_str()).collect();
        names.extend(shown.names().into_iter().map(|(name, _)| name));
        let sum = |name: &str, weeks| shown.sum_of([name], slice.origin, weeks);
        // All agents give the measure, also those whose rows the viewer does not see.
        let named: Vec<&str> = names.iter().copied().filter(|name| !name.is_empty()).collect();
        let tallies: Vec<Tally> = named.iter().map(|name| sum(name, &weeks.now)).collect();
        let pulled: BTreeMap<&str, _> = named.iter().copied().zip(shrunk(&tallies)).collect();
        let sees = |name: &&str| self.in_teams(viewer, name.parse().ok().as_ref());
        let row = |name: &str| AgentRow {
            agent: name.parse().ok(),
            team: name.parse().ok().and_then(|agent| self.policy.team_of(&agent)).cloned(),
            board: Board {
                scores: scores(&sum(name, &weeks.now), Some(&sum(name, &weeks.before))),
                responses: responses.get(&(name.to_owned(), slice.origin)).cloned().unwrap_or_default(),
            },
            shrunk: pulled.get(name).copied().flatten(),
        };
        let mut rows: Vec<AgentRow> = names.iter().copied().filter(sees).map(row).collect();
        rows.retain(|row| row.board != Board::default()); // They have calls of another origin only.
        // Stable: by name among equals.
        rows.sort_by(|a, b| {
            let (a, b) = (standing(a.shrunk.as_ref()), standing(b.shrunk.as_ref()));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
        let teams = self
            .policy
            .teams
            .iter()
            .filter(|(team, _)| viewer.teams.is_empty() || viewer.teams.contains(team));
        let teams = teams.map(|(team, agents)| {
            let is_in = |name: &str| agents.iter().any(|agent| agent.as_str() == name);
            let sum = |weeks| shown.sum_of(agents.iter().map(|agent| agent.as_str()), slice.origin, weeks);
            let own = responses.iter().filter(|((name, origin), _)| *origin == slice.origin && is_in(name));
            let mut responses = Responses::default();
            own.for_each(|(_, one)| responses.add(one));
            let scores = scores(&sum(&weeks.now), Some(&sum(&weeks.before)));
            TeamRow { team: team.clone(), board: Board { scores, responses } }
        });
        Ok(Agents { slice: slice.named(), teams: teams.collect(), rows })
    }

    /// One agent of the viewer's teams.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn agent(
        &self,
        viewer: &Viewer,
        agent: &AgentId,
        slice: Slice<'_>,
    ) -> Result<AgentDetail, ViewError> {
        super::allowed(viewer, View::Agent)?;
        if !self.in_teams(viewer, Some(agent)) {
            return Err(Denied::Team.into());
        }
        self.look(viewer, View::Agent, slice.scope(Some(agent.as_str()))).await?;
        let page = self
            .page(Of { part: Part::Agent, name: Some(agent.as_str()), survey: slice.survey }, slice)
            .await?;
        Ok(AgentDetail {
            agent: agent.clone(),
            team: self.policy.team_of(agent).cloned(),
            slice: slice.named(),
            board: page.board(slice.origin),
            beside: page.beside(),
            weeks: page.trend(),
            charts: page.charts(),
            choices: reasons(&page.sum(slice.origin, &slice.period.weeks())),
        })
    }

    /// The queues.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn queues(&self, viewer: &Viewer, slice: Slice<'_>) -> Result<Queues, ViewError> {
        self.look(viewer, View::Queues, slice.scope(None)).await?;
        let of = Of { part: Part::Queue, name: None, survey: slice.survey };
        let (shown, responses, weeks) = self.two_periods(of, slice.period).await?;
        let (several, _, _) = self.two_periods(Of { part: Part::Several, ..of }, slice.period).await?;
        let mut names: BTreeSet<&str> = responses.keys().map(|(name, _)| name.as_str()).collect();
        names.extend(shown.names().into_iter().map(|(name, _)| name));
        let board = |shown: &Shown, name: &str| {
            let sum = |weeks| shown.sum_of([name], slice.origin, weeks);
            scores(&sum(&weeks.now), Some(&sum(&weeks.before)))
        };
        let mut rows: Vec<QueueRow> = names
            .iter()
            .map(|name| QueueRow {
                queue: name.parse().map_or(QueueName::None, QueueName::Queue),
                board: Board {
                    scores: board(&shown, name),
                    responses: responses
                        .get(&((*name).to_owned(), slice.origin))
                        .cloned()
                        .unwrap_or_default(),
                },
            })
            .collect();
        rows.retain(|row| row.board != Board::default()); // Calls of another origin came through those.
        let mixed = board(&several, "");
        if !mixed.is_empty() {
            let board = Board { scores: mixed, responses: Responses::default() };
            rows.push(QueueRow { queue: QueueName::Several, board });
        }
        Ok(Queues { slice: slice.named(), rows })
    }

    /// One queue.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn queue(
        &self,
        viewer: &Viewer,
        queue: &QueueId,
        slice: Slice<'_>,
    ) -> Result<QueueDetail, ViewError> {
        self.look(viewer, View::Queue, slice.scope(Some(queue.as_str()))).await?;
        let page = self
            .page(Of { part: Part::Queue, name: Some(queue.as_str()), survey: slice.survey }, slice)
            .await?;
        Ok(QueueDetail {
            queue: queue.clone(),
            slice: slice.named(),
            board: page.board(slice.origin),
            beside: page.beside(),
            weeks: page.trend(),
            choices: reasons(&page.sum(slice.origin, &slice.period.weeks())),
        })
    }

    /// Why callers found it hard, over the whole centre: the choices of every menu question, and the groups of key words
    /// in comments.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn why(&self, viewer: &Viewer, slice: Slice<'_>) -> Result<Why, ViewError> {
        self.look(viewer, View::Why, slice.scope(None)).await?;
        let of = Of { part: Part::All, name: None, survey: slice.survey };
        let now = jiff::Timestamp::now();
        let shown = read::shown(&self.store, &self.closed, of, &slice.period.weeks(), now).await?;
        let questions = reasons(&shown.sum(slice.origin, &slice.period.weeks()));
        Ok(Why { slice: slice.named(), questions, said: self.said(slice).await? })
    }

    async fn said(&self, slice: Slice<'_>) -> Result<Said, StoreError> {
        let (views, weeks) = (self.store.views(), slice.period.weeks());
        let of = Some((slice.survey, slice.origin));
        let comments = read::counts(views, "comment_weeks", ["what"], "n", &weeks, of).await?;
        let words = read::counts(views, "word_weeks", ["word"], "n", &weeks, of).await?;
        let all = |what: &str| comments.iter().find(|([is], _)| is == what).map_or(0, |(_, n)| *n);
        let mut words: Vec<WordCount> =
            words.into_iter().map(|([word], count)| WordCount { word, count }).collect();
        words.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.word.cmp(&b.word)));
        Ok(Said { comments: all("left"), transcribed: all("done") > 0, words })
    }

    /// Mystery and trial calls by agent, each beside the agent's customers.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn mystery(&self, viewer: &Viewer, period: Period) -> Result<Mystery, ViewError> {
        self.look(viewer, View::Mystery, Slice::of(period).scope(None)).await?;
        let of = Of { part: Part::Agent, name: None, survey: None };
        let (shown, responses, weeks) = self.two_periods(of, period).await?;
        let nobodys = |origin: &Origin| matches!(origin, Origin::Mystery | Origin::Test);
        let mut keys: BTreeSet<(&str, Origin)> = shown.names();
        keys.extend(responses.keys().map(|(name, origin)| (name.as_str(), *origin)));
        let sum = |name: &str, origin| shown.sum_of([name], origin, &weeks.now);
        let rows = keys
            .into_iter()
            .filter(|(name, origin)| nobodys(origin) && self.in_teams(viewer, name.parse().ok().as_ref()));
        let rows = rows.map(|(name, origin)| MysteryRow {
            agent: name.parse().ok(),
            origin,
            board: Board {
                scores: scores(&sum(name, origin), None),
                responses: responses.get(&(name.to_owned(), origin)).cloned().unwrap_or_default(),
            },
            customers: scores(&sum(name, Origin::Sampled), None),
            customer_calls: responses.get(&(name.to_owned(), Origin::Sampled)).cloned().unwrap_or_default(),
        });
        let rows = rows.filter(|row| row.board != Board::default()).collect();
        Ok(Mystery { period, rows })
    }

    async fn page(&self, of: Of<'_>, slice: Slice<'_>) -> Result<Page, StoreError> {
        let Slice { period, origin, .. } = slice;
        let (now, end) = (jiff::Timestamp::now(), *period.weeks().end());
        let last = end.min(Week::of_us(now.as_microsecond())); // Weeks that lie ahead have no place in a trend.
        let first = *period.previous().weeks().start().min(&last.plus(1 - TREND));
        let shown = read::shown(&self.store, &self.closed, of, &(first..=end), now).await?;
        let responses = read::responses(&self.store, &self.closed, of, &period.weeks(), now).await?;
        Ok(Page { shown, responses, period, origin, last })
    }

    async fn two_periods(
        &self,
        of: Of<'_>,
        period: Period,
    ) -> Result<(Shown, Outcomes, TwoPeriods), ViewError> {
        let weeks = TwoPeriods { now: period.weeks(), before: period.previous().weeks() };
        let periods = [&weeks.before, &weeks.now];
        let now = jiff::Timestamp::now();
        let shown = read::shown_sums(&self.store, &self.closed, of, periods, now).await?;
        let responses = read::responses(&self.store, &self.closed, of, &weeks.now, now).await?;
        Ok((shown, responses, weeks))
    }
}

struct TwoPeriods {
    now: RangeInclusive<Week>,
    before: RangeInclusive<Week>,
}

impl Responses {
    pub(super) fn add(&mut self, other: &Self) {
        for (disposition, n) in &other.dispositions {
            *self.dispositions.entry(*disposition).or_default() += n;
        }
        self.surveys.extend(other.surveys.iter().cloned());
        let (sum, more) = (&mut self.funnel, &other.funnel);
        sum.offered += more.offered;
        sum.selected += more.selected;
        sum.answered += more.answered;
        sum.asked += more.asked;
        sum.responded += more.responded;
        sum.complete += more.complete;
    }
}

impl Page {
    fn sum(&self, origin: Origin, weeks: &RangeInclusive<Week>) -> Tally {
        self.shown.sum(origin, weeks)
    }

    fn board(&self, origin: Origin) -> Board {
        let now = self.sum(origin, &self.period.weeks());
        let before = self.sum(origin, &self.period.previous().weeks());
        let own = self.responses.iter().filter(|((_, of), _)| *of == origin);
        let mut responses = Responses::default();
        own.for_each(|(_, one)| responses.add(one));
        Board { scores: scores(&now, Some(&before)), responses }
    }

    /// The other origins that there is anything of.
    fn beside(&self) -> Vec<Beside> {
        let others = Origin::ALL.into_iter().filter(|origin| *origin != self.origin);
        let boards = others.map(|origin| Beside { origin, board: self.board(origin) });
        boards.filter(|beside| beside.board != Board::default()).collect()
    }

    fn trend_weeks(&self) -> impl Iterator<Item = Week> {
        let last = self.last;
        (1 - TREND..=0).map(move |back| last.plus(back))
    }

    fn trend(&self) -> Vec<WeekPoint> {
        let points = self
            .trend_weeks()
            .map(|week| WeekPoint { week, scores: scores(&self.sum(self.origin, &(week..=week)), None) });
        points.filter(|point| !point.scores.is_empty()).collect()
    }

    fn charts(&self) -> Vec<Chart> {
        let weeks: Vec<(Week, Tally)> =
            self.trend_weeks().map(|week| (week, self.sum(self.origin, &(week..=week)))).collect();
        let keys: BTreeSet<_> = weeks.iter().flat_map(|(_, tally)| tally.counts.keys()).collect();
        let chart = |key: &read::ScoreKey| {
            let share = |tally: &Tally| {
                tally.counts.get(key).and_then(|counts| scoring::proportion(key.1, key.2, &borrowed(counts)))
            };
            let shares: Vec<_> =
                weeks.iter().filter_map(|(week, tally)| Some((*week, share(tally)?))).collect();
            let figure = shares.first()?.1.0;
            let limits = scoring::p_chart(&shares.iter().map(|(_, (_, share))| *share).collect::<Vec<_>>());
            let points =
                shares.iter().zip(limits).map(|((week, _), limits)| ChartPoint { week: *week, limits });
            Some(Chart { question: key.0.clone(), figure, points: points.collect() })
        };
        keys.into_iter().filter_map(chart).collect()
    }
}

impl<'a> Slice<'a> {
    /// Callers chosen by us, over all surveys.
    #[must_use]
    pub fn of(period: Period) -> Self {
        Self { period, survey: None, origin: Origin::Sampled }
    }

    pub(super) fn named(&self) -> SliceName {
        SliceName { period: self.period, survey: self.survey.cloned(), origin: self.origin }
    }

    /// What the audit log says was looked at.
    pub(super) fn scope(&self, of: Option<&str>) -> String {
        let origin = Some(self.origin).filter(|origin| *origin != Origin::Sampled);
        let mut scope = self.period.to_string();
        for (name, value) in [
            ("survey", self.survey.map(SurveyId::as_str)),
            ("origin", origin.map(Origin::as_str)),
            ("of", of),
        ] {
            if let Some(value) = value {
                scope += &format!(" {name} {value}");
            }
        }
        scope
    }
}
