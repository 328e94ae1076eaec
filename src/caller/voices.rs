//! What callers say: recordings by word and voice, from a folder of `WORD.VOICE.wav`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::prompts::read_speech;

/// Recordings of the words that a caller may say.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Voices(BTreeMap<String, BTreeMap<String, Arc<Vec<i16>>>>);

impl std::fmt::Debug for Voices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

impl Voices {
    /// Reads a folder.
    ///
    /// # Errors
    /// The file that cannot be read, or that there is none, in words for people.
    pub fn load(folder: &Path) -> Result<Self, String> {
        let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let mut voices = Self::default();
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some((word, voice)) = name.strip_suffix(".wav").and_then(|name| name.split_once('.')) else {
                continue;
            };
            let (word, voice) = (word.to_owned(), voice.to_owned());
            let samples = read_speech(&path).map_err(|error| error.to_string())?;
            voices.0.entry(voice).or_default().insert(word, Arc::new(samples));
        }
        if voices.0.is_empty() {
            return Err(format!("{}: no WORD.VOICE.wav is there", folder.display()));
        }
        Ok(voices)
    }

    /// How many voices there are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// A word by the voice of this number.
    pub(super) fn say(&self, voice: usize, word: &str) -> Option<Arc<Vec<i16>>> {
        self.0.values().nth(voice)?.get(word).cloned()
    }
}
