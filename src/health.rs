//! `/healthz`, `/readyz` and `/metrics` on a loopback listener. Speech that is missing makes the service no less ready:
//! callers have their keys.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use metrics::gauge;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::Live;
use crate::speech::installed::{self, NoSpeech};
use crate::speech::pool::LanguageState;
use crate::speech::{Pool, check};

/// Whether new calls are taken, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Calls are taken.
    Ready,
    /// They are refused with 503, for this reason.
    NotReady(&'static str),
}

/// Who hears callers, and if nobody does, why.
#[derive(Clone)]
pub struct Ears {
    /// The recogniser processes.
    pub pool: Arc<Pool>,
    /// Why there are none.
    none: Option<NoSpeech>,
}

impl Ears {
    /// Tries the models that the configuration and the data folder have, each in a process of its own, and starts the
    /// recognisers of those that work; without any, the service runs by keypad only, and says so.
    #[must_use]
    pub async fn open(live: &Live, data: &Path) -> Self {
        let config = live.config.speech.clone();
        let (pool, none) = match installed::installed(&config, &live.speech_models, data) {
            Ok(found) => {
                let (tried, grammars) = (config.clone(), Arc::clone(&live.grammars));
                let tests = tokio::task::spawn_blocking(move || check::fit(&tried, found, &grammars));
                let found = tests.await.unwrap_or_default();
                let none = found.is_empty().then_some(NoSpeech::NoModel);
                (Pool::start(&config, &found), none)
            }
            Err(none) => (Pool::silent(), Some(none)),
        };
        match &none {
            Some(NoSpeech::Off) | None => {}
            Some(none) => tracing::warn!("Keypad only: {none}"),
        }
        gauge!("aftercall_speech_keypad_only").set(if none.is_some() { 1.0 } else { 0.0 });
        Self { pool: Arc::new(pool), none }
    }

    /// Why nobody is heard at all; `None` when somebody is.
    #[must_use]
    pub fn none(&self) -> Option<&NoSpeech> {
        self.none.as_ref()
    }

    /// One line for each language, or why there is none.
    fn tell(&self) -> String {
        if let Some(none) = &self.none {
            return format!("speech: keypad only: {none}\n");
        }
        let line = |state: LanguageState| {
            let now = if state.is_ready() { "ready" } else { "not ready, keypad only" };
            format!("speech: {} {now} ({})\n", state.language, state.model)
        };
        self.pool.state().into_iter().map(line).collect()
    }
}

#[derive(Clone)]
struct Pages {
    ears: Ears,
    metrics: Arc<PrometheusHandle>,
    ready: watch::Receiver<Readiness>,
}

/// Serves the pages until the task is dropped.
///
/// # Errors
/// The address cannot be bound.
pub async fn serve(
    address: SocketAddr,
    metrics: PrometheusHandle,
    ready: watch::Receiver<Readiness>,
    ears: Ears,
) -> std::io::Result<(SocketAddr, tokio::task::JoinHandle<()>)> {
    let pages = Pages { ears, metrics: Arc::new(metrics), ready };
    let router = Router::new()
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render))
        .with_state(pages);
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let task = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!("The health pages stopped: {error}");
        }
    });
    Ok((bound, task))
}

async fn readyz(State(pages): State<Pages>) -> impl IntoResponse {
    let speech = pages.ears.tell();
    match &*pages.ready.borrow() {
        Readiness::Ready => (StatusCode::OK, format!("ready\n{speech}")),
        Readiness::NotReady(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n{speech}")),
    }
}

async fn render(State(pages): State<Pages>) -> impl IntoResponse {
    drop(pages.ears.pool.state()); // Which brings its gauges up to date.
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], pages.metrics.render())
}
