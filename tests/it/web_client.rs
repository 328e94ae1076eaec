//! The web side from outside: one request, one answer, over plain sockets.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::harness::{App, PATIENCE, config};

/// What came back.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The cookie of the session, as browsers send it back.
    pub(crate) fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap_or_default().to_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON: {} {}", self.status, self.text()))
    }
}

/// The program with its web side, and this after the configuration for tests.
pub(crate) fn start(more: &str) -> (App, SocketAddr) {
    let app = App::with(&format!("{}\n[web]\nlisten = \"127.0.0.1:0\"\n{more}", config()));
    let address = address(&app);
    (app, address)
}

/// Where the web side of a program listens.
pub(crate) fn address(app: &App) -> SocketAddr {
    app.wait_for_log("The dashboard is on ");
    let log = app.log();
    let address = log.split("The dashboard is on ").nth(1).and_then(|rest| rest.split('/').nth(2));
    address.and_then(|address| address.parse().ok()).expect("an address in the log")
}

pub(crate) fn token(app: &App, name: &str, scopes: &str) -> String {
    app.ask(&["token", "add", name, "--scopes", scopes]).trim().to_owned()
}

/// Opens a request and leaves it open.
pub(crate) fn open(to: SocketAddr, line: &str, headers: &[(&str, &str)], body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(to).expect("the API listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let request = format!("{line} HTTP/1.1\r\nHost: x\r\n{headers}{length}Connection: close\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).expect("a request");
    stream
}

/// `line` is method and path.
pub(crate) fn ask(to: SocketAddr, line: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let mut answer = Vec::new();
    open(to, line, headers, body).read_to_end(&mut answer).expect("an answer");
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    let body = answer[end + 4..].to_vec();
    let body =
        if head.to_lowercase().contains("transfer-encoding: chunked") { unchunked(&body) } else { body };
    Reply { status, head, body }
}

pub(crate) fn get(to: SocketAddr, path: &str, token: &str) -> Reply {
    ask(to, &format!("GET {path}"), &[("Authorization", &format!("Bearer {token}"))], "")
}

pub(crate) fn post(to: SocketAddr, path: &str, token: &str, body: &Value) -> Reply {
    let headers = [("Authorization", &*format!("Bearer {token}")), ("Content-Type", "application/json")];
    ask(to, &format!("POST {path}"), &headers, &body.to_string())
}

/// Head of the answer alone: a stream has no end.
pub(crate) fn status_of(line: &str, api: SocketAddr, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let mut stream = BufReader::new(open(api, line, headers, body));
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).expect("an answer") > 0, "{line}: {head}");
    }
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, head.to_lowercase())
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|w| w == b"\r\n") {
        let length =
            std::str::from_utf8(&rest[..end]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let length = length.expect("the length of a chunk");
        let Some(chunk) = rest.get(end + 2..end + 2 + length) else { panic!("the answer was cut off") };
        body.extend_from_slice(chunk);
        rest = &rest[(end + 4 + length).min(rest.len())..];
        if length == 0 {
            break;
        }
    }
    body
}
