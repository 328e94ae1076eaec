//! What a caller would stumble over: missing, unusable, clipped, silent, too loud or too soft, too long.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::library::{PromptsError, languages, texts};
use super::sound::Refused;
use super::wav::{self, RATE_HZ, WavError};
use crate::domain::Language;

/// The level of speech to aim at, over its active parts, in dB below full scale.
pub(super) const TARGET_DBFS: f32 = -20.0;
/// How far from the target a prompt may be, in dB.
const TOLERANCE_DB: f32 = 4.0;
/// The active level under which a prompt is as good as silent.
const SILENT_DBFS: f32 = -50.0;
/// Samples at full scale in a row that make a clip.
const CLIP_RUN: usize = 3;
/// The longest prompt that callers bear.
const LONG: Duration = Duration::from_secs(15);
/// Names that begin so are for measuring: they may be long and need no translation.
const MEASURING: &str = "bench_";
/// The frame in which activity is judged: 20 ms.
pub(super) const FRAME: usize = RATE_HZ as usize / 50;
/// A frame is active when it is at most this much under the loudest one, in dB.
const ACTIVE_DB: f32 = 30.0;

/// What is wrong with one prompt.
#[derive(Clone, Debug, PartialEq)]
pub enum Problem {
    /// `texts.toml` names it, and there is no recording.
    NoRecording,
    /// There is a recording, and `texts.toml` does not name it.
    NoText,
    /// English has it, this language has not.
    NotInLanguage,
    /// It cannot be read, or is not 8 kHz, 16 bit, mono.
    Unusable(String),
    /// It runs into full scale.
    Clipped {
        /// Runs of samples at full scale.
        runs: usize,
    },
    /// It says nothing.
    Silent,
    /// Its active level is too far from the target.
    Loudness {
        /// Its active level in dB below full scale.
        dbfs: f32,
    },
    /// Longer than 15 s.
    Long(Duration),
}

impl Problem {
    /// Whether callers would be left without the words. The rest is a matter of quality.
    #[must_use]
    pub fn is_serious(&self) -> bool {
        matches!(self, Self::NoRecording | Self::Unusable(_) | Self::Silent)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRecording => f.write_str("has a text and no recording"),
            Self::NoText => f.write_str("has a recording and no text"),
            Self::NotInLanguage => f.write_str("exists in en only"),
            Self::Unusable(why) => f.write_str(why),
            Self::Clipped { runs } => write!(f, "is clipped in {runs} place(s)"),
            Self::Silent => f.write_str("is silent"),
            Self::Loudness { dbfs } => {
                write!(
                    f,
                    "has an active level of {dbfs:.1} dBFS; {TARGET_DBFS} +-{TOLERANCE_DB} dB is the aim"
                )
            }
            Self::Long(length) => {
                write!(f, "is {:.1} s long; {} s is the most", length.as_secs_f32(), LONG.as_secs())
            }
        }
    }
}

/// One problem of one prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The language.
    pub language: Language,
    /// The prompt's name.
    pub name: String,
    /// What is wrong.
    pub problem: Problem,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} {}", self.language, self.name, self.problem)
    }
}

/// Checks all prompts of all languages, in order of language and name.
///
/// # Errors
/// [`PromptsError`] when the folder or a `texts.toml` cannot be read at all; what is wrong with single prompts is a
/// finding.
pub fn check(dir: &Path) -> Result<Vec<Finding>, PromptsError> {
    let mut findings = Vec::new();
    let mut english = BTreeSet::new();
    let mut found = languages(dir)?;
    found.sort_by_key(|(language, _)| (language.as_str() != "en", language.clone()));
    for (language, folder) in found {
        let texts: BTreeSet<String> = texts(&folder)?.into_keys().collect();
        let recordings = recordings(&folder)?;
        let all: BTreeSet<&String> = texts.union(&recordings).chain(&english).collect();
        for name in all {
            let problems = match (texts.contains(name), recordings.contains(name)) {
                (true, false) => vec![Problem::NoRecording],
                (false, false) => vec![Problem::NotInLanguage],
                (named, true) => {
                    let mut problems = examine(&folder.join(format!("{name}.wav")));
                    if !named {
                        problems.insert(0, Problem::NoText);
                    }
                    problems
                }
            };
            let fit = |problem: &Problem| match problem {
                Problem::NotInLanguage | Problem::Long(_) => !name.starts_with(MEASURING),
                _ => true,
            };
            let finding = |problem| Finding { language: language.clone(), name: name.clone(), problem };
            findings.extend(problems.into_iter().filter(fit).map(finding));
        }
        if language.as_str() == "en" {
            english = texts;
        }
    }
    Ok(findings)
}

