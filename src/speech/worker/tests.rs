use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::speech::frame::Reader;

/// Knows the letters, hears the samples that it is fed as one word, and stumbles on request.
struct Scripted {
    ears: Arc<AtomicUsize>,
}

struct ScriptedEar {
    heard: Vec<i16>,
    ears: Arc<AtomicUsize>,
}

impl Engine for Scripted {
    type Ear = ScriptedEar;

    fn knows(&mut self, word: &str) -> bool {
        word.len() == 1 || word == "[unk]"
    }

    fn ear(&mut self, phrases: Option<&[String]>) -> Option<ScriptedEar> {
        assert!(phrases.is_none_or(|phrases| phrases.iter().any(|phrase| phrase == "[unk]")));
        self.ears.fetch_add(1, Ordering::SeqCst);
        Some(ScriptedEar { heard: Vec::new(), ears: Arc::clone(&self.ears) })
    }
}

impl Drop for ScriptedEar {
    fn drop(&mut self) {
        self.ears.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Ear for ScriptedEar {
    fn hear(&mut self, samples: &[i16]) -> Result<(), Refused> {
        assert!(!samples.contains(&666), "a word that nobody may read");
        self.heard.extend(samples);
        if samples.contains(&-1) { Err(Refused) } else { Ok(()) }
    }

    fn finish(self) -> Result<Vec<HeardWord>, Refused> {
        let sum: i32 = self.heard.iter().map(|&sample| i32::from(sample)).sum();
        let end_ms = u32::try_from(self.heard.len() / 8).unwrap();
        Ok(vec![HeardWord { word: format!("w{sum}"), confidence_pm: 1000, start_ms: 0, end_ms }])
    }
}

struct Client {
    socket: UnixStream,
    reader: Reader,
    ears: Arc<AtomicUsize>,
    worker: std::thread::JoinHandle<Stopped>,
}

impl Client {
    fn start(threads: usize) -> Self {
        let (socket, far) = UnixStream::pair().unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        let ears = Arc::new(AtomicUsize::new(0));
        let engine = Scripted { ears: Arc::clone(&ears) };
        let serve = move || serve(far.try_clone().unwrap(), far, engine, "[unk]", threads, Confined::default);
        let worker = std::thread::spawn(serve);
        let mut client = Self { socket, reader: Reader::default(), ears, worker };
        assert!(matches!(client.hear(), FromWorker::Ready { .. }));
        client
    }

    fn say(&mut self, message: &ToWorker) {
        let mut bytes = Vec::new();
        frame::write(message, &mut bytes);
        std::io::Write::write_all(&mut self.socket, &bytes).unwrap();
    }

    fn open(&mut self, stream: u32, background: bool, phrases: &[&str]) {
        let phrases = Some(phrases.iter().map(|&phrase| phrase.to_owned()).collect());
        self.say(&ToWorker::Open { stream, background, phrases });
    }

    fn hear(&mut self) -> FromWorker {
        let mut bytes = [0; 4096];
        loop {
            if let Some(message) = self.reader.poll_message().unwrap() {
                return message;
            }
            let count = self.socket.read(&mut bytes).expect("an answer in time");
            assert!(count > 0, "the worker left");
            self.reader.extend(&bytes[..count]);
        }
    }
}

#[test]
fn utterances_are_heard_side_by_side_and_in_order() {
    for threads in [1, 3] {
        let mut client = Client::start(threads);
        for stream in 0..40 {
            client.open(stream, stream % 3 == 0, &["a", "b c"]);
        }
        for _ in 0..10 {
            for stream in 0..40 {
                client.say(&ToWorker::Audio { stream, samples: vec![i16::try_from(stream).unwrap(); 320] });
            }
        }
        (0..40).for_each(|stream| client.say(&ToWorker::Finish { stream }));
        let mut seen: Vec<u32> = (0..40)
            .map(|_| match client.hear() {
                FromWorker::Heard { stream, words } => {
                    assert_eq!(words[0].word, format!("w{}", stream * 3200));
                    assert_eq!(words[0].end_ms, 400);
                    stream
                }
                other => panic!("{other:?}"),
            })
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..40).collect::<Vec<_>>());
        drop(client.socket);
        assert_eq!(client.worker.join().unwrap(), Stopped::Closed);
    }
}

