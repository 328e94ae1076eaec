//! Calls answered by voice, and comments.

use super::*;

pub(super) const SURVEY: &str = r#"
    version = 3
    title = "Test"
    languages = ["en", "nl"]
    greeting = "hello"
    [voice]
    greeting = "hello_voice"
    [[question]]
    id = "effort"
    kind = "ces"
    prompt = "q1"
    scale = { min = 1, max = 5, direction = "lower_is_better" }
    refuse_key = "9"
    [[question]]
    id = "why"
    kind = "menu"
    when = "effort >= 4"
    prompt = "q2"
    grammar = "reasons"
    voice_barge_in = true
    choices = [{ key = "1", label = "repeat", heard = "h_repeat" }, { key = "2", label = "passed", heard = "h_passed" }]
    after_attempts = "skip"
    [[question]]
    id = "words"
    kind = "comment"
    prompt = "q3"
    length_max = "30s"
"#;

fn check(script: &str) {
    check_with(SURVEY, Some("en"), script);
}

const TO_EFFORT: &str = "0.0 answered => play hello_voice
     3.0 prompt done => play q1
     6.0 prompt done => listen scale_1_5\n";
const TO_WORDS: &str = "0.0 answered => play hello_voice
     3.0 prompt done => play q1
     4.0 key 1 => stop, save effort=1, skip why, play q3
     8.0 prompt done => record 30 s\n";

#[test]
fn a_sure_answer_is_taken() {
    check(&format!(
        "{TO_EFFORT}
         6.5 began       =>
         7.3 says 4      => save effort=4 by voice, play q2, listen reasons
         8.0 began       => stop
         9.0 says repeat => save why=repeat by voice, play q3
        12.0 prompt done => record 30 s
        13.0 began       =>
        19.0 comment 6s  => keep words 6 s, play thanks
        21.0 prompt done => hang up, end complete"
    ));
}

#[test]
fn an_unsure_answer_is_asked_back() {
    check(&format!(
        "{TO_EFFORT}
         7.0 says 4?     => play v_heard+n_4+v_confirm
         9.0 prompt done => listen yes_no
        10.0 says yes    => save effort=4 by voice, confirmed, play q2, listen reasons"
    ));
    check(&format!(
        "{TO_EFFORT}
         7.0 says 4?     => play v_heard+n_4+v_confirm
         8.0 key 1       => stop, save effort=4 by voice, confirmed, play q2, listen reasons"
    ));
    check(&format!(
        "{TO_EFFORT}
         7.0 says 4?     => play v_heard+n_4+v_confirm
         8.0 key 5       => stop, save effort=5, play q2, listen reasons"
    ));
}

#[test]
fn a_language_may_have_a_grammar_of_its_own_for_confirming() {
    let read = |grammars: &dyn GrammarCatalogue| {
        SurveySet::read(Path::new("test.toml"), SURVEY, Catalogues { prompts: &AllPrompts, grammars })
            .unwrap()
    };
    let (survey, warnings) = read(&WithConfirm);
    assert_eq!(warnings, []);
    let script = format!(
        "{TO_EFFORT}
         7.0 says 4?     => play v_heard+n_4+v_confirm
         9.0 prompt done => listen confirm
        10.0 says yes    => save effort=4 by voice, confirmed, play q2, listen reasons"
    );
    check_survey(survey, Some("en"), &script);
    // Without one it is yes and no; without that, the start says so.
    let told = read(&WithoutYesNo).1;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].message.contains("confirm by key only"), "{told:?}");
}

#[test]
fn what_was_misheard_twice_is_asked_for_by_key() {
    check(&format!(
        "{TO_EFFORT}
         7.0 says 4?     => play v_heard+n_4+v_confirm
         9.0 prompt done => listen yes_no
        10.0 says no     => play v_no_match+q1
        13.0 prompt done => listen scale_1_5
        14.0 mumbles     => play v_use_keys+q1
        17.0 prompt done =>
        18.0 key 2       => save effort=2, skip why, play q3"
    ));
    check(&format!(
        "{TO_EFFORT}
         7.0 says 4?     => play v_heard+n_4+v_confirm
         9.0 prompt done => listen yes_no
        14.0 timeout     => deafen, play v_no_match+q1"
    ));
}

#[test]
fn the_first_key_ends_listening() {
    check(&format!(
        "{TO_EFFORT}
         6.5 began       =>
         6.8 key 3       => deafen, save effort=3, skip why, play q3
         7.0 stale says 5 =>"
    ));
}

