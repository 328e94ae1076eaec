//! The store on a real file.

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use sqlx::{ConnectOptions, Row, ValueRef};
use tempfile::TempDir;

use super::*;
use crate::domain::*;

pub(super) const START_US: i64 = 1_795_000_000_000_000;

pub(super) fn dialog() -> DialogTrace {
    DialogTrace {
        transport: "udp".into(),
        peer: "192.0.2.7:5060".parse().unwrap(),
        call_id: "a84b4c76e66710".into(),
        local_tag: "314159".into(),
        remote_tag: "1928301774".into(),
        target: "sip:pbx@192.0.2.7".into(),
        routes: vec!["<sip:proxy.example;lr>".into()],
        local_uri: "sip:survey@example.org".into(),
        remote_uri: "sip:pbx@192.0.2.7".into(),
        cseq: 7,
    }
}

fn offered(agent: &str, queue: &str) -> Fact {
    Fact::Offered(StoredContext {
        trunk: "pbx".parse().unwrap(),
        agent: agent.parse().ok(),
        queue: queue.parse().ok(),
        call_ref: "c100001".parse().ok(),
        caller: Some(CallerHash([9; 32])),
        language: "nl".parse().ok(),
        trigger: Trigger::Hangup,
        talk_s: Some(42),
        first_hang_up: Some(Party::Agent),
    })
}

fn decided(count: u64) -> Fact {
    Fact::Decided(Decision {
        origin: Origin::Sampled,
        survey: Some(("short".parse().unwrap(), SurveyVersion(2))),
        reason: DecisionReason::Nth,
        count: Some(count),
        draw_ppm: None,
        ahead: None,
    })
}

fn asked(question: &str) -> Fact {
    Fact::Asked { question: question.parse().unwrap(), attempt: 1, keys_only: false }
}

fn answer(question: &str, value: i16) -> Fact {
    Fact::Answer(Answer {
        question: question.parse().unwrap(),
        kind: QuestionKind::Csat,
        scale: Some(Scale { min: 1, max: 5, better: Better::Higher }),
        value: AnswerValue::Rating(value),
        given_by: GivenBy::Key,
        keys: vec![Digit::from_char('4').unwrap()],
        ambiguous: false,
        attempt: 1,
        barge_in: true,
        took_ms: 1500,
    })
}

fn ended(disposition: Disposition) -> Fact {
    Fact::Ended {
        disposition,
        left_at: None,
        failure: None,
        by_caller: false,
        stats: Some(CallStats::default()),
    }
}

pub(super) fn batch(call: CallId, facts: impl IntoIterator<Item = Fact>) -> Batch {
    let entries = facts.into_iter().enumerate().map(|(i, fact)| {
        let at_us = START_US + i64::try_from(i).unwrap();
        Entry { call, at_us, fact }
    });
    Batch { entries: entries.collect(), ..Batch::default() }
}

pub(super) fn config() -> StoreConfig {
    StoreConfig { free_min_mib: 1, ..StoreConfig::default() }
}

pub(super) async fn open(folder: &Path) -> (Store, Vec<Orphan>) {
    Store::open(&config(), folder).await.unwrap()
}

pub(super) fn whole_call(rating: i16) -> Vec<Fact> {
    let begin = [offered("anna", "sales"), decided(3), Fact::Answered { codec: Codec::Pcma }];
    let rest =
        [asked("q1"), answer("q1", rating), asked("q2"), answer("q2", 5), ended(Disposition::Complete)];
    begin.into_iter().chain(rest).collect()
}

