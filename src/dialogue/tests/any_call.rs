//! What holds for any call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn any_event() -> impl Strategy<Value = Event> {
    let key = proptest::sample::select("0123456789*#A".chars().collect::<Vec<_>>());
    prop_oneof![
        1 => Just(Event::Answered),
        6 => (0u32..30).prop_map(|n| Event::PlayDone(PlayId(n))),
        12 => key.prop_map(|c| Event::Key { digit: Digit::from_char(c).unwrap(), path: KeyPath::Info }),
        1 => any::<bool>().prop_map(Event::Held),
        6 => Just(Event::Timeout),
        8 => proptest::sample::select(vec![
            "began", "says 4", "says 2?", "says 10", "says yes", "says no?", "says repeat", "says again", "says stop",
            "says skip", "mumbles", "deaf busy", "deaf died", "comment none", "comment 3s", "stale says 4",
        ]).prop_map(|text| spoken_event(text, ListenId(9)).unwrap()),
        1 => prop_oneof![
            Just(Event::CallerGone), Just(Event::Drain), Just(Event::StorageFailed), Just(Event::MediaDead),
            Just(Event::Failed(FailReason::SessionExpired)),
        ],
    ]
}

proptest! {
    #[test]
    fn any_events_one_end_then_silence_and_no_spin(events in proptest::collection::vec((any_event(), 0u64..3000), 0..120)) {
        let survey = Arc::new(read(&by_voice::SURVEY.replace("title", "ask_language = true\n    title")).unwrap());
        let mut dialogue = Dialogue::new(Arc::clone(&survey), None).with_ears(vec!["en".parse().unwrap()]);
        let mut now = Instant::now();
        let (mut hang_ups, mut ends, mut playing, mut listening) = (0, 0, PlayId(0), ListenId(0));
        let (mut facts, mut lost) = (Vec::new(), false);
        let first = std::iter::once((Event::Answered, 0));
        for (event, wait_ms) in first.chain(events) {
            now += Duration::from_millis(wait_ms);
            let event = match event {
                Event::PlayDone(id) if id.0 % 3 > 0 => Event::PlayDone(playing), // Mostly the right one.
                Event::Timeout => { now = now.max(dialogue.poll_timeout().unwrap_or(now)); Event::Timeout }
                Event::SpeechBegan(_) => Event::SpeechBegan(listening),
                Event::Heard { hearing, recording, .. } => Event::Heard { id: listening, hearing, recording },
                Event::Recorded { comment, .. } => Event::Recorded { id: listening, comment },
                Event::Deaf { why, .. } => Event::Deaf { id: listening, why, recording: None },
                other => other,
            };
            let (over, was_timeout) = (ends > 0, event == Event::Timeout);
            lost |= event == Event::StorageFailed; // Here the facts stay.
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
                        facts.push(Fact::Answer(answer));
                    }
                    Action::Listen { id, .. } => listening = id,
                    Action::Record(fact) => facts.push(fact),
                    Action::StopPlaying | Action::StopListening | Action::FinishListening => {}
                }
            }
            if was_timeout {
                prop_assert!(dialogue.poll_timeout().is_none_or(|at| at > now), "a deadline that was met stays");
            }
            // Facts alone tell what a hang-up here would come to.
            for action in dialogue.clone().handle(Event::CallerGone, now) {
                if let (Action::End(outcome), false) = (action, lost) {
                    let complete = outcome.disposition == Disposition::Complete;
                    prop_assert_eq!(complete_so_far(&survey, facts.iter()), complete, "{:?}", facts);
                }
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
