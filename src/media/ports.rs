//! The port range: pairs of an even RTP port and the odd RTCP port after it, with a rest after each call.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use rand::seq::SliceRandom;
use rustix::net::{RecvFlags, SendFlags};
use socket2::{Domain, Protocol, Socket, Type};

/// Hands out even ports; the longest unused one first, after a shuffle at the start, so that nobody guesses which
/// port comes next.
#[derive(Debug)]
pub struct PortPool {
    free: VecDeque<u16>,
    resting: VecDeque<(Instant, u16)>,
    quarantine: Duration,
}

impl PortPool {
    /// All pairs within `min..=max`.
    #[must_use]
    pub fn new(min: u16, max: u16, quarantine: Duration, random: &mut impl rand::Rng) -> Self {
        let mut ports: Vec<u16> = (min..max).filter(|port| port % 2 == 0).collect();
        ports.shuffle(random);
        Self { free: ports.into(), resting: VecDeque::new(), quarantine }
    }

    /// Takes a pair, by its even port.
    pub fn take(&mut self, now: Instant) -> Option<u16> {
        while let Some(&(until, port)) = self.resting.front()
            && until <= now
        {
            self.resting.pop_front();
            self.free.push_back(port);
        }
        self.free.pop_front()
    }

    /// Gives a pair back, to rest first.
    pub fn give_back(&mut self, port: u16, now: Instant) {
        self.resting.push_back((now + self.quarantine, port));
    }
}

/// The sockets of one leg.
#[derive(Debug)]
pub struct Sockets {
    /// The even port.
    pub rtp: UdpSocket,
    /// The odd port.
    pub rtcp: UdpSocket,
}

impl Sockets {
    /// Binds both ports of a pair, without blocking and with the DSCP given.
    ///
    /// # Errors
    /// What the system says: as a rule that a port is in use, or that the address is not ours.
    pub fn bind(local: IpAddr, port: u16, dscp: u8) -> io::Result<Self> {
        Ok(Self { rtp: bind(local, port, dscp)?, rtcp: bind(local, port + 1, dscp)? })
    }
}

fn bind(local: IpAddr, port: u16, dscp: u8) -> io::Result<UdpSocket> {
    let address = SocketAddr::new(local, port);
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    // The DSCP is the upper six bits of the former TOS octet.
    let class = u32::from(dscp) << 2;
    match local {
        IpAddr::V4(_) => socket.set_tos_v4(class)?,
        IpAddr::V6(_) => socket.set_tclass_v6(class)?,
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Takes one datagram without waiting. By system call and not by the C library: fifty times a second for each leg,
/// its bookkeeping for cancelled threads shows.
///
/// # Errors
/// What the system says; `WouldBlock` when there is none.
pub fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    let (len, _, from) = rustix::net::recvfrom(socket, buffer, RecvFlags::empty())?;
    let from = from.and_then(|from| SocketAddr::try_from(from).ok());
    Ok((len, from.ok_or(io::ErrorKind::InvalidData)?))
}

/// Sends one datagram without waiting.
///
/// # Errors
/// What the system says, about this packet or by ICMP about an earlier one.
pub fn send(socket: &UdpSocket, datagram: &[u8], to: SocketAddr) -> io::Result<()> {
    rustix::net::sendto(socket, datagram, SendFlags::empty(), &to)?;
    Ok(())
}

/// Ties a socket to one far end, or lets go of it. What others send is then dropped by the kernel, and sending is
/// cheaper: the way there is looked up once.
///
/// # Errors
/// What the system says; the socket is as before.
pub fn tie(socket: &UdpSocket, to: Option<SocketAddr>) -> io::Result<()> {
    match to {
        Some(to) => rustix::net::connect(socket, &to)?,
        None => rustix::net::connect_unspec(socket)?,
    }
    Ok(())
}

/// Sends one datagram on a socket that is tied, without waiting.
///
/// # Errors
/// Those of [`send`].
pub fn send_tied(socket: &UdpSocket, datagram: &[u8]) -> io::Result<()> {
    rustix::net::send(socket, datagram, SendFlags::empty())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn pairs_are_even_within_range_and_rest_after_use() {
        let now = Instant::now();
        let mut pool = PortPool::new(3001, 3007, Duration::from_secs(5), &mut StdRng::seed_from_u64(1));
        let mut taken: Vec<u16> = std::iter::from_fn(|| pool.take(now)).collect();
        taken.sort_unstable();
        assert_eq!(taken, [3002, 3004, 3006]);
        pool.give_back(3004, now);
        assert_eq!(pool.take(now + Duration::from_secs(4)), None);
        assert_eq!(pool.take(now + Duration::from_secs(5)), Some(3004));
    }

    #[test]
    fn an_odd_end_of_the_range_leaves_no_half_pair() {
        let mut pool = PortPool::new(3000, 3000, Duration::ZERO, &mut StdRng::seed_from_u64(1));
        assert_eq!(pool.take(Instant::now()), None);
        let mut pool = PortPool::new(65_534, 65_535, Duration::ZERO, &mut StdRng::seed_from_u64(1));
        assert_eq!(pool.take(Instant::now()), Some(65_534));
    }
}
