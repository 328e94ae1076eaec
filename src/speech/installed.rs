//! What there is to hear with: the library, the recogniser program, and the models that are there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::grammar::Lexicon;
use crate::config::{Listening, ModelConfig, SpeechConfig, SpeechModels};

/// Where the library lies when nothing says otherwise, from the folder that the service is started in.
const LIBRARY: &str = "var/speech/libvosk.so";

/// Why nobody is listened to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSpeech {
    /// By configuration.
    #[error("listening is off in the configuration")]
    Off,
    /// There is no library.
    #[error("there is no libvosk.so, looked for at {}; deploy/get-libvosk.sh gets it", list(.0))]
    NoLibrary(Vec<PathBuf>),
    /// There is no recogniser program.
    #[error("there is no recogniser program at {}", .0.display())]
    NoProgram(PathBuf),
    /// There is no model.
    #[error("there is no model for any language; `aftercall speech fetch LANGUAGE` gets one")]
    NoModel,
    /// There are models, and all of them failed their self-test.
    #[error("no model that is there works; `aftercall speech check` says why")]
    Unfit,
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" and ")
}

/// A model that is there, with what it takes to run it.
#[derive(Clone, Debug)]
pub struct Installed {
    /// As configured.
    pub model: ModelConfig,
    /// Its folder.
    pub folder: PathBuf,
    /// The library.
    pub library: PathBuf,
    /// The recogniser program.
    pub program: PathBuf,
    /// Words of the grammars that the model does not know, once it has been asked.
    pub missing: Arc<BTreeSet<String>>,
}

/// Looks for the library and the recogniser program; `data` is the data folder.
///
/// # Errors
/// Why there is nothing to hear with.
pub fn tools(config: &SpeechConfig, data: &Path) -> Result<(PathBuf, PathBuf), NoSpeech> {
    if config.enabled == Listening::Off {
        return Err(NoSpeech::Off);
    }
    let places = match &config.library {
        Some(library) => vec![library.clone()],
        None => vec![data.join("speech/libvosk.so"), LIBRARY.into()],
    };
    let library = places.iter().find(|place| place.is_file());
    let library = library.ok_or_else(|| NoSpeech::NoLibrary(places.clone()))?;
    // The loader takes a relative folder from wherever the program runs.
    let library = std::path::absolute(library).unwrap_or_else(|_| library.clone());
    let program = config.worker.clone().unwrap_or_else(beside_the_service);
    if !program.is_file() {
        return Err(NoSpeech::NoProgram(program));
    }
    Ok((library, program))
}

/// Looks for library, program and models; `data` is the data folder. Of a language's models the first that passes its
/// self-test is to be used ([`super::check::fit`]).
///
/// # Errors
/// Why there is nothing to hear with.
pub fn installed(
    config: &SpeechConfig,
    models: &SpeechModels,
    data: &Path,
) -> Result<Vec<Installed>, NoSpeech> {
    let (library, program) = tools(config, data)?;
    let mut found: Vec<Installed> = Vec::new();
    for model in &models.model {
        let folder = model.folder(data);
        if is_model(&folder) {
            let (model, library, program) = (model.clone(), library.clone(), program.clone());
            found.push(Installed { model, folder, library, program, missing: Arc::default() });
        }
    }
    if found.is_empty() { Err(NoSpeech::NoModel) } else { Ok(found) }
}

/// Whether a folder has the network of a model, in the layout of newer models or that of older ones.
pub(super) fn is_model(folder: &Path) -> bool {
    folder.join("am/final.mdl").is_file() || folder.join("final.mdl").is_file()
}

fn beside_the_service() -> PathBuf {
    let name = format!("aftercall-speech{}", std::env::consts::EXE_SUFFIX);
    let own = std::env::current_exe().unwrap_or_default();
    own.with_file_name(name)
}

impl Installed {
    /// What the model can be asked, once it has been asked which words it knows.
    #[must_use]
    pub fn lexicon(&self) -> Lexicon {
        Lexicon { missing: Arc::clone(&self.missing), distractors_max: usize::from(self.model.distractors) }
    }

    /// The program, ready to be started with this model; the caller gives it a socket and more options.
    #[must_use]
    pub fn command(&self, config: &SpeechConfig) -> std::process::Command {
        let mut command = std::process::Command::new(&self.program);
        command
            .env_clear()
            .env("LD_LIBRARY_PATH", self.library.parent().unwrap_or(Path::new("/")))
            // One utterance is heard by one thread: the library's own threads would only be in the way.
            .envs([("OMP_NUM_THREADS", "1"), ("OPENBLAS_NUM_THREADS", "1"), ("MALLOC_ARENA_MAX", "2")])
            .arg("--model")
            .arg(&self.folder)
            .args(["--rate", &self.model.rate.to_string()])
            .args(["--memory-max-mib", &config.memory_max_mib.to_string()]);
        if let Some(unknown) = &self.model.unknown {
            command.args(["--unknown", unknown]);
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(language: &str, name: &str, dir: Option<&Path>) -> ModelConfig {
        let place = match dir {
            Some(dir) => format!("dir = {dir:?}"),
            None => "url = \"https://example.org\"".to_owned(),
        };
        toml::from_str(&format!(
            "language = \"{language}\"\nname = \"{name}\"\n{place}\nrate = 8000\nstreams_max = 1\n\
             rule = {{ accept_pm = 2, confirm_pm = 1 }}"
        ))
        .unwrap()
    }

    #[test]
    fn what_is_missing_is_named_and_models_that_are_there_come_in_their_order() {
        let dir = tempfile::tempdir().unwrap();
        let (data, built_in) = (dir.path().join("data"), dir.path().join("built-in"));
        let models =
            SpeechModels { model: vec![model("en", "small", None), model("en", "own", Some(&built_in))] };
        let file = |name: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, "x").unwrap();
            path
        };
        let off = SpeechConfig { enabled: Listening::Off, ..SpeechConfig::default() };
        assert_eq!(installed(&off, &models, &data).unwrap_err(), NoSpeech::Off);
        let nowhere = dir.path().join("nowhere");
        let mut config = SpeechConfig { library: Some(nowhere.clone()), ..SpeechConfig::default() };
        assert_eq!(
            installed(&config, &models, &data).unwrap_err(),
            NoSpeech::NoLibrary(vec![nowhere.clone()])
        );
        config.library = Some(file("libvosk.so"));
        config.worker = Some(nowhere.clone());
        assert_eq!(installed(&config, &models, &data).unwrap_err(), NoSpeech::NoProgram(nowhere));
        config.worker = Some(file("worker"));
        assert_eq!(installed(&config, &models, &data).unwrap_err(), NoSpeech::NoModel);
        let put = |folder: &Path, name: &str| {
            let file = folder.join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "x").unwrap();
        };
        put(&built_in, "am/final.mdl");
        assert_eq!(installed(&config, &models, &data).unwrap()[0].folder, built_in);
        let fetched = data.join("speech/small");
        put(&fetched, "final.mdl");
        let found = installed(&config, &models, &data).unwrap();
        assert_eq!(found.iter().map(|one| &one.folder).collect::<Vec<_>>(), [&fetched, &built_in]);
    }
}
