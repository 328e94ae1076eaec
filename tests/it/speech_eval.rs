//! How well the built-in English model hears, over the whole path, and what it has to reach.
//!
//! People: `../shared/audio` beside the repository, and Allison of Debian's asterisk-core-sounds-en-wav. Our synthetic
//! callers count apart. The numbers of the rule were chosen on synthetic voices, two of them those of our callers, and
//! on Allison. Errors on `../shared/audio` were looked at: the noise under digital silence, and how soft and short a
//! sound may be to begin speech, were changed after that.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::harness::repository;

/// The counts of these lists; `None`, and a word about it, where something that they need is missing.
fn eval(lists: &[PathBuf], options: &[&str]) -> Option<Value> {
    let library = repository("var/speech/libvosk.so");
    for needed in lists.iter().chain([&library]) {
        if !needed.is_file() {
            eprintln!("skipped: there is no {}", needed.display());
            return None;
        }
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
    assert!(percent(digits, "right_after_confirm") >= 80.0, "{digits}");
    assert!(percent(digits, "wrong_share") <= 2.0, "{digits}");
    assert!(percent(row(&counts, "yes_no"), "right_after_confirm") >= 90.0, "{counts}");
    assert!(percent(total, "false_share") <= 5.5, "{total}");
    assert!(percent(total, "false_after_share") <= 1.3, "{total}");
    assert_eq!(total["unheard"], 0);
}

#[test]
fn a_recorded_speaker_is_heard() {
    if !Path::new("/usr/share/asterisk/sounds/en_US_f_Allison/digits/1.wav").is_file() {
        eprintln!("skipped: asterisk-core-sounds-en-wav is not installed");
        return;
    }
    let Some(counts) = eval(&lists(&repository("tests/speech"), &["allison.tsv"]), &[]) else { return };
    let digits = row(&counts, "scale_0_10");
    assert!(percent(digits, "right_after_confirm") >= 90.0, "{digits}");
    assert_eq!(digits["wrong"], 0, "{digits}");
    assert!(percent(&counts["total"], "false_after_share") <= 3.0, "{counts}");
}

#[test]
fn synthetic_callers_are_heard_with_either_law_and_with_loss() {
    let list = lists(&repository("tests/speech"), &["synthetic.tsv"]);
    for (options, least) in [(&["--law", "mu"][..], 93.0), (&["--law", "a"], 90.0), (&["--loss", "2"], 85.0)]
    {
        let Some(counts) = eval(&list, options) else { return };
        let total = &counts["total"];
        assert!(percent(total, "right_after_confirm") >= least, "{options:?}: {total}");
        assert_eq!((&total["wrong"], &total["false_accepts"]), (&Value::from(0), &Value::from(0)), "{total}");
    }
}
