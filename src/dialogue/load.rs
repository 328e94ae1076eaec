//! Survey files to checked surveys. `config/surveys/NAME.toml` is the survey `NAME`.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use humantime_serde::Serde;
use serde::Deserialize;
use toml::Spanned;

use super::check;
use super::survey::Survey;
use crate::domain::{
    Better, Digit, GrammarCatalogue, Language, PromptCatalogue, PromptName, QuestionId, QuestionKind,
    SurveyId,
};

/// What surveys may refer to.
#[derive(Clone, Copy)]
pub struct Catalogues<'a> {
    /// The prompts there are.
    pub prompts: &'a dyn PromptCatalogue,
    /// The grammars there are.
    pub grammars: &'a dyn GrammarCatalogue,
}

/// All surveys there are.
#[derive(Clone, Debug, Default)]
pub struct SurveySet(BTreeMap<SurveyId, Arc<Survey>>);

impl SurveySet {
    /// Reads and checks every `*.toml` in a folder.
    ///
    /// # Errors
    /// All faults of all files, not only the first; see [`Fault`].
    pub fn load(folder: &Path, has: Catalogues<'_>) -> Result<(Self, Vec<Warning>), Vec<SurveyError>> {
        let (mut set, mut warnings, mut errors) = (Self::default(), Vec::new(), Vec::new());
        let unreadable = |path: &Path, error: std::io::Error| SurveyError {
            file: path.to_owned(),
            line: 0,
            key: String::new(),
            fault: Fault::Unreadable(error.kind()),
        };
        let mut paths = std::fs::read_dir(folder)
            .and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>())
            .map_err(|e| vec![unreadable(folder, e)])?;
        paths.retain(|path| path.extension().is_some_and(|e| e == "toml"));
        paths.sort();
        for path in paths {
            let text = match std::fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) => {
                    errors.push(unreadable(&path, error));
                    continue;
                }
            };
            match Self::read(&path, &text, has) {
                Ok((survey, warned)) => {
                    warnings.extend(warned);
                    set.0.insert(survey.id.clone(), Arc::new(survey));
                }
                Err(faults) => errors.extend(faults),
            }
        }
        if errors.is_empty() { Ok((set, warnings)) } else { Err(errors) }
    }

    /// Reads and checks one file's text. The path gives the name, and is not opened.
    ///
    /// # Errors
    /// All its faults.
    pub fn read(
        path: &Path,
        text: &str,
        has: Catalogues<'_>,
    ) -> Result<(Survey, Vec<Warning>), Vec<SurveyError>> {
        let mut notes = Notes { path, text, errors: Vec::new(), warnings: Vec::new() };
        let survey = notes.parse().and_then(|raw| check::survey(&mut notes, raw, has));
        match survey {
            Some(survey) if notes.errors.is_empty() => Ok((survey, notes.warnings)),
            _ => Err(notes.errors),
        }
    }

    /// A survey by name.
    #[must_use]
    pub fn get(&self, id: &SurveyId) -> Option<&Arc<Survey>> {
        self.0.get(id)
    }

    /// All surveys, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Survey>> {
        self.0.values()
    }
}

/// Something that is wrong with a survey file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SurveyError {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// The key, where one can be named.
    pub key: String,
    /// What is wrong.
    pub fault: Fault,
}

impl fmt::Display for SurveyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.fault)
    }
}

impl std::error::Error for SurveyError {}

/// Something about a survey that works and is still worth a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The file.
    pub file: PathBuf,
    /// What to look at.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.message)
    }
}

