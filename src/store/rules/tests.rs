//! What an attacker with the right role and all the time in the world can find out.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::config::StoreConfig;
use crate::domain::*;
use crate::store::{Batch, Store};

/// Wednesday of 2026-W47.
pub(super) const START_US: i64 = 1_794_960_000_000_000;
pub(super) const HOUR_US: i64 = 3_600_000_000;

/// One response: who, through which queue, how long after the one before.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    pub(super) agent: &'static str,
    pub(super) queue: &'static str,
    pub(super) survey: &'static str,
    pub(super) hours: i64,
}

fn taken() -> impl Strategy<Value = Taken> {
    let of = |names: &'static [&'static str]| proptest::sample::select(names);
    (
        of(&["anna", "ben", "carl", ""]),
        of(&["sales", "care", "bills", "fax", "shop"]),
        of(&["short", "long"]),
        0i64..60,
    )
        .prop_map(|(agent, queue, survey, hours)| Taken { agent, queue, survey, hours })
}

pub(super) fn viewer(role: Role) -> Viewer {
    let agent = (role == Role::Agent).then(|| "anna".parse().unwrap());
    Viewer { user: UserId(Uuid::from_u128(7)), role, agent, teams: Vec::new() }
}

pub(super) fn policy() -> PolicyConfig {
    let team = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
    let teams =
        [("north".parse().unwrap(), team(&["anna", "ben"])), ("south".parse().unwrap(), team(&["carl"]))];
    PolicyConfig { teams: teams.into(), ..PolicyConfig::default() }
}

pub(super) async fn results(folder: &TempDir) -> Results {
    let config = StoreConfig { free_min_mib: 1, ..StoreConfig::default() };
    let (store, _) = Store::open(&config, folder.path()).await.unwrap();
    Results::new(store, Arc::new(policy()))
}

/// The facts of a call whose menu answer is a label of its own, so that a distribution tells exactly who is in it.
pub(super) fn facts(number: usize, taken: &Taken, origin: Origin) -> Vec<Fact> {
    let question: QuestionId = "why".parse().unwrap();
    let answer = Answer {
        question: question.clone(),
        kind: QuestionKind::Menu,
        scale: None,
        value: AnswerValue::Choice(format!("r{number}")),
        given_by: GivenBy::Key,
        keys: vec![],
        ambiguous: false,
        attempt: 1,
        barge_in: false,
        took_ms: 900,
    };
    vec![
        Fact::Offered(StoredContext {
            trunk: "pbx".parse().unwrap(),
            agent: taken.agent.parse().ok(),
            queue: taken.queue.parse().ok(),
            call_ref: format!("ref-{number}").parse().ok(),
            caller: Some(CallerHash([9; 32])),
            language: None,
            trigger: Trigger::Hangup,
            talk_s: Some(60),
            first_hang_up: Some(Party::Agent),
        }),
        Fact::Decided(Decision {
            origin,
            survey: Some((taken.survey.parse().unwrap(), SurveyVersion(1))),
            reason: DecisionReason::All,
            count: None,
            draw_ppm: None,
            ahead: None,
        }),
        Fact::Asked { question, attempt: 1, keys_only: false },
        Fact::Answer(answer),
        Fact::Ended {
            disposition: Disposition::Complete,
            left_at: None,
            failure: None,
            by_caller: false,
            stats: None,
        },
    ]
}

pub(super) async fn take(store: &Store, number: usize, taken: &Taken, at_us: i64, origin: Origin) {
    let call = store.new_call_id();
    let entries = facts(number, taken, origin).into_iter().map(|fact| Entry { call, at_us, fact });
    store.append(Batch { entries: entries.collect(), ..Batch::default() }).await.unwrap();
}

pub(super) type Population = BTreeSet<String>;

fn add(shown: &mut Vec<Population>, scores: &[Score]) {
    for score in scores {
        assert!(score.distribution.values().all(|n| *n == 1), "nobody counts twice: {score:?}");
        shown.push(score.distribution.keys().cloned().collect());
    }
}

