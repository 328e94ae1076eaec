use std::path::Path;

use super::*;
use crate::domain::{Meaning, Verdict};
use crate::speech::scripted::{Line, Scripted};

fn grammars() -> Arc<Grammars> {
    Arc::new(Grammars::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("grammars")).unwrap())
}

/// Quiet and loud parts of so many ms: what no line has, but an endpointer cannot know.
fn frames(parts: &[(bool, u32)]) -> Vec<AudioFrame> {
    let mut at = 0u32;
    let mut noise = 12_345u32;
    let mut frames = Vec::new();
    for (loud, ms) in parts {
        for _ in 0..ms / 20 {
            let samples = (0..160)
                .map(|_| {
                    at += 1;
                    noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let syllable = (at as f32 / 8000.0 * 4.0 * std::f32::consts::PI).sin().abs();
                    let amplitude = if *loud { 6000.0 * syllable } else { 4.0 };
                    ((noise >> 16) as i16 as f32 / 32_768.0 * amplitude) as i16
                })
                .collect();
            frames.push(AudioFrame { samples, at: Instant::now(), key_down: false });
        }
    }
    frames
}

fn order(purpose: Purpose, keep_audio: bool) -> Listen {
    Listen { language: "en".parse().unwrap(), purpose, keep_audio }
}

fn question() -> Purpose {
    Purpose::Answer { grammar: "scale_0_10".to_owned(), thresholds: None }
}

/// All that is told until listening is over.
async fn told(script: Vec<Line>, order: Listen, parts: &[(bool, u32)]) -> Vec<SpeechEvent> {
    let (frames_in, audio) = mpsc::channel(1000);
    let (events_in, mut events) = mpsc::channel(4);
    let listening = listen(Arc::new(Scripted::new(script)), grammars(), order, audio, events_in);
    for frame in frames(parts) {
        if frames_in.send(frame).await.is_err() {
            break;
        }
    }
    drop(frames_in);
    let mut all = Vec::new();
    while let Some(event) = events.recv().await {
        all.push(event);
    }
    drop(listening);
    all
}

const SAID: [(bool, u32); 3] = [(false, 600), (true, 500), (false, 600)];

#[tokio::test]
async fn an_answer_is_heard_once() {
    let events = told(vec![Line::Hear("seven".into(), 980)], order(question(), true), &SAID).await;
    let [SpeechEvent::Began, SpeechEvent::Heard { hearing, audio: Some(audio) }] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(hearing.meaning, Some(Meaning::Answer("7".into())));
    assert_eq!(
        (hearing.verdict, hearing.confidence_pm, hearing.model.as_str()),
        (Verdict::Accept, 980, "scripted")
    );
    assert!((580..720).contains(&hearing.start_ms) && (1000..1150).contains(&hearing.end_ms), "{hearing:?}");
    assert!(hearing.decided_ms >= 300 && hearing.level_dbfs > -40 && hearing.noise_dbfs < -60);
    assert!(hearing.words[0].start_ms < hearing.start_ms && hearing.words[0].end_ms > hearing.end_ms);
    assert!((900..1200).contains(&(audio.len() / 8)), "{}", audio.len());
    assert!(!format!("{hearing:?}").contains("seven"));
}

#[tokio::test]
async fn what_is_no_answer_is_no_match_and_silence_is_nothing() {
    let events = told(vec![Line::Hear("[unk]".into(), 1000)], order(question(), false), &SAID).await;
    assert!(
        matches!(&events[1], SpeechEvent::Heard { hearing, audio: None } if hearing.verdict == Verdict::NoMatch),
        "{events:?}"
    );
    assert_eq!(told(vec![], order(question(), false), &[(false, 3000)]).await, []);
}

