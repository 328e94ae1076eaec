//! The dashboard as a browser meets it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;

use super::{App, config, program};

/// The password of every user that tests make.
pub(crate) const PASSWORD: &str = "a password for tests";

/// A started program with a dashboard.
pub(crate) struct Site {
    pub(crate) app: App,
    pub(crate) address: SocketAddr,
}

/// What came back.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    /// The cookie of the session, as browsers send it back.
    pub(crate) fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap_or_default().to_owned()
    }
}

impl Site {
    pub(crate) fn start() -> Self {
        Self::of(App::with(&format!("{}\n[web]\nlisten = \"127.0.0.1:0\"\n", config())))
    }

    /// The dashboard of a program that runs.
    pub(crate) fn of(app: App) -> Self {
        let log = app.log();
        let address = log
            .split("The dashboard is on http")
            .nth(1)
            .and_then(|rest| rest.split(['/', ' ']).find(|part| part.contains('.')));
        let address = address.and_then(|text| text.parse().ok()).expect("the dashboard listens");
        Self { app, address }
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Reply {
        let mut stream = TcpStream::connect(self.address).expect("the dashboard listens");
        let kind = "Content-Type: application/x-www-form-urlencoded";
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{kind}\r\nContent-Length: {}\r\n{headers}\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("a request");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        let status = text.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        Reply { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub(crate) fn get(&self, path: &str, cookie: &str) -> Reply {
        self.send("GET", path, &format!("Cookie: {cookie}\r\n"), "")
    }

    pub(crate) fn post(&self, path: &str, cookie: &str, body: &str) -> Reply {
        self.send("POST", path, &format!("Cookie: {cookie}\r\nSec-Fetch-Site: same-origin\r\n"), body)
    }

    pub(crate) fn add(&self, name: &str, role: &[&str]) {
        let base = ["--config", "aftercall.toml", "--data", "data", "user", "add", name, "--role"];
        let mut child = program()
            .args(base)
            .args(role)
            .current_dir(self.app.dir.path())
            .stdin(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let mut stdin = child.stdin.take().expect("standard input");
        writeln!(stdin, "{PASSWORD}").expect("a password");
        drop(stdin);
        assert!(child.wait().expect("it ends").success());
    }

    pub(crate) fn sign_in(&self, name: &str) -> String {
        let reply = self.post("/sign-in", "", &format!("name={name}&password={PASSWORD}").replace(' ', "+"));
        assert_eq!((reply.status, reply.header("location")), (303, "/"), "{}", reply.body);
        reply.cookie()
    }
}
