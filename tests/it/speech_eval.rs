//! How well the built-in English model hears, over the whole path, and what it has to reach.
//!
//! People: `../shared/audio` beside the repository, and who speaks in Debian's packages: asterisk-core-sounds, and
//! pocketsphinx-testdata, klettres-data and ktuberling-data for what is no answer. Our synthetic callers count apart. The
//! network learnt from recordings of people, none of whom is heard here. The numbers of the rule were chosen on synthetic
//! voices, two of them those of our callers, and on Allison. Errors on `../shared/audio` were looked at: the noise under
//! digital silence, and how soft and short a sound may be to begin speech, were changed after that.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{PATIENCE, library, repository, skipped};

/// Whether everything that is needed to hear these lists is there; a word about it where it is not.
fn can_hear(lists: &[PathBuf]) -> bool {
    if let Some(missing) = lists.iter().find(|list| !list.is_file()) {
        skipped(&format!("there is no {}", missing.display()));
        return false;
    }
    library().is_some()
}

/// The counts of these lists; `None` where something that they need is missing.
fn eval(lists: &[PathBuf], options: &[&str]) -> Option<Value> {
    if !can_hear(lists) {
        return None;
    }
    let data = tempfile::tempdir().expect("a folder");
    // Behind the tests that run beside it: they count milliseconds, this one counts words.
    let output = Command::new("nice")
        .args(["-n", "10", env!("CARGO_BIN_EXE_aftercall")])
        .current_dir(repository("."))
        .args(["speech", "eval", "--json", "--jobs", "8", "--pace", "4", "--data"])
        .arg(data.path())
        .args(options)
        .args(lists)
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

fn percent(row: &Value, share: &str) -> f64 {
    row[share]["percent"].as_f64().unwrap_or_else(|| panic!("{share} in {row}"))
}

fn row<'a>(counts: &'a Value, grammar: &str) -> &'a Value {
    let rows = counts["grammars"].as_array().expect("rows");
    rows.iter().find(|row| row["grammar"] == grammar).unwrap_or_else(|| panic!("{grammar} in {counts}"))
}

fn lists(folder: &Path, names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(|name| folder.join(name)).collect()
}

#[test]
fn people_are_heard_and_others_are_not_taken_for_an_answer() {
    let folder = repository("../shared/audio");
    let Some(counts) = eval(&lists(&folder, &["digits.tsv", "yes-no.tsv", "non-answers.tsv"]), &[]) else {
        return;
    };
    let (digits, total) = (row(&counts, "scale_0_10"), &counts["total"]);
    assert!(percent(digits, "right_after_confirm") >= 86.0, "{digits}");
    assert!(percent(digits, "right_share") >= 60.0, "taken without asking: {digits}");
    assert!(percent(digits, "wrong_share") <= 2.0, "{digits}");
    assert!(percent(row(&counts, "yes_no"), "right_after_confirm") >= 90.0, "{counts}");
    assert!(percent(total, "false_share") <= 4.0, "{total}");
    assert!(percent(total, "false_after_share") <= 1.0, "{total}");
    assert_eq!(total["unheard"], 0);
}

#[test]
fn a_recorded_speaker_is_heard() {
    if !Path::new("/usr/share/asterisk/sounds/en_US_f_Allison/digits/1.wav").is_file() {
        skipped("asterisk-core-sounds-en-wav is not installed");
        return;
    }
    let Some(counts) = eval(&lists(&repository("tests/speech"), &["allison.tsv"]), &[]) else { return };
    let digits = row(&counts, "scale_0_10");
    assert!(percent(digits, "right_after_confirm") >= 90.0, "{digits}");
    assert_eq!(digits["wrong"], 0, "{digits}");
    assert!(percent(&counts["total"], "false_after_share") <= 3.0, "{counts}");
}

/// A list of recordings that are no answers, made 16 kHz WAV files in this folder: its file.
fn no_answers(folder: &Path, recordings: impl Iterator<Item = PathBuf>) -> PathBuf {
    let mut rows = String::new();
    for (number, recording) in recordings.enumerate() {
        let wav = folder.join(format!("{number}.wav"));
        let sox = Command::new("sox")
            .arg("-V1")
            .arg(&recording)
            .args(["-r", "16000", "-c", "1", "-b", "16"])
            .arg(&wav)
            .status();
        assert!(sox.expect("sox runs").success(), "{}", recording.display());
        for grammar in ["scale_0_10", "yes_no"] {
            rows += &format!("{}\t{grammar}\t-\n", wav.display());
        }
    }
    let list = folder.join("no-answers.tsv");
    std::fs::write(&list, rows).expect("a list");
    list
}

