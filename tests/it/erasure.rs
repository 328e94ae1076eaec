//! `aftercall erase` as an operator runs it: beside a running service with calls up, and with none.

use crate::caller::{at, call};
use crate::comments::leave_all;
use crate::harness::site::Site;
use crate::harness::{App, config};

/// The value of a line of a proof.
fn of<'a>(proof: &'a str, name: &str) -> &'a str {
    let line = proof.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in\n{proof}")).trim()
}

#[test]
fn a_caller_is_erased_beside_calls_and_without_a_service() {
    let dir = tempfile::tempdir().expect("a folder");
    let text = format!("{}\n[web]\nlisten = \"127.0.0.1:0\"\n", config());
    std::fs::write(dir.path().join("aftercall.toml"), text).expect("the configuration is written");
    leave_all(&dir.path().join("data"), 40);
    let site = Site::of(App::in_dir(dir));
    let app = &site.app;
    let recordings = || {
        let days = std::fs::read_dir(app.dir.path().join("data/recordings")).expect("recordings");
        let files = |day: std::fs::DirEntry| std::fs::read_dir(day.path()).map_or(0, |files| files.count());
        days.flatten().map(files).sum::<usize>()
    };
    for wrong in ["bob", "12", "+31a"] {
        let refused = app.run(&["erase", "--caller", wrong, "--yes"]);
        assert!(!refused.status.success() && refused.stdout.is_empty(), "{wrong}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("no telephone number"), "{wrong}");
    }
    let dry = app.ask(&["erase", "--caller", "+31 20 123 4567"]);
    assert!(dry.contains("2 calls would be touched. Nothing was erased"), "{dry}");
    let other = app.ask(&["erase", "--caller", "0031 20 1234567"]);
    assert_eq!(other, dry, "one number in every spelling");
    let nobody = app.ask(&["erase", "--caller", "+4915550000"]);
    assert!(nobody.contains("No calls are kept under this number in any spelling."), "{nobody}");
    assert!(!app.ask(&["audit", "list"]).contains(" erase "), "nothing was done so far");

    let script = "quiet 2s; pause 4s; press 4; bye";
    let running = call(&at(app, "short"), "up", script, &["--from", "+31201234567"]);
    app.wait_for_calls("call_ref,disposition", |rows| rows.iter().any(|row| row == "up,"));
    let before = recordings();
    let proof = app.ask(&["erase", "--caller", "+31201234567", "--yes", "--reason", "request 17"]);
    assert_eq!((of(&proof, "Calls touched:"), of(&proof, "Keys destroyed:")), ("2", "2"), "{proof}");
    assert_eq!((of(&proof, "Recordings removed:"), recordings()), ("2", before - 2), "{proof}");
    let caller = of(&proof, "Erased:");
    let hash = caller.strip_prefix("caller ").expect("the caller");
    assert!(hash.len() == 12 && hash.chars().all(|c| c.is_ascii_hexdigit()), "{caller}");
    assert!(of(&proof, "At:").parse::<jiff::Timestamp>().is_ok(), "{proof}");
    running.well();
    app.wait_for_calls("call_ref,answers,disposition", |rows| rows.iter().any(|row| row == "up,4,complete"));
    assert!(app.log().contains(&format!("Erased for the operator: {caller}: ")), "{}", app.log());
    assert!(!app.log().contains("1234567") && !proof.contains("1234567"), "no number stays");
    let again = app.ask(&["erase", "--caller", "+31201234567"]);
    assert!(again.contains("1 calls would be touched"), "the call that was up: {again}");
    let log = app.ask(&["audit", "list"]);
    let line = log.lines().find(|line| line.contains(" erase ")).expect("a line of the log");
    for part in ["operator", caller, "2 calls", "request 17"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(app.ask(&["audit", "verify"]).contains(proof.lines().last().expect("a hash")), "{proof}");

    site.app.signal("TERM");
    let (code, dir) = site.app.wait();
    assert_eq!(code, Some(0));
    let alone = |args: &[&str]| {
        let base = ["--config", "aftercall.toml", "--data", "data"];
        let done = crate::harness::program().args(base).args(args).current_dir(dir.path()).output();
        String::from_utf8(done.expect("the program runs").stdout).expect("text")
    };
    let proof = alone(&["erase", "--caller", "+31207654321", "--yes"]);
    assert_eq!((of(&proof, "Calls touched:"), of(&proof, "Keys destroyed:")), ("2", "2"), "{proof}");
    assert!(alone(&["audit", "verify"]).contains(proof.lines().last().expect("a hash")), "{proof}");
    let data = std::fs::read(dir.path().join("data/aftercall.db")).expect("the database");
    let kept = |text: &str| data.windows(text.len()).any(|part| part == text.as_bytes());
    let body = format!("\"caller\":\"{}", of(&proof, "Erased:").trim_start_matches("caller "));
    assert!(!kept(&body), "the hash is gone, from what was asked too");
}

#[test]
fn what_is_done_on_the_command_line_is_on_record() {
    let site = Site::of(App::with(&format!("{}\n[web]\nlisten = \"127.0.0.1:0\"\n", config())));
    let app = &site.app;
    site.add("adm", &["admin"]);
    site.add("sue", &["supervisor", "--team", "north"]);
    let sue = site.sign_in("sue");
    assert_eq!(site.get("/overview", &sue).status, 200);
    app.ask(&["user", "change", "sue", "--role", "supervisor", "--team", "south"]);
    assert_eq!(site.get("/overview", &sue).status, 303, "other rights, another session");
    app.ask(&["user", "disable", "sue"]);
    assert!(!app.run(&["user", "link", "sue"]).status.success());
    app.ask(&["user", "enable", "sue"]);
    let sue = site.sign_in("sue");
    app.ask(&["user", "change", "sue", "--role", "quality"]);
    let (kim, adm) = (site.sign_in("sue"), site.sign_in("adm"));
    assert_eq!((site.get("/overview", &sue).status, site.get("/calls", &kim).status), (303, 200));
    let wrong = app.run(&["user", "change", "sue", "--role", "quality", "--team", "north"]);
    assert!(!wrong.status.success() && String::from_utf8_lossy(&wrong.stderr).contains("only supervisors"));
    app.ask(&["user", "link", "sue"]);
    let token = app.ask(&["token", "add", "crm", "--scopes", "responses:read", "--days", "5"]);
    let reply = crate::web_client::get(site.address, "/api/v1/responses", token.trim());
    assert_eq!(reply.status, 200);
    let page = site.get("/users", &adm).text();
    assert!(page.contains(">crm<") && page.contains("responses:read"), "{page}");
    assert_eq!(site.post("/users/tokens/revoke", &adm, "name=crm").status, 303);
    assert_eq!(site.post("/users/tokens/revoke", &adm, "name=crm").status, 404, "it was good once");
    assert_eq!(crate::web_client::get(site.address, "/api/v1/responses", token.trim()).status, 401);
    assert!(!app.run(&["webhook", "replay", "--all"]).status.success(), "there is none");

    // The same on the page.
    let change = |body: &str| site.post("/users/change", &adm, body).status;
    assert_eq!(change("name=sue&action=rights&role=supervisor&teams=north"), 303);
    assert_eq!(site.get("/calls", &kim).status, 303, "the session is over");
    assert_eq!(change("name=sue&action=rights&role=agent"), 400);
    assert_eq!((change("name=sue&action=disable"), change("name=sue&action=enable")), (303, 303));
    assert_eq!((change("name=sue&action=enable"), change("name=adm&action=rights&role=quality")), (404, 400));
    let kept = site.post("/users", &adm, "name=bo+b&role=agent&agent=anna");
    let text = kept.text();
    assert!(
        kept.status == 400 && text.contains("value=\"bo b\"") && text.contains("value=\"anna\""),
        "{text}"
    );

    let (list, page) = (app.ask(&["audit", "list", "--limit", "200"]), site.get("/audit", &adm).text());
    for line in [
        "user_add",
        "sue supervisor north",
        "user_change",
        "sue supervisor south",
        "sue quality",
        "user_disable",
        "user_enable",
        "user_link",
        "token_add",
        "crm responses:read for 5 days",
        "token_revoke",
        "replay",
        "token crm",
        " adm ",
    ] {
        assert!(list.contains(line), "{line} in\n{list}");
    }
    for line in ["API token crm", "Made an API token", "Let a user in again", "Operator (command line)"] {
        assert!(page.contains(line), "{line}: {page}");
    }
    assert!(app.ask(&["audit", "verify"]).contains("each follows from the one before"));
}