#[test]
fn who_speaks_is_not_interrupted_and_who_falls_silent_is_asked_again() {
    check(&format!(
        "{TO_EFFORT}
        10.9 began       =>
        18.9 timeout     => no input, deafen, play no_input+q1
        19.0 stale says 4 =>"
    ));
}

#[test]
fn commands_work_and_the_grave_ones_are_asked_back() {
    check(&format!(
        "{TO_EFFORT}
         7.0 says again  => repeated, play q1
        10.0 prompt done => listen scale_1_5
        11.0 says stop   => play v_heard+w_stop+v_confirm
        13.0 prompt done => listen yes_no
        14.0 says yes    => refused, play goodbye
        16.0 prompt done => hang up, end refused at effort"
    ));
    check(&format!(
        "{TO_EFFORT}
         7.0 says skip   => play v_heard+w_skip+v_confirm
         8.0 key 1       => stop, leave effort, skip why, play q3"
    ));
}

#[test]
fn a_recogniser_that_dies_costs_nobody_the_call() {
    check(&format!(
        "{TO_EFFORT}
         7.0 began       =>
         7.5 deaf died   => deaf, play v_use_keys+q1
        10.0 prompt done =>
        11.0 key 5       => save effort=5, play q2
        13.0 prompt done =>
        14.0 key 1       => save why=repeat, play q3"
    ));
    check(&format!(
        "{TO_EFFORT}
         6.1 deaf busy   => deaf
        11.0 timeout     => no input, play no_input+q1
        14.0 prompt done =>
        15.0 key 4       => save effort=4, play q2, listen reasons"
    ));
}

#[test]
fn where_nobody_hears_there_are_keys() {
    check_with(
        SURVEY,
        Some("nl"),
        "0.0 answered    => play nl:hello
         3.0 prompt done => play nl:q1
         6.0 prompt done =>
         7.0 key 1       => save effort=1, skip why, play nl:q3
        10.0 prompt done => record 30 s",
    );
}

#[test]
fn a_comment_may_be_skipped_finished_cut_short_by_hanging_up_or_left_out() {
    check(&format!("{TO_WORDS} 9.0 key # => leave words, deafen, play thanks"));
    check(&format!(
        "{TO_WORDS}
         9.0 began       =>
        12.0 key 5       =>
        15.0 key #       => finish
        15.1 comment 6s  => keep words 6 s, play thanks"
    ));
    check(&format!(
        "{TO_WORDS}
         9.0 began       =>
        12.0 gone        => finish
        12.1 comment 3s  => keep words 3 s, end complete"
    ));
    check(&format!(
        "{TO_WORDS}
         9.0 began       =>
        12.0 gone        => finish
        14.0 timeout     => deafen, end partial at words"
    ));
    check(&format!(
        "{TO_WORDS}
        13.0 timeout     => no input, deafen, play no_input+q3
        16.0 prompt done => record 30 s
        21.0 timeout     => no input, give up words, deafen, play thanks
        23.0 prompt done => hang up, end complete"
    ));
}

#[test]
fn hold_keeps_a_comment_and_asks_for_an_answer_again() {
    check(&format!(
        "{TO_EFFORT}
         7.0 hold        => deafen
        17.0 unhold      => listen scale_1_5"
    ));
    check(&format!(
        "{TO_WORDS}
         9.0 began       =>
        12.0 hold        => finish
        12.1 comment 3s  => keep words 3 s, play thanks, stop, hang up, end complete"
    ));
}

#[test]
fn voice_settings_are_checked() {
    let faults = |text: &str| {
        let errors = read(text).unwrap_err();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let cases = [
        ("[voice]", "[defaults]", "test.toml:7: greeting"),
        ("grammar = \"reasons\"", "grammar = \"scale_1_5\"", "which is no answer to this question"),
        ("grammar = \"reasons\"", "grammar = \"poetry\"", "no grammar poetry"),
        (", heard = \"h_repeat\"", "", "choices.heard: a choice"),
        ("prompt = \"q1\"", "prompt = \"q1\"\naccept_at = 1.2", "accept_at: is a confidence"),
        ("prompt = \"q1\"", "prompt = \"q1\"\nlength_max = \"9s\"", "length_max: is not for this kind"),
        ("length_max = \"30s\"", "length_max = \"900s\"", "length_max: is"),
        ("greeting = \"hello_voice\"", "greeting = \"missing\"", "voice.greeting: there is no recording"),
    ];
    for (from, to, fault) in cases {
        let text = faults(&SURVEY.replace(from, to));
        assert!(text.contains(fault), "{to}: {text}");
    }
}