#[test]
fn readers_and_names_of_things_and_letters_are_no_answers() {
    let dir = tempfile::tempdir().expect("a folder");
    // Things by two speakers, letters and syllables by others, and the digit string of TIDIGITS that Debian has.
    let folders =
        ["ktuberling/sounds/en", "ktuberling/sounds/de", "klettres/en_GB/alpha", "klettres/de/syllab"];
    let folders = folders.map(|folder| Path::new("/usr/share").join(folder));
    let sentences = PathBuf::from("/usr/share/pocketsphinx/test/data");
    if let Some(missing) = folders.iter().chain([&sentences]).find(|folder| !folder.is_dir()) {
        return skipped(&format!("there is no {}", missing.display()));
    }
    let mut recordings: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).expect("a folder"))
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "ogg"))
        // "Ja" is German for yes, and is heard as such by English ears too.
        .filter(|path| path.file_stem().is_some_and(|name| name != "ja"))
        .collect();
    recordings.sort();
    let things = no_answers(dir.path(), recordings.into_iter());
    let Some(counts) = eval(&[things, repository("tests/speech/readers.tsv")], &[]) else { return };
    let total = &counts["total"];
    assert!(total["n"].as_u64() > Some(300), "{total}");
    // Half of it is letters and single syllables, which sound more like a number than what callers say instead.
    assert!(percent(total, "false_share") <= 12.0, "{total}");
    assert!(percent(total, "false_after_share") <= 4.0, "{total}");
    assert_eq!(total["unheard"], 0);
}

/// Where a model of the language has been fetched, its recordings are heard; elsewhere it is said that there is none.
#[test]
fn recorded_speakers_of_other_languages_are_heard_where_there_is_a_model() {
    if library().is_none() {
        return;
    }
    for language in ["es", "fr", "nl"] {
        let output = Command::new(env!("CARGO_BIN_EXE_aftercall"))
            .current_dir(repository("."))
            .args([
                "--config",
                "config/aftercall.toml",
                "speech",
                "eval",
                "--json",
                "--pace",
                "4",
                "--language",
                language,
            ])
            .arg(repository("tests/speech").join(language).with_extension("tsv"))
            .output()
            .expect("the program runs");
        if output.status.code() == Some(1) {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(said.contains(&format!("aftercall speech fetch {language}")), "{said}");
            skipped(&format!("there is no model of {language}"));
            continue;
        }
        let counts: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        if language != "nl" {
            let digits = row(&counts, "scale_0_10");
            assert!(percent(digits, "right_after_confirm") >= 90.0, "{digits}");
            assert_eq!(digits["wrong"], 0, "{digits}");
        }
        assert!(percent(&counts["total"], "false_after_share") <= 3.0, "{counts}");
    }
}

#[test]
fn synthetic_callers_are_heard_with_either_law_and_with_loss() {
    let list = lists(&repository("tests/speech"), &["synthetic.tsv"]);
    for (options, least) in [(&["--law", "mu"][..], 84.0), (&["--law", "a"], 81.0), (&["--loss", "2"], 75.0)]
    {
        let Some(counts) = eval(&list, options) else { return };
        let total = &counts["total"];
        assert!(percent(total, "right_after_confirm") >= least, "{options:?}: {total}");
        // A "two" that comes out as "zero".
        assert!(total["wrong"].as_u64() <= Some(1) && total["false_accepts"] == 0, "{total}");
    }
}

