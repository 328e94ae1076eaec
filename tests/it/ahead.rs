//! What a contact centre says of a call before it comes: over real HTTP, met by real calls.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::caller::{at, call};
use crate::harness::{App, PATIENCE, config};
use crate::web_client::{address, ask, get, post, start, token};

const SURVEYED: &str = "audio; press #; quiet 2s; press 4; bye";

/// The rows of calls once there are so many that have ended.
fn ended(app: &App, columns: &str, n: usize) -> Vec<String> {
    app.wait_for_calls("disposition", |rows| rows.iter().filter(|row| !row.is_empty()).count() == n);
    app.calls(columns)
}

fn reservation(api: SocketAddr, token: &str, body: &Value) -> Value {
    let reply = post(api, "/api/v1/reservations", token, body);
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()
}

#[test]
fn a_reservation_meets_its_call_by_token_reference_or_caller() {
    let (app, api) = start("");
    let token = token(&app, "cti", "reservations:write");
    let by_token = reservation(
        api,
        &token,
        &json!({"agent": "anna", "queue": "sales", "call_ref": "CTI-1", "talk_seconds": 93, "first_hang_up": "caller"}),
    );
    reservation(api, &token, &json!({"agent": "ben", "queue": "care", "call_ref": "call-2"}));
    let by_caller =
        reservation(api, &token, &json!({"agent": "carl", "caller": "+31 20 555-0100", "call_ref": "CTI-3"}));
    let user = format!("rsv-{}", by_token["token"].as_str().expect("a token"));
    // A restart in between: the reservations wait in the database.
    let dir = app.kill();
    let app = App::in_dir(dir);
    let api = address(&app);
    call(&at(&app, &user), "call-1", SURVEYED, &[]).well();
    let rows = ended(&app, "agent,queue,call_ref", 1);
    assert_eq!(rows, ["anna,sales,CTI-1"]);
    app.wait_for_story(
        "offered by pbx: agent anna, queue sales, ref CTI-1, language en, talked 93 s, hung up first: caller",
    );
    // What the INVITE says itself wins.
    call(&at(&app, "short"), "call-2", SURVEYED, &["--header", "X-Queue: vip"]).well();
    assert_eq!(ended(&app, "agent,queue,call_ref", 2)[1], "ben,vip,call-2");
    let asserted = "P-Asserted-Identity: <sip:+31205550100@pbx>";
    call(&at(&app, "short"), "call-3", SURVEYED, &["--header", asserted]).well();
    assert_eq!(ended(&app, "agent,queue,call_ref", 3)[2], "carl,,CTI-3");
    call(&at(&app, "short"), "call-4", SURVEYED, &["--header", asserted]).well();
    assert_eq!(ended(&app, "agent,queue,call_ref", 4)[3], ",,call-4", "used once");

    let id = by_caller["id"].as_str().expect("an id");
    let seen = get(api, &format!("/api/v1/reservations/{id}"), &token).json();
    assert_eq!((&seen["state"], &seen["agent"]), (&json!("used"), &Value::Null), "nothing of it is left");
    assert_eq!(seen["call"], app.calls("id")[2]);
    let bearer = format!("Bearer {token}");
    let gone = ask(api, &format!("DELETE /api/v1/reservations/{id}"), &[("Authorization", &bearer)], "");
    assert_eq!(gone.status, 404, "a used one cannot be withdrawn");
    let kept = app.kill();
    let database = std::fs::read(kept.path().join("data/aftercall.db")).expect("the database");
    let log = std::fs::read(kept.path().join("data/aftercall.db-wal")).unwrap_or_default();
    for number in ["31205550100", "20 555-0100"] {
        let is_in = |file: &[u8]| file.windows(number.len()).any(|part| part == number.as_bytes());
        assert!(!is_in(&database) && !is_in(&log), "the number is not kept");
    }
}

