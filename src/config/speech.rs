//! `[speech]`, and the file of models that it names.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::{Checked, Fault};
use crate::domain::Language;
use crate::speech::judge::Rule;

/// Whether callers are listened to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listening {
    /// Wherever there is a library and a model for the caller's language.
    #[default]
    Auto,
    /// Never: keypad only.
    Off,
}

/// The `[speech]` section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpeechConfig {
    /// Whether callers are listened to.
    pub enabled: Listening,
    /// The file of models, relative to the configuration file. By default `speech-models.toml` beside it, if it is
    /// there.
    pub models: Option<PathBuf>,
    /// `libvosk.so`. By default `speech/libvosk.so` under the data folder, then `var/speech/libvosk.so`.
    pub library: Option<PathBuf>,
    /// The recogniser program. By default `aftercall-speech` beside the service's own.
    pub worker: Option<PathBuf>,
    /// Recognising threads of each process; 0 means one for each two cores. Range 0-64.
    pub threads: u16,
    /// How long after the end of an utterance its result is waited for. Range 50 ms - 10 s.
    #[serde(with = "humantime_serde")]
    pub deadline: Duration,
    /// The same where nobody waits on the line. Range 1 s - 1 h.
    #[serde(with = "humantime_serde")]
    pub background_deadline: Duration,
    /// How long a process may take to load its model. Range 1 s - 5 min.
    #[serde(with = "humantime_serde")]
    pub start_max: Duration,
    /// Silence of a process, or one step of its work, after which it counts as hung while utterances are open. Range
    /// 100 ms - 10 s.
    #[serde(with = "humantime_serde")]
    pub hung_after: Duration,
    /// First wait before a process that ended is started again; it doubles each time. Range 10 ms - 1 min.
    #[serde(with = "humantime_serde")]
    pub restart_min: Duration,
    /// Longest such wait. Range `restart_min` - 1 h.
    #[serde(with = "humantime_serde")]
    pub restart_max: Duration,
    /// Most memory of one process, in MiB; what the library reserves and does not use counts. Range 256-65536.
    pub memory_max_mib: u64,
    /// Most audio that may wait on its way to one process, in KiB; an utterance that does not fit is given up. Range
    /// 64-65536. Background processes get 16 times as much.
    pub queue_kib: usize,
    /// Groups of key words to be counted in comments: a name, and the words and phrases that stand for it.
    pub key_words: BTreeMap<String, Vec<String>>,
}

impl Default for SpeechConfig {
    fn default() -> Self {
        Self {
            enabled: Listening::Auto,
            models: None,
            library: None,
            worker: None,
            threads: 0,
            deadline: Duration::from_millis(400),
            background_deadline: Duration::from_secs(600),
            start_max: Duration::from_secs(30),
            hung_after: Duration::from_millis(350),
            restart_min: Duration::from_millis(200),
            restart_max: Duration::from_secs(60),
            memory_max_mib: 1024,
            queue_kib: 1024,
            key_words: BTreeMap::new(),
        }
    }
}

impl Checked for SpeechConfig {
    fn check(&self) -> Result<(), Fault> {
        let within = |key, value: Duration, min_ms: u64, max_ms: u64| {
            let range = Duration::from_millis(min_ms)..=Duration::from_millis(max_ms);
            let what = || format!("must lie between {:?} and {:?}", range.start(), range.end());
            if range.contains(&value) { Ok(()) } else { Err(Fault::new(key, what())) }
        };
        if self.threads > 64 {
            return Err(Fault::new("threads", "must lie in 0-64"));
        }
        within("deadline", self.deadline, 50, 10_000)?;
        within("background_deadline", self.background_deadline, 1_000, 3_600_000)?;
        within("start_max", self.start_max, 1_000, 300_000)?;
        within("hung_after", self.hung_after, 100, 10_000)?;
        within("restart_min", self.restart_min, 10, 60_000)?;
        if self.restart_max < self.restart_min || self.restart_max > Duration::from_secs(3600) {
            return Err(Fault::new("restart_max", "must lie between restart_min and 1 h"));
        }
        if !(256..=65_536).contains(&self.memory_max_mib) {
            return Err(Fault::new("memory_max_mib", "must lie in 256-65536"));
        }
        if !(64..=65_536).contains(&self.queue_kib) {
            return Err(Fault::new("queue_kib", "must lie in 64-65536"));
        }
        Ok(())
    }
}

/// The file of models. Of the models of one language the first that is there is used.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeechModels {
    /// The models, best first.
    #[serde(default)]
    pub model: Vec<ModelConfig>,
}

