//! Kept audio: heard again, and what was set aside when its recogniser failed.

use std::process::{Command, Output};

use crate::harness::site::Site;
use crate::harness::{App, config, story, surveys, tells};
use crate::voice::{bye, listening, press, recognisers, row, say, speaker, wait_for_streams};

fn both(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat()
}

/// A folder with a configuration whose surveys keep the audio of answers.
fn keeping() -> tempfile::TempDir {
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
    let settings = format!("{settings}\n[web]\nlisten = \"127.0.0.1:0\"\n");
    std::fs::write(dir.path().join("aftercall.toml"), settings).expect("the configuration is written");
    dir
}

#[test]
fn what_was_set_aside_when_its_recogniser_failed_is_played_to_quality() {
    let site = Site::of(App::in_dir(keeping()));
    let app = &site.app;
    app.wait_for_page("/readyz", "speech: en ready");
    let caller =
        speaker(app, "service", "aside", &[say("maybe.af_heart"), press("2"), press("1"), press("9"), bye()]);
    wait_for_streams(app);
    for pid in recognisers(app) {
        assert!(Command::new("kill").args(["-STOP", &pid]).status().expect("kill runs").success());
    }
    caller.well();
    assert_eq!(row(app, "aside"), "aside,2 yes 9,complete", "{}", story(app, "aside"));
    tells(&story(app, "aside"), &["voice could not be heard", "the keys remain, audio kept", "key 2"]);
    site.add("kim", &["quality"]);
    let kim = site.sign_in("kim");
    let call = format!("/calls/{}", app.calls("id").remove(0));
    let page = site.post(&call, &kim, "reason=complaint+12").text();
    let audio = page.split("<audio").nth(1).and_then(|rest| rest.split("src=\"").nth(1)?.split('"').next());
    let audio = audio.unwrap_or_else(|| panic!("no audio on {page}"));
    let wav = site.get(audio, &kim);
    assert_eq!((wav.status, wav.header("content-type")), (200, "audio/wav"), "{audio}");
    let mut wav = hound::WavReader::new(&*wav.body).expect("a WAV file");
    let loudest = wav.samples::<i16>().map(|sample| sample.expect("a sample").unsigned_abs()).max();
    assert!(loudest > Some(1000), "the caller is not on it: {loudest:?}");
}

#[test]
fn kept_audio_gets_a_new_reading_beside_the_old_one() {
    let app = App::in_dir(keeping());
    app.wait_for_page("/readyz", "speech: en ready");
    let (_, metrics) = app.page("/metrics");
    assert!(metrics.contains("aftercall_speech_language_keypad_only{language=\"en\"} 0"), "{metrics}");
    let spoken = [say("three.af_heart"), say("yes.af_heart"), say("nine.af_heart"), bye()];
    speaker(&app, "service", "spoken", &spoken).well();
    assert_eq!(row(&app, "spoken"), "spoken,3 yes 9,complete", "{}", story(&app, "spoken"));

    let same = app.ask(&["speech", "rescore"]);
    assert!(same.contains("3 readings, 0 of them different; 0 recordings are erased"), "{same}");
    let one = app.ask(&["speech", "rescore", "--question", "effort", "--model", "aftercall-en-compact-3"]);
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
            "heard again by aftercall-en-compact-3 with yes_no: no_match",
        ],
    );
}
