//! Calls as scripts, and what holds for any call.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::domain::{PromptCatalogue, SkipReason};

/// Every prompt in every language, three seconds each; names with `missing` do not exist.
struct AllPrompts;

impl PromptCatalogue for AllPrompts {
    fn duration(&self, _: &Language, name: &PromptName) -> Option<Duration> {
        (!name.as_str().contains("missing")).then_some(Duration::from_secs(3))
    }
}

const SURVEY: &str = r#"
    version = 3
    title = "Test"
    languages = ["en", "nl"]
    greeting = "hello"
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
    choices = [{ key = "1", label = "repeat" }, { key = "2", label = "passed" }]
    after_attempts = "skip"
    [[question]]
    id = "score"
    kind = "nps"
    prompt = "q3"
    after_attempts = "end"
"#;

fn read(text: &str) -> Result<Survey, Vec<SurveyError>> {
    SurveySet::read(Path::new("test.toml"), text, &AllPrompts).map(|(survey, _)| survey)
}

/// Runs a call. A line is `time event => actions`; `time` is in seconds, and `timeout` must be due just then.
fn check(script: &str) {
    check_with(SURVEY, Some("en"), script);
}

#[track_caller]
fn check_with(survey: &str, language: Option<&str>, script: &str) {
    let language = language.map(|l| l.parse().unwrap());
    let mut dialogue = Dialogue::new(Arc::new(read(survey).unwrap()), language.as_ref());
    let start = Instant::now();
    let mut playing = PlayId(0);
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (left, expected) = line.split_once("=>").unwrap_or_else(|| panic!("no => in {line}"));
        let (time, event) = left.trim().split_once(' ').unwrap();
        let now = start + Duration::from_secs_f64(time.parse().unwrap());
        let event = match event.trim() {
            "answered" => Event::Answered,
            "prompt done" => Event::PlayDone(playing),
            "stale done" => Event::PlayDone(PlayId(playing.0 - 1)),
            "gone" => Event::CallerGone,
            "hold" => Event::Held(true),
            "unhold" => Event::Held(false),
            "drain" => Event::Drain,
            "storage failed" => Event::StorageFailed,
            "media dead" => Event::MediaDead,
            "timeout" => {
                let due = dialogue.poll_timeout().map(|at| at.saturating_duration_since(start));
                assert_eq!(due, Some(now - start), "the timer of: {line}");
                Event::Timeout
            }
            key => {
                let key = key.strip_prefix("key ").unwrap_or_else(|| panic!("no such event: {line}"));
                Event::Key { digit: Digit::from_char(key.parse().unwrap()).unwrap(), path: KeyPath::Rfc4733 }
            }
        };
        let actions = dialogue.handle(event, now);
        for action in &actions {
            if let Action::Play { id, .. } = action {
                playing = *id;
            }
        }
        let said: Vec<String> = actions.iter().filter_map(say).collect();
        assert_eq!(said.join(", "), expected.trim(), "in: {line}");
    }
}

fn say(action: &Action) -> Option<String> {
    Some(match action {
        Action::Play { language, prompts, .. } => {
            let names: Vec<_> = prompts.iter().map(PromptName::as_str).collect();
            let language = if language.as_str() == "en" { String::new() } else { format!("{language}:") };
            format!("play {language}{}", names.join("+"))
        }
        Action::StopPlaying => "stop".into(),
        Action::HangUp => "hang up".into(),
        Action::End(outcome) => {
            let mut text = format!("end {}", outcome.disposition.as_str());
            text.extend(outcome.left_at.iter().map(|q| format!(" at {q}")));
            text.extend(outcome.failure.iter().map(|f| format!(" {f:?}")));
            text
        }
        Action::Record(Fact::Answer(a)) => {
            format!("save {}={}{}", a.question, a.value, if a.ambiguous { "?" } else { "" })
        }
        Action::Record(Fact::NoInput { .. }) => "no input".into(),
        Action::Record(Fact::NoMatch { .. }) => "no match".into(),
        Action::Record(Fact::Repeated { .. }) => "repeated".into(),
        Action::Record(Fact::Refused { .. }) => "refused".into(),
        Action::Record(Fact::Skipped { question, reason: SkipReason::When }) => format!("skip {question}"),
        Action::Record(Fact::Skipped { question, .. }) => format!("give up {question}"),
        Action::Record(_) => return None,
    })
}

