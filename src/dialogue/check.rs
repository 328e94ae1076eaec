//! From a survey as written to a survey that can be held: every rule of `check-config` about surveys.

mod follow_up;
mod length;
mod voice;

use std::ops::Range;
use std::time::Duration;

use humantime_serde::Serde;
use toml::Spanned;

use super::load::{
    Catalogues, Fault, Notes, RawAfterAttempts, RawAfterRefuse, RawChoice, RawPatience, RawQuestion,
    RawScale, RawSurvey,
};
use super::survey::{
    AfterAttempts, AfterRefuse, Answers, BargeIn, Choice, Form, Operator, Patience, Question, Questions,
    Survey, When, language_prompt, language_question,
};
use crate::domain::{
    AnswerValue, Better, Digit, Language, PromptName, QuestionId, QuestionKind, Scale, SurveyVersion,
};

const QUESTIONS_MAX: usize = 20;
const CHOICES: std::ops::RangeInclusive<usize> = 2..=4;
const ATTEMPTS: u8 = 2;
const NO_INPUT_AFTER: Duration = Duration::from_secs(5);
const SECOND_KEY_WAIT: Duration = Duration::from_millis(1200);

/// Checks a survey; `None`, or faults in the notes, when it cannot be held.
pub(super) fn survey(notes: &mut Notes<'_>, raw: RawSurvey, has: Catalogues<'_>) -> Option<Survey> {
    let id = notes.survey_id()?;
    let keep_audio = raw.voice.as_ref().map(|voice| voice.keep_audio);
    let mut check = Check { notes, has, languages: Vec::new(), keep_audio };
    check.languages(&raw);
    let form = check.form(&raw)?;
    let survey = Survey {
        id,
        version: SurveyVersion(raw.version),
        title: raw.title,
        languages: check.languages,
        ask_language: raw.ask_language,
        form,
    };
    length::warn_of_length(notes, &survey, has.prompts);
    Some(survey)
}

pub(super) struct Check<'a, 'n> {
    pub(super) notes: &'a mut Notes<'n>,
    pub(super) has: Catalogues<'a>,
    pub(super) languages: Vec<Language>,
    /// Set in surveys that may be answered by voice: whether audio is kept unless a question says otherwise.
    pub(super) keep_audio: Option<bool>,
}

impl Check<'_, '_> {
    fn languages(&mut self, raw: &RawSurvey) {
        self.languages = raw.languages.get_ref().clone();
        let span = raw.languages.span();
        if self.languages.is_empty() {
            self.notes.fault(span.clone(), "languages", Fault::NoLanguage);
        }
        if !raw.ask_language {
            return;
        }
        if !(2..=9).contains(&self.languages.len()) {
            return self.notes.fault(span, "ask_language", Fault::LanguageMenu);
        }
        for (i, language) in self.languages.iter().enumerate() {
            let name = language_prompt(i + 1);
            if let Some(fault) = self.lack(language, &name) {
                self.notes.fault(span.clone(), "ask_language", fault);
            }
        }
    }

    fn form(&mut self, raw: &RawSurvey) -> Option<Form> {
        let forms = [!raw.questions.is_empty(), raw.play_forever.is_some(), raw.signalling_only];
        if forms.iter().filter(|&&is| is).count() != 1 {
            self.notes.fault(0..0, "", Fault::Form);
            return None;
        }
        if raw.signalling_only {
            return Some(Form::SignallingOnly);
        }
        if let Some(prompt) = &raw.play_forever {
            return Some(Form::PlayForever(self.prompt(prompt, "play_forever")));
        }
        if raw.questions.len() > QUESTIONS_MAX {
            let fault = Fault::TooManyQuestions { max: QUESTIONS_MAX };
            self.notes.fault(raw.questions[QUESTIONS_MAX].id.span(), "question", fault);
        }
        let greeting = raw.greeting.as_ref().map(|name| self.prompt(name, "greeting"));
        let thanks = self.prompt_or(raw.thanks.as_ref(), "thanks");
        let goodbye = self.prompt_or(raw.goodbye.as_ref(), "goodbye");
        let sorry = self.prompt_or(raw.sorry.as_ref(), "sorry");
        let no_input = self.prompt_or(raw.no_input.as_ref(), "no_input");
        let no_match = self.prompt_or(raw.no_match.as_ref(), "no_match");
        let voice = raw.voice.as_ref().map(|voice| self.voice_prompts(voice));
        let language_menu = self.patience([&raw.defaults]);
        let all: Vec<QuestionId> = raw.questions.iter().map(|q| q.id.get_ref().clone()).collect();
        let mut questions: Vec<Question> = Vec::new();
        for raw_question in &raw.questions {
            let around =
                Around { defaults: &raw.defaults, no_input: &no_input, no_match: &no_match, all: &all };
            if let Some(question) = self.question(raw_question, &around, &questions) {
                questions.push(question);
            }
        }
        Some(Form::Questions(Questions { greeting, thanks, goodbye, sorry, voice, language_menu, questions }))
    }

