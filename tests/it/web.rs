//! The dashboard as a browser meets it: signing in, who sees which page, and what every answer carries.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use crate::caller::{at, call};
use crate::harness::site::{PASSWORD, Site};
use crate::harness::{App, PATIENCE, config, program};
use crate::web_client::open;

#[test]
fn each_role_sees_its_pages_and_no_others() {
    let site = Site::start();
    let roles: [(&str, &[&str]); 4] = [
        ("ann", &["agent", "--agent", "anna"]),
        ("sue", &["supervisor"]),
        ("kim", &["quality"]),
        ("adm", &["admin"]),
    ];
    let pages: [(&str, &[&str]); 18] = [
        ("/my-weeks", &["ann"]),
        ("/overview", &["sue"]),
        ("/agents", &["sue"]),
        ("/agents/anna", &["sue"]),
        ("/queues", &["sue"]),
        ("/queues/sales", &["sue"]),
        ("/why", &["sue", "kim"]),
        ("/journey", &["sue"]),
        ("/sampling", &["sue"]),
        ("/mystery", &["sue"]),
        ("/running", &["sue"]),
        ("/calls", &["kim"]),
        ("/tasks", &["kim"]),
        ("/preview/short", &["sue", "kim", "adm"]),
        ("/operations", &["adm"]),
        ("/users", &["adm"]),
        ("/policy", &["adm"]),
        ("/audit", &["adm"]),
    ];
    for (path, _) in pages {
        let reply = site.get(path, "");
        assert_eq!(reply.status, 303, "{path} signed out");
        assert!(reply.header("location").starts_with("/sign-in?next=/"), "{path}");
    }
    for (name, role) in roles {
        site.add(name, role);
        let cookie = site.sign_in(name);
        for (path, who) in pages {
            let (reply, sees) = (site.get(path, &cookie), who.contains(&name));
            let unknown = path == "/agents/anna" || path == "/queues/sales"; // Nobody has called yet.
            let seen = if unknown { 404 } else { 200 };
            assert_eq!(reply.status, if sees { seen } else { 403 }, "{path} as {name}: {}", reply.text());
            let list = path.rsplit_once('/').map_or("", |(list, _)| list);
            let back = format!("<p><a href=\"{list}\">");
            assert!(!(sees && unknown) || reply.text().contains(&back), "{path}: {}", reply.text());
            let link = format!("href=\"{}\"", path.split('?').next().unwrap_or_default());
            let linked = reply.text().contains(&link) || path.matches('/').count() > 1;
            assert!(!sees || linked, "{path} has a link for {name}");
            assert!(sees || !reply.text().contains(&link), "{path} has no link for {name}");
        }
        let nowhere = site.get("/nowhere", &cookie);
        assert!(nowhere.status == 404 && nowhere.text().contains("<h1>"), "a page: {}", nowhere.text());
        assert_eq!(nowhere.header("x-frame-options"), "DENY");
        let dutch = site.get("/?lang=nl", &cookie);
        assert!(dutch.header("location").starts_with('/'));
        let first = format!("{}?lang=nl", dutch.header("location"));
        assert!(site.get(&first, &cookie).text().contains("<html lang=\"nl\">"));
        let out = site.post("/sign-out", &cookie, "");
        assert_eq!(out.header("location"), "/sign-in");
        assert_eq!(site.get(&first, &cookie).status, 303, "the session is over");
    }
}

#[test]
fn another_site_can_do_nothing_and_headers_keep_browsers_safe() {
    let site = Site::start();
    site.add("kim", &["quality"]);
    let body = format!("name=kim&password={PASSWORD}").replace(' ', "+");
    for headers in [&[][..], &[("Sec-Fetch-Site", "cross-site")], &[("Sec-Fetch-Site", "same-site")]] {
        assert_eq!(site.ask("POST /sign-in", headers, &body).status, 403, "{headers:?}");
    }
    let page = site.get("/sign-in", "");
    assert_eq!(page.status, 200);
    assert!(page.header("content-security-policy").starts_with("default-src 'none'; style-src 'self';"));
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(page.header("cache-control"), "no-store");
    assert!(!page.text().contains("style=\"") && !page.text().contains("onclick"));
    assert_eq!(site.get("/assets/aftercall.css", "").header("content-type"), "text/css; charset=utf-8");
    let english = site.ask("GET /sign-in", &[("Accept-Language", "en-GB")], "").text();
    let dutch = site.ask("GET /sign-in", &[("Accept-Language", "nl-BE, en;q=0.5")], "").text();
    assert!(english.contains("Password") && dutch.contains("Wachtwoord"));

    let elsewhere = format!("{body}&next=//evil.example/");
    let reply = site.post("/sign-in", "", &elsewhere);
    assert_eq!((reply.status, reply.header("location")), (303, "/"));
    let cookie = reply.header("set-cookie");
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"),
        "{cookie}"
    );
    let no_reason = site.post("/calls", &reply.cookie(), "reason=+a+");
    assert_eq!(no_reason.status, 400, "single calls want a reason");
    let with_reason = site.post("/calls", &reply.cookie(), "reason=complaint+12");
    assert_eq!(with_reason.status, 200);
}

