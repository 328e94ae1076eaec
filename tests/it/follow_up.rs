//! What follows a call: webhooks that fail first and arrive after a crash, alerts by mail, tasks and numbers to call.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::caller::{at, call};
use crate::harness::site::Site;
use crate::harness::{App, PATIENCE, config};
use crate::receivers::{Hook, Privacy, Told, mail_server};
use crate::web_client::{Reply, address, ask, get, token};

const SECRET: &[u8; 32] = b"thirty-two octets of a secret...";
const NUMBER: &str = "P-Asserted-Identity: <sip:+31205550177@pbx>";
/// A low score, and a wish to be called back.
const UNHAPPY: &str = "audio; press #; quiet 2s; press 1; quiet 2s; press 1; bye";
const HAPPY: &str = "audio; press #; quiet 2s; press 5; bye";

/// A program whose users dial `callback` and `short`, with this after its configuration.
fn start(more: &str) -> App {
    let dir = tempfile::tempdir().expect("a folder");
    let secret = format!("whsec_{}\n", base64::engine::general_purpose::STANDARD.encode(SECRET));
    std::fs::write(dir.path().join("hook.secret"), secret).expect("a secret");
    let surveys = "surveys = { callback = \"callback\", ";
    let config = config().replace("surveys = { ", surveys);
    let config =
        format!("{config}\n[web]\nlisten = \"127.0.0.1:0\"\npublic_url = \"http://results.test\"\n{more}");
    std::fs::write(dir.path().join("aftercall.toml"), config).expect("the configuration");
    App::in_dir(dir)
}

fn hook(address: SocketAddr, events: &str) -> String {
    format!(
        "[[webhook]]\nname = \"crm\"\nurl = \"http://{address}/in?key=k1\"\nsecret_file = \"hook.secret\"\nevents = [{events}]\n\
         [outgoing]\nretry_first = \"100ms\"\nattempts_max = 3\ntimeout = \"5s\"\n"
    )
}

fn signed(told: &Told) -> bool {
    let content = format!("{}.{}.{}", told.header("webhook-id"), told.header("webhook-timestamp"), told.body);
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).expect("a key");
    mac.update(content.as_bytes());
    let made = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
    told.header("webhook-signature") == format!("v1,{}", made.to_lowercase())
}

fn body(told: &Told) -> Value {
    serde_json::from_str(&told.body).expect("JSON")
}

#[test]
fn a_webhook_that_fails_is_told_after_a_crash() {
    let hook_server = Hook::start("503 Busy");
    // Long waits, so that the crash comes between two tries.
    let hook =
        hook(hook_server.address, "\"response.completed\"").replace("attempts_max = 3", "attempts_max = 50");
    let app = start(&hook);
    call(&at(&app, "short"), "told-1", HAPPY, &["--header", NUMBER, "--header", "X-Agent-Id: anna"]).well();
    let first = hook_server.next();
    assert!(signed(&first), "{first:?}");
    let dir = app.kill();
    hook_server.answer("200 OK");
    let failed = hook_server.rest();
    let app = App::in_dir(dir);
    let taken = hook_server.next();
    assert!(signed(&taken));
    for told in failed.iter().chain([&taken]) {
        assert_eq!(told.header("webhook-id"), first.header("webhook-id"), "each try has the same id");
        assert_eq!(told.body, first.body);
    }
    let said = body(&taken);
    assert_eq!(
        (&said["type"], &said["data"]["answers"]["satisfaction"]),
        (&json!("response.completed"), &json!(5))
    );
    assert_eq!(said["data"]["call_ref"], "told-1");
    for secret in ["anna", "31205550177"] {
        assert!(!taken.body.contains(secret), "{}", taken.body);
    }
    app.wait_for_log("Delivered response.completed to webhook:crm");
    let list = app.ask(&["webhook", "list", "--state", "delivered"]);
    assert!(list.contains("webhook:crm") && !list.contains("key=k1"), "{list}");
    assert!(!app.log().contains("key=k1"), "an address may hold a secret");
    assert_eq!(app.ask(&["webhook", "list", "--state", "waiting"]).matches("webhook:crm").count(), 0);
}

