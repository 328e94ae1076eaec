//! Asking once more, and giving up: what follows when no answer came, or one that does not fit.

use std::time::Instant;

use super::{Asking, Dialogue, Step};
use crate::dialogue::survey::{AfterAttempts, Question};
use crate::dialogue::{Actions, REPEATS_MAX};
use crate::domain::{Digit, Fact, PromptName, SkipReason};

impl Dialogue {
    pub(super) fn repeat(&mut self, asking: Asking, now: Instant, out: &mut Actions) {
        if asking.repeats >= REPEATS_MAX {
            return self.no_match(asking, Digit::STAR, now, out);
        }
        out.record(Fact::Repeated { question: self.question_id(asking.step) });
        self.put(Asking { repeats: asking.repeats + 1, ..asking }, None, now, out);
    }

    pub(super) fn no_input(&mut self, asking: Asking, now: Instant, out: &mut Actions) {
        if asking.offer.is_some() {
            return self.mishear(asking, now, out);
        }
        out.record(Fact::NoInput { question: self.question_id(asking.step), attempt: asking.attempt });
        let asking = Asking { no_inputs: asking.no_inputs + 1, ..asking };
        self.again_or_give_up(asking, asking.no_inputs, |q| &q.no_input, now, out);
    }

    pub(super) fn no_match(&mut self, asking: Asking, digit: Digit, now: Instant, out: &mut Actions) {
        let question = self.question_id(asking.step);
        out.record(Fact::NoMatch { question, attempt: asking.attempt, keys: vec![digit] });
        let asking = Asking { no_matches: asking.no_matches + 1, ..asking };
        self.again_or_give_up(asking, asking.no_matches, |q| &q.no_match, now, out);
    }

    pub(super) fn again_or_give_up(
        &mut self,
        asking: Asking,
        used: u8,
        first: fn(&Question) -> &PromptName,
        now: Instant,
        out: &mut Actions,
    ) {
        if used < self.patience(asking.step).attempts {
            let asking = Asking { attempt: asking.attempt.saturating_add(1), ..asking };
            let first = match asking.step {
                Step::Language => None, // We do not know in which language to say it.
                Step::Question(index) => Some(first(&self.form().questions[index]).clone()),
            };
            self.record_asked(asking, out);
            return self.put(asking, first, now, out);
        }
        let Step::Question(index) = asking.step else {
            self.language = self.survey.languages.first().cloned();
            return self.greet(now, out);
        };
        let after = self.form().questions[index].after_attempts;
        self.missed |= after != AfterAttempts::Skip;
        out.record(Fact::Skipped { question: self.question_id(asking.step), reason: SkipReason::Attempts });
        match after {
            AfterAttempts::GoOn | AfterAttempts::Skip => self.go_on(index + 1, now, out),
            AfterAttempts::End => self.say_goodbye(now, out),
        }
    }
}
