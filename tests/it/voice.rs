//! Surveys answered by voice: real audio over RTP, the real recogniser with the model that we ship.

use std::path::Path;
use std::process::Command;

use crate::caller::{Caller, at, call};
use crate::harness::{App, config, config_as_shipped, repository, story, tells};

/// The test configuration with ears.
pub(crate) fn listening() -> String {
    with_ears(&config())
}

fn with_ears(config: &str) -> String {
    let models = repository("config/speech-models.toml");
    let library = repository("var/speech/libvosk.so");
    let ears = format!("models = \"{}\"\nlibrary = \"{}\"", models.display(), library.display());
    config
        .replace("enabled = \"off\"", &ears)
        .replace("short = \"short\"", "short = \"short\", words = \"words\"")
}

pub(crate) fn start() -> App {
    let app = App::with(&listening());
    app.wait_for_page("/readyz", "speech: en ready");
    app
}

pub(crate) fn say(word: &str) -> String {
    format!("quiet 1500ms; speak {}", repository(&format!("tests/voices/en/{word}.wav")).display())
}

pub(crate) fn speaker(app: &App, user: &str, name: &str, steps: &[String]) -> Caller {
    call(&at(app, user), name, &steps.join("; "), &["--header", "X-Agent-Id: anna"])
}

pub(crate) fn bye() -> String {
    "bye".into()
}

pub(crate) fn press(keys: &str) -> String {
    format!("quiet 1500ms; press {keys}")
}

pub(crate) fn row(app: &App, name: &str) -> String {
    let rows = app.wait_for_calls("call_ref,answers,disposition", |rows| {
        rows.iter().any(|row| row.starts_with(&format!("{name},")) && !row.ends_with(','))
    });
    rows.into_iter().find(|row| row.starts_with(&format!("{name},"))).unwrap_or_default()
}

#[test]
fn answers_are_spoken_confirmed_and_given_up_for_keys() {
    let app = start();
    let callers = [
        speaker(
            &app,
            "service",
            "sure",
            &[say("three.af_heart"), say("yes.af_heart"), say("nine.af_heart"), bye()],
        ),
        speaker(&app, "short", "unsure", &[say("one.af_heart"), say("yes.af_heart"), bye()]),
        speaker(&app, "short", "unsure-key", &[say("one.af_heart"), press("1"), bye()]),
        speaker(&app, "short", "unsure-other", &[say("one.af_heart"), press("5"), bye()]),
        speaker(
            &app,
            "short",
            "mumbles",
            &[say("maybe.af_heart"), say("maybe.bm_george"), press("4"), bye()],
        ),
    ];
    for caller in callers {
        let name = caller.name().to_owned();
        let end = caller.end();
        assert!(
            end.status.success(),
            "{name}: {}\n{}",
            String::from_utf8_lossy(&end.stderr),
            story(&app, &name)
        );
    }
    assert_eq!(row(&app, "sure"), "sure,3 yes 9,complete", "{}", story(&app, "sure"));
    assert_eq!(row(&app, "unsure"), "unsure,1,complete", "{}", story(&app, "unsure"));
    assert_eq!(row(&app, "unsure-key"), "unsure-key,1,complete", "{}", story(&app, "unsure-key"));
    assert_eq!(row(&app, "unsure-other"), "unsure-other,5,complete", "{}", story(&app, "unsure-other"));
    assert_eq!(row(&app, "mumbles"), "mumbles,4,complete", "{}", story(&app, "mumbles"));
    tells(
        &story(&app, "sure"),
        &["heard \"three\" at effort: accept", "effort = 3 by voice", "recommend = 9 by voice"],
    );
    tells(
        &story(&app, "unsure"),
        &[
            "heard \"one\" at satisfaction: confirm",
            "when asked back",
            "satisfaction = 1 by voice, confirmed",
        ],
    );
    tells(&story(&app, "unsure-other"), &["confirm", "key 5", "satisfaction = 5 by key"]);
    tells(&story(&app, "mumbles"), &["no_match", "no_match", "key 4", "= 4 by key"]);
    assert!(!app.log().contains("three"), "what was said is in the log:\n{}", app.log());
}

