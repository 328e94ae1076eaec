//! From files to a checked [`Config`]: every fault names file, line and key.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::{Checked, Config, Fault, SpeechConfig, SpeechModels};
use crate::dialogue::{Catalogues, SurveyError, SurveySet, Warning};
use crate::prompts::{Library, PromptsError};
use crate::speech::grammar::{GrammarError, Grammars};

/// Prefix of environment variables that override a key: `AFTERCALL_SIP__CALLS_MAX=100` is `[sip] calls_max = 100`.
const PREFIX: &str = "AFTERCALL_";

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A key is unknown, missing, of the wrong type or out of range.
    #[error("{}:{line}: {what}", file.display())]
    Wrong {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key and what is wrong with it.
        what: String,
    },
    /// An override from the environment makes it wrong.
    #[error("with {variables} from the environment: {what}")]
    Environment {
        /// The variables in force.
        variables: String,
        /// What is wrong.
        what: String,
    },
    /// Survey files are wrong.
    #[error("{}", Lines(.0))]
    Surveys(Vec<SurveyError>),
    /// Grammar files are wrong.
    #[error("{}", Lines(.0))]
    Grammars(Vec<GrammarError>),
    /// Prompts are missing or wrong.
    #[error(transparent)]
    Prompts(#[from] PromptsError),
}

struct Lines<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Lines<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if i > 0 { "\n" } else { "" })?;
        }
        Ok(())
    }
}

/// A configuration with all that its calls need; replaced as a whole on reload, so that a running call keeps what it
/// began with.
#[derive(Debug)]
pub struct Live {
    /// The settings.
    pub config: Config,
    /// The surveys.
    pub surveys: SurveySet,
    /// The prompts, encoded.
    pub prompts: Arc<Library>,
    /// What callers may say.
    pub grammars: Arc<Grammars>,
    /// The recogniser models that may be used.
    pub speech_models: SpeechModels,
    /// What is worth a look in the survey files.
    pub warnings: Vec<Warning>,
}

/// Reads a configuration file, its surveys, its prompts and its grammars.
///
/// # Errors
/// The first fault of the configuration, or every fault of the surveys.
pub fn load(file: &Path) -> Result<Live, ConfigError> {
    let mut config = read(file)?;
    let base = file.parent().unwrap_or(Path::new("."));
    config.service.surveys = base.join(&config.service.surveys);
    config.service.prompts = base.join(&config.service.prompts);
    config.service.grammars = base.join(&config.service.grammars);
    for auth in config.trunk.iter_mut().filter_map(|trunk| trunk.auth.as_mut()) {
        auth.password_file = base.join(&auth.password_file);
    }
    if let Some(tls) = &mut config.web.tls {
        tls.certificate_file = base.join(&tls.certificate_file);
        tls.key_file = base.join(&tls.key_file);
    }
    if let Some(file) = config.web.oidc.as_mut().and_then(|oidc| oidc.client_secret_file.as_mut()) {
        *file = base.join(&*file);
    }
    let selection = &mut config.selection;
    let lists =
        [&mut selection.do_not_survey, &mut selection.mystery_callers, &mut selection.mystery_key_file];
    for file in lists.into_iter().flatten() {
        *file = base.join(&*file);
    }
    super::secrets::read(file, &mut config)?;
    let speech_models = speech_models(file, &mut config.speech)?;
    let prompts = Arc::new(Library::load(&config.service.prompts)?);
    let grammars = Arc::new(Grammars::load(&config.service.grammars).map_err(ConfigError::Grammars)?);
    let has = Catalogues { prompts: prompts.as_ref(), grammars: grammars.as_ref() };
    let (surveys, warnings) = SurveySet::load(&config.service.surveys, has).map_err(ConfigError::Surveys)?;
    check_references(file, &config, &surveys)?;
    Ok(Live { config, surveys, prompts, grammars, speech_models, warnings })
}

/// Makes the paths of `[speech]` absolute as those of other sections are, and reads the file of models. Only a file that
/// is named must be there.
///
/// # Errors
/// Its first fault.
pub fn speech_models(file: &Path, config: &mut SpeechConfig) -> Result<SpeechModels, ConfigError> {
    let base = file.parent().unwrap_or(Path::new("."));
    for path in [&mut config.library, &mut config.worker, &mut config.models].into_iter().flatten() {
        *path = base.join(&*path);
    }
    let named = config.models.clone();
    let models = named.clone().unwrap_or_else(|| base.join("speech-models.toml"));
    let text = match std::fs::read_to_string(&models) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => {
            return Ok(SpeechModels::default());
        }
        Err(source) => return Err(ConfigError::Unreadable { file: models, source }),
    };
    parse_models(&models, &text)
}

