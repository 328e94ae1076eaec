//! What a survey file says about spoken answers.

use std::time::Duration;

use toml::Spanned;

use super::{Check, Fault};
use crate::dialogue::load::{RawChoice, RawQuestion, RawVoice};
use crate::dialogue::survey::{Answers, Voice, VoicePrompts};
use crate::dialogue::survey::{CONFIRM, YES_NO};
use crate::domain::{AnswerValue, Language, Meaning, PromptName, Thresholds};

const COMMENT_MAX: Duration = Duration::from_secs(60);

impl Check<'_, '_> {
    pub(super) fn voice_prompts(&mut self, raw: &RawVoice) -> VoicePrompts {
        VoicePrompts {
            greeting: raw.greeting.as_ref().map(|name| self.prompt(name, "voice.greeting")),
            heard: self.voice_prompt(raw.heard.as_ref(), "voice.heard", "v_heard"),
            confirm: self.voice_prompt(raw.confirm.as_ref(), "voice.confirm", "v_confirm"),
            no_match: self.voice_prompt(raw.no_match.as_ref(), "voice.no_match", "v_no_match"),
            use_keys: self.voice_prompt(raw.use_keys.as_ref(), "voice.use_keys", "v_use_keys"),
        }
    }

    fn voice_prompt(&mut self, raw: Option<&Spanned<PromptName>>, key: &str, usual: &str) -> PromptName {
        match raw {
            Some(raw) => self.prompt(raw, key),
            None => self.usual_prompt(usual, key, 0..0),
        }
    }

    fn usual_prompt(&mut self, name: &str, key: &str, at: std::ops::Range<usize>) -> PromptName {
        let name = name.parse().expect("a short plain name");
        self.exists(&name, key, at);
        name
    }

    pub(super) fn comment(&mut self, raw: &RawQuestion) -> Answers {
        let length_max = self.wait(raw.length_max.as_ref(), "length_max", COMMENT_MAX, 5000..=180_000);
        Answers::Comment { length_max }
    }

    /// How a question is answered by voice: a survey with `[voice]` takes speech wherever there is a grammar, unless
    /// the question says `voice = false`.
    pub(super) fn voice(&mut self, raw: &RawQuestion, answers: &Answers) -> Option<Voice> {
        let comment = matches!(answers, Answers::Comment { .. });
        let keep_audio = self.keep_audio;
        if let (Some(grammar), true) = (&raw.grammar, keep_audio.is_none() || comment) {
            self.notes.fault(
                grammar.span(),
                "grammar",
                if comment { Fault::NotForKind } else { Fault::NoVoice },
            );
            return None;
        }
        if let (Some(length), false) = (&raw.length_max, comment) {
            self.notes.fault(length.span(), "length_max", Fault::NotForKind);
        }
        let keep_audio = keep_audio.filter(|_| !comment && raw.voice != Some(false))?;
        let name = raw.grammar.as_ref().map(|g| g.get_ref().clone()).or_else(|| usual_grammar(answers))?;
        let at = raw.grammar.as_ref().map_or(raw.kind.span(), Spanned::span);
        let mut languages = Vec::new();
        for language in self.languages.clone() {
            let Some(meanings) = self.has.grammars.meanings(&language, &name) else { continue };
            for meaning in meanings {
                if let Meaning::Answer(tag) = meaning
                    && answers.meant(&tag).is_none()
                {
                    let (language, grammar) = (language.clone(), name.clone());
                    let fault = Fault::GrammarMeaning { language, grammar, meaning: tag };
                    self.notes.fault(at.clone(), "grammar", fault);
                }
            }
            languages.push(language);
        }
        if languages.is_empty() {
            self.notes.fault(at, "grammar", Fault::NoGrammar { grammar: name });
            return None;
        }
        let confirm_languages = self.confirm_languages(&languages);
        Some(Voice {
            grammar: name,
            languages,
            confirm_languages,
            thresholds: self.thresholds(raw),
            barge_in: raw.voice_barge_in,
            keep_audio: raw.keep_audio.unwrap_or(keep_audio),
            said: self.said(raw, answers),
        })
    }

    /// Those of the languages with a grammar of its own for confirming. Where there is none it is yes and no; where there
    /// is not even that, callers confirm by key.
    fn confirm_languages(&mut self, languages: &[Language]) -> Vec<Language> {
        let confirms = |check: &Self, language: &Language, grammar: &str| {
            let yes = Meaning::Answer("yes".to_owned());
            check.has.grammars.meanings(language, grammar).is_some_and(|meanings| meanings.contains(&yes))
        };
        let (own, others): (Vec<Language>, Vec<Language>) =
            languages.iter().cloned().partition(|language| confirms(self, language, CONFIRM));
        for language in others {
            if !confirms(self, &language, YES_NO) {
                self.notes.warn_once(format!(
                    "callers in {language} can confirm by key only: there is no grammar {CONFIRM} or {YES_NO} that can mean yes"
                ));
            }
        }
        own
    }

    /// How each answer is called after "I heard".
    fn said(&mut self, raw: &RawQuestion, answers: &Answers) -> Vec<(AnswerValue, PromptName)> {
        let at = raw.kind.span();
        let values = answers.values().into_iter();
        values
            .filter_map(|value| {
                let name = match &value {
                    AnswerValue::Rating(number) => {
                        let own = raw.scale.as_ref().and_then(|s| s.get_ref().heard.get(&number.to_string()));
                        match own {
                            Some(name) => self.prompt(name, "scale.heard"),
                            None => self.usual_prompt(&format!("n_{number}"), "kind", at.clone()),
                        }
                    }
                    AnswerValue::YesNo(yes) => {
                        self.usual_prompt(if *yes { "w_yes" } else { "w_no" }, "kind", at.clone())
                    }
                    AnswerValue::Choice(label) => self.said_choice(raw, label)?,
                };
                Some((value, name))
            })
            .collect()
    }

    fn said_choice(&mut self, raw: &RawQuestion, label: &str) -> Option<PromptName> {
        let choice: &RawChoice = raw.choices.iter().find(|choice| choice.label.get_ref() == label)?;
        match &choice.heard {
            Some(name) => Some(self.prompt(name, "choices.heard")),
            None => {
                self.notes.fault(choice.label.span(), "choices.heard", Fault::NoHeardPrompt);
                None
            }
        }
    }

    fn thresholds(&mut self, raw: &RawQuestion) -> Option<Thresholds> {
        let accept = raw.accept_at.as_ref()?;
        let confirm = raw.confirm_at.as_ref().unwrap_or(accept);
        let (at, below) = (*accept.get_ref(), *confirm.get_ref());
        if !(at > 0.0 && at <= 1.0 && below > 0.0 && below <= at) {
            self.notes.fault(confirm.span(), "accept_at", Fault::Threshold);
            return None;
        }
        let thousandths = |share: f64| (share * 1000.0).round() as u16;
        Some(Thresholds { accept_pm: thousandths(at), confirm_pm: thousandths(below) })
    }
}

/// The grammar of a kind of question that says none. A menu has its own words, so there is none for it.
fn usual_grammar(answers: &Answers) -> Option<String> {
    match answers {
        Answers::Rating { scale, .. } => Some(format!("scale_{}_{}", scale.min, scale.max)),
        Answers::YesNo => Some(YES_NO.to_owned()),
        Answers::Menu(_) | Answers::Comment { .. } => None,
    }
}