/// What can be wrong with a survey file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum Fault {
    #[error("cannot be read: {0}")]
    Unreadable(std::io::ErrorKind),
    #[error("{0}")]
    Toml(String),
    #[error("a survey's file name is 1-32 letters, digits, '-', '_' or '.'")]
    FileName,
    #[error("name at least one language")]
    NoLanguage,
    #[error("the languages of a survey that asks for one are 2-9")]
    LanguageMenu,
    #[error("a survey asks questions, or has `play_forever`, or `signalling_only = true`: one of the three")]
    Form,
    #[error("a survey has at most {max} questions")]
    TooManyQuestions { max: usize },
    #[error("two questions are called {0}")]
    SameId(QuestionId),
    #[error("{0} is the name of the language choice")]
    ReservedId(QuestionId),
    #[error("there is no recording {name} in {language}")]
    NoPrompt { language: Language, name: PromptName },
    #[error("there is a recording {name} in {language}, and no text: say in its texts.toml what it says")]
    NoText { language: Language, name: PromptName },
    #[error("there is no grammar {grammar} in any language of the survey")]
    NoGrammar { grammar: String },
    #[error("the grammar {grammar} can mean {meaning:?} in {language}, which is no answer to this question")]
    GrammarMeaning { language: Language, grammar: String, meaning: String },
    #[error("a choice that can be answered by voice needs `heard`: how it is called after \"I heard\"")]
    NoHeardPrompt,
    #[error("is a confidence above 0 and up to 1, and `confirm_at` is not above `accept_at`")]
    Threshold,
    #[error("is for surveys with a [voice] section")]
    NoVoice,
    #[error("is needed for this kind: min, max and direction")]
    NoScale,
    #[error("is not for this kind of question")]
    NotForKind,
    #[error("a scale runs from low to high within 0-10; one up to 10 begins at 0 or 1")]
    Range,
    #[error("the net promoter score is asked on 0-10, where higher is better")]
    NotNps,
    #[error("{0:?} is not a number on the scale")]
    Label(String),
    #[error("a menu has 2-4 choices, not {0}: callers do not keep more in mind")]
    Choices(usize),
    #[error("two choices have the key {0}")]
    SameKey(Digit),
    #[error("two choices are called {0:?}")]
    SameLabel(String),
    #[error("a choice is called by 1-32 letters, digits, '-', '_' or '.', not {0:?}")]
    ChoiceName(String),
    #[error("{0} is not a key for answers: 0-9 are")]
    NotAnAnswerKey(Digit),
    #[error("{0} is already an answer to this question")]
    RefuseKeyTaken(Digit),
    #[error("is 1-5, not {0}")]
    Attempts(u8),
    #[error("is {min:?} to {max:?}, not {is:?}")]
    Wait { is: Duration, min: Duration, max: Duration },
    #[error("write a condition as `question operator value`, with one of = != < <= > >=, not {0:?}")]
    WhenForm(String),
    #[error("there is no question {0}")]
    WhenUnknown(String),
    #[error("{0} is not asked before this question")]
    WhenLater(QuestionId),
    #[error("{0} has no order: compare by = or !=")]
    WhenOrder(QuestionId),
    #[error("{value:?} cannot be an answer to {question}")]
    WhenValue { question: QuestionId, value: String },
    #[error("never holds, so the question would never be asked")]
    WhenNever,
}

/// What was found in one file so far.
pub(super) struct Notes<'a> {
    path: &'a Path,
    text: &'a str,
    pub(super) errors: Vec<SurveyError>,
    pub(super) warnings: Vec<Warning>,
}

impl Notes<'_> {
    /// Notes a fault at a place in the text.
    pub(super) fn fault(&mut self, at: Range<usize>, key: &str, fault: Fault) {
        let line = self.text.get(..at.start).map_or(0, |before| before.matches('\n').count() + 1);
        self.errors.push(SurveyError { file: self.path.to_owned(), line, key: key.to_owned(), fault });
    }

    /// Notes something worth a look.
    pub(super) fn warn(&mut self, message: String) {
        self.warnings.push(Warning { file: self.path.to_owned(), message });
    }

    /// The same, where several questions may find the same.
    pub(super) fn warn_once(&mut self, message: String) {
        if self.warnings.iter().all(|warning| warning.message != message) {
            self.warn(message);
        }
    }

    /// The survey's name, from the file's.
    pub(super) fn survey_id(&mut self) -> Option<SurveyId> {
        let id = self.path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        if id.is_none() {
            self.fault(0..0, "", Fault::FileName);
        }
        id
    }

    fn parse(&mut self) -> Option<RawSurvey> {
        match toml::from_str(self.text) {
            Ok(raw) => Some(raw),
            Err(error) => {
                let span = error.span().unwrap_or(0..0);
                let key = key_at(self.text, span.start);
                self.fault(span, key, Fault::Toml(error.message().to_owned()));
                None
            }
        }
    }
}

