//! One recogniser process: starts it, reads what it says, notices when it hangs, dies, lies or grows, and starts the
//! next one.
//!
//! Each process has a supervising thread of its own, which is also the one that starts it: the kernel kills the process
//! when that thread ends, however that comes about.

use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::backoff::Backoff;
use super::board::{Board, Phase, Why};
use super::frame::{Confined, Failure, FromWorker, Garbage, Reader, VERSION};
use super::line::Line;
use crate::domain::Deaf;

/// How often an idle process is asked whether it is there, and how often its memory is looked at.
const IDLE: Duration = Duration::from_secs(1);
/// Reads in one turn: a process that says more at once than a thousand results must not keep us from watching it.
const READS_MAX: usize = 16;
/// How long a process that has left may take to be gone, so that its own reason is seen rather than our signal.
const LEAVING: Duration = Duration::from_millis(200);

/// What a supervisor needs to know.
pub(super) struct Spec {
    pub(super) language: String,
    /// Makes the program's command line.
    pub(super) command: Box<dyn Fn() -> Command + Send>,
    pub(super) start_max: Duration,
    /// For a live step, or for silence.
    pub(super) hung_after: Duration,
    /// For a background step.
    pub(super) background_hung_after: Duration,
    pub(super) restart_min: Duration,
    pub(super) restart_max: Duration,
    pub(super) memory_max_bytes: u64,
}

/// Why a life ended.
enum End {
    Stopped,
    Failed(Why),
}

impl From<Why> for End {
    fn from(why: Why) -> Self {
        Self::Failed(why)
    }
}

/// Runs process after process until the line is stopped.
pub(super) fn supervise(spec: &Spec, line: &Arc<Line>, board: &Board) {
    let mut random = rand_chacha::ChaCha8Rng::from_os_rng();
    let mut backoff = Backoff::new(spec.restart_min, spec.restart_max);
    loop {
        let born = Instant::now();
        board.enter(Phase::Starting, |_| ());
        let why = match Life::begin(spec, line, board).map(Life::run) {
            Ok(End::Stopped) => break,
            Ok(End::Failed(why)) | Err(why) => why,
        };
        let wait = backoff.next(born.elapsed(), &mut random);
        let language = &spec.language;
        metrics::counter!("aftercall_speech_worker_restarts_total", "language" => language.clone(), "why" => why.as_str())
            .increment(1);
        tracing::warn!(
            language,
            why = why.as_str(),
            "A recogniser of {language} ended: {why}; the next one starts in {wait:?}"
        );
        board.enter(Phase::Restarting(why), |known| {
            known.restarts += 1;
            (known.pid, known.rss_bytes) = (None, 0);
        });
        let until = Instant::now() + wait;
        while let Some(left) = until.checked_duration_since(Instant::now()).filter(|_| !line.is_stopping()) {
            wait_for(&mut [PollFd::from_borrowed_fd(line.waker(), PollFlags::IN)], left);
            line.was_woken();
        }
        if line.is_stopping() {
            break;
        }
    }
    line.close(Deaf::Died);
    board.enter(Phase::Stopped, |known| known.pid = None);
}

fn wait_for(descriptors: &mut [PollFd<'_>], most: Duration) {
    let most = Timespec::try_from(most).ok();
    // Interrupted or not: everything is looked at afterwards anyway.
    let _interrupted = poll(descriptors, most.as_ref());
}

/// One process.
struct Life<'a> {
    spec: &'a Spec,
    line: &'a Line,
    board: &'a Board,
    child: Child,
    socket: UnixStream,
    reader: Reader,
    bytes: Vec<u8>,
    begun: Instant,
    greeted: bool,
    ready: bool,
    /// The ping that is not answered yet.
    asked: Option<Instant>,
    asked_last: Instant,
    nonce: u32,
    weighed: Instant,
}

impl<'a> Life<'a> {
    fn begin(spec: &'a Spec, line: &'a Line, board: &'a Board) -> Result<Self, Why> {
        let start = || -> std::io::Result<_> {
            let (ours, theirs) = UnixStream::pair()?;
            ours.set_nonblocking(true)?;
            let mut command = (spec.command)();
            command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
            Ok((ours, command.spawn()?))
        };
        let (socket, child) = start().map_err(|error| {
            tracing::debug!("The recogniser program cannot be started: {error}");
            line.close(Deaf::NoModel);
            Why::NotStarted
        })?;
        board.enter(Phase::Starting, |known| known.pid = Some(child.id()));
        let now = Instant::now();
        Ok(Self {
            spec,
            line,
            board,
            child,
            socket,
            reader: Reader::default(),
            bytes: vec![0; 64 * 1024],
            begun: now,
            greeted: false,
            ready: false,
            asked: None,
            asked_last: now,
            nonce: 0,
            weighed: now,
        })
    }