    fn question(&mut self, raw: &RawQuestion, around: &Around<'_>, earlier: &[Question]) -> Option<Question> {
        let id = raw.id.get_ref().clone();
        if earlier.iter().any(|q| q.id == id) {
            self.notes.fault(raw.id.span(), "id", Fault::SameId(id.clone()));
        }
        if id == language_question() {
            self.notes.fault(raw.id.span(), "id", Fault::ReservedId(id.clone()));
        }
        let when = raw.when.as_ref().and_then(|when| self.when(when, around.all, earlier));
        let mut prompts = vec![self.prompt(&raw.prompt, "prompt")];
        let choice_prompts = raw.choices.iter().filter_map(|c| c.prompt.as_ref());
        for name in choice_prompts {
            prompts.push(self.prompt(name, "choices.prompt"));
        }
        let own = RawPatience {
            attempts: raw.attempts.clone(),
            no_input_after: raw.no_input_after.clone(),
            second_key_wait: raw.second_key_wait.clone(),
            after_attempts: raw.after_attempts,
        };
        let patience = self.patience([&own, around.defaults]);
        let no_input = raw.no_input.as_ref().map(|name| self.prompt(name, "no_input"));
        let no_match = raw.no_match.as_ref().map(|name| self.prompt(name, "no_match"));
        let answers = self.answers(raw)?;
        let voice = self.voice(raw, &answers);
        let (callback, low_at) = (self.callback(raw), self.low_at(raw, &answers));
        let refuse_key = raw.refuse_key.as_ref().map(|key| self.refuse_key(key, &answers));
        Some(Question {
            id,
            kind: *raw.kind.get_ref(),
            answers,
            prompts,
            no_input: no_input.unwrap_or_else(|| around.no_input.clone()),
            no_match: no_match.unwrap_or_else(|| around.no_match.clone()),
            when,
            refuse_key,
            after_refuse: match raw.after_refuse {
                RawAfterRefuse::End => AfterRefuse::End,
                RawAfterRefuse::GoOn => AfterRefuse::GoOn,
            },
            patience,
            after_attempts: match raw.after_attempts.or(around.defaults.after_attempts) {
                Some(RawAfterAttempts::Skip) => AfterAttempts::Skip,
                Some(RawAfterAttempts::End) => AfterAttempts::End,
                Some(RawAfterAttempts::GoOn) => AfterAttempts::GoOn,
                None if *raw.kind.get_ref() == QuestionKind::Comment => AfterAttempts::Skip,
                None => AfterAttempts::GoOn,
            },
            barge_in: if raw.barge_in == Some(false) { BargeIn::No } else { BargeIn::ByKey },
            voice,
            callback,
            low_at,
        })
    }

    fn answers(&mut self, raw: &RawQuestion) -> Option<Answers> {
        let kind = *raw.kind.get_ref();
        if kind != QuestionKind::Menu && !raw.choices.is_empty() {
            self.notes.fault(raw.choices[0].key.span(), "choices", Fault::NotForKind);
        }
        let rated = matches!(kind, QuestionKind::Csat | QuestionKind::Nps | QuestionKind::Ces);
        if let (false, Some(scale)) = (rated, &raw.scale) {
            self.notes.fault(scale.span(), "scale", Fault::NotForKind);
        }
        match kind {
            QuestionKind::Csat => {
                let usual = Scale { min: 1, max: 5, better: Better::Higher };
                self.rating(raw.scale.as_ref(), Some(usual), raw.kind.span())
            }
            QuestionKind::Nps => {
                let answers = self.rating(raw.scale.as_ref(), Some(Scale::NPS), raw.kind.span())?;
                if answers.scale() != Some(Scale::NPS) {
                    self.notes.fault(raw.kind.span(), "scale", Fault::NotNps);
                }
                Some(answers)
            }
            QuestionKind::Ces => self.rating(raw.scale.as_ref(), None, raw.kind.span()),
            QuestionKind::Fcr | QuestionKind::YesNo => Some(Answers::YesNo),
            QuestionKind::Menu => self.menu(&raw.choices, raw.kind.span()),
            QuestionKind::Comment => Some(self.comment(raw)),
        }
    }