/// Everything that a supervisor may ask for about some periods, as who is in each distribution.
pub(super) async fn ask_all(results: &Results, periods: &BTreeSet<Period>) -> Vec<Population> {
    let supervisor = viewer(Role::Supervisor);
    let surveys: [Option<SurveyId>; 3] = [None, "short".parse().ok(), "long".parse().ok()];
    let mut shown = Vec::new();
    for period in periods {
        let origins = [Origin::Sampled, Origin::Agent];
        for (survey, origin) in surveys.iter().flat_map(|survey| origins.map(|origin| (survey, origin))) {
            let slice = Slice { period: *period, survey: survey.as_ref(), origin };
            let overview = results.overview(&supervisor, slice).await.unwrap();
            add(&mut shown, &overview.board.scores);
            overview.weeks.iter().for_each(|point| add(&mut shown, &point.scores));
            overview.days.iter().for_each(|point| add(&mut shown, &point.scores));
            overview.beside.iter().for_each(|beside| add(&mut shown, &beside.board.scores));
            let agents = results.agents(&supervisor, slice).await.unwrap();
            agents.rows.iter().for_each(|row| add(&mut shown, &row.board.scores));
            agents.teams.iter().for_each(|row| add(&mut shown, &row.board.scores));
            let queues = results.queues(&supervisor, slice).await.unwrap();
            queues.rows.iter().for_each(|row| add(&mut shown, &row.board.scores));
            let why = results.why(&supervisor, slice).await.unwrap();
            for reasons in &why.questions {
                shown.push(reasons.choices.iter().map(|choice| choice.label.clone()).collect());
            }
        }
        for name in ["anna", "ben", "carl"] {
            let agent = results.agent(&supervisor, &name.parse().unwrap(), Slice::of(*period)).await.unwrap();
            add(&mut shown, &agent.board.scores);
            agent.weeks.iter().for_each(|point| add(&mut shown, &point.scores));
        }
        for name in ["sales", "care", "bills", "fax", "shop"] {
            let queue = results.queue(&supervisor, &name.parse().unwrap(), Slice::of(*period)).await.unwrap();
            add(&mut shown, &queue.board.scores);
            queue.weeks.iter().for_each(|point| add(&mut shown, &point.scores));
        }
    }
    shown
}