#[test]
fn what_is_over_is_heard_first_and_to_its_end() {
    let queue: Queue<()> = Queue::new(1);
    let audio = || Work::Audio(vec![1; 2 * STEP]);
    for (stream, background) in [(1, true), (2, false), (3, false), (4, false)] {
        assert_eq!(queue.open(stream, background, None, 10), None);
        assert_eq!(queue.add(stream, audio()), None);
    }
    for stream in [4, 1, 3] {
        assert_eq!(queue.add(stream, Work::Finish), None);
    }
    let mut order = Vec::new();
    while order.len() < 8 {
        let mut task = queue.take(0).unwrap();
        order.push(task.stream);
        task.over = task.finish;
        queue.give_back(0, task);
    }
    assert_eq!(order, [4, 4, 3, 3, 2, 2, 1, 1]);
}

#[test]
fn what_would_hurt_the_library_never_reaches_it() {
    let mut client = Client::start(1);
    let bad = [&["bb"][..], &["\""], &["a\"b"], &["<eps>"], &[" "], &["a  b"], &["#0"], &[""]];
    for (stream, phrases) in (0..).zip(bad) {
        client.open(stream, false, phrases);
        assert_eq!(client.hear(), FromWorker::Failed { stream, why: Failure::Vocabulary }, "{phrases:?}");
    }
    client.say(&ToWorker::Lookup { words: vec!["a".into(), "bb".into(), "<".into(), "b".into()] });
    assert_eq!(client.hear(), FromWorker::Missing { words: vec!["bb".into(), "<".into()] });
}

#[test]
fn a_panic_or_a_refusal_costs_one_utterance() {
    let mut client = Client::start(1);
    for (stream, sample) in [(1, 666), (2, -1)] {
        client.open(stream, false, &["a"]);
        client.say(&ToWorker::Audio { stream, samples: vec![sample] });
        assert_eq!(client.hear(), FromWorker::Failed { stream, why: Failure::Library });
    }
    client.open(3, false, &["a"]);
    client.say(&ToWorker::Audio { stream: 3, samples: vec![2; 3] });
    client.say(&ToWorker::Finish { stream: 3 });
    assert!(matches!(client.hear(), FromWorker::Heard { stream: 3, .. }));
}

#[test]
fn a_dropped_utterance_leaves_nothing_behind() {
    let mut client = Client::start(2);
    for stream in 0..20 {
        client.open(stream, false, &["a"]);
        client.say(&ToWorker::Audio { stream, samples: vec![1; 2000] });
        client.say(&ToWorker::Drop { stream });
    }
    client.open(99, false, &["a"]);
    client.say(&ToWorker::Finish { stream: 99 });
    assert!(matches!(client.hear(), FromWorker::Heard { stream: 99, .. }));
    client.say(&ToWorker::Ping { nonce: 5 });
    assert!(matches!(client.hear(), FromWorker::Pong { nonce: 5, .. }));
    // Those that a thread held at the time go when it gives them back.
    while client.ears.load(Ordering::SeqCst) > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn too_much_audio_ends_an_utterance_and_garbage_the_connection() {
    let mut client = Client::start(1);
    client.open(1, true, &["a"]);
    client.say(&ToWorker::Drop { stream: 1 });
    client.open(2, false, &["a"]);
    client.say(&ToWorker::Finish { stream: 2 });
    client.say(&ToWorker::Audio { stream: 2, samples: vec![1; 8] });
    // Answered, or refused because audio came after its end; never both.
    assert!(matches!(
        client.hear(),
        FromWorker::Heard { stream: 2, .. } | FromWorker::Failed { stream: 2, .. }
    ));
    std::io::Write::write_all(&mut client.socket, &[1, 0, 0, 0, 250]).unwrap();
    assert_eq!(client.worker.join().unwrap(), Stopped::Garbage);
}
