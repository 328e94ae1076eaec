//! What an operator does to the program, and what fate does: stop, kill, reload, a full disk, a backup.

use crate::caller::{Caller, at, call};
use crate::harness::{self, App, config, program};

/// Whether calls are taken: the status, and the first line of the page.
fn readiness(app: &App) -> (u16, String) {
    let (status, text) = app.page("/readyz");
    (status, text.lines().next().unwrap_or_default().to_owned())
}

/// A caller who listens to a question, thinks, answers, and waits for the next prompt before anything else.
fn thoughtful(app: &App, name: &str, think_ms: u32) -> Caller {
    let answer = |key: char| format!("quiet 900ms; pause {think_ms}ms; press {key}; audio 60s; ");
    let script: String = "425".chars().map(answer).collect::<String>() + "bye 60s";
    call(&at(app, "survey"), name, &script, &[])
}

#[test]
fn killed_in_the_middle_of_calls() {
    let app = App::start();
    let callers: Vec<_> =
        (0..6).map(|number| thoughtful(&app, &format!("c-{number}"), number * 500)).collect();
    app.wait_for_calls("answers", |rows| rows.len() == 6 && rows.iter().any(|row| row.contains(' ')));
    let dir = app.kill();
    let app = App::in_dir(dir);
    let rows = app.wait_for_calls("call_ref,answers,disposition", |rows| rows.len() == 6);
    for (number, caller) in callers.into_iter().enumerate() {
        let report = caller.well();
        assert!(report.contains("ended by     the far end"), "no BYE came after the restart:\n{report}");
        let name = format!("c-{number}");
        let row: Vec<&str> =
            rows.iter().find(|row| row.starts_with(&name)).expect("a row").split(',').collect();
        let kept: String = row[1].split_whitespace().collect();
        // Who goes on pressing has heard a prompt after each key but the last.
        let pressed = report.lines().find_map(|line| line.strip_prefix("keys")).unwrap_or_default().trim();
        assert!(pressed.starts_with(&kept), "{row:?} but the keys were {pressed}");
        assert!(kept.len() + 1 >= pressed.len(), "{row:?}, yet {pressed} was pressed: an answer is lost");
        let disposition = match kept.len() {
            0 => "failed",
            3 => "complete",
            _ => "partial",
        };
        assert!(row[2] == disposition, "{row:?}");
    }
    assert!(app.log().contains("that an earlier run left open"), "{}", app.log());
}

/// The status that a call gets which neither side keeps up.
fn status(app: &App, user: &str, name: &str) -> String {
    let output = call(&at(app, user), name, "bye 20s", &[]).end();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.split_whitespace().nth(1).unwrap_or_default().to_owned()
}

#[test]
fn a_restart_keeps_the_count_of_every_fourth() {
    let text =
        config().replace("rule = \"all\"\nsurvey = \"short\"", "rule = { every = 4 }\nsurvey = \"sig\"");
    let mut app = App::with(&text);
    let mut taken = Vec::new();
    for number in 0..12 {
        match number {
            3 => app = App::in_dir(app.kill()),
            6 => {
                app.signal("TERM");
                let (code, dir) = app.wait();
                assert_eq!(code, Some(0));
                app = App::in_dir(dir);
            }
            _ => {}
        }
        match status(&app, "anyone", &format!("c-{number}")).as_str() {
            "200" => taken.push(number),
            other => assert_eq!(other, "603"),
        }
    }
    assert!(taken.len() == 3 && taken.iter().all(|n| n % 4 == taken[0]), "surveyed were {taken:?}");
    let rows = app.wait_for_calls("reason,disposition", |rows| {
        rows.iter().filter(|row| !row.ends_with(',')).count() == 12
    });
    assert_eq!(rows.iter().filter(|row| row.ends_with(",not_selected")).count(), 9, "{rows:?}");
}

