//! Where speech begins and ends in a caller's audio.
//!
//! Vosk's own rules take 0.8 s after the last word, and sometimes never end; energy against a floor that follows the
//! line takes the 0.3 s that it waits. What is loud and no voice is told apart before or soon after: key tones and
//! signals of the network are predictable, clicks are short, noise and hum are steady, notes are held.

mod music;
mod sound;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use self::music::{STEPS_BEFORE, Sustain};
use self::sound::{Meter, SILENCE_DBFS, STEP, Sound, decibels};
use crate::domain::AudioFrame;

/// Length of a step.
const STEP_MS: u32 = 10;
/// Loud steps that begin speech, of the latest [`ONSET_STEPS`]: 60 of 150 ms. A click is shorter, "six" is longer.
const ONSET_LOUD: u32 = 6;
const ONSET_STEPS: u32 = 15;
/// Audio before the first loud step that is handed on: the soft beginning of "six" or "five".
const PRE_ROLL: usize = 25 * STEP;
/// Over the line's floor by so much, in dB, speech begins.
const BEGIN_DB: f32 = 9.0;
/// And over it by so much it goes on.
const GO_ON_DB: f32 = 6.0;
/// Below this nothing begins speech, in dBFS: the peaks of a quiet person are at -42.
const LEVEL_MIN_DBFS: f32 = -54.0;
/// The floor before the line is known, in dBFS.
const FLOOR_DBFS: f32 = -60.0;
/// Steps from which a line is first known, and the loudest that they are taken for a line's noise.
const FIRST_STEPS: u32 = 6;
const FIRST_DBFS: f32 = -32.0;
/// Steps over which noise shows itself by not changing.
const STEADY_STEPS: usize = 60;
/// Most that the middle four fifths of those steps differ, in dB. Speech differs by more than ten.
const STEADY_DB: f32 = 4.5;
/// Steady sound this far below the loudest of an utterance is the line again, in dB.
const BELOW_PEAK_DB: f32 = 10.0;

/// When an utterance is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Silence that ends it.
    pub silence: Duration,
    /// Longest utterance.
    pub length_max: Duration,
    /// Whether music is let go like noise. A comment keeps it: it may be what the caller speaks over.
    pub no_music: bool,
}

impl Bounds {
    /// For one answer: 300 ms of silence, 6 s of speech.
    pub const ANSWER: Self =
        Self { silence: Duration::from_millis(300), length_max: Duration::from_secs(6), no_music: true };

    /// For the caller's own words: 1.5 s of silence.
    #[must_use]
    pub fn comment(length_max: Duration) -> Self {
        Self { silence: Duration::from_millis(1500), length_max, no_music: false }
    }
}

/// What a frame changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Speech began a little ago; what belongs to it waits in [`Endpointer::take`].
    Began,
    /// What began was noise or music after all. Listening goes on.
    Withdrawn,
    /// Speech is over.
    Ended(Speech),
}

/// One utterance's place and loudness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speech {
    /// From the first frame to its first loud sound, in ms.
    pub start_ms: u32,
    /// From the first frame to the end of its last loud sound, in ms.
    pub end_ms: u32,
    /// From the first frame to the first sample that was handed on, in ms.
    pub taken_from_ms: u32,
    /// Level of its loud parts, in dBFS.
    pub level_dbfs: i8,
    /// The line without it, in dBFS.
    pub noise_dbfs: i8,
    /// The bound ended it, not silence.
    pub cut: bool,
}

/// Finds utterances in frames. Time is what passes in the frames.
#[derive(Debug)]
pub struct Endpointer {
    silence_steps: u32,
    length_steps_max: u32,
    meter: Meter,
    /// Where music is let go.
    sustain: Option<Sustain>,
    /// Steps measured so far.
    now: u32,
    /// Samples that are no whole step yet.
    rest: Vec<i16>,
    /// The line's noise, in dBFS.
    floor: f32,
    /// One bit a step, the latest lowest: it was loud and no tone.
    loud: u32,
    /// Levels of the latest steps.
    levels: VecDeque<f32>,
    state: State,
    /// Samples not yet taken: the pre-roll while it is silent, the utterance from its beginning on.
    ready: VecDeque<i16>,
}

