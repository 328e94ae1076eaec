//! Who is never surveyed, and who is a mystery caller.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::config::SelectionConfig;
use crate::domain::{CallContext, CallerHash, CallerNumber, Numbering};

/// Shortest mystery key, in bytes.
const KEY_MIN: usize = 16;

/// Lists of callers, as hashes: the numbers are let go as soon as they are read.
#[derive(Clone, Default)]
pub struct Lists {
    do_not_survey: HashSet<CallerHash>,
    mystery: HashSet<CallerHash>,
    mystery_key: Vec<u8>,
}

impl std::fmt::Debug for Lists {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lists({} never, {} mystery)", self.do_not_survey.len(), self.mystery.len())
    }
}

/// Why a list could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The file.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line that is no number. It is not shown, for it may be one after all.
    #[error("{path}:{line}: neither a number nor a caller hash", path = path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// The mystery key has fewer than 16 bytes.
    #[error("{path}: fewer than 16 bytes", path = path.display())]
    ShortKey {
        /// Which file.
        path: PathBuf,
    },
}

impl Lists {
    /// Reads the lists that the configuration names. `hash` hides a number; `mystery_key` is used where the
    /// configuration has none; `numbering` says how national numbers are meant.
    ///
    /// # Errors
    /// See [`ListError`].
    pub fn load(
        config: &SelectionConfig,
        hash: &dyn Fn(&CallerNumber) -> CallerHash,
        mystery_key: &[u8],
        numbering: &Numbering,
    ) -> Result<Self, ListError> {
        let list = |path: &Option<PathBuf>| {
            path.as_deref().map_or(Ok(HashSet::new()), |p| read_list(p, hash, numbering))
        };
        let mystery_key = match &config.mystery_key_file {
            None => mystery_key.to_vec(),
            Some(path) => {
                let key =
                    std::fs::read(path).map_err(|source| ListError::File { path: path.clone(), source })?;
                let key = key.trim_ascii().to_vec();
                if key.len() < KEY_MIN {
                    return Err(ListError::ShortKey { path: path.clone() });
                }
                key
            }
        };
        Ok(Self {
            do_not_survey: list(&config.do_not_survey)?,
            mystery: list(&config.mystery_callers)?,
            mystery_key,
        })
    }

    /// Lists at hand.
    #[must_use]
    pub fn new(
        do_not_survey: impl IntoIterator<Item = CallerHash>,
        mystery: impl IntoIterator<Item = CallerHash>,
        mystery_key: &[u8],
    ) -> Self {
        Self {
            do_not_survey: do_not_survey.into_iter().collect(),
            mystery: mystery.into_iter().collect(),
            mystery_key: mystery_key.to_vec(),
        }
    }

    /// Who is listed under another hash is listed under this one too.
    pub(super) fn rename(&mut self, former: CallerHash, now: CallerHash) {
        for list in [&mut self.do_not_survey, &mut self.mystery] {
            if list.contains(&former) {
                list.insert(now);
            }
        }
    }

    pub(super) fn never(&self, caller: Option<CallerHash>) -> bool {
        caller.is_some_and(|caller| self.do_not_survey.contains(&caller))
    }

    /// Whether the caller is listed, or the call carries the right token for its reference.
    pub(super) fn is_mystery(&self, context: &CallContext, caller: Option<CallerHash>) -> bool {
        caller.is_some_and(|caller| self.mystery.contains(&caller)) || self.token_is_right(context)
    }

    fn token_is_right(&self, context: &CallContext) -> bool {
        let (Some(token), Some(call_ref)) = (&context.mystery_token, &context.call_ref) else { return false };
        let Ok(token) = CallerHash::try_from(token.to_ascii_lowercase()) else { return false };
        if self.mystery_key.len() < KEY_MIN {
            return false;
        }
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.mystery_key).expect("HMAC takes a key of any length");
        mac.update(call_ref.as_str().as_bytes());
        mac.verify_slice(&token.0).is_ok()
    }
}

fn read_list(
    path: &Path,
    hash: &dyn Fn(&CallerNumber) -> CallerHash,
    numbering: &Numbering,
) -> Result<HashSet<CallerHash>, ListError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| ListError::File { path: path.to_owned(), source })?;
    let mut callers = HashSet::new();
    for (i, line) in text.lines().enumerate() {
        let entry = line.split('#').next().unwrap_or_default().trim();
        if entry.is_empty() {
            continue;
        }
        let hashed = CallerHash::try_from(entry.to_ascii_lowercase()).ok();
        let caller = hashed.or_else(|| CallerNumber::dialled(entry, numbering).map(|number| hash(&number)));
        callers.insert(caller.ok_or_else(|| ListError::Line { path: path.to_owned(), line: i + 1 })?);
    }
    Ok(callers)
}
