//! What callers and the supervisor of one recogniser process share: the way to the process, and who waits for what.
//!
//! Callers write to the process themselves, without a thread between; only what the socket does not take at once waits
//! here for the supervisor, up to a bound. Nothing here waits for the process.

use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use tokio::sync::oneshot;

use super::frame::{self, FRAME_MAX, ToWorker};
use super::{Urgency, Vocabulary, Words};
use crate::domain::{Deaf, HeardWord};

/// The most that one line lets in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Utterances at once.
    pub(super) streams_max: usize,
    /// Bytes that wait for the process.
    pub(super) queue_max: usize,
    /// From the end of an utterance to its result.
    pub(super) deadline: Duration,
    /// The same where nobody waits on the line.
    pub(super) background_deadline: Duration,
}

/// How one utterance stands.
enum Entry {
    /// It is being fed.
    Open { deadline: Duration },
    /// It is over, and its result is due.
    Finishing { answer: oneshot::Sender<Result<Words, Deaf>>, due: Instant },
    /// It is lost, and its owner does not know yet.
    Lost(Deaf),
}

struct Inner {
    /// The way to the process, while it takes utterances.
    socket: Option<UnixStream>,
    /// Why there is no way.
    closed: Option<Deaf>,
    /// What the socket has not taken yet.
    waiting: VecDeque<u8>,
    streams: HashMap<u32, Entry>,
    /// Utterances in `streams` that are not lost.
    open: usize,
    next: u32,
    /// Answers that the process may still give: twice what was opened, since it may fail on an utterance while it ends.
    /// One that goes on talking would keep its supervisor from everything else.
    answers: u64,
    stopping: bool,
    gauge: metrics::Gauge,
}

/// Utterances of one language that are fed or waited for.
fn gauge(language: &str) -> metrics::Gauge {
    metrics::gauge!("aftercall_speech_streams", "language" => language.to_owned())
}

/// The shared part of one process.
pub(super) struct Line {
    inner: Mutex<Inner>,
    wake: OwnedFd,
    bounds: Bounds,
}