#[test]
fn a_whole_call_with_barge_in_and_ten() {
    check(
        "0.0 answered    => play hello
         3.0 prompt done => play q1
         5.0 key 2       => stop, save effort=2, skip why, play q3
         8.0 prompt done =>
         9.0 key 1       =>
         9.5 key 0       => save score=10, play thanks
        12.0 prompt done => hang up, end complete",
    );
}

#[test]
fn a_key_in_the_greeting_brings_the_question_and_answers_nothing() {
    check(
        "0.0 answered   => play hello
         1.0 key 5      => stop, play q1
         1.1 key 5      =>
         2.0 key 5      => stop, save effort=5, play q2
         2.1 stale done =>",
    );
}

#[test]
fn a_high_effort_asks_why() {
    check(
        "0.0 answered => play hello
         1.0 key #    => stop, play q1
         2.0 key 4    => stop, save effort=4, play q2
         3.0 key 2    => stop, save why=passed, play q3
         4.0 key 0    => stop, save score=0, play thanks
         5.0 gone     => end complete",
    );
}

const TO_SCORE: &str = "0.0 answered => play hello
                        1.0 key 1    => stop, play q1
                        2.0 key 1    => stop, save effort=1, skip why, play q3";

#[test]
fn one_is_one_after_the_wait() {
    check(&format!(
        "{TO_SCORE}
         3.0 key 1   => stop
         4.2 timeout => save score=1, play thanks"
    ));
    check(&format!(
        "{TO_SCORE}
         3.0 key 1 => stop
         3.2 key # => save score=1, play thanks"
    ));
}

#[test]
fn one_then_five_is_one_with_a_flag_and_five_is_used_up() {
    check(&format!(
        "{TO_SCORE}
         3.0 key 1       => stop
         3.5 key 5       => save score=1?, play thanks
         5.0 prompt done => hang up, end complete"
    ));
}

#[test]
fn wrong_keys_and_silence_are_counted_apart() {
    check(
        "0.0 answered     => play hello
         3.0 prompt done  => play q1
         4.0 key 7        => stop, no match, play no_match+q1
         6.0 prompt done  =>
        11.0 timeout      => no input, play no_input+q1
        14.0 prompt done  =>
        15.0 key 8        => no match, give up effort, skip why, play q3
        16.0 key 9        => stop, save score=9, play thanks
        18.0 prompt done  => hang up, end partial",
    );
}

#[test]
fn silence_all_the_way_is_no_answer() {
    check(
        "0.0 answered     => play hello
         3.0 prompt done  => play q1
         6.0 prompt done  =>
        11.0 timeout      => no input, play no_input+q1
        15.0 prompt done  =>
        20.0 timeout      => no input, give up effort, skip why, play q3
        25.0 prompt done  =>
        30.0 timeout      => no input, play no_input+q3
        35.0 prompt done  =>
        40.0 timeout      => no input, give up score, play goodbye
        42.0 prompt done  => hang up, end no_answer at score",
    );
}

#[test]
fn hanging_up_on_the_goodbye_is_no_break_off() {
    check(
        "0.0 answered     => play hello
         1.0 key 1        => stop, play q1
         2.0 key 7        => stop, no match, play no_match+q1
         3.0 key 7        => stop, no match, give up effort, skip why, play q3
         4.0 key *        => stop, repeated, play q3
         5.0 prompt done  =>
        10.0 timeout      => no input, play no_input+q3
        15.0 prompt done  =>
        20.0 timeout      => no input, give up score, play goodbye
        20.5 gone         => end no_answer at score",
    );
}

#[test]
fn an_optional_question_may_stay_open() {
    check(
        "0.0 answered     => play hello
         1.0 key 1        => stop, play q1
         2.0 key 5        => stop, save effort=5, play q2
         3.0 key 7        => stop, no match, play no_match+q2
         4.0 key 7        => stop, no match, give up why, play q3
         5.0 key 3        => stop, save score=3, play thanks
         6.0 prompt done  => hang up, end complete",
    );
}

#[test]
fn the_caller_may_leave_at_any_time() {
    check("0.0 gone => end failed Cancelled");
    check("0.0 answered => play hello\n 1.0 gone => end break_off");
    check("0.0 answered => play hello\n 1.0 prompt done => play q1\n 1.5 gone => end break_off at effort");
    check(&format!("{TO_SCORE}\n 2.5 gone => end partial at score"));
    check(&format!("{TO_SCORE}\n 3.0 key 1 => stop\n 3.1 gone => end partial at score"));
    check(&format!("{TO_SCORE}\n 3.0 prompt done =>\n 3.1 gone => end partial at score\n 3.2 gone =>"));
    check(&format!("{TO_SCORE}\n 3.0 key 4 => stop, save score=4, play thanks\n 3.1 gone => end complete"));
}

