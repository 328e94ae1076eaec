//! What the caller hears, by name.

use std::time::Duration;

use super::ids::{Language, PromptName};

/// One order to play something, unique within its call, so that a late "done" cannot be taken for another one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlayId(pub u32);

/// One order to listen, unique within its call, so that what an earlier one heard cannot be taken for the answer to
/// a later question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenId(pub u32);

/// The prompts there are, as far as the checks of a survey need to know.
pub trait PromptCatalogue {
    /// How long a prompt takes; `None` when it does not exist in that language.
    fn duration(&self, language: &Language, name: &PromptName) -> Option<Duration>;

    /// Whether there is a recording of that name which no text goes with, so that it is no prompt.
    fn lacks_text(&self, _language: &Language, _name: &PromptName) -> bool {
        false
    }
}
