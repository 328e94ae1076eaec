//! The machine: which question is open, what is awaited, what follows.

mod asking;
mod attempts;
mod closing;
mod comment;
mod keys;
mod voice;

use std::sync::Arc;
use std::time::Instant;

use super::survey::{Form, Patience, Questions, Survey, language_question};
use keys::Taken;

use super::{Action, Actions, Event, HOLD_MAX, PLAY_MAX};
use crate::domain::{
    AnswerValue, Fact, FailReason, Language, ListenId, PlayId, Progress, PromptName, QuestionId,
};
use voice::Offer;

/// How often a prompt that plays forever is lined up at once, so that its joints are seldom heard.
const LOOPS: usize = 64;

/// The conversation with one caller.
#[derive(Clone, Debug)]
pub struct Dialogue {
    survey: Arc<Survey>,
    language: Option<Language>,
    state: State,
    held_since: Option<Instant>,
    plays: u32,
    /// The languages in which somebody can hear the caller.
    ears: Vec<Language>,
    listens: u32,
    /// The order to listen that stands.
    listening: Option<ListenId>,
    keys: u16,
    answers: Vec<(QuestionId, AnswerValue)>,
    /// How many answers there were before the last step: those after it are lost if it could not be written.
    answers_safe: usize,
    /// A comment was left.
    commented: bool,
    last_asked: Option<QuestionId>,
    /// A question that was due got no answer.
    missed: bool,
    refused: bool,
    /// The last question is behind us.
    ran_through: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Fresh,
    Greeting {
        play: PlayId,
        until: Instant,
    },
    Looping {
        play: PlayId,
    },
    Asking {
        asking: Asking,
        phase: Phase,
    },
    /// The caller hung up in a comment, and what they said is awaited.
    Parting {
        asking: Asking,
        until: Instant,
    },
    Closing {
        play: PlayId,
        until: Instant,
        failure: Option<FailReason>,
    },
    Ended,
}

#[derive(Clone, Copy, Debug)]
struct Asking {
    step: Step,
    /// Which asking, from 1; a repeat by `*` is the same asking.
    attempt: u8,
    no_inputs: u8,
    no_matches: u8,
    repeats: u8,
    mishears: u8,
    /// Speech does not count any more.
    keys_only: bool,
    /// The caller began to speak.
    spoken: bool,
    /// They did so before the question was over.
    spoke_early: bool,
    /// What the caller is asked to confirm.
    offer: Option<Offer>,
    began: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Language,
    Question(usize),
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// `position` counts the parts of the language menu, each in its own language; 0 for questions.
    Playing {
        play: PlayId,
        until: Instant,
        position: usize,
    },
    Waiting {
        until: Instant,
    },
    /// A `1` was pressed at `pressed` on a scale up to ten.
    SecondKey {
        until: Instant,
        pressed: Instant,
        barge_in: bool,
    },
}

impl Dialogue {
    /// A conversation that has not begun. `language` is the caller's, from the call's context or else its trunk; one
    /// that the survey does not speak counts as not known.
    #[must_use]
    pub fn new(survey: Arc<Survey>, language: Option<&Language>) -> Self {
        Self {
            language: survey.language_for(language),
            survey,
            state: State::Fresh,
            held_since: None,
            plays: 0,
            ears: Vec::new(),
            listens: 0,
            listening: None,
            keys: 0,
            answers: Vec::new(),
            answers_safe: 0,
            commented: false,
            last_asked: None,
            missed: false,
            refused: false,
            ran_through: false,
        }
    }

    /// The same, with the languages in which somebody can hear the caller.
    #[must_use]
    pub fn with_ears(mut self, languages: Vec<Language>) -> Self {
        self.ears = languages;
        self
    }

