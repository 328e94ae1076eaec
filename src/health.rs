//! `/healthz`, `/readyz` and `/metrics` on a loopback listener.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Whether new calls are taken, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Calls are taken.
    Ready,
    /// They are refused with 503, for this reason.
    NotReady(&'static str),
}

#[derive(Clone)]
struct Pages {
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
) -> std::io::Result<(SocketAddr, tokio::task::JoinHandle<()>)> {
    let pages = Pages { metrics: Arc::new(metrics), ready };
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
    match &*pages.ready.borrow() {
        Readiness::Ready => (StatusCode::OK, "ready\n".to_owned()),
        Readiness::NotReady(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
    }
}

async fn render(State(pages): State<Pages>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], pages.metrics.render())
}