/// Evaluates while the recogniser stands still for longer than a live call would wait; the exit code and the counts.
fn eval_interrupted(list: &Path, options: &[&str]) -> (Option<i32>, Value) {
    let data = tempfile::tempdir().expect("a folder");
    let child = Command::new(env!("CARGO_BIN_EXE_aftercall"))
        .current_dir(repository("."))
        .args(["speech", "eval", "--json", "--jobs", "1", "--data"])
        .arg(data.path())
        .args(options)
        .arg(list)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let signal = |name: &str, pid: &str| {
        // Between two of its recognisers there is none for a moment.
        let _gone = Command::new("kill").args([name, pid]).stderr(Stdio::null()).status();
    };
    let begun = Instant::now();
    let mut stopped = None;
    // The model is tried in a process of its own first: only the one that stays is stopped, and only once.
    while stopped.is_none() && begun.elapsed() < PATIENCE {
        std::thread::park_timeout(Duration::from_millis(20));
        let children =
            Command::new("ps").args(["--ppid", &child.id().to_string(), "-o", "pid=,etimes="]).output();
        let children = String::from_utf8(children.expect("ps runs").stdout).expect("numbers");
        let settled = |line: &str| {
            let (pid, seconds) = line.trim().split_once(' ')?;
            (seconds.trim().parse::<u32>().ok()? >= 2).then(|| pid.to_owned())
        };
        stopped = children.lines().find_map(settled);
    }
    let pid = stopped.expect("a recogniser");
    signal("-STOP", &pid);
    std::thread::park_timeout(Duration::from_secs(4));
    signal("-CONT", &pid);
    let output = child.wait_with_output().expect("it ends");
    (output.status.code(), serde_json::from_slice(&output.stdout).expect("JSON"))
}

#[test]
fn a_measurement_waits_for_a_busy_machine_and_a_live_call_does_not() {
    let data = tempfile::tempdir().expect("a folder");
    let list = data.path().join("nine.tsv");
    let wav = repository("tests/voices/en/nine.af_heart.wav");
    std::fs::write(&list, format!("{}\tscale_0_10\t9\n", wav.display()).repeat(20)).expect("a list");
    if !can_hear(std::slice::from_ref(&list)) {
        return;
    }
    let (code, counts) = eval_interrupted(&list, &[]);
    let total = &counts["total"];
    assert_eq!(
        (code, &total["unheard"], &total["answers"]),
        (Some(0), &Value::from(0), &Value::from(20)),
        "{total}"
    );
    let (code, counts) = eval_interrupted(&list, &["--live"]);
    assert_eq!(code, Some(1));
    assert!(counts["total"]["unheard"].as_u64() >= Some(1), "{counts}");
}

#[test]
fn an_answer_that_the_grammar_cannot_give_is_refused_with_its_line() {
    if library().is_none() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let list = dir.path().join("list.tsv");
    for (line, said) in [
        ("a.wav\tscale_0_10\tfour", "list.tsv:2: the grammar scale_0_10 has no answer \"four\""),
        ("missing.wav\tscale_0_10\t4", "list.tsv:2"),
    ] {
        std::fs::write(&list, format!("# comment\n{line}\n")).expect("the list");
        let mut eval = Command::new(env!("CARGO_BIN_EXE_aftercall"));
        let eval = eval.current_dir(repository(".")).args(["speech", "eval", "--data"]).arg(dir.path());
        let output = eval.arg(&list).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(said), "{text}");
    }
}

#[test]
fn recordings_are_heard_from_any_folder_without_a_configuration() {
    let wav = repository("tests/voices/en/nine.bm_george.wav");
    if library().is_none() || Path::new("/etc/aftercall/config/aftercall.toml").is_file() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let list = dir.path().join("list.tsv");
    std::fs::write(&list, format!("{}\tscale_0_10\t9\n", wav.display())).expect("the list");
    let run = |program: &Path, args: &[&str]| {
        let output = Command::new(program).current_dir(dir.path()).arg("speech").args(args).output();
        let output = output.expect("it runs");
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        (output.status.code(), text.concat())
    };
    let program = Path::new(env!("CARGO_BIN_EXE_aftercall"));
    let (code, text) = run(program, &["eval", "--json", "list.tsv"]);
    assert!(code == Some(0) && text.contains("config/aftercall.toml is used"), "{text}");
    let wav = wav.display().to_string();
    let (code, text) = run(program, &["test", "--grammar", "scale_0_10", &wav]);
    assert!(code == Some(0) && text.contains("nine"), "{text}");
    // A copy of the program somewhere else has none above it.
    let alone = dir.path().join("aftercall");
    std::fs::copy(program, &alone).expect("a copy");
    let (code, text) = run(&alone, &["eval", "list.tsv"]);
    assert!(code == Some(3) && text.contains("name one by --config FILE"), "{text}");
    let (code, text) = run(program, &["--config", "nowhere.toml", "eval", "list.tsv"]);
    assert!(code == Some(3) && text.contains("nowhere.toml"), "{text}");
}