#[test]
fn star_repeats_and_has_a_bound() {
    check(
        "0.0 answered    => play hello
         3.0 prompt done => play q1
         4.0 key *       => stop, repeated, play q1
         5.0 prompt done =>
         6.0 key *       => repeated, play q1
         7.0 key *       => stop, repeated, play q1
         8.0 key *       => stop, no match, play no_match+q1
         9.0 key *       => stop, no match, give up effort, skip why, play q3",
    );
}

#[test]
fn a_caller_may_decline() {
    check(
        "0.0 answered    => play hello
         3.0 prompt done => play q1
         4.0 key 9       => stop, refused, play goodbye
         6.0 prompt done => hang up, end refused at effort",
    );
}

#[test]
fn a_stop_of_the_service_is_polite() {
    check("0.0 drain => hang up, end failed Shutdown");
    check(
        "0.0 answered    => play hello
         1.0 drain       => stop, play sorry
         1.5 drain       =>
         3.0 prompt done => hang up, end failed Shutdown",
    );
    check(&format!("{TO_SCORE}\n 3.0 drain => stop, play sorry\n 4.0 gone => end partial at score"));
    check(&format!(
        "{TO_SCORE}\n 3.0 key 4 => stop, save score=4, play thanks\n 4.0 drain =>\n 5.0 prompt done => hang up, end complete"
    ));
}

#[test]
fn an_answer_that_could_not_be_written_does_not_count() {
    check(
        "0.0 answered       => play hello
         1.0 key 1          => stop, play q1
         2.0 key 1          => stop, save effort=1, skip why, play q3
         2.1 storage failed => stop, play sorry
         4.0 prompt done    => hang up, end failed at score Storage",
    );
}

#[test]
fn dead_media_ends_the_call_with_what_it_has() {
    check(&format!("{TO_SCORE}\n 30.0 media dead => hang up, end partial at score NoMedia"));
}

#[test]
fn a_lost_report_does_not_strand_the_caller() {
    check(
        "0.0 answered  => play hello
       120.0 timeout   => play q1
       240.0 timeout   =>
       245.0 timeout   => no input, play no_input+q1",
    );
}

#[test]
fn hold_stops_the_clock() {
    check(
        "0.0 answered    => play hello
         3.0 prompt done => play q1
         4.0 hold        => stop
         4.1 stale done  =>
         5.0 key 2       =>
        50.0 unhold      => play q1
        53.0 prompt done =>
        55.0 hold        =>
        85.0 unhold      =>
        88.0 timeout     => no input, play no_input+q1
        89.0 hold        => stop
       389.0 timeout     => hang up, end failed at effort NoMedia",
    );
    let thanks = format!("{TO_SCORE}\n 3.0 key 4 => stop, save score=4, play thanks");
    check(&format!("{thanks}\n 3.5 hold => stop, hang up, end complete"));
}

#[test]
fn the_language_is_asked_when_nobody_knows_it() {
    let asking = SURVEY.replace("title", "ask_language = true\n    title");
    let script = "0.0 answered    => play language_1
                  2.0 prompt done => play nl:language_2
                  4.0 prompt done =>
                  9.0 timeout     => no input, play language_1
                 10.0 key 3       => stop, no match, play language_1
                 11.0 key 2       => stop, play nl:hello";
    check_with(&asking, None, script);
    check_with(&asking, Some("fr"), "0.0 answered => play language_1");
    check_with(&asking, Some("nl-BE"), "0.0 answered => play nl:hello");
    check_with(SURVEY, None, "0.0 answered => play hello");
}

#[test]
fn a_question_without_barge_in_is_heard_to_its_end() {
    let survey = SURVEY.replace("refuse_key", "barge_in = false\n    refuse_key");
    check_with(
        &survey,
        Some("en"),
        "0.0 answered    => play hello
         3.0 prompt done => play q1
         4.0 key 2       =>
         6.0 prompt done =>
         7.0 key 2       => save effort=2, skip why, play q3",
    );
}

#[test]
fn the_measuring_forms() {
    let head = "version = 1\ntitle = \"x\"\nlanguages = [\"en\"]\n";
    let sig = format!("{head}signalling_only = true");
    check_with(&sig, None, "0.0 answered => hang up, end complete");
    let survey = Arc::new(read(&format!("{head}play_forever = \"talk\"")).unwrap());
    let mut dialogue = Dialogue::new(survey, None);
    let now = Instant::now();
    assert_eq!(dialogue.handle(Event::Answered, now).iter().count(), 1);
    assert_eq!(dialogue.handle(Event::PlayDone(PlayId(1)), now).iter().count(), 1);
    let ended: Vec<_> = dialogue.handle(Event::CallerGone, now).into_iter().collect();
    assert!(matches!(&ended[..], [Action::End(o)] if o.disposition == Disposition::Complete));
}

