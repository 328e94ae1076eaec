//! What can be wrong with a grammar file, and where.

use std::fmt;
use std::path::PathBuf;

use crate::domain::Meaning;

/// Something that is wrong with a grammar file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrammarError {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; 0 for the file as a whole.
    pub line: u32,
    /// What is wrong.
    pub fault: GrammarFault,
}

impl fmt::Display for GrammarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}", self.fault)
    }
}

impl std::error::Error for GrammarError {}

/// What can be wrong with a grammar file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message says it")]
pub enum GrammarFault {
    #[error("cannot be read: {0}")]
    Unreadable(std::io::ErrorKind),
    #[error("is no text in UTF-8")]
    NotText,
    #[error("has more than {max} bytes")]
    Large { max: usize },
    #[error("a folder of grammars is called by its language, as `en` or `pt-BR`")]
    FolderName,
    #[error("a grammar's file name is 1-32 letters, digits, '-' or '_'")]
    FileName,
    #[error("{0}")]
    Xml(String),
    #[error("<!DOCTYPE> is not supported: leave the line out, the namespace says what the document is")]
    Doctype,
    #[error("the document is no <grammar> of {NAMESPACE}")]
    NotAGrammar,
    #[error("version is \"1.0\"")]
    Version,
    #[error("xml:lang is needed and is the language of the folder, {0}")]
    Language(String),
    #[error("mode=\"dtmf\" is not for speech: keys need no grammar")]
    Dtmf,
    #[error("mode={0:?} is not known: \"voice\" is")]
    Mode(String),
    #[error("tag-format is \"semantics/1.0-literals\": a tag is a plain label, not a script")]
    TagFormat,
    #[error("root names one of the rules")]
    NoRoot,
    #[error("<{0}> is not supported")]
    Element(String),
    #[error("<{element}> takes no {attribute} here")]
    Attribute { element: String, attribute: String },
    #[error("weights are not supported: every phrase counts the same")]
    Weight,
    #[error("xml:base is not supported: grammars of one folder refer to each other by file name")]
    Base,
    #[error("one language per file: xml:lang stands on <grammar> only")]
    InnerLanguage,
    #[error("text does not belong in <{0}>")]
    Text(String),
    #[error("a rule is called by letters, digits, '-' or '_', not {0:?}")]
    RuleName(String),
    #[error("two rules are called {0}")]
    SameRule(String),
    #[error("scope is \"public\" or \"private\", not {0:?}")]
    Scope(String),
    #[error("repeat is a number or a range as 0-1, up to {max}, not {is:?}")]
    Repeat { is: String, max: u8 },
    #[error("repeat={0:?} has no upper end: give it one")]
    Endless(String),
    #[error("a <ruleref> has either uri or special")]
    Reference,
    #[error("uri is `#rule`, `file.grxml` or `file.grxml#rule` in the same folder, not {0:?}")]
    Uri(String),
    #[error("special={0:?} is not supported: NULL and VOID are")]
    Special(String),
    #[error("{0} has no root: name the rule")]
    Rootless(String),
    #[error("there is no grammar {0} in this folder")]
    NoFile(String),
    #[error("there is no rule {0}")]
    NoRule(String),
    #[error("rule {0} is private to its file")]
    Private(String),
    #[error("rule {0} leads back to itself: a recursive rule has no end")]
    Recursive(String),
    #[error("elements are nested more than {max} deep")]
    Deep { max: usize },
    #[error("{word:?} is no word: write words in letters, numbers too")]
    Word { word: String },
    #[error("stands for more than {max} phrases")]
    Phrases { max: usize },
    #[error("a phrase has more than {max} words")]
    Words { max: usize },
    #[error("a tag is 1-32 letters, digits, '-', '_' or '.', or *repeat*, *skip* or *stop*; not {0:?}")]
    Tag(String),
    #[error("{0:?} means nothing: it has no tag")]
    NoMeaning(String),
    #[error("{phrase:?} has two meanings, {one:?} and {other:?}")]
    TwoMeanings { phrase: String, one: Meaning, other: Meaning },
    #[error("an empty phrase would mean {0:?}: something has to be said")]
    Silence(Meaning),
    #[error("has no phrase")]
    Empty,
    #[error("the example {0:?} is no phrase of its rule")]
    Example(String),
    #[error("a list of distractors holds one word a line, not {0:?}")]
    Distractor(String),
}

/// The namespace of W3C SRGS 1.0 (§4.1).
pub const NAMESPACE: &str = "http://www.w3.org/2001/06/grammar";
