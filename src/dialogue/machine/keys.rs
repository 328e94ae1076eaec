//! A key from the caller: to what it belongs, and what follows.

use std::time::Instant;

use super::{Asking, Dialogue, Phase, State, Step, stop_if};
use crate::dialogue::capture::{Reading, read_key, read_second_key};
use crate::dialogue::survey::{AfterRefuse, BargeIn};
use crate::dialogue::{Action, Actions, KEYS_MAX, SETTLE};
use crate::domain::{Answer, AnswerValue, Digit, Fact, GivenBy, KeyPath, SkipReason};

/// An answer by key whose first key is known, on its way into the record.
pub(super) struct Taken {
    pub(super) value: AnswerValue,
    pub(super) second: Option<Digit>,
    pub(super) ambiguous: bool,
    pub(super) pressed: Instant,
    pub(super) barge_in: bool,
}

/// An answer as the caller gave it.
pub(super) struct Given {
    pub(super) value: AnswerValue,
    pub(super) by: GivenBy,
    pub(super) keys: Vec<Digit>,
    pub(super) ambiguous: bool,
    pub(super) at: Instant,
    pub(super) barge_in: bool,
}

impl Dialogue {
    pub(super) fn key(&mut self, digit: Digit, path: KeyPath, now: Instant, out: &mut Actions) {
        if matches!(self.state, State::Fresh | State::Ended) {
            return;
        }
        let playing = self.is_playing();
        if matches!(self.state, State::Parting { .. }) {
            return; // They have hung up; the key was on its way.
        }
        if self.keys < KEYS_MAX {
            self.keys += 1;
            out.record(Fact::Key { question: self.open_question(), digit, path, barge_in: playing });
        }
        if self.held_since.is_some() {
            return;
        }
        match self.state {
            State::Greeting { .. } => {
                out.push(Action::StopPlaying);
                self.go_on(0, now, out);
            }
            State::Asking { asking, phase: Phase::SecondKey { pressed, barge_in, .. } } => {
                let (number, ambiguous) = read_second_key(digit);
                let value = AnswerValue::Rating(number);
                self.take(
                    asking,
                    Taken { value, second: Some(digit), ambiguous, pressed, barge_in },
                    now,
                    out,
                );
            }
            State::Asking { asking, .. } if now.saturating_duration_since(asking.began) >= SETTLE => {
                match asking.step {
                    Step::Language => self.language_key(asking, digit, playing, now, out),
                    Step::Question(_) if asking.offer.is_some() => {
                        self.confirm_key(asking, digit, playing, now, out);
                    }
                    Step::Question(index) => self.question_key(asking, index, digit, playing, now, out),
                }
            }
            _ => {}
        }
    }

    pub(super) fn question_key(
        &mut self,
        asking: Asking,
        index: usize,
        digit: Digit,
        playing: bool,
        now: Instant,
        out: &mut Actions,
    ) {
        let question = &self.form().questions[index];
        if playing && question.barge_in == BargeIn::No {
            return;
        }
        let (reading, second_key_wait, after_refuse) =
            (read_key(question, digit), question.patience.second_key_wait, question.after_refuse);
        if playing && reading != Reading::Nothing {
            out.push(Action::StopPlaying);
        }
        if reading == Reading::Finish {
            return self.finish_comment(asking, playing, now, out);
        }
        if !self.is_comment(asking) {
            self.deafen(out); // The caller has taken to the keys.
        }
        match reading {
            Reading::Nothing | Reading::Finish => {}
            Reading::Answer(value) => {
                let taken = Taken { value, second: None, ambiguous: false, pressed: now, barge_in: playing };
                self.take_by(asking, digit, taken, now, out);
            }
            Reading::OneOrTen => {
                let phase =
                    Phase::SecondKey { until: now + second_key_wait, pressed: now, barge_in: playing };
                self.state = State::Asking { asking, phase };
            }
            Reading::Repeat => self.repeat(asking, now, out),
            Reading::Wrong => self.no_match(asking, digit, now, out),
            Reading::Refuse => self.refuse(asking, after_refuse, now, out),
        }
    }

    /// The caller declines, by key or by voice.
    pub(super) fn refuse(&mut self, asking: Asking, after: AfterRefuse, now: Instant, out: &mut Actions) {
        let Step::Question(index) = asking.step else { return };
        let question = self.question_id(asking.step);
        self.refused = true;
        self.missed = true;
        out.record(Fact::Refused { question: question.clone() });
        match after {
            AfterRefuse::End => self.say_goodbye(now, out),
            AfterRefuse::GoOn => {
                out.record(Fact::Skipped { question, reason: SkipReason::Refused });
                self.go_on(index + 1, now, out);
            }
        }
    }

    fn language_key(&mut self, asking: Asking, digit: Digit, playing: bool, now: Instant, out: &mut Actions) {
        let chosen = digit.number().and_then(|n| usize::from(n).checked_sub(1));
        match (digit, chosen.and_then(|n| self.survey.languages.get(n))) {
            (_, Some(language)) => {
                self.language = Some(language.clone());
                stop_if(playing, out);
                self.greet(now, out);
            }
            (Digit::STAR, None) => {
                stop_if(playing, out);
                self.repeat(asking, now, out);
            }
            (_, None) if digit.number().is_none() => {} // `#` ends nothing here; nobody has `A`-`D`.
            (_, None) => {
                stop_if(playing, out);
                self.no_match(asking, digit, now, out);
            }
        }
    }

    /// Takes an answer whose first key was a `1`.
    pub(super) fn take(&mut self, asking: Asking, taken: Taken, now: Instant, out: &mut Actions) {
        let one = Digit::from_char('1').expect("1 is a key");
        self.take_by(asking, one, taken, now, out);
    }

    fn take_by(&mut self, asking: Asking, first: Digit, taken: Taken, now: Instant, out: &mut Actions) {
        let given = Given {
            value: taken.value,
            by: GivenBy::Key,
            keys: std::iter::once(first).chain(taken.second).collect(),
            ambiguous: taken.ambiguous,
            at: taken.pressed,
            barge_in: taken.barge_in,
        };
        self.take_answer(asking, given, now, out);
    }

    /// Puts an answer on record and goes on.
    pub(super) fn take_answer(&mut self, asking: Asking, given: Given, now: Instant, out: &mut Actions) {
        let Step::Question(index) = asking.step else { return };
        let question = &self.form().questions[index];
        let took = given.at.saturating_duration_since(asking.began);
        let answer = Answer {
            question: question.id.clone(),
            kind: question.kind,
            scale: question.answers.scale(),
            value: given.value,
            given_by: given.by,
            keys: given.keys,
            ambiguous: given.ambiguous,
            attempt: asking.attempt,
            barge_in: given.barge_in,
            took_ms: took.as_millis().try_into().unwrap_or(u32::MAX),
        };
        self.answers.push((answer.question.clone(), answer.value.clone()));
        out.record(Fact::Answer(answer));
        self.go_on(index + 1, now, out);
    }
}
