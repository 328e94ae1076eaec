//! Recogniser processes: the real program, the real library and the built-in model, and whatever can befall them.

mod chaos;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aftercall::config::{SpeechConfig, SpeechModels, speech_models};
use aftercall::domain::{Deaf, Language};
use aftercall::speech::check::{Fault, self_test};
use aftercall::speech::installed::installed;
use aftercall::speech::pool::Phase;
use aftercall::speech::{Installed, Pool, Recognisers, Urgency, Utterance, Vocabulary, Words};

use crate::harness::{PATIENCE, library, repository, skipped};

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

/// The model that we ship, with room for sixty streams.
fn built_in(config: &SpeechConfig) -> Vec<Installed> {
    let mut found = installed(config, &shipped_models(), Path::new("/nowhere")).expect("the built-in model");
    found.iter_mut().for_each(|installed| installed.model.streams_max = 60);
    found
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
        skipped(&format!("there is no {}", file.display()));
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
    // Whatever this kernel has to confine a process with holds while it hears.
    let cage = pool.cage().expect("it is ready");
    let (_, probed) = probe("deeds").unwrap_or_default();
    assert!(cage.calls || !probed.contains("calls: confined"), "{cage:?}");
    for (file, said) in [("7_theo_0.wav", "seven"), ("3_theo_5.wav", "three"), ("1_yweweler_10.wav", "one")] {
        let Some(samples) = speech(file) else { return };
        let words = hear(open(&pool), &samples).expect("a result");
        assert_eq!(text(&words), said);
        let word = &words.words[0];
        assert!(word.confidence_pm > 800 && word.start_ms >= 300 && word.end_ms > word.start_ms, "{word:?}");
    }
}

#[test]
fn a_model_of_another_rate_is_served_too() {
    let Some(library) = library() else { return };
    let config = config(library);
    let mut models = built_in(&config);
    models[0].model.rate = 16_000; // This model takes both, so what we make of 8 kHz can be tried on it.
    let pool = Pool::start(&config, &models);
    assert!(block(pool.settled(PATIENCE)));
    let Some(samples) = speech("7_theo_0.wav") else { return };
    let words = hear(open(&pool), &samples).expect("a result");
    assert_eq!(text(&words), "seven");
    assert!((300..900).contains(&words.words[0].start_ms), "{words:?}");
}

#[test]
fn what_nobody_waits_for_has_a_process_of_its_own_where_speech_is_open() {
    let Some(library) = library() else { return };
    let config = config(library);
    let mut models = built_in(&config);
    models[0].model.open_vocabulary = true;
    let pool = Pool::start(&config, &models);
    assert!(block(pool.settled(PATIENCE)));
    let state = pool.state().remove(0);
    let background = state.processes.iter().find(|process| process.background).expect("its process");
    let pid = background.pid.expect("it runs");
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("its state");
    assert_eq!(stat.split(' ').nth(18), Some("19"), "its priority: {stat}");
    let Some(samples) = speech("7_theo_0.wav") else { return };
    let mut utterance = pool.open(&english(), &Vocabulary::Open, Urgency::Background).expect("room");
    utterance.feed(&samples).expect("it is heard");
    assert!(text(&finish(utterance).expect("a result")).contains("seven"));

    let mut recording = pool.open(&english(), &Vocabulary::Open, Urgency::Background).expect("room");
    signal(pid, "KILL");
    while recording.feed(&[0; 160]).is_ok() {
        std::thread::park_timeout(Duration::from_millis(5));
    }
    assert_eq!(text(&hear(open(&pool), &samples).expect("callers are heard all the same")), "seven");
}

#[test]
fn sixty_callers_are_heard_at_once_and_the_next_is_told() {
    let Some(pool) = pool(|_| ()) else { return };
    let Some(samples) = speech("7_theo_0.wav") else { return };
    let mut callers: Vec<_> = (0..60).map(|_| open(&pool)).collect();
    assert_eq!(pool.open(&english(), &digits(), Urgency::Live).err(), Some(Deaf::Busy));
    for packet in samples.chunks(160) {
        for caller in &mut callers {
            caller.feed(packet).expect("it is heard");
        }
    }
    let ended = Instant::now();
    let results: Vec<_> = callers.into_iter().map(|caller| caller.finish()).collect();
    for result in results {
        assert_eq!(text(&block(result).expect("an answer").expect("a result")), "seven");
    }
    let state = &pool.state()[0].processes[0];
    println!("60 results {:?} after the last packet; {} MiB", ended.elapsed(), state.rss_bytes >> 20);
    assert_eq!((state.restarts, state.streams), (0, 0));
}

#[test]
fn what_nobody_waits_for_waits_for_callers() {
    let Some(pool) = pool(|config| {
        config.queue_kib = 65_536;
        config.hung_after = Duration::from_secs(10); // A ping waits behind all of that audio.
        config.background_deadline = PATIENCE;
    }) else {
        return;
    };
    let Some(samples) = speech("7_theo_0.wav") else { return };
    let long: Vec<i16> = samples.iter().copied().cycle().take(8_000 * 30).collect();
    let recordings: Vec<_> = (0..20)
        .map(|_| {
            let mut recording = pool.open(&english(), &digits(), Urgency::Background).expect("room");
            recording.feed(&long).expect("it waits");
            recording.finish()
        })
        .collect();
    let begun = Instant::now();
    let words = hear(open(&pool), &samples).expect("a result");
    println!("heard after {:?} beside 10 minutes of recordings", begun.elapsed());
    assert_eq!(text(&words), "seven");
    let waiting = recordings.into_iter().filter_map(|mut result| result.try_recv().err()).count();
    assert!(waiting >= 15, "{waiting} recordings wait");
}