#[test]
fn guessing_is_slowed_and_a_link_works_once() {
    let site = Site::start();
    site.add("kim", &["quality"]);
    assert_eq!(site.post("/sign-in", "", "name=nobody&password=guess").status, 401);
    for _ in 0..5 {
        assert_eq!(site.post("/sign-in", "", "name=kim&password=guess").status, 401);
    }
    // On a slow machine the first, short waits may be over before the next guess comes; they double.
    let guess = || site.post("/sign-in", "", "name=KIM&password=guess");
    let slowed = (0..8).map(|_| guess()).find(|reply| reply.status != 401).expect("guessing is slowed");
    assert_eq!(slowed.status, 429);
    assert!(slowed.header("retry-after").parse::<u64>().is_ok());
    site.add("lee", &["quality"]);
    let lee = site.sign_in("lee");
    assert_eq!(site.get("/calls", &lee).status, 200, "others are not locked out");

    let link = site.app.ask(&["user", "link", "kim"]);
    let (_, token) = link.trim().split_once("?token=").expect("a link");
    let path = format!("/sign-in/once?token={token}");
    for _ in 0..2 {
        let looked = site.get(&path, "");
        let button = looked.text().contains(&format!("value=\"{token}\""));
        assert!(looked.status == 200 && button && looked.cookie().is_empty(), "a look uses nothing up");
    }
    let use_it = || site.post("/sign-in/once", "", &format!("token={token}"));
    let reply = use_it();
    assert_eq!(reply.status, 303);
    let kim = reply.cookie();
    assert_eq!(site.get("/calls", &kim).status, 200);
    assert_eq!(use_it().status, 401, "it was used");
    site.app.ask(&["user", "disable", "kim"]);
    assert_eq!(site.get("/calls", &kim).status, 303, "who is disabled is out at once");
    let everywhere = site.post("/sign-out/everywhere", &lee, "");
    assert_eq!(everywhere.status, 303);
    assert_eq!(site.get("/calls", &lee).status, 303);
    assert!(site.app.ask(&["user", "list"]).contains("disabled"));
    assert!(!site.app.run(&["user", "link", "kim"]).status.success());
}

#[test]
fn nobody_keeps_the_sign_in_busy_or_shuts_a_known_browser_out() {
    let site = Site::start();
    site.add("kim", &["quality"]);
    let body = format!("name=kim&password={PASSWORD}").replace(' ', "+");
    let came_in = site.post("/sign-in", "", &body);
    assert_eq!(came_in.status, 303);
    let device = came_in.head.lines().filter_map(|line| line.strip_prefix("set-cookie: "));
    let device =
        device.filter_map(|line| line.split(';').next()).find(|one| one.starts_with("aftercall-device="));
    let device = device.expect("the browser is remembered");
    assert_eq!(site.get("/calls", device).status, 303, "it opens nothing by itself");

    let long = format!("name={}&password=x", "a".repeat(9_000));
    assert_eq!(site.post("/sign-in", "", &long).status, 413);
    assert_eq!(site.post("/sign-in/once", "", &format!("token={}", "a".repeat(9_000))).status, 413);
    for name in ["", "%00", "a+b", &"a".repeat(65), &"%F0%9F%98%80".repeat(10)] {
        assert_eq!(site.post("/sign-in", "", &format!("name={name}&password=x")).status, 401, "{name}");
    }
    let guess =
        |n: usize| site.post("/sign-in", "", &format!("name=user-{n}&password=a+wrong+password")).status;
    let refused: Vec<u16> = (0..40).map(guess).collect();
    assert!(refused.iter().filter(|status| **status == 401).count() < 30, "{refused:?}");
    assert_eq!(refused.last(), Some(&429), "changing names is no way around");
    for _ in 0..6 {
        drop(site.post("/sign-in", "", "name=kim&password=a+wrong+password"));
    }
    assert_eq!(site.post("/sign-in", "", &body).status, 429, "a stranger at that address waits");
    assert_eq!(site.post("/sign-in", "aftercall-device=AAAA", &body).status, 429);
    assert_eq!(site.post("/sign-in", device, &body).status, 303, "who signed in there before does not");
    site.add("lee", &["quality"]);
    let other = format!("name=lee&password={PASSWORD}").replace(' ', "+");
    assert_eq!(
        site.post("/sign-in", device, &other).status,
        429,
        "for another user it is a stranger's browser"
    );
}

