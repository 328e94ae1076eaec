//! Hold, the last word, and how a response counts.

use std::time::{Duration, Instant};

use super::{Dialogue, Hanging, Phase, State, stop_if};
use crate::dialogue::survey::Form;
use crate::dialogue::{Action, Actions, Outcome, PLAY_MAX};
use crate::domain::{Disposition, Fact, FailReason};

impl Dialogue {
    pub(super) fn held(&mut self, on: bool, now: Instant, out: &mut Actions) {
        if on == self.held_since.is_some() || matches!(self.state, State::Fresh | State::Ended) {
            return;
        }
        out.record(Fact::Held { on });
        if on {
            self.held_since = Some(now);
            stop_if(self.is_playing(), out);
            self.hold_ears(out);
            if let State::Closing { failure, .. } = self.state {
                self.end(failure, Hanging::Us, out); // All is said; nobody is there to hear the last word.
            }
            return;
        }
        let pause =
            self.held_since.take().map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        match &mut self.state {
            State::Asking { asking, phase: Phase::Waiting { until } } => {
                *until += pause;
                let asking = *asking;
                if self.listening.is_none() {
                    self.listen(asking, out);
                }
            }
            State::Asking { phase: Phase::SecondKey { until, .. }, .. } => *until += pause,
            State::Asking { asking, phase: Phase::Playing { .. } } => {
                let asking = *asking;
                match asking.offer {
                    Some(offer) => self.offer(asking, offer, now, out),
                    None => self.put(asking, None, now, out),
                }
            }
            State::Greeting { .. } => self.greet_again(now, out),
            State::Looping { play } => {
                let play = *play;
                self.play_done(play, now, out);
            }
            State::Fresh | State::Parting { .. } | State::Closing { .. } | State::Ended => {}
        }
    }

    fn greet_again(&mut self, now: Instant, out: &mut Actions) {
        if let Some(prompt) = self.greeting() {
            let play = self.play(vec![prompt], out);
            self.state = State::Greeting { play, until: now + PLAY_MAX };
        }
    }

    pub(super) fn say_goodbye(&mut self, now: Instant, out: &mut Actions) {
        let form = self.form();
        let prompt = if self.has_responded() { form.thanks.clone() } else { form.goodbye.clone() };
        let play = self.play(vec![prompt], out);
        self.state = State::Closing { play, until: now + PLAY_MAX, failure: None };
    }

    pub(super) fn say_sorry(&mut self, failure: FailReason, now: Instant, out: &mut Actions) {
        let closing = matches!(self.state, State::Closing { .. });
        if closing && failure == FailReason::Shutdown {
            return; // The last word is being said already.
        }
        let (Form::Questions(form), false) = (&self.survey.form, matches!(self.state, State::Fresh)) else {
            return self.end(Some(failure), Hanging::Us, out);
        };
        let already = matches!(self.state, State::Closing { failure: Some(_), .. } | State::Ended);
        if already || self.held_since.is_some() {
            return self.end(Some(failure), Hanging::Us, out);
        }
        let prompt = form.sorry.clone();
        stop_if(self.is_playing(), out);
        let play = self.play(vec![prompt], out);
        self.state = State::Closing { play, until: now + PLAY_MAX, failure: Some(failure) };
    }

    pub(super) fn end(&mut self, failure: Option<FailReason>, hanging: Hanging, out: &mut Actions) {
        if matches!(self.state, State::Ended) {
            return;
        }
        let complete = self.ran_through && !self.missed && (self.has_responded() || !self.has_questions());
        let closing = matches!(self.state, State::Closing { .. });
        let by_caller = hanging == Hanging::Caller;
        let disposition = if complete {
            Disposition::Complete
        } else if self.has_responded() {
            Disposition::Partial
        } else if failure.is_some() {
            Disposition::Failed
        } else if self.refused {
            Disposition::Refused
        } else if by_caller && !closing {
            Disposition::BreakOff
        } else {
            Disposition::NoAnswer
        };
        self.deafen(out);
        if !by_caller {
            out.push(Action::HangUp);
        }
        out.push(Action::End(Outcome {
            disposition,
            left_at: self.last_asked.take().filter(|_| !self.ran_through),
            failure: failure.filter(|_| !complete),
            by_caller,
        }));
        self.state = State::Ended;
        self.held_since = None;
    }
}
