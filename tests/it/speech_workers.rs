//! Recogniser processes: the real program, the real library and the built-in model, and whatever can befall them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aftercall::config::{SpeechConfig, SpeechModels, speech_models};
use aftercall::domain::{Deaf, Language};
use aftercall::speech::installed::installed;
use aftercall::speech::pool::Phase;
use aftercall::speech::{Installed, Pool, Recognisers, Urgency, Utterance, Vocabulary, Words};

use crate::harness::{PATIENCE, repository};

/// The library, where this machine has it; `make test` gets it.
fn library() -> Option<PathBuf> {
    let library = repository("var/speech/libvosk.so");
    if !library.is_file() {
        println!("skipped: there is no {}; deploy/get-libvosk.sh gets it", library.display());
    }
    library.is_file().then_some(library)
}

fn shipped_models() -> SpeechModels {
    let config = repository("config/aftercall.toml");
    speech_models(&config, &mut SpeechConfig::default()).expect("the models as shipped")
}

fn config(library: PathBuf) -> SpeechConfig {
    SpeechConfig {
        library: Some(library),
        worker: Some(env!("CARGO_BIN_EXE_aftercall-speech").into()),
        // Tests run side by side on machines that do much else; what they test is order, not speed.
        deadline: Duration::from_secs(10),
        hung_after: Duration::from_secs(2),
        restart_min: Duration::from_millis(20),
        ..SpeechConfig::default()
    }
}

fn built_in(config: &SpeechConfig) -> Vec<Installed> {
    installed(config, &shipped_models(), Path::new("/nowhere")).expect("the built-in model")
}

/// A pool of the real thing, with this changed; `None` without the library.
fn pool(change: impl FnOnce(&mut SpeechConfig)) -> Option<Pool> {
    let mut config = config(library()?);
    change(&mut config);
    let pool = Pool::start(&config, &built_in(&config));
    block(async { assert!(pool.settled(PATIENCE).await, "{:?}", pool.state()) });
    Some(pool)
}

fn block<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.expect("an end in time") })
}

fn english() -> Language {
    "en".parse().expect("a language")
}

fn digits() -> Vocabulary {
    let words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    Vocabulary::Phrases(words.map(str::to_owned).into())
}

fn open(pool: &Pool) -> Box<dyn Utterance> {
    pool.open(&english(), &digits(), Urgency::Live).expect("room")
}

/// Opens once there is room again.
fn open_again(pool: &Pool) -> Box<dyn Utterance> {
    let start = Instant::now();
    loop {
        match pool.open(&english(), &digits(), Urgency::Live) {
            Ok(utterance) => return utterance,
            Err(why) => assert!(start.elapsed() < PATIENCE, "{why}"),
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

fn finish(utterance: Box<dyn Utterance>) -> Result<Words, Deaf> {
    block(utterance.finish()).expect("the pool answers")
}

/// Real speech at 8 kHz with quiet around it, where this machine has it.
fn speech(name: &str) -> Option<Vec<i16>> {
    let file = repository("../shared/audio/fsdd").join(name);
    let Ok(mut wav) = hound::WavReader::open(&file) else {
        println!("skipped: there is no {}", file.display());
        return None;
    };
    let quiet = || std::iter::repeat_n(0, 2400);
    Some(quiet().chain(wav.samples::<i16>().map(Result::unwrap)).chain(quiet()).collect())
}

fn hear(mut utterance: Box<dyn Utterance>, samples: &[i16]) -> Result<Words, Deaf> {
    for packet in samples.chunks(160) {
        utterance.feed(packet)?;
    }
    finish(utterance)
}

fn text(words: &Words) -> String {
    words.words.iter().map(|word| word.word.as_str()).collect::<Vec<_>>().join(" ")
}

fn pid(pool: &Pool) -> u32 {
    let start = Instant::now();
    loop {
        if let Some(pid) = pool.state()[0].processes[0].pid {
            return pid;
        }
        assert!(start.elapsed() < PATIENCE, "no process: {:?}", pool.state());
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn signal(pid: u32, name: &str) {
    let sent = std::process::Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

#[test]
fn people_are_heard() {
    let Some(pool) = pool(|_| ()) else { return };
    let model = pool.model(&english()).expect("a model");
    assert_eq!((model.unknown.as_str(), model.open_vocabulary), ("[unk]", false));
    for (file, said) in [("7_theo_0.wav", "seven"), ("3_theo_5.wav", "three"), ("1_yweweler_10.wav", "one")] {
        let Some(samples) = speech(file) else { return };
        let words = hear(open(&pool), &samples).expect("a result");
        assert_eq!(text(&words), said);
        let word = &words.words[0];
        assert!(word.confidence_pm > 800 && word.start_ms >= 300 && word.end_ms > word.start_ms, "{word:?}");
    }
}
