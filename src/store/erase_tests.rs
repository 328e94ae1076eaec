//! Erasing and the audit log on a real file.

use sqlx::ConnectOptions;

use super::tests::{START_US, batch, config, open, projections, whole_call};
use super::*;
use crate::domain::*;

fn note() -> Note {
    Note {
        user: "operator".into(),
        role: "operator",
        what: "erase",
        scope: "test".into(),
        reason: String::new(),
    }
}

#[tokio::test]
async fn a_changed_audit_log_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let mut heads = Vec::new();
    for _ in 0..5 {
        heads.push(store.note(note()).await.unwrap());
    }
    let views = store.views();
    assert_eq!(
        views.verify_audit(store.privacy(), Some(&heads[1].hash)).await.unwrap(),
        Chain::Whole(heads[4].clone())
    );
    let breaker = schema::read_options(&folder.path().join("aftercall.db")).pragma("query_only", "OFF");
    let mut breaker = breaker.connect().await.unwrap();
    sqlx::query("DELETE FROM audit WHERE seq = 5").execute(&mut breaker).await.unwrap();
    assert_eq!(
        views.verify_audit(store.privacy(), None).await.unwrap(),
        Chain::Whole(heads[3].clone()),
        "the end is not chained"
    );
    let pinned = views.verify_audit(store.privacy(), Some(&heads[4].hash)).await.unwrap();
    assert!(matches!(pinned, Chain::Broken { seq: 5, .. }), "{pinned:?}");
    sqlx::query("UPDATE audit SET reason = 'x' WHERE seq = 2").execute(&mut breaker).await.unwrap();
    assert!(matches!(views.verify_audit(store.privacy(), None).await.unwrap(), Chain::Broken { seq: 2, .. }));
    sqlx::query("DELETE FROM audit WHERE seq = 1").execute(&mut breaker).await.unwrap();
    assert!(matches!(views.verify_audit(store.privacy(), None).await.unwrap(), Chain::Broken { seq: 1, .. }));
}

/// The same sums, whatever was erased, and after a rebuild too.
#[tokio::test]
async fn what_is_erased_is_gone_and_the_sums_stay() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let mut calls = Vec::new();
    for rating in [1, 2, 3, 4, 5, 4, 3, 1, 2, 3] {
        let call = store.new_call_id();
        let key = ResponseKey::new(call).unwrap();
        let recording = store.keep_recording(&key, vec![7; 800]).await.unwrap();
        let mut facts = whole_call(rating);
        facts.insert(
            4,
            Fact::Comment {
                question: "q1".parse().unwrap(),
                recording,
                length_ms: 100,
                cut: false,
                language: "nl".parse().unwrap(),
            },
        );
        let aside = store.keep_recording(&key, vec![9; 800]).await.unwrap();
        let why = Deaf::Died;
        facts.insert(5, Fact::Deaf { question: "q2".parse().unwrap(), why, recording: Some(aside) });
        store.append(Batch { key: Some(key), ..batch(call, facts) }).await.unwrap();
        let words = vec![HeardWord { word: "dreary".into(), confidence_pm: 900, start_ms: 0, end_ms: 9 }];
        let sealed = store.vault().seal_words(call, recording, &words).await.unwrap();
        let outcome = Transcription::Done;
        let key_words = vec!["mood".to_owned()];
        let text = Fact::Transcribed { recording, outcome, model: Some("nl".into()), sealed, key_words };
        store.append(batch(call, [text])).await.unwrap();
        calls.push((call, recording, aside));
    }
    let report = |store: &Store| {
        let views = store.views().clone();
        async move { views.report(GroupBy::Day, &Scope::default()).await.unwrap() }
    };
    let before = report(&store).await;
    let hash = CallerHash([9; 32]);
    let (erased, head) = store.erase(&Erase::Caller(hash), note()).await.unwrap();
    assert_eq!((erased.calls, erased.keys, erased.files, head.seq), (10, 10, 20, 1));
    assert_eq!(files(&folder.path().join("recordings")), 0);
    assert_eq!(store.erase(&Erase::Caller(hash), note()).await.unwrap().0, Erased::default());
    let (renamed, _) = store.erase(&Erase::Agent("anna".parse().unwrap()), note()).await.unwrap();
    assert_eq!((renamed.calls, renamed.facts), (10, 10));
    assert_eq!(report(&store).await, before);
    let all = CommentFilter {
        from_us: 0,
        to_us: i64::MAX,
        survey: None,
        origin: Origin::Sampled,
        after: None,
        limit: 9,
    };
    assert_eq!(store.views().comments(&all).await.unwrap(), []);
    let (call, recording, _) = calls[0];
    assert_eq!(store.vault().recording(call, recording).await.unwrap(), None);
    store.close().await;
    drop(store);

    let rows = projections(folder.path()).await;
    let whole = std::fs::read(folder.path().join("aftercall.db")).unwrap();
    let has = |text: &str| whole.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    for gone in [hash.to_string().as_str(), "c100001", "anna"] {
        assert!(!rows.contains(gone) && !has(gone), "{gone} is still there");
    }
    for (.., aside) in &calls {
        assert!(!has(&aside.0.to_string()), "{aside} was set aside and is still in the journal");
    }
    assert!(has(r#""why":"died","recording":null"#), "that a recogniser failed stays on record");
    assert!(has("erased-"));
    assert!(rows.contains("short|mood|5|0|"), "what was counted stays counted: {rows}");
    loop {
        match rebuild(&config(), folder.path()).await {
            Err(StoreError::InUse { .. }) => tokio::task::yield_now().await,
            other => {
                other.unwrap();
                break;
            }
        };
    }
    assert_eq!(projections(folder.path()).await, rows);
}

/// Files in the folders of all days.
fn files(folder: &std::path::Path) -> usize {
    let days = std::fs::read_dir(folder).unwrap().flatten();
    days.map(|day| std::fs::read_dir(day.path()).unwrap().count()).sum()
}

#[tokio::test]
async fn what_was_set_aside_goes_with_its_age() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let call = store.new_call_id();
    let key = ResponseKey::new(call).unwrap();
    let aside = store.keep_recording(&key, vec![9; 800]).await.unwrap();
    let mut facts = whole_call(4);
    let deaf = Fact::Deaf { question: "q1".parse().unwrap(), why: Deaf::Slow, recording: Some(aside) };
    facts.insert(4, deaf);
    store.append(Batch { key: Some(key), ..batch(call, facts) }).await.unwrap();
    let kept = store.vault().kept().await.unwrap();
    assert_eq!((kept.len(), kept[0].recording, &kept[0].hearing), (1, aside, &None));
    let recordings = folder.path().join("recordings");
    assert_eq!(files(&recordings), 1);
    let policy = crate::config::PolicyConfig::default();
    let old = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 3660);
    retention::run_once(&store, &policy, old).await.unwrap().unwrap();
    assert_eq!(files(&recordings), 0);
    assert_eq!(store.vault().kept().await.unwrap(), []);
}