pub(super) fn recordings(folder: &Path) -> Result<BTreeSet<String>, PromptsError> {
    let unreadable = |source| PromptsError::Unreadable { path: folder.into(), source };
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path: PathBuf = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "wav")
            && let Some(name) = path.file_stem().and_then(|name| name.to_str())
        {
            names.insert(name.to_owned());
        }
    }
    Ok(names)
}

fn examine(path: &Path) -> Vec<Problem> {
    let samples = match wav::read_prompt(path) {
        Ok(samples) => samples,
        Err(WavError::Refused { refused: Refused::NotPlain(why), .. }) => {
            let why = Refused::NotPlain(why).to_string();
            return vec![Problem::Unusable(if why.starts_with("is ") { why } else { format!("is {why}") })];
        }
        Err(WavError::Refused { refused, .. }) => return vec![Problem::Unusable(refused.to_string())],
        Err(error) => return vec![Problem::Unusable(format!("cannot be read: {error}"))],
    };
    let Some(dbfs) = active_level_dbfs(&wav::to_f32(&samples)).filter(|&dbfs| dbfs > SILENT_DBFS) else {
        return vec![Problem::Silent];
    };
    let mut problems = Vec::new();
    let runs = clips(&samples);
    if runs > 0 {
        problems.push(Problem::Clipped { runs });
    }
    if (dbfs - TARGET_DBFS).abs() > TOLERANCE_DB {
        problems.push(Problem::Loudness { dbfs });
    }
    let length = Duration::from_secs_f64(samples.len() as f64 / f64::from(RATE_HZ));
    if length > LONG {
        problems.push(Problem::Long(length));
    }
    problems
}

/// The level over the frames that hold speech, so that pauses do not make a prompt count as soft. `None` for digital
/// silence.
pub(super) fn active_level_dbfs(samples: &[f32]) -> Option<f32> {
    let powers: Vec<f32> = samples
        .chunks(FRAME)
        .map(|frame| frame.iter().map(|sample| sample * sample).sum::<f32>() / frame.len() as f32)
        .collect();
    let loudest = powers.iter().copied().fold(0.0, f32::max);
    let least = loudest * 10f32.powf(-ACTIVE_DB / 10.0);
    let (sum, count) = powers
        .iter()
        .filter(|&&power| power >= least)
        .fold((0.0, 0), |(sum, count), power| (sum + power, count + 1));
    (loudest > 0.0).then(|| 10.0 * (sum / count as f32).log10())
}

fn clips(samples: &[i16]) -> usize {
    let mut runs = 0;
    let mut run = 0;
    for &sample in samples {
        run = if sample.unsigned_abs() >= 32_766 { run + 1 } else { 0 };
        runs += usize::from(run == CLIP_RUN);
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompts::wav::write_prompt;

    fn tone(amplitude: f64, ms: u32) -> Vec<i16> {
        (0..ms * 8)
            .map(|i| (amplitude * (f64::from(i) * 0.4).sin()).clamp(-32_768.0, 32_767.0) as i16)
            .collect()
    }

    #[test]
    fn each_fault_is_found_and_a_good_prompt_is_not_one() {
        let dir = tempfile::tempdir().unwrap();
        let folder = |language: &str| {
            let folder = dir.path().join(language);
            std::fs::create_dir(&folder).unwrap();
            folder
        };
        let english = folder("en");
        let texts =
            "clipped = \"a\"\ngood = \"b\"\nlong = \"c\"\nlost = \"d\"\nsilent = \"e\"\nsoft = \"f\"\n";
        std::fs::write(english.join("texts.toml"), texts).unwrap();
        let write = |name: &str, samples: &[i16]| write_prompt(&english.join(name), samples).unwrap();
        let good = [tone(4600.0, 1000), vec![0; 8000], tone(4600.0, 500)].concat();
        write("good.wav", &good);
        write("clipped.wav", &tone(60_000.0, 300));
        write("long.wav", &tone(4600.0, 15_100));
        write("silent.wav", &[1; 800]);
        write("soft.wav", &tone(900.0, 300));
        write("extra.wav", &good);
        let dutch = folder("nl");
        std::fs::write(dutch.join("texts.toml"), "good = \"b\"\n").unwrap();
        std::fs::write(dutch.join("good.wav"), "not a WAV").unwrap();
        let findings: Vec<String> = check(dir.path()).unwrap().iter().map(Finding::to_string).collect();
        let expected = [
            "en/clipped is clipped in",
            "en/clipped has an active level of -1.",
            "en/extra has a recording and no text",
            "en/long is 15.1 s long",
            "en/lost has a text and no recording",
            "en/silent is silent",
            "en/soft has an active level of -34",
            "nl/clipped exists in en only",
            "nl/good is no sound file that is known",
        ];
        for (finding, expected) in findings.iter().zip(expected) {
            assert!(finding.starts_with(expected), "{finding} is not {expected}: {findings:#?}");
        }
        assert_eq!(findings.len(), 13, "{findings:#?}");
    }
}
