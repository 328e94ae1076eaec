//! The API against its own OpenAPI document: schemathesis makes requests from it, good and bad ones, and checks every
//! answer.

use std::process::Command;

use aftercall::access::Scope;

use crate::browser::site;
use crate::harness::repository;
use crate::web_client::token;

/// What each answer is held to. Which values are refused is no part of it: a schema cannot say all of it.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,ignored_auth,missing_required_header";

#[test]
fn every_answer_is_as_the_document_says() {
    let rates = "token_rate = 10000\ntoken_burst = 10000\nsource_rate = 10000\nsource_burst = 10000\n";
    let site = site(&format!("[api]\n{rates}"));
    let token = token(&site.app, "conformance", &Scope::ALL.map(Scope::as_str).join(","));
    let done = Command::new(repository("tests/conformance/venv/bin/schemathesis"))
        .arg("run")
        .arg(format!("http://{}/api/v1/openapi.json", site.address))
        .args(["--header", &format!("Authorization: Bearer {token}"), "--checks", CHECKS, "--no-color"])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "25", "--seed", "1"])
        .args(["--warnings", "off", "--request-timeout", "20"])
        // The stream of running calls has no end.
        .args(["--exclude-path", "/api/v1/calls/running/stream"])
        .current_dir(site.app.dir.path())
        .output()
        .expect("schemathesis runs; tests/packages.sh installs it");
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.contains("Tested: 19"), "{said}");
}
