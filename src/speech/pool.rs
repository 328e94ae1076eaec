//! All recogniser processes of the service.
//!
//! [`Pool::start`] never fails and never waits: where there is nothing to hear with, the pool says so to everyone who
//! asks, and calls go on by key. Each language has processes for callers on the line, and, where its vocabulary is
//! open, one with the lowest priority for what nobody waits for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use super::board::Board;
pub use super::board::{Phase, Why};
use super::frame::Confined;
use super::installed::Installed;
use super::judge::Rule;
use super::line::{Bounds, Line};
use super::supervisor::{Spec, supervise};
use super::{ModelFacts, Recognisers, Urgency, Utterance, Vocabulary, Words};
use crate::config::SpeechConfig;
use crate::domain::{Deaf, Language};

/// A background process may be silent for this long: it gets no processor while calls need it.
const BACKGROUND_SILENCE_MAX: Duration = Duration::from_secs(15);
/// A background step may take this long: one chunk of open speech on a machine that is busy with calls.
const BACKGROUND_STEP_MAX: Duration = Duration::from_secs(60);
/// What a process with nobody waiting for it gets of everything that it may queue.
const BACKGROUND_QUEUES: usize = 16;
/// The last place in line for the processor.
const LOWEST: &str = "19";

/// The recogniser processes. Dropping it ends them.
pub struct Pool {
    languages: BTreeMap<Language, Tongue>,
    changes: watch::Receiver<()>,
}

struct Tongue {
    name: String,
    open_vocabulary: bool,
    distractors: u16,
    rule: Rule,
    missing: Arc<BTreeSet<String>>,
    live: Vec<Process>,
    background: Vec<Process>,
}

struct Process {
    line: Arc<Line>,
    board: Arc<Board>,
    thread: Option<JoinHandle<()>>,
}

/// How one process is doing.
#[derive(Clone, Debug)]
pub struct ProcessState {
    /// What it is at.
    pub phase: Phase,
    /// For how long.
    pub since: Duration,
    /// Whether it is the one for what nobody waits for.
    pub background: bool,
    /// How often it was started again.
    pub restarts: u64,
    /// Utterances that it hears now.
    pub streams: usize,
    /// Its memory.
    pub rss_bytes: u64,
    /// Its process id.
    pub pid: Option<u32>,
    /// What keeps it from the machine.
    pub confined: Confined,
}

/// How the recognisers of one language are doing.
#[derive(Clone, Debug)]
pub struct LanguageState {
    /// The language.
    pub language: Language,
    /// Its model.
    pub model: String,
    /// Its processes.
    pub processes: Vec<ProcessState>,
}

impl LanguageState {
    /// Whether a caller would be heard now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.processes.iter().any(|process| !process.background && process.phase == Phase::Ready)
    }
}

impl Pool {
    /// Starts the processes of these models: those of [`installed`](super::installed::installed), or fewer.
    #[must_use]
    pub fn start(config: &SpeechConfig, models: &[Installed]) -> Self {
        let (changes_tx, changes) = watch::channel(());
        let mut languages = BTreeMap::new();
        for installed in models {
            let model = &installed.model;
            let start = |background| Process::start(config, installed, background, changes_tx.clone());
            let tongue = Tongue {
                name: model.name.clone(),
                open_vocabulary: model.open_vocabulary,
                distractors: model.distractors,
                rule: model.rule,
                missing: Arc::clone(&installed.missing),
                live: (0..model.workers.get()).filter_map(|_| start(false)).collect(),
                background: if model.has_background() {
                    start(true).into_iter().collect()
                } else {
                    Vec::new()
                },
            };
            languages.insert(model.language.clone(), tongue);
        }
        Self { languages, changes }
    }

    /// A pool that hears nothing.
    #[must_use]
    pub fn silent() -> Self {
        Self::start(&SpeechConfig::default(), &[])
    }

    /// How every language is doing.
    #[must_use]
    pub fn state(&self) -> Vec<LanguageState> {
        let state = |(language, tongue): (&Language, &Tongue)| LanguageState {
            language: language.clone(),
            model: tongue.name.clone(),
            processes: tongue.states(),
        };
        self.languages.iter().map(state).collect()
    }

    /// What confines the processes: the same for all, by this kernel. `None` before the first is ready.
    #[must_use]
    pub fn cage(&self) -> Option<Confined> {
        let mut known = self.languages.values().flat_map(Tongue::all).map(|process| process.board.look());
        known.find_map(|known| known.unknown.map(|_| known.confined))
    }

    /// Changes whenever a process enters another phase.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.clone()
    }

    /// Waits until every process is ready or has failed once, at most so long; whether all are ready.
    pub async fn settled(&self, most: Duration) -> bool {
        let mut changes = self.changes();
        let all = |test: fn(Phase) -> bool| {
            let processes = self.languages.values().flat_map(Tongue::all);
            processes.map(|process| process.board.look().phase).all(test)
        };
        let settled =
            async { while !all(|phase| phase != Phase::Starting) && changes.changed().await.is_ok() {} };
        tokio::time::timeout(most, settled).await.is_ok() && all(|phase| phase == Phase::Ready)
    }
}

