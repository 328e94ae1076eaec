//! What a survey file says about what follows an answer after the call.

use super::Check;
use crate::dialogue::load::{Fault, RawQuestion};
use crate::dialogue::survey::Answers;
use crate::domain::QuestionKind;

impl Check<'_, '_> {
    /// Whether a yes asks for a call back.
    pub(super) fn callback(&mut self, raw: &RawQuestion) -> bool {
        let Some(callback) = &raw.callback else { return false };
        if *raw.kind.get_ref() != QuestionKind::YesNo {
            self.notes.fault(callback.span(), "callback", Fault::NotForKind);
        }
        *callback.get_ref()
    }

    /// From which number on an answer is a low one.
    pub(super) fn low_at(&mut self, raw: &RawQuestion, answers: &Answers) -> Option<i16> {
        let low_at = raw.low_at.as_ref()?;
        let value = *low_at.get_ref();
        match answers.scale() {
            None => self.notes.fault(low_at.span(), "low_at", Fault::NotForKind),
            Some(scale) if !scale.holds(value) => {
                self.notes.fault(low_at.span(), "low_at", Fault::Label(value.to_string()));
            }
            Some(_) => {}
        }
        Some(value)
    }
}
