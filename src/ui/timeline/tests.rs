//! Calls told in both languages.

use super::*;
use crate::domain::{
    AnswerValue, Better, Codec, Deaf, DecisionReason, Digit, HeardWord, KeyPath, Meaning, Origin,
    QuestionKind, Scale, SkipReason, SurveyVersion,
};

fn hearing(said: &str, meaning: Option<Meaning>, verdict: Verdict) -> Hearing {
    let word = |word: &str| HeardWord { word: word.into(), confidence_pm: 870, start_ms: 500, end_ms: 1000 };
    Hearing {
        grammar: "scale_1_5".into(),
        language: "en".parse().unwrap(),
        model: "m".into(),
        words: said.split_whitespace().map(word).collect(),
        meaning,
        verdict,
        confidence_pm: 870,
        start_ms: 500,
        end_ms: 1000,
        decided_ms: 340,
        level_dbfs: -20,
        noise_dbfs: -60,
    }
}

fn story() -> Vec<Entry> {
    let question: QuestionId = "effort".parse().unwrap();
    let decision = Decision {
        origin: Origin::Sampled,
        survey: Some(("service".parse().unwrap(), SurveyVersion(1))),
        reason: DecisionReason::Nth,
        count: Some(40),
        draw_ppm: None,
        ahead: None,
    };
    let hearing = hearing("", Some(Meaning::Answer("4".into())), Verdict::NoMatch);
    let answer = Answer {
        question: question.clone(),
        kind: QuestionKind::Ces,
        scale: Some(Scale { min: 1, max: 5, better: Better::Lower }),
        value: AnswerValue::Rating(4),
        given_by: GivenBy::VoiceConfirmed,
        keys: Vec::new(),
        ambiguous: false,
        attempt: 2,
        barge_in: false,
        took_ms: 7_740,
    };
    let ended = Fact::Ended {
        disposition: Disposition::Partial,
        left_at: Some("recommend".parse().unwrap()),
        failure: None,
        by_caller: true,
        stats: None,
    };
    let four = Digit::from_char('4').unwrap();
    let facts = [
        (0.0, Fact::Decided(decision)),
        (0.1, Fact::Answered { codec: Codec::Pcma }),
        (6.4, Fact::Asked { question: question.clone(), attempt: 1, keys_only: false }),
        (
            9.0,
            Fact::Heard {
                question: question.clone(),
                attempt: 1,
                confirming: false,
                hearing: Box::new(hearing),
                recording: None,
            },
        ),
        (9.0, Fact::Asked { question: question.clone(), attempt: 2, keys_only: false }),
        (14.1, Fact::Key { question: Some(question), digit: four, path: KeyPath::Rfc4733, barge_in: true }),
        (14.1, Fact::Answer(answer)),
        (14.1, Fact::Asked { question: "recommend".parse().unwrap(), attempt: 1, keys_only: false }),
        (20.5, ended),
    ];
    let call = "0192d4e0-0000-7000-8000-000000000001".parse().unwrap();
    facts.into_iter().map(|(at, fact)| Entry { call, at_us: (at * 1e6) as i64, fact }).collect()
}