    fn run(mut self) -> End {
        let end = loop {
            let more = self.line.flush();
            let wanted = if more { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
            let mut descriptors = [
                PollFd::from_borrowed_fd(self.socket.as_fd(), wanted),
                PollFd::from_borrowed_fd(self.line.waker(), PollFlags::IN),
            ];
            wait_for(&mut descriptors, self.patience());
            self.line.was_woken();
            if self.line.is_stopping() {
                break End::Stopped;
            }
            // What was said is read before silence is judged: this thread may have slept too long itself.
            if let Err(why) = self.listen().and_then(|()| self.watch(Instant::now())) {
                break End::Failed(why);
            }
        };
        // Everyone is told before anything else happens.
        let lost = self.line.close(match &end {
            End::Failed(why) => why.deaf(),
            End::Stopped => Deaf::Died,
        });
        if lost > 0 {
            tracing::warn!(
                language = self.spec.language,
                lost,
                "{lost} utterances were lost with their recogniser"
            );
        }
        match end {
            End::Failed(Why::Died(_)) => Why::Died(self.bury(LEAVING)).into(),
            other => {
                self.bury(Duration::ZERO);
                other
            }
        }
    }

    /// How long to wait at most before looking again.
    fn patience(&self) -> Duration {
        let now = Instant::now();
        if !self.ready {
            return (self.begun + self.spec.start_max).saturating_duration_since(now);
        }
        let check = if self.line.streams() == 0 { IDLE } else { self.spec.hung_after / 4 };
        let due = self.line.next_due().map(|due| due.saturating_duration_since(now));
        due.map_or(check, |due| due.min(check))
    }

    fn listen(&mut self) -> Result<(), Why> {
        for _ in 0..READS_MAX {
            match self.socket.read(&mut self.bytes) {
                Ok(0) => return Err(Why::Died(ExitStatus::default())),
                Ok(count) => self.reader.extend(&self.bytes[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => return Err(Why::Died(ExitStatus::default())),
            }
            while let Some(message) = self.reader.poll_message().map_err(|Garbage| Why::Garbage)? {
                self.take(message)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, message: FromWorker) -> Result<(), Why> {
        match message {
            FromWorker::Hello { version: VERSION } if !self.greeted => self.greeted = true,
            FromWorker::Ready { unknown, confined } if self.greeted && !self.ready => {
                self.become_ready(unknown, confined)?;
            }
            FromWorker::Unfit(why) if self.greeted && !self.ready => return Err(Why::Unfit(why)),
            FromWorker::Heard { stream, words } if self.ready => {
                self.line.heard(stream, words).map_err(|Garbage| Why::Garbage)?;
            }
            FromWorker::Failed { stream, why } if self.ready => {
                let deaf = match why {
                    Failure::Vocabulary => Deaf::NoModel,
                    Failure::Library => Deaf::Garbage,
                    Failure::Behind => Deaf::Slow,
                };
                self.line.failed(stream, deaf).map_err(|Garbage| Why::Garbage)?;
            }
            FromWorker::Pong { nonce, live_ms, background_ms }
                if self.asked.is_some() && nonce == self.nonce =>
            {
                self.asked = None;
                let over = |ms: u32, most: Duration| Duration::from_millis(ms.into()) > most;
                if over(live_ms, self.spec.hung_after) || over(background_ms, self.spec.background_hung_after)
                {
                    return Err(Why::Hung);
                }
            }
            _ => return Err(Why::Garbage),
        }
        Ok(())
    }

    fn become_ready(&mut self, unknown: String, confined: Confined) -> Result<(), Why> {
        let socket = self.socket.try_clone().map_err(|_| Why::NotStarted)?;
        self.ready = true;
        let loaded = self.begun.elapsed();
        // Whoever sees that it is ready can open an utterance.
        self.line.ready(socket);
        self.weigh()?;
        self.board.enter(Phase::Ready, |known| {
            known.unknown = Some(unknown);
            known.confined = confined;
        });
        let language = &self.spec.language;
        tracing::info!(language, "A recogniser of {language} is ready after {loaded:.2?}");
        Ok(())
    }

    /// Looks for what should have happened by now.
    fn watch(&mut self, now: Instant) -> Result<(), Why> {
        if !self.ready {
            let late = now.saturating_duration_since(self.begun) >= self.spec.start_max;
            return if late { Err(Why::NotReady) } else { Ok(()) };
        }
        let late = self.line.overdue(now);
        if late > 0 {
            tracing::warn!(language = self.spec.language, late, "{late} utterances were not heard in time");
        }
        let every = if self.line.streams() == 0 { IDLE } else { self.spec.hung_after / 4 };
        match self.asked {
            // Asked up to a quarter of the time after it hung.
            Some(asked) if now.saturating_duration_since(asked) >= self.spec.hung_after * 3 / 4 => {
                return Err(Why::Hung);
            }
            None if now.saturating_duration_since(self.asked_last) >= every => {
                self.nonce = self.nonce.wrapping_add(1);
                self.line.ping(self.nonce);
                (self.asked, self.asked_last) = (Some(now), now);
            }
            Some(_) | None => {}
        }
        if now.saturating_duration_since(self.weighed) >= IDLE {
            self.weigh()?;
        }
        Ok(())
    }

    fn weigh(&mut self) -> Result<(), Why> {
        self.weighed = Instant::now();
        let rss_bytes = rss_bytes(self.child.id());
        self.board.weigh(rss_bytes);
        if rss_bytes > self.spec.memory_max_bytes { Err(Why::Memory) } else { Ok(()) }
    }

    /// Makes sure that the process is gone, and tells how it went.
    fn bury(&mut self, leaving: Duration) -> ExitStatus {
        let start = Instant::now();
        while start.elapsed() < leaving {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status;
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        // One that is gone already cannot be killed, and does not need to be.
        let _gone = self.child.kill();
        self.child.wait().unwrap_or_default()
    }
}

/// Memory of a process that lies in RAM; 0 where that cannot be read.
pub(super) fn rss_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