#[tokio::test]
async fn a_call_goes_in_and_comes_out() {
    let folder = tempfile::tempdir().unwrap();
    let (store, orphans) = open(folder.path()).await;
    assert_eq!((orphans.len(), store.health()), (0, Health::Good));
    let call = store.new_call_id();
    let facts = whole_call(4);
    store.append(batch(call, facts[..3].to_vec())).await.unwrap();
    let running = store.views().calls(&CallFilter::default()).await.unwrap();
    assert_eq!((running[0].stage.as_str(), running[0].ended_us), ("answered", None));
    store.append(batch(call, facts[3..].to_vec())).await.unwrap();

    let calls = store
        .views()
        .calls(&CallFilter { agent: "anna".parse().ok(), ..CallFilter::default() })
        .await
        .unwrap();
    let [row] = &calls[..] else { panic!("{calls:?}") };
    assert_eq!((row.id, row.answers.as_str(), row.call_ref.as_deref()), (call, "4 5", Some("c100001")));
    assert_eq!((row.disposition.as_deref(), row.stage.as_str()), (Some("complete"), "complete"));
    let story: Vec<Fact> = store.views().story(call).await.unwrap().into_iter().map(|e| e.fact).collect();
    assert_eq!(story, facts);

    let nobody = CallFilter { queue: "care".parse().ok(), ..CallFilter::default() };
    assert_eq!(store.views().calls(&nobody).await.unwrap(), []);
    let tallies = store.views().report(GroupBy::Agent, &Scope::default()).await.unwrap();
    let counts: Vec<_> =
        tallies.answers.iter().map(|t| (t.group.as_str(), t.question.as_str(), &t.counts)).collect();
    assert_eq!(format!("{counts:?}"), r#"[("anna", "q1", {"4": 1}), ("anna", "q2", {"5": 1})]"#);
    assert_eq!((tallies.outcomes[0].stage, tallies.outcomes[0].n), (Stage::Complete, 1));
    store.close().await;
    assert!(matches!(store.append(batch(call, [asked("q3")])).await, Err(StoreError::Closed)));
}

#[tokio::test]
async fn what_passes_is_gone_at_the_next_start() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().unwrap();
    let (store, _) = open(folder.path()).await;
    let left = store.scratch().join("left");
    assert_eq!(store.scratch().metadata().unwrap().permissions().mode() & 0o777, 0o700);
    std::fs::write(&left, "rows").unwrap();
    store.close().await;
    drop(store);
    let (store, _) = open_once_free(folder.path()).await;
    assert!(store.scratch().is_dir() && !left.exists());
}

#[tokio::test]
async fn selection_takes_up_where_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    for count in [7, 8] {
        let facts = [offered("anna", "sales"), decided(count), ended(Disposition::NoAnswer)];
        store.append(batch(store.new_call_id(), facts)).await.unwrap();
    }
    let start = jiff::Timestamp::from_microsecond(START_US).unwrap();
    let late = start + jiff::SignedDuration::from_secs(1);
    let state = store.views().selection_state([start, start, start]).await.unwrap();
    assert_eq!(state.counts, [("sales".parse().ok(), 8)]);
    assert_eq!(state.today, [("sales".parse().ok(), "anna".parse().ok(), 2)]);
    assert_eq!(state.callers, [(CallerHash([9; 32]), start); 2]);
    let state = store.views().selection_state([late, late, late]).await.unwrap();
    assert_eq!((state.counts.len(), state.today.len(), state.callers.len()), (1, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_share_transactions() {
    const CALLS: usize = 1000;
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let begun = std::time::Instant::now();
    let calls: Vec<_> = (0..CALLS)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let call = store.new_call_id();
                let first = Batch { dialog: Some(dialog()), ..batch(call, whole_call(4)[..3].to_vec()) };
                store.append(first).await.unwrap();
                store.append(batch(call, [ended(Disposition::Complete)])).await.unwrap();
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    let rate = CALLS as f64 / begun.elapsed().as_secs_f64();
    println!("{rate:.0} calls a second, two writes each");
    let tallies = store.views().report(GroupBy::Day, &Scope::default()).await.unwrap();
    assert_eq!(tallies.outcomes.iter().map(|t| t.n).sum::<u64>(), CALLS as u64);
    assert_eq!(store.views().sealed_dialogs().await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_full_database_refuses_and_loses_nothing_that_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let config = StoreConfig { size_max_mib: Some(1), ..config() };
    let (store, _) = Store::open(&config, folder.path()).await.unwrap();
    let mut kept = Vec::new();
    let refused = loop {
        let call = store.new_call_id();
        match store.append(batch(call, whole_call(3))).await {
            Ok(()) => kept.push(call),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, StoreError::Write(_)), "{refused}");
    assert_eq!(store.health(), Health::Full);
    let rows = store.views().calls(&CallFilter::default()).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), kept);
}

#[tokio::test]
async fn calls_left_open_are_closed_with_what_they_have() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let (answered, silent) = (store.new_call_id(), store.new_call_id());
    let first = Batch { dialog: Some(dialog()), ..batch(answered, whole_call(2)[..5].to_vec()) };
    store.append(first).await.unwrap();
    store.append(batch(silent, whole_call(2)[..4].to_vec())).await.unwrap();
    store.close().await; // Closes the file, not the calls.
    drop(store);

    let (store, orphans) = open_once_free(folder.path()).await;
    let found: Vec<_> = orphans.iter().map(|orphan| (orphan.call, orphan.dialog.clone())).collect();
    assert_eq!(found, [(answered, Some(dialog())), (silent, None)]);
    assert_eq!(store.views().calls(&CallFilter::default()).await.unwrap()[0].ended_us, None, "not yet");
    for orphan in orphans {
        let facts: Vec<_> = orphan.entries.into_iter().map(|entry| entry.fact).collect();
        assert_eq!(facts, whole_call(2)[..facts.len()]);
        store.append(batch(orphan.call, vec![orphan.end])).await.unwrap();
    }
    let rows = store.views().calls(&CallFilter::default()).await.unwrap();
    let ends: Vec<_> =
        rows.iter().map(|r| (r.disposition.as_deref(), r.failure.as_deref(), r.left_at.as_deref())).collect();
    let (partial, failed, crash) = (Some("partial"), Some("failed"), Some("crash"));
    assert_eq!(ends, [(partial, crash, Some("q1")), (failed, crash, Some("q1"))]);
    assert_eq!(rows.iter().map(|row| row.stage.as_str()).collect::<Vec<_>>(), ["responded", "asked"]);
    assert_eq!(store.views().sealed_dialogs().await.unwrap().len(), 0);
}

