//! The dashboard as a browser meets it.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Stdio;

use super::{App, program};
use crate::web_client::{self, Reply};

/// The password of every user that tests make.
pub(crate) const PASSWORD: &str = "a password for tests";

/// A started program with a dashboard.
pub(crate) struct Site {
    pub(crate) app: App,
    pub(crate) address: SocketAddr,
}

impl Site {
    pub(crate) fn start() -> Self {
        let (app, address) = web_client::start("");
        Self { app, address }
    }

    /// The dashboard of a program that runs.
    pub(crate) fn of(app: App) -> Self {
        let address = web_client::address(&app);
        Self { app, address }
    }

    /// One request; `line` is method and path.
    pub(crate) fn ask(&self, line: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let kind = ("Content-Type", "application/x-www-form-urlencoded");
        web_client::ask(self.address, line, &[&[kind], headers].concat(), body)
    }

    pub(crate) fn get(&self, path: &str, cookie: &str) -> Reply {
        self.ask(&format!("GET {path}"), &[("Cookie", cookie)], "")
    }

    pub(crate) fn post(&self, path: &str, cookie: &str, body: &str) -> Reply {
        let headers = [("Cookie", cookie), ("Sec-Fetch-Site", "same-origin")];
        self.ask(&format!("POST {path}"), &headers, body)
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
        assert_eq!((reply.status, reply.header("location")), (303, "/"), "{}", reply.text());
        reply.cookie()
    }
}