fn parse_models(file: &Path, text: &str) -> Result<SpeechModels, ConfigError> {
    let wrong = |line, what: String| ConfigError::Wrong { file: file.to_owned(), line, what };
    let mut models: SpeechModels = toml::from_str(text)
        .map_err(|e| wrong(line_at(text, e.span().map_or(0, |s| s.start)), e.message().to_owned()))?;
    for (index, model) in models.model.iter().enumerate() {
        let place = Place { section: "model", index: Some(index) };
        let twice = models.model[..index].iter().any(|other| other.name == model.name);
        let twice =
            if twice { Err(Fault::new("name", format!("{} is used twice", model.name))) } else { Ok(()) };
        model.check().and(twice).map_err(|Fault { key, what }| {
            wrong(line_of(text, &place, key), format!("{}{key}: {what}", place.label()))
        })?;
    }
    let base = file.parent().unwrap_or(Path::new("."));
    for dir in models.model.iter_mut().filter_map(|model| model.dir.as_mut()) {
        *dir = base.join(&*dir);
    }
    Ok(models)
}

/// Reads and checks a configuration file alone, without what it refers to.
///
/// # Errors
/// Its first fault.
pub fn read(file: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(file)
        .map_err(|source| ConfigError::Unreadable { file: file.to_owned(), source })?;
    parse(file, &text, std::env::vars())
}

/// Checks a configuration's text.
///
/// # Errors
/// Its first fault.
pub fn parse_text(text: &str) -> Result<Config, ConfigError> {
    parse(Path::new("configuration"), text, std::iter::empty())
}

fn parse(
    file: &Path,
    text: &str,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let wrong = |line, what: String| ConfigError::Wrong { file: file.to_owned(), line, what };
    let overrides: Vec<(String, String)> =
        variables.filter(|(name, _)| name.starts_with(PREFIX) && name.contains("__")).collect();
    let mut config: Config = if overrides.is_empty() {
        toml::from_str(text)
            .map_err(|e| wrong(line_at(text, e.span().map_or(0, |s| s.start)), e.message().to_owned()))?
    } else {
        let mut table: toml::Table = toml::from_str(text)
            .map_err(|e| wrong(line_at(text, e.span().map_or(0, |s| s.start)), e.message().to_owned()))?;
        let variables = overrides.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        for (name, value) in &overrides {
            put(&mut table, &name[PREFIX.len()..], value);
        }
        table.try_into().map_err(|e: toml::de::Error| ConfigError::Environment {
            variables,
            what: e.message().to_owned(),
        })?
    };
    let (policy, selection) = (&config.policy.time_zone, &config.selection.time_zone);
    config.store.day_zone = Some(if policy == "UTC" { selection } else { policy }.clone());
    check(&config).map_err(|(place, Fault { key, what })| {
        wrong(line_of(text, &place, key), format!("{}{key}: {what}", place.label()))
    })?;
    for trunk in &mut config.trunk {
        trunk.country = trunk.country.or(config.service.country);
    }
    Ok(config)
}

