//! Who may know whom: the sources are read, and the arrows of the map in `src/lib.rs` are checked.

use std::path::Path;

use crate::harness::repository;

/// Each module of the house and the modules it may name. What is not listed may name everything.
const MAY_KNOW: [(&str, &[&str]); 13] = [
    ("domain", &[]),
    ("selection", &["domain", "config"]),
    ("sip", &["domain", "config"]),
    ("media", &["domain", "config", "priority"]),
    ("speech", &["domain", "config", "priority"]),
    ("prompts", &["domain", "config", "media"]),
    ("dialogue", &["domain", "config"]),
    ("scoring", &["domain"]),
    ("store", &["domain", "config", "priority", "private", "scoring", "selection"]),
    ("access", &["domain", "config", "private"]),
    ("call", &["domain", "config", "selection", "sip", "media", "speech", "prompts", "dialogue", "store"]),
    ("outgoing", &["domain", "config", "store", "call"]),
    (
        "ui",
        &[
            "domain", "config", "scoring", "prompts", "dialogue", "speech", "store", "call", "access",
            "story", "web", "observe",
        ],
    ),
];

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("fuzz.rs") {
            found.push((path.display().to_string(), std::fs::read_to_string(&path).expect("a source file")));
        }
    }
}

#[test]
fn modules_know_only_those_below_them() {
    let mut wrong = Vec::new();
    for (module, allowed) in MAY_KNOW {
        let mut files = Vec::new();
        sources(&repository("src").join(module), &mut files);
        assert!(!files.is_empty(), "{module} has moved");
        for (path, text) in files {
            for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
                for after in line.split("crate::").skip(1) {
                    let name: String =
                        after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                    if name != module && !allowed.contains(&name.as_str()) {
                        wrong.push(format!("{path}: {module} names {name}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pure_modules_read_no_clock_and_wait_for_nobody() {
    let mut wrong = Vec::new();
    for module in ["domain", "selection", "dialogue", "scoring"] {
        let mut files = Vec::new();
        sources(&repository("src").join(module), &mut files);
        for (path, text) in files {
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for (number, line) in
                code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
            {
                if ["async ", "Instant::now", "SystemTime::now", "Timestamp::now", ".await"]
                    .iter()
                    .any(|w| line.contains(w))
                    && !path.ends_with("tests.rs")
                    && !path.contains("/tests/")
                {
                    wrong.push(format!("{path}:{}: {}", number + 1, line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