/// One `[[model]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// The language that it hears.
    pub language: Language,
    /// Its name, in records and as its folder under the data folder's `speech/`: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Its folder, relative to this file. Without it the model is one to be fetched.
    pub dir: Option<PathBuf>,
    /// Where it can be fetched.
    pub url: Option<String>,
    /// Size of what is fetched.
    pub bytes: Option<u64>,
    /// SHA-256 of what is fetched, in hexadecimal.
    pub sha256: Option<String>,
    /// The rate that it hears at: 8000 or 16000. Telephone audio is brought to it.
    pub rate: u32,
    /// Its unknown word; found out by default.
    pub unknown: Option<String>,
    /// How many other words of the model are put into every grammar, to catch what is no answer.
    #[serde(default)]
    pub distractors: u16,
    /// How sure is sure enough.
    pub rule: Rule,
    /// Whether it can write down anything that is said.
    #[serde(default)]
    pub open_vocabulary: bool,
    /// Most utterances that one process hears at once. Range 1-1000.
    pub streams_max: u16,
    /// Processes for callers on the line. Range 1-16.
    #[serde(default = "one")]
    pub workers: NonZeroU16,
    /// Whether a process of its own, with the lowest priority, hears what nobody waits for. By default where the
    /// vocabulary is open.
    pub background: Option<bool>,
}

fn one() -> NonZeroU16 {
    NonZeroU16::MIN
}

impl ModelConfig {
    /// Where the model lies: its own folder, or that under the data folder.
    #[must_use]
    pub fn folder(&self, data: &Path) -> PathBuf {
        self.dir.clone().unwrap_or_else(|| data.join("speech").join(&self.name))
    }

    /// Whether it has a process for what nobody waits for.
    #[must_use]
    pub fn has_background(&self) -> bool {
        self.background.unwrap_or(self.open_vocabulary)
    }
}

impl Checked for ModelConfig {
    fn check(&self) -> Result<(), Fault> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if self.name.is_empty() || self.name.starts_with('.') || !self.name.chars().all(plain) {
            return Err(Fault::new("name", "is made of letters, digits, '-', '_' and '.'"));
        }
        if self.dir.is_some() == self.url.is_some() {
            return Err(Fault::new("dir", "either this or url says where the model is"));
        }
        let hex = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if self.sha256.as_deref().is_some_and(|text| !hex(text)) {
            return Err(Fault::new("sha256", "is 64 hexadecimal digits"));
        }
        if self.bytes.is_some_and(|bytes| bytes == 0 || bytes > 4 << 30) {
            return Err(Fault::new("bytes", "must lie between 1 and 4 GiB"));
        }
        if ![8_000, 16_000].contains(&self.rate) {
            return Err(Fault::new("rate", "is 8000 or 16000"));
        }
        if self.unknown.as_deref() == Some("") {
            return Err(Fault::new("unknown", "names no word"));
        }
        if !self.rule.is_sound() {
            return Err(Fault::new(
                "rule",
                "wants 1 <= confirm_pm <= accept_pm <= 1000, its witness the same from 0",
            ));
        }
        if self.distractors > 4_000 {
            return Err(Fault::new("distractors", "must lie in 0-4000"));
        }
        if !(1..=1000).contains(&self.streams_max) {
            return Err(Fault::new("streams_max", "must lie in 1-1000"));
        }
        if self.workers.get() > 16 {
            return Err(Fault::new("workers", "must lie in 1-16"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str = "language = \"en\"\nname = \"small\"\ndir = \"x\"\nrate = 8000\nstreams_max = 60\n\
                         rule = { accept_pm = 950, confirm_pm = 800 }\n";

    fn model(change: impl FnOnce(&mut ModelConfig)) -> Result<(), &'static str> {
        let mut model: ModelConfig = toml::from_str(MODEL).unwrap();
        change(&mut model);
        model.check().map_err(|fault| fault.key)
    }

    #[test]
    fn the_defaults_pass_and_faults_are_named() {
        assert_eq!(SpeechConfig::default().check(), Ok(()));
        let config: SpeechConfig = toml::from_str("deadline = \"10ms\"").unwrap();
        assert_eq!(config.check().unwrap_err().key, "deadline");
        let config: SpeechConfig = toml::from_str("restart_min = \"2s\"\nrestart_max = \"1s\"").unwrap();
        assert_eq!(config.check().unwrap_err().key, "restart_max");
    }

    #[test]
    fn a_model_is_checked() {
        assert_eq!(model(|_| ()), Ok(()));
        assert_eq!(model(|m| m.name = "../up".into()), Err("name"));
        assert_eq!(model(|m| m.name = "..".into()), Err("name"));
        assert_eq!(model(|m| m.url = Some("https://example.org".into())), Err("dir"));
        assert_eq!(model(|m| m.sha256 = Some("abc".into())), Err("sha256"));
        assert_eq!(model(|m| m.rate = 44_100), Err("rate"));
        assert_eq!(model(|m| m.rule.confirm_pm = 990), Err("rule"));
        assert_eq!(model(|m| m.streams_max = 0), Err("streams_max"));
        assert_eq!(model(|m| m.workers = NonZeroU16::new(17).unwrap()), Err("workers"));
    }
}
