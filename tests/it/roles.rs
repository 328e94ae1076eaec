//! Every path and method of the dashboard, and who may use it.

use std::collections::BTreeSet;

use crate::browser;
use crate::harness::repository;
use crate::web_client::status_of;

/// Who may.
type Roles = &'static [&'static str];

const EVERYBODY: Roles = &["ann", "sue", "kim", "adm"];

/// What is open to those who have not signed in: path and method, what is sent, the answer.
const OPEN: [(&str, &str, &str, u16); 8] = [
    ("GET /sign-in", "/sign-in", "", 200),
    ("POST /sign-in", "/sign-in", "name=nobody&password=guess", 401),
    ("GET /sign-in/once", "/sign-in/once?token=x", "", 200),
    ("POST /sign-in/once", "/sign-in/once", "token=x", 401),
    ("GET /sign-in/oidc", "/sign-in/oidc", "", 404),
    ("GET CALLBACK", "/sign-in/oidc/callback", "", 404),
    ("POST /sign-out", "/sign-out", "", 303),
    ("GET /assets/{*name}", "/assets/aftercall.css", "", 200),
];

/// The rest: path and method, an example of it, what is sent, who may, and the answer that they get. `CALL` is a call
/// that there is. What comes later may build on what came before.
const PAGES: [(&str, &str, &str, Roles, u16); 42] = [
    ("GET /", "/", "", EVERYBODY, 303),
    ("GET /overview", "/overview", "", &["sue"], 200),
    ("GET /overview/stream", "/overview/stream", "", &["sue"], 200),
    ("POST /goals", "/goals", "figure=nps&target=40", &["sue"], 303),
    ("GET /agents", "/agents", "", &["sue"], 200),
    ("GET /agents.csv", "/agents.csv", "", &["sue"], 200),
    ("GET /agents.xlsx", "/agents.xlsx", "", &["sue"], 200),
    ("GET /queues.csv", "/queues.csv", "", &["sue"], 200),
    ("GET /queues.xlsx", "/queues.xlsx", "", &["sue"], 200),
    ("GET /agents/{agent}", "/agents/anna", "", &["sue"], 200),
    ("GET /queues", "/queues", "", &["sue"], 200),
    ("GET /queues/{queue}", "/queues/sales", "", &["sue"], 200),
    ("GET /why", "/why", "", &["sue", "kim"], 200),
    ("POST /why", "/why", "reason=complaint+12", &["kim"], 200),
    ("GET /journey", "/journey", "", &["sue"], 200),
    ("GET /sampling", "/sampling", "", &["sue"], 200),
    ("GET /mystery", "/mystery", "", &["sue"], 200),
    ("GET /running", "/running", "", &["sue"], 200),
    ("GET /running/stream", "/running/stream", "", &["sue"], 200),
    ("GET /my-weeks", "/my-weeks", "", &["ann"], 200),
    ("GET /calls", "/calls", "", &["kim"], 200),
    ("POST /calls", "/calls", "reason=complaint+12", &["kim"], 200),
    ("GET /calls/{call}", "/calls/CALL", "", &["kim"], 200),
    ("POST /calls/{call}", "/calls/CALL", "reason=complaint+12", &["kim"], 200),
    ("GET /calls/{call}/recordings/{recording}", "/calls/CALL/recordings/CALL", "", &["kim"], 404),
    ("GET /preview", "/preview", "", &["sue", "kim", "adm"], 303),
    ("GET /preview/{survey}", "/preview/short", "", &["sue", "kim", "adm"], 200),
    ("GET /preview/sound/{language}/{prompts}", "/preview/sound/en/none", "", &["sue", "kim", "adm"], 404),
    ("GET /tasks", "/tasks", "", &["kim"], 200),
    ("GET /tasks/{call}", "/tasks/CALL", "", &["kim"], 404),
    ("POST /tasks/{call}", "/tasks/CALL", "note=well", &["kim"], 404),
    ("POST /tasks/{call}/number", "/tasks/CALL/number", "reason=to+call+back", &["kim"], 400),
    ("GET /operations", "/operations", "", &["adm"], 200),
    ("POST /operations/replay", "/operations/replay", "", &["adm"], 303),
    ("GET /users", "/users", "", &["adm"], 200),
    ("POST /users", "/users", "name=new&role=quality", &["adm"], 200),
    ("POST /users/change", "/users/change", "name=new&action=disable", &["adm"], 303),
    ("POST /users/tokens/revoke", "/users/tokens/revoke", "name=none", &["adm"], 404),
    ("GET /policy", "/policy", "", &["adm"], 200),
    ("GET /audit", "/audit", "", &["adm"], 200),
    ("POST /audit", "/audit", "", &["adm"], 200),
    ("POST /sign-out/everywhere", "/sign-out/everywhere", "", EVERYBODY, 303),
];

