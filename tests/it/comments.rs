//! What callers say in their own words, on the pages: for whom, from how many on, and on record.

use std::path::Path;

use aftercall::config::StoreConfig;
use aftercall::domain::*;
use aftercall::store::{Batch, ResponseKey, Store};

use crate::harness::site::Site;
use crate::harness::{App, config};

/// Comments in the database before the program starts.
const COMMENTS: usize = 60;

/// The caller of a few of them: of each of two, one comment in thirty.
fn caller_of(number: usize) -> Option<CallerNumber> {
    let text = match number % 30 {
        7 => "+31201234567",
        8 => "+31207654321",
        _ => return None,
    };
    CallerNumber::new(text)
}

/// One call with a comment; some comments hold key words, one is left to the program and one could not be heard.
async fn leave(store: &Store, number: usize) {
    let call = store.new_call_id();
    let key = ResponseKey::new(call).expect("a key");
    let recording = store.keep_recording(&key, vec![700; 8000]).await.expect("a recording");
    let (language, question): (Language, QuestionId) =
        ("en".parse().expect("a language"), "words".parse().expect("a name"));
    let at_us = jiff::Timestamp::now().as_microsecond();
    let context = StoredContext {
        trunk: "pbx".parse().expect("a name"),
        agent: "anna".parse().ok(),
        queue: "sales".parse().ok(),
        call_ref: None,
        caller: caller_of(number).map(|number| store.privacy().caller_hash(&number)),
        language: Some(language.clone()),
        trigger: Trigger::Hangup,
        talk_s: None,
        first_hang_up: None,
    };
    let decision = Decision {
        origin: Origin::Sampled,
        survey: Some(("short".parse().expect("a name"), SurveyVersion(1))),
        reason: DecisionReason::All,
        count: None,
        draw_ppm: None,
        ahead: None,
    };
    let ended = Fact::Ended {
        disposition: Disposition::Complete,
        left_at: None,
        failure: None,
        by_caller: false,
        stats: None,
    };
    let facts = [
        Fact::Offered(context),
        Fact::Decided(decision),
        Fact::Answered { codec: Codec::Pcmu },
        Fact::Comment { question, recording, length_ms: 1000, cut: false, language },
        ended,
    ];
    let entry = |fact| Entry { call, at_us, fact };
    let entries = facts.into_iter().map(entry).collect();
    store.append(Batch { entries, key: Some(key), ..Batch::default() }).await.expect("a call");
    let outcome = match number {
        0 => return,
        1 => Transcription::Failed,
        _ => Transcription::Done,
    };
    let words: Vec<HeardWord> = format!("spoken {number}")
        .split(' ')
        .map(|word| HeardWord { word: word.into(), confidence_pm: 950, start_ms: 0, end_ms: 9 })
        .collect();
    let sealed = match outcome {
        Transcription::Done => store.vault().seal_words(call, recording, &words).await.expect("sealed"),
        _ => None,
    };
    let key_words = match number {
        2..6 => vec!["price".to_owned()],
        10..22 => vec!["waiting_time".to_owned()],
        _ => Vec::new(),
    };
    let fact = Fact::Transcribed { recording, outcome, model: None, sealed, key_words };
    store.append(Batch { entries: vec![entry(fact)], ..Batch::default() }).await.expect("a text");
}

/// Leaves so many comments in a data folder that no program works on.
pub(crate) fn leave_all(data: &Path, count: usize) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let store = StoreConfig { free_min_mib: 1, ..StoreConfig::default() };
        let (store, _) = Store::open(&store, data).await.expect("a store");
        for number in 0..count {
            leave(&store, number).await;
        }
        store.close().await;
    });
    // With the runtime goes the writer, and with it the lock.
}

#[test]
fn comments_are_read_by_quality_and_their_words_counted_for_supervisors() {
    let dir = tempfile::tempdir().expect("a folder");
    let text = format!("{}\n[web]\nlisten = \"127.0.0.1:0\"\n", config());
    std::fs::write(dir.path().join("aftercall.toml"), text).expect("the configuration is written");
    let data = dir.path().join("data");
    std::fs::create_dir(&data).expect("a folder");
    leave_all(&data, COMMENTS);
    let site = Site::of(App::in_dir(dir));
    for (name, role) in
        [("sue", &["supervisor"][..]), ("kim", &["quality"]), ("ann", &["agent", "--agent", "anna"])]
    {
        site.add(name, role);
    }
    let (sue, kim, ann) = (site.sign_in("sue"), site.sign_in("kim"), site.sign_in("ann"));

    let seen = site.get("/why", &sue).text();
    assert!(seen.contains("60 comments were left"), "{seen}");
    let word = seen.split("Waiting time").nth(1).expect("twelve callers said it");
    assert!(word.split("</tr>").next().unwrap_or_default().contains(">10<"), "in steps of five: {word}");
    assert!(!seen.contains("Price") && !seen.contains("spoken"), "four callers said it: {seen}");
    assert_eq!(site.post("/why", &sue, "reason=out+of+interest").status, 403);
    assert_eq!((site.get("/why", &ann).status, site.post("/why", &ann, "reason=curious").status), (403, 403));

    let asked = site.get("/why", &kim).text();
    assert!(asked.contains("name=\"reason\"") && !asked.contains("spoken"), "a reason first");
    assert_eq!(site.post("/why", &kim, "reason=no").status, 400);
    let first = site.post("/why", &kim, "reason=coaching+talk").text();
    assert!(first.contains("spoken 59") && !first.contains("spoken 9 "), "{first}");
    assert_eq!(first.matches("<article").count(), 50);
    let key = first.split("name=\"after\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let key = key.expect("there are more");
    let second = site.post("/why", &kim, &format!("reason=coaching+talk&after={key}")).text();
    assert_eq!(second.matches("<article").count(), 10);
    assert!(second.contains("spoken 9 ") && second.contains(">Price<"), "{second}");
    assert!(second.contains("the recogniser failed") && second.contains("no model hears"), "{second}");
    assert!(!second.contains("name=\"after\""), "nothing is left");
    let call = second.split("action=\"/calls/").nth(1).and_then(|rest| rest.split('"').next());
    let story = site.post(&format!("/calls/{}", call.expect("a call")), &kim, "reason=coaching+talk");
    assert!(story.status == 200 && story.text().contains("<audio"), "{}", story.text());
    assert_eq!(site.post("/why", &kim, "reason=coaching+talk&after=x").status, 400);
    let other = site.post("/why?survey=service&lang=nl", &kim, "reason=coaching+talk").text();
    assert!(other.contains("Hier zijn geen reacties"), "{other}");
    let log = site.app.ask(&["audit", "list"]);
    assert_eq!(log.matches("coaching talk").count(), 4, "three pages and a story: {log}");
}
