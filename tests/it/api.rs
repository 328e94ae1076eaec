//! The API from outside: tokens, pages, exports, problems, and the stream of running calls.

use std::io::{BufRead as _, BufReader, Cursor, Read as _};
use std::time::Duration;

use serde_json::{Value, json};

use crate::caller::{at, call};
use crate::harness::App;
use crate::web_client::{ask, get, open, post, start, status_of, token};

/// Every endpoint, the scope that opens it, and what a good token gets: method and path, body, status.
const ENDPOINTS: [(&str, &str, &str, u16); 20] = [
    ("GET /api/v1/surveys", "reports:read", "", 200),
    ("GET /api/v1/reports/overview?period=2026-W47", "reports:read", "", 200),
    ("GET /api/v1/responses", "responses:read", "", 200),
    ("GET /api/v1/responses/01a00000-0000-7000-8000-000000000000", "responses:read", "", 404),
    ("GET /api/v1/exports/responses.csv", "responses:read", "", 200),
    ("GET /api/v1/exports/responses.ndjson", "responses:read", "", 200),
    ("GET /api/v1/exports/responses.xlsx", "responses:read", "", 200),
    ("GET /api/v1/calls/running", "live:read", "", 200),
    ("GET /api/v1/calls/running/stream", "live:read", "", 200),
    ("POST /api/v1/reservations", "reservations:write", r#"{"agent": "anna", "call_ref": "C1"}"#, 201),
    ("GET /api/v1/reservations/01a00000-0000-7000-8000-000000000000", "reservations:write", "", 404),
    ("DELETE /api/v1/reservations/01a00000-0000-7000-8000-000000000000", "reservations:write", "", 404),
    ("POST /api/v1/decisions", "decisions:ask", r#"{"call_ref": "C2"}"#, 200),
    ("GET /api/v1/tasks", "tasks:read", "", 200),
    ("GET /api/v1/tasks/01a00000-0000-7000-8000-000000000000", "tasks:read", "", 404),
    (
        "PATCH /api/v1/tasks/01a00000-0000-7000-8000-000000000000",
        "tasks:write",
        r#"{"state": "closed"}"#,
        404,
    ),
    ("GET /api/v1/tasks/01a00000-0000-7000-8000-000000000000/number?reason=to+call", "tasks:number", "", 404),
    ("GET /api/v1/webhooks/deliveries", "webhooks:read", "", 200),
    (
        "POST /api/v1/webhooks/deliveries/01a00000-0000-7000-8000-000000000000/replay",
        "webhooks:write",
        "",
        404,
    ),
    ("POST /api/v1/triggers", "triggers:write", r#"{"call_ref": "C3", "agent": "anna"}"#, 201),
];
const SCOPES: [&str; 11] = [
    "reports:read",
    "responses:read",
    "live:read",
    "reservations:write",
    "decisions:ask",
    "triggers:write",
    "tasks:read",
    "tasks:write",
    "tasks:number",
    "webhooks:read",
    "webhooks:write",
];

#[test]
fn what_a_token_opens_and_what_it_does_not() {
    let (app, api) = start("[api]\nsource_burst = 1000\n");
    let tokens = SCOPES.map(|scope| (scope, token(&app, scope, scope)));
    let (_, document) = (0, ask(api, "GET /api/v1/openapi.json", &[], "").json());
    assert_eq!(document["openapi"], "3.1.0");
    for (line, needed, body, good) in ENDPOINTS {
        let json = ("Content-Type", "application/json");
        let (status, head) = status_of(line, api, &[json], body);
        assert_eq!(status, 401, "{line}");
        assert!(
            head.contains("application/problem+json") && head.contains("www-authenticate: bearer"),
            "{head}"
        );
        let guess = ("Authorization", "Bearer aftercall_guess");
        assert_eq!(status_of(line, api, &[guess, json], body).0, 401, "{line}");
        for (scope, token) in &tokens {
            let bearer = format!("Bearer {token}");
            let (status, _) = status_of(line, api, &[("Authorization", &bearer), json], body);
            assert_eq!(status, if *scope == needed { good } else { 403 }, "{line} with {scope}");
        }
        let (method, path) = line.split_once(' ').expect("a method");
        let path = path.split('?').next().unwrap_or_default();
        let path = path.replace("reports/overview", "reports/{kind}");
        let path = path.replace("01a00000-0000-7000-8000-000000000000", "{id}");
        let told = &document["paths"][&path][method.to_lowercase()];
        assert_eq!(told["security"][0]["token"][0], needed, "{line} in the document");
        for status in ["401", "403", "429"] {
            assert!(told["responses"][status].is_object(), "{line}: {status} is not in the document");
        }
    }
    let told: usize = document["paths"]
        .as_object()
        .expect("paths")
        .values()
        .map(|p| p.as_object().map_or(0, |p| p.len()))
        .sum();
    assert_eq!(told, ENDPOINTS.len(), "every endpoint of the document is in the table");
    assert!(app.run(&["token", "revoke", "live:read"]).status.success());
    assert_eq!(get(api, "/api/v1/calls/running", &tokens[2].1).status, 401, "a revoked token");
    for (line, status) in [
        ("GET /api/v1/nothing", 404),
        ("GET /api/nothing", 404),
        ("GET /api/docs/nothing.js", 404),
        ("PUT /api/v1/responses", 405),
        ("DELETE /api/v1/surveys", 405),
    ] {
        let reply = ask(api, line, &[], "");
        assert_eq!(reply.status, status, "{line}");
        assert_eq!(reply.header("content-type"), "application/problem+json", "{line}: {}", reply.head);
        assert_eq!(reply.json()["status"], status, "{line}");
        assert!(status != 405 || !reply.header("allow").is_empty(), "{line}: {}", reply.head);
    }
    let responses = get(api, "/api/v1/responses", &tokens[1].1);
    assert_eq!(responses.header("cache-control"), "no-store");
    let docs = ask(api, "GET /api/docs/", &[], "");
    assert_eq!(docs.status, 200);
    for reply in [responses, docs, ask(api, "GET /api/v1/openapi.json", &[], "")] {
        assert!(reply.header("content-security-policy").contains("frame-ancestors 'none'"), "{}", reply.head);
        assert_eq!(
            (reply.header("x-content-type-options"), reply.header("x-frame-options")),
            ("nosniff", "DENY")
        );
    }
}

#[test]
fn responses_in_pages_and_as_exports() {
    let (app, api) = start("");
    let script = "audio; press #; quiet 2s; press 4; bye";
    let callers: Vec<_> = (0..3)
        .map(|n| call(&at(&app, "short"), &format!("call-{n}"), script, &["--header", "X-Agent-Id: =1+2"]))
        .collect();
    callers.into_iter().for_each(|caller| drop(caller.well()));
    app.wait_for_calls("disposition", |rows| rows.iter().filter(|row| *row == "complete").count() == 3);
    let token = token(&app, "bi", "responses:read");
    let mut refs = Vec::new();
    let mut path = "/api/v1/responses?limit=2".to_owned();
    loop {
        let reply = get(api, &path, &token);
        assert_eq!(reply.status, 200, "{}", reply.text());
        let page = reply.json();
        for item in page["items"].as_array().expect("items") {
            assert_eq!((&item["answers"][0]["value"], &item["disposition"]), (&json!(4), &json!("complete")));
            refs.push(item["call_ref"].as_str().expect("a reference").to_owned());
        }
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/responses?limit=2&after={next}"),
            None => break,
        }
    }
    refs.sort();
    assert_eq!(refs, ["call-0", "call-1", "call-2"], "each once");
    let reply = get(api, "/api/v1/exports/responses.csv", &token);
    assert!(reply.header("content-type").contains("text/csv"), "{}", reply.head);
    let csv = reply.text();
    assert_eq!(csv.lines().count(), 4);
    assert!(csv.contains(",'=1+2,"), "a formula is disarmed: {csv}");
    let path = "/api/v1/exports/responses.csv?separator=semicolon&bom=true";
    let excel = get(api, path, &token).body;
    assert!(excel.starts_with(b"\xef\xbb\xbfid;offered;"), "{}", String::from_utf8_lossy(&excel));
    for (path, status) in [
        ("/api/v1/exports/responses.csv?separator=pipe", 400),
        ("/api/v1/exports/responses.ndjson?bom=true", 400),
        ("/api/v1/responses?separator=tab", 400),
    ] {
        assert_eq!(get(api, path, &token).status, status, "{path}");
    }
    for args in [
        &["calls", "--csv"][..],
        &["calls", "--csv", "--columns", "all"],
        &["report", "--by", "agent", "--csv"],
    ] {
        let csv = app.ask(args);
        assert!(
            csv.contains("'=1+2,") && !csv.contains(",=1+2") && !csv.contains("\n=1+2"),
            "{args:?}: {csv}"
        );
    }
    let ids = |args: &[&str]| {
        let text = app.ask(&[&["calls", "--csv", "--columns", "id"], args].concat());
        text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let all = ids(&[]);
    assert_eq!(ids(&["--limit", "2"]), all[1..], "the latest, the oldest of them first");
    assert_eq!(
        (ids(&["--limit", "9"]), ids(&["--limit", "3"]), ids(&["--limit", "0"])),
        (all.clone(), all, vec![])
    );
    assert_eq!(get(api, "/api/v1/exports/responses.ndjson?agent=nobody", &token).text(), "");
    let lines = get(api, "/api/v1/exports/responses.ndjson", &token).text();
    let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((rows.len(), &rows[0]["agent"]), (3, &"=1+2".into()));
    let sheet = sheet_of(&get(api, "/api/v1/exports/responses.xlsx", &token).body);
    assert_eq!(sheet.matches("<row ").count(), 4);
    assert!(sheet.contains("<t>=1+2</t>") && !sheet.contains("<f>"), "a text cell is no formula: {sheet}");
    for wrong in [
        "limit=0",
        "limit=5000",
        "from=yesterday",
        "colour=red",
        "after=x",
        "origin=mars",
        "disposition=good",
        "period=soon",
        "period=2026-11&from=2026-11-01T00:00:00Z",
    ] {
        let reply = get(api, &format!("/api/v1/responses?{wrong}"), &token);
        assert_eq!(reply.status, 400, "{wrong}: {}", reply.text());
    }
}

#[test]
fn each_value_says_which_question_it_answers() {
    let (app, api) = start("");
    let agent = ["--header", "X-Agent-Id: anna"];
    let service = "quiet 2s; press 4; quiet 2s; press 1; quiet 2s; press 1; quiet 2s; press 9; bye";
    let callers = [
        call(&at(&app, "service"), "call-1", service, &agent),
        call(&at(&app, "short"), "call-2", "quiet 2s; press 3; bye", &[]),
    ];
    callers.into_iter().for_each(|caller| drop(caller.well()));
    app.wait_for_calls("disposition", |rows| rows.iter().filter(|row| *row == "complete").count() == 2);
    let token = token(&app, "bi", "responses:read");
    let found = |query: &str| {
        let page = get(api, &format!("/api/v1/responses?{query}"), &token).json();
        let refs = page["items"].as_array().expect("items").iter().map(|item| item["call_ref"].clone());
        refs.map(|name| name.as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("call_ref=call-1"), ["call-1"]);
    assert_eq!(found("survey=short&origin=sampled&disposition=complete"), ["call-2"]);
    for none in ["origin=test", "disposition=partial", "period=2001-W01", "call_ref=other"] {
        assert_eq!(found(none), [""; 0], "{none}");
    }
    let now = jiff::Timestamp::now().strftime("%G-W%V").to_string();
    assert!(!found(&format!("period={now}&agent=anna")).is_empty());

    let page = get(api, "/api/v1/responses?call_ref=call-1", &token).json();
    let told =
        |answer: &Value| json!([answer["question"], answer["kind"], answer["value"], answer["given_by"]]);
    let answers: Vec<Value> =
        page["items"][0]["answers"].as_array().expect("answers").iter().map(told).collect();
    let expected = [
        json!(["effort", "ces", 4, "key"]),
        json!(["why", "menu", "repeat", "key"]),
        json!(["resolved", "fcr", true, "key"]),
        json!(["recommend", "nps", 9, "key"]),
    ];
    assert_eq!(answers, expected);
    let first = &page["items"][0]["answers"][0];
    assert!(first["took_ms"].as_u64().is_some_and(|ms| ms > 0), "{first}");
    assert!(first["at"].as_str().is_some_and(|at| at.parse::<jiff::Timestamp>().is_ok()), "{first}");
    let id = page["items"][0]["id"].as_str().expect("an id");
    assert_eq!(get(api, &format!("/api/v1/responses/{id}"), &token).json(), page["items"][0]);

    let head = "id,offered,call_ref,agent,queue,survey,version,origin,disposition";
    let reply = get(api, "/api/v1/exports/responses.csv", &token);
    assert_eq!(reply.header("content-disposition"), "attachment; filename=\"responses.csv\"");
    let csv = reply.text();
    let questions = "answer.effort,answer.why,answer.resolved,answer.recommend";
    assert_eq!(csv.lines().next(), Some(&*format!("{head},{questions},answer.satisfaction")));
    let row = |name: &str| csv.lines().find(|line| line.contains(name)).expect("a row").to_owned();
    assert!(row("call-1").ends_with(",4,repeat,true,9,"), "{csv}");
    assert!(row("call-2").ends_with(",,,,,3"), "{csv}");
    let narrow = get(api, "/api/v1/exports/responses.csv?survey=short", &token).text();
    assert_eq!(narrow.lines().next(), Some(&*format!("{head},answer.satisfaction")));
    let lines = get(api, "/api/v1/exports/responses.ndjson?call_ref=call-1", &token);
    assert_eq!(lines.header("content-disposition"), "attachment; filename=\"responses.ndjson\"");
    assert_eq!(lines.json(), page["items"][0]);
    let sheet = sheet_of(&get(api, "/api/v1/exports/responses.xlsx?call_ref=call-1", &token).body);
    let cell = |name: &str| {
        let rest = sheet.split(&format!("<c r=\"{name}\"")).nth(1).expect("a cell");
        rest.split("</c>").next().unwrap_or_default().to_owned()
    };
    assert!(cell("J2").contains("<v>4</v>") && !cell("J2").contains("t="), "a number: {}", cell("J2"));
    assert!(cell("L2").contains("t=\"b\"") && cell("L2").contains("<v>1</v>"), "a truth: {}", cell("L2"));
    assert!(cell("B2").contains("s=\"") && cell("B2").contains("<v>4"), "a date: {}", cell("B2"));
    let log = app.ask(&["audit", "list"]);
    assert!(log.contains(id) && log.contains("call_ref call-1"), "{log}");
}

#[test]
fn running_calls_are_told_as_they_change() {
    let (app, api) = start("");
    let token = token(&app, "wall", "live:read");
    let bearer = format!("Bearer {token}");
    let stream = open(api, "GET /api/v1/calls/running/stream", &[("Authorization", &bearer)], "");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out");
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "data: []"), "nobody at first");
    let caller =
        call(&at(&app, "short"), "seen", "quiet 2s; press 4; bye", &["--header", "X-Agent-Id: anna"]);
    let seen = lines.find(|line| line.contains("\"progress\":\"questions\"")).expect("the call is told");
    assert!(seen.contains("\"agent\":\"anna\"") && !seen.contains("127.0.0.1"), "{seen}");
    assert!(
        !seen.contains("satisfaction") && !seen.contains("answers"),
        "nor what depends on answers: {seen}"
    );
    caller.well();
    assert!(lines.any(|line| line == "data: []"), "and its end");
    assert_eq!(get(api, "/api/v1/calls/running", &token).status, 200);
    let looks = app.ask(&["audit", "list"]).lines().filter(|line| line.contains(" running ")).count();
    assert_eq!(looks, 1, "on record once, and not with each event");
}

/// A survey asks a question only after some answers: that it is asked would tell them.
#[test]
fn what_is_told_of_a_running_call_is_the_same_whatever_is_answered() {
    let (app, api) = start("");
    let token = token(&app, "wall", "live:read");
    let bearer = format!("Bearer {token}");
    let told = |name: &str, script: &str| {
        let stream = open(api, "GET /api/v1/calls/running/stream", &[("Authorization", &bearer)], "");
        let caller = call(&at(&app, "service"), name, script, &["--header", "X-Agent-Id: anna"]);
        let mut seen: Vec<Value> = Vec::new();
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let Some(list) = line.strip_prefix("data: ") else { continue };
            let list: Vec<Value> = serde_json::from_str(list).expect("a list");
            if list.is_empty() && !seen.is_empty() {
                break;
            }
            for mut call in list {
                let facts = call.as_object_mut().expect("a call");
                facts.retain(|name, _| name != "id" && name != "since");
                if seen.last() != Some(&call) {
                    seen.push(call);
                }
            }
        }
        caller.well();
        // A call may begin to be asked, or end, between two events.
        seen.retain(|call| call["progress"] == "questions");
        seen
    };
    let easy = told("easy", "audio; press #; quiet 2s; press 1; quiet 2s; press 1; quiet 2s; press 9; bye");
    let hard =
        "audio; press #; quiet 2s; press 5; quiet 2s; press 1; quiet 2s; press 1; quiet 2s; press 9; bye";
    assert_eq!(easy, told("hard", hard));
    assert_eq!(app.calls("call_ref,answers"), ["easy,1 yes 9", "hard,5 repeat yes 9"]);
    assert_eq!(easy.len(), 1, "one state through all questions: {easy:?}");
}

#[test]
fn a_stream_ends_with_its_token() {
    let (app, api) = start("");
    let token = token(&app, "wall", "live:read");
    let bearer = format!("Bearer {token}");
    let stream = open(api, "GET /api/v1/calls/running/stream", &[("Authorization", &bearer)], "");
    let mut lines = BufReader::new(stream).lines();
    assert!(lines.any(|line| line.expect("it is open") == "data: []"), "nobody at first");
    app.ask(&["token", "revoke", "wall"]);
    let caller = call(&at(&app, "short"), "unseen", "quiet 3s; press 4; bye", &[]);
    let rest: Vec<String> = lines.map(|line| line.expect("it ends, and not by a time-out")).collect();
    caller.well();
    assert!(!rest.iter().any(|line| line == "data: []"), "the end of the call is not told: {rest:?}");
}

/// The first sheet of a spreadsheet, as XML.
fn sheet_of(file: &[u8]) -> String {
    let mut book = zip::ZipArchive::new(Cursor::new(file)).expect("a spreadsheet is a ZIP file");
    let mut text = String::new();
    book.by_name("xl/worksheets/sheet1.xml").expect("a sheet").read_to_string(&mut text).expect("XML");
    text
}

#[test]
fn a_report_that_has_not_changed_is_not_sent_again() {
    let (app, api) = start("");
    let token = token(&app, "bi", "reports:read");
    let (bearer, line) = (format!("Bearer {token}"), "GET /api/v1/reports/overview?period=2026-W47");
    let first = ask(api, line, &[("Authorization", &bearer)], "");
    let tag = first.header("etag").to_owned();
    assert!(first.status == 200 && tag.len() > 10, "{}", first.head);
    let with = |known: &str| ask(api, line, &[("Authorization", &bearer), ("If-None-Match", known)], "");
    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".into()] {
        let again = with(&known);
        assert_eq!((again.status, again.body.len()), (304, 0), "{known}");
        assert_eq!(again.header("etag"), tag);
    }
    assert_eq!(with("\"x\"").status, 200);
}

