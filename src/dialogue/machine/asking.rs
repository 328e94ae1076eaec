//! Asking: which question is due, and putting it.

use std::time::Instant;

use super::{Asking, Dialogue, Phase, State, Step};
use crate::dialogue::survey::language_prompt;
use crate::dialogue::{Actions, PLAY_MAX};
use crate::domain::{Fact, PromptName, SkipReason};

impl Dialogue {
    /// Asks the first question from `index` on that is due, or says thanks.
    pub(super) fn go_on(&mut self, index: usize, now: Instant, out: &mut Actions) {
        let mut next = index;
        loop {
            let Some(question) = self.form().questions.get(next) else {
                self.ran_through = true;
                return self.say_goodbye(now, out);
            };
            if question.is_due(&self.answers) {
                return self.open(Step::Question(next), now, out);
            }
            out.record(Fact::Skipped { question: question.id.clone(), reason: SkipReason::When });
            next += 1;
        }
    }

    pub(super) fn open(&mut self, step: Step, now: Instant, out: &mut Actions) {
        let asking = Asking {
            step,
            attempt: 1,
            no_inputs: 0,
            no_matches: 0,
            repeats: 0,
            mishears: 0,
            keys_only: false,
            spoken: false,
            spoke_early: false,
            offer: None,
            began: now,
        };
        self.record_asked(asking, out);
        self.put(asking, None, now, out);
    }

    pub(super) fn record_asked(&mut self, asking: Asking, out: &mut Actions) {
        let question = self.question_id(asking.step);
        self.last_asked = Some(question.clone());
        out.record(Fact::Asked { question, attempt: asking.attempt, keys_only: asking.keys_only });
    }

    /// Plays a question from its start, perhaps after a word on why.
    pub(super) fn put(&mut self, asking: Asking, first: Option<PromptName>, now: Instant, out: &mut Actions) {
        let asking = Asking { began: now, spoken: false, spoke_early: false, offer: None, ..asking };
        let phase = match asking.step {
            Step::Language => self.offer_language(0, now, out),
            Step::Question(index) => {
                let question = &self.form().questions[index];
                let prompts = first.into_iter().chain(question.prompts.iter().cloned()).collect();
                let play = self.play(prompts, out);
                Phase::Playing { play, until: now + PLAY_MAX, position: 0 }
            }
        };
        self.state = State::Asking { asking, phase };
        if self.hears_while_playing(asking) {
            self.listen(asking, out);
        }
    }

    pub(super) fn offer_language(&mut self, position: usize, now: Instant, out: &mut Actions) -> Phase {
        let language = self.survey.languages.get(position).cloned();
        let play = self.play_in(language, vec![language_prompt(position + 1)], out);
        Phase::Playing { play, until: now + PLAY_MAX, position }
    }
}
