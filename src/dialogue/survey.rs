//! A questionnaire as the conversation uses it. Built only by [`super::load`], so every one of these is checked.

use std::time::Duration;

use crate::domain::{
    AnswerValue, Digit, Language, PromptName, QuestionId, QuestionKind, Scale, SurveyId, SurveyVersion,
    Thresholds,
};

/// A checked questionnaire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// Its name.
    pub id: SurveyId,
    /// Its version; answers to different versions are told apart by it.
    pub version: SurveyVersion,
    /// A line for people.
    pub title: String,
    /// The languages it can be held in, the first being the one when nothing else is said. Never empty.
    pub languages: Vec<Language>,
    /// Whether a caller whose language is not known is asked for it first.
    pub ask_language: bool,
    /// What it does.
    pub form: Form,
}

/// What a survey does with a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// Asks questions.
    Questions(Questions),
    /// Plays one prompt over and over until the caller hangs up; for measuring media.
    PlayForever(PromptName),
    /// Answers, stores and hangs up at once; for measuring signalling.
    SignallingOnly,
}

/// The questions and what is said around them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Questions {
    /// Played first, where there is one.
    pub greeting: Option<PromptName>,
    /// Played to a caller who answered something.
    pub thanks: PromptName,
    /// Played to a caller who answered nothing.
    pub goodbye: PromptName,
    /// Played when we must stop.
    pub sorry: PromptName,
    /// What is said around spoken answers, where callers may answer by voice.
    pub voice: Option<VoicePrompts>,
    /// How the language is asked; the first prompt, when a caller's language is not known.
    pub language_menu: Patience,
    /// The questions in order. Never empty.
    pub questions: Vec<Question>,
}

/// What is said around spoken answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoicePrompts {
    /// The greeting for callers who can be heard, where it differs.
    pub greeting: Option<PromptName>,
    /// "I heard": the answer and [`Self::confirm`] follow.
    pub heard: PromptName,
    /// "Press one or say yes."
    pub confirm: PromptName,
    /// Said before the question is put again, when speech was not understood.
    pub no_match: PromptName,
    /// Said before the question is put again for the keys alone.
    pub use_keys: PromptName,
}

/// The grammar of yes and no.
pub(super) const YES_NO: &str = "yes_no";
/// The grammar of the answer to "is that right?", where a language has one of its own.
pub(super) const CONFIRM: &str = "confirm";

/// How one question is answered by voice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voice {
    /// The grammar.
    pub grammar: String,
    /// The languages in which the grammar exists; in others the keys remain.
    pub languages: Vec<Language>,
    /// Those of them with a grammar of its own for the answer to "is that right?".
    pub confirm_languages: Vec<Language>,
    /// How sure is sure enough, where the question says so itself.
    pub thresholds: Option<Thresholds>,
    /// Whether speech during the question counts and stops it. Keys always do.
    pub barge_in: bool,
    /// Whether the audio is kept with the answer.
    pub keep_audio: bool,
    /// How each answer is called when the caller is asked to confirm it.
    pub said: Vec<(AnswerValue, PromptName)>,
}

/// How long and how often we wait for one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How often silence is put up with, and, counted apart, wrong keys: 1-5.
    pub attempts: u8,
    /// Silence after the question that counts as no answer.
    pub no_input_after: Duration,
    /// On a scale up to ten: how long a `1` waits for a `0`.
    pub second_key_wait: Duration,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Its name, unique in the survey.
    pub id: QuestionId,
    /// What it measures.
    pub kind: QuestionKind,
    /// What can be answered.
    pub answers: Answers,
    /// The prompts of the question, played one after the other.
    pub prompts: Vec<PromptName>,
    /// Said before the question is put again after silence.
    pub no_input: PromptName,
    /// Said before the question is put again after a wrong key.
    pub no_match: PromptName,
    /// Asked only when this holds.
    pub when: Option<When>,
    /// The key that declines, where there is one.
    pub refuse_key: Option<Digit>,
    /// What follows when the caller declines.
    pub after_refuse: AfterRefuse,
    /// How long and how often we wait.
    pub patience: Patience,
    /// What follows when the attempts are used up.
    pub after_attempts: AfterAttempts,
    /// Whether a key during the question counts.
    pub barge_in: BargeIn,
    /// How it is answered by voice, where it can be.
    pub voice: Option<Voice>,
    /// Whether a yes asks for a call back.
    pub callback: bool,
    /// From which number on an answer is a low one, whatever the configuration says.
    pub low_at: Option<i16>,
}