/// Sets a dotted key; a value that is no TOML is taken as a string.
fn put(table: &mut toml::Table, name: &str, value: &str) {
    let path: Vec<String> = name.split("__").map(str::to_ascii_lowercase).collect();
    let Some((last, sections)) = path.split_last() else { return };
    let mut at = table;
    for section in sections {
        let entry = at.entry(section.clone()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        let Some(inner) = entry.as_table_mut() else { return };
        at = inner;
    }
    let parsed = toml::from_str::<toml::Table>(&format!("x = {value}")).ok().and_then(|mut t| t.remove("x"));
    at.insert(last.clone(), parsed.unwrap_or_else(|| toml::Value::String(value.to_owned())));
}

/// A section, or one of a list of sections.
struct Place {
    section: &'static str,
    index: Option<usize>,
}

impl Place {
    fn label(&self) -> String {
        match self.index {
            None if self.section.is_empty() => String::new(),
            None => format!("[{}] ", self.section),
            Some(i) => format!("[[{}]] number {}: ", self.section, i + 1),
        }
    }
}

fn check(config: &Config) -> Result<(), (Place, Fault)> {
    let at = |section| move |fault| (Place { section, index: None }, fault);
    config.service.check().map_err(at("service"))?;
    config.http.check().map_err(at("http"))?;
    config.sip.check().map_err(at("sip"))?;
    config.media.check().map_err(at("media"))?;
    config.selection.check().map_err(at("selection"))?;
    config.speech.check().map_err(at("speech"))?;
    config.web.check().map_err(at("web"))?;
    config.api.check().map_err(at("api"))?;
    config.follow_up.check().map_err(at("follow_up"))?;
    config.alerts.check().map_err(at("alerts"))?;
    config.outgoing.check().map_err(at("outgoing"))?;
    for (index, webhook) in config.webhook.iter().enumerate() {
        let place = |fault| (Place { section: "webhook", index: Some(index) }, fault);
        webhook.check().map_err(place)?;
        if config.webhook[..index].iter().any(|other| other.name == webhook.name) {
            return Err(place(Fault::new("name", format!("{} is used twice", webhook.name))));
        }
    }
    config.store.check().map_err(at("store"))?;
    config.policy.check().map_err(at("policy"))?;
    if config.listener.is_empty() {
        return Err((
            Place { section: "", index: None },
            Fault::new("listener", "names no address to listen on"),
        ));
    }
    for (index, trunk) in config.trunk.iter().enumerate() {
        let place = |fault| (Place { section: "trunk", index: Some(index) }, fault);
        trunk.check().map_err(place)?;
        if config.trunk[..index].iter().any(|other| other.name == trunk.name) {
            return Err(place(Fault::new("name", format!("{} is used twice", trunk.name))));
        }
    }
    Ok(())
}

/// Names that one part of the configuration gives to another must exist.
fn check_references(file: &Path, config: &Config, surveys: &SurveySet) -> Result<(), ConfigError> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let wrong = |place: &Place, key: &'static str, what: String| ConfigError::Wrong {
        file: file.to_owned(),
        line: line_of(&text, place, key),
        what: format!("{}{key}: {what}", place.label()),
    };
    for (index, trunk) in config.trunk.iter().enumerate() {
        let place = Place { section: "trunk", index: Some(index) };
        if let Some(id) = trunk.surveys.values().find(|id| surveys.get(id).is_none()) {
            return Err(wrong(&place, "surveys", format!("there is no survey {id}")));
        }
    }
    let place = Place { section: "selection", index: None };
    match config.selection.surveys().find(|id| surveys.get(id).is_none()) {
        Some(id) => Err(wrong(&place, "survey", format!("there is no survey {id}"))),
        None => Ok(()),
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())].iter().filter(|&&b| b == b'\n').count() + 1
}