#[tokio::test]
async fn age_erases_once_and_the_command_refuses_beside_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    store.append(batch(store.new_call_id(), whole_call(4))).await.unwrap();
    let policy = crate::config::PolicyConfig::default();
    let offered = jiff::Timestamp::from_microsecond(START_US).unwrap();
    let day = |days: i64| offered + jiff::SignedDuration::from_hours(24 * days);
    assert_eq!(retention::run_once(&store, &policy, day(364)).await.unwrap(), None);
    let (erased, _) = retention::run_once(&store, &policy, day(366)).await.unwrap().unwrap();
    assert_eq!((erased.calls, erased.keys), (1, 0));
    assert_eq!(retention::run_once(&store, &policy, day(367)).await.unwrap(), None);
    let refused = erase::erase(&config(), folder.path(), &Erase::Offered(0, 1), note()).await;
    assert!(matches!(refused, Err(StoreError::InUse { .. })));
    let calls = store.views().calls(&CallFilter::default()).await.unwrap();
    assert_eq!((calls[0].call_ref.as_deref(), calls[0].answers.as_str()), (None, "4 5"));
}

#[tokio::test]
async fn a_start_waits_for_a_command_that_writes_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let line = OperatorNote { what: "user_add".into(), scope: "kim quality".into(), reason: String::new() };
    let proof = run_errand(&config(), folder.path(), Errand::Note { line: line.clone() }).await.unwrap();
    assert_eq!(proof.head.seq, 1, "without a service, and without a database before");
    let held = lock(&folder.path().join("aftercall.db")).unwrap();
    let letting_go = async {
        tokio::task::yield_now().await;
        drop(held);
    };
    let config = config();
    let (opened, ()) = tokio::join!(Store::open(&config, folder.path()), letting_go);
    let (store, _) = opened.unwrap();
    let serving = store.clone();
    let service = tokio::spawn(async move { serving.run_errands().await });
    let proof = run_errand(&config, folder.path(), Errand::Note { line }).await.unwrap();
    assert_eq!(proof.head.seq, 2, "beside it");
    let lines = store.views().audit(None, 9).await.unwrap();
    assert_eq!((lines[1].user.as_str(), lines[1].what.as_str()), ("operator", "user_add"));
    assert!(
        matches!(store.views().verify_audit(store.privacy(), None).await.unwrap(), Chain::Whole(head) if head == proof.head)
    );
    service.abort();
}