impl Tongue {
    fn all(&self) -> impl Iterator<Item = &Process> {
        self.live.iter().chain(&self.background)
    }

    fn states(&self) -> Vec<ProcessState> {
        let live = self.live.iter().map(|process| process.state(false));
        live.chain(self.background.iter().map(|process| process.state(true))).collect()
    }
}

impl Process {
    /// `None` when the system has no thread or descriptor left: the language then has one process less.
    fn start(
        config: &SpeechConfig,
        installed: &Installed,
        background: bool,
        changes: watch::Sender<()>,
    ) -> Option<Self> {
        let many = if background { BACKGROUND_QUEUES } else { 1 };
        let bounds = Bounds {
            streams_max: installed.model.streams_max.into(),
            queue_max: config.queue_kib * 1024 * many,
            deadline: config.deadline,
            background_deadline: config.background_deadline,
        };
        let threads = match (background, config.threads) {
            (true, _) => 1,
            (false, 0) => std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)),
            (false, threads) => threads.into(),
        };
        let (config, installed) = (config.clone(), installed.clone());
        let spec = Spec {
            language: installed.model.language.to_string(),
            start_max: config.start_max,
            hung_after: if background {
                BACKGROUND_SILENCE_MAX.max(config.hung_after)
            } else {
                config.hung_after
            },
            background_hung_after: BACKGROUND_STEP_MAX,
            restart_min: config.restart_min,
            restart_max: config.restart_max,
            memory_max_bytes: config.memory_max_mib << 20,
            command: Box::new(move || {
                let mut command = installed.command(&config);
                command.args(["--threads", &threads.to_string()]);
                if background {
                    command.args(["--nice", LOWEST]);
                }
                command
            }),
        };
        let line = Arc::new(Line::new(&spec.language, bounds).ok()?);
        let board = Arc::new(Board::new(&spec.language, changes));
        let (its_line, its_board) = (Arc::clone(&line), Arc::clone(&board));
        let thread = std::thread::Builder::new()
            .name(format!("speech {}", spec.language))
            .spawn(move || supervise(&spec, &its_line, &its_board))
            .ok()?;
        Some(Self { line, board, thread: Some(thread) })
    }

    fn state(&self, background: bool) -> ProcessState {
        let known = self.board.look();
        ProcessState {
            phase: known.phase,
            since: Instant::now().saturating_duration_since(known.since),
            background,
            restarts: known.restarts,
            streams: self.line.streams(),
            rss_bytes: known.rss_bytes,
            pid: known.pid,
            confined: known.confined,
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let processes = || self.languages.values().flat_map(Tongue::all);
        processes().for_each(|process| process.line.stop());
        for tongue in self.languages.values_mut() {
            for process in tongue.live.iter_mut().chain(&mut tongue.background) {
                // A supervisor that panicked has taken its process with it.
                let _panicked = process.thread.take().map(JoinHandle::join);
            }
        }
    }
}

impl Recognisers for Pool {
    fn model(&self, language: &Language) -> Option<ModelFacts> {
        let tongue = self.languages.get(language)?;
        let unknown = tongue.live.iter().find_map(|process| process.board.look().unknown)?;
        Some(ModelFacts {
            name: tongue.name.clone(),
            unknown,
            open_vocabulary: tongue.open_vocabulary,
            distractors: tongue.distractors,
            rule: tongue.rule,
            missing: Arc::clone(&tongue.missing),
        })
    }

    fn open(
        &self,
        language: &Language,
        vocabulary: &Vocabulary,
        urgency: Urgency,
    ) -> Result<Box<dyn Utterance>, Deaf> {
        let opened = self.languages.get(language).ok_or(Deaf::NoModel).and_then(|tongue| {
            if *vocabulary == Vocabulary::Open && !tongue.open_vocabulary {
                return Err(Deaf::NoModel);
            }
            let apart = urgency == Urgency::Background && !tongue.background.is_empty();
            let processes = if apart { &tongue.background } else { &tongue.live };
            let roomiest = processes.iter().map(|process| (process.line.room(), process));
            // With none that takes anything, the reason of the first is as good as any other.
            let (room, process) = roomiest
                .reduce(|best, next| match (best.0, next.0) {
                    (Ok(most), Ok(room)) if room > most => next,
                    (Err(_), Ok(_)) => next,
                    _ => best,
                })
                .ok_or(Deaf::NoModel)?;
            room?;
            let stream = process.line.open(vocabulary, urgency)?;
            Ok(Spoken { line: Arc::clone(&process.line), stream, finished: false })
        });
        Ok(Box::new(opened?))
    }
}

/// One utterance on its way to a process.
struct Spoken {
    line: Arc<Line>,
    stream: u32,
    finished: bool,
}

impl Utterance for Spoken {
    fn feed(&mut self, samples: &[i16]) -> Result<(), Deaf> {
        self.line.feed(self.stream, samples)
    }

    fn finish(mut self: Box<Self>) -> oneshot::Receiver<Result<Words, Deaf>> {
        self.finished = true;
        self.line.finish(self.stream)
    }
}

impl Drop for Spoken {
    fn drop(&mut self) {
        if !self.finished {
            self.line.abandon(self.stream);
        }
    }
}
