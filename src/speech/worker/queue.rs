//! Which utterance is heard next: one that is over and that a caller waits for, the first to end first and to its end;
//! then, of those that callers are still speaking, the one that waited longest; then all others. None is heard by two
//! threads at once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::super::frame::Failure;
use super::{STEP, WAITING_BACKGROUND_MAX, WAITING_LIVE_MAX};

/// What comes for an utterance after it was opened.
pub(super) enum Work {
    Audio(Vec<i16>),
    Finish,
}

/// One turn of an utterance, taken out of the queue and given back to it.
pub(super) struct Task<E> {
    pub(super) stream: u32,
    pub(super) ear: Option<E>,
    /// What it may hear, until it has an ear.
    pub(super) phrases: Option<Vec<String>>,
    /// The audio of this turn.
    pub(super) audio: Vec<i16>,
    /// Whether that was all of it, and it was the last.
    pub(super) finish: bool,
    /// Whether a caller had said all of it when the turn began: it goes on before others that are over.
    ended: bool,
    /// Whether an answer was given: the utterance is gone.
    pub(super) over: bool,
}

struct Stream<E> {
    background: bool,
    /// `None` while a thread has it.
    ear: Option<E>,
    phrases: Option<Vec<String>>,
    waiting: VecDeque<i16>,
    finish: bool,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing to do.
    Idle,
    /// In a line.
    Waiting,
    /// On a thread.
    Running,
    /// On a thread, and to be forgotten when it comes back.
    Unwanted,
}

struct Lines<E> {
    streams: HashMap<u32, Stream<E>>,
    /// Live and over. One that waited in `live` when it ended stands in both: it is taken from the first that comes.
    ending: VecDeque<u32>,
    live: VecDeque<u32>,
    background: VecDeque<u32>,
    /// What each thread is at, and since when.
    running: Vec<Option<(bool, Instant)>>,
}

/// All utterances of the process.
pub(super) struct Queue<E> {
    lines: Mutex<Lines<E>>,
    more: Condvar,
}

impl<E> Queue<E> {
    pub(super) fn new(threads: usize) -> Self {
        let lines = Lines {
            streams: HashMap::new(),
            ending: VecDeque::new(),
            live: VecDeque::new(),
            background: VecDeque::new(),
            running: vec![None; threads],
        };
        Self { lines: Mutex::new(lines), more: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Lines<E>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new utterance. Its recogniser is made at once, so that the first audio does not wait for it.
    pub(super) fn open(
        &self,
        stream: u32,
        background: bool,
        phrases: Option<Vec<String>>,
        streams_max: usize,
    ) -> Option<Failure> {
        let mut lines = self.lock();
        if lines.streams.len() >= streams_max || lines.streams.contains_key(&stream) {
            return Some(Failure::Behind);
        }
        let new = Stream {
            background,
            ear: None,
            phrases,
            waiting: VecDeque::new(),
            finish: false,
            place: Place::Idle,
        };
        lines.streams.insert(stream, new);
        lines.line_up(stream);
        drop(lines);
        self.more.notify_one();
        None
    }

    /// More for an utterance. One that is not there was answered or dropped: what still comes for it is late.
    pub(super) fn add(&self, number: u32, work: Work) -> Option<Failure> {
        let mut lines = self.lock();
        let stream = lines.streams.get_mut(&number)?;
        match work {
            Work::Audio(samples) => {
                let most = if stream.background { WAITING_BACKGROUND_MAX } else { WAITING_LIVE_MAX };
                if stream.finish || stream.waiting.len() + samples.len() > most {
                    lines.forget(number);
                    return Some(Failure::Behind);
                }
                stream.waiting.extend(samples);
            }
            Work::Finish => {
                stream.finish = true;
                if stream.place == Place::Waiting && !stream.background {
                    lines.ending.push_back(number);
                    return None;
                }
            }
        }
        if stream.place == Place::Idle {
            lines.line_up(number);
            drop(lines);
            self.more.notify_one();
        }
        None
    }

    pub(super) fn forget(&self, stream: u32) {
        self.lock().forget(stream);
    }

    /// For how long the slowest live and the slowest background turn have been running, in ms.
    pub(super) fn running_ms(&self) -> (u32, u32) {
        let lines = self.lock();
        let slowest = |wanted| {
            let turns = lines.running.iter().flatten().filter(|(background, _)| *background == wanted);
            let slowest = turns.map(|(_, since)| since.elapsed().as_millis()).max();
            slowest.map_or(0, |ms| u32::try_from(ms).unwrap_or(u32::MAX))
        };
        (slowest(false), slowest(true))
    }

    /// Waits for the next turn.
    pub(super) fn take(&self, slot: usize) -> Option<Task<E>> {
        let mut lines = self.lock();
        loop {
            let Lines { ending, live, background, .. } = &mut *lines;
            let next = [ending, live, background].into_iter().find_map(VecDeque::pop_front);
            let Some(number) = next else {
                lines = self.more.wait(lines).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            // One that was dropped while it waited is not there any more, or has been taken out of another line.
            let Some(stream) = lines.streams.get_mut(&number).filter(|it| it.place == Place::Waiting) else {
                continue;
            };
            stream.place = Place::Running;
            let count = stream.waiting.len().min(STEP);
            let task = Task {
                stream: number,
                ear: stream.ear.take(),
                phrases: stream.phrases.take(),
                audio: stream.waiting.drain(..count).collect(),
                finish: stream.finish && stream.waiting.is_empty(),
                ended: stream.finish && !stream.background,
                over: false,
            };
            let background = stream.background;
            lines.running[slot] = Some((background, Instant::now()));
            return Some(task);
        }
    }

    /// The end of a turn.
    pub(super) fn give_back(&self, slot: usize, task: Task<E>) {
        let mut lines = self.lock();
        lines.running[slot] = None;
        let Task { stream: number, ear, over, ended, .. } = task;
        let Some(stream) = lines.streams.get_mut(&number) else { return };
        if over || stream.place == Place::Unwanted {
            lines.streams.remove(&number);
            drop(lines); // The recogniser is freed without the lock.
            drop(ear);
            return;
        }
        stream.ear = ear;
        stream.place = Place::Idle;
        if ended {
            stream.place = Place::Waiting;
            lines.ending.push_front(number);
        } else if stream.finish || !stream.waiting.is_empty() {
            lines.line_up(number);
        } else {
            return;
        }
        drop(lines);
        self.more.notify_one();
    }
}

impl<E> Lines<E> {
    fn line_up(&mut self, number: u32) {
        let Some(stream) = self.streams.get_mut(&number) else { return };
        stream.place = Place::Waiting;
        match (stream.background, stream.finish) {
            (true, _) => self.background.push_back(number),
            (false, false) => self.live.push_back(number),
            (false, true) => self.ending.push_back(number),
        }
    }

    fn forget(&mut self, number: u32) {
        match self.streams.get_mut(&number) {
            Some(stream) if stream.place == Place::Running => stream.place = Place::Unwanted,
            Some(_) => drop(self.streams.remove(&number)),
            None => {}
        }
    }
}
