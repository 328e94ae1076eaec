//! All prompts in memory, encoded for every codec and shared by all calls.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::wav::{self, RATE_HZ, WavError};
use crate::domain::{Language, PromptCatalogue, PromptName};
use crate::media::Prompt;

/// Why the prompts cannot be used. The service does not start without them.
#[derive(Debug, thiserror::Error)]
pub enum PromptsError {
    /// A folder or file cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// What could not be read.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no language folder with a `texts.toml`.
    #[error("{}: holds no language folder with a texts.toml", .0.display())]
    Empty(PathBuf),
    /// A folder's name is no language.
    #[error("{}: the folder's name is not a language", .0.display())]
    NotALanguage(PathBuf),
    /// `texts.toml` is not a flat table of names and texts.
    #[error("{}: {message}", path.display())]
    Texts {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        message: String,
    },
    /// A text has no recording.
    #[error("{}: is missing, though texts.toml names it{}", path.display(), Beside(.beside))]
    Missing {
        /// Where it should be.
        path: PathBuf,
        /// A file of the same name and another kind.
        beside: Option<PathBuf>,
    },
    /// A recording cannot be used.
    #[error(transparent)]
    Wav(#[from] WavError),
}

/// What can be done with a recording of another kind.
struct Beside<'a>(&'a Option<PathBuf>);

impl std::fmt::Display for Beside<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(path) = self.0 else { return Ok(()) };
        let to = path.with_extension("wav");
        write!(f, "; `aftercall prompts import {} {}` makes one", path.display(), to.display())
    }
}

/// The prompts of all languages.
#[derive(Debug, Default)]
pub struct Library {
    prompts: BTreeMap<Language, HashMap<Box<str>, Arc<Prompt>>>,
    /// Recordings that no text goes with.
    untold: BTreeMap<Language, HashSet<String>>,
}

