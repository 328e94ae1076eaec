//! Kept audio, heard again.

use std::process::Output;

use crate::harness::{App, config, story, surveys, tells};
use crate::voice::{bye, listening, row, say, speaker};

fn both(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat()
}

#[test]
fn kept_audio_gets_a_new_reading_beside_the_old_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let own = dir.path().join("surveys");
    std::fs::create_dir_all(&own).expect("a folder");
    for file in std::fs::read_dir(surveys()).expect("surveys").map(|file| file.expect("a survey").path()) {
        let text = std::fs::read_to_string(&file).expect("a survey");
        let keeps = text.replace("# keep_audio = false", "keep_audio = true");
        std::fs::write(own.join(file.file_name().expect("a name")), keeps).expect("a survey");
    }
    let settings = listening().replace(&surveys().display().to_string(), &own.display().to_string());
    assert_ne!(settings, config());
    std::fs::write(dir.path().join("aftercall.toml"), settings).expect("the configuration is written");
    let app = App::in_dir(dir);
    app.wait_for_page("/readyz", "speech: en ready");
    let (_, metrics) = app.page("/metrics");
    assert!(metrics.contains("aftercall_speech_language_keypad_only{language=\"en\"} 0"), "{metrics}");
    let spoken = [say("three.af_heart"), say("yes.af_heart"), say("nine.af_heart"), bye()];
    speaker(&app, "service", "spoken", &spoken).well();
    assert_eq!(row(&app, "spoken"), "spoken,3 yes 9,complete", "{}", story(&app, "spoken"));

    let same = app.ask(&["speech", "rescore"]);
    assert!(same.contains("3 readings, 0 of them different; 0 recordings are erased"), "{same}");
    let one = app.ask(&["speech", "rescore", "--question", "effort", "--model", "aftercall-en-compact-1"]);
    assert!(one.contains("1 readings, 0 of them different"), "{one}");
    let other = ["speech", "rescore", "--question", "effort", "--grammar", "yes_no"];
    let shown = app.ask(&other);
    assert!(shown.contains("accept 3") && shown.contains("no_match"), "{shown}");
    assert!(shown.contains("1 readings, 1 of them different"), "{shown}");
    let changed = shown.lines().find(|line| line.contains(" effort: accept 3 -> ")).expect("the call");
    let call = changed.split(' ').next().expect("its id");
    assert!(app.ask(&["calls", call]).contains("effort = 3 by voice"), "{changed}");
    let unknown = app.run(&["speech", "rescore", "--grammar", "nonsense"]);
    assert!(both(&unknown).contains("there is no grammar nonsense"), "{}", both(&unknown));
    let early = app.run(&["speech", "rescore", "--write"]);
    assert!(!early.status.success() && early.stdout.is_empty(), "refused before: {}", both(&early));
    let none = app.run(&["speech", "rescore", "--model", "nothing"]);
    assert_eq!(none.status.code(), Some(3), "{}", both(&none));
    assert!(both(&none).contains("there is no model nothing"), "{}", both(&none));

    let before = story(&app, "spoken");
    app.signal("TERM");
    let (_, dir) = app.wait();
    let config = ["--config", "aftercall.toml", "--data", "data"];
    let write =
        crate::harness::program().args(config).args(other).arg("--write").current_dir(dir.path()).output();
    let write = write.expect("it runs");
    assert!(write.status.success() && both(&write).contains("1 readings written"), "{}", both(&write));

    let app = App::in_dir(dir);
    assert_eq!(row(&app, "spoken"), "spoken,3 yes 9,complete", "the answers stay as they were taken");
    let after = story(&app, "spoken");
    assert!(after.len() > before.len(), "{after}");
    tells(
        &after,
        &[
            "heard \"three\" at effort: accept",
            "effort = 3 by voice",
            "heard again by aftercall-en-compact-1 with yes_no: no_match",
        ],
    );
}