/// The key of the line on which a fault lies, as the parser names none.
fn key_at(text: &str, at: usize) -> &str {
    let start = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
    let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    line.split_once('=').map_or("", |(key, _)| key.trim())
}

/// A survey file as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSurvey {
    pub(super) version: u32,
    pub(super) title: String,
    pub(super) languages: Spanned<Vec<Language>>,
    #[serde(default)]
    pub(super) ask_language: bool,
    pub(super) greeting: Option<Spanned<PromptName>>,
    pub(super) thanks: Option<Spanned<PromptName>>,
    pub(super) goodbye: Option<Spanned<PromptName>>,
    pub(super) sorry: Option<Spanned<PromptName>>,
    pub(super) no_input: Option<Spanned<PromptName>>,
    pub(super) no_match: Option<Spanned<PromptName>>,
    pub(super) play_forever: Option<Spanned<PromptName>>,
    #[serde(default)]
    pub(super) signalling_only: bool,
    pub(super) voice: Option<RawVoice>,
    #[serde(default)]
    pub(super) defaults: RawPatience,
    #[serde(default, rename = "question")]
    pub(super) questions: Vec<RawQuestion>,
}

/// What a question may set for itself, or `[defaults]` for all.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPatience {
    pub(super) attempts: Option<Spanned<u8>>,
    pub(super) no_input_after: Option<Spanned<Serde<Duration>>>,
    pub(super) second_key_wait: Option<Spanned<Serde<Duration>>>,
    pub(super) after_attempts: Option<RawAfterAttempts>,
}

/// `[voice]`: callers may answer by voice.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawVoice {
    pub(super) greeting: Option<Spanned<PromptName>>,
    pub(super) heard: Option<Spanned<PromptName>>,
    pub(super) confirm: Option<Spanned<PromptName>>,
    pub(super) no_match: Option<Spanned<PromptName>>,
    pub(super) use_keys: Option<Spanned<PromptName>>,
    #[serde(default)]
    pub(super) keep_audio: bool,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawAfterAttempts {
    GoOn,
    Skip,
    End,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawAfterRefuse {
    #[default]
    End,
    GoOn,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawQuestion {
    pub(super) id: Spanned<QuestionId>,
    pub(super) kind: Spanned<QuestionKind>,
    pub(super) scale: Option<Spanned<RawScale>>,
    pub(super) prompt: Spanned<PromptName>,
    pub(super) no_input: Option<Spanned<PromptName>>,
    pub(super) no_match: Option<Spanned<PromptName>>,
    pub(super) when: Option<Spanned<String>>,
    pub(super) refuse_key: Option<Spanned<Digit>>,
    #[serde(default)]
    pub(super) after_refuse: RawAfterRefuse,
    pub(super) attempts: Option<Spanned<u8>>,
    pub(super) no_input_after: Option<Spanned<Serde<Duration>>>,
    pub(super) second_key_wait: Option<Spanned<Serde<Duration>>>,
    pub(super) after_attempts: Option<RawAfterAttempts>,
    #[serde(default)]
    pub(super) choices: Vec<RawChoice>,
    pub(super) barge_in: Option<bool>,
    pub(super) voice: Option<bool>,
    pub(super) grammar: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) voice_barge_in: bool,
    pub(super) accept_at: Option<Spanned<f64>>,
    pub(super) confirm_at: Option<Spanned<f64>>,
    pub(super) keep_audio: Option<bool>,
    pub(super) length_max: Option<Spanned<Serde<Duration>>>,
    pub(super) callback: Option<Spanned<bool>>,
    pub(super) low_at: Option<Spanned<i16>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawScale {
    pub(super) min: i16,
    pub(super) max: i16,
    pub(super) direction: Better,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) heard: BTreeMap<String, Spanned<PromptName>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawChoice {
    pub(super) key: Spanned<Digit>,
    pub(super) label: Spanned<String>,
    pub(super) prompt: Option<Spanned<PromptName>>,
    pub(super) heard: Option<Spanned<PromptName>>,
}