#[test]
fn reload_takes_a_good_configuration_and_refuses_a_bad_one() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let surveys = dir.path().join("surveys");
    std::fs::create_dir(&surveys).expect("a folder");
    for file in std::fs::read_dir(harness::surveys()).expect("surveys") {
        let file = file.expect("a survey");
        std::fs::copy(file.path(), surveys.join(file.file_name())).expect("a copy");
    }
    let text = config().replace(&harness::surveys().display().to_string(), &surveys.display().to_string());
    let app = App::with(&text);
    let file = app.dir.path().join("aftercall.toml");
    let brief = std::fs::read_to_string(surveys.join("short.toml"))
        .map(|text| text.replace("version = 1", "version = 7"))
        .expect("a survey");

    let running = call(&at(&app, "short"), "running", "audio; press #; quiet 2s; press 4; bye", &[]);
    app.wait_for_calls("call_ref", |rows| rows.len() == 1);
    std::fs::write(surveys.join("short.toml"), &brief).expect("the survey is changed");
    std::fs::write(surveys.join("brief.toml"), &brief).expect("a new survey");
    std::fs::write(&file, text.replace("short = \"short\"", "short = \"short\", brief = \"brief\""))
        .expect("the configuration is changed");
    app.signal("HUP");
    app.wait_for_log("Took the new configuration");
    let script = "audio; press #; quiet 2s; press 5; bye";
    call(&at(&app, "brief"), "new", script, &[]).well();
    running.well();

    std::fs::write(&file, text.replace("rule = \"all\"", "rule = \"most\"")).expect("a broken configuration");
    app.signal("HUP");
    app.wait_for_log("is refused, the old one stays");
    let line = text.lines().position(|line| line.starts_with("rule")).expect("a rule") + 1;
    assert!(app.log().contains(&format!("aftercall.toml:{line}: ")), "{}", app.log());

    std::fs::write(&file, &text).expect("a good configuration again");
    std::fs::write(surveys.join("brief.toml"), brief.replace("q_csat", "q_nowhere"))
        .expect("a broken survey");
    app.signal("HUP");
    app.wait_for_log("q_nowhere");
    assert_eq!(app.page("/readyz").0, 200);
    call(&at(&app, "brief"), "still", script, &[]).well();
    let rows = app.wait_for_calls("call_ref,survey,version,answers,disposition", |rows| {
        rows.len() == 3 && rows.iter().all(|row| !row.ends_with(','))
    });
    assert_eq!(rows, ["running,short,1,4,complete", "new,brief,7,5,complete", "still,brief,7,5,complete"]);
}

#[test]
fn terminate_lets_running_surveys_finish() {
    let app = App::with(&config().replace("drain_max = \"20s\"", "drain_max = \"100s\""));
    let running = call(&at(&app, "short"), "running", "audio; press #; quiet 2s; press 4; bye", &[]);
    app.wait_for_calls("call_ref", |rows| rows.len() == 1);
    app.signal("TERM");
    app.wait_for_log("Draining: 1 calls");
    call(&at(&app, "short"), "late", "", &["--expect-status", "503"]).well();
    assert_eq!(readiness(&app), (503, "not ready: draining".into()));
    assert_eq!(app.page("/healthz").0, 200);
    running.well();
    let (code, dir) = app.wait();
    assert_eq!(code, Some(0));
    let app = App::in_dir(dir);
    assert_eq!(app.calls("call_ref,answers,disposition"), ["running,4,complete"]);
}

#[test]
fn a_second_terminate_ends_calls_politely() {
    let app = App::start();
    let script = "audio; press #; quiet 2s; press 2; pause 1s; bye 60s";
    let running = call(&at(&app, "service"), "running", script, &[]);
    app.wait_for_calls("answers", |rows| rows == ["2"]);
    app.signal("TERM");
    app.wait_for_log("Draining: 1 calls");
    app.signal("TERM");
    assert!(running.well().contains("ended by     the far end"));
    let (code, dir) = app.wait();
    assert_eq!(code, Some(0));
    let app = App::in_dir(dir);
    assert_eq!(app.calls("answers,left_at,failure,disposition"), ["2,resolved,shutdown,partial"]);
}

#[test]
fn a_full_disk_refuses_calls() {
    let app = App::with(&(config() + "\n[store]\nfree_min_mib = 1000000000\n"));
    app.wait_for_log("calls are refused until there is room");
    call(&at(&app, "short"), "refused", "", &["--expect-status", "503"]).well();
    assert_eq!(readiness(&app), (503, "not ready: storage".into()));
    assert_eq!(app.page("/healthz"), (200, "alive\n".into()));
    let metrics = app.page("/metrics").1;
    assert!(metrics.contains("aftercall_store_good 0"), "{metrics}");
}

