//! What a recogniser process does, whatever library hears for it: many utterances on a few threads.
//!
//! One thread reads frames and answers pings; it never hears. Recognising threads take the utterance that has waited
//! longest, live ones first, and hear at most [`STEP`] samples of it before the next one has its turn. The library may
//! panic, hang or take the process down at any time; what it says never leaves this process but as
//! [`FromWorker::Heard`].

mod queue;
pub mod resample;
pub mod sandbox;

use std::collections::HashSet;
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Barrier, Mutex, MutexGuard, PoisonError};

use self::queue::{Queue, Task, Work};
use super::frame::{self, Confined, Failure, FromWorker, Garbage, ToWorker};
use crate::domain::HeardWord;

/// Most samples heard in one turn: 0.2 s.
pub const STEP: usize = 1_600;
/// Most samples that may wait for one live utterance: 10 s.
const WAITING_LIVE_MAX: usize = 80_000;
/// Most samples that may wait for one background utterance: 10 min.
const WAITING_BACKGROUND_MAX: usize = 4_800_000;
/// Most utterances at once; the service asks for fewer.
const STREAMS_MAX: usize = 4_096;

/// A loaded model.
pub trait Engine: Send {
    /// A recogniser for one utterance.
    type Ear: Ear + 'static;

    /// Whether the model has this word.
    fn knows(&mut self, word: &str) -> bool;

    /// A recogniser that hears one of these phrases, or anything for `None`. The phrases are not empty and every word
    /// in them is known.
    fn ear(&mut self, phrases: Option<&[String]>) -> Option<Self::Ear>;
}

/// One utterance being heard.
pub trait Ear: Send {
    /// Hears samples at 8 kHz.
    ///
    /// # Errors
    /// The library refused them.
    fn hear(&mut self, samples: &[i16]) -> Result<(), Refused>;

    /// All the words, from the first sample on.
    ///
    /// # Errors
    /// The library made no sense.
    fn finish(self) -> Result<Vec<HeardWord>, Refused>;
}

/// The library refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// Why a process stopped listening to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The service closed the connection, or is gone.
    Closed,
    /// What it sent makes no sense.
    Garbage,
}