#[test]
fn a_receiver_is_left_alone_for_as_long_as_it_asks() {
    let hook_server = Hook::start("429 Too Many Requests\r\nRetry-After: 3");
    let app = start(&hook(hook_server.address, "\"response.completed\""));
    let called = |name| call(&at(&app, "short"), name, HAPPY, &[]).well();
    called("busy-1");
    hook_server.next();
    let began = std::time::Instant::now();
    hook_server.answer("200 OK");
    called("busy-2");
    let told = [hook_server.next(), hook_server.next()];
    // The date of a try is in whole seconds, and so is the wait that was asked for.
    assert!(began.elapsed().as_secs_f32() > 2.5, "{:?}: other messages wait too", began.elapsed());
    let refs = told.each_ref().map(|told| body(told)["data"]["call_ref"].clone());
    assert!(refs.contains(&json!("busy-1")) && refs.contains(&json!("busy-2")), "{refs:?}");
    app.wait_for_log("HTTP 429: come again after 3 s");
}

#[test]
fn a_response_that_a_crash_cut_off_is_told_where_it_was_complete() {
    let hook_server = Hook::start("200 OK");
    let app = start(&hook(hook_server.address, "\"response.completed\""));
    // The only question is answered, and the thanks play; of the other call's three, one is.
    let whole = call(&at(&app, "short"), "whole", "quiet 2s; press 5; bye 60s", &[]);
    let half = call(&at(&app, "survey"), "half", "quiet 900ms; press 4; audio 60s; bye 60s", &[]);
    let both = |rows: &[String]| rows.len() == 2 && rows.iter().all(|row| !row.contains(",,"));
    let mut before = app.wait_for_calls("call_ref,answers,disposition", both);
    let app = App::in_dir(app.kill());
    before.sort();
    assert_eq!(before, ["half,4,", "whole,5,"], "both are open");
    let said = body(&hook_server.next());
    assert_eq!(
        (&said["data"]["call_ref"], &said["data"]["answers"]),
        (&json!("whole"), &json!({"satisfaction": 5}))
    );
    let mut rows = app.calls("call_ref,disposition,failure");
    rows.sort();
    assert_eq!(rows, ["half,partial,crash", "whole,complete,"]);
    app.wait_for_log("Delivered response.completed to webhook:crm");
    assert_eq!(hook_server.rest().len(), 0, "half a response is not told of");
    drop((whole.end(), half.end()));
}

#[test]
fn what_was_given_up_is_shown_and_replayed() {
    let hook_server = Hook::start("302 Found\r\nLocation: http://127.0.0.1:1/");
    let app = start(&hook(hook_server.address, "\"response.completed\""));
    let api = address(&app);
    let token = token(&app, "ops", "webhooks:read,webhooks:write");
    call(&at(&app, "short"), "told-1", HAPPY, &[]).well();
    app.wait_for_log("Gave up response.completed to webhook:crm");
    assert_eq!((0..3).map(|_| hook_server.next()).filter(signed).count(), 3);
    let dead = get(api, "/api/v1/webhooks/deliveries?state=dead", &token).json();
    let [message] = &dead["items"].as_array().expect("items")[..] else { panic!("{dead}") };
    assert_eq!((&message["attempts"], &message["target"]), (&json!(3), &json!("webhook:crm")));
    assert!(
        message["error"].as_str().is_some_and(|error| error.contains("redirects are not followed")),
        "{dead}"
    );
    assert!(!dead.to_string().contains("told-1"), "a list of messages tells nothing of what they say");
    hook_server.answer("204 No Content");
    let bearer = format!("Bearer {token}");
    let line = format!("POST /api/v1/webhooks/deliveries/{}/replay", message["id"].as_str().expect("an id"));
    let replay =
        |key: &str| ask(api, &line, &[("Authorization", &*bearer), ("Idempotency-Key", key)], "").status;
    assert_eq!(replay("r1"), 202);
    assert!(signed(&hook_server.next()));
    app.wait_for_log("Delivered response.completed to webhook:crm");
    assert_eq!((replay("r1"), replay("r2")), (202, 404), "the same write again, and another one");
    assert_eq!(hook_server.rest().len(), 0);

    hook_server.answer("410 Gone");
    call(&at(&app, "short"), "told-2", HAPPY, &[]).well();
    hook_server.next();
    let start = Instant::now();
    while !app.ask(&["webhook", "list", "--state", "dead"]).contains("wants no more") {
        assert!(start.elapsed() < PATIENCE, "410 is final");
    }
    hook_server.answer("200 OK");
    assert!(app.ask(&["webhook", "replay", "--all"]).starts_with("1 messages"));
    hook_server.next();
    assert!(!app.run(&["webhook", "replay", "--all"]).status.success(), "there is none left");
}

