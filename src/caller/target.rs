//! Whom to call: a SIP URI and the address that it leads to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How SIP travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams, with our own retransmission.
    Udp,
    /// One connection for all calls.
    Tcp,
}

impl Transport {
    /// As it stands in Via.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }
}

/// Why a target cannot be called.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Not of the form `sip:user@host[:port][;transport=tcp]`.
    #[error("{0:?} is not of the form sip:user@host[:port][;transport=udp|tcp]")]
    Malformed(String),
    /// The host has no address.
    #[error("{host} has no address: {source}")]
    Unresolved {
        /// The host.
        host: String,
        /// What the resolver says.
        source: std::io::Error,
    },
}

/// A SIP address that has been looked up.
#[derive(Clone, Debug)]
pub struct Target {
    /// The URI without its scheme: what stands in the request line after `sip:`.
    pub(super) rest: String,
    /// User and host, for To.
    pub(super) user_host: String,
    pub(super) address: SocketAddr,
    pub(super) transport: Transport,
}

impl Target {
    /// Reads `sip:user@host[:port][;parameters]` and looks up the host; `transport=tcp` selects TCP.
    ///
    /// # Errors
    /// [`TargetError`] for another form or an unknown host.
    pub async fn resolve(uri: &str) -> Result<Self, TargetError> {
        let malformed = || TargetError::Malformed(uri.into());
        let rest = uri.strip_prefix("sip:").ok_or_else(malformed)?;
        if rest.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>')) {
            return Err(malformed());
        }
        let (user_host, parameters) = rest.split_once(';').unwrap_or((rest, ""));
        let host_port = user_host.rsplit_once('@').map_or(user_host, |(_, host)| host);
        let transport = match parameters.split(';').find_map(|parameter| parameter.strip_prefix("transport="))
        {
            None => Transport::Udp,
            Some(name) if name.eq_ignore_ascii_case("udp") => Transport::Udp,
            Some(name) if name.eq_ignore_ascii_case("tcp") => Transport::Tcp,
            Some(_) => return Err(malformed()),
        };
        let has_port =
            host_port.rsplit_once(':').is_some_and(|(host, _)| !host.contains(':') || host.ends_with(']'));
        let lookup = if has_port { host_port.to_owned() } else { format!("{host_port}:5060") };
        let unresolved = |source| TargetError::Unresolved { host: host_port.into(), source };
        let address = tokio::net::lookup_host(&lookup)
            .await
            .map_err(unresolved)?
            .next()
            .ok_or_else(|| unresolved(std::io::ErrorKind::NotFound.into()))?;
        Ok(Self { rest: rest.into(), user_host: user_host.into(), address, transport })
    }

    /// The address of ours from which the system would reach the target.
    ///
    /// # Errors
    /// What the system says when no way leads there.
    pub async fn local_address(&self) -> std::io::Result<IpAddr> {
        let any: IpAddr =
            if self.address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = tokio::net::UdpSocket::bind((any, 0)).await?;
        socket.connect(self.address).await?; // Sends nothing.
        Ok(socket.local_addr()?.ip())
    }

    /// Where the calls go.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sip:{}", self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn uris_lead_to_addresses() {
        let target = Target::resolve("sip:survey@127.0.0.1:5070;transport=tcp").await.unwrap();
        assert_eq!((target.address, target.transport), (([127, 0, 0, 1], 5070).into(), Transport::Tcp));
        let target = Target::resolve("sip:survey@[::1]").await.unwrap();
        assert_eq!(target.address, "[::1]:5060".parse().unwrap());
        for wrong in ["survey@127.0.0.1", "sip:a b@127.0.0.1", "sip:a@127.0.0.1;transport=sctp"] {
            assert!(matches!(Target::resolve(wrong).await, Err(TargetError::Malformed(_))), "{wrong}");
        }
    }
}