impl Library {
    /// Loads `dir/LANGUAGE/*.wav` by the `texts.toml` of each language. Recordings without a text are left out.
    ///
    /// # Errors
    /// The first file that is missing or wrong, by name.
    pub fn load(dir: &Path) -> Result<Self, PromptsError> {
        let folders = languages(dir)?;
        // Encoding is what a start waits for: every language has a thread of its own.
        let loaded = std::thread::scope(|scope| {
            let threads: Vec<_> =
                folders.iter().map(|(_, folder)| scope.spawn(|| load_language(folder))).collect();
            threads
                .into_iter()
                .map(|t| t.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        let loaded: Result<Vec<_>, PromptsError> = loaded;
        let untold = folders.iter().map(|(language, folder)| Ok((language.clone(), untold(folder)?)));
        let untold = untold.collect::<Result<_, PromptsError>>()?;
        let languages = folders.into_iter().map(|(language, _)| language);
        Ok(Self { prompts: languages.zip(loaded?).collect(), untold })
    }

    /// A prompt by name.
    #[must_use]
    pub fn get(&self, language: &Language, name: &str) -> Option<Arc<Prompt>> {
        self.prompts.get(language)?.get(name).cloned()
    }

    /// All languages, sorted.
    pub fn languages(&self) -> impl Iterator<Item = &Language> {
        self.prompts.keys()
    }

    /// The prompts of all languages together.
    #[must_use]
    pub fn len(&self) -> usize {
        self.prompts.values().map(HashMap::len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl PromptCatalogue for Library {
    fn duration(&self, language: &Language, name: &PromptName) -> Option<Duration> {
        self.get(language, name.as_str()).map(|prompt| prompt.duration())
    }

    fn lacks_text(&self, language: &Language, name: &PromptName) -> bool {
        self.untold.get(language).is_some_and(|names| names.contains(name.as_str()))
    }
}

/// The recordings of a language that no text goes with.
fn untold(folder: &Path) -> Result<HashSet<String>, PromptsError> {
    let texts = texts(folder)?;
    Ok(super::check::recordings(folder)?.into_iter().filter(|name| !texts.contains_key(name)).collect())
}

/// A file beside a prompt that is missing, of the same name.
fn beside(path: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(path.parent()?).ok()?.flatten().map(|file| file.path());
    files.filter(|file| file.is_file() && file.file_stem() == path.file_stem()).min()
}

/// One language's prompts, encoded.
fn load_language(folder: &Path) -> Result<HashMap<Box<str>, Arc<Prompt>>, PromptsError> {
    let mut prompts = HashMap::new();
    for (name, text) in texts(folder)? {
        let path = folder.join(format!("{name}.wav"));
        if !path.is_file() {
            return Err(PromptsError::Missing { beside: beside(&path), path });
        }
        let narrow = wav::read_prompt(&path)?;
        let wide = wav::resample(wav::to_f32(&narrow), RATE_HZ, 2 * RATE_HZ)
            .ok_or_else(|| WavError::Unconvertible { path: path.clone(), rate_hz: RATE_HZ })?;
        // The last samples may fall to rounding; the shorter form would cut the other.
        let mut wide = wav::to_i16(&wide);
        wide.resize(2 * narrow.len(), 0);
        prompts.insert(name.as_str().into(), Arc::new(Prompt::new(&name, &text, &narrow, &wide)));
    }
    Ok(prompts)
}

/// The language folders in order: those that hold a `texts.toml`.
pub(super) fn languages(dir: &Path) -> Result<Vec<(Language, PathBuf)>, PromptsError> {
    let unreadable = |source| PromptsError::Unreadable { path: dir.into(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let folder = entry.map_err(unreadable)?.path();
        if !folder.join("texts.toml").is_file() {
            continue;
        }
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let language = name.parse().map_err(|_| PromptsError::NotALanguage(folder.clone()))?;
        found.push((language, folder));
    }
    if found.is_empty() {
        return Err(PromptsError::Empty(dir.into()));
    }
    found.sort();
    Ok(found)
}

/// The flat table `name = "text"` of one language.
pub(super) fn texts(folder: &Path) -> Result<BTreeMap<String, String>, PromptsError> {
    let path = folder.join("texts.toml");
    let text = std::fs::read_to_string(&path)
        .map_err(|source| PromptsError::Unreadable { path: path.clone(), source })?;
    let wrong = |message: String| PromptsError::Texts { path: path.clone(), message };
    let texts: BTreeMap<String, String> = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    for name in texts.keys() {
        name.parse::<PromptName>().map_err(|error| wrong(format!("the name {name:?}: {error}")))?;
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Codec;
    use crate::prompts::wav::write_prompt;

    #[test]
    fn a_folder_becomes_prompts_in_every_codec() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("en");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("texts.toml"), "hello = \"Hello.\"\n").unwrap();
        let tone: Vec<i16> = (0..1234).map(|i| (4000.0 * (f64::from(i) * 0.3).sin()) as i16).collect();
        write_prompt(&folder.join("hello.wav"), &tone).unwrap();
        let library = Library::load(dir.path()).unwrap();
        let english = "en".parse().unwrap();
        let prompt = library.get(&english, "hello").unwrap();
        assert_eq!(prompt.text(), "Hello.");
        assert_eq!(prompt.duration(), Duration::from_micros(154_250));
        assert!(Codec::ALL.iter().all(|&codec| prompt.octets(codec).len() == 1234));
        assert!(library.get(&english, "bye").is_none());
        let lacks = |library: &Library, name: &str| library.lacks_text(&english, &name.parse().unwrap());
        assert!(!lacks(&library, "hello") && !lacks(&library, "bye"));
        write_prompt(&folder.join("bye.wav"), &tone).unwrap();
        let library = Library::load(dir.path()).unwrap();
        assert!(lacks(&library, "bye") && library.get(&english, "bye").is_none());
        assert_eq!(library.languages().collect::<Vec<_>>(), [&english]);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Library::load(dir.path()), Err(PromptsError::Empty(_))));
        let folder = dir.path().join("en");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("texts.toml"), "hello = \"Hello.\"\n").unwrap();
        let error = Library::load(dir.path()).unwrap_err().to_string();
        assert!(error.contains("hello.wav: is missing") && !error.contains("import"), "{error}");
        std::fs::write(folder.join("hello.mp3"), "x").unwrap();
        let error = Library::load(dir.path()).unwrap_err().to_string();
        assert!(error.contains("hello.mp3") && error.contains("prompts import"), "{error}");
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 44_100,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        hound::WavWriter::create(folder.join("hello.wav"), spec).unwrap().finalize().unwrap();
        let error = Library::load(dir.path()).unwrap_err().to_string();
        assert!(error.contains("hello.wav: 44100 Hz, 16 bit, 2 channel(s)"), "{error}");
        std::fs::write(folder.join("texts.toml"), "hello = 3\n").unwrap();
        assert!(matches!(Library::load(dir.path()), Err(PromptsError::Texts { .. })));
    }
}