#[test]
fn a_database_at_its_limit_loses_no_answer() {
    let app = App::with(&(config() + "\n[store]\nsize_max_mib = 1\n"));
    let target = format!("sip:sig@{}", app.udp);
    let placed = program()
        .args(["simulate", &target, "--calls", "2000", "--rate", "200", "--mix", "silent=1"])
        .output()
        .expect("the program runs");
    let placed = String::from_utf8_lossy(&placed.stdout).into_owned();
    app.wait_for_log("calls are refused until there is room");
    assert_eq!(readiness(&app), (503, "not ready: storage".into()));
    call(&at(&app, "short"), "refused", "", &["--expect-status", "503"]).well();
    let number = |name: &str| -> usize {
        let line = placed.lines().find(|line| line.trim_start().starts_with(name));
        line.and_then(|line| line.split_whitespace().last()?.parse().ok()).unwrap_or_default()
    };
    let answered = number("answered (200)");
    let rows = app.calls("disposition");
    assert!(answered > 0 && rows.len() >= answered, "{} rows of {answered} calls\n{placed}", rows.len());
}

#[test]
fn a_call_that_is_not_selected_is_declined() {
    let none = config().replace("rule = \"all\"", "rule = \"none\"");
    let app = App::with(&none);
    call(&at(&app, "short"), "declined", "", &["--expect-status", "603"]).well();
    let triggered = ["--header", "X-Survey-Trigger: agent"];
    call(&at(&app, "sig"), "triggered", "bye", &triggered).well();
    let rows = app.wait_for_calls("call_ref,origin,disposition", |rows| {
        rows.len() == 2 && rows.iter().all(|row| !row.ends_with(','))
    });
    assert_eq!(rows, ["declined,sampled,not_selected", "triggered,agent,complete"]);

    let app = App::with(&none.replace("rule = \"none\"", "rule = \"none\"\ndecline = \"goodbye\""));
    let report = call(&at(&app, "short"), "goodbye", "audio; bye", &[]).well();
    assert!(report.contains("ended by     the far end"), "{report}");
    assert!(!report.contains("first sound  -"), "no goodbye was heard: {report}");
    app.wait_for_calls("call_ref,disposition", |rows| rows == ["goodbye,not_selected"]);
}

#[test]
fn health_pages() {
    let app = App::start();
    assert_eq!(app.page("/healthz"), (200, "alive\n".into()));
    assert_eq!(readiness(&app), (200, "ready".into()));
    assert_eq!(app.page("/elsewhere").0, 404);
    call(&at(&app, "sig"), "one", "bye", &[]).well();
    app.wait_for_calls("disposition", |rows| rows == ["complete"]);
    let metrics = app.page("/metrics").1;
    assert!(metrics.contains("aftercall_calls_total{disposition=\"complete\"} 1"), "{metrics}");
    assert!(metrics.contains("aftercall_store_good 1"), "{metrics}");
}

#[test]
fn a_call_without_a_port_is_refused_and_counted() {
    let config = config().replace("port_min = 20000\nport_max = 29999", "port_min = 19990\nport_max = 19991");
    let app = App::with(&config);
    let first = thoughtful(&app, "first", 1500);
    app.wait_for_page("/metrics", "aftercall_calls_active 1");
    call(&at(&app, "short"), "second", "", &["--expect-status", "503"]).well();
    app.wait_for_page("/metrics", "aftercall_sip_refused_total{code=\"503\",trunk=\"pbx\"} 1");
    first.well();
    app.wait_for_calls("call_ref,disposition", |rows| rows == ["first,complete", "second,failed"]);
    let metrics = app.page("/metrics").1;
    assert_eq!(metrics.matches("aftercall_sip_refused_total{").count(), 1, "{metrics}");
}

