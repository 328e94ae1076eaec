//! `aftercall speech fetch` as an operator without internet uses it; downloads are tested beside their code.

use std::io::Write;
use std::path::Path;

use sha2::{Digest, Sha256};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::harness::{library, program, repository};

fn archive(file: &Path) -> String {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for name in ["small/am/final.mdl", "small/graph/Gr.fst"] {
        zip.start_file(name, SimpleFileOptions::default()).expect("a file");
        zip.write_all(b"model").expect("its bytes");
    }
    let bytes = zip.finish().expect("an archive").into_inner();
    std::fs::write(file, &bytes).expect("it is written");
    Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Exit code and everything printed.
fn fetch(data: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = program()
        .arg("--config")
        .arg(repository("config/aftercall.toml"))
        .arg("--data")
        .arg(data)
        .current_dir(data.parent().expect("a folder")) // Where there is no library.
        .args(["speech", "fetch"])
        .args(args)
        .output()
        .expect("it runs");
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).expect("text")).concat();
    (output.status.code(), text)
}

#[test]
fn a_model_brought_by_hand_is_taken_when_it_is_the_right_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let data = dir.path().join("data");
    let file = dir.path().join("model.zip");
    let sum = archive(&file);
    let from = file.to_str().expect("a name");

    let (code, text) = fetch(&data, &["nl", "--from", from]);
    assert!(code == Some(3) && text.contains("instead of 40441176"), "{text}");
    assert!(!text.contains("thrown away") && file.is_file(), "what was brought stays: {text}");
    let wrong = "0".repeat(64);
    let (code, text) = fetch(&data, &["nl", "--from", from, "--sha256", &wrong]);
    assert!(code == Some(3) && text.contains(&sum), "{text}");
    let (code, text) = fetch(&data, &["pt", "--from", from]);
    assert!(code == Some(3) && text.contains("--trust"), "{text}");
    let (code, text) = fetch(&data, &["xx"]);
    assert!(code == Some(3) && text.contains("none to fetch for xx"), "{text}");
    assert!(!data.exists());

    let (code, text) = fetch(&data, &["nl", "--from", from, "--sha256", &sum]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("It was not tried on this machine: there is no libvosk.so"), "{text}");
    let model = data.join("speech/vosk-model-small-nl-0.22");
    assert!(model.join("am/final.mdl").is_file());
    assert!(file.is_file(), "what was brought is not ours to remove");
    let (code, text) = fetch(&data, &["nl", "--from", from, "--trust"]);
    assert!(code == Some(3) && text.contains("is there already"), "{text}");
    let folder = model.to_str().expect("a name");
    let (code, text) = fetch(&data, &["pt", "--from", folder, "--sha256", &sum]);
    assert!(code == Some(3) && text.contains("a folder has no SHA-256"), "{text}");
    let (code, text) = fetch(&data, &["pt", "--from", folder]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("nothing was checked"), "{text}");
    assert!(data.join("speech/vosk-model-small-pt-0.3/graph/Gr.fst").is_file());
}

#[test]
fn a_model_that_does_not_work_does_not_take_its_place() {
    let Some(library) = library() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let data = dir.path().join("data");
    std::fs::create_dir_all(data.join("speech")).expect("a folder");
    std::fs::copy(&library, data.join("speech/libvosk.so")).expect("the library");
    let file = dir.path().join("model.zip");
    let sum = archive(&file);
    let from = file.to_str().expect("a name");
    let (code, text) = fetch(&data, &["en", "--from", from, "--sha256", &sum]);
    assert!(
        code == Some(3) && text.contains("was not put in its place: the library cannot load the model"),
        "{text}"
    );
    let left = std::fs::read_dir(data.join("speech")).expect("the folder").count();
    assert_eq!(left, 1, "the library alone");

    // Put there all the same, it is passed over for the one that works.
    let broken = data.join("speech/vosk-model-small-en-us-0.15/am");
    std::fs::create_dir_all(&broken).expect("a folder");
    std::fs::write(broken.join("final.mdl"), "model").expect("its file");
    let check = program()
        .arg("--config")
        .arg(repository("config/aftercall.toml"))
        .arg("--data")
        .arg(&data)
        .args(["speech", "check"])
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&check.stdout).into_owned();
    let used = "en: aftercall-en-compact-3 is used in the place of vosk-model-small-en-us-0.15";
    assert!(check.status.code() == Some(1) && text.contains(used), "{text}");
    assert!(text.contains("keypad only: `aftercall speech fetch nl` gets a model"), "{text}");
}
