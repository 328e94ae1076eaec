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
use crate::store::{AuditFilter, Batch, CallFilter, CommentFilter, MessageFilter, Store, TaskFilter};

/// Wednesday of 2026-W47.
const START_US: i64 = 1_794_960_000_000_000;
const HOUR_US: i64 = 3_600_000_000;

/// One response: who, through which queue, how long after the one before.
#[derive(Clone, Debug)]
struct Taken {
    agent: &'static str,
    queue: &'static str,
    survey: &'static str,
    hours: i64,
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

fn policy() -> PolicyConfig {
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
fn facts(number: usize, taken: &Taken, origin: Origin) -> Vec<Fact> {
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
        Fact::Asked { question, attempt: 1 },
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

async fn take(store: &Store, number: usize, taken: &Taken, at_us: i64, origin: Origin) {
    let call = store.new_call_id();
    let entries = facts(number, taken, origin).into_iter().map(|fact| Entry { call, at_us, fact });
    store.append(Batch { entries: entries.collect(), ..Batch::default() }).await.unwrap();
}

type Population = BTreeSet<String>;

fn add(shown: &mut Vec<Population>, scores: &[Score]) {
    for score in scores {
        assert!(score.distribution.values().all(|n| *n == 1), "nobody counts twice: {score:?}");
        shown.push(score.distribution.keys().cloned().collect());
    }
}

/// Everything that a supervisor may ask for about some periods, as who is in each distribution.
async fn ask_all(results: &Results, periods: &BTreeSet<Period>) -> Vec<Population> {
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
                let mine = results.my_weeks(&viewer(Role::Agent), now).await.unwrap();
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
    let early = results.my_weeks(&anna, at("2026-11-30T04:59:59Z")).await.unwrap();
    assert_eq!(early.weeks, [], "it is still Sunday in New York");
    let mine = results.my_weeks(&anna, at("2026-11-30T05:00:00Z")).await.unwrap();
    let [week] = &mine.weeks[..] else { panic!("{mine:?}") };
    assert_eq!((week.week.to_string().as_str(), week.responses.len()), ("2026-W47", 40));
    let order: Vec<usize> =
        week.responses.iter().map(|r| r.answers.values().next().unwrap()[1..].parse().unwrap()).collect();
    let rises = order.windows(2).filter(|pair| pair[0] < pair[1]).count();
    assert!((8..=31).contains(&rises), "nearly in the order of time: {order:?}");
}

/// Whether a role is let in, for each view; everybody else is told so, and nothing is found by it.
#[tokio::test]
async fn each_view_is_for_one_role() {
    let folder = TempDir::new().unwrap();
    let results = results(&folder).await;
    let (period, reason) = ("2026-W47".parse().unwrap(), "a complaint of 3 May".parse().unwrap());
    let (agent, queue) = ("anna".parse().unwrap(), "sales".parse().unwrap());
    let (call, recording) = (CallId(Uuid::now_v7()), RecordingId(Uuid::now_v7()));
    for role in Role::ALL {
        let v = &viewer(role);
        let before = results.store.views().audit(None, 100).await.unwrap().len();
        let mut let_in = Vec::new();
        for view in View::ALL {
            let outcome = match view {
                View::Overview => results.overview(v, Slice::of(period)).await.map(|_| ()),
                View::Agents => results.agents(v, Slice::of(period)).await.map(|_| ()),
                View::Agent => results.agent(v, &agent, Slice::of(period)).await.map(|_| ()),
                View::Queues => results.queues(v, Slice::of(period)).await.map(|_| ()),
                View::Queue => results.queue(v, &queue, Slice::of(period)).await.map(|_| ()),
                View::Why => results.why(v, Slice::of(period)).await.map(|_| ()),
                View::Journey => results.journey(v, Slice::of(period)).await.map(|_| ()),
                View::Sampling => results.sampling(v, period).await.map(|_| ()),
                View::Mystery => results.mystery(v, period).await.map(|_| ()),
                View::Running => results.watch_running(v).await,
                View::MyWeeks => results.my_weeks(v, Timestamp::UNIX_EPOCH).await.map(|_| ()),
                View::Calls => results.calls(v, &CallFilter::default(), &reason).await.map(|_| ()),
                View::Call => results.call(v, call, &reason).await.map(|_| ()),
                View::Recording => results.recording(v, call, recording, &reason).await.map(|_| ()),
                View::Comments => {
                    let filter = CommentFilter {
                        from_us: 0,
                        to_us: i64::MAX,
                        survey: None,
                        origin: Origin::Sampled,
                        after: None,
                        limit: 10,
                    };
                    results.comments(v, &filter, &reason).await.map(|_| ())
                }
                View::Tasks => results.tasks(v, &TaskFilter::default()).await.map(|_| ()),
                View::TaskChange => match results.change_task(v, call, (None, None), |_| None).await {
                    Err(ChangeError::View(error)) => Err(error),
                    other => {
                        assert!(matches!(other, Err(ChangeError::NoTask)), "{other:?}");
                        Ok(())
                    }
                },
                View::TaskNumber => results.task_number(v, call, &reason).await.map(|_| ()),
                View::Messages => results.messages(v, &MessageFilter::default()).await.map(|_| ()),
                View::Audit => results.audit(v, &AuditFilter::default()).await.map(|_| ()),
                View::Lines => results.lines(v).await.map(|_| ()),
                View::AuditChain => results.audit_chain(v, 10).await.map(|_| ()),
            };
            match outcome {
                Ok(()) => let_in.push(view.as_str()),
                Err(ViewError::Denied(Denied::Role { role: of, view: to })) => {
                    assert_eq!((of, to), (role, view))
                }
                Err(other) => panic!("{other}"),
            }
        }
        let expected: &[&str] = match role {
            Role::Agent => &["my_weeks"],
            Role::Supervisor => &[
                "overview", "agents", "agent", "queues", "queue", "why", "journey", "sampling", "mystery",
                "running",
            ],
            Role::Quality => {
                &["calls", "call", "recording", "comments", "tasks", "task_change", "task_number"]
            }
            Role::Admin => &["messages", "audit", "audit_chain", "lines"],
        };
        assert_eq!(let_in, expected);
        let lines = results.store.views().audit(None, 100).await.unwrap();
        let looked: Vec<&str> = lines[before..].iter().map(|line| line.what.as_str()).collect();
        assert_eq!(looked, expected, "each look is on record, and nothing else");
    }
    let nobody = Viewer { agent: None, ..viewer(Role::Agent) };
    let denied = results.my_weeks(&nobody, Timestamp::UNIX_EPOCH).await.unwrap_err();
    assert!(matches!(denied, ViewError::Denied(Denied::NoAgent)));
    let south = Viewer { teams: vec!["south".parse().unwrap()], ..viewer(Role::Supervisor) };
    let denied = results.agent(&south, &agent, Slice::of(period)).await.unwrap_err();
    assert!(matches!(denied, ViewError::Denied(Denied::Team)));
}

#[tokio::test]
async fn tables_show_teams_queues_origins_and_the_way() {
    let folder = TempDir::new().unwrap();
    let results = results(&folder).await;
    let taken = |agent, queue| Taken { agent, queue, survey: "short", hours: 0 };
    let mut number = 0;
    for (agent, queue, n, origin) in [
        ("anna", "sales", 6, Origin::Sampled),
        ("carl", "sales", 5, Origin::Sampled),
        ("carl", "care", 3, Origin::Sampled),
        ("anna", "sales", 2, Origin::Mystery),
        ("anna", "sales", 5, Origin::Agent),
    ] {
        for _ in 0..n {
            take(&results.store, number, &taken(agent, queue), START_US, origin).await;
            number += 1;
        }
    }
    let (supervisor, week) = (viewer(Role::Supervisor), "2026-W47".parse().unwrap());
    let overview = results.overview(&supervisor, Slice::of(week)).await.unwrap();
    assert_eq!(overview.board.scores[0].n, 10);
    assert_eq!(overview.board.responses.funnel.complete, 14, "non-response is exact");
    let beside: Vec<_> = overview.beside.iter().map(|b| (b.origin, b.board.scores[0].n)).collect();
    assert_eq!(beside, [(Origin::Agent, 5), (Origin::Mystery, 2)]);
    assert_eq!((overview.weeks.len(), overview.days.len()), (1, 1));
    assert_eq!(overview.days[0].day, jiff::civil::date(2026, 11, 18));
    let south = Viewer { teams: vec!["south".parse().unwrap()], ..supervisor.clone() };
    let agents = results.agents(&south, Slice::of(week)).await.unwrap();
    assert_eq!(agents.rows.iter().map(|row| row.agent.clone()).collect::<Vec<_>>(), ["carl".parse().ok()]);
    assert_eq!((agents.teams.len(), agents.teams[0].board.scores[0].n), (1, 5));
    let queues = results.queues(&supervisor, Slice::of(week)).await.unwrap();
    let care = &queues.rows[0];
    assert_eq!((care.board.scores.len(), care.board.responses.funnel.complete), (0, 3));
    let short: SurveyId = "short".parse().unwrap();
    assert!(care.board.responses.surveys.iter().eq([&short]), "they were asked, and are too few");
    for (origin, n) in [(Origin::Sampled, 14), (Origin::Agent, 5), (Origin::Mystery, 2)] {
        let slice = Slice { period: week, survey: Some(&short), origin };
        let journey = results.journey(&supervisor, slice).await.unwrap();
        let step = &journey.steps[0];
        assert_eq!((step.heard, step.by_key, step.took_ms), (n, n, n * 900), "{origin:?}");
        let sent = results.overview(&supervisor, slice).await.unwrap();
        assert_eq!(sent.board.responses.funnel.complete, n);
        assert!(sent.beside.iter().all(|beside| beside.origin != origin));
    }
    assert_eq!(results.busiest_survey(&supervisor, Slice::of(week)).await.unwrap(), Some(short));
    assert!(results.busiest_survey(&viewer(Role::Quality), Slice::of(week)).await.is_err());
    let mystery = results.mystery(&supervisor, week).await.unwrap();
    assert_eq!((mystery.rows.len(), mystery.rows[0].board.scores[0].n), (1, 2));
    assert_eq!(mystery.rows[0].customers[0].n, 5);
    assert_eq!(mystery.rows[0].customer_calls.funnel.complete, 6);
    let sampling = results.sampling(&supervisor, week).await.unwrap();
    let anna = &sampling.rows[0];
    assert_eq!((anna.selected, anna.eligible, anna.agent_hung_up), (13, 13, 13));
    // Weeks that are over are read once, and again when something is told of them afterwards.
    let past = "2026-W30".parse().unwrap();
    let of_anna = async || {
        let agents = results.agents(&supervisor, Slice::of(past)).await.unwrap();
        agents.rows.first().map_or(0, |row| row.board.scores.first().map_or(0, |score| score.n))
    };
    let of_all = async || {
        let all = results.overview(&supervisor, Slice::of(past)).await.unwrap();
        (all.board.scores.first().map_or(0, |score| score.n), all.weeks.len(), all.days.len())
    };
    assert_eq!((of_anna().await, of_all().await), (0, (0, 0, 0)));
    for n in 0..5 {
        take(
            &results.store,
            number + n,
            &taken("anna", "sales"),
            START_US - 17 * 168 * HOUR_US,
            Origin::Sampled,
        )
        .await;
    }
    assert_eq!((of_anna().await, of_anna().await), (5, 5));
    assert_eq!((of_all().await, of_all().await), ((5, 1, 1), (5, 1, 1)));
    let before = "2026-W46".parse().unwrap();
    assert_eq!(results.overview(&supervisor, Slice::of(before)).await.unwrap().board, Board::default());
}

const COMMENTED: Taken = Taken { agent: "anna", queue: "sales", survey: "short", hours: 0 };

/// A call with a comment in which these groups of key words are found.
async fn leave(store: &Store, number: usize, words: &[&str]) {
    let (call, key) = (store.new_call_id(), Uuid::from_u128(number as u128));
    let key = (crate::store::ResponseKey::new(call).unwrap(), RecordingId(key));
    let at_us = START_US + i64::try_from(number).unwrap();
    let mut facts = facts(number, &COMMENTED, Origin::Sampled);
    let (question, language) = ("words".parse().unwrap(), "en".parse().unwrap());
    let comment = Fact::Comment { question, recording: key.1, length_ms: 900, cut: false, language };
    facts.insert(4, comment);
    let entries = facts.into_iter().map(|fact| Entry { call, at_us, fact }).collect();
    store.append(Batch { entries, key: Some(key.0), ..Batch::default() }).await.unwrap();
    let heard = HeardWord { word: format!("text{number}"), confidence_pm: 900, start_ms: 0, end_ms: 9 };
    let sealed = store.vault().seal_words(call, key.1, &[heard]).await.unwrap();
    let key_words = words.iter().map(|word| (*word).to_owned()).collect();
    let (outcome, model) = (Transcription::Done, Some("en".into()));
    let fact = Fact::Transcribed { recording: key.1, outcome, model, sealed, key_words };
    store.append(Batch { entries: vec![Entry { call, at_us, fact }], ..Batch::default() }).await.unwrap();
}

#[tokio::test]
async fn words_of_few_callers_are_not_shown_and_comments_want_quality() {
    let folder = TempDir::new().unwrap();
    let mut results = results(&folder).await;
    let week = "2026-W47".parse().unwrap();
    let said = async |results: &Results, slice| {
        let said = results.why(&viewer(Role::Supervisor), slice).await.unwrap().said;
        let words: Vec<_> = said.words.into_iter().map(|word| (word.word, word.count)).collect();
        (said.comments, said.transcribed, words)
    };
    for number in 0..14 {
        let words: &[&str] = match number {
            0..4 => &["price", "waiting"],
            4 => &["waiting"],
            _ => &[],
        };
        leave(&results.store, number, words).await;
    }
    assert_eq!(
        said(&results, Slice::of(week)).await,
        (14, 14, vec![("waiting".into(), 5)]),
        "four said price"
    );
    leave(&results.store, 14, &["price"]).await;
    let now = said(&results, Slice::of(week)).await;
    assert_eq!(now, (15, 15, vec![("price".into(), 5), ("waiting".into(), 5)]));
    let trials = Slice { origin: Origin::Test, ..Slice::of(week) };
    assert_eq!(said(&results, trials).await, (0, 0, vec![]));

    let mut filter = CommentFilter {
        from_us: START_US,
        to_us: START_US + 15,
        survey: "short".parse().ok(),
        origin: Origin::Sampled,
        after: None,
        limit: 10,
    };
    let (quality, reason) = (viewer(Role::Quality), "coaching".parse().unwrap());
    let mut texts = Vec::new();
    for expected in [10, 5, 0] {
        let page = results.comments(&quality, &filter, &reason).await.unwrap();
        assert_eq!(page.len(), expected);
        filter.after = page.last().map(|one| (one.row.offered_us, one.row.recording));
        texts.extend(page.into_iter().map(|one| one.text.unwrap().words.unwrap()[0].word.clone()));
    }
    assert_eq!(texts, (0..15).rev().map(|number| format!("text{number}")).collect::<Vec<_>>());
    let last = results.store.views().audit(None, 1).await.unwrap().remove(0);
    assert_eq!((last.what.as_str(), last.reason.as_str()), ("comments", "coaching"));
    let from_later =
        CommentFilter { from_us: START_US + 3, to_us: START_US + 5, after: None, ..filter.clone() };
    assert_eq!(results.comments(&quality, &from_later, &reason).await.unwrap().len(), 2);
    let others = CommentFilter { survey: "long".parse().ok(), after: None, ..filter.clone() };
    assert_eq!(results.comments(&quality, &others, &reason).await.unwrap(), []);
    results.policy = Arc::new(PolicyConfig { comments: crate::config::CommentAccess::Nobody, ..policy() });
    let denied = results.comments(&quality, &others, &reason).await.unwrap_err();
    assert!(matches!(denied, ViewError::Denied(Denied::Comments)));
}
