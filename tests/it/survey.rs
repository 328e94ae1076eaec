//! Whole surveys by the scripted caller, from the INVITE to the row.

use std::collections::BTreeMap;

use crate::caller::{Caller, at, call};
use crate::harness::{App, config, story, tells};

/// A number that stands nowhere but in these calls.
const NUMBER: &str = "+31987650123";

/// The rows by call reference, once there are so many that have ended.
fn rows(app: &App, columns: &str, ended: usize) -> BTreeMap<String, String> {
    let count = |rows: &[String]| rows.iter().filter(|row| !row.ends_with(',')).count();
    app.wait_for_calls(&format!("call_ref,{columns},disposition"), |rows| count(rows) == ended)
        .into_iter()
        .filter_map(|row| row.split_once(',').map(|(name, rest)| (name.to_owned(), rest.to_owned())))
        .collect()
}

fn expect(rows: &BTreeMap<String, String>, wanted: &[(&str, &str)]) {
    let wanted: BTreeMap<_, _> =
        wanted.iter().map(|&(name, row)| (name.to_owned(), row.to_owned())).collect();
    assert_eq!(*rows, wanted);
}

/// Waits for the end of all calls; what went wrong is told from both sides.
fn all_well(app: &App, callers: impl IntoIterator<Item = Caller>) {
    let ends: Vec<_> = callers.into_iter().map(|caller| (caller.name().to_owned(), caller.end())).collect();
    for (name, end) in ends {
        let (said, problem) = (String::from_utf8_lossy(&end.stdout), String::from_utf8_lossy(&end.stderr));
        assert!(end.status.success(), "{name}: {problem}{said}\n{}\n{}", story(app, &name), app.log());
    }
}

/// Every way to take a survey, all at once, each with the row that it must leave.
#[test]
fn callers_of_every_kind() {
    let app = App::start();
    let patient = |user: &str, name: &str, script: &str| {
        call(&at(&app, user), name, script, &["--from", NUMBER, "--header", "X-Agent-Id: anna"])
    };
    let callers = [
        patient("service", "easy", "quiet 2s; press 2; quiet 2s; press 1; quiet 2s; press 7; bye"),
        patient(
            "service",
            "hard",
            "quiet 2s; press 4; quiet 2s; press 3; quiet 2s; press 2; quiet 2s; press 10; bye",
        ),
        patient("short", "wrong-key", "quiet 2s; press 8; quiet 2s; press 5; bye"),
        patient("short", "silent", "bye 60s"),
        patient("short", "barge-in", "audio; press #; pause 2s; press 4; bye"),
        patient("short", "again", "audio; press #; quiet 2s; press *; quiet 2s; press 3; bye"),
        patient("short", "declines", "quiet 2s; press 9; bye"),
        patient("service", "leaves", "quiet 2s; press 1; quiet 2s; hang-up"),
        patient("service", "leaves-at-once", "audio; pause 1s; hang-up"),
        patient("service", "vanishes", "quiet 2s; press 5; quiet 2s; vanish"),
        call(&at(&app, "short"), "orphan", "quiet 2s; press 1; bye", &["--from", NUMBER]),
    ];
    all_well(&app, callers);
    expect(
        &rows(&app, "agent,survey,answers,left_at", 11),
        &[
            ("easy", "anna,service,2 yes 7,,complete"),
            ("hard", "anna,service,4 passed_on no 10,,complete"),
            ("wrong-key", "anna,short,5,,complete"),
            ("silent", "anna,short,,,no_answer"),
            ("barge-in", "anna,short,4,,complete"),
            ("again", "anna,short,3,,complete"),
            ("declines", "anna,short,,satisfaction,refused"),
            ("leaves", "anna,service,1,resolved,partial"),
            ("leaves-at-once", "anna,service,,,break_off"),
            ("vanishes", "anna,service,5,why,partial"),
            ("orphan", ",short,1,,complete"),
        ],
    );
    tells(
        &story(&app, "hard"),
        &[
            "offered by pbx: agent anna, ref hard",
            "surveyed with service version 1",
            "asked effort",
            "key 4 at effort by rfc4733",
            "answer effort = 4",
            "asked why",
            "answer why = passed_on",
            "answer resolved = no",
            "key 1 at recommend",
            "key 0 at recommend",
            "answer recommend = 10",
            "ended by us: complete",
        ],
    );
    tells(&story(&app, "easy"), &["answer effort = 2", "passed over why: when", "asked resolved"]);
    tells(&story(&app, "wrong-key"), &["no such choice at satisfaction: 8", "again (2)", "= 5"]);
    tells(
        &story(&app, "silent"),
        &["silence at satisfaction", "again (2)", "silence", "passed over satisfaction"],
    );
    tells(&story(&app, "barge-in"), &["key 4 at satisfaction by rfc4733, into the prompt"]);
    tells(&story(&app, "again"), &["repeated satisfaction", "key 3"]);
    tells(&story(&app, "declines"), &["declined at satisfaction"]);
    tells(&story(&app, "vanishes"), &["asked why", "ended by us: partial, left at why, no_media"]);
    nobody_knows_the_number(app);
}