/// Makes an authority and a certificate for 127.0.0.1 that it signed; gives the authority's own, in PEM.
fn certified(dir: &Path) -> (String, Arc<ServerConfig>) {
    let openssl = |args: &str| {
        let made =
            Command::new("openssl").args(args.split(' ')).current_dir(dir).output().expect("openssl runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    let new = "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    openssl(&format!("{new} -x509 -subj /CN=authority -keyout ca.key -out ca.pem"));
    openssl(&format!(
        "{new} -x509 -subj /CN=mail -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE \
         -CA ca.pem -CAkey ca.key -keyout mail.key -out mail.pem"
    ));
    let read = |name: &str| std::fs::read(dir.join(name)).expect("a file");
    let certificate = CertificateDer::from_pem_slice(&read("mail.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(&read("mail.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let server = server.expect("versions").with_no_client_auth().with_single_cert(vec![certificate], key);
    (String::from_utf8(read("ca.pem")).expect("PEM"), Arc::new(server.expect("a server")))
}

#[test]
fn mail_goes_over_tls_to_a_server_whose_authority_is_known() {
    let folder = tempfile::tempdir().expect("a folder");
    let (authority, server) = certified(folder.path());
    let ca = folder.path().join("ca.pem");
    let alerts = |port: u16, tls: &str, more: &str| {
        format!(
            "[outgoing]\nattempts_max = 1\ntimeout = \"20s\"\n[alerts]\nfrom = \"a@results.test\"\nto = [\"q@results.test\"]\n\
             gather = \"0s\"\nevents = [\"response.completed\"]\n\
             smtp = {{ host = \"127.0.0.1\", port = {port}, tls = \"{tls}\"{more} }}\n"
        )
    };
    assert!(authority.contains("BEGIN CERTIFICATE"));
    let known = format!(", ca_file = {:?}", ca.display().to_string());
    for (tls, privacy) in
        [("starttls", Privacy::Starttls(server.clone())), ("tls", Privacy::Tls(server.clone()))]
    {
        let (mail, mails) = mail_server(privacy);
        let app = start(&alerts(mail.port(), tls, &known));
        call(&at(&app, "short"), "done", "quiet 2s; press 4; bye", &[]).well();
        let received = mails.recv_timeout(PATIENCE);
        let received = received.unwrap_or_else(|_| panic!("no mail by {tls}: {}", app.log()));
        assert!(
            received.contains("RCPT TO:<q@results.test>") && received.contains("complete"),
            "{tls}: {received}"
        );
    }
    let (mail, mails) = mail_server(Privacy::Tls(server));
    let app = start(&alerts(mail.port(), "tls", ""));
    call(&at(&app, "short"), "done", "quiet 2s; press 4; bye", &[]).well();
    app.wait_for_log("Gave up response.completed to mail");
    assert!(mails.try_recv().is_err(), "nobody vouches for it");
    assert!(app.log().contains("ertificate"), "and the log says so: {}", app.log());
}

#[test]
fn a_caller_who_asks_for_it_is_called_back() {
    let (mail, mails) = mail_server(Privacy::None);
    let hook_server = Hook::start("200 OK");
    let events = "\"response.low_score\", \"callback.requested\"";
    let alerts = format!(
        "[alerts]\nfrom = \"Aftercall <aftercall@results.test>\"\nto = [\"quality@results.test\"]\ngather = \"2s\"\n\
         smtp = {{ host = \"127.0.0.1\", port = {}, tls = \"none\" }}\n",
        mail.port()
    );
    let app = start(&format!("{}{alerts}", hook(hook_server.address, events)));
    let api = address(&app);
    let asked = Instant::now();
    call(&at(&app, "callback"), "back-1", UNHAPPY, &["--header", NUMBER, "--header", "X-Agent-Id: anna"])
        .well();
    call(&at(&app, "callback"), "fine-1", HAPPY, &[]).well();
    let kinds: Vec<String> =
        (0..2).map(|_| body(&hook_server.next())["type"].as_str().unwrap_or_default().to_owned()).collect();
    assert!(kinds.contains(&"response.low_score".into()) && kinds.contains(&"callback.requested".into()));
    let mut received = mails.recv_timeout(PATIENCE).expect("a mail");
    if !received.contains("asks to be called back") {
        received += &mails.recv_timeout(PATIENCE).expect("another mail");
    }
    assert!(asked.elapsed().as_secs() < 60, "within the minute");
    assert!(received.contains("RCPT TO:<quality@results.test>"), "{received}");
    assert!(received.contains("Auto-Submitted: auto-generated"), "{received}");
    let id = received.lines().find_map(|line| line.strip_prefix("Message-ID: <")).expect("a Message-ID");
    assert!(id.trim_end().ends_with("@results.test>") && received.contains(" UTC  "), "{received}");
    for secret in ["anna", "31205550177", "back-1"] {
        assert!(!received.contains(secret), "{received}");
    }

    let token = token(&app, "crm", "tasks:read,tasks:write,tasks:number");
    let list = get(api, "/api/v1/tasks?state=open", &token).json();
    let [task] = &list["items"].as_array().expect("items")[..] else { panic!("{list}") };
    assert_eq!(
        (&task["kind"], &task["has_number"], &task["agent"]),
        (&json!("callback"), &json!(true), &json!("anna"))
    );
    let page = get(api, "/api/v1/tasks?state=open&limit=1", &token).json();
    assert_eq!(page["next"], Value::Null, "the last page leads nowhere: {page}");
    let id = task["id"].as_str().expect("an id");
    assert!(received.contains(&format!("http://results.test/tasks/{id}")), "{received}");
    let path = format!("/api/v1/tasks/{id}");
    let no_reason = get(api, &format!("{path}/number?reason=+a"), &token);
    assert_eq!(no_reason.status, 400);
    let number = get(api, &format!("{path}/number?reason=to+call+back"), &token);
    assert_eq!(
        (number.json()["number"].as_str(), number.header("cache-control")),
        (Some("+31205550177"), "no-store")
    );
    let audit = app.ask(&["audit", "list"]);
    assert!(audit.contains("task_number") && audit.contains("to call back"), "{audit}");
    assert!(!audit.contains("31205550177"));

    let patch = |body: &Value| patch(api, &path, &token, body);
    assert_eq!(patch(&json!({})).status, 400);
    assert_eq!(patch(&json!({"state": "gone"})).status, 400);
    assert_eq!(patch(&json!({"note": "x".repeat(501)})).status, 400);
    let called = patch(&json!({"state": "called_back", "note": "All is well again."})).json();
    assert_eq!((&called["state"], &called["note"]), (&json!("called_back"), &json!("All is well again.")));
    assert_eq!(patch(&json!({"state": "closed"})).json()["has_number"], false);
    assert_eq!(patch(&json!({"state": "open"})).status, 409, "what is closed stays closed");
    assert_eq!(
        get(api, &format!("{path}/number?reason=to+call+back"), &token).status,
        404,
        "the number is gone"
    );
    let seen = get(api, &path, &token).json();
    assert_eq!((&seen["state"], &seen["note"]), (&json!("closed"), &json!("All is well again.")));
    let kept = app.kill();
    for file in ["data/aftercall.db", "data/aftercall.db-wal"] {
        let kept = std::fs::read(kept.path().join(file)).unwrap_or_default();
        assert!(!kept.windows(11).any(|part| part == b"31205550177"), "the number lies nowhere in the clear");
    }
}

#[test]
fn a_task_is_done_on_the_dashboard() {
    let app = start("");
    call(&at(&app, "callback"), "back-1", UNHAPPY, &["--header", NUMBER, "--header", "X-Agent-Id: anna"])
        .well();
    let site = Site::of(app);
    site.add("kim", &["quality"]);
    site.add("sue", &["supervisor"]);
    let (kim, sue) = (site.sign_in("kim"), site.sign_in("sue"));
    // The task is written behind the call.
    let start = Instant::now();
    let page = loop {
        let page = site.get("/tasks", &kim).text();
        if page.contains("id=\"task-") {
            break page;
        }
        assert!(start.elapsed() < PATIENCE, "{page}");
    };
    let id = page.split("id=\"task-").nth(1).and_then(|rest| rest.split('"').next()).expect("a task");
    assert!(page.contains("Show the number") && !page.contains("31205550177"));
    // Which call it was is told for a reason, in its story.
    for told in ["anna", "back-1", "Yes"] {
        assert!(!page.contains(&format!(">{told}<")), "{told}: {page}");
    }
    let story = site.post(&format!("/calls/{id}"), &kim, "reason=to+call+back").text();
    assert!(story.contains("anna"), "{story}");
    assert!(site.get("/tasks?kind=low_score", &kim).text().contains("Nothing here with this filter"));
    assert!(site.get("/tasks?state=closed", &kim).text().contains("Nothing here with this filter"));
    let task = format!("/tasks/{id}");
    assert!(site.get(&task, &kim).text().contains("All open tasks"), "mails lead here");
    let number = format!("{task}/number");
    assert_eq!(site.post(&number, &kim, "reason=+a+").status, 400, "a number wants a reason");
    assert_eq!(site.post(&number, &sue, "reason=to+call+back").status, 403);
    assert!(site.post(&number, &kim, "reason=to+call+back").text().contains("+31205550177"));
    assert!(site.app.ask(&["audit", "list"]).contains("to call back"), "on record");

    let change = |who: &str, body: &str| site.post(&task, who, body).status;
    assert_eq!((change(&sue, "state=closed"), change(&kim, "state=gone")), (403, 404));
    assert_eq!(change(&kim, &format!("note={}", "x".repeat(501))), 400);
    let kept = site.post(&task, &kim, "state=called_back&note=All+is+well.%0D%0AFor+now.&query=state%3Dall");
    assert_eq!(kept.header("location"), format!("/tasks?state=all#task-{id}"));
    let page = site.get("/tasks?state=called_back", &kim).text();
    assert!(page.contains("All is well.\nFor now.") && page.contains("by kim"), "{page}");
    assert_eq!(change(&kim, "state=closed&note="), 303);
    let page = site.get("/tasks?state=closed", &kim).text();
    assert!(page.contains("Closed for good") && !page.contains("Show the number"), "{page}");
    assert_eq!(change(&kim, "state=open"), 400, "what is closed stays closed");
    assert_eq!(site.post(&number, &kim, "reason=to+call+back").status, 400, "the number is gone");
}

fn patch(api: SocketAddr, path: &str, token: &str, body: &Value) -> Reply {
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", &*bearer), ("Content-Type", "application/json")];
    ask(api, &format!("PATCH {path}"), &headers, &body.to_string())
}

#[test]
fn what_the_configuration_says_of_receivers_is_checked() {
    let dir = tempfile::tempdir().expect("a folder");
    let check = |more: &str| {
        std::fs::write(dir.path().join("aftercall.toml"), format!("{}\n{more}", config())).expect("a file");
        let mut program = crate::harness::program();
        let output =
            program.args(["--config", "aftercall.toml", "check-config"]).current_dir(dir.path()).output();
        let output = output.expect("the program runs");
        assert!(!output.status.success(), "{more}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let hook = |url: &str| {
        format!(
            "[[webhook]]\nname = \"crm\"\nurl = \"{url}\"\nsecret_file = \"s\"\nevents = [\"response.completed\"]\n"
        )
    };
    assert!(check(&hook("http://crm.example/in")).contains("is http and no loopback address"));
    assert!(check(&hook("ftp://crm.example/in")).contains("not https"));
    assert!(check(&hook("https://crm.example/in")).contains("cannot be read"));
    std::fs::write(dir.path().join("s"), "whsec_c2hvcnQ=\n").expect("a file");
    assert!(check(&hook("https://crm.example/in")).contains("holds 5 octets, not 24-64"));
    assert!(
        check(&hook("https://crm.example/in").replace("completed", "started")).contains("response.started")
    );
    let smtp = "[alerts]\nfrom = \"a@example.com\"\nto = [\"b@example.com\"]\nsmtp = { host = \"mail.example\", tls = \"none\" }\n";
    assert!(check(smtp).contains("for loopback addresses alone"));
    assert!(check(&smtp.replace("to = [\"b@example.com\"]", "")).contains("receivers"));
}
