//! Trying a model in a process of its own before a caller depends on it: it is loaded, asked for every word, and made to
//! hear. Nothing here has a runtime or a pool; it waits for the process, so call it where waiting is allowed.

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use super::Installed;
use super::frame::{self, Confined, FromWorker, Garbage, Message, Reader, ToWorker, Unfit, VERSION};
use super::grammar::Grammars;
use super::supervisor::rss_bytes;
use crate::config::SpeechConfig;

/// What is heard: this much of a soft noise that is the same every time.
const HEARD: Duration = Duration::from_secs(1);
/// The longest answer to anything but loading.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// Most phrases of the grammar that is tried.
const PHRASES_MAX: usize = 500;

/// Why a model must not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No process.
    #[error("its process cannot be started: {0}")]
    NotStarted(String),
    /// The process ended, as libvosk does on a broken model.
    #[error("its process died while it {0}")]
    Died(&'static str),
    /// It took too long.
    #[error("it took too long while it {0}")]
    Late(&'static str),
    /// It cannot be used.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// It would not hear.
    #[error("it cannot hear with a grammar")]
    Deaf,
    /// What it said makes no sense.
    #[error("its process spoke garbage")]
    Garbage,
    /// None of the words that it was asked for is known to it.
    #[error("it knows no word of the grammars")]
    NoWord,
}

/// What a self-test found.
#[derive(Clone, Debug)]
pub struct SelfTest {
    /// Language of the model.
    pub language: String,
    /// Its name.
    pub model: String,
    /// From the start of the process to its readiness.
    pub load: Option<Duration>,
    /// Memory after hearing.
    pub rss_bytes: u64,
    /// Time to hear, as a share of the time heard.
    pub realtime_factor: Option<f64>,
    /// What keeps the process from the machine.
    pub confined: Confined,
    /// What a confined process still managed to do and must not.
    pub escapes: Vec<String>,
    /// Words of the grammars that it does not know: phrases with them are left out.
    pub missing: Vec<String>,
    /// Why the model must not be used.
    pub fault: Option<Fault>,
}

/// Tries one model with the words of all its grammars.
#[must_use]
pub fn self_test(config: &SpeechConfig, installed: &Installed, words: &[String]) -> SelfTest {
    let mut test = SelfTest {
        language: installed.model.language.to_string(),
        model: installed.model.name.clone(),
        load: None,
        rss_bytes: 0,
        realtime_factor: None,
        confined: Confined::default(),
        escapes: Vec::new(),
        missing: Vec::new(),
        fault: None,
    };
    let tried =
        Patient::start(config, installed).and_then(|mut patient| patient.examine(config, words, &mut test));
    test.fault = tried.err();
    test.escapes = escapes(config, installed);
    test
}

/// Tries the first model of each language with the words of the grammars of its language, all at the same time, and the
/// next one of a language whose model failed. Gives those that are fit for use, one for each language, with what each
/// does not know; the others are named in the log. Waits for the processes.
#[must_use]
pub fn fit(config: &SpeechConfig, models: Vec<Installed>, grammars: &Grammars) -> Vec<Installed> {
    let mut fit = Vec::new();
    let mut cage = None;
    let mut left = models;
    while !left.is_empty() {
        let (now, later) = firsts(left);
        left = later;
        for (mut installed, test) in now.iter().cloned().zip(self_tests(config, &now, grammars)) {
            let (language, name) = (&test.language, &test.model);
            if let Some(fault) = &test.fault {
                match left.iter().find(|next| next.model.language == installed.model.language) {
                    Some(next) => error!(
                        %language,
                        "The model {name} is not used, {} is tried in its place: {fault}", next.model.name
                    ),
                    None => error!(
                        %language,
                        "The model {name} is not used, {language} goes by keypad only: {fault}"
                    ),
                }
                continue;
            }
            left.retain(|other| other.model.language != installed.model.language);
            cage.get_or_insert(test.confined);
            if !test.escapes.is_empty() {
                let can = test.escapes.join(", ");
                warn!(%language, "This kernel does not confine the recognisers: they can {can}");
            }
            if !test.missing.is_empty() {
                info!(%language, "The model {name} does not know {} words of the grammars", test.missing.len());
            }
            installed.missing = Arc::new(test.missing.iter().cloned().collect());
            if let Some(few) = grammars.few_distractors(&installed.model.language, &installed.lexicon()) {
                warn!(%language, "The model {name} {few}");
            }
            fit.push(installed);
        }
    }
    cage.into_iter().for_each(tell_cage);
    fit
}

/// Tells what this kernel does not hold: it is the same for every recogniser.
fn tell_cage(cage: Confined) {
    let (landlock, seccomp) = (cage.landlock, cage.calls);
    if let Some(open) = cage.not_held() {
        warn!(landlock, seccomp, "The recognisers are not confined as they should be: {open}");
    }
    if let Some(once) = cage.held_once() {
        let wanted = Confined::LANDLOCK;
        warn!(
            landlock,
            "This kernel has version {landlock} of Landlock where recognisers want {wanted}: the system call filter \
             alone keeps them from {once}"
        );
    }
}

/// The first model of each language, and the others.
fn firsts(models: Vec<Installed>) -> (Vec<Installed>, Vec<Installed>) {
    let (mut firsts, mut others) = (Vec::<Installed>::new(), Vec::new());
    for one in models {
        let second = firsts.iter().any(|first| first.model.language == one.model.language);
        if second { others.push(one) } else { firsts.push(one) }
    }
    (firsts, others)
}

fn self_tests(config: &SpeechConfig, models: &[Installed], grammars: &Grammars) -> Vec<SelfTest> {
    std::thread::scope(|scope| {
        let start = |installed: &Installed| {
            let words: Vec<String> = grammars.words(&installed.model.language).into_iter().collect();
            let installed = installed.clone();
            scope.spawn(move || self_test(config, &installed, &words))
        };
        let tests: Vec<_> = models.iter().map(start).collect();
        let panicked = |panic| std::panic::resume_unwind(panic);
        tests.into_iter().map(|test| test.join().unwrap_or_else(panicked)).collect()
    })
}

/// What the probe of a confined process managed to do.
fn escapes(config: &SpeechConfig, installed: &Installed) -> Vec<String> {
    let mut command = installed.command(config);
    let output = command.arg("--probe").stdin(Stdio::null()).stderr(Stdio::null()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().filter_map(|line| line.strip_prefix("escaped: ")).map(str::to_owned).collect()
}

/// A process under examination.
struct Patient {
    child: Child,
    socket: UnixStream,
    reader: Reader,
    begun: Instant,
}

impl Drop for Patient {
    fn drop(&mut self) {
        // Gone already, or now.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Patient {
    fn start(config: &SpeechConfig, installed: &Installed) -> Result<Self, Fault> {
        let start = || -> std::io::Result<Self> {
            let (socket, theirs) = UnixStream::pair()?;
            let mut command = installed.command(config);
            command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
            let child = command.spawn()?;
            Ok(Self { child, socket, reader: Reader::default(), begun: Instant::now() })
        };
        start().map_err(|error| Fault::NotStarted(error.to_string()))
    }

    fn examine(&mut self, config: &SpeechConfig, words: &[String], test: &mut SelfTest) -> Result<(), Fault> {
        let loading = "loaded the model";
        match self.hear(config.start_max, loading)? {
            FromWorker::Hello { version: VERSION } => {}
            _ => return Err(Fault::Garbage),
        }
        let unknown = match self.hear(config.start_max, loading)? {
            FromWorker::Ready { unknown, confined } => {
                test.confined = confined;
                unknown
            }
            FromWorker::Unfit(why) => return Err(why.into()),
            _ => return Err(Fault::Garbage),
        };
        test.load = Some(self.begun.elapsed());
        let mut missing = Vec::new();
        for some in words.chunks(frame::ITEMS_MAX / 8) {
            self.say(&ToWorker::Lookup { words: some.to_vec() });
            match self.hear(ANSWER_MAX, "looked words up")? {
                // Nothing that was not asked for: it may be shown.
                FromWorker::Missing { words } => {
                    missing.extend(words.into_iter().filter(|it| some.contains(it)))
                }
                _ => return Err(Fault::Garbage),
            }
        }
        let known = words.iter().filter(|word| !missing.contains(word)).take(PHRASES_MAX).cloned();
        let phrases = known.chain([unknown]).collect();
        self.say(&ToWorker::Open { stream: 0, background: false, phrases: Some(phrases) });
        let begun = Instant::now();
        let mut bytes = Vec::new();
        frame::write_audio(0, &noise(), &mut bytes);
        frame::write(&ToWorker::Finish { stream: 0 }, &mut bytes);
        self.send(&bytes);
        match self.hear(ANSWER_MAX, "heard with a grammar")? {
            FromWorker::Heard { stream: 0, .. } => {}
            FromWorker::Failed { .. } => return Err(Fault::Deaf),
            _ => return Err(Fault::Garbage),
        }
        test.realtime_factor = Some(begun.elapsed().as_secs_f64() / HEARD.as_secs_f64());
        test.rss_bytes = rss_bytes(self.child.id());
        let knows_none = !words.is_empty() && missing.len() == words.len();
        test.missing = missing;
        if knows_none { Err(Fault::NoWord) } else { Ok(()) }
    }

    fn say(&mut self, message: &impl Message) {
        let mut bytes = Vec::new();
        frame::write(message, &mut bytes);
        self.send(&bytes);
    }

    /// A process that is gone is noticed where its answer is read.
    fn send(&mut self, bytes: &[u8]) {
        let mut left = bytes;
        let flags = rustix::net::SendFlags::NOSIGNAL;
        while let Ok(sent @ 1..) = rustix::net::send(&self.socket, left, flags) {
            left = &left[sent..];
        }
        let _flushed = self.socket.flush();
    }

    fn hear(&mut self, most: Duration, doing: &'static str) -> Result<FromWorker, Fault> {
        let until = Instant::now() + most;
        let mut bytes = [0; 4096];
        loop {
            if let Some(message) = self.reader.poll_message().map_err(|Garbage| Fault::Garbage)? {
                return Ok(message);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.socket.set_read_timeout(Some(left)).is_err() {
                return Err(Fault::Late(doing));
            }
            match self.socket.read(&mut bytes) {
                Ok(0) => return Err(Fault::Died(doing)),
                Ok(count) => self.reader.extend(&bytes[..count]),
                Err(error) => match error.kind() {
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted => {}
                    _ => return Err(Fault::Died(doing)),
                },
            }
        }
    }
}

/// Soft noise, from a small generator of its own so that every test hears the same.
fn noise() -> Vec<i16> {
    let mut state = 1_u32;
    let count = u32::try_from(HEARD.as_millis() * 8).unwrap_or(8_000);
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        i16::try_from(state >> 24).unwrap_or(0) - 128
    };
    (0..count).map(next).collect()
}