/// The last handle's lock goes with the last task that holds one.
async fn open_once_free(folder: &Path) -> (Store, Vec<Orphan>) {
    loop {
        match Store::open(&config(), folder).await {
            Err(StoreError::InUse { .. }) => tokio::task::yield_now().await,
            other => return other.unwrap(),
        }
    }
}

#[tokio::test]
async fn one_process_writes_and_others_read() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    assert!(matches!(Store::open(&config(), folder.path()).await, Err(StoreError::InUse { .. })));
    assert!(matches!(rebuild(&config(), folder.path()).await, Err(StoreError::InUse { .. })));
    store.append(batch(store.new_call_id(), whole_call(1))).await.unwrap();
    let copy = folder.path().join("copy.db");
    let reader = Views::open(&folder.path().join("aftercall.db")).await.unwrap();
    reader.backup(&copy).await.unwrap();
    assert!(matches!(reader.backup(&copy).await, Err(StoreError::Exists { .. })));
    let copied = Views::open(&copy).await.unwrap().calls(&CallFilter::default()).await.unwrap();
    assert_eq!(copied, store.views().calls(&CallFilter::default()).await.unwrap());
}

/// All that the journal decides, as text.
pub(super) async fn projections(folder: &Path) -> String {
    let path = folder.join("aftercall.db");
    let mut conn = schema::read_options(&path).connect().await.unwrap();
    let mut text = String::new();
    for sql in [
        "SELECT * FROM calls ORDER BY id",
        "SELECT * FROM answers ORDER BY call_id, position",
        "SELECT * FROM rollup_answers ORDER BY day, origin, survey, question, queue, agent, value",
        "SELECT * FROM rollup_calls ORDER BY day, origin, survey, queue, agent, disposition, stage",
        "SELECT * FROM queue_counts ORDER BY queue",
        "SELECT * FROM tiles_waiting WHERE n > 0 ORDER BY agent, origin, survey, question, queue, value",
        "SELECT * FROM responses_waiting ORDER BY call_id",
        "SELECT * FROM shown_weeks ORDER BY part, week, name, origin, survey, question, value",
        "SELECT * FROM shown_days ORDER BY day, origin, survey, question, value",
        "SELECT * FROM calls_weeks ORDER BY part, week, name, origin, survey, disposition, stage",
        "SELECT * FROM sampling_weeks ORDER BY week, agent, queue, what",
        "SELECT * FROM journey_weeks ORDER BY week, origin, survey, question, what",
        "SELECT * FROM comments ORDER BY recording",
        "SELECT * FROM comment_weeks ORDER BY week, origin, survey, what",
        "SELECT * FROM words_waiting ORDER BY origin, survey, word",
        "SELECT * FROM word_weeks ORDER BY week, origin, survey, word",
    ] {
        for row in sqlx::query(sql).fetch_all(&mut conn).await.unwrap() {
            for i in 0..row.len() {
                let value = row.try_get_raw(i).unwrap();
                text += &match value.type_info().to_string().as_str() {
                    _ if value.is_null() => "null".into(),
                    "INTEGER" => row.get::<i64, _>(i).to_string(),
                    "BLOB" => format!("{:02x?}", row.get::<Vec<u8>, _>(i)),
                    _ => row.get::<String, _>(i),
                };
                text.push('|');
            }
            text.push('\n');
        }
    }
    text
}

fn any_fact() -> impl Strategy<Value = Fact> {
    prop_oneof![
        3 => ("[ab]", "[st]").prop_map(|(agent, queue)| offered(&agent, &queue)),
        3 => (0u64..9).prop_map(decided),
        2 => Just(Fact::Answered { codec: Codec::G722 }),
        2 => Just(asked("q1")),
        1 => Just(Fact::Held { on: true }),
        4 => ("q[12]", 1i16..6).prop_map(|(question, value)| answer(&question, value)),
        2 => proptest::sample::select(Disposition::ALL.to_vec()).prop_map(ended),
        2 => (0u128..9).prop_map(comment),
        4 => (0u128..9, proptest::sample::subsequence(vec!["price", "waiting"], 0..=2))
            .prop_map(|(recording, words)| transcribed(recording, &words)),
    ]
}