#[test]
fn a_vocabulary_that_would_kill_the_library_is_refused() {
    let Some(pool) = pool(|_| ()) else { return };
    for phrases in [&["a\"b"][..], &["<eps>"], &[""], &["one  two"], &["xyzzy"]] {
        let phrases = Vocabulary::Phrases(phrases.iter().map(|&phrase| phrase.to_owned()).collect());
        let utterance = pool.open(&english(), &phrases, Urgency::Live).expect("room");
        assert_eq!(finish(utterance), Err(Deaf::NoModel), "{phrases:?}");
    }
    let none = Vocabulary::Phrases(Arc::new([]));
    assert_eq!(pool.open(&english(), &none, Urgency::Live).err(), Some(Deaf::NoModel));
    assert_eq!(pool.open(&english(), &Vocabulary::Open, Urgency::Live).err(), Some(Deaf::NoModel));
    assert_eq!(pool.state()[0].processes[0].restarts, 0);
}

#[test]
fn no_process_outlives_the_pool() {
    let Some(pool) = pool(|_| ()) else { return };
    let pid = pid(&pool);
    let mut utterance = open(&pool);
    drop(pool);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    assert_eq!(utterance.feed(&[0; 160]), Err(Deaf::Died));
}

fn probe(attempts: &str) -> Option<(std::process::ExitStatus, String)> {
    let config = config(library()?);
    let probe = format!("--probe={attempts}");
    let output = built_in(&config)[0].command(&config).arg(probe).output().expect("the probe runs");
    let text = String::from_utf8(output.stdout).expect("text");
    if text.contains("landlock: 0") && text.contains("calls: open") {
        skipped("this kernel confines nothing");
        return None;
    }
    Some((output.status, text))
}

#[test]
fn a_confined_process_reaches_nothing_and_makes_no_call_that_hearing_does_not_take() {
    let Some((status, text)) = probe("all") else { return };
    assert!(status.success() && !text.contains("escaped"), "{text}");
    assert!(text.contains("calls: confined"), "this kernel has no system call filters: {text}");
    for name in [
        "limit its parent",
        "schedule its parent",
        "signal its parent",
        "change a mode",
        "have the kernel signal its parent",
        "start a thread",
        "start a ring",
        "take memory that no limit counts",
        "make system call 0x1a9",
    ] {
        assert!(text.contains(&format!("refused: {name}\n")), "{name}: {text}");
    }
}

#[test]
fn a_call_of_another_processor_ends_a_confined_process() {
    use std::os::unix::process::ExitStatusExt as _;
    let Some((status, text)) = probe("foreign") else { return };
    assert!(!text.contains("escaped"), "{text}");
    // By the filter, or by a kernel that knows no other processor at all.
    let ended = [Some(libc::SIGSYS), Some(libc::SIGSEGV)].contains(&status.signal());
    assert!(ended || text.contains("refused"), "{status}: {text}");
}

#[test]
fn a_self_test_names_the_words_that_a_model_lacks() {
    let Some(library) = library() else { return };
    let config = config(library);
    let words = ["seven", "xyzzy", "agree", "<eps>"].map(str::to_owned);
    let test = self_test(&config, &built_in(&config)[0], &words);
    assert_eq!((test.missing, test.fault), (vec!["xyzzy".to_owned(), "<eps>".to_owned()], None));
    let test = self_test(&config, &built_in(&config)[0], &["xyzzy".to_owned()]);
    assert_eq!(test.fault, Some(Fault::NoWord));
    let test = self_test(&config, &built_in(&config)[0], &["seven".to_owned()]);
    assert!(test.load.is_some() && test.rss_bytes > 0 && test.realtime_factor.is_some(), "{test:?}");
}

#[test]
fn check_prints_what_it_found_and_says_when_there_is_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let check = |speech: &str| {
        let file = dir.path().join("aftercall.toml");
        let config = std::fs::read_to_string(repository("config/aftercall.toml")).expect("the configuration");
        let models = repository("config/speech-models.toml");
        let grammars = format!("{:?}", repository("grammars"));
        let speech = format!("[speech]\nmodels = {models:?}\n{speech}");
        std::fs::write(&file, config.replace("[speech]", &speech).replace("\"../grammars\"", &grammars))
            .expect("a configuration");
        let output = crate::harness::program()
            .args(["--data", "nothing", "--config"])
            .arg(&file)
            .args(["speech", "check", "--verbose"])
            .current_dir(dir.path())
            .output()
            .expect("it runs");
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).expect("text")).concat();
        (output.status.code(), text)
    };
    let (code, text) = check("");
    assert_eq!(code, Some(1));
    assert!(text.contains("keypad only: there is no libvosk.so"), "{text}");
    let Some(library) = library() else { return };
    let (code, text) = check(&format!("library = {library:?}"));
    assert!(code == Some(0) && text.contains("aftercall-en-compact-3") && text.contains("good"), "{text}");
    assert!(!text.contains("not known"), "the model knows each word of its grammars: {text}");
}
