//! `aftercall speech fetch` as an operator without internet uses it; downloads are tested beside their code.

use std::io::Write;
use std::path::Path;

use sha2::{Digest, Sha256};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::harness::{program, repository};

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
    let model = data.join("speech/vosk-model-small-nl-0.22");
    assert!(model.join("am/final.mdl").is_file());
    assert!(file.is_file(), "what was brought is not ours to remove");
    let (code, text) = fetch(&data, &["nl", "--from", from, "--trust"]);
    assert!(code == Some(3) && text.contains("is there already"), "{text}");
    let (code, text) = fetch(&data, &["pt", "--from", model.to_str().expect("a name")]);
    assert_eq!(code, Some(0), "{text}");
    assert!(data.join("speech/vosk-model-small-pt-0.3/graph/Gr.fst").is_file());
}
