//! The web side: the listener of the API ([`crate::api`]).
//!
//! What anybody may see is decided below, in the store, by the type of the view; here it is only found out who asks.

use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::access::Access;
use crate::call::Shared;
use crate::health::Ears;

/// What every page and endpoint works with. Cheap to clone.
#[derive(Clone)]
pub struct WebState {
    /// The running service: store, running calls, configuration, surveys.
    pub parts: Shared,
    /// Who hears callers.
    pub ears: Ears,
    /// Who may come in.
    pub access: Access,
}

/// Serves until the task is dropped.
///
/// # Errors
/// The address cannot be bound.
pub async fn serve(address: SocketAddr, state: WebState) -> std::io::Result<(SocketAddr, JoinHandle<()>)> {
    let router = Router::new().merge(crate::api::router(state));
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    let task = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!("The web side stopped: {error}");
        }
    });
    Ok((bound, task))
}