    /// One step.
    pub fn handle(&mut self, event: Event, now: Instant) -> Actions {
        let mut out = Actions::default();
        if event == Event::StorageFailed {
            self.answers.truncate(self.answers_safe);
            self.ran_through = false;
        }
        self.answers_safe = self.answers.len();
        match event {
            Event::Answered => self.answered(now, &mut out),
            Event::PlayDone(id) if self.held_since.is_none() => self.play_done(id, now, &mut out),
            Event::PlayDone(_) => {} // The report of a prompt that the hold cut short.
            Event::Key { digit, path } => self.key(digit, path, now, &mut out),
            Event::Held(on) => self.held(on, now, &mut out),
            Event::Timeout if self.poll_timeout().is_some_and(|at| at <= now) => self.timeout(now, &mut out),
            Event::Timeout => {} // Woken too early.
            Event::CallerGone if matches!(self.state, State::Fresh) => {
                self.end(Some(FailReason::Cancelled), Hanging::Caller, &mut out);
            }
            Event::CallerGone if self.leaves_in_comment() => self.part(now, &mut out),
            Event::CallerGone => self.end(None, Hanging::Caller, &mut out),
            Event::SpeechBegan(id) if self.listening == Some(id) => self.speech_began(now, &mut out),
            Event::Heard { id, hearing, recording } if self.listening == Some(id) => {
                self.heard(hearing, recording, now, &mut out);
            }
            Event::Recorded { id, comment } if self.listening == Some(id) => {
                self.recorded(comment, now, &mut out);
            }
            Event::Deaf { id, why, recording } if self.listening == Some(id) => {
                self.deaf(why, recording, now, &mut out);
            }
            // Of an order to listen that does not stand any more.
            Event::SpeechBegan(_) | Event::Heard { .. } | Event::Recorded { .. } | Event::Deaf { .. } => {}
            Event::Drain => self.say_sorry(FailReason::Shutdown, now, &mut out),
            Event::StorageFailed => self.say_sorry(FailReason::Storage, now, &mut out),
            Event::MediaDead => self.end(Some(FailReason::NoMedia), Hanging::Us, &mut out),
            Event::Failed(reason) => self.end(Some(reason), Hanging::Us, &mut out),
        }
        out
    }