#[test]
fn a_reservation_waits_as_long_as_it_says_and_can_be_withdrawn() {
    let (app, api) = start("");
    let token = token(&app, "cti", "reservations:write");
    let short = reservation(api, &token, &json!({"agent": "anna", "call_ref": "call-1", "wait_seconds": 1}));
    let gone = reservation(api, &token, &json!({"agent": "ben", "call_ref": "call-2"}));
    let path = |of: &Value| format!("/api/v1/reservations/{}", of["id"].as_str().expect("an id"));
    let bearer = format!("Bearer {token}");
    let delete = ask(api, &format!("DELETE {}", path(&gone)), &[("Authorization", &bearer)], "");
    assert_eq!(delete.status, 204);
    let start = std::time::Instant::now();
    while get(api, &path(&short), &token).json()["state"] != "expired" {
        assert!(start.elapsed() < PATIENCE, "it waits for ever");
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
    for (n, name) in ["call-1", "call-2"].into_iter().enumerate() {
        call(&at(&app, "short"), name, SURVEYED, &[]).well();
        assert_eq!(ended(&app, "agent,call_ref", n + 1)[n], format!(",{name}"));
    }
    assert_eq!(get(api, &path(&gone), &token).json()["state"], "withdrawn");
}

/// A program that surveys every second call, and somebody who may ask ahead.
fn sampling(more: &str) -> (App, SocketAddr, String) {
    let config = config().replace("rule = \"all\"", "rule = { every = 2 }\nseed = 7");
    let app = App::with(&format!("{config}\n[web]\nlisten = \"127.0.0.1:0\"\n{more}"));
    let api = address(&app);
    let token = token(&app, "acd", "decisions:ask,triggers:write");
    (app, api, token)
}

fn decide(api: SocketAddr, token: &str, call_ref: &str) -> bool {
    let reply = post(
        api,
        "/api/v1/decisions",
        token,
        &json!({"call_ref": call_ref, "queue": "sales", "agent": "anna"}),
    );
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["surveyed"].as_bool().expect("yes or no")
}

#[test]
fn a_decision_stands_whatever_happens_meanwhile() {
    let (app, api, token) = sampling("");
    let told: Vec<bool> = (0..4).map(|n| decide(api, &token, &format!("D{n}"))).collect();
    assert_eq!(told[0], !told[1], "every second one");
    assert_eq!((told[0], told[1]), (told[2], told[3]));
    assert_eq!(decide(api, &token, "D1"), told[1], "asked again, it is the same");
    assert_eq!(app.calls("id").len(), 0, "nobody sees what waits");
    let dir = app.kill();
    let app = App::in_dir(dir);
    let api = address(&app);
    assert_eq!(decide(api, &token, "D0"), told[0], "also after a restart");
    assert_eq!(decide(api, &token, "D4"), told[0], "and the count goes on");
    // All four are transferred, in another order; each gets what was told.
    for n in [3, 1, 2, 0] {
        let script = if told[n] { SURVEYED } else { "quiet 0s" };
        let output =
            call(&at(&app, "short"), &format!("D{n}"), script, &["--header", "X-Agent-Id: anna"]).end();
        assert_eq!(output.status.success(), told[n], "{}", String::from_utf8_lossy(&output.stderr));
    }
    let rows = ended(&app, "call_ref,disposition,reason", 4);
    for (row, n) in rows.iter().zip([3, 1, 2, 0]) {
        let told = if told[n] { "complete,nth" } else { "not_selected,not_nth" };
        assert_eq!(*row, format!("D{n},{told}"));
    }
    // A call that comes again is not decided anew.
    let chosen = told.iter().position(|told| *told).expect("one of two");
    call(&at(&app, "short"), &format!("D{chosen}"), "quiet 0s", &[]).end();
    let rows = ended(&app, "call_ref,disposition,reason", 5);
    assert_eq!(rows[4], format!("D{chosen},not_selected,already_decided"));
}

#[test]
fn a_chosen_call_that_never_comes_shows() {
    let (app, api, token) = sampling("[api]\ndecision_time = \"1s\"\n");
    let told: Vec<bool> = (0..2).map(|n| decide(api, &token, &format!("D{n}"))).collect();
    let rows = ended(&app, "disposition", 2);
    let of = |told: bool| if told { "not_transferred" } else { "not_selected" };
    assert_eq!(rows, [of(told[0]), of(told[1])]);
    let reader = token_of(&app, "reports:read");
    let week = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC).date().iso_week_date();
    let period = format!("{}-W{:02}", week.year(), week.week());
    let proof = get(api, &format!("/api/v1/reports/sampling?period={period}"), &reader).json();
    let row = &proof["rows"][0];
    assert_eq!(
        (&row["agent"], &row["eligible"], &row["selected"], &row["not_transferred"]),
        (&json!("anna"), &json!(2), &json!(1), &json!(1)),
        "{proof}"
    );
}

fn token_of(app: &App, scope: &str) -> String {
    token(app, scope, scope)
}

#[test]
fn an_agent_asks_for_a_survey_by_trigger() {
    let (app, api, token) = sampling("");
    let wish = |call_ref: &str, agent: &str| {
        post(api, "/api/v1/triggers", &token, &json!({"call_ref": call_ref, "agent": agent})).status
    };
    assert_eq!((wish("T1", "anna"), wish("T2", "anna")), (201, 201));
    call(&at(&app, "short"), "T1", SURVEYED, &[]).well();
    // Another agent's transfer is no answer to anna's wish.
    call(&at(&app, "short"), "T2", "quiet 0s", &["--header", "X-Agent-Id: ben"]).end();
    let rows = ended(&app, "agent,origin,disposition", 2);
    assert_eq!(rows[0], "anna,agent,complete");
    assert!(rows[1].starts_with("ben,sampled,"), "{rows:?}");
    // A call that was chosen stays a sampled one; one that was not is the agent's.
    let told: Vec<bool> = (0..2).map(|n| decide(api, &token, &format!("D{n}"))).collect();
    for n in 0..2 {
        assert_eq!(wish(&format!("D{n}"), "anna"), 201);
        call(&at(&app, "short"), &format!("D{n}"), SURVEYED, &["--header", "X-Agent-Id: anna"]).well();
    }
    let rows = ended(&app, "origin", 4);
    let of = |told: bool| if told { "sampled" } else { "agent" };
    assert_eq!(rows[2..], [of(told[0]), of(told[1])]);
}
