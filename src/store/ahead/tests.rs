//! What is said ahead: joined once, frozen, kept over a restart, ended, erased.

use proptest::prelude::*;

use super::book::Book;
use super::*;
use crate::domain::{DecisionReason, Origin, SurveyVersion, Trigger};
use crate::store::tests::open;
use crate::store::{CallFilter, Erase, Note};

const NOW: i64 = 1_795_000_000_000_000;
const LATER: i64 = NOW + 60_000_000;

fn said(agent: &str, call_ref: &str, caller: u8) -> Foretold {
    Foretold {
        agent: agent.parse().ok(),
        call_ref: call_ref.parse().ok(),
        caller: (caller > 0).then_some(CallerHash([caller; 32])),
        ..Foretold::default()
    }
}

fn reservation(n: u8, said: Foretold) -> Reservation {
    let token = crate::domain::ReservationToken::of([n; 16]);
    Reservation { id: Uuid::from_u128(n.into()), token, made_us: NOW, ends_us: LATER, said }
}

fn invite(call_ref: &str) -> CallContext {
    CallContext { call_ref: call_ref.parse().ok(), ..CallContext::default() }
}

fn decision(chosen: bool) -> Decision {
    Decision {
        origin: Origin::Sampled,
        survey: chosen.then(|| ("short".parse().unwrap(), SurveyVersion(1))),
        reason: if chosen { DecisionReason::Nth } else { DecisionReason::NotNth },
        count: Some(7),
        draw_ppm: None,
        ahead: None,
    }
}

/// A decision about call `C`, chosen or not.
fn frozen(chosen: bool) -> Frozen {
    Frozen {
        id: Uuid::from_u128(99),
        call_ref: "C".parse().unwrap(),
        made_us: NOW,
        ends_us: LATER,
        said: said("anna", "", 3),
        decision: decision(chosen),
        used: false,
    }
}

#[test]
fn a_reservation_is_found_by_token_then_reference_then_caller() {
    let mut book = Book::default();
    for (n, of) in
        [(1, said("a1", "", 0)), (2, said("a2", "C", 0)), (3, said("a3", "", 3)), (4, said("a4", "", 3))]
    {
        book.reserve(reservation(n, of), 4).unwrap();
    }
    assert!(book.reserve(reservation(5, said("a5", "D", 0)), 4).is_err(), "four are as many as may wait");
    let caller = Some(CallerHash([3; 32]));
    let mut agent_of = |mut context: CallContext| {
        let met = book.meet(&mut context, caller, NOW);
        (met.reservation.map(|r| r.id.as_u128()), context.agent.map(String::from))
    };
    let with_token = CallContext { reservation: Some(reservation(1, said("", "", 0)).token), ..invite("C") };
    assert_eq!(agent_of(with_token), (Some(1), Some("a1".into())));
    assert_eq!(agent_of(invite("C")), (Some(2), Some("a2".into())));
    let of_a3 = CallContext { agent: "a3".parse().ok(), ..invite("C") };
    assert_eq!(agent_of(of_a3), (Some(3), Some("a3".into())), "the caller, and nothing against it");
    assert_eq!(agent_of(invite("C")), (Some(4), Some("a4".into())), "each is used once");
    assert_eq!(agent_of(invite("C")), (None, None));
}

#[test]
fn what_is_over_is_not_found() {
    let mut book = Book::default();
    book.reserve(reservation(1, said("anna", "C", 0)), 9).unwrap();
    book.freeze(frozen(true));
    let wish = Wish {
        id: Uuid::nil(),
        call_ref: "C".parse().unwrap(),
        agent: "anna".parse().unwrap(),
        made_us: NOW,
        ends_us: LATER,
    };
    book.wish(wish, 9).unwrap();
    assert_eq!(book.meet(&mut invite("C"), None, LATER), Met::default());
    assert_eq!(book.over(LATER - 1), vec![]);
    assert_eq!(book.over(LATER), vec![frozen(true)], "a decision that was not used is told");
    assert_eq!(book.meet(&mut invite("C"), None, NOW), Met::default());
}

