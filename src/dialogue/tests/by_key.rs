//! Calls answered by key.

use std::sync::Arc;
use std::time::Instant;

use super::*;

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
