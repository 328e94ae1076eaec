//! The dashboard in a real browser, and single sign-on with a real provider: `tests/browser` drives both.

use std::process::{Command, Stdio};

use crate::comments::leave_all;
use crate::harness::site::{PASSWORD, Site};
use crate::harness::{App, PATIENCE, config, program, repository};

/// What a whole round through all pages may take: axe looks at each of them several times.
const ROUND: std::time::Duration = std::time::Duration::from_secs(240);

/// A dashboard with a past: trial calls of the last weeks, and comments of customers.
pub(crate) fn site(more: &str) -> Site {
    let dir = tempfile::tempdir().expect("a folder");
    let text = format!("{}\n[web]\nlisten = \"127.0.0.1:0\"\n{more}", config());
    std::fs::write(dir.path().join("aftercall.toml"), text).expect("the configuration is written");
    let past = [
        "simulate",
        "--direct",
        "--calls",
        "900",
        "--days",
        "60",
        "--agents",
        "6",
        "--queues",
        "support,billing",
    ];
    let done = program()
        .args(["--config", "aftercall.toml", "--data", "data"])
        .args(past)
        .args(["--surveys", "service,short", "--seed", "5", "--quiet"])
        .current_dir(dir.path())
        .stdout(Stdio::null())
        .status()
        .expect("the program runs");
    assert!(done.success());
    leave_all(&dir.path().join("data"), 24);
    Site::of(App::in_dir(dir))
}

/// Runs a script to its end; what it finds is what it prints.
fn drive(script: &str, variables: &[(&str, &str)]) {
    let mut child = Command::new("node")
        .arg(script)
        .current_dir(repository("tests/browser"))
        .envs(variables.iter().copied())
        .stderr(Stdio::piped())
        .spawn()
        .expect("node runs");
    let mut said = child.stderr.take().expect("standard error is piped");
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut said, &mut text).map(|_| text)
    });
    let end = std::time::Instant::now() + ROUND + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().expect("a process") {
            break Some(status);
        }
        if std::time::Instant::now() > end {
            child.kill().expect("it is ours");
            break None;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(200));
    };
    let text = reader.join().expect("the reader ends").unwrap_or_default();
    assert!(status.is_some_and(|status| status.success()), "{script}: {status:?}\n{text}");
}

#[test]
fn every_page_is_clean_for_every_role() {
    let site = site("");
    for (name, more) in
        [("supervisor", &[][..]), ("quality", &[]), ("admin", &[]), ("agent", &["--agent", "agent-01"])]
    {
        site.add(name, &[&[name], more].concat());
    }
    let base = format!("http://{}", site.address);
    let sip = format!("sip:short@{}", site.app.udp);
    drive(
        "dashboard.mjs",
        &[
            ("BASE", base.as_str()),
            ("PASSWORD", PASSWORD),
            ("PROGRAM", env!("CARGO_BIN_EXE_aftercall")),
            ("SIP", sip.as_str()),
        ],
    );
}

#[test]
fn people_come_in_by_single_sign_on() {
    let (web, provider) = (free_port(), free_port());
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("oidc.secret"), "a secret for tests\n").expect("a secret");
    let text = format!(
        r#"{}
[web]
listen = "127.0.0.1:{web}"
public_url = "http://127.0.0.1:{web}"
[web.oidc]
issuer = "http://127.0.0.1:{provider}"
client_id = "aftercall"
client_secret_file = "oidc.secret"
roles = [
    {{ group = "team-leads", role = "supervisor", teams = ["north"] }},
    {{ group = "south-leads", role = "supervisor", teams = ["south"] }},
    {{ group = "agents", role = "agent" }},
]
[policy]
teams = {{ north = ["agent-01"], south = ["agent-02"] }}
"#,
        config()
    );
    std::fs::write(dir.path().join("aftercall.toml"), text).expect("the configuration is written");
    let site = Site::of(App::in_dir(dir));
    let base = format!("http://127.0.0.1:{web}");
    drive("sign-on.mjs", &[("BASE", base.as_str()), ("PROVIDER_PORT", &provider.to_string())]);
    let users = site.app.ask(&["user", "list"]);
    let lead = users.lines().find(|line| line.contains(" lead ")).expect("the lead");
    assert!(lead.contains("north south"), "the teams of both groups: {lead}");
    assert!(users.contains("lead") && users.contains("agent-01") && !users.contains("stranger"), "{users}");
    let log = site.app.log();
    assert!(!log.contains("stranger"), "the log names nobody: {log}");
}

/// A port that nobody had a moment ago: the provider has to be told ours, and we its, before either listens.
fn free_port() -> u16 {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    socket.local_addr().expect("an address").port()
}