    fn rating(
        &mut self,
        raw: Option<&Spanned<RawScale>>,
        usual: Option<Scale>,
        kind: Range<usize>,
    ) -> Option<Answers> {
        let Some(spanned) = raw else {
            if usual.is_none() {
                self.notes.fault(kind, "scale", Fault::NoScale);
            }
            return usual.map(|scale| Answers::Rating { scale, labels: Vec::new() });
        };
        let raw = spanned.get_ref();
        let scale = Scale { min: raw.min, max: raw.max, better: raw.direction };
        let ten_by_one = scale.max < 10 || scale.min <= 1;
        if scale.min < 0 || scale.max > 10 || scale.min >= scale.max || !ten_by_one {
            self.notes.fault(spanned.span(), "scale", Fault::Range);
        }
        let mut labels = Vec::new();
        for (number, words) in &raw.labels {
            match number.parse().ok().filter(|&n| scale.holds(n)) {
                Some(n) => labels.push((n, words.clone())),
                None => self.notes.fault(spanned.span(), "scale.labels", Fault::Label(number.clone())),
            }
        }
        labels.sort();
        Some(Answers::Rating { scale, labels })
    }

    fn menu(&mut self, raw: &[RawChoice], kind: Range<usize>) -> Option<Answers> {
        if !CHOICES.contains(&raw.len()) {
            let at = raw.get(*CHOICES.end()).map_or(kind, |choice| choice.key.span());
            self.notes.fault(at, "choices", Fault::Choices(raw.len()));
        }
        let mut choices: Vec<Choice> = Vec::new();
        for choice in raw {
            let (key, label) = (*choice.key.get_ref(), choice.label.get_ref().clone());
            self.answer_key(&choice.key, "choices.key");
            if choices.iter().any(|c| c.key == key) {
                self.notes.fault(choice.key.span(), "choices.key", Fault::SameKey(key));
            }
            if label.parse::<QuestionId>().is_err() {
                self.notes.fault(choice.label.span(), "choices.label", Fault::ChoiceName(label.clone()));
            }
            if choices.iter().any(|c| c.label == label) {
                self.notes.fault(choice.label.span(), "choices.label", Fault::SameLabel(label.clone()));
            }
            choices.push(Choice { key, label });
        }
        Some(Answers::Menu(choices))
    }

    fn refuse_key(&mut self, raw: &Spanned<Digit>, answers: &Answers) -> Digit {
        let key = *raw.get_ref();
        self.answer_key(raw, "refuse_key");
        let number = key.number().map(i16::from);
        let taken = match answers {
            Answers::Rating { scale, .. } => {
                number.is_some_and(|n| scale.holds(n) || (n == 0 && scale.max == 10))
            }
            Answers::YesNo => matches!(number, Some(1 | 2)),
            Answers::Menu(choices) => choices.iter().any(|c| c.key == key),
            Answers::Comment { .. } => false,
        };
        if taken {
            self.notes.fault(raw.span(), "refuse_key", Fault::RefuseKeyTaken(key));
        }
        key
    }

    fn answer_key(&mut self, raw: &Spanned<Digit>, key: &str) {
        if raw.get_ref().number().is_none() {
            self.notes.fault(raw.span(), key, Fault::NotAnAnswerKey(*raw.get_ref()));
        }
    }

    fn when(&mut self, raw: &Spanned<String>, all: &[QuestionId], earlier: &[Question]) -> Option<When> {
        let when = parse_when(raw.get_ref(), all, earlier).and_then(|(when, question)| {
            let values = question.answers.values();
            match values.iter().filter(|value| when.holds(value)).count() {
                0 => Err(Fault::WhenNever),
                n => Ok((when, n == values.len())),
            }
        });
        match when {
            Ok((when, always)) => {
                if always {
                    self.notes.warn(format!("the condition `{}` holds for every answer", raw.get_ref()));
                }
                Some(when)
            }
            Err(fault) => {
                self.notes.fault(raw.span(), "when", fault);
                None
            }
        }
    }