#[tokio::test]
async fn each_way_to_be_deaf_is_told_once() {
    for (line, deaf) in [
        (Line::NotOpened(Deaf::Busy), Deaf::Busy),
        (Line::FailsAtFeed(Deaf::Slow), Deaf::Slow),
        (Line::FailsAtEnd(Deaf::Garbage), Deaf::Garbage),
        (Line::Vanishes, Deaf::Died),
    ] {
        let events = told(vec![line.clone()], order(question(), false), &SAID).await;
        let deafs = events.iter().filter(|event| matches!(event, SpeechEvent::Deaf { .. })).count();
        let last = Some(&SpeechEvent::Deaf { why: deaf, audio: None });
        assert_eq!((events.last(), deafs), (last, 1), "{line:?}");
    }
    let nowhere = Purpose::Answer { grammar: "no_such".to_owned(), thresholds: None };
    assert_eq!(
        told(vec![], order(nowhere, false), &SAID).await,
        [SpeechEvent::Deaf { why: Deaf::NoModel, audio: None }]
    );
}

#[tokio::test]
async fn a_comment_takes_pauses_and_needs_nobody() {
    let purpose = || Purpose::Comment { length_max: Duration::from_secs(4) };
    let parts = [(false, 500), (true, 600), (false, 900), (true, 600), (false, 1700)];
    let events = told(vec![Line::NotOpened(Deaf::Busy)], order(purpose(), false), &parts).await;
    let [SpeechEvent::Began, SpeechEvent::Recorded { audio, cut: false }] = &events[..] else {
        panic!("{events:?}");
    };
    assert!((2300..2700).contains(&(audio.len() / 8)), "{}", audio.len() / 8);
    let events = told(vec![], order(purpose(), false), &[(false, 500), (true, 6000)]).await;
    assert!(matches!(&events[1], SpeechEvent::Recorded { cut: true, .. }), "{events:?}");
    let events = told(vec![], order(purpose(), false), &[(false, 5000)]).await;
    assert_eq!(events, [SpeechEvent::Recorded { audio: Vec::new(), cut: false }]);
}

#[tokio::test]
async fn what_has_no_end_is_no_answer_whatever_was_heard_in_it() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _local = metrics::set_default_local_recorder(&recorder);
    let parts = [(false, 600), (true, 9000)];
    let events = told(vec![Line::Hear("seven".into(), 1000)], order(question(), false), &parts).await;
    let [SpeechEvent::Began, SpeechEvent::Heard { hearing, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((hearing.verdict, &hearing.meaning, hearing.words.len()), (Verdict::NoMatch, &None, 0));
    let text = metrics.render();
    assert!(text.contains("aftercall_speech_passed_over_total{why=\"endless\"} 1\n"), "{text}");
}

#[tokio::test]
async fn an_utterance_that_nobody_hears_counts_once() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _local = metrics::set_default_local_recorder(&recorder);
    for line in [Line::NotOpened(Deaf::Died), Line::FailsAtFeed(Deaf::Died), Line::Vanishes] {
        told(vec![line], order(question(), false), &SAID).await;
    }
    let text = metrics.render();
    assert!(text.contains("aftercall_speech_deaf_total{why=\"died\"} 3\n"), "{text}");
}

#[tokio::test]
async fn dropping_it_ends_it() {
    let (frames_in, audio) = mpsc::channel(10);
    let (events_in, mut events) = mpsc::channel(4);
    let listening =
        listen(Arc::new(Scripted::default()), grammars(), order(question(), false), audio, events_in);
    drop(listening);
    frames_in.closed().await;
    assert_eq!(events.recv().await, None);
}

#[tokio::test]
async fn a_recording_is_heard_offline() {
    let samples: Vec<i16> = frames(&[(true, 500)]).iter().flat_map(|frame| frame.samples.to_vec()).collect();
    let language = "en".parse().unwrap();
    let scripted = Scripted::new([Line::Hear("a four".into(), 850)]);
    let hearing = hear(&scripted, &grammars(), &language, "scale_1_5", None, &samples).await.unwrap();
    assert_eq!((hearing.meaning, hearing.verdict), (Some(Meaning::Answer("4".into())), Verdict::Confirm));
    let hearing = hear(&scripted, &grammars(), &language, "scale_1_5", None, &[0; 8000]).await.unwrap();
    assert_eq!(hearing.verdict, Verdict::NoMatch);
    assert!(scripted.asked().len() == 1);
}