/// Tells the service something. A service that is gone is noticed by the thread that reads.
pub fn tell(socket: &Mutex<UnixStream>, message: &FromWorker) {
    let mut bytes = Vec::new();
    frame::write(message, &mut bytes);
    let mut left = &bytes[..];
    let socket = lock(socket);
    while !left.is_empty() {
        match rustix::net::send(&*socket, left, rustix::net::SendFlags::NOSIGNAL) {
            Ok(sent) => left = &left[sent..],
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves until the service goes. `unknown` is the model's word for what it could not place. `seal` gives the last rights
/// up: it is called once all threads are there, and the service is told of it.
pub fn serve<E: Engine + 'static>(
    mut input: UnixStream,
    output: UnixStream,
    engine: E,
    unknown: &str,
    threads: usize,
    seal: impl FnOnce() -> Confined,
) -> Stopped {
    let output = Arc::new(Mutex::new(output));
    let queue = Arc::new(Queue::new(threads));
    let engine = Arc::new(Mutex::new(engine));
    // What a thread does at its start is not among what it may do when the process is sealed.
    let begun = Arc::new(Barrier::new(threads + 1));
    for slot in 0..threads {
        let begun = Arc::clone(&begun);
        let (queue, engine, output) = (Arc::clone(&queue), Arc::clone(&engine), Arc::clone(&output));
        let unknown = unknown.to_owned();
        let run = move || {
            begun.wait();
            while let Some(task) = queue.take(slot) {
                let (task, answer) = step(task, &engine, &unknown);
                queue.give_back(slot, task);
                if let Some(answer) = answer {
                    tell(&output, &answer);
                }
            }
        };
        if std::thread::Builder::new().name(format!("hear {slot}")).spawn(run).is_err() {
            return Stopped::Closed; // No thread, no recogniser: the service starts another process.
        }
    }
    begun.wait();
    tell(&output, &FromWorker::Ready { unknown: unknown.to_owned(), confined: seal() });
    let (mut reader, mut bytes) = (frame::Reader::default(), vec![0; 64 * 1024]);
    loop {
        match input.read(&mut bytes) {
            Ok(0) => return Stopped::Closed,
            Ok(count) => reader.extend(&bytes[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => return Stopped::Closed,
        }
        loop {
            match reader.poll_message::<ToWorker>() {
                Ok(Some(message)) => {
                    if let Some(answer) = take(message, &queue, &engine) {
                        tell(&output, &answer);
                    }
                }
                Ok(None) => break,
                Err(Garbage) => return Stopped::Garbage,
            }
        }
    }
}

/// One message from the service; what can be answered at once is.
fn take<E: Engine>(message: ToWorker, queue: &Queue<E::Ear>, engine: &Mutex<E>) -> Option<FromWorker> {
    let (stream, work) = match message {
        ToWorker::Open { stream, background, phrases } => {
            return queue
                .open(stream, background, phrases, STREAMS_MAX)
                .map(|why| FromWorker::Failed { stream, why });
        }
        ToWorker::Drop { stream } => {
            queue.forget(stream);
            return None;
        }
        ToWorker::Ping { nonce } => {
            let (live_ms, background_ms) = queue.running_ms();
            return Some(FromWorker::Pong { nonce, live_ms, background_ms });
        }
        ToWorker::Lookup { mut words } => {
            let mut engine = lock(engine);
            words.retain(|word| !is_plain(word) || !engine.knows(word));
            return Some(FromWorker::Missing { words });
        }
        ToWorker::Audio { stream, samples } => (stream, Work::Audio(samples)),
        ToWorker::Finish { stream } => (stream, Work::Finish),
    };
    queue.add(stream, work).map(|why| FromWorker::Failed { stream, why })
}

/// One turn of one utterance: the task as it goes on, or `None` and what is told about it.
fn step<E: Engine>(
    mut task: Task<E::Ear>,
    engine: &Mutex<E>,
    unknown: &str,
) -> (Task<E::Ear>, Option<FromWorker>) {
    let stream = task.stream;
    // A panic's message may quote what was heard: the hook of the program prints none of it.
    let done = catch_unwind(AssertUnwindSafe(|| hear(&mut task, engine, unknown)));
    let answer = match done {
        Ok(Ok(None)) => None,
        Ok(Ok(Some(words))) => Some(FromWorker::Heard { stream, words }),
        Ok(Err(why)) => Some(FromWorker::Failed { stream, why }),
        Err(_) => Some(FromWorker::Failed { stream, why: Failure::Library }),
    };
    task.over = answer.is_some();
    (task, answer)
}

fn hear<E: Engine>(
    task: &mut Task<E::Ear>,
    engine: &Mutex<E>,
    unknown: &str,
) -> Result<Option<Vec<HeardWord>>, Failure> {
    let ear = match &mut task.ear {
        Some(ear) => ear,
        None => {
            let mut phrases = task.phrases.take();
            let mut engine = lock(engine);
            if let Some(phrases) = &mut phrases {
                let plain = |phrase: &String| phrase == unknown || phrase.split(' ').all(is_plain);
                if !phrases.iter().all(plain) {
                    return Err(Failure::Vocabulary);
                }
                // A grammar serves models with more and with fewer words. Whether each meaning can still be said is
                // looked at before any call.
                phrases.retain(|phrase| phrase.split(' ').all(|word| engine.knows(word)));
                if phrases.is_empty() {
                    return Err(Failure::Vocabulary);
                }
            }
            let phrases = phrases.map(|phrases| with_unknown(phrases, unknown));
            task.ear.insert(engine.ear(phrases.as_deref()).ok_or(Failure::Library)?)
        }
    };
    for samples in task.audio.chunks(STEP) {
        ear.hear(samples).map_err(|Refused| Failure::Library)?;
    }
    if !task.finish {
        return Ok(None);
    }
    let ear = task.ear.take().ok_or(Failure::Library)?;
    ear.finish().map(Some).map_err(|Refused| Failure::Library)
}

/// Every grammar can hear something unknown.
fn with_unknown(mut phrases: Vec<String>, unknown: &str) -> Vec<String> {
    phrases.push(unknown.to_owned());
    let mut seen = HashSet::new();
    phrases.retain(|phrase| seen.insert(phrase.clone()));
    phrases
}

/// Whether a word can be put into a grammar: libvosk ends the process on a quote, an empty word or `<eps>`, and the
/// symbols that begin with `<` or `#` are no words.
fn is_plain(word: &str) -> bool {
    let mut letters = word.chars();
    letters.next().is_some_and(|first| first.is_alphanumeric() || first == '\'')
        && letters.all(|c| c.is_alphanumeric() || matches!(c, '\'' | '-' | '_' | '.'))
}

#[cfg(test)]
mod tests;