#[test]
fn an_idle_connection_gives_its_place_back() {
    let (_app, address) = crate::web_client::start("connections_max = 3\n");
    let ask = |stream: &mut TcpStream| {
        stream.write_all(b"GET /sign-in HTTP/1.1\r\nHost: x\r\n\r\n").expect("a request");
    };
    let mut held: Vec<TcpStream> =
        (0..3).map(|_| TcpStream::connect(address).expect("a connection")).collect();
    for stream in &mut held {
        ask(stream);
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    }
    let began = std::time::Instant::now();
    let mut answer = Vec::new();
    held[0].read_to_end(&mut answer).expect("the answer, and then the end");
    assert!(answer.starts_with(b"HTTP/1.1 200") && began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
    let mut fresh = TcpStream::connect(address).expect("a place is free");
    ask(&mut fresh);
    assert_eq!(fresh.read(&mut [0; 12]).expect("an answer"), 12);
}

#[test]
fn the_administration_lets_people_in_and_shuts_them_out_on_record() {
    let site = Site::start();
    for (name, role) in [("adm", "admin"), ("kim", "quality")] {
        site.add(name, &[role]);
    }
    let (adm, kim) = (site.sign_in("adm"), site.sign_in("kim"));
    let refused = |body: &str, why: &str| {
        let reply = site.post("/users", &adm, body);
        assert_eq!(reply.status, 400, "{body}");
        assert!(reply.text().contains(why), "{body}: {}", reply.text());
    };
    refused("name=a+b&role=quality", "A name has");
    refused("name=bob&role=agent", "wants an agent");
    refused("name=bob&role=quality&agent=anna", "wants an agent");
    refused("name=bob&role=quality&teams=north", "Only supervisors");
    refused("name=kim&role=quality", "already");
    for body in ["name=bob&role=admin", ""] {
        assert_eq!(site.post("/users", &kim, body).status, 403, "not for the role of quality");
    }
    let token = |body: &str| {
        let link = body.split("/sign-in/once?token=").nth(1).expect("a link is shown");
        link.split('<').next().unwrap_or_default().to_owned()
    };
    let made = site.post("/users", &adm, "name=bob&role=supervisor&teams=north%2C+south");
    assert_eq!(made.status, 200);
    let use_link = |page: &str| site.post("/sign-in/once", "", &format!("token={}", token(page)));
    let bob = use_link(&made.text()).cookie();
    assert_eq!(site.get("/overview", &bob).status, 200);
    assert_eq!(use_link(&made.text()).status, 401, "it was used");
    let list = site.get("/users", &adm).text();
    assert!(list.contains("north, south") && !list.contains("token="), "shown once: {list}");

    let change = |name: &str, action: &str| {
        site.post("/users/change", &adm, &format!("name={name}&action={action}")).status
    };
    assert_eq!(change("bob", "sessions"), 303);
    assert_eq!(site.get("/overview", &bob).status, 303, "the session is over");
    let again = site.post("/users/change", &adm, "name=bob&action=link");
    let bob = use_link(&again.text()).cookie();
    assert_eq!(site.get("/overview", &bob).status, 200);
    assert_eq!(change("bob", "disable"), 303);
    assert_eq!(site.get("/overview", &bob).status, 303, "who is disabled is out at once");
    assert_eq!((change("adm", "disable"), change("bob", "link"), change("kim", "promote")), (400, 400, 404));

    let log = site.get("/audit", &adm).text();
    for line in
        ["bob supervisor north south", "Made a link to sign in", "Signed a user out", "Disabled a user"]
    {
        assert!(log.contains(line), "{line}: {log}");
    }
    let narrow = site.get("/audit?what=user_disable", &adm).text();
    assert!(narrow.contains(">bob<") && !narrow.contains("north south"), "{narrow}");
    assert!(site.get("/audit?day=2001-01-01", &adm).text().contains("No line fits"));
    assert_eq!(site.get("/audit?day=yesterday", &adm).status, 400);
    let checked = site.post("/audit", &adm, "").text();
    assert!(checked.contains("each follows from the one before"), "{checked}");
    assert_eq!(site.post("/audit", &kim, "").status, 403);
}

#[test]
fn tables_go_out_as_files_on_record_and_surveys_are_gone_through_by_key() {
    let site = Site::start();
    for (name, role) in [("sue", "supervisor"), ("kim", "quality"), ("adm", "admin")] {
        site.add(name, &[role]);
    }
    let (sue, kim, adm) = (site.sign_in("sue"), site.sign_in("kim"), site.sign_in("adm"));
    let agents = site.get("/agents.csv?period=2026-Q4", &sue);
    assert!(agents.text().starts_with("\u{feff}agent,team,offered,responded"), "{}", agents.text());
    assert_eq!(agents.header("content-disposition"), "attachment; filename=\"agents.csv\"");
    assert!(site.get("/queues.csv", &sue).text().starts_with("\u{feff}queue,offered,responded"));
    let dutch = site.get("/queues.csv?lang=nl", &sue);
    assert!(
        dutch.text().starts_with("\u{feff}queue;offered;responded"),
        "as Excel there reads it: {}",
        dutch.text()
    );
    for name in ["agents", "queues"] {
        let sheet = site.get(&format!("/{name}.xlsx?period=2026-Q4"), &sue);
        assert_eq!(sheet.header("content-disposition"), format!("attachment; filename=\"{name}.xlsx\""));
        assert!(sheet.body.starts_with(b"PK"), "{name}");
    }
    let sheet = site.post("/calls", &kim, "reason=complaint+12&as=xlsx");
    assert!(sheet.status == 200 && sheet.body.starts_with(b"PK"), "{}", sheet.head);
    assert_eq!((site.get("/agents.csv", &kim).status, site.get("/queues.csv", &adm).status), (403, 403));
    let calls = site.post("/calls", &kim, "reason=complaint+12&as=csv");
    assert!(calls.text().starts_with("\u{feff}id,offered,call_ref,agent,"), "{}", calls.text());
    assert_eq!(site.post("/calls", &kim, "as=csv").status, 400, "a file wants a reason too");
    let log = site.get("/audit?what=export", &adm).text();
    for scope in ["agents 2026-Q4 origin sampled", "queues ", "calls "] {
        assert!(log.contains(scope), "{scope}: {log}");
    }
    let begun = site.get("/preview/short?in=en", &sue);
    let open = begun.text().contains("Open question: ");
    assert!(open && begun.text().contains("value=\"5\""), "{}", begun.text());
    let over = site.get("/preview/short?in=en&keys=5", &sue).text();
    assert!(over.contains("Over: Complete") && over.contains("Key 5"), "{over}");
    let sound = over.split("src=\"").find_map(|rest| rest.strip_prefix("/preview/sound/")).expect("a prompt");
    let path = format!("/preview/sound/{}", sound.split('"').next().unwrap_or_default());
    let part = site.ask(&format!("GET {path}"), &[("Cookie", &kim), ("Range", "bytes=0-3")], "");
    assert_eq!((part.status, part.text().as_str(), part.header("content-type")), (206, "RIFF", "audio/wav"));
    assert_eq!(site.get("/preview/sound/en/none", &kim).status, 404);
    assert_eq!(site.get("/preview/none", &kim).status, 404);
    assert_eq!(site.post("/operations/replay", &kim, "").status, 403);
    assert_eq!(site.post("/operations/replay", &adm, "").header("location"), "/operations");
}

/// Reads an open page's events until one is found that holds this.
fn until(lines: &mut impl Iterator<Item = std::io::Result<String>>, text: &str) -> String {
    let line = lines.map(|line| line.expect("no time-out")).find(|line| line.contains(text));
    line.unwrap_or_else(|| panic!("the stream ended without {text}"))
}

#[test]
fn an_open_page_ends_with_its_session() {
    let site = Site::start();
    for how in ["disable", "sign-out"] {
        site.add(how, &["supervisor"]);
        let cookie = site.sign_in(how);
        let open = |path: &str| {
            let stream = open(site.address, &format!("GET {path}"), &[("Cookie", &cookie)], "");
            BufReader::new(stream).lines()
        };
        let (mut running, mut overview) = (open("/running/stream"), open("/overview/stream"));
        until(&mut running, "No survey is being held");
        until(&mut overview, "data: ");
        match how {
            "disable" => drop(site.app.ask(&["user", "disable", how])),
            _ => assert_eq!(site.post("/sign-out", &cookie, "").status, 303),
        }
        let caller = call(&at(&site.app, "short"), how, "quiet 3s; press 4; bye", &[]);
        for lines in [&mut running, &mut overview] {
            until(lines, "no longer signed in");
            until(lines, "event: over");
            assert_eq!(
                lines.map(|line| line.expect("no time-out")).filter(|line| line.contains("<td>")).count(),
                0
            );
        }
        caller.well();
    }
    let reply = site.ask("GET /running/stream", &[("Accept", "text/html, text/event-stream")], "");
    assert_eq!(reply.status, 401, "a script that opens it again is told to wait, and is not sent to a page");
}

#[test]
fn a_new_target_stays_on_open_pages_and_comes_to_them() {
    let dir = tempfile::tempdir().expect("a folder");
    let text = format!("{}\n[web]\nlisten = \"127.0.0.1:0\"\n", config());
    std::fs::write(dir.path().join("aftercall.toml"), text).expect("the configuration is written");
    let past = ["simulate", "--direct", "--calls", "40", "--days", "2", "--surveys", "short", "--quiet"];
    let done = program()
        .args(["--config", "aftercall.toml", "--data", "data"])
        .args(past)
        .current_dir(dir.path())
        .stdout(Stdio::null())
        .status()
        .expect("the program runs");
    assert!(done.success());
    let site = Site::of(App::in_dir(dir));
    site.add("sue", &["supervisor"]);
    let sue = site.sign_in("sue");
    let month = (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24)).strftime("%Y-%m");
    let line = format!("GET /overview/stream?origin=test&period={month}");
    let stream = || BufReader::new(open(site.address, &line, &[("Cookie", &sue)], "")).lines();
    let mut before = stream();
    until(&mut before, "score-satisfaction");
    let set = site.post("/goals", &sue, "figure=csat_top_box&target=71&benchmark=64");
    assert_eq!(set.status, 303);
    let event =
        stream().map(|line| line.expect("no time-out")).skip_while(|line| !line.starts_with("data: "));
    let first: Vec<String> = event.take_while(|line| !line.is_empty()).collect();
    assert!(first.iter().any(|line| line.contains("Target 71")), "the first thing a page is sent: {first:?}");
    until(&mut before, "Benchmark 64");
}