#[test]
fn an_agent_cannot_move_a_decision() {
    let by_agent = || CallContext { trigger: Trigger::Agent, ..invite("C") };
    let first = |chosen: bool, mut context: CallContext| {
        let mut book = Book::default();
        book.freeze(frozen(chosen));
        let met = book.meet(&mut context, None, NOW).decided;
        (met.map(|met| matches!(met, Decided::Now(_))), book)
    };
    for chosen in [true, false] {
        let (decided, mut book) = first(chosen, invite("C"));
        assert_eq!(decided, Some(true));
        assert_eq!(book.meet(&mut invite("C"), None, NOW).decided, Some(Decided::Before), "once");
        assert_eq!(book.over(LATER), vec![], "a used one ends quietly");
    }
    assert_eq!(first(true, by_agent()).0, Some(true), "a chosen call stays a sampled one");
    let (decided, mut book) = first(false, by_agent());
    assert_eq!(decided, None, "the agent's own survey is no sampled one");
    assert_eq!(book.over(LATER).len(), 1, "and that the call was not chosen is still told");
    let trial = CallContext { trigger: Trigger::Test, ..invite("C") };
    assert_eq!(first(true, trial).0, None);
}

#[test]
fn a_wish_is_for_the_agent_who_had_it() {
    let wish = |agent: &str| Wish {
        id: Uuid::nil(),
        call_ref: "C".parse().unwrap(),
        agent: agent.parse().unwrap(),
        made_us: NOW,
        ends_us: LATER,
    };
    let mut book = Book::default();
    book.wish(wish("ben"), 1).unwrap();
    assert_eq!(book.wish(wish("anna"), 1).unwrap(), Some(wish("ben")));
    let mut of_carl = CallContext { agent: "carl".parse().ok(), ..invite("C") };
    assert_eq!(book.meet(&mut of_carl, None, NOW).wish, None);
    assert_eq!(of_carl.trigger, Trigger::Hangup);
    let mut nobody = invite("C");
    assert_eq!(book.meet(&mut nobody, None, NOW).wish, Some(wish("anna")));
    assert_eq!((nobody.trigger, nobody.agent.map(String::from)), (Trigger::Agent, Some("anna".into())));
}

proptest! {
    /// However calls come and reservations go: none is used twice, and none is lost but by use, end or withdrawal.
    #[test]
    fn each_reservation_ends_once(steps in prop::collection::vec((0..4u8, 1..12u8, 0..3u8), 1..60)) {
        let mut book = Book::default();
        let (mut open, mut next) = (std::collections::BTreeSet::new(), 0u8);
        for (what, n, m) in steps {
            match what {
                0 => {
                    next += 1;
                    let call_ref = if m == 0 { String::new() } else { format!("C{m}") };
                    book.reserve(reservation(next, said("", &call_ref, n % 3)), 99).unwrap();
                    open.insert(next);
                }
                1 => {
                    let found = book.withdraw(Uuid::from_u128(n.into()));
                    prop_assert_eq!(found.is_some(), open.remove(&n));
                }
                2 => {
                    let caller = (n % 3 > 0).then_some(CallerHash([n % 3; 32]));
                    if let Some(found) = book.meet(&mut invite(&format!("C{m}")), caller, NOW).reservation {
                        prop_assert!(open.remove(&u8::try_from(found.id.as_u128()).unwrap()));
                    }
                }
                _ => {
                    let token = reservation(n, said("", "", 0)).token;
                    let mut context = CallContext { reservation: Some(token), ..CallContext::default() };
                    let found = book.meet(&mut context, None, NOW).reservation.map(|r| r.id.as_u128());
                    prop_assert_eq!(found, open.remove(&n).then_some(n.into()));
                }
            }
        }
        let mut left = book;
        left.over(i64::MAX);
        for n in open {
            prop_assert!(left.withdraw(Uuid::from_u128(n.into())).is_none());
        }
    }
}