/// Name, and what the kernel calls priority (39 and less come first), of each thread of the program.
fn threads(app: &App) -> Vec<(String, i32)> {
    let folder = format!("/proc/{}/task", app.pid());
    let stat = |thread: std::io::Result<std::fs::DirEntry>| -> Option<(String, i32)> {
        let text = std::fs::read_to_string(thread.ok()?.path().join("stat")).ok()?;
        let (name, rest) = text.split_once('(')?.1.rsplit_once(") ")?;
        // Field 18 of proc_pid_stat(5); the state after the name is field 3.
        Some((name.to_owned(), rest.split(' ').nth(15)?.parse().ok()?))
    };
    std::fs::read_dir(folder).expect("the threads").filter_map(stat).collect()
}

#[test]
fn what_no_caller_waits_for_comes_last_on_the_cores() {
    let app = App::with(&(config() + "\n[web]\nlisten = \"127.0.0.1:0\"\n"));
    let threads = threads(&app);
    let of = |name: &str| -> Vec<i32> {
        let named = threads.iter().filter(|(thread, _)| thread.starts_with(name));
        named.map(|(_, priority)| *priority).collect()
    };
    let calls = *of("tokio").first().expect("threads of calls");
    assert!(of("background").len() >= 2, "{threads:?}");
    assert!(of("background").iter().all(|priority| *priority > calls), "{threads:?}");
    // One connection writes for calls; the rest read for people.
    let writers = of("sqlx-sqlite").into_iter().filter(|priority| *priority <= calls).count();
    assert_eq!((writers, of("sqlx-sqlite").len() > 1), (1, true), "{threads:?}");
    assert!(of("media").iter().all(|priority| *priority <= calls), "{threads:?}");
}

#[test]
fn backup_and_rebuild_tell_the_same() {
    let app = App::start();
    let script = "audio; press #; quiet 2s; press 4; bye";
    let callers: Vec<_> = (0..6)
        .map(|number| {
            let agent = format!("X-Agent-Id: agent-{}", number % 2);
            call(&at(&app, "short"), &format!("c-{number}"), script, &["--header", &agent])
        })
        .collect();
    callers.into_iter().for_each(|caller| drop(caller.well()));
    app.wait_for_calls("disposition", |rows| rows == ["complete"; 6]);
    let figures = |app: &App| -> Vec<String> {
        ["agent", "queue", "survey", "day"]
            .map(|by| app.ask(&["report", "--json", "--by", by]))
            .into_iter()
            .chain([app.ask(&["calls", "--csv", "--columns", "all"])])
            .collect()
    };
    let running = figures(&app);
    assert!(running[0].contains("agent-1"), "{}", running[0]);
    app.ask(&["backup", "copy.db"]);
    assert!(!app.run(&["backup", "copy.db"]).status.success(), "a backup wrote over another");
    let busy = app.run(&["rebuild"]);
    assert_eq!(busy.status.code(), Some(3), "a rebuild of a database in use");

    // The copy in the place of the original, which the program is asked about after it has stopped.
    app.signal("TERM");
    let (code, dir) = app.wait();
    assert_eq!(code, Some(0));
    let ask = |data: &str, args: &[&str]| {
        let output = program()
            .args(["--config", "aftercall.toml", "--data", data])
            .args(args)
            .current_dir(dir.path())
            .output()
            .expect("the program runs");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let again = |data: &str| -> Vec<String> {
        ["agent", "queue", "survey", "day"]
            .map(|by| ask(data, &["report", "--json", "--by", by]))
            .into_iter()
            .chain([ask(data, &["calls", "--csv", "--columns", "all"])])
            .collect()
    };
    std::fs::create_dir(dir.path().join("copy")).expect("a folder");
    std::fs::rename(dir.path().join("copy.db"), dir.path().join("copy/aftercall.db")).expect("moved");
    assert_eq!(again("copy"), running, "the backup");
    for data in ["data", "copy"] {
        assert!(ask(data, &["rebuild"]).starts_with("Made calls, answers and roll-ups anew"));
        assert_eq!(again(data), running, "{data} rebuilt");
    }
}

#[test]
fn check_config_says_what_is_wrong_and_where() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("a.toml");
    let check = |text: &str| {
        std::fs::write(&file, text).expect("the configuration is written");
        let output = program().args(["--config", "a.toml", "check-config"]).current_dir(dir.path()).output();
        let output = output.expect("the program runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), said + &String::from_utf8_lossy(&output.stderr))
    };
    let good = harness::config_as_shipped();
    let line = |start: &str| good.lines().position(|line| line.starts_with(start)).expect("a line") + 1;
    let (code, said) = check(&good);
    assert!(code == Some(0) && said.contains("a.toml: good. 2 listeners, 1 trunks"), "{said}");
    for (right, wrong, at, what) in [
        ("t1 = \"100ms\"", "t1 = \"3s\"", line("t1"), "t1: must lie between 50 ms and 2 s"),
        ("source_rate = 0", "source_rat = 0", line("source_rate"), "source_rat"),
        ("rule = \"all\"", "rule = 3", line("rule"), ""),
        ("sig = \"sig\"", "sig = \"none\"", line("surveys = {"), "surveys: there is no survey none"),
        ("survey = \"short\"", "survey = \"long\"", line("survey = "), "survey: there is no survey long"),
        ("127.0.0.1:0\"\n\n[sip]", "0.0.0.0:80\"\n\n[sip]", line("listen"), "is no loopback address"),
    ] {
        let broken = good.replace(right, wrong);
        assert_ne!(broken, good, "{right}");
        let (code, said) = check(&broken);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(&format!("a.toml:{at}: ")) && said.contains(what), "{wrong}: {said}");
    }
    let missing = program().args(["--config", "none.toml", "check-config"]).current_dir(dir.path()).output();
    assert_eq!(missing.expect("the program runs").status.code(), Some(1));
}

