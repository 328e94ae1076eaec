//! A survey gone through by its keys, without a call: the real conversation ([`Dialogue`]) on a clock of its own. Nothing
//! is kept; the same keys lead to the same place.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::dialogue::{Action, Actions, Dialogue, Event, Outcome, Survey};
use crate::domain::{Digit, Fact, KeyPath, Language, PlayId, PromptName, QuestionId};
use crate::story::tell;

/// Steps that a caller can take; further ones are not looked at.
pub(super) const STEPS_MAX: usize = 120;
/// Prompts in a row without a word from the caller; a survey that plays for ever is left after so many.
const PLAYS_MAX: usize = 12;
/// How long each prompt takes on this clock.
const PROMPT: Duration = Duration::from_secs(3);
/// What a caller takes to press a key.
const PRESS: Duration = Duration::from_millis(600);

/// What a caller does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Presses a key.
    Press(Digit),
    /// Waits, until something happens.
    Wait,
}

impl Step {
    /// How addresses spell waiting.
    pub(super) const WAIT: char = '-';

    /// The steps of an address; what is none of them is passed over.
    pub(super) fn read(text: &str) -> Vec<Self> {
        let step =
            |c: char| if c == Self::WAIT { Some(Self::Wait) } else { Digit::from_char(c).map(Self::Press) };
        text.chars().filter_map(step).take(STEPS_MAX).collect()
    }
}

/// One part of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The caller hears these, one after the other.
    Heard(Language, Vec<PromptName>),
    /// The caller did this.
    Did(Step),
}

/// A conversation as far as the steps lead.
pub(super) struct Rehearsal {
    pub(super) parts: Vec<Part>,
    /// What would be written down, as people read it.
    pub(super) facts: Vec<String>,
    /// The question that is open.
    pub(super) open: Option<QuestionId>,
    pub(super) over: Option<Outcome>,
    playing: Option<PlayId>,
}

impl Rehearsal {
    /// Goes through a survey. A caller whose language is not known is asked for it, where the survey does that.
    pub(super) fn of(
        survey: &Arc<Survey>,
        language: Option<&Language>,
        steps: &[Step],
        now: Instant,
    ) -> Self {
        let mut dialogue = Dialogue::new(Arc::clone(survey), language);
        let mut this = Self { parts: Vec::new(), facts: Vec::new(), open: None, over: None, playing: None };
        let mut now = now;
        let begun = dialogue.handle(Event::Answered, now);
        this.perform(begun);
        this.listen(&mut dialogue, &mut now);
        for &step in steps {
            if this.over.is_some() {
                break;
            }
            this.parts.push(Part::Did(step));
            now += PRESS;
            let actions = match step {
                Step::Press(digit) => dialogue.handle(Event::Key { digit, path: KeyPath::Rfc4733 }, now),
                Step::Wait => {
                    now = dialogue.poll_timeout().map_or(now, |at| at.max(now));
                    dialogue.handle(Event::Timeout, now)
                }
            };
            this.perform(actions);
            this.listen(&mut dialogue, &mut now);
        }
        this.open = dialogue.open_question();
        this
    }

    /// The caller hears everything out.
    fn listen(&mut self, dialogue: &mut Dialogue, now: &mut Instant) {
        for _ in 0..PLAYS_MAX {
            let Some(id) = self.playing.take() else { return };
            *now += PROMPT;
            let actions = dialogue.handle(Event::PlayDone(id), *now);
            self.perform(actions);
        }
    }

    fn perform(&mut self, actions: Actions) {
        for action in actions {
            match action {
                Action::Play { id, language, mut prompts } => {
                    // A prompt that plays for ever is lined up many times over.
                    prompts.dedup();
                    self.parts.push(Part::Heard(language, prompts));
                    self.playing = Some(id);
                }
                Action::StopPlaying => self.playing = None,
                Action::Record(fact) => {
                    if !matches!(fact, Fact::Asked { .. }) {
                        self.facts.push(tell(&fact));
                    }
                }
                Action::End(outcome) => self.over = Some(outcome),
                // Nobody listens here, and there is no line to hang up.
                Action::Listen { .. } | Action::StopListening | Action::FinishListening | Action::HangUp => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialogue::{Catalogues, SurveySet};
    use crate::domain::{Disposition, GrammarCatalogue, Meaning, PromptCatalogue};

    /// Has every prompt and every grammar.
    struct Every;

    impl GrammarCatalogue for Every {
        fn meanings(&self, _: &Language, _: &str) -> Option<Vec<Meaning>> {
            Some(vec![Meaning::Repeat])
        }
    }

    impl PromptCatalogue for Every {
        fn duration(&self, _: &Language, _: &PromptName) -> Option<Duration> {
            Some(PROMPT)
        }
    }

    fn go(survey: &str, keys: &str) -> Rehearsal {
        let has = Catalogues { prompts: &Every, grammars: &Every };
        let (surveys, _) = SurveySet::load(std::path::Path::new("config/surveys"), has).unwrap();
        let survey = surveys.get(&survey.parse().unwrap()).unwrap();
        let now = tokio::time::Instant::now().into_std();
        Rehearsal::of(survey, survey.languages.first(), &Step::read(keys), now)
    }

    #[test]
    fn keys_lead_through_a_survey_as_they_would_in_a_call() {
        let begun = go("callback", "");
        assert!(
            matches!(&begun.parts[0], Part::Heard(_, prompts) if prompts[0].as_str() == "greeting_short")
        );
        assert_eq!(begun.open.as_ref().map(QuestionId::as_str), Some("satisfied"));
        let unhappy = go("callback", "1");
        assert_eq!(unhappy.open.as_ref().map(QuestionId::as_str), Some("call_back"), "{:?}", unhappy.facts);
        let happy = go("callback", "5");
        assert_eq!(happy.over.map(|outcome| outcome.disposition), Some(Disposition::Complete));
        assert!(happy.facts.iter().any(|fact| fact.starts_with("answer satisfied = 5 by key")));
        let wrong = go("callback", "9");
        assert_eq!(wrong.open.as_ref().map(QuestionId::as_str), Some("satisfied"), "it is asked again");
        let silent = go("callback", "----------");
        assert!(silent.over.is_some() && silent.facts.iter().any(|fact| fact.starts_with("silence")));
    }

    #[test]
    fn every_survey_can_be_gone_through_and_none_of_them_for_ever() {
        for survey in ["callback", "media", "mood", "service", "short", "sig", "words"] {
            for keys in ["", "1-1-1-1-1-1", "zz", &"9".repeat(500), &"-".repeat(500)] {
                let rehearsal = go(survey, keys);
                assert!(rehearsal.parts.len() < 20 * STEPS_MAX, "{survey} {keys}");
            }
        }
    }
}
