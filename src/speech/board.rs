//! How the recogniser processes are doing, for whoever looks from outside.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::frame::{Confined, Unfit};
use crate::domain::Deaf;

/// How a process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It loads its model.
    Starting,
    /// It hears.
    Ready,
    /// It ended, for this reason, and is started again.
    Restarting(Why),
    /// The service ends.
    Stopped,
}

impl Phase {
    /// The name in metrics and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Restarting(_) => "restarting",
            Self::Stopped => "stopped",
        }
    }
}

/// Why a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// It could not be started at all.
    #[error("it could not be started")]
    NotStarted,
    /// It was not ready in time.
    #[error("it did not load its model in time")]
    NotReady,
    /// Its model cannot be used.
    #[error("{0}")]
    Unfit(Unfit),
    /// It ended by itself.
    #[error("it died ({})", status(.0))]
    Died(ExitStatus),
    /// It did not answer, or one step of its work took too long.
    #[error("it hung")]
    Hung,
    /// What it said makes no sense.
    #[error("it spoke garbage")]
    Garbage,
    /// It took more memory than it may.
    #[error("it took too much memory")]
    Memory,
}

fn status(status: &ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(127), _) => "its library cannot be loaded".to_owned(),
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown".to_owned(),
    }
}

impl Why {
    /// The name in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "not_started",
            Self::NotReady => "not_ready",
            Self::Unfit(_) => "unfit",
            Self::Died(_) => "died",
            Self::Hung => "hung",
            Self::Garbage => "garbage",
            Self::Memory => "memory",
        }
    }

    /// What it means for the utterances in it.
    pub(super) fn deaf(self) -> Deaf {
        match self {
            Self::NotStarted | Self::NotReady | Self::Unfit(_) => Deaf::NoModel,
            Self::Died(_) | Self::Memory => Deaf::Died,
            Self::Hung => Deaf::Slow,
            Self::Garbage => Deaf::Garbage,
        }
    }
}

/// What is known of a process from outside.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) phase: Phase,
    pub(super) since: Instant,
    pub(super) restarts: u64,
    pub(super) pid: Option<u32>,
    pub(super) rss_bytes: u64,
    /// Since it was ready for the first time.
    pub(super) unknown: Option<String>,
    pub(super) confined: Confined,
}

/// The same, to be looked at from other threads.
pub(super) struct Board {
    language: String,
    known: Mutex<Known>,
    changes: tokio::sync::watch::Sender<()>,
}

impl Board {
    pub(super) fn new(language: &str, changes: tokio::sync::watch::Sender<()>) -> Self {
        let known = Known {
            phase: Phase::Starting,
            since: Instant::now(),
            restarts: 0,
            pid: None,
            rss_bytes: 0,
            unknown: None,
            confined: Confined::default(),
        };
        let board = Self { language: language.to_owned(), known: Mutex::new(known), changes };
        board.gauge(Phase::Starting).increment(1);
        board
    }

    fn gauge(&self, phase: Phase) -> metrics::Gauge {
        metrics::gauge!("aftercall_speech_workers", "language" => self.language.clone(), "state" => phase.as_str())
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn look(&self) -> Known {
        self.lock().clone()
    }

    pub(super) fn weigh(&self, rss_bytes: u64) {
        self.lock().rss_bytes = rss_bytes;
    }

    /// Another phase of its life.
    pub(super) fn enter(&self, phase: Phase, more: impl FnOnce(&mut Known)) {
        let mut known = self.lock();
        self.gauge(known.phase).decrement(1);
        self.gauge(phase).increment(1);
        known.phase = phase;
        known.since = Instant::now();
        more(&mut known);
        drop(known);
        self.changes.send_replace(());
    }
}