#[test]
fn a_recogniser_that_dies_costs_nobody_the_call() {
    let app = start();
    let stays = speaker(&app, "short", "stays", &[say("maybe.af_heart"), press("4"), bye()]);
    wait_for_streams(&app);
    for pid in recognisers(&app) {
        assert!(Command::new("kill").args(["-STOP", &pid]).status().expect("kill runs").success());
    }
    stays.well();
    assert_eq!(row(&app, "stays"), "stays,4,complete", "{}", story(&app, "stays"));
    tells(&story(&app, "stays"), &["voice could not be heard", "key 4", "= 4 by key"]);
    app.wait_for_page("/readyz", "speech: en ready");
    speaker(&app, "short", "after", &[say("three.af_heart"), bye()]).well();
    assert_eq!(row(&app, "after"), "after,3,complete", "{}", story(&app, "after"));
    let (_, metrics) = app.page("/metrics");
    assert!(metrics.contains("aftercall_speech_worker_restarts_total"), "{metrics}");
}

/// Waits until somebody is being heard.
pub(crate) fn wait_for_streams(app: &App) {
    const GAUGE: &str = "aftercall_speech_streams{language=\"en\"} ";
    let start = std::time::Instant::now();
    loop {
        let (_, page) = app.page("/metrics");
        let streams = page.lines().find_map(|line| line.strip_prefix(GAUGE)).unwrap_or("0");
        if streams != "0" {
            return;
        }
        assert!(start.elapsed() < crate::harness::PATIENCE, "nobody is heard:\n{page}");
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
}

/// The recogniser processes of this service.
pub(crate) fn recognisers(app: &App) -> Vec<String> {
    let children = Command::new("ps").args(["--ppid", &app.pid().to_string(), "-o", "pid="]).output();
    let children = children.expect("ps runs");
    let pids: Vec<String> =
        String::from_utf8_lossy(&children.stdout).split_whitespace().map(str::to_owned).collect();
    assert!(!pids.is_empty(), "there is no recogniser");
    pids
}

#[test]
fn comments_are_kept_sealed() {
    let app = start();
    let callers = [
        speaker(&app, "words", "says", &[say("three.af_heart"), say("maybe.af_heart"), bye()]),
        speaker(&app, "words", "skips", &[press("2"), press("#"), bye()]),
        speaker(&app, "words", "leaves", &[press("2"), say("maybe.bm_george"), "hang-up".into()]),
    ];
    callers.into_iter().for_each(|caller| drop(caller.well()));
    assert_eq!(row(&app, "says"), "says,3,complete", "{}", story(&app, "says"));
    assert_eq!(row(&app, "skips"), "skips,2,complete", "{}", story(&app, "skips"));
    assert_eq!(row(&app, "leaves"), "leaves,2,complete", "{}", story(&app, "leaves"));
    tells(&story(&app, "says"), &["comment at comment, ", "the comment was not transcribed: no_model"]);
    tells(&story(&app, "skips"), &["passed over comment: caller"]);
    tells(&story(&app, "leaves"), &["comment at comment, "]);
    let files = recordings(&app.dir.path().join("data/recordings"));
    assert_eq!(files.len(), 2, "two comments were left");
    for bytes in files {
        assert!(bytes.len() > 16_000 && !bytes.windows(4).any(|part| part == b"RIFF"), "it is sealed");
    }
}

fn recordings(folder: &Path) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("recordings").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            found.extend(recordings(&entry));
        } else {
            found.push(std::fs::read(&entry).expect("a recording"));
        }
    }
    found
}

#[test]
fn languages_without_a_model_go_by_keypad_and_it_is_said() {
    let app = App::with(&with_ears(&config_as_shipped()));
    app.wait_for_page("/readyz", "speech: en ready");
    let (status, page) = app.page("/readyz");
    let why = page.lines().find(|line| line.starts_with("speech: nl keypad only: "));
    assert!(status == 200 && why.is_some_and(|why| why.contains("aftercall speech fetch nl")), "{page}");
    assert!(app.log().contains("Surveys in nl go by keypad only"), "{}", app.log());
    let (_, metrics) = app.page("/metrics");
    for (language, silent) in [("en", 0), ("nl", 1)] {
        let gauge = format!("aftercall_speech_language_keypad_only{{language=\"{language}\"}} {silent}");
        assert!(metrics.contains(&gauge), "{metrics}");
    }
}

#[test]
fn without_the_library_there_are_keys() {
    let app = App::with(&listening().replace("libvosk.so", "nothing.so"));
    let (status, page) = app.page("/readyz");
    assert_eq!(status, 200);
    assert!(page.contains("keypad only: there is no libvosk.so"), "{page}");
    assert!(app.log().contains("Keypad only"), "{}", app.log());
    let (_, metrics) = app.page("/metrics");
    assert!(metrics.contains("aftercall_speech_keypad_only 1"), "{metrics}");
    speaker(&app, "short", "keys", &[press("4"), bye()]).well();
    assert_eq!(row(&app, "keys"), "keys,4,complete");
}