#[test]
fn it_speaks_tls_by_configuration_and_bounds_its_connections() {
    let dir = tempfile::tempdir().expect("a folder");
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", "key.pem", "-out", "certificate.pem"])
        .current_dir(dir.path())
        .output()
        .expect("openssl runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let text = format!(
        "{}\n[web]\nlisten = \"127.0.0.1:0\"\nconnections_max = 3\n\
         [web.tls]\ncertificate_file = \"certificate.pem\"\nkey_file = \"key.pem\"\n",
        config()
    );
    std::fs::write(dir.path().join("aftercall.toml"), text).expect("the configuration is written");
    let site = Site::of(App::in_dir(dir));
    site.add("sue", &["supervisor"]);
    let pem = std::fs::read(site.app.dir.path().join("certificate.pem")).expect("a certificate");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let certificate = reqwest::Certificate::from_pem(&pem).expect("a certificate");
        let client = || {
            reqwest::Client::builder()
                .add_root_certificate(certificate.clone())
                .redirect(reqwest::redirect::Policy::none())
                .pool_max_idle_per_host(0)
                .build()
                .expect("a client")
        };
        let base = format!("https://{}", site.address);
        let form = format!("name=sue&password={}", PASSWORD.replace(' ', "+"));
        let request = client().post(format!("{base}/sign-in")).header("sec-fetch-site", "same-origin");
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        let reply = request.send().await.expect("an answer over TLS");
        assert_eq!(reply.status(), 303);
        let cookie = reply.headers()["set-cookie"].to_str().expect("text").to_owned();
        assert!(cookie.starts_with("__Host-aftercall=") && cookie.contains("Secure"), "{cookie}");
        assert!(reply.headers().contains_key("strict-transport-security"));

        // Three who say nothing take all places; the next is closed at once, and there is room again when they go. One
        // that came while somebody asked may have been closed, so another one takes its place.
        let connect = || TcpStream::connect(site.address).expect("a connection");
        let mut idle: Vec<_> = (0..3).map(|_| connect()).collect();
        let refused = async || client().get(format!("{base}/sign-in")).send().await.is_err();
        while !refused().await {
            idle.push(connect());
        }
        drop(idle);
        while refused().await {
            tokio::task::yield_now().await;
        }
    });
}
