//! The API from outside: tokens, pages, exports, problems, and the stream of running calls.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::caller::{at, call};
use crate::harness::{App, PATIENCE, config};

fn start() -> (App, SocketAddr) {
    let app = App::with(&config().replace("[media]", "[web]\nlisten = \"127.0.0.1:0\"\n\n[media]"));
    app.wait_for_log("The dashboard is on http://");
    let log = app.log();
    let address = log.split("The dashboard is on http://").nth(1).and_then(|rest| rest.split('/').next());
    let address = address.and_then(|address| address.parse().ok()).expect("an address in the log");
    (app, address)
}

fn send(to: SocketAddr, path: &str, token: Option<&str>) -> TcpStream {
    let mut stream = TcpStream::connect(to).expect("the API listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{token}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("a request");
    stream
}

/// Status, head and body; chunks are put together.
fn get(to: SocketAddr, path: &str, token: Option<&str>) -> (u16, String, String) {
    let mut text = String::new();
    send(to, path, token).read_to_string(&mut text).expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    let body = if head.to_lowercase().contains("transfer-encoding: chunked") {
        unchunked(body)
    } else {
        body.into()
    };
    (status, head.to_lowercase(), body)
}

fn unchunked(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((length, after)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).expect("the length of a chunk");
        body += &after[..length];
        rest = after[length..].trim_start_matches("\r\n");
        if length == 0 {
            break;
        }
    }
    body
}

fn token(app: &App, name: &str, scopes: &str) -> String {
    app.ask(&["token", "add", name, "--scopes", scopes]).trim().to_owned()
}

#[test]
fn what_a_token_opens_and_what_it_does_not() {
    let (app, api) = start();
    let paths = [
        ("/api/v1/surveys", "reports:read"),
        ("/api/v1/reports/overview?period=2026-W47", "reports:read"),
        ("/api/v1/responses", "responses:read"),
        ("/api/v1/exports/responses.csv", "responses:read"),
        ("/api/v1/exports/responses.ndjson", "responses:read"),
        ("/api/v1/calls/running", "live:read"),
    ];
    let tokens =
        ["reports:read", "responses:read", "live:read"].map(|scope| (scope, token(&app, scope, scope)));
    for (path, needed) in paths {
        let (status, head, body) = get(api, path, None);
        assert_eq!(status, 401, "{path}");
        assert!(
            head.contains("application/problem+json") && head.contains("www-authenticate: bearer"),
            "{head}"
        );
        assert!(body.contains("\"title\":\"Unauthorized\""), "{body}");
        assert_eq!(get(api, path, Some("aftercall_guess")).0, 401, "{path}");
        for (scope, token) in &tokens {
            let (status, _, body) = get(api, path, Some(token));
            assert_eq!(status, if *scope == needed { 200 } else { 403 }, "{path} with {scope}: {body}");
        }
    }
    assert!(app.run(&["token", "revoke", "live:read"]).status.success());
    assert_eq!(get(api, "/api/v1/calls/running", Some(&tokens[2].1)).0, 401, "a revoked token");
    assert_eq!(get(api, "/api/v1/nothing", None).0, 404);
    let (status, _, document) = get(api, "/api/v1/openapi.json", None);
    let document: Value = serde_json::from_str(&document).expect("JSON");
    assert_eq!((status, &document["openapi"]), (200, &Value::from("3.1.0")));
    for (path, _) in paths {
        let path = path.replace("overview?period=2026-W47", "{kind}");
        assert!(document["paths"][&path]["get"].is_object(), "{path} is in the document");
    }
    assert_eq!(get(api, "/api/docs/", None).0, 200);
}

#[test]
fn responses_in_pages_and_as_exports() {
    let (app, api) = start();
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
        let (status, _, body) = get(api, &path, Some(&token));
        assert_eq!(status, 200, "{body}");
        let page: Value = serde_json::from_str(&body).expect("JSON");
        for item in page["items"].as_array().expect("items") {
            assert_eq!((&item["answers"][0], &item["disposition"]), (&"4".into(), &"complete".into()));
            refs.push(item["call_ref"].as_str().expect("a reference").to_owned());
        }
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/responses?limit=2&after={next}"),
            None => break,
        }
    }
    refs.sort();
    assert_eq!(refs, ["call-0", "call-1", "call-2"], "each once");
    let (_, head, csv) = get(api, "/api/v1/exports/responses.csv", Some(&token));
    assert!(head.contains("text/csv"), "{head}");
    assert_eq!(csv.lines().count(), 4);
    assert!(csv.contains(",'=1+2,"), "a formula is disarmed: {csv}");
    let (_, _, lines) = get(api, "/api/v1/exports/responses.ndjson?agent=nobody", Some(&token));
    assert_eq!(lines, "");
    for wrong in ["limit=0", "limit=5000", "from=yesterday", "colour=red", "after=x"] {
        let (status, _, body) = get(api, &format!("/api/v1/responses?{wrong}"), Some(&token));
        assert_eq!(status, 400, "{wrong}: {body}");
    }
}

#[test]
fn running_calls_are_told_as_they_change() {
    let (app, api) = start();
    let token = token(&app, "wall", "live:read");
    let stream = send(api, "/api/v1/calls/running/stream", Some(&token));
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out");
    let caller =
        call(&at(&app, "short"), "seen", "quiet 2s; press 4; bye", &["--header", "X-Agent-Id: anna"]);
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "data: []"), "nobody at first");
    let seen = lines.find(|line| line.contains("\"question\":\"satisfaction\"")).expect("the call is told");
    assert!(seen.contains("\"agent\":\"anna\"") && !seen.contains("127.0.0.1"), "{seen}");
    caller.well();
    assert!(lines.any(|line| line == "data: []"), "and its end");
}
