//! Names from the wire and from the configuration, each checked once and a type from then on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing was left after trimming white space.
    #[error("the name is empty")]
    Empty,
    /// Longer than the type allows, in characters.
    #[error("the name has more than {max} characters")]
    Long {
        /// The most characters that the type takes.
        max: usize,
    },
    /// A character that the type does not take.
    #[error("the name holds {0:?}, which is not allowed there")]
    Character(char),
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, max $max:literal, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let allowed: fn(char) -> bool = $allowed;
                let text = text.trim();
                if text.is_empty() {
                    return Err(IdError::Empty);
                }
                if text.chars().count() > $max {
                    return Err(IdError::Long { max: $max });
                }
                match text.chars().find(|&c| !allowed(c)) {
                    Some(c) => Err(IdError::Character(c)),
                    None => Ok(Self(text.into())),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

fn printable(c: char) -> bool {
    !c.is_control()
}

fn plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

text_id! {
    /// The agent being rated, as the PBX names them: 1-64 printable characters.
    AgentId, max 64, printable
}
text_id! {
    /// The queue (skill, line of business) the call came through: 1-64 printable characters.
    QueueId, max 64, printable
}
text_id! {
    /// The contact centre's own reference for the call: 1-128 printable characters.
    CallRef, max 128, printable
}
text_id! {
    /// A team of agents: 1-64 printable characters.
    TeamId, max 64, printable
}
text_id! {
    /// A survey's name, which is its file name in `config/surveys` without `.toml`.
    SurveyId, max 32, plain
}
text_id! {
    /// A question's name, unique in its survey.
    QuestionId, max 32, plain
}
text_id! {
    /// A trunk's name in the configuration.
    TrunkId, max 32, plain
}
text_id! {
    /// A prompt's name, which is its file name in `prompts/LANGUAGE` without `.wav`.
    PromptName, max 64, plain
}
text_id! {
    /// A language folder's name in `prompts/`: an ISO 639-1 code, perhaps with a region (`en`, `pt-BR`).
    Language, max 8, |c| c.is_ascii_alphanumeric() || c == '-'
}

/// The version number that a survey file carries; answers to different versions are told apart by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SurveyVersion(pub u32);

/// One call: a UUID version 7 (RFC 9562 §5.7), so that ids sort by the time they were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(pub Uuid);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for CallId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

/// One recording of a caller's voice: a UUID version 7, the name of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordingId(pub Uuid);

impl fmt::Display for RecordingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RecordingId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_bounded() {
        assert_eq!(" Anna Müller ".parse::<AgentId>().unwrap().as_str(), "Anna Müller");
        assert_eq!("  ".parse::<AgentId>(), Err(IdError::Empty));
        assert_eq!("a\nb".parse::<AgentId>(), Err(IdError::Character('\n')));
        assert_eq!("x".repeat(65).parse::<QueueId>(), Err(IdError::Long { max: 64 }));
        assert_eq!("a/b".parse::<SurveyId>(), Err(IdError::Character('/')));
    }
}