/// Permissions of everything in a folder that is open to others.
fn open_to_others(folder: &std::path::Path) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o077;
    let mut found = Vec::new();
    if mode(folder) != 0 {
        found.push(folder.display().to_string());
    }
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        if entry.path().is_dir() {
            found.extend(open_to_others(&entry.path()));
        } else if mode(&entry.path()) != 0 {
            found.push(entry.path().display().to_string());
        }
    }
    found
}

#[test]
fn data_are_their_owners_alone_and_the_log_of_looks_is_under_the_secret() {
    use std::os::unix::fs::PermissionsExt as _;
    let app = App::with(&format!("{}\n[web]\nlisten = \"127.0.0.1:0\"\n", config()));
    let data = app.dir.path().join("data");
    app.wait_for_log("The dashboard is on ");
    assert!(
        !app.log().contains("counts otherwise"),
        "an empty folder needs nothing made anew: {}",
        app.log()
    );
    assert_eq!(open_to_others(&data), [""; 0]);
    let wide = |args: &[&str]| {
        let program = env!("CARGO_BIN_EXE_aftercall");
        let base =
            ["-c", "umask 000; exec \"$0\" \"$@\"", program, "--config", "aftercall.toml", "--data", "data"];
        let mut command = std::process::Command::new("sh");
        let done = command.args(base).args(args).current_dir(app.dir.path()).output().expect("it runs");
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    wide(&["token", "add", "bi", "--scopes", "reports:read"]);
    wide(&["backup", "data/copy.db"]);
    assert!(!app.run(&["backup", "data/copy.db"]).status.success(), "nothing is overwritten");
    wide(&["calls"]);
    assert_eq!(open_to_others(&data), [""; 0]);

    let verified = app.ask(&["audit", "verify"]);
    let head = verified.lines().last().expect("the head").to_owned();
    assert_eq!(head.len(), 64, "{verified}");
    let metric = format!("aftercall_audit_head_info{{line=\"1\",hash=\"{head}\"}} 1");
    app.wait_for_page("/metrics", &metric);
    let dir = app.kill();
    for (name, mode) in [("", 0o755), ("aftercall.db", 0o644), ("access.db", 0o666), ("recordings", 0o755)] {
        let path = dir.path().join("data").join(name);
        if path.exists() {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is opened");
        }
    }
    let app = App::in_dir(dir);
    app.wait_for_log("The dashboard is on ");
    assert_eq!(open_to_others(&data), [""; 0], "what was open is closed at the start");
    app.wait_for_log(&format!("The audit log ends at line 1 with the hash {head}"));
}
