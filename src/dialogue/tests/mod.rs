//! Calls as scripts, and what holds for any call.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

mod any_call;
mod by_key;
mod by_voice;
mod files;

use super::*;
use crate::domain::{GivenBy, GrammarCatalogue, Meaning, PromptCatalogue, Purpose, SkipReason, Verdict};

/// Every prompt in every language, three seconds each; names with `missing` do not exist.
struct AllPrompts;

impl PromptCatalogue for AllPrompts {
    fn duration(&self, _: &Language, name: &PromptName) -> Option<Duration> {
        (!name.as_str().contains("missing")).then_some(Duration::from_secs(3))
    }

    fn lacks_text(&self, language: &Language, name: &PromptName) -> bool {
        name.as_str() == "missing_text" && language.as_str() == "nl"
    }
}

/// Every grammar of these names, in English alone.
struct SomeGrammars;

/// These, and one for confirming.
struct WithConfirm;

impl GrammarCatalogue for WithConfirm {
    fn meanings(&self, language: &Language, grammar: &str) -> Option<Vec<Meaning>> {
        let name = if grammar == "confirm" { "yes_no" } else { grammar };
        SomeGrammars.meanings(language, name)
    }
}

/// These, but no yes and no.
struct WithoutYesNo;

impl GrammarCatalogue for WithoutYesNo {
    fn meanings(&self, language: &Language, grammar: &str) -> Option<Vec<Meaning>> {
        SomeGrammars.meanings(language, grammar).filter(|_| grammar != "yes_no")
    }
}

impl GrammarCatalogue for SomeGrammars {
    fn meanings(&self, language: &Language, grammar: &str) -> Option<Vec<Meaning>> {
        let answers: Vec<String> = match (language.as_str(), grammar) {
            ("en", "scale_1_5") => (1..=5).map(|n| n.to_string()).collect(),
            ("en", "scale_0_10") => (0..=10).map(|n| n.to_string()).collect(),
            ("en", "yes_no") => vec!["yes".into(), "no".into()],
            ("en", "reasons") => vec!["repeat".into(), "passed".into()],
            _ => return None,
        };
        let commands = [Meaning::Repeat, Meaning::Skip, Meaning::Stop];
        Some(answers.into_iter().map(Meaning::Answer).chain(commands).collect())
    }
}

const HAS: Catalogues<'static> = Catalogues { prompts: &AllPrompts, grammars: &SomeGrammars };

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
    SurveySet::read(Path::new("test.toml"), text, HAS).map(|(survey, _)| survey)
}

/// Runs a call. A line is `time event => actions`; `time` is in seconds, and `timeout` must be due just then.
fn check(script: &str) {
    check_with(SURVEY, Some("en"), script);
}

#[track_caller]
fn check_with(survey: &str, language: Option<&str>, script: &str) {
    check_survey(read(survey).unwrap(), language, script);
}

#[track_caller]
fn check_survey(survey: Survey, language: Option<&str>, script: &str) {
    let language = language.map(|l| l.parse().unwrap());
    let english = vec!["en".parse().unwrap()];
    let mut dialogue = Dialogue::new(Arc::new(survey), language.as_ref()).with_ears(english);
    let start = Instant::now();
    let (mut playing, mut listening) = (PlayId(0), ListenId(0));
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
            spoken if spoken_event(spoken, listening).is_some() => spoken_event(spoken, listening).unwrap(),
            key => {
                let key = key.strip_prefix("key ").unwrap_or_else(|| panic!("no such event: {line}"));
                Event::Key { digit: Digit::from_char(key.parse().unwrap()).unwrap(), path: KeyPath::Rfc4733 }
            }
        };
        let actions = dialogue.handle(event, now);
        for action in &actions {
            match action {
                Action::Play { id, .. } => playing = *id,
                Action::Listen { id, .. } => listening = *id,
                _ => {}
            }
        }
        let said: Vec<String> = actions.iter().filter_map(say).collect();
        assert_eq!(said.join(", "), expected.trim(), "in: {line}");
    }
}