fn lines(tr: Tongue) -> String {
    let line = |line: &Line| {
        format!("{} {}: {} ({})", line.at, line.by, line.text, line.more.replace('\u{a0}', " "))
    };
    Timeline::of(tr, &story()).lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_call_is_told_in_the_readers_language() {
    insta::assert_snapshot!(lines(Tongue::English), @"
    0.0 System: Chosen for the survey “service”: its turn had come (Sampled)
    0.1 Survey: Answered, and the greeting began (PCMA)
    6.4 Survey: Question: Effort ()
    9.0 Caller: Said something that was not understood (certainty 87 %)
    9.0 Survey: Question again (asking 2): Effort ()
    14.1 Caller: Pressed 4 before the recording had ended ()
    14.1 Caller: Answer to Effort: 4 (by voice and confirmed, 7.7 s after the question began)
    14.1 Survey: Question: Recommendation ()
    20.5 Caller: The caller hung up: Partly answered (at the question Recommendation)
    ");
    insta::assert_snapshot!(lines(Tongue::Dutch), @"
    0,0 Systeem: Gekozen voor de enquête “service”: het was aan de beurt (Steekproef)
    0,1 Enquête: Aangenomen, en de begroeting begon (PCMA)
    6,4 Enquête: Vraag: Moeite ()
    9,0 Beller: Zei iets wat niet werd verstaan (zekerheid 87 %)
    9,0 Enquête: Vraag opnieuw, voor de 2e keer: Moeite ()
    14,1 Beller: Drukte op 4 voordat de opname klaar was ()
    14,1 Beller: Antwoord op Moeite: 4 (met de stem en bevestigd, 7,7 s na het begin van de vraag)
    14,1 Enquête: Vraag: Aanbeveling ()
    20,5 Beller: De beller hing op: Deels beantwoord (bij de vraag Aanbeveling)
    ");
}

#[test]
fn what_was_asked_back_is_said_and_that_the_caller_was_sent_to_the_keys() {
    let question: QuestionId = "effort".parse().unwrap();
    let heard = |said: &str, meaning: Meaning, verdict, confirming| Fact::Heard {
        question: question.clone(),
        attempt: 1,
        confirming,
        hearing: Box::new(hearing(said, Some(meaning), verdict)),
        recording: None,
    };
    let answer = |value: &str| Meaning::Answer(value.into());
    let facts = [
        heard("four", answer("4"), Verdict::Confirm, false),
        heard("no", answer("no"), Verdict::Confirm, true),
        heard("I am done", Meaning::Stop, Verdict::Accept, false),
        heard("say that again", Meaning::Repeat, Verdict::Confirm, false),
        heard("three", answer("3"), Verdict::Accept, false),
        Fact::Asked { question: question.clone(), attempt: 3, keys_only: true },
    ];
    let told = |tr| {
        let line = |fact| {
            let (_, text, more) = told(tr, fact);
            format!("{text} ({})", more.replace('\u{a0}', " "))
        };
        facts.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(told(Tongue::English), @"
    Said “four”; asked back to be certain: 4? (certainty 87 %)
    Said “no” (certainty 87 %)
    Said “I am done”; asked back to be certain: stop? (certainty 87 %)
    Said “say that again” (certainty 87 %)
    Said “three” (certainty 87 %)
    Question again (asking 3): Effort (told to use the keys)
    ");
    insta::assert_snapshot!(told(Tongue::Dutch), @"
    Zei “four”; voor de zekerheid nagevraagd: 4? (zekerheid 87 %)
    Zei “no” (zekerheid 87 %)
    Zei “I am done”; voor de zekerheid nagevraagd: stoppen? (zekerheid 87 %)
    Zei “say that again” (zekerheid 87 %)
    Zei “three” (zekerheid 87 %)
    Vraag opnieuw, voor de 3e keer: Moeite (gevraagd de toetsen te gebruiken)
    ");
}

#[test]
fn the_picture_shows_questions_keys_and_answers_and_asking_again_is_one_stretch() {
    let chart = Timeline::of(Tongue::English, &story()).chart;
    for (what, count) in
        [("class=\"asked\"", 2), ("class=\"key\"", 1), ("class=\"given\"", 1), ("class=\"speech\"", 1)]
    {
        assert_eq!(chart.matches(what).count(), count, "{what} in {chart}");
    }
    assert!(chart.contains(">Effort</text>") && chart.contains("20\u{a0}s"), "{chart}");
    assert_eq!(Timeline::of(Tongue::English, &story()[..1]).chart, "", "it was never answered");
}

#[test]
fn every_reason_has_words() {
    use DecisionReason as D;
    use FailReason as F;
    let decisions = [
        D::All,
        D::Nth,
        D::Drawn,
        D::AgentTrigger,
        D::MysteryCaller,
        D::TestCall,
        D::NotNth,
        D::NotDrawn,
        D::TalkTooShort,
        D::SameCaller,
        D::DoNotSurvey,
        D::OutsideHours,
        D::CapTotal,
        D::CapQueue,
        D::CapAgent,
        D::NoRule,
        D::UnknownSurvey,
        D::AlreadyDecided,
    ];
    let failures = [
        F::NoMedia,
        F::NoCodec,
        F::NoAck,
        F::Cancelled,
        F::Storage,
        F::Resources,
        F::SessionExpired,
        F::Transport,
        F::Shutdown,
        F::Crash,
    ];
    let skips = [SkipReason::When, SkipReason::Attempts, SkipReason::Refused, SkipReason::Caller];
    let deafs = [Deaf::NoModel, Deaf::Busy, Deaf::Died, Deaf::Slow, Deaf::Garbage];
    let question: QuestionId = "effort".parse().unwrap();
    let decided = decisions.map(|reason| {
        Fact::Decided(Decision {
            origin: Origin::Sampled,
            survey: None,
            reason,
            count: None,
            draw_ppm: None,
            ahead: None,
        })
    });
    let ended = failures.map(|failure| Fact::Ended {
        disposition: Disposition::Failed,
        left_at: None,
        failure: Some(failure),
        by_caller: false,
        stats: None,
    });
    let skipped = skips.map(|reason| Fact::Skipped { question: question.clone(), reason });
    let deaf = deafs.map(|why| Fact::Deaf { question: question.clone(), why, recording: None });
    for fact in decided.iter().chain(&ended).chain(&skipped).chain(&deaf) {
        for tr in Tongue::ALL {
            let (_, text, more) = told(tr, fact);
            for id in ["decided-", "fail-", "skip-", "deaf-", "story-", "disposition-", "origin-"] {
                assert!(!text.contains(id) && !more.contains(id), "{text} {more}");
            }
        }
    }
}
