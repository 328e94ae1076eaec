//! Survey files.

use super::*;

fn faults(text: &str) -> String {
    let errors = read(text).unwrap_err();
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn faults_name_file_line_and_key() {
    let bad = SURVEY
        .replace("effort >= 4", "score >= 4")
        .replace("prompt = \"q3\"", "prompt = \"missing\"\n    attempts = 9")
        .replace("refuse_key = \"9\"", "refuse_key = \"5\"");
    insta::assert_snapshot!(faults(&bad), @r"
    test.toml:11: refuse_key: 5 is already an answer to this question
    test.toml:15: when: score is not asked before this question
    test.toml:22: prompt: there is no recording missing in en
    test.toml:22: prompt: there is no recording missing in nl
    test.toml:23: attempts: is 1-5, not 9
    ");
}

#[test]
fn a_missing_text_is_told_from_a_missing_recording() {
    let text = faults(&SURVEY.replace("prompt = \"q3\"", "prompt = \"missing_text\""));
    let told: Vec<&str> =
        text.lines().filter_map(|line| line.split_once("prompt: ")).map(|(_, what)| what).collect();
    assert_eq!(
        told,
        [
            "there is no recording missing_text in en",
            "there is a recording missing_text in nl, and no text: say in its texts.toml what it says"
        ]
    );
}

#[test]
fn conditions_are_checked() {
    for (when, fault) in [
        ("effort >= 9", "test.toml:15: when: never holds, so the question would never be asked"),
        ("effort = 9", "test.toml:15: when: \"9\" cannot be an answer to effort"),
        (
            "effort => 4",
            "test.toml:15: when: write a condition as `question operator value`, with one of = != < <= > >=, not \"effort => 4\"",
        ),
        ("nobody = 4", "test.toml:15: when: there is no question nobody"),
        ("why = repeat", "test.toml:15: when: why is not asked before this question"),
    ] {
        assert_eq!(faults(&SURVEY.replace("effort >= 4", when)), fault);
    }
    let always = SURVEY.replace("effort >= 4", "effort > 0");
    let (_, warnings) = SurveySet::read(Path::new("test.toml"), &always, HAS).unwrap();
    assert_eq!(warnings[0].to_string(), "test.toml: the condition `effort > 0` holds for every answer");
}

#[test]
fn odd_files_are_refused() {
    assert_eq!(
        faults("version = 1\ntitel = 'x'"),
        "test.toml:2: titel: unknown field `titel`, expected one of `version`, `title`, `languages`, `ask_language`, `greeting`, `thanks`, `goodbye`, `sorry`, `no_input`, `no_match`, `play_forever`, `signalling_only`, `voice`, `defaults`, `question`"
    );
    let head = "version = 1\ntitle = \"x\"\nlanguages = [\"en\"]\n";
    assert!(faults(head).contains("one of the three"));
    let five = "choices = [{ key = \"1\", label = \"a\" }, { key = \"1\", label = \"b\" }, { key = \"*\", label = \"b\" }, { key = \"4\", label = \"d e\" }, { key = \"5\", label = \"e\" }]";
    let menu = format!("{head}[[question]]\nid = \"m\"\nkind = \"menu\"\nprompt = \"q\"\n{five}");
    insta::assert_snapshot!(faults(&menu), @r#"
    test.toml:8: choices: a menu has 2-4 choices, not 5: callers do not keep more in mind
    test.toml:8: choices.key: two choices have the key 1
    test.toml:8: choices.key: * is not a key for answers: 0-9 are
    test.toml:8: choices.label: two choices are called "b"
    test.toml:8: choices.label: a choice is called by 1-32 letters, digits, '-', '_' or '.', not "d e"
    "#);
    let ces = format!("{head}[[question]]\nid = \"m\"\nkind = \"ces\"\nprompt = \"q\"");
    assert_eq!(faults(&ces), "test.toml:6: scale: is needed for this kind: min, max and direction");
}