#[test]
fn a_write_with_a_key_is_done_once() {
    let (app, api) = start("");
    let token = token(&app, "cti", "reservations:write");
    let bearer = format!("Bearer {token}");
    let write = |key: &str, body: &str| {
        let kind = ("Content-Type", "application/json");
        let headers = [("Authorization", &*bearer), kind, ("Idempotency-Key", key)];
        ask(api, "POST /api/v1/reservations", &headers, body)
    };
    let body = r#"{"agent": "anna", "call_ref": "C1"}"#;
    let first = write("k1", body);
    assert_eq!((first.status, first.header("idempotent-replayed")), (201, ""));
    let again = write("k1", body);
    assert_eq!((again.status, again.header("idempotent-replayed")), (201, "true"));
    assert_eq!(first.text(), again.text());
    let other = write("k2", body);
    assert_ne!(first.json()["id"], other.json()["id"], "another key is another write");
    assert_eq!(write("k1", r#"{"agent": "ben"}"#).status, 422);
    assert_eq!(write("k3", r#"{"agent": "ben", "colour": 1}"#).status, 400);
    assert_eq!(write("k3", r#"{"agent": "ben"}"#).status, 201, "what was refused can be corrected");
    assert_eq!(write(&"k".repeat(129), body).status, 400);
    let dir = app.kill();
    let app = App::in_dir(dir);
    let api = crate::web_client::address(&app);
    let headers =
        [("Authorization", &*bearer), ("Content-Type", "application/json"), ("Idempotency-Key", "k1")];
    let later = ask(api, "POST /api/v1/reservations", &headers, body);
    assert_eq!(later.text(), first.text(), "the answer outlives the service");
    let id = first.json()["id"].as_str().expect("an id").to_owned();
    let line = format!("DELETE /api/v1/reservations/{id}");
    let delete =
        |key: &str| ask(api, &line, &[("Authorization", &*bearer), ("Idempotency-Key", key)], "").status;
    assert_eq!((delete("d1"), delete("d1"), delete("d2")), (204, 204, 404));
}

#[test]
fn bad_writes_are_told_what_is_wrong() {
    let (app, api) = start("[api]\nreservations_max = 2\n");
    let token = token(&app, "cti", "reservations:write,decisions:ask,triggers:write");
    for (path, body, told) in [
        ("reservations", json!({}), "says nothing"),
        ("reservations", json!({"agent": ""}), "agent: the name is empty"),
        ("reservations", json!({"agent": "a", "wait_seconds": 0}), "wait_seconds"),
        ("reservations", json!({"caller": "anonymous"}), "caller: is no number"),
        ("reservations", json!({"talk_seconds": -1}), "invalid value"),
        ("decisions", json!({"agent": "a"}), "missing field `call_ref`"),
        ("triggers", json!({"call_ref": "x"}), "missing field `agent`"),
    ] {
        let reply = post(api, &format!("/api/v1/{path}"), &token, &body);
        let detail = reply.json()["detail"].as_str().unwrap_or_default().to_owned();
        assert!(reply.status == 400 && detail.contains(told), "{path} {body}: {} {detail}", reply.status);
    }
    let bearer = format!("Bearer {token}");
    let line = "POST /api/v1/reservations";
    let plain = ask(api, line, &[("Authorization", &bearer), ("Content-Type", "text/plain")], "{}");
    assert_eq!(plain.status, 415);
    let long = json!({"agent": "a".repeat(20_000)});
    assert_eq!(post(api, "/api/v1/reservations", &token, &long).status, 413);
    let made = |n: u32| post(api, "/api/v1/reservations", &token, &json!({"call_ref": n.to_string()}));
    assert_eq!((made(1).status, made(2).status), (201, 201), "as many as may wait");
    let full = made(3);
    assert_eq!((full.status, full.header("retry-after")), (503, "5"), "{}", full.text());
}

#[test]
fn who_asks_too_often_is_told_when_to_come_again() {
    let (app, api) = start("[api]\ntoken_rate = 1\ntoken_burst = 3\nsource_burst = 8\nsource_rate = 1\n");
    let (one, other) = (token(&app, "one", "reports:read"), token(&app, "other", "reports:read"));
    for _ in 0..3 {
        assert_eq!(get(api, "/api/v1/surveys", &one).status, 200);
    }
    let refused = get(api, "/api/v1/surveys", &one);
    assert_eq!(refused.status, 429);
    assert!(refused.header("content-type").contains("problem+json"));
    assert!((1..=3).contains(&refused.header("retry-after").parse::<u64>().expect("seconds")));
    assert_eq!(get(api, "/api/v1/surveys", &other).status, 200, "another token has its own");
    let guesses: Vec<u16> =
        (0..8).map(|n| get(api, "/api/v1/surveys", &format!("guess-{n}")).status).collect();
    assert!(guesses.contains(&401) && guesses.contains(&429), "an address has its bound too: {guesses:?}");
}