impl Line {
    pub(super) fn new(language: &str, bounds: Bounds) -> std::io::Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let inner = Inner {
            socket: None,
            closed: Some(Deaf::NoModel),
            waiting: VecDeque::new(),
            streams: HashMap::new(),
            open: 0,
            next: 0,
            answers: 0,
            stopping: false,
            gauge: gauge(language),
        };
        Ok(Self { inner: Mutex::new(inner), wake, bounds })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the supervisor look.
    pub(super) fn wake(&self) {
        // A counter that is full wakes as well.
        let _full = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    pub(super) fn waker(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    pub(super) fn was_woken(&self) {
        let _empty = rustix::io::read(&self.wake, &mut [0_u8; 8]);
    }

    pub(super) fn stop(&self) {
        self.lock().stopping = true;
        self.wake();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    /// Utterances that are fed or waited for.
    pub(super) fn streams(&self) -> usize {
        self.lock().open
    }

    /// How many more utterances it takes, or why none.
    pub(super) fn room(&self) -> Result<usize, Deaf> {
        let inner = self.lock();
        match inner.closed {
            Some(why) => Err(why),
            None => Ok(self.bounds.streams_max.saturating_sub(inner.open)),
        }
    }

    /// Begins an utterance.
    pub(super) fn open(&self, vocabulary: &Vocabulary, urgency: Urgency) -> Result<u32, Deaf> {
        let phrases = match vocabulary {
            Vocabulary::Phrases(phrases) => Some(phrases.to_vec()),
            Vocabulary::Open => None,
        };
        // What cannot be said to the process would end it: that is a fault of whoever made the vocabulary.
        let fits = |phrases: &Vec<String>| {
            !phrases.is_empty()
                && phrases.len() <= frame::ITEMS_MAX
                && phrases.iter().all(|phrase| phrase.len() <= frame::TEXT_MAX)
                && phrases.iter().map(|phrase| phrase.len() + 2).sum::<usize>() + 64 <= FRAME_MAX
        };
        if phrases.as_ref().is_some_and(|phrases| !fits(phrases)) {
            return Err(Deaf::NoModel);
        }
        let mut inner = self.lock();
        if let Some(why) = inner.closed {
            return Err(why);
        }
        if inner.open >= self.bounds.streams_max {
            return Err(Deaf::Busy);
        }
        let stream = inner.next;
        inner.next = inner.next.wrapping_add(1);
        let background = urgency == Urgency::Background;
        let mut bytes = Vec::new();
        frame::write(&ToWorker::Open { stream, background, phrases }, &mut bytes);
        self.send(&mut inner, &bytes).map_err(|_| Deaf::Busy)?;
        let deadline = if background { self.bounds.background_deadline } else { self.bounds.deadline };
        inner.streams.insert(stream, Entry::Open { deadline });
        inner.answers += 2;
        inner.open += 1;
        inner.gauge.increment(1);
        if inner.open == 1 {
            drop(inner);
            self.wake(); // The process is watched more closely from here on.
        }
        Ok(stream)
    }

    /// Feeds an utterance. One whose samples do not fit any more is given up.
    pub(super) fn feed(&self, stream: u32, samples: &[i16]) -> Result<(), Deaf> {
        let mut inner = self.lock();
        match inner.streams.get(&stream) {
            Some(Entry::Open { .. }) => {}
            Some(Entry::Lost(why)) => return Err(*why),
            Some(Entry::Finishing { .. }) | None => return Err(Deaf::Died),
        }
        let mut bytes = Vec::with_capacity(2 * samples.len() + 16);
        frame::write_audio(stream, samples, &mut bytes);
        self.send(&mut inner, &bytes).inspect_err(|&why| {
            inner.lose(stream, why);
            self.say_always(&mut inner, &ToWorker::Drop { stream });
        })
    }

    /// Ends an utterance.
    pub(super) fn finish(&self, stream: u32) -> oneshot::Receiver<Result<Words, Deaf>> {
        let (answer, result) = oneshot::channel();
        let mut inner = self.lock();
        match inner.streams.remove(&stream) {
            Some(Entry::Open { deadline }) => {
                let due = Instant::now() + deadline;
                inner.streams.insert(stream, Entry::Finishing { answer, due });
                self.say_always(&mut inner, &ToWorker::Finish { stream });
                self.wake(); // The supervisor keeps the time.
            }
            Some(Entry::Lost(why)) => answer_with(answer, Err(why)),
            Some(Entry::Finishing { .. }) | None => answer_with(answer, Err(Deaf::Died)),
        }
        result
    }

    /// Gives an utterance up.
    pub(super) fn abandon(&self, stream: u32) {
        let mut inner = self.lock();
        if let Some(Entry::Open { .. }) = inner.streams.remove(&stream) {
            inner.one_less();
            self.say_always(&mut inner, &ToWorker::Drop { stream });
        }
    }

    /// Asks the process whether it is there.
    pub(super) fn ping(&self, nonce: u32) {
        let mut inner = self.lock();
        self.say_always(&mut inner, &ToWorker::Ping { nonce });
    }

    /// What must not be lost has no bound of its own: one short frame for each utterance, and one ping at a time.
    fn say_always(&self, inner: &mut Inner, message: &ToWorker) {
        let mut bytes = Vec::new();
        frame::write(message, &mut bytes);
        if inner.waiting.is_empty() {
            // An empty queue takes a short frame; a closed line has told everyone already.
            let _closed = self.send(inner, &bytes);
        } else {
            inner.waiting.extend(bytes);
        }
    }

    /// Sends, in order, what fits; keeps the rest for the supervisor.
    fn send(&self, inner: &mut Inner, bytes: &[u8]) -> Result<(), Deaf> {
        let Some(socket) = &inner.socket else { return Err(inner.closed.unwrap_or(Deaf::Died)) };
        if inner.waiting.is_empty() {
            let sent = match send(socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(sent) => sent,
                Err(Errno::AGAIN | Errno::INTR) => 0,
                // The supervisor sees the same, and says it to everyone.
                Err(_) => return Ok(()),
            };
            if sent == bytes.len() {
                return Ok(());
            }
            // What was begun must be ended, or the process reads garbage.
            if sent == 0 && bytes.len() > self.bounds.queue_max {
                return Err(Deaf::Slow);
            }
            inner.waiting.extend(&bytes[sent..]);
            self.wake();
            return Ok(());
        }
        if inner.waiting.len() + bytes.len() > self.bounds.queue_max {
            return Err(Deaf::Slow);
        }
        inner.waiting.extend(bytes);
        Ok(())
    }

    /// Sends what waits, as far as the socket takes it; whether more waits.
    pub(super) fn flush(&self) -> bool {
        let mut inner = self.lock();
        let Inner { socket: Some(socket), waiting, .. } = &mut *inner else { return false };
        while !waiting.is_empty() {
            match send(&*socket, waiting.as_slices().0, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(sent) => drop(waiting.drain(..sent)),
                Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
        !waiting.is_empty()
    }

    /// The process takes utterances from here on.
    pub(super) fn ready(&self, socket: UnixStream) {
        let mut inner = self.lock();
        inner.socket = Some(socket);
        inner.closed = None;
        inner.answers = 0;
    }

    /// The process is gone: everyone who waits is told, and nobody begins. Returns how many utterances that cost.
    pub(super) fn close(&self, why: Deaf) -> usize {
        let mut inner = self.lock();
        inner.socket = None;
        inner.closed = Some(why);
        inner.waiting.clear();
        let all: Vec<u32> = inner.streams.keys().copied().collect();
        let before = inner.open;
        all.into_iter().for_each(|stream| inner.lose(stream, why));
        before
    }

    /// A result. One for an utterance that nobody waits for any more is late; one for an utterance that is still fed
    /// is garbage.
    pub(super) fn heard(&self, stream: u32, words: Vec<HeardWord>) -> Result<(), frame::Garbage> {
        let mut inner = self.lock();
        inner.take_answer()?;
        match inner.streams.get(&stream) {
            Some(Entry::Open { .. }) => return Err(frame::Garbage),
            Some(Entry::Finishing { .. }) => inner.one_less(),
            Some(Entry::Lost(_)) | None => return Ok(()),
        }
        if let Some(Entry::Finishing { answer, .. }) = inner.streams.remove(&stream) {
            answer_with(answer, Ok(Words { words }));
        }
        Ok(())
    }

    /// The process cannot hear one utterance.
    pub(super) fn failed(&self, stream: u32, why: Deaf) -> Result<(), frame::Garbage> {
        let mut inner = self.lock();
        inner.take_answer()?;
        inner.lose(stream, why);
        Ok(())
    }

    /// Gives up what is overdue; how many that were.
    pub(super) fn overdue(&self, now: Instant) -> usize {
        let mut inner = self.lock();
        let late = |entry: &Entry| matches!(entry, Entry::Finishing { due, .. } if *due <= now);
        let late: Vec<u32> = inner.streams.iter().filter(|(_, entry)| late(entry)).map(|(s, _)| *s).collect();
        for &stream in &late {
            inner.lose(stream, Deaf::Slow);
            self.say_always(&mut inner, &ToWorker::Drop { stream });
        }
        late.len()
    }

    /// When the next result is overdue.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let due = |entry: &Entry| match entry {
            Entry::Finishing { due, .. } => Some(*due),
            Entry::Open { .. } | Entry::Lost(_) => None,
        };
        self.lock().streams.values().filter_map(due).min()
    }
}

impl Inner {
    fn take_answer(&mut self) -> Result<(), frame::Garbage> {
        self.answers = self.answers.checked_sub(1).ok_or(frame::Garbage)?;
        Ok(())
    }

    fn one_less(&mut self) {
        self.open -= 1;
        self.gauge.decrement(1);
    }

    fn lose(&mut self, stream: u32, why: Deaf) {
        match self.streams.remove(&stream) {
            Some(Entry::Open { .. }) => drop(self.streams.insert(stream, Entry::Lost(why))),
            Some(Entry::Finishing { answer, .. }) => answer_with(answer, Err(why)),
            Some(lost @ Entry::Lost(_)) => {
                self.streams.insert(stream, lost);
                return;
            }
            None => return,
        }
        self.one_less();
    }
}

/// Whoever does not wait any more is not told.
fn answer_with(answer: oneshot::Sender<Result<Words, Deaf>>, result: Result<Words, Deaf>) {
    drop(answer.send(result));
}