#[derive(Debug)]
enum State {
    Silent,
    Speaking(Spoken),
}

#[derive(Debug)]
struct Spoken {
    start: u32,
    /// One past the last loud step.
    end: u32,
    taken_from_ms: u32,
    peak_dbfs: f32,
    /// Sum of the mean squares of its loud steps, and how many there were.
    energy: f32,
    loud_steps: u32,
}

impl Endpointer {
    /// Listens from now on.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let steps = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX) / STEP_MS;
        Self {
            silence_steps: steps(bounds.silence).max(1),
            length_steps_max: steps(bounds.length_max).max(1),
            meter: Meter::default(),
            sustain: bounds.no_music.then(Sustain::default),
            now: 0,
            rest: Vec::with_capacity(2 * STEP),
            floor: FLOOR_DBFS,
            loud: 0,
            levels: VecDeque::with_capacity(STEADY_STEPS + 1),
            state: State::Silent,
            ready: VecDeque::with_capacity(2 * PRE_ROLL),
        }
    }

    /// Takes the next frame of the stream. After [`Change::Ended`] what remains of it waits for the next one.
    pub fn handle_frame(&mut self, frame: &AudioFrame) -> Option<Change> {
        if frame.key_down {
            self.rest.resize(self.rest.len() + frame.samples.len(), 0);
        } else {
            self.rest.extend_from_slice(&frame.samples);
        }
        let mut change = None;
        let mut at = 0;
        while let (None, Some(step)) = (change, self.rest.get(at..).and_then(<[i16]>::first_chunk::<STEP>)) {
            let step = *step;
            at += STEP;
            change = self.handle_step(&step);
        }
        self.rest.drain(..at);
        change
    }

    /// The samples of the utterance that are new since the last time: from a quarter of a second before its first
    /// loud sound on, with the silence that ended it.
    pub fn take(&mut self) -> Vec<i16> {
        match self.state {
            State::Silent => Vec::new(),
            State::Speaking(_) => self.ready.drain(..).collect(),
        }
    }

    /// Time that has passed in the frames, in ms.
    #[must_use]
    pub fn now_ms(&self) -> u32 {
        self.now * STEP_MS
    }

    fn handle_step(&mut self, samples: &[i16; STEP]) -> Option<Change> {
        let sound = self.meter.measure(samples);
        if let Some(sustain) = &mut self.sustain {
            sustain.follow(samples);
        }
        self.now += 1;
        self.ready.extend(samples);
        self.levels.push_back(sound.dbfs);
        if self.levels.len() > STEADY_STEPS {
            self.levels.pop_front();
        }
        match &self.state {
            State::Silent => self.wait(sound),
            State::Speaking(_) => self.follow(sound),
        }
    }

    fn wait(&mut self, sound: Sound) -> Option<Change> {
        let loud = !sound.tone && sound.dbfs > LEVEL_MIN_DBFS.max(self.floor + BEGIN_DB);
        self.loud = ((self.loud << 1) | u32::from(loud)) & ((1 << ONSET_STEPS) - 1);
        if self.now == FIRST_STEPS {
            // A line that is loud from the first is known at once. Should it have been a voice, the floor falls again.
            let softest = self.levels.iter().copied().fold(0.0, f32::min);
            if (self.floor..FIRST_DBFS).contains(&softest) {
                self.floor = softest;
                self.loud = 0;
            }
        }
        if !sound.tone {
            self.learn(sound.dbfs, loud);
        }
        if self.loud.count_ones() < ONSET_LOUD {
            // The pre-roll goes back from the first step that might yet belong to speech.
            let keep = PRE_ROLL + ONSET_STEPS as usize * STEP;
            let surplus = self.ready.len().saturating_sub(keep);
            self.ready.drain(..surplus);
            return None;
        }
        let since = u32::BITS - self.loud.leading_zeros();
        let start = self.now - since;
        let kept = (self.ready.len() / STEP) as u32;
        let from = kept.min(since + (PRE_ROLL / STEP) as u32);
        let surplus = self.ready.len() - from as usize * STEP;
        self.ready.drain(..surplus);
        let recent = self.levels.iter().rev().take(since as usize);
        let peak_dbfs = recent.clone().copied().fold(SILENCE_DBFS, f32::max);
        let energy = recent.map(|dbfs| 10f32.powf(dbfs / 10.0)).sum();
        if let Some(sustain) = &mut self.sustain {
            sustain.begin();
        }
        self.state = State::Speaking(Spoken {
            start,
            end: self.now,
            taken_from_ms: (self.now - from) * STEP_MS,
            peak_dbfs,
            energy,
            loud_steps: since,
        });
        Some(Change::Began)
    }

    fn follow(&mut self, sound: Sound) -> Option<Change> {
        let go_on = (LEVEL_MIN_DBFS - 3.0).max(self.floor + GO_ON_DB);
        let loud = !sound.tone && sound.dbfs > go_on;
        if sound.dbfs < self.floor {
            self.learn(sound.dbfs, false);
        }
        let steady = self.steady_level();
        let State::Speaking(spoken) = &mut self.state else { return None };
        if loud {
            spoken.end = self.now;
            spoken.peak_dbfs = spoken.peak_dbfs.max(sound.dbfs);
            spoken.energy += 10f32.powf(sound.dbfs / 10.0);
            spoken.loud_steps += 1;
        }
        let length = self.now - spoken.start;
        if let Some(sustain) =
            self.sustain.as_mut().filter(|_| loud && length >= STEPS_BEFORE && length.is_multiple_of(2))
        {
            sustain.look();
        }
        if let Some(steady) = steady.filter(|steady| loud && *steady > go_on) {
            let since = STEADY_STEPS as u32;
            if steady < spoken.peak_dbfs - BELOW_PEAK_DB {
                // The line is louder than it was: speech ended where it became steady.
                spoken.end = self.now.saturating_sub(since).max(spoken.start + 1);
                self.floor = steady;
                return Some(self.end(false));
            }
            if length <= since + ONSET_STEPS {
                self.floor = steady;
                self.silence();
                return Some(Change::Withdrawn);
            }
        }
        if self.now - spoken.end >= self.silence_steps {
            return Some(self.end(false));
        }
        (length >= self.length_steps_max).then(|| self.end(true))
    }

    fn end(&mut self, cut: bool) -> Change {
        let noise_dbfs = self.floor.round() as i8;
        let State::Speaking(spoken) = &self.state else { return Change::Withdrawn };
        if self.sustain.as_ref().is_some_and(Sustain::is_music) {
            self.silence();
            return Change::Withdrawn;
        }
        Change::Ended(Speech {
            start_ms: spoken.start * STEP_MS,
            end_ms: spoken.end * STEP_MS,
            taken_from_ms: spoken.taken_from_ms,
            level_dbfs: decibels(spoken.energy / spoken.loud_steps.max(1) as f32).round() as i8,
            noise_dbfs,
            cut,
        })
    }

    /// Forgets what was said, and waits for the next.
    pub fn silence(&mut self) {
        self.state = State::Silent;
        self.loud = 0;
        self.ready.clear();
        self.levels.clear();
    }

    /// The level of the latest steps, when it hardly changed.
    fn steady_level(&self) -> Option<f32> {
        if self.levels.len() < STEADY_STEPS {
            return None;
        }
        let mut levels: Vec<f32> = self.levels.iter().copied().collect();
        levels.sort_by(f32::total_cmp);
        let (low, high) = (levels[STEADY_STEPS / 10], levels[STEADY_STEPS * 9 / 10]);
        (high - low < STEADY_DB).then_some(levels[STEADY_STEPS / 2])
    }

    /// The floor falls fast to what is quieter, rises slowly to what is not, and hardly at all to what is loud.
    fn learn(&mut self, dbfs: f32, loud: bool) {
        let steps = match (dbfs < self.floor, loud) {
            (true, _) => 10.0,
            (false, false) => 50.0,
            (false, true) => 800.0,
        };
        self.floor += (dbfs - self.floor) / steps;
        self.floor = self.floor.max(SILENCE_DBFS);
    }
}
