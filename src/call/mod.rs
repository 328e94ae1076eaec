//! One task per call: joins signalling, media, speech, conversation and store. It drives and decides nothing: who is surveyed
//! is `selection`'s word, what is said is `dialogue`'s.

mod deciding;
mod driver;
mod ears;
mod follow;
mod goodbye;
mod legs;
mod live;
mod orphans;
mod perform;
mod tell;
pub mod transcribe;

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, watch};

pub use deciding::decide;
pub use driver::run;
pub use legs::Legs;
pub use live::{RunningCall, RunningCalls};
pub use orphans::close_all;

use crate::config::Live;
use crate::media::MediaEngine;
use crate::selection::Selector;
use crate::sip::SipHandle;
use crate::speech::Recognisers;
use crate::store::{Comment, Store};

/// What every call needs from the rest of the service.
pub struct Parts {
    /// Signalling.
    pub sip: SipHandle,
    /// Audio.
    pub media: MediaEngine,
    /// The database.
    pub store: Store,
    /// Who hears callers.
    pub recognisers: Arc<dyn Recognisers>,
    /// The calls that run now.
    pub running: RunningCalls,
    /// The same, for those that take another's place.
    pub legs: Legs,
    /// Comments that wait for their text.
    pub comments: mpsc::Sender<Comment>,
    /// Who is surveyed. Locked for one decision at a time, never over an await.
    pub selector: Mutex<Selector>,
    /// Configuration, surveys and prompts; a call keeps what it began with.
    pub live: ArcSwap<Live>,
    /// Whether running calls are asked to end.
    pub ending: watch::Receiver<bool>,
}

/// A shared handle to [`Parts`].
pub type Shared = Arc<Parts>;