fn comment(recording: u128) -> Fact {
    Fact::Comment {
        question: "q3".parse().unwrap(),
        recording: RecordingId(uuid::Uuid::from_u128(recording)),
        length_ms: 2100,
        cut: false,
        language: "nl".parse().unwrap(),
    }
}

fn transcribed(recording: u128, words: &[&str]) -> Fact {
    Fact::Transcribed {
        recording: RecordingId(uuid::Uuid::from_u128(recording)),
        outcome: Transcription::Done,
        model: Some("nl".into()),
        sealed: Some("sealed".into()),
        key_words: words.iter().map(|word| (*word).to_owned()).collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn a_rebuild_gives_the_same(facts in proptest::collection::vec((0u128..6, any_fact()), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = TempDir::new().unwrap();
            let (store, _) = open(folder.path()).await;
            let mut begun = std::collections::HashSet::new();
            for (n, fact) in facts {
                let id = match &fact {
                    Fact::Offered(_) => Some(n),
                    Fact::Comment { recording, .. } => Some(recording.0.as_u128() + 1000),
                    _ => None,
                };
                if id.is_some_and(|id| !begun.insert(id)) {
                    continue; // An id is used once.
                }
                store.append(batch(CallId(uuid::Uuid::from_u128(n)), [fact])).await.unwrap();
            }
            store.close().await;
            drop(store);
            let before = projections(folder.path()).await;
            loop {
                match rebuild(&config(), folder.path()).await {
                    Err(StoreError::InUse { .. }) => tokio::task::yield_now().await,
                    other => { other.unwrap(); break }
                };
            }
            assert_eq!(projections(folder.path()).await, before);
        });
    }
}

#[tokio::test]
async fn tables_newer_than_the_facts_are_made_anew_once() {
    let folder = TempDir::new().unwrap();
    let (store, _) = open(folder.path()).await;
    store.append(batch(store.new_call_id(), whole_call(1))).await.unwrap();
    store.close().await;
    drop(store);
    let before = projections(folder.path()).await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("aftercall.db"));
    let mut conn = options.connect().await.unwrap();
    for change in ["DELETE FROM responses_waiting", "INSERT INTO rebuild_due (why) VALUES ('a new table')"] {
        sqlx::query(change).execute(&mut conn).await.unwrap();
    }
    assert_ne!(projections(folder.path()).await, before);
    drop(conn);
    let (store, _) = loop {
        match Store::open(&config(), folder.path()).await {
            Err(StoreError::InUse { .. }) => tokio::task::yield_now().await,
            other => break other.unwrap(),
        }
    };
    assert_eq!(projections(folder.path()).await, before);
    let due: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM rebuild_due").fetch_one(store.views().pool()).await.unwrap();
    assert_eq!(due, 0);
}

/// Waits for the store to find out.
async fn until(store: &Store, wanted: Health) {
    let mut health = store.health.clone();
    let seen = tokio::time::timeout(Duration::from_secs(20), health.wait_for(|h| *h == wanted)).await;
    assert!(seen.is_ok(), "{wanted:?} was not seen");
}

#[tokio::test]
async fn a_nearly_full_disk_is_seen_and_running_calls_are_still_written() {
    let folder = tempfile::tempdir().unwrap();
    let config = StoreConfig { free_min_mib: u64::MAX, ..config() };
    let (store, _) = Store::open(&config, folder.path()).await.unwrap();
    until(&store, Health::Full).await;
    store.append(batch(store.new_call_id(), whole_call(1))).await.unwrap();
}

#[tokio::test]
async fn failing_writes_are_seen_and_health_comes_back_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let breaker = schema::read_options(&folder.path().join("aftercall.db")).pragma("query_only", "OFF");
    let mut breaker = breaker.connect().await.unwrap();
    for table in ["journal", "open_dialogs"] {
        let trigger = format!(
            "CREATE TRIGGER no_{table} BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'broken'); END"
        );
        sqlx::query(sqlx::AssertSqlSafe(trigger)).execute(&mut breaker).await.unwrap();
    }
    let lost = store.new_call_id();
    assert!(matches!(store.append(batch(lost, whole_call(1))).await, Err(StoreError::Write(_))));
    assert_eq!(store.health(), Health::Failing);
    for mend in ["DROP TRIGGER no_journal", "DROP TRIGGER no_open_dialogs"] {
        sqlx::query(mend).execute(&mut breaker).await.unwrap();
    }
    until(&store, Health::Good).await;
    let kept = store.new_call_id();
    store.append(batch(kept, whole_call(1))).await.unwrap();
    let calls = store.views().calls(&CallFilter::default()).await.unwrap();
    assert_eq!(calls.iter().map(|call| call.id).collect::<Vec<_>>(), [kept]);
}
