//! A scripted caller: places SIP calls, listens, presses keys, talks, and says what happened.
//!
//! It is the far end for `aftercall call`, `aftercall simulate` and the tests. It speaks SIP through `rsip` while the
//! service parses with another library, so that each keeps the other honest; and it keeps its own transactions,
//! session description and timers for the same reason.
//!
//! A call is a [`CallPlan`] with a list of [`Step`]s; [`Caller::call`] gives a [`CallReport`].

mod call;
mod centre;
mod hearing;
mod history;
mod message;
mod phone;
mod plan;
mod sdp;
mod simulate;
mod steps;
mod target;
mod transport;
mod voices;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

pub use hearing::Hearing;
pub use history::{History, PastCall};
pub use plan::{
    CallPlan, CallReport, Credentials, EndedBy, Hold, KeyVia, Offer, ScriptError, Step, parse_script,
};
pub use simulate::{Behaviour, Mix, Profile, Progress, Simulation, Summary, simulate};
pub use target::{Target, TargetError, Transport};
pub use voices::Voices;

/// Why there is no caller.
#[derive(Debug, thiserror::Error)]
pub enum CallerError {
    /// No socket could be bound, or no connection made.
    #[error("cannot reach {to} from {from}: {source}")]
    Transport {
        /// Our address.
        from: IpAddr,
        /// Where the calls should go.
        to: std::net::SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// One SIP address that calls one target; it may hold many calls at once.
#[derive(Debug)]
pub struct Caller {
    endpoint: Arc<transport::Endpoint>,
    target: Target,
}

impl Caller {
    /// Binds an address of ours, and over TCP connects it.
    ///
    /// # Errors
    /// [`CallerError::Transport`] when the system refuses either.
    pub async fn new(local: IpAddr, target: Target) -> Result<Self, CallerError> {
        let to = target.address;
        let endpoint = transport::Endpoint::open(local, &target)
            .await
            .map_err(|source| CallerError::Transport { from: local, to, source })?;
        Ok(Self { endpoint, target })
    }

    /// Places one call and follows its script to the end.
    pub async fn call(&self, plan: CallPlan) -> CallReport {
        steps::run(&self.endpoint, &self.target, plan).await
    }
}
