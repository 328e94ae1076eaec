//! The caller's own words.

use std::time::{Duration, Instant};

use super::{Asking, Dialogue, Hanging, Phase, State, Step};
use crate::dialogue::survey::Answers;
use crate::dialogue::{Action, Actions, RECORDING_WAIT, Recorded};
use crate::domain::Fact;

impl Dialogue {
    /// The longest comment, where the question asks for one.
    pub(super) fn comment_max(&self, asking: Asking) -> Option<Duration> {
        let Step::Question(index) = asking.step else { return None };
        match self.form().questions[index].answers {
            Answers::Comment { length_max } => Some(length_max),
            Answers::Rating { .. } | Answers::YesNo | Answers::Menu(_) => None,
        }
    }

    pub(super) fn is_comment(&self, asking: Asking) -> bool {
        self.comment_max(asking).is_some()
    }

    /// `#`: what was said is all, or nothing will be said.
    pub(super) fn finish_comment(&mut self, asking: Asking, playing: bool, now: Instant, out: &mut Actions) {
        if playing || !asking.spoken || self.listening.is_none() {
            return self.skip(asking, now, out);
        }
        out.push(Action::FinishListening);
        self.state = State::Asking { asking, phase: Phase::Waiting { until: now + RECORDING_WAIT } };
    }

    /// The far end holds the call: a comment is over, an answer is asked for again afterwards.
    pub(super) fn hold_ears(&mut self, out: &mut Actions) {
        match self.state {
            State::Asking { asking, .. } if asking.spoken && self.is_comment(asking) => {
                out.push(Action::FinishListening);
            }
            _ => self.deafen(out),
        }
    }

    /// Whether the caller has hung up while they speak.
    pub(super) fn leaves_in_comment(&self) -> bool {
        let speaks = |asking: Asking| asking.spoken && self.listening.is_some() && self.is_comment(asking);
        matches!(self.state, State::Asking { asking, .. } if speaks(asking))
    }

    pub(super) fn part(&mut self, now: Instant, out: &mut Actions) {
        let State::Asking { asking, .. } = self.state else { return };
        out.push(Action::FinishListening);
        self.held_since = None;
        self.state = State::Parting { asking, until: now + RECORDING_WAIT };
    }

    pub(super) fn recorded(&mut self, comment: Option<Recorded>, now: Instant, out: &mut Actions) {
        self.listening = None;
        let (asking, parting) = match self.state {
            State::Asking { asking, .. } => (asking, false),
            State::Parting { asking, .. } => (asking, true),
            _ => return,
        };
        if let (Some(Recorded { recording, length_ms, cut }), Some(language)) =
            (comment, self.language.clone())
        {
            self.commented = true;
            let question = self.question_id(asking.step);
            out.record(Fact::Comment { question, recording, length_ms, cut, language });
        }
        match (parting, comment, asking.step) {
            (true, Some(_), Step::Question(index)) => {
                let rest = &self.form().questions[index + 1..];
                self.ran_through = !rest.iter().any(|question| question.is_due(&self.answers));
                self.end(None, Hanging::Caller, out);
            }
            (true, ..) => self.end(None, Hanging::Caller, out),
            (false, None, _) => self.no_input(asking, now, out),
            (false, Some(_), Step::Question(index)) => {
                self.go_on(index + 1, now, out);
                self.wait_for_the_line(out);
            }
            (false, Some(_), Step::Language) => {}
        }
    }

    /// What was to be said while the call is on hold is said after it, or not at all if it was the last word.
    fn wait_for_the_line(&mut self, out: &mut Actions) {
        if self.held_since.is_none() {
            return;
        }
        out.push(Action::StopPlaying);
        if let State::Closing { failure, .. } = self.state {
            self.end(failure, Hanging::Us, out);
        }
    }
}
