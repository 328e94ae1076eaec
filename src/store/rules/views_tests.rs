//! What each role is shown, and that nobody else is.

use std::sync::Arc;

use jiff::Timestamp;
use tempfile::TempDir;
use uuid::Uuid;

use super::tests::*;
use super::*;
use crate::domain::*;
use crate::store::{AuditFilter, Batch, CallFilter, CommentFilter, MessageFilter, Store, TaskFilter};

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
                View::MyWeeks => results.my_weeks(v, Whose::Callers, Timestamp::UNIX_EPOCH).await.map(|_| ()),
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
    let denied = results.my_weeks(&nobody, Whose::Callers, Timestamp::UNIX_EPOCH).await.unwrap_err();
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
    for (origin, n, calls) in [(Origin::Sampled, 10, 14), (Origin::Agent, 5, 5), (Origin::Mystery, 2, 2)] {
        let slice = Slice { period: week, survey: Some(&short), origin };
        let journey = results.journey(&supervisor, slice).await.unwrap();
        let step = &journey.steps[0];
        assert_eq!((step.heard, step.by_key, step.took_ms), (n, n, n * 900), "{origin:?}");
        let sent = results.overview(&supervisor, slice).await.unwrap();
        assert_eq!(
            sent.board.responses.funnel.complete, calls,
            "calls are exact, what was asked comes in groups"
        );
        assert_eq!(sent.board.scores[0].asked, Some(n));
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
        let all = results.overview(&supervisor, Slice::of(past)).await.unwrap().board.responses;
        let agents = results.agents(&supervisor, Slice::of(past)).await.unwrap();
        let complete = [&all, &agents.rows[0].board.responses].map(|responses| responses.funnel.complete);
        assert_eq!(complete, [n as u64 + 1; 2], "calls count at once, answers in whole tiles");
    }
    assert_eq!((of_anna().await, of_anna().await), (5, 5));
    assert_eq!((of_all().await, of_all().await), ((5, 1, 1), (5, 1, 1)));
    let before = "2026-W46".parse().unwrap();
    assert_eq!(results.overview(&supervisor, Slice::of(before)).await.unwrap().board, Board::default());
}

#[tokio::test]
async fn a_trend_of_a_period_that_goes_on_ends_now() {
    let folder = TempDir::new().unwrap();
    let results = results(&folder).await;
    let now = Timestamp::now().as_microsecond();
    for (back, number) in [12, 0].into_iter().flat_map(|back| (0..5).map(move |n| (back, back * 5 + n))) {
        let taken = Taken { agent: "anna", queue: "sales", survey: "short", hours: 0 };
        let at_us = now - i64::try_from(back).unwrap() * 168 * HOUR_US;
        take(&results.store, number, &taken, at_us, Origin::Sampled).await;
    }
    let this = Week::of_us(now);
    for period in [Period::Week(this), Period::month_of(this), Period::quarter_of(this)] {
        let overview = results.overview(&viewer(Role::Supervisor), Slice::of(period)).await.unwrap();
        let weeks: Vec<Week> = overview.weeks.iter().map(|point| point.week).collect();
        assert_eq!(weeks, [this.plus(-12), this], "{period}");
    }
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
    for number in 0..20 {
        let words: &[&str] = match number {
            0..4 => &["price", "waiting"],
            4 => &["waiting"],
            10 => &["price"],
            _ => &[],
        };
        leave(&results.store, number, words).await;
        let now = said(&results, Slice::of(week)).await;
        let groups = (u64::try_from(number).unwrap() + 1) / 5;
        // Words count with the group after their own, and a step of a word wants as many comments without it.
        let expected = match groups {
            0..3 => vec![],
            3 => vec![("waiting".into(), 5)],
            _ => vec![("price".into(), 5), ("waiting".into(), 5)],
        };
        assert_eq!(now, (5 * groups, groups > 1, expected), "after call {number}");
    }
    let trials = Slice { origin: Origin::Test, ..Slice::of(week) };
    assert_eq!(said(&results, trials).await, (0, false, vec![]));

    let mut filter = CommentFilter {
        from_us: START_US,
        to_us: START_US + 20,
        survey: "short".parse().ok(),
        origin: Origin::Sampled,
        after: None,
        limit: 10,
    };
    let (quality, reason) = (viewer(Role::Quality), "coaching".parse().unwrap());
    let mut texts = Vec::new();
    for expected in [10, 10, 0] {
        let page = results.comments(&quality, &filter, &reason).await.unwrap();
        assert_eq!(page.len(), expected);
        filter.after = page.last().map(|one| (one.row.offered_us, one.row.recording));
        texts.extend(page.into_iter().map(|one| one.text.unwrap().words.unwrap()[0].word.clone()));
    }
    assert_eq!(texts, (0..20).rev().map(|number| format!("text{number}")).collect::<Vec<_>>());
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