/// The line of a key; of its section where the key is not written; 1 where neither is.
fn line_of(text: &str, place: &Place, key: &str) -> usize {
    let Ok(root) = DeTable::parse(text) else { return 1 };
    let root = root.get_ref();
    let key_in = |table: &DeTable<'_>| {
        table.iter().find(|(name, _)| name.get_ref().as_ref() == key).map(|(name, _)| name.span().start)
    };
    if place.section.is_empty() {
        return key_in(root).map_or(1, |offset| line_at(text, offset));
    }
    let section = root.iter().find(|(name, _)| name.get_ref().as_ref() == place.section);
    let found = section.and_then(|(name, value)| match (value.get_ref(), place.index) {
        (DeValue::Table(table), None) => Some(key_in(table).unwrap_or(name.span().start)),
        (DeValue::Array(list), Some(index)) => {
            let entry = list.get(index)?;
            let inner = entry.get_ref().as_table().and_then(key_in);
            Some(inner.unwrap_or(entry.span().start))
        }
        _ => Some(name.span().start),
    });
    found.map_or(1, |offset| line_at(text, offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[[listener]]\ntransport = \"udp\"\nbind = \"127.0.0.1:5060\"\n\n[[trunk]]\nname = \"pbx\"\n\
                        sources = [\"127.0.0.0/8\"]\n";

    fn fault(text: &str) -> String {
        parse(Path::new("a.toml"), text, std::iter::empty()).unwrap_err().to_string()
    }

    #[test]
    fn faults_name_file_line_and_key() {
        assert!(parse(Path::new("a.toml"), GOOD, std::iter::empty()).is_ok());
        let unknown = fault(&format!("{GOOD}\n[sip]\ncalls_mx = 3\n"));
        assert!(unknown.starts_with("a.toml:10: ") && unknown.contains("calls_mx"), "{unknown}");
        let range = fault(&format!("{GOOD}\n[sip]\nt1 = \"500ms\"\ncalls_max = 0\n"));
        assert_eq!(range, "a.toml:11: [sip] calls_max: must lie in 1-100000");
        let twice = fault(&format!("{GOOD}\n[[trunk]]\nname = \"pbx\"\nsources = [\"::/0\"]\n"));
        assert_eq!(twice, "a.toml:10: [[trunk]] number 2: name: pbx is used twice");
        let team =
            fault(&format!("{GOOD}\n[policy]\ncell_min = 5\nteams = {{ a = [\"x\"], b = [\"x\"] }}\n"));
        assert_eq!(team, "a.toml:11: [policy] teams: x is in more than one place");
        let few = fault(&format!("{GOOD}\n[policy]\ncell_min = 4\n"));
        assert_eq!(few, "a.toml:10: [policy] cell_min: is 5-100");
        let open = fault(&format!("{GOOD}\n[http]\nlisten = \"0.0.0.0:80\"\n"));
        assert!(open.starts_with("a.toml:10: [http] listen: 0.0.0.0:80 is no loopback"), "{open}");
    }

    /// Every prompt there is.
    struct Prompts;

    impl crate::domain::PromptCatalogue for Prompts {
        fn duration(
            &self,
            _: &crate::domain::Language,
            _: &crate::domain::PromptName,
        ) -> Option<std::time::Duration> {
            Some(std::time::Duration::from_secs(3))
        }
    }

    #[test]
    fn the_shipped_surveys_and_grammars_are_sound() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let grammars = Grammars::load(&top.join("grammars")).unwrap();
        let has = Catalogues { prompts: &Prompts, grammars: &grammars };
        let (surveys, warnings) = SurveySet::load(&top.join("config/surveys"), has).unwrap();
        assert_eq!(warnings, []);
        let names: Vec<_> = surveys.iter().map(|survey| survey.id.as_str()).collect();
        assert_eq!(names, ["bench", "callback", "media", "mood", "service", "short", "sig", "words"]);
    }

    #[test]
    fn the_file_of_models_is_read_and_its_faults_are_named() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/aftercall.toml");
        let models = speech_models(&shipped, &mut SpeechConfig::default()).unwrap();
        let last = models.model.last().unwrap();
        assert!(last.folder(Path::new("data")).join("am/final.mdl").is_file(), "{last:?}");
        assert_eq!(
            models.model[0].folder(Path::new("data")),
            Path::new("data/speech").join(&models.model[0].name)
        );

        let model = "[[model]]\nlanguage = \"en\"\nname = \"a\"\ndir = \"x\"\nrate = 8000\n\
                     rule = { accept_pm = 900, confirm_pm = 800 }\nstreams_max = 9\n";
        let fault = |text: &str| parse_models(Path::new("m.toml"), text).unwrap_err().to_string();
        assert_eq!(fault(&format!("{model}{model}")), "m.toml:10: [[model]] number 2: name: a is used twice");
        assert_eq!(
            fault(&model.replace("8000", "11025")),
            "m.toml:5: [[model]] number 1: rate: is 8000 or 16000"
        );
        assert!(fault(&model.replace("rate", "rat")).starts_with("m.toml:5: "));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("aftercall.toml");
        assert!(speech_models(&file, &mut SpeechConfig::default()).unwrap().model.is_empty());
        let mut named = SpeechConfig { models: Some("models.toml".into()), ..SpeechConfig::default() };
        assert!(matches!(speech_models(&file, &mut named), Err(ConfigError::Unreadable { .. })));
    }

    #[test]
    fn the_environment_overrides_a_key() {
        let variables =
            |value: &str| vec![("AFTERCALL_SIP__CALLS_MAX".to_owned(), value.to_owned())].into_iter();
        let config = parse(Path::new("a.toml"), GOOD, variables("7")).unwrap();
        assert_eq!(config.sip.calls_max, 7);
        let error = parse(Path::new("a.toml"), GOOD, variables("many")).unwrap_err().to_string();
        assert!(error.starts_with("with AFTERCALL_SIP__CALLS_MAX from the environment"), "{error}");
    }
}