fn any_event() -> impl Strategy<Value = Event> {
    let key = proptest::sample::select("0123456789*#A".chars().collect::<Vec<_>>());
    prop_oneof![
        1 => Just(Event::Answered),
        6 => (0u32..30).prop_map(|n| Event::PlayDone(PlayId(n))),
        12 => key.prop_map(|c| Event::Key { digit: Digit::from_char(c).unwrap(), path: KeyPath::Info }),
        1 => any::<bool>().prop_map(Event::Held),
        6 => Just(Event::Timeout),
        1 => prop_oneof![
            Just(Event::CallerGone), Just(Event::Drain), Just(Event::StorageFailed), Just(Event::MediaDead),
            Just(Event::Failed(FailReason::SessionExpired)),
        ],
    ]
}

proptest! {
    #[test]
    fn any_events_one_end_then_silence_and_no_spin(events in proptest::collection::vec((any_event(), 0u64..3000), 0..120)) {
        let survey = Arc::new(read(&SURVEY.replace("title", "ask_language = true\n    title")).unwrap());
        let mut dialogue = Dialogue::new(Arc::clone(&survey), None);
        let mut now = Instant::now();
        let (mut hang_ups, mut ends, mut playing) = (0, 0, PlayId(0));
        let first = std::iter::once((Event::Answered, 0));
        for (event, wait_ms) in first.chain(events) {
            now += Duration::from_millis(wait_ms);
            let event = match event {
                Event::PlayDone(id) if id.0 % 3 > 0 => Event::PlayDone(playing), // Mostly the right one.
                Event::Timeout => { now = now.max(dialogue.poll_timeout().unwrap_or(now)); Event::Timeout }
                other => other,
            };
            let over = ends > 0;
            for action in dialogue.handle(event, now) {
                prop_assert!(!over, "{action:?} after the end");
                match action {
                    Action::HangUp => hang_ups += 1,
                    Action::End(_) => ends += 1,
                    Action::Play { id, prompts, .. } => {
                        prop_assert!(id > playing && !prompts.is_empty());
                        playing = id;
                    }
                    Action::Record(Fact::Answer(answer)) => {
                        let question = survey.questions().iter().find(|q| q.id == answer.question).unwrap();
                        prop_assert!(question.answers.values().contains(&answer.value));
                    }
                    Action::Record(_) | Action::StopPlaying => {}
                }
            }
            if event == Event::Timeout {
                prop_assert!(dialogue.poll_timeout().is_none_or(|at| at > now), "a deadline that was met stays");
            }
        }
        prop_assert!(hang_ups <= 1 && ends <= 1);
        // Left alone, every call comes to its end.
        for _ in 0..60 {
            let Some(at) = dialogue.poll_timeout() else { break };
            ends += dialogue.handle(Event::Timeout, at).iter().filter(|a| matches!(a, Action::End(_))).count();
        }
        prop_assert_eq!(ends, 1);
    }
}

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
    let (_, warnings) = SurveySet::read(Path::new("test.toml"), &always, &AllPrompts).unwrap();
    assert_eq!(warnings[0].to_string(), "test.toml: the condition `effort > 0` holds for every answer");
}

#[test]
fn odd_files_are_refused() {
    assert_eq!(
        faults("version = 1\ntitel = 'x'"),
        "test.toml:2: titel: unknown field `titel`, expected one of `version`, `title`, `languages`, `ask_language`, `greeting`, `thanks`, `goodbye`, `sorry`, `no_input`, `no_match`, `play_forever`, `signalling_only`, `defaults`, `question`"
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
    let comment = ces.replace("ces", "comment");
    assert_eq!(
        faults(&comment),
        "test.toml:6: kind: needs speech recognition, which this version does not have"
    );
}

#[test]
fn the_shipped_surveys_are_sound() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/surveys");
    let (surveys, warnings) = SurveySet::load(&folder, &AllPrompts).unwrap();
    assert_eq!(warnings, []);
    let names: Vec<_> = surveys.iter().map(|survey| survey.id.as_str()).collect();
    assert_eq!(names, ["bench", "media", "mood", "service", "short", "sig"]);
}
