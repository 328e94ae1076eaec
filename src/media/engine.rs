//! The media engine: a few threads that own the sockets of all legs, and the handles by which calls speak to them.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime};

use tokio::sync::mpsc;

use super::inbox::Inbox;
use super::leg::{LegCore, LegRules};
use super::player::{Play, Times};
use super::ports::{PortPool, Sockets};
use super::prompt::Prompt;
use super::rtcp::WallClock;
use super::thread::{MediaThread, NewLeg};
use super::{LegEvent, g722};
use crate::config::MediaConfig;
use crate::domain::{AgreedStream, AudioFrame, Digit, PlayId};

/// Legs that may wait for a thread to take them: more than come in the 20 ms until it looks.
const NEWCOMERS_MAX: usize = 1024;
/// Ports tried before giving up, when others on this machine use ports of our range.
const BIND_TRIES: usize = 32;

/// Why there is no leg.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// All port pairs are in use or at rest.
    #[error("no RTP port is free")]
    NoPort,
    /// A socket could not be made: no such address here, or no file descriptor left.
    #[error("cannot bind RTP sockets on {local}")]
    Bind {
        /// Our address.
        local: IpAddr,
        /// What the system says.
        source: io::Error,
    },
    /// More new calls than the media threads take in.
    #[error("the media threads are too busy")]
    Busy,
    /// The engine is stopping, or a thread could not be started.
    #[error("the media threads are not running")]
    Stopped,
}

/// What the threads and the handles share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) ports: Mutex<PortPool>,
    pub(super) stopping: AtomicBool,
    /// Legs on each thread.
    pub(super) legs: Vec<AtomicUsize>,
}

impl Shared {
    /// Ports go to rest and the leg off the count.
    pub(super) fn release(&self, thread: usize, port: u16) {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner).give_back(port, Instant::now());
        self.legs[thread].fetch_sub(1, Ordering::Relaxed);
    }
}

/// Starts the media threads and opens legs on them. Dropping it closes all legs and waits for the threads.
#[derive(Debug)]
pub struct MediaEngine {
    shared: Arc<Shared>,
    newcomers: Vec<SyncSender<NewLeg>>,
    threads: Vec<JoinHandle<()>>,
    rules: LegRules,
    wall: WallClock,
    dscp: u8,
}

impl MediaEngine {
    /// Starts the threads. Raises this process's limit of open files to what the system lets it have, since a leg
    /// takes two.
    ///
    /// # Errors
    /// [`MediaError::Stopped`] when the system starts no thread.
    pub fn start(config: &MediaConfig) -> Result<Self, MediaError> {
        raise_file_limit();
        assert!(!g722::silence().is_empty(), "silence is made now, so that no media thread has to");
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let count = match config.threads {
            0 => (cores / 2).max(1),
            threads => usize::from(threads),
        };
        let pool = PortPool::new(config.port_min, config.port_max, config.quarantine, &mut rand::rng());
        let shared = Arc::new(Shared {
            ports: Mutex::new(pool),
            stopping: AtomicBool::new(false),
            legs: (0..count).map(|_| AtomicUsize::new(0)).collect(),
        });
        let mut engine = Self {
            shared: shared.clone(),
            newcomers: Vec::new(),
            threads: Vec::new(),
            rules: LegRules::from(config),
            wall: WallClock::new(Instant::now(), SystemTime::now()),
            dscp: config.dscp,
        };
        for index in 0..count {
            let (sender, receiver) = sync_channel(NEWCOMERS_MAX);
            let shared = shared.clone();
            let thread = std::thread::Builder::new()
                .name(format!("media-{index}"))
                .spawn(move || MediaThread::new(index, shared).run(&receiver))
                .map_err(|_| MediaError::Stopped)?;
            engine.newcomers.push(sender);
            engine.threads.push(thread);
        }
        Ok(engine)
    }

