//! The chain against whoever can write the database.

use sqlx::{ConnectOptions as _, SqliteConnection};

use super::*;
use crate::domain::{AgentId, CallerHash};
use crate::store::tests::open;
use crate::store::{Change, Erase, Receipt, Store, schema};

fn note(what: &'static str, scope: &str) -> Note {
    Note { user: "kim".into(), role: "quality", what, scope: scope.into(), reason: String::new() }
}

async fn beside(store: &Store) -> SqliteConnection {
    schema::read_options(store.views().path()).pragma("query_only", "OFF").connect().await.unwrap()
}

async fn verified(store: &Store, pinned: Option<&str>) -> Chain {
    store.views().verify_audit(store.privacy(), pinned).await.unwrap()
}

/// Writes the whole log anew as somebody without the key would: by SHA-256.
async fn without_key(conn: &mut SqliteConnection, lines: &[(&str, &str)]) -> Head {
    sqlx::query("DELETE FROM audit").execute(&mut *conn).await.unwrap();
    let mut head = Head::default();
    for (what, scope) in lines {
        let mut line = AuditLine {
            seq: head.seq + 1,
            at_us: 1_763_800_000_000_000,
            user: "kim".into(),
            role: "quality".into(),
            what: (*what).into(),
            scope: (*scope).into(),
            reason: String::new(),
            hash: String::new(),
            salt: None,
            erased: None,
        };
        line.hash = plain_hash(&head.hash, &line);
        head = Head { seq: line.seq, hash: line.hash.clone() };
        crate::store::statement::run(conn, insert(&[line])).await.unwrap();
    }
    head
}

#[tokio::test]
async fn a_chain_that_was_written_anew_does_not_hold() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    for scope in ["one", "two", "three"] {
        store.note(note("calls", scope)).await.unwrap();
    }
    assert!(matches!(verified(&store, None).await, Chain::Whole(Head { seq: 3, .. })));
    let mut conn = beside(&store).await;
    sqlx::query("UPDATE audit SET scope = 'x', salt = NULL, erased = hash WHERE seq = 2")
        .execute(&mut conn)
        .await
        .unwrap();
    assert!(
        matches!(verified(&store, None).await, Chain::Broken { seq: 2, .. }),
        "nothing is erased without the key"
    );
    without_key(&mut conn, &[("calls", "one"), ("calls", "another")]).await;
    let Chain::Broken { seq: 2, what } = verified(&store, None).await else { panic!("it has no key") };
    assert!(what.contains("not under the key"), "{what}");
}

#[tokio::test]
async fn an_older_chain_comes_under_the_key_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let mut conn = beside(&store).await;
    let pinned = without_key(&mut conn, &[("calls", "one"), ("calls", "two")]).await;
    store.close().await;
    drop(store);
    let (store, _) = open(folder.path()).await;
    let Chain::Whole(head) = verified(&store, Some(&pinned.hash)).await else { panic!("it is whole") };
    assert_eq!((head.seq, store.audit_head().borrow().clone()), (3, head.clone()));
    let lines = store.views().audit(None, 1).await.unwrap();
    assert_eq!((lines[0].what.as_str(), lines[0].scope.as_str()), ("audit_seal", "lines 1-2"));
    store.note(note("calls", "three")).await.unwrap();
    assert!(matches!(verified(&store, Some(&head.hash)).await, Chain::Whole(Head { seq: 4, .. })));

    let changed = "UPDATE audit SET scope = 'x' WHERE seq = 1";
    sqlx::query(changed).execute(&mut conn).await.unwrap();
    assert!(matches!(verified(&store, None).await, Chain::Broken { seq: 1, .. }));
    let (first, end) = store.views().verify_audit_end(store.privacy(), 2).await.unwrap();
    assert!(first == 3 && matches!(end, Chain::Whole(_)), "{end:?}");
    // A line without a key has no place behind one under it.
    let last = AuditLine { seq: 5, salt: None, ..lines[0].clone() };
    let head = store.audit_head().borrow().hash.clone();
    let last = AuditLine { hash: plain_hash(&head, &last), ..last };
    crate::store::statement::run(&mut conn, insert(&[last])).await.unwrap();
    let (_, end) = store.views().verify_audit_end(store.privacy(), 2).await.unwrap();
    assert!(matches!(end, Chain::Broken { seq: 5, .. }), "{end:?}");
}

#[tokio::test]
async fn an_erased_name_leaves_the_log_and_receipts_and_the_chain_holds() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let agent: AgentId = "anna".parse().unwrap();
    store.note(note("agent", "2026-11 of anna")).await.unwrap();
    let pinned = store.note(note("agent", "2026-11 of annabel")).await.unwrap();
    let receipt = |name: &str, body: &str| Receipt {
        token: uuid::Uuid::from_u128(1),
        name: name.into(),
        request: [0; 32],
        status: 201,
        body: body.into(),
        made_us: 1,
    };
    for (name, body) in [
        ("k1", r#"{"agent":"anna","call_ref":"A-7","more":[{"agent":"anna"},7]}"#),
        ("trigger anna", ""),
        ("k2", r#"{"agent":"annabel"}"#),
    ] {
        let written = Change::Receipt(receipt(name, body));
        store.change(written, None).await.unwrap();
    }
    store.erase(&Erase::Agent(agent), note("erase", "an agent")).await.unwrap();
    let lines = store.views().audit(None, 10).await.unwrap();
    assert!(lines[0].scope.starts_with("2026-11 of erased-"), "{lines:?}");
    assert_eq!(lines[1].scope, "2026-11 of annabel");
    let Chain::Whole(head) = verified(&store, Some(&pinned.hash)).await else { panic!("it is whole") };
    assert_eq!(head.seq, 3);
    let token = uuid::Uuid::from_u128(1);
    let kept = store.views().receipt(token, "k1").await.unwrap().unwrap().body;
    assert!(!kept.contains("anna\"") && kept.contains("erased-") && kept.contains("A-7"), "{kept}");
    assert!(store.views().receipt(token, "k2").await.unwrap().unwrap().body.contains("annabel"));
    assert_eq!(store.views().receipt(token, "trigger anna").await.unwrap(), None);
    let hidden = store.privacy().receipt_name("trigger anna");
    assert!(
        store.views().receipt(token, &hidden).await.unwrap().is_some(),
        "a write that comes again is known"
    );

    // What is left of an erased line is vouched for too.
    let mut conn = beside(&store).await;
    sqlx::query("UPDATE audit SET scope = '2026-11 of ben' WHERE seq = 1").execute(&mut conn).await.unwrap();
    assert!(matches!(verified(&store, None).await, Chain::Broken { seq: 1, .. }));

    let caller = CallerHash([7; 32]);
    let row = "INSERT INTO decisions (id, made_us, ends_us, state, call_ref, caller, said, decision) \
               VALUES (x'01', 1, 2, 'used', 'A-7', $1, '{}', '{}')";
    sqlx::query(row).bind(caller.to_string()).execute(&mut conn).await.unwrap();
    store.note(note("calls", "call_ref A-7")).await.unwrap();
    store.note(note("calls", "call_ref A-77")).await.unwrap();
    store.erase(&Erase::Caller(caller), note("erase", "caller 0707")).await.unwrap();
    let kept = store.views().receipt(token, "k1").await.unwrap().unwrap().body;
    assert!(!kept.contains("A-7"), "{kept}");
    let scopes: Vec<_> =
        store.views().audit(None, 3).await.unwrap().into_iter().map(|line| line.scope).collect();
    assert_eq!(scopes[..2], ["call_ref erased", "call_ref A-77"]);
}