    /// When to send [`Event::Timeout`], if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let until = match self.state {
            State::Fresh | State::Looping { .. } | State::Ended => return None,
            State::Greeting { until, .. } | State::Closing { until, .. } | State::Parting { until, .. } => {
                until
            }
            State::Asking { phase, .. } => match phase {
                Phase::Playing { until, .. } | Phase::Waiting { until } | Phase::SecondKey { until, .. } => {
                    until
                }
            },
        };
        Some(self.held_since.map_or(until, |since| since + HOLD_MAX))
    }

    /// The question that is open, for a rehearsal.
    #[must_use]
    pub fn open_question(&self) -> Option<QuestionId> {
        match self.state {
            State::Asking { asking, .. } => Some(self.question_id(asking.step)),
            _ => None,
        }
    }

    /// How far it has come, for a live view.
    #[must_use]
    pub fn progress(&self) -> Progress {
        match self.state {
            State::Fresh
            | State::Greeting { .. }
            | State::Asking { asking: Asking { step: Step::Language, .. }, .. } => Progress::Greeting,
            State::Looping { .. } | State::Asking { .. } | State::Parting { .. } => Progress::Questions,
            State::Closing { .. } | State::Ended => Progress::Closing,
        }
    }

    /// Whether the caller gave us anything.
    #[must_use]
    pub fn has_responded(&self) -> bool {
        self.commented || !self.answers.is_empty()
    }

    fn answered(&mut self, now: Instant, out: &mut Actions) {
        if !matches!(self.state, State::Fresh) {
            return;
        }
        if self.language.is_none() && !self.survey.ask_language {
            self.language = self.survey.languages.first().cloned();
        }
        match &self.survey.form {
            Form::SignallingOnly => {
                self.ran_through = true;
                self.end(None, Hanging::Us, out);
            }
            Form::PlayForever(prompt) => {
                let prompts = vec![prompt.clone(); LOOPS];
                let play = self.play(prompts, out);
                self.ran_through = true;
                self.state = State::Looping { play };
            }
            Form::Questions(_) if self.language.is_none() => self.open(Step::Language, now, out),
            Form::Questions(_) => self.greet(now, out),
        }
    }

    fn greet(&mut self, now: Instant, out: &mut Actions) {
        if let Some(language) = self.language.clone() {
            out.record(Fact::LanguageSet { language });
        }
        match self.greeting() {
            Some(prompt) => {
                let play = self.play(vec![prompt], out);
                self.state = State::Greeting { play, until: now + PLAY_MAX };
            }
            None => self.go_on(0, now, out),
        }
    }

    fn play_done(&mut self, id: PlayId, now: Instant, out: &mut Actions) {
        match self.state {
            State::Greeting { play, .. } if play == id => self.go_on(0, now, out),
            State::Looping { play } if play == id => {
                if let Form::PlayForever(prompt) = &self.survey.form {
                    let prompts = vec![prompt.clone(); LOOPS];
                    let play = self.play(prompts, out);
                    self.state = State::Looping { play };
                }
            }
            State::Asking { asking, phase: Phase::Playing { play, position, .. } } if play == id => {
                self.question_done(asking, position, now, out);
            }
            State::Closing { play, failure, .. } if play == id => self.end(failure, Hanging::Us, out),
            _ => {} // A prompt that was stopped before its end was reported.
        }
    }

    fn question_done(&mut self, asking: Asking, position: usize, now: Instant, out: &mut Actions) {
        if asking.step == Step::Language && position + 1 < self.survey.languages.len() {
            let phase = self.offer_language(position + 1, now, out);
            self.state = State::Asking { asking, phase };
            return;
        }
        let until = now + self.patience(asking.step).no_input_after;
        self.state = State::Asking { asking, phase: Phase::Waiting { until } };
        if self.listening.is_none() {
            self.listen(asking, out);
        }
    }

    fn timeout(&mut self, now: Instant, out: &mut Actions) {
        if self.held_since.is_some() {
            return self.end(Some(FailReason::NoMedia), Hanging::Us, out);
        }
        match self.state {
            State::Greeting { play, .. }
            | State::Closing { play, .. }
            | State::Asking { phase: Phase::Playing { play, .. }, .. } => self.play_done(play, now, out),
            State::Asking { asking, phase: Phase::Waiting { .. } } => self.no_input(asking, now, out),
            State::Asking { asking, phase: Phase::SecondKey { pressed, barge_in, .. } } => {
                let one = Taken {
                    value: AnswerValue::Rating(1),
                    second: None,
                    ambiguous: false,
                    pressed,
                    barge_in,
                };
                self.take(asking, one, now, out);
            }
            State::Parting { .. } => self.end(None, Hanging::Caller, out),
            State::Fresh | State::Looping { .. } | State::Ended => {}
        }
    }

    fn play(&mut self, prompts: Vec<PromptName>, out: &mut Actions) -> PlayId {
        let language = self.language.clone().or_else(|| self.survey.languages.first().cloned());
        self.play_in(language, prompts, out)
    }

    fn play_in(&mut self, language: Option<Language>, prompts: Vec<PromptName>, out: &mut Actions) -> PlayId {
        self.deafen(out);
        self.plays += 1;
        let id = PlayId(self.plays);
        let language = language.expect("a checked survey speaks at least one language");
        out.push(Action::Play { id, language, prompts });
        id
    }

    fn is_playing(&self) -> bool {
        let phase_plays = |phase| matches!(phase, Phase::Playing { .. });
        match self.state {
            State::Greeting { .. } | State::Looping { .. } | State::Closing { .. } => true,
            State::Asking { phase, .. } => phase_plays(phase),
            State::Fresh | State::Parting { .. } | State::Ended => false,
        }
    }

    fn has_questions(&self) -> bool {
        matches!(self.survey.form, Form::Questions(_))
    }

    fn form(&self) -> &Questions {
        match &self.survey.form {
            Form::Questions(form) => form,
            Form::PlayForever(_) | Form::SignallingOnly => unreachable!("only surveys with questions ask"),
        }
    }

    fn patience(&self, step: Step) -> Patience {
        match step {
            Step::Language => self.form().language_menu,
            Step::Question(index) => self.form().questions[index].patience,
        }
    }

    fn question_id(&self, step: Step) -> QuestionId {
        match step {
            Step::Language => language_question(),
            Step::Question(index) => self.form().questions[index].id.clone(),
        }
    }
}

/// Who ends the call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hanging {
    Us,
    Caller,
}

fn stop_if(playing: bool, out: &mut Actions) {
    if playing {
        out.push(Action::StopPlaying);
    }
}