    /// Opens a leg on an address of ours. It sends and hears nothing before [`Leg::connect`].
    ///
    /// # Errors
    /// See [`MediaError`]; each one means that this call cannot be held.
    pub fn open(&self, local: IpAddr, events: mpsc::Sender<LegEvent>) -> Result<Leg, MediaError> {
        let (port, sockets) = self.bind(local)?;
        let legs = &self.shared.legs;
        let thread =
            (0..legs.len()).min_by_key(|&i| legs[i].load(Ordering::Relaxed)).ok_or(MediaError::Stopped)?;
        legs[thread].fetch_add(1, Ordering::Relaxed);
        let inbox = Arc::new(Inbox::default());
        let core = LegCore::new(self.rules, self.wall, rand::random());
        let newcomer = NewLeg { core, sockets, port, inbox: inbox.clone(), events };
        self.newcomers[thread].try_send(newcomer).map_err(|error| {
            self.shared.release(thread, port);
            match error {
                TrySendError::Full(_) => MediaError::Busy,
                TrySendError::Disconnected(_) => MediaError::Stopped,
            }
        })?;
        Ok(Leg { inbox, port })
    }

    /// Whether all threads run. One that has died holds legs that nobody hears any more.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.threads.iter().all(|thread| !thread.is_finished())
    }

    /// Legs open now, with those that are being closed.
    #[must_use]
    pub fn legs(&self) -> usize {
        self.shared.legs.iter().map(|legs| legs.load(Ordering::Relaxed)).sum()
    }

    fn bind(&self, local: IpAddr) -> Result<(u16, Sockets), MediaError> {
        for _ in 0..BIND_TRIES {
            let port = {
                let mut pool = self.shared.ports.lock().unwrap_or_else(PoisonError::into_inner);
                pool.take(Instant::now()).ok_or(MediaError::NoPort)?
            };
            match Sockets::bind(local, port, self.dscp) {
                Ok(sockets) => return Ok((port, sockets)),
                Err(source) => {
                    let mut pool = self.shared.ports.lock().unwrap_or_else(PoisonError::into_inner);
                    pool.give_back(port, Instant::now());
                    if source.kind() != io::ErrorKind::AddrInUse {
                        return Err(MediaError::Bind { local, source });
                    }
                }
            }
        }
        Err(MediaError::NoPort)
    }
}

impl Drop for MediaEngine {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        self.newcomers.clear();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("A media thread had died");
            }
        }
    }
}

fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).is_err()
    {
        tracing::warn!("Could not raise the limit of open files; it bounds the calls at once");
    }
}

/// The handle of one leg, for the call that owns it. Orders reach the leg within 20 ms. Dropping it closes the leg.
#[derive(Debug)]
pub struct Leg {
    inbox: Arc<Inbox>,
    port: u16,
}

impl Leg {
    /// Our RTP port, for our SDP; RTCP is the next one.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Obeys what offer and answer agreed on, now and after each re-INVITE or UPDATE.
    pub fn connect(&self, stream: AgreedStream) {
        self.inbox.connect(stream);
    }

    /// Puts prompts at the end of what plays. [`LegEvent::PlayDone`] follows, unless they are stopped.
    pub fn play(&self, id: PlayId, prompts: Vec<Arc<Prompt>>, times: Times) {
        self.inbox.play(Play { id, prompts, times });
    }

    /// Stops at the next frame and drops what waits.
    pub fn stop(&self) {
        self.inbox.stop();
    }

    /// A key by SIP INFO; heard on another path too, it counts once.
    pub fn press(&self, digit: Digit) {
        self.inbox.press(digit);
    }

    /// Hands the caller's audio to a listener, in place of the one before. A listener who does not keep up loses
    /// audio.
    pub fn listen(&self, sink: mpsc::Sender<AudioFrame>) {
        self.inbox.listen(Some(sink));
    }

    /// Hands on no more audio.
    pub fn deafen(&self) {
        self.inbox.listen(None);
    }

    /// Closes the leg; [`LegEvent::Closed`] follows.
    pub fn close(self) {
        drop(self);
    }
}

impl Drop for Leg {
    fn drop(&mut self) {
        self.inbox.close();
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