    /// Takes each setting from the first place that has it.
    fn patience<'r>(&mut self, places: impl IntoIterator<Item = &'r RawPatience> + Clone) -> Patience {
        let find = |get: fn(&RawPatience) -> Option<&Spanned<Serde<Duration>>>| {
            places.clone().into_iter().find_map(get)
        };
        let (no_input, second_key) =
            (find(|p| p.no_input_after.as_ref()), find(|p| p.second_key_wait.as_ref()));
        let attempts = places.clone().into_iter().find_map(|p| p.attempts.as_ref());
        if let Some(raw) = attempts.filter(|raw| !(1..=5).contains(raw.get_ref())) {
            self.notes.fault(raw.span(), "attempts", Fault::Attempts(*raw.get_ref()));
        }
        Patience {
            attempts: attempts.map_or(ATTEMPTS, |raw| *raw.get_ref()),
            no_input_after: self.wait(no_input, "no_input_after", NO_INPUT_AFTER, 1000..=30_000),
            second_key_wait: self.wait(second_key, "second_key_wait", SECOND_KEY_WAIT, 300..=5000),
        }
    }

    fn wait(
        &mut self,
        raw: Option<&Spanned<Serde<Duration>>>,
        key: &str,
        usual: Duration,
        range_ms: std::ops::RangeInclusive<u64>,
    ) -> Duration {
        let Some(raw) = raw else { return usual };
        let is = **raw.get_ref();
        let (min, max) = (Duration::from_millis(*range_ms.start()), Duration::from_millis(*range_ms.end()));
        if is < min || is > max {
            self.notes.fault(raw.span(), key, Fault::Wait { is, min, max });
        }
        is
    }

    fn prompt(&mut self, raw: &Spanned<PromptName>, key: &str) -> PromptName {
        self.exists(raw.get_ref(), key, raw.span());
        raw.get_ref().clone()
    }

    fn prompt_or(&mut self, raw: Option<&Spanned<PromptName>>, key: &str) -> PromptName {
        match raw {
            Some(raw) => self.prompt(raw, key),
            None => {
                let name = key.parse().expect("the key is a plain name");
                self.exists(&name, key, 0..0);
                name
            }
        }
    }

    fn exists(&mut self, name: &PromptName, key: &str, at: Range<usize>) {
        for language in &self.languages {
            if let Some(fault) = self.lack(language, name) {
                self.notes.fault(at.clone(), key, fault);
            }
        }
    }

    /// What a prompt lacks in a language: its recording, or its text.
    fn lack(&self, language: &Language, name: &PromptName) -> Option<Fault> {
        let (prompts, language, name) = (self.has.prompts, language.clone(), name.clone());
        if prompts.duration(&language, &name).is_some() {
            None
        } else if prompts.lacks_text(&language, &name) {
            Some(Fault::NoText { language, name })
        } else {
            Some(Fault::NoPrompt { language, name })
        }
    }
}

/// What a question takes over from its survey.
struct Around<'a> {
    defaults: &'a RawPatience,
    no_input: &'a PromptName,
    no_match: &'a PromptName,
    all: &'a [QuestionId],
}

fn parse_when<'q>(
    text: &str,
    all: &[QuestionId],
    earlier: &'q [Question],
) -> Result<(When, &'q Question), Fault> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [name, operator, value] = words[..] else { return Err(Fault::WhenForm(text.to_owned())) };
    let operator = match operator {
        "=" => Operator::Equal,
        "!=" => Operator::NotEqual,
        "<" => Operator::Less,
        "<=" => Operator::AtMost,
        ">" => Operator::Greater,
        ">=" => Operator::AtLeast,
        _ => return Err(Fault::WhenForm(text.to_owned())),
    };
    let Some(question) = earlier.iter().find(|q| q.id.as_str() == name) else {
        return Err(match all.iter().find(|id| id.as_str() == name) {
            Some(later) => Fault::WhenLater(later.clone()),
            None => Fault::WhenUnknown(name.to_owned()),
        });
    };
    let ordered = !matches!(operator, Operator::Equal | Operator::NotEqual);
    if ordered && question.answers.scale().is_none() {
        return Err(Fault::WhenOrder(question.id.clone()));
    }
    let impossible = || Fault::WhenValue { question: question.id.clone(), value: value.to_owned() };
    let values = question.answers.values();
    // An order may name a number beside the scale (`effort > 0`); the check for always and never judges it.
    let beside = || value.parse().ok().filter(|_| ordered).map(AnswerValue::Rating);
    let value = values.into_iter().find(|v| v.to_string() == value).or_else(beside).ok_or_else(impossible)?;
    Ok((When { question: question.id.clone(), operator, value }, question))
}