#[tokio::test]
async fn what_waits_outlives_a_restart_and_counts_for_selection() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    let made = store.reserve(said("anna", "R", 1), (NOW, LATER), 9, |_| None).await.unwrap();
    let ahead = |call_ref: &str, chosen| {
        let of = Foretold { queue: "sales".parse().ok(), ..said("ben", "", 2) };
        store.decide_ahead(call_ref.parse().unwrap(), of, (NOW, LATER), 2, move || decision(chosen), |_| None)
    };
    let yes = ahead("Y", true).await.unwrap();
    assert_eq!(ahead("Y", false).await.unwrap(), yes, "asked again, it is the same");
    ahead("N", false).await.unwrap();
    assert!(matches!(ahead("M", true).await, Err(AheadError::Full)));
    store.wish(("W".parse().unwrap(), "carl".parse().unwrap()), (NOW, LATER), 9, |_| None).await.unwrap();
    assert!(store.views().calls(&CallFilter::default()).await.unwrap().is_empty(), "nobody sees what waits");
    store.close().await;
    drop(store);

    let (store, orphans) = open(folder.path()).await;
    assert_eq!(orphans.len(), 0);
    let from = jiff::Timestamp::from_microsecond(NOW).unwrap();
    let state = store.views().selection_state([from, from, from]).await.unwrap();
    assert_eq!(state.counts, [("sales".parse().ok(), 7)]);
    assert_eq!(state.today, [("sales".parse().ok(), "ben".parse().ok(), 1)]);
    assert_eq!(state.callers, [(CallerHash([2; 32]), from)]);
    let mut context = CallContext { reservation: Some(made.token), ..invite("Y") };
    let met = store.ahead().meet(&mut context, None, NOW);
    assert_eq!(context.call_ref.as_ref().map(|r| r.as_str()), Some("R"));
    assert_eq!(met.reservation.as_ref().map(|r| r.id), Some(made.id));
    let mut context = invite("Y");
    let met = Met { decided: store.ahead().meet(&mut context, None, NOW).decided, ..met };
    let Some(Decided::Now(found)) = &met.decided else { panic!("{met:?}") };
    assert_eq!(found.decision.ahead.as_ref().map(|ahead| ahead.at_us), Some(NOW));
    let call = store.new_call_id();
    store.append(Batch { changes: met.changes(call), ..Batch::default() }).await.unwrap();
    let row = store.views().reservation(made.id).await.unwrap().unwrap();
    assert_eq!((row.state.as_str(), row.call, row.said), ("used", Some(call), Foretold::default()));
    store.close().await;
    drop(store);

    let (store, _) = open(folder.path()).await;
    let mut context = invite("Y");
    assert_eq!(store.ahead().meet(&mut context, None, NOW).decided, Some(Decided::Before));
    assert!(store.ahead().meet(&mut invite("W"), None, NOW).wish.is_some());
}

#[tokio::test]
async fn a_chosen_call_that_never_comes_is_told_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    for (call_ref, chosen) in [("Y", true), ("N", false)] {
        let of = said("anna", "", 4);
        let decide = move || decision(chosen);
        store.decide_ahead(call_ref.parse().unwrap(), of, (NOW, LATER), 9, decide, |_| None).await.unwrap();
    }
    store.end_waiting(LATER - 1).await.unwrap();
    assert!(store.views().calls(&CallFilter::default()).await.unwrap().is_empty());
    store.end_waiting(LATER).await.unwrap();
    store.end_waiting(LATER).await.unwrap();
    let calls = store.views().calls(&CallFilter::default()).await.unwrap();
    let told: Vec<_> =
        calls.iter().map(|c| (c.call_ref.as_deref(), c.disposition.as_deref(), c.offered_us)).collect();
    assert_eq!(told, [(Some("Y"), Some("not_transferred"), NOW), (Some("N"), Some("not_selected"), NOW)]);
    let left: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM decisions").fetch_one(store.views().pool()).await.unwrap();
    assert_eq!(left, 0);
    let sampled: Vec<(String, i64)> =
        sqlx::query_as("SELECT what, n FROM sampling_weeks WHERE agent = 'anna' ORDER BY what")
            .fetch_all(store.views().pool())
            .await
            .unwrap();
    let sampled: Vec<_> = sampled.iter().map(|(what, n)| (what.as_str(), *n)).collect();
    assert_eq!(sampled, [("eligible", 2), ("not_transferred", 1), ("offered", 2), ("selected", 1)]);
}

#[tokio::test]
async fn erasing_a_caller_or_agent_takes_what_waits() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path()).await;
    store.reserve(said("anna", "R1", 1), (NOW, LATER), 9, |_| None).await.unwrap();
    store.reserve(said("ben", "R2", 2), (NOW, LATER), 9, |_| None).await.unwrap();
    store.wish(("W".parse().unwrap(), "ben".parse().unwrap()), (NOW, LATER), 9, |_| None).await.unwrap();
    let note = || Note {
        user: "operator".into(),
        role: "operator",
        what: "erase",
        scope: "x".into(),
        reason: String::new(),
    };
    let count = |table: &'static str| {
        let text = format!("SELECT COUNT(*) FROM {table}");
        let pool = store.views().pool().clone();
        async move { sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(text)).fetch_one(&pool).await.unwrap() }
    };
    store.erase(&Erase::Caller(CallerHash([1; 32])), note()).await.unwrap();
    assert_eq!((count("reservations").await, count("triggers").await), (1, 1));
    assert_eq!(store.ahead().meet(&mut invite("R1"), None, NOW), Met::default());
    store.erase(&Erase::Agent("ben".parse().unwrap()), note()).await.unwrap();
    assert_eq!((count("reservations").await, count("triggers").await), (0, 0));
    assert_eq!(store.ahead().meet(&mut invite("R2"), None, NOW), Met::default());
    assert_eq!(store.ahead().meet(&mut invite("W"), None, NOW), Met::default());
}