/// Neither the log, the metrics nor a byte of the data holds the number that called.
fn nobody_knows_the_number(app: App) {
    let digits = NUMBER.trim_start_matches('+');
    let (_, metrics) = app.page("/metrics");
    assert!(metrics.contains("aftercall_calls_total"), "{metrics}");
    assert!(!metrics.contains(digits), "the metrics hold a number:\n{metrics}");
    assert!(!app.log().contains(digits), "the log holds a number:\n{}", app.log());
    app.signal("TERM");
    let (code, dir) = app.wait();
    assert_eq!(code, Some(0));
    let files = std::fs::read_dir(dir.path().join("data")).expect("the data folder");
    for file in files.map(|file| file.expect("a file").path()).filter(|path| path.is_file()) {
        let bytes = std::fs::read(&file).expect("the file is read");
        let held = bytes.windows(digits.len()).any(|window| window == digits.as_bytes());
        assert!(!held, "{} holds a number", file.display());
    }
}

/// Every way for audio, keys and packets to travel.
#[test]
fn keys_codecs_and_transports_of_every_kind() {
    let two_families = config()
        .replace("[[trunk]]", "[[listener]]\ntransport = \"udp\"\nbind = \"[::1]:0\"\n\n[[trunk]]")
        .replace("\"127.0.0.0/8\"", "\"127.0.0.0/8\", \"::1/128\"");
    let app = App::with(&two_families);
    let six = app
        .log()
        .lines()
        .filter_map(|line| line.split("UDP ").nth(1)?.split_whitespace().next())
        .find(|address| address.starts_with('['))
        .map(|address| format!("sip:short@{address}"))
        .expect("a listener on [::1]");
    let five = at(&app, "short");
    let keyed = |via: &str| format!("audio; press # {via}; quiet 2s; press 4 {via}; bye");
    let by_event = keyed("rfc4733");
    let callers = [
        call(&five, "info", &keyed("info"), &[]),
        call(&five, "in-band", &keyed("in-band"), &["--event-clock", "0"]),
        call(&five, "in-band-g722", &keyed("in-band"), &["--event-clock", "0", "--codecs", "g722"]),
        call(&five, "wide-clock", &by_event, &["--event-clock", "16000", "--codecs", "g722"]),
        call(&five, "g722", &by_event, &["--codecs", "g722"]),
        call(&five, "pcma", &by_event, &["--codecs", "pcma"]),
        call(&five, "pcmu", &by_event, &["--codecs", "pcmu"]),
        call(&five, "delayed", &by_event, &["--delayed-offer"]),
        call(&five, "recoded", "audio; press #; codec pcma; quiet 2s; press 4; bye", &["--codecs", "pcmu"]),
        call(
            &five,
            "held",
            "audio; press #; hold; pause 500ms; silent 1s; resume; audio; quiet 2s; press 4; bye",
            &[],
        ),
        call(&six, "six", &by_event, &[]),
        call(&format!("sip:short@{};transport=tcp", app.tcp), "tcp", &by_event, &[]),
    ];
    all_well(&app, callers);
    expect(
        &rows(&app, "answers,codec", 12),
        &[
            ("info", "4,PCMU,complete"),
            ("in-band", "4,PCMU,complete"),
            ("in-band-g722", "4,G722,complete"),
            ("wide-clock", "4,G722,complete"),
            ("g722", "4,G722,complete"),
            ("pcma", "4,PCMA,complete"),
            ("pcmu", "4,PCMU,complete"),
            ("delayed", "4,PCMU,complete"),
            ("recoded", "4,PCMU,complete"),
            ("held", "4,PCMU,complete"),
            ("six", "4,PCMU,complete"),
            ("tcp", "4,PCMU,complete"),
        ],
    );
    tells(&story(&app, "info"), &["key 4 at satisfaction by info"]);
    tells(&story(&app, "in-band"), &["key 4 at satisfaction by in_band"]);
    tells(&story(&app, "held"), &["put on hold", "taken off hold", "answer satisfaction = 4"]);
}

#[test]
fn a_password_by_sha_256() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let secret = dir.path().join("password");
    std::fs::write(&secret, "s3cret\n").expect("the password is written");
    let auth = format!(
        "language = \"en\"\nauth = {{ realm = \"aftercall\", user = \"pbx\", password_file = \"{}\", algorithms = [\"SHA-256\"] }}",
        secret.display()
    );
    let app = App::with(&config().replace("language = \"en\"", &auth));
    let script = "audio; press #; quiet 2s; press 5; bye";
    let right = call(&at(&app, "short"), "right", script, &["--auth", "pbx:s3cret"]);
    let wrong = call(&at(&app, "short"), "wrong", "", &["--auth", "pbx:guess", "--expect-status", "401"]);
    let none = call(&at(&app, "short"), "none", "", &["--expect-status", "401"]);
    all_well(&app, [right, wrong, none]);
    expect(&rows(&app, "answers", 1), &[("right", "5,complete")]);
}