/// `began`, `says 4`, `says 4?` (not sure), `mumbles`, `deaf died`, `comment 3s`, `comment none`; `stale` before it
/// makes it one of an order that is over.
fn spoken_event(text: &str, id: ListenId) -> Option<Event> {
    let (id, text) = match text.strip_prefix("stale ") {
        Some(rest) => (ListenId(id.0 - 1), rest),
        None => (id, text),
    };
    let hearing = |meaning: Option<Meaning>, verdict| {
        let hearing = Hearing {
            grammar: "g".into(),
            language: "en".parse().unwrap(),
            model: "m".into(),
            words: Vec::new(),
            meaning,
            verdict,
            confidence_pm: 900,
            start_ms: 300,
            end_ms: 700,
            decided_ms: 310,
            level_dbfs: -20,
            noise_dbfs: -60,
        };
        Event::Heard { id, hearing: Box::new(hearing), recording: None }
    };
    Some(match text.split_once(' ').unwrap_or((text, "")) {
        ("began", _) => Event::SpeechBegan(id),
        ("mumbles", _) => hearing(None, Verdict::NoMatch),
        ("says", word) => {
            let verdict = if word.ends_with('?') { Verdict::Confirm } else { Verdict::Accept };
            let meaning = match word.trim_end_matches('?') {
                "again" => Meaning::Repeat,
                "skip" => Meaning::Skip,
                "stop" => Meaning::Stop,
                answer => Meaning::Answer(answer.to_owned()),
            };
            hearing(Some(meaning), verdict)
        }
        ("deaf", "busy") => Event::Deaf { id, why: Deaf::Busy, recording: None },
        ("deaf", _) => Event::Deaf { id, why: Deaf::Died, recording: None },
        ("comment", "none") => Event::Recorded { id, comment: None },
        ("comment", seconds) => {
            let seconds: u32 = seconds.trim_end_matches('s').parse().unwrap();
            let recording = RecordingId("0192d4e0-0000-7000-8000-000000000001".parse().unwrap());
            Event::Recorded {
                id,
                comment: Some(Recorded { recording, length_ms: seconds * 1000, cut: false }),
            }
        }
        _ => return None,
    })
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
        Action::Listen { listen, .. } => match &listen.purpose {
            Purpose::Answer { grammar, .. } => format!("listen {grammar}"),
            Purpose::Comment { length_max } => format!("record {} s", length_max.as_secs()),
        },
        Action::StopListening => "deafen".into(),
        Action::FinishListening => "finish".into(),
        Action::Record(Fact::Comment { question, length_ms, .. }) => {
            format!("keep {question} {} s", length_ms / 1000)
        }
        Action::Record(Fact::Deaf { .. }) => "deaf".into(),
        Action::Record(Fact::Answer(a)) => {
            let by = match a.given_by {
                GivenBy::Key => "",
                GivenBy::Voice => " by voice",
                GivenBy::VoiceConfirmed => " by voice, confirmed",
            };
            format!("save {}={}{}{by}", a.question, a.value, if a.ambiguous { "?" } else { "" })
        }
        Action::Record(Fact::NoInput { .. }) => "no input".into(),
        Action::Record(Fact::NoMatch { .. }) => "no match".into(),
        Action::Record(Fact::Repeated { .. }) => "repeated".into(),
        Action::Record(Fact::Refused { .. }) => "refused".into(),
        Action::Record(Fact::Skipped { question, reason: SkipReason::When }) => format!("skip {question}"),
        Action::Record(Fact::Skipped { question, reason: SkipReason::Caller }) => format!("leave {question}"),
        Action::Record(Fact::Skipped { question, .. }) => format!("give up {question}"),
        Action::Record(_) => return None,
    })
}
