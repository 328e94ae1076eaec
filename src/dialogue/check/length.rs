//! How long a survey takes.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::dialogue::load::Notes;
use crate::dialogue::survey::{Form, Questions, Survey};
use crate::domain::{Language, PromptCatalogue};

/// Longer surveys lose callers.
const LENGTH_WARN: Duration = Duration::from_secs(60);
/// What a caller takes to press a key after a question, for the estimate of the length.
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// Warns when the longest way through the survey takes too long in some language.
pub(super) fn warn_of_length(notes: &mut Notes<'_>, survey: &Survey, catalogue: &dyn PromptCatalogue) {
    let Form::Questions(form) = &survey.form else { return };
    let longest = survey.languages.iter().map(|language| (length(form, language, catalogue), language)).max();
    if let Some((length, language)) = longest.filter(|(length, _)| *length > LENGTH_WARN) {
        notes.warn(format!(
            "takes up to {} s in {language}; over {} s callers leave",
            length.as_secs(),
            LENGTH_WARN.as_secs()
        ));
    }
}

/// The estimated length of the longest way through a survey, every question asked once and answered at once.
fn length(form: &Questions, language: &Language, catalogue: &dyn PromptCatalogue) -> Duration {
    let once: BTreeSet<_> = form.greeting.iter().chain([&form.thanks]).collect();
    let said = once.into_iter().chain(form.questions.iter().flat_map(|q| &q.prompts));
    let speech: Duration = said.filter_map(|name| catalogue.duration(language, name)).sum();
    let answers = u32::try_from(form.questions.len()).unwrap_or(u32::MAX);
    speech + ANSWER_TIME.saturating_mul(answers)
}
