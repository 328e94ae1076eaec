//! Whom media may come from and go to.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::offer::OfferError;
use crate::config::TrunkConfig;

/// From where a trunk's media may come, and where it may be sent: else one request with a forged source would send
/// audio to anybody.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    /// The host that the signalling comes from.
    pub(super) peer: IpAddr,
    /// Addresses of this machine.
    own: Vec<IpAddr>,
    /// The trunk's own networks and its media networks.
    allowed: Vec<IpNet>,
    /// The peer's host and the trunk's media networks.
    pub(super) learnable: Arc<[IpNet]>,
}

impl Reach {
    pub(super) fn new(peer: IpAddr, trunk: Option<&TrunkConfig>, own: &[IpAddr]) -> Self {
        let peer = peer.to_canonical();
        let (sources, media) =
            trunk.map_or((&[][..], &[][..]), |t| (t.sources.as_slice(), t.media_sources.as_slice()));
        Self {
            peer,
            own: own.to_vec(),
            allowed: sources.iter().chain(media).copied().collect(),
            learnable: std::iter::once(IpNet::from(peer)).chain(media.iter().copied()).collect(),
        }
    }

    /// The address that media for `named` goes to.
    pub(super) fn checked(&self, named: IpAddr) -> Result<IpAddr, OfferError> {
        let named = named.to_canonical();
        let nobodys = match named {
            IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast(),
            IpAddr::V6(v6) => v6.is_multicast(),
        };
        if nobodys {
            return Err(OfferError::MediaAddress);
        }
        // Who signals over loopback is a program of this machine, and may be bound to its other address.
        let own = self.peer.is_loopback() && self.own.contains(&named);
        if own || named == self.peer || self.allowed.iter().any(|net| net.contains(&named)) {
            return if named.is_ipv4() == self.peer.is_ipv4() {
                Ok(named)
            } else {
                Err(OfferError::AddressFamily)
            };
        }
        // A peer behind a NAT names an address that means nothing here; its packets come from where it signals.
        if is_private(named) && !is_private(self.peer) {
            Ok(self.peer)
        } else {
            Err(OfferError::MediaAddress)
        }
    }
}

/// Whether an address is of no use outside of its own network.
pub(super) fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}
