//! The web side: one listener for the API ([`crate::api`]) and the dashboard ([`crate::ui`]), and who is signed in.
//!
//! What anybody may see is decided below, in the store, by the type of the view; here it is only found out who asks.

mod bodies;
pub mod csv;
mod device;
pub mod exports;
mod fragments;
mod listen;
mod oidc;
mod pace;
mod paging;
mod reasons;
mod sealed;
mod session;
mod vigil;
mod xlsx;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use bodies::{BODY_TIME_MAX, FORM_MAX, STRANGERS_BODY_MAX, whole};
pub use device::{device_of, remember_device};
pub use fragments::{Fragments, news};
pub use listen::Listener;
pub use oidc::{CALLBACK, PENDING_FOR, Pending, SignOnError, SingleSignOn};
pub use paging::cut;
pub use reasons::Reasons;
pub use sealed::Sealed;
pub use session::{Pass, SignedIn, Source, begin, client_of, end, guard, local_address, local_path};
pub use vigil::guarded;
pub use xlsx::{SheetError, XLSX, sheet_chunks, small_sheet, write_sheet};

use crate::access::{Access, Guesses, SessionRules};
use crate::call::Shared;
use crate::config::Live;
use crate::health::Ears;
use crate::store::rules::Results;

/// Open pages are told of changed aggregates no more often than this.
const AGGREGATES_EVERY: Duration = Duration::from_secs(2);
/// And of calls that run, than this.
const RUNNING_EVERY: Duration = Duration::from_millis(500);
/// How often sessions that are over are thrown away.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// What every page and endpoint works with. Cheap to clone.
#[derive(Clone)]
pub struct WebState {
    /// The running service: store, running calls, configuration, surveys.
    pub parts: Shared,
    /// Who hears callers.
    pub ears: Ears,
    /// Who may come in.
    pub access: Access,
    /// The provider that signs people in, where there is one.
    pub sign_on: Option<Arc<SingleSignOn>>,
    /// What slows guessing of passwords.
    pub guesses: Arc<Mutex<Guesses>>,
    /// Parts of pages that many have open.
    pub fragments: Fragments,
    /// Counts what may have changed aggregates, at the pace at which open pages are told.
    pub aggregates: watch::Receiver<u64>,
    /// The same of the calls that run.
    pub running: watch::Receiver<u64>,
    /// Why people look at the calls whose pages they have open.
    pub reasons: Reasons,
    /// Since when the service runs.
    pub started: jiff::Timestamp,
    /// What the service counts, in the Prometheus text format.
    pub metrics: PrometheusHandle,
    results: Arc<Mutex<Current>>,
}

/// What may be seen under the configuration that is in force.
struct Current {
    live: Arc<Live>,
    results: Results,
}

impl Current {
    fn new(parts: &Shared, live: Arc<Live>) -> Self {
        let results = Results::new(parts.store.clone(), Arc::new(live.config.policy.clone()));
        Self { live, results }
    }
}

impl WebState {
    /// The state of a running service.
    ///
    /// # Errors
    /// What keeps single sign-on from being set up.
    pub fn new(
        parts: Shared,
        ears: Ears,
        access: Access,
        metrics: PrometheusHandle,
    ) -> Result<Self, SignOnError> {
        let live = parts.live.load_full();
        let sign_on = SingleSignOn::new(&live.config.web)?.map(Arc::new);
        let results = Arc::new(Mutex::new(Current::new(&parts, live)));
        Ok(Self {
            results,
            guesses: Arc::default(),
            fragments: Fragments::default(),
            aggregates: pace::paced(parts.store.changes(), AGGREGATES_EVERY),
            running: pace::paced(parts.running.changes(), RUNNING_EVERY),
            reasons: Reasons::default(),
            started: jiff::Timestamp::now(),
            metrics,
            sign_on,
            parts,
            ears,
            access,
        })
    }

    /// What may be seen; another one after the configuration was read anew.
    #[must_use]
    pub fn results(&self) -> Results {
        let live = self.parts.live.load_full();
        let mut current = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&current.live, &live) {
            *current = Current::new(&self.parts, live);
        }
        current.results.clone()
    }

    /// How long sessions last.
    #[must_use]
    pub fn session_rules(&self) -> SessionRules {
        let web = &self.parts.live.load().config.web;
        SessionRules { idle_max: web.session_idle_max, age_max: web.session_max }
    }
}

/// Serves until the task is dropped.
///
/// # Errors
/// The address cannot be bound, or the certificate not be read.
pub async fn serve(address: SocketAddr, state: WebState) -> std::io::Result<(SocketAddr, JoinHandle<()>)> {
    let router =
        Router::new().merge(crate::api::router(state.clone())).merge(crate::ui::router(state.clone()));
    let listener = Listener::bind(address, &state.parts.live.load().config.web).await?;
    let bound = listener.address()?;
    let task = tokio::spawn(async move {
        tokio::select! {
            done = listener.serve(router) => {
                if let Err(error) = done {
                    tracing::error!("The web side stopped: {error}");
                }
            }
            () = sweep(&state) => {}
        }
    });
    Ok((bound, task))
}

/// Throws away sessions that are over, for as long as it is waited for.
async fn sweep(state: &WebState) {
    loop {
        if let Err(error) = state.access.sweep(state.session_rules()).await {
            tracing::warn!("Old sessions stay for now: {error}");
        }
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}
