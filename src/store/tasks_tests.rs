//! Tasks and messages on a real file: made with their fact, sealed, changed, destroyed, sent again.

use super::tests::{START_US, batch, open, whole_call};
use super::*;
use crate::domain::{AnswerValue, CallerHash, CallerNumber, EventKind, Happening, Origin, SurveyVersion};

const NUMBER: &str = "+31205550199";

fn happening(call: CallId, kind: EventKind) -> Happening {
    Happening {
        kind,
        at_us: START_US,
        call,
        call_ref: "c1".parse().ok(),
        queue: "sales".parse().ok(),
        survey: ("short".parse().unwrap(), SurveyVersion(2)),
        origin: Origin::Sampled,
        answers: vec![("q1".parse().unwrap(), AnswerValue::Rating(1))],
    }
}

/// A call with a low score and a wish to be called back, told to a webhook.
async fn told(store: &Store) -> CallId {
    let call = store.new_call_id();
    let number = CallerNumber::new(NUMBER).unwrap();
    let mut facts = batch(call, whole_call(1));
    for kind in [EventKind::LowScore, EventKind::Callback] {
        let to = [(Target::Webhook("crm".into()), START_US)];
        facts.changes.extend(store.tell(&happening(call, kind), Some(&number), to));
    }
    store.append(facts).await.unwrap();
    call
}

async fn keys(store: &Store) -> i64 {
    sqlx::query_scalar("SELECT COUNT(*) FROM task_keys").fetch_one(store.views().pool()).await.unwrap()
}

fn change(call: CallId, state: TaskState, note: &str) -> TaskChange {
    TaskChange { call, state: Some(state), note: Some(note.into()), at_us: START_US + 9, by: "kim".into() }
}

#[tokio::test]
async fn a_task_keeps_its_number_sealed_until_it_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let call = told(&store).await;
    let [task] = &store.views().tasks(&TaskFilter::default()).await.unwrap()[..] else {
        panic!("one task a call")
    };
    assert_eq!((task.kind.as_str(), task.state.as_str(), task.value.as_str()), ("callback", "open", "1"));
    assert_eq!((task.agent.as_deref(), task.has_number), (Some("anna"), true));
    let number = store.vault().number(call).await.unwrap().unwrap();
    assert_eq!(number.expose(), NUMBER);
    store.change_task(change(call, TaskState::CalledBack, "all is well"), None).await.unwrap();
    assert!(store.vault().number(call).await.unwrap().is_some());
    store.change_task(change(call, TaskState::Closed, "all is well"), None).await.unwrap();
    assert_eq!((store.vault().number(call).await.unwrap(), keys(&store).await), (None, 0));
    let task = store.views().task(call).await.unwrap().unwrap();
    assert_eq!((task.note.as_str(), task.has_number), ("all is well", false));
    assert_eq!(task.changed_by.as_deref(), Some("kim"));
    let of = |state| TaskFilter { state: Some(state), ..TaskFilter::default() };
    assert_eq!(store.views().tasks(&of(TaskState::Open)).await.unwrap(), []);
    store.close().await;
    for file in ["aftercall.db", "aftercall.db-wal"] {
        let kept = std::fs::read(folder.path().join(file)).unwrap_or_default();
        assert!(!kept.windows(NUMBER.len()).any(|part| part == NUMBER.as_bytes()), "{file}");
    }
}

#[tokio::test]
async fn erasing_and_age_destroy_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let (first, second) = (told(&store).await, told(&store).await);
    let tidy = |numbers_before_us| Tidy {
        now_us: 0,
        answers_before_us: 0,
        messages_before_us: 0,
        numbers_before_us,
    };
    store.change(Change::Tidy(tidy(START_US)), None).await.unwrap();
    assert_eq!(keys(&store).await, 2);
    store.change(Change::Tidy(tidy(START_US + 1)), None).await.unwrap();
    assert_eq!((keys(&store).await, store.vault().number(first).await.unwrap()), (0, None));
    let third = told(&store).await;
    let note = Note {
        user: "operator".into(),
        role: "operator",
        what: "erase",
        scope: "x".into(),
        reason: String::new(),
    };
    let (erased, _) = store.erase(&Erase::Caller(CallerHash([9; 32])), note).await.unwrap();
    assert_eq!(erased.keys, 1);
    for call in [first, second, third] {
        assert_eq!(store.views().task(call).await.unwrap(), None);
    }
    assert_eq!(store.views().messages(&MessageFilter::default()).await.unwrap(), []);
}

#[tokio::test]
async fn a_message_is_due_until_it_is_delivered_or_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let call = told(&store).await;
    let crm = Target::Webhook("crm".into());
    let due = async |now_us| store.views().due(&crm, now_us, 9).await.unwrap();
    assert_eq!(due(START_US - 1).await.len(), 0);
    let waiting = due(START_US).await;
    assert_eq!(waiting.len(), 2);
    let said: serde_json::Value = serde_json::from_str(&waiting[0].payload).unwrap();
    assert_eq!((&said["type"], &said["data"]["call_ref"]), (&"response.low_score".into(), &"c1".into()));
    assert_eq!(said["data"]["task"], call.to_string());
    assert!(!waiting[1].payload.contains("anna") && !waiting[1].payload.contains("3120555"));
    let tried = async |id, at_us, outcome| {
        store.change(Change::Tried(Tried { id, at_us, outcome }), None).await.unwrap();
    };
    tried(waiting[0].id, START_US + 1, Outcome::Delivered).await;
    tried(waiting[1].id, START_US + 1, Outcome::Again(START_US + 100, "HTTP 500".into())).await;
    assert_eq!(due(START_US + 99).await, []);
    assert_eq!(due(START_US + 100).await[0].attempts, 1);
    tried(waiting[1].id, START_US + 101, Outcome::Dead("HTTP 500".into())).await;
    let [dead, delivered] = &store.views().messages(&MessageFilter::default()).await.unwrap()[..] else {
        panic!()
    };
    assert_eq!((dead.state.as_str(), dead.attempts, dead.error.as_str()), ("dead", 2, "HTTP 500"));
    assert_eq!((delivered.state.as_str(), delivered.error.as_str()), ("delivered", ""));
    // Another process, beside the one that writes.
    let config = super::tests::config();
    assert_eq!(replay(&config, folder.path(), Some(delivered.id), START_US).await.unwrap(), 0);
    assert_eq!(replay(&config, folder.path(), None, START_US + 200).await.unwrap(), 1);
    assert_eq!(due(START_US + 200).await[0].attempts, 0);
    store.change(Change::Orphaned(vec![Target::Mail]), None).await.unwrap();
    assert_eq!(store.views().message(dead.id).await.unwrap().unwrap().state, MessageState::Dead);
    let tidy =
        Tidy { now_us: 0, answers_before_us: 0, messages_before_us: START_US + 2, numbers_before_us: 0 };
    store.change(Change::Tidy(tidy), None).await.unwrap();
    assert_eq!(store.views().messages(&MessageFilter::default()).await.unwrap().len(), 1);
}