/// Whoever is in the same populations cannot be told apart by any of them, nor by sums and differences of any number
/// of them; so all that can be found out is about whole classes of such responses.
fn check(asked: &[Vec<Population>]) {
    let mut distinct: Vec<&Population> =
        asked.iter().flatten().collect::<BTreeSet<_>>().into_iter().collect();
    distinct.retain(|population| !population.is_empty());
    let mut classes: BTreeMap<Vec<bool>, usize> = BTreeMap::new();
    let everybody: BTreeSet<&String> = distinct.iter().copied().flatten().collect();
    for one in everybody {
        *classes.entry(distinct.iter().map(|population| population.contains(one)).collect()).or_default() +=
            1;
    }
    assert!(classes.values().all(|size| *size >= 5), "classes of {:?}", classes.values().collect::<Vec<_>>());
    // The same, said pair by pair.
    for (i, one) in distinct.iter().enumerate() {
        assert!(one.len() >= 5);
        for other in &distinct[i + 1..] {
            for rest in [
                one.difference(other).count(),
                other.difference(one).count(),
                one.intersection(other).count(),
            ] {
                assert!(rest == 0 || rest >= 5, "{one:?} and {other:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, max_shrink_iters: 50, ..ProptestConfig::default() })]
    #[test]
    fn no_differences_isolate_fewer_than_five(history in proptest::collection::vec(taken(), 20..80), step in 5usize..12) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = TempDir::new().unwrap();
            let results = results(&folder).await;
            let (mut at_us, mut asked, mut periods) = (START_US, Vec::new(), BTreeSet::new());
            for (number, taken_now) in history.iter().enumerate() {
                at_us += taken_now.hours * HOUR_US;
                let week = Week::of_us(at_us);
                periods.extend([Period::Week(week), Period::month_of(week), Period::quarter_of(week)]);
                take(&results.store, number, taken_now, at_us, Origin::Sampled).await;
                if number % step == 0 || number + 1 == history.len() {
                    asked.push(ask_all(&results, &periods).await);
                }
            }
            check(&asked);
            let shown: BTreeSet<_> = asked.last().unwrap().iter().flatten().collect();
            // What waits has a bound too: 14 of each agent and survey.
            assert!(history.len() - shown.len() <= 14 * 8, "{} of {}", shown.len(), history.len());
        });
    }

    /// An agent's batches: whole weeks, never fewer than three, never changed, late enough, in an order that says nothing.
    #[test]
    fn an_agents_batches_stay_and_have_three(history in proptest::collection::vec(taken(), 10..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = TempDir::new().unwrap();
            let results = results(&folder).await;
            let (mut at_us, mut seen) = (START_US, BTreeMap::new());
            for (number, taken_now) in history.iter().enumerate() {
                at_us += taken_now.hours * HOUR_US * 2;
                let one = Taken { agent: "anna", ..taken_now.clone() };
                take(&results.store, number, &one, at_us, Origin::Sampled).await;
                let now = Timestamp::from_microsecond(at_us).unwrap();
                let mine = results.my_weeks(&viewer(Role::Agent), Whose::Callers, now).await.unwrap();
                for batch in mine.weeks {
                    assert!(batch.responses.len() >= 3);
                    assert!(batch.week.number() + 2 <= Week::of_us(at_us).number());
                    let before = seen.entry(batch.week).or_insert_with(|| batch.clone());
                    assert_eq!(*before, batch, "a batch never changes");
                }
            }
            let mut all = HashSet::new();
            for response in seen.values().flat_map(|batch: &AgentWeek| &batch.responses) {
                assert!(all.insert(response.answers.values().next().unwrap().clone()), "in one batch only");
            }
        });
    }
}

#[tokio::test]
async fn batches_come_on_monday_in_the_policys_time_zone_and_are_shuffled() {
    let folder = TempDir::new().unwrap();
    let mut results = results(&folder).await;
    results.policy = Arc::new(PolicyConfig { time_zone: "America/New_York".into(), ..policy() });
    let one = Taken { agent: "anna", queue: "sales", survey: "short", hours: 0 };
    for number in 0..40 {
        let at_us = START_US + i64::try_from(number).unwrap() * HOUR_US;
        take(&results.store, number, &one, at_us, Origin::Sampled).await;
    }
    for (number, origin) in (40..50).zip([Origin::Agent, Origin::Mystery, Origin::Test].into_iter().cycle()) {
        take(&results.store, number, &one, START_US, origin).await;
    }
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let anna = viewer(Role::Agent);
    let early = results.my_weeks(&anna, Whose::Callers, at("2026-11-30T04:59:59Z")).await.unwrap();
    assert_eq!(early.weeks, [], "it is still Sunday in New York");
    let mine = results.my_weeks(&anna, Whose::Callers, at("2026-11-30T05:00:00Z")).await.unwrap();
    let [week] = &mine.weeks[..] else { panic!("{mine:?}") };
    assert_eq!((week.week.to_string().as_str(), week.responses.len()), ("2026-W47", 40));
    let order: Vec<usize> =
        week.responses.iter().map(|r| r.answers.values().next().unwrap()[1..].parse().unwrap()).collect();
    let rises = order.windows(2).filter(|pair| pair[0] < pair[1]).count();
    assert!((8..=31).contains(&rises), "nearly in the order of time: {order:?}");
    let trials = results.my_weeks(&anna, Whose::Trials, at("2026-11-30T05:00:00Z")).await.unwrap();
    assert_eq!(trials.weeks.iter().map(|week| week.responses.len()).collect::<Vec<_>>(), [3]);
}
