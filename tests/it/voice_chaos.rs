//! Fifty callers who speak, while the recogniser is killed, stopped, slowed and talks nonsense: every call goes on by key.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::caller::Caller;
use crate::harness::{App, PATIENCE, story};
use crate::voice::{bye, listening, press, recognisers, say, speaker};

/// Callers at once.
const CALLERS: usize = 50;

/// The recogniser program, or nonsense in its place while the file `nonsense` is there. The self-test at the start,
/// which asks for no threads, always gets the real one.
fn fickle(folder: &std::path::Path) -> String {
    let nonsense = folder.join("nonsense");
    let real = env!("CARGO_BIN_EXE_aftercall-speech");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in\n*--threads*) [ -e '{}' ] && {{ printf 'ACSP nonsense nonsense' >&0; exec sleep 60; }} ;;\nesac\n\
         exec '{real}' \"$@\"\n",
        nonsense.display()
    );
    let program = folder.join("recogniser");
    std::fs::write(&program, script).expect("the script is written");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("it can be run");
    // What befalls it here in a minute is more than in a year: the wait before the next one must not grow.
    format!("worker = \"{}\"\nrestart_max = \"400ms\"\n", program.display())
}

/// Sends a signal to every recogniser that there is at the moment. One that is gone already needs none.
fn signal(app: &App, name: &str) {
    for pid in children(app) {
        let _gone = Command::new("kill").args([name, &pid]).output();
    }
}

fn children(app: &App) -> Vec<String> {
    let found = Command::new("ps").args(["--ppid", &app.pid().to_string(), "-o", "pid="]).output();
    let found = found.expect("ps runs");
    String::from_utf8_lossy(&found.stdout).split_whitespace().map(str::to_owned).collect()
}

fn pause(ms: u64) {
    let until = Instant::now() + Duration::from_millis(ms);
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
}

/// How often recognisers ended for this reason.
fn ended(app: &App, why: &str) -> u64 {
    let (_, page) = app.page("/metrics");
    let line = |line: &&str| {
        line.starts_with("aftercall_speech_worker_restarts_total") && line.contains(&format!("why=\"{why}\""))
    };
    page.lines().find(line).and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}

fn wait_for_end(app: &App, why: &str, before: u64) {
    let start = Instant::now();
    while ended(app, why) <= before {
        assert!(start.elapsed() < PATIENCE, "no recogniser ended as {why}:\n{}", app.log());
        pause(50);
    }
}

/// Waits for the next recogniser, and lets callers speak to it: one that loads its model yet is another matter.
fn heard_for_a_while(app: &App) {
    app.wait_for_page("/readyz", "speech: en ready");
    pause(700);
}

/// All that can befall a recogniser, again and again until everyone has hung up.
fn torment(app: &App, over: &AtomicBool) {
    let nonsense = app.dir.path().join("nonsense");
    while !over.load(Ordering::SeqCst) {
        let before = ended(app, "died");
        signal(app, "-KILL");
        wait_for_end(app, "died", before);
        heard_for_a_while(app);

        let before = ended(app, "hung");
        signal(app, "-STOP");
        wait_for_end(app, "hung", before);
        heard_for_a_while(app);

        // A fifth of its speed: each pause is shorter than what counts as hung.
        for _ in 0..8 {
            signal(app, "-STOP");
            pause(200);
            signal(app, "-CONT");
            pause(50);
        }

        let before = ended(app, "garbage");
        std::fs::write(&nonsense, "").expect("a file");
        signal(app, "-KILL");
        wait_for_end(app, "garbage", before);
        std::fs::remove_file(&nonsense).expect("the file is gone");
        heard_for_a_while(app);
    }
}

#[test]
fn fifty_callers_reach_the_end_by_key_whatever_befalls_the_recogniser() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = listening().replace("models = ", &format!("{}models = ", fickle(dir.path())));
    std::fs::write(dir.path().join("aftercall.toml"), config).expect("the configuration is written");
    let app = App::in_dir(dir);
    app.wait_for_page("/readyz", "speech: en ready");
    assert_eq!(recognisers(&app).len(), 1);
    let maybe = || say("maybe.af_heart");
    let steps = [maybe(), press("2"), maybe(), press("1"), maybe(), press("9"), bye()];
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let tormentor = scope.spawn(|| torment(&app, &over));
        let callers: Vec<Caller> =
            (0..CALLERS).map(|number| speaker(&app, "service", &format!("c{number}"), &steps)).collect();
        let failed: Vec<String> = callers
            .into_iter()
            .filter_map(|caller| {
                let (name, end) = (caller.name().to_owned(), caller.end());
                let problem = String::from_utf8_lossy(&end.stderr).into_owned();
                (!end.status.success()).then(|| format!("{name}: {problem}\n{}", story(&app, &name)))
            })
            .collect();
        over.store(true, Ordering::SeqCst);
        tormentor.join().expect("the torment ends");
        assert!(failed.is_empty(), "{}", failed.join("\n"));
    });
    let rows = app.wait_for_calls("call_ref,answers,disposition", |rows| {
        rows.len() == CALLERS && rows.iter().all(|row| !row.ends_with(','))
    });
    for row in &rows {
        assert!(row.ends_with(",2 yes 9,complete"), "{row}\n{}", rows.join("\n"));
    }
    let (_, metrics) = app.page("/metrics");
    assert!(metrics.contains("aftercall_speech_deaf_total"), "nobody was deafened:\n{metrics}");
    app.wait_for_page("/readyz", "speech: en ready");
}