/// What can be answered to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answers {
    /// A number. `labels` says in words what numbers stand for, for reports.
    Rating {
        /// Range and direction.
        scale: Scale,
        /// Number and words, in the order of the numbers.
        labels: Vec<(i16, String)>,
    },
    /// `1` for yes, `2` for no.
    YesNo,
    /// One of at most four.
    Menu(Vec<Choice>),
    /// The caller's own words, recorded.
    Comment {
        /// Longest recording.
        length_max: Duration,
    },
}

/// One entry of a menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Its key.
    pub key: Digit,
    /// Its name in rows and conditions.
    pub label: String,
}

/// Whether a key pressed while the question plays counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BargeIn {
    /// It stops the prompt and counts.
    ByKey,
    /// It is kept as a raw key, and the prompt goes on.
    No,
}

/// What follows when silence or wrong keys have used up the attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterAttempts {
    /// The next question; this one stays open, so the response is partial.
    GoOn,
    /// The next question; this one was optional, so the response may still be complete.
    Skip,
    /// Goodbye.
    End,
}

/// What follows when the caller declines by key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterRefuse {
    /// Goodbye.
    End,
    /// The next question.
    GoOn,
}

/// A condition on an earlier answer. A question that was not answered makes every condition on it false.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct When {
    /// The earlier question.
    pub question: QuestionId,
    /// How to compare.
    pub operator: Operator,
    /// With what.
    pub value: AnswerValue,
}

/// How a condition compares. Order is for ratings only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

impl When {
    /// Whether an answer to the question makes the condition true.
    #[must_use]
    pub fn holds(&self, answer: &AnswerValue) -> bool {
        let order = match (answer, &self.value) {
            (AnswerValue::Rating(given), AnswerValue::Rating(wanted)) => given.cmp(wanted),
            (given, wanted) if given == wanted => std::cmp::Ordering::Equal,
            _ => return self.operator == Operator::NotEqual,
        };
        match self.operator {
            Operator::Equal => order.is_eq(),
            Operator::NotEqual => order.is_ne(),
            Operator::Less => order.is_lt(),
            Operator::AtMost => order.is_le(),
            Operator::Greater => order.is_gt(),
            Operator::AtLeast => order.is_ge(),
        }
    }
}

impl Question {
    /// Whether it is asked after these answers.
    #[must_use]
    pub fn is_due(&self, answers: &[(QuestionId, AnswerValue)]) -> bool {
        let holds = |when: &When| answers.iter().any(|(id, value)| *id == when.question && when.holds(value));
        self.when.as_ref().is_none_or(holds)
    }
}

impl Answers {
    /// Every value that can be answered, for checks.
    #[must_use]
    pub fn values(&self) -> Vec<AnswerValue> {
        match self {
            Self::Rating { scale, .. } => (scale.min..=scale.max).map(AnswerValue::Rating).collect(),
            Self::YesNo => vec![AnswerValue::YesNo(true), AnswerValue::YesNo(false)],
            Self::Menu(choices) => choices.iter().map(|c| AnswerValue::Choice(c.label.clone())).collect(),
            Self::Comment { .. } => Vec::new(),
        }
    }

    /// The answer that a grammar's tag names; `None` for one that is no answer to this question.
    #[must_use]
    pub fn meant(&self, tag: &str) -> Option<AnswerValue> {
        self.values().into_iter().find(|value| value.to_string() == tag)
    }

    /// The scale, where the answers are numbers.
    #[must_use]
    pub fn scale(&self) -> Option<Scale> {
        match self {
            Self::Rating { scale, .. } => Some(*scale),
            Self::YesNo | Self::Menu(_) | Self::Comment { .. } => None,
        }
    }
}

impl Survey {
    /// The language to hold the survey in: the first of `wanted` that it speaks, a region giving way to its
    /// language (`pt-BR` to `pt`).
    #[must_use]
    pub fn language_for(&self, wanted: Option<&Language>) -> Option<Language> {
        let wanted = wanted?;
        let plain = wanted.as_str().split('-').next().unwrap_or_default();
        let same = |text: &str| self.languages.iter().find(|l| l.as_str().eq_ignore_ascii_case(text));
        same(wanted.as_str()).or_else(|| same(plain)).cloned()
    }

    /// The questions; empty for the two measuring forms.
    #[must_use]
    pub fn questions(&self) -> &[Question] {
        match &self.form {
            Form::Questions(form) => &form.questions,
            Form::PlayForever(_) | Form::SignallingOnly => &[],
        }
    }
}

/// The prompt that offers a language as the `position`th one (from 1), spoken in that language.
#[must_use]
pub fn language_prompt(position: usize) -> PromptName {
    format!("language_{position}").parse().expect("a short plain name")
}

/// The name under which the language choice appears in facts; no question may take it.
#[must_use]
pub fn language_question() -> QuestionId {
    "language".parse().expect("a short plain name")
}