/// Every path and method of the router, as its source has them.
fn routes() -> BTreeSet<String> {
    let source = std::fs::read_to_string(repository("src/ui/mod.rs")).expect("the router");
    let mut found = BTreeSet::new();
    for route in source.split(".route(").skip(1) {
        let (path, methods) = route.split_once(", ").expect("a path and its methods");
        let methods = methods.split(".layer(").next().unwrap_or_default();
        let path = if path.ends_with("CALLBACK") { "CALLBACK" } else { path.trim_matches('"') };
        for method in ["get", "post", "put", "patch", "delete"] {
            if methods.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == method) {
                found.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
        let known = methods.matches("get(").count() + methods.matches("post(").count();
        assert!(known > 0 && !methods.contains("any("), "{path}: methods that this test does not know");
    }
    found
}

#[test]
fn every_path_and_method_is_for_the_roles_that_it_is_for() {
    let open = OPEN.iter().map(|(route, ..)| (*route).to_owned());
    let told: BTreeSet<String> = open.chain(PAGES.iter().map(|(route, ..)| (*route).to_owned())).collect();
    assert_eq!(told.len(), OPEN.len() + PAGES.len(), "each once");
    assert_eq!(told, routes(), "the table has every path and method of the router, and no other");

    let site = browser::site("");
    let call = site.app.ask(&["calls", "--csv", "--columns", "id", "--limit", "1"]);
    let call = call.lines().nth(1).expect("a call").to_owned();
    let ask = |route: &str, path: &str, cookie: &str, body: &str| {
        let method = route.split(' ').next().unwrap_or_default();
        let form = ("Content-Type", "application/x-www-form-urlencoded");
        let headers = [form, ("Cookie", cookie), ("Sec-Fetch-Site", "same-origin")];
        status_of(&format!("{method} {}", path.replace("CALL", &call)), site.address, &headers, body)
    };
    for (route, path, body, expected) in OPEN {
        assert_eq!(ask(route, path, "", body).0, expected, "{route} signed out");
    }
    for (route, path, body, ..) in PAGES {
        let (status, head) = ask(route, path, "", body);
        assert!(status == 303 && head.contains("location: /sign-in"), "{route} signed out: {head}");
    }
    let agent = ["agent", "--agent", "anna"];
    for (name, role) in
        [("ann", &agent[..]), ("sue", &["supervisor"]), ("kim", &["quality"]), ("adm", &["admin"])]
    {
        site.add(name, role);
        let cookie = site.sign_in(name);
        for (route, path, body, who, expected) in PAGES {
            let (status, head) = ask(route, path, &cookie, body);
            let expected = if who.contains(&name) { expected } else { 403 };
            assert_eq!(status, expected, "{route} as {name}: {head}");
            assert!(head.contains("x-content-type-options: nosniff"), "{route}: {head}");
        }
        assert_eq!(ask("GET /overview", "/overview", &cookie, "").0, 303, "{name} has signed out everywhere");
    }
}
