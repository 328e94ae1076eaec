//! The dashboard as a browser meets it: signing in, who sees which page, and what every answer carries.

use crate::harness::site::{PASSWORD, Site};

#[test]
fn each_role_sees_its_pages_and_no_others() {
    let site = Site::start();
    let roles: [(&str, &[&str]); 4] = [
        ("ann", &["agent", "--agent", "anna"]),
        ("sue", &["supervisor"]),
        ("kim", &["quality"]),
        ("adm", &["admin"]),
    ];
    let pages = [
        ("/my-weeks", "ann"),
        ("/overview", "sue"),
        ("/agents", "sue"),
        ("/agents/anna", "sue"),
        ("/queues", "sue"),
        ("/queues/sales", "sue"),
        ("/why", "sue"),
        ("/journey", "sue"),
        ("/sampling", "sue"),
        ("/mystery", "sue"),
        ("/running", "sue"),
        ("/calls", "kim"),
        ("/operations", "adm"),
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
            let reply = site.get(path, &cookie);
            assert_eq!(reply.status, if who == name { 200 } else { 403 }, "{path} as {name}: {}", reply.body);
            let link = format!("href=\"{}\"", path.split('?').next().unwrap_or_default());
            let linked = reply.body.contains(&link) || path.matches('/').count() > 1;
            assert!(who != name || linked, "{path} has a link for {name}");
            assert!(who == name || !reply.body.contains(&link), "{path} has no link for {name}");
        }
        assert_eq!(site.get("/nowhere", &cookie).status, 404);
        let dutch = site.get("/?lang=nl", &cookie);
        assert!(dutch.header("location").starts_with('/'));
        let first = format!("{}?lang=nl", dutch.header("location"));
        assert!(site.get(&first, &cookie).body.contains("<html lang=\"nl\">"));
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
    for headers in ["", "Sec-Fetch-Site: cross-site\r\n", "Sec-Fetch-Site: same-site\r\n"] {
        assert_eq!(site.send("POST", "/sign-in", headers, &body).status, 403, "{headers:?}");
    }
    let page = site.get("/sign-in", "");
    assert_eq!(page.status, 200);
    assert!(page.header("content-security-policy").starts_with("default-src 'none'; style-src 'self';"));
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(page.header("cache-control"), "no-store");
    assert!(!page.body.contains("style=\"") && !page.body.contains("onclick"));
    assert_eq!(site.get("/assets/aftercall.css", "").header("content-type"), "text/css; charset=utf-8");
    let english = site.send("GET", "/sign-in", "Accept-Language: en-GB\r\n", "").body;
    let dutch = site.send("GET", "/sign-in", "Accept-Language: nl-BE, en;q=0.5\r\n", "").body;
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
    let reply = site.get(&path, "");
    assert_eq!(reply.status, 303);
    let kim = reply.cookie();
    assert_eq!(site.get("/calls", &kim).status, 200);
    assert_eq!(site.get(&path, "").status, 401, "it was used");
    site.app.ask(&["user", "disable", "kim"]);
    assert_eq!(site.get("/calls", &kim).status, 303, "who is disabled is out at once");
    let everywhere = site.post("/sign-out/everywhere", &lee, "");
    assert_eq!(everywhere.status, 303);
    assert_eq!(site.get("/calls", &lee).status, 303);
    assert!(site.app.ask(&["user", "list"]).contains("disabled"));
    assert!(!site.app.run(&["user", "link", "kim"]).status.success());
}
