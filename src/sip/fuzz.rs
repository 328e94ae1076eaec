//! What fuzzing calls: one packet, and everything that follows from it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::core::{Core, Event, Packet, Settings};
use super::{Flow, SipCommand, offer, reach};
use crate::config::{SipConfig, Transport, TrunkConfig};
use crate::domain::Codec;

/// A packet from a trunk; an offered call is answered, and all timers run out.
///
/// # Panics
/// When a call or a transaction outlives all its timers.
pub(crate) fn fuzz_packet(data: &[u8]) {
    let trunk: TrunkConfig =
        toml::from_str("name = \"fuzz\"\nsources = [\"10.0.0.0/8\"]").expect("the trunk is well formed");
    let settings =
        Settings { sip: SipConfig::default(), trunks: vec![trunk], passwords: vec![None], own: Vec::new() };
    let mut now = Instant::now();
    let mut core = Core::new(Arc::new(settings), now);
    let peer = crate::fuzz::peer();
    let flow = Flow { transport: Transport::Udp, listener: 0, connection: None, peer };
    let local = std::net::SocketAddr::from(([10, 0, 0, 1], 5060));
    let packet = Packet { flow, local, advertised: local, bytes: Bytes::copy_from_slice(data) };
    core.handle_packet(packet, now);
    for _ in 0..100_000 {
        while let Some(event) = core.poll_event() {
            if let Event::Incoming(incoming) = event {
                core.handle_command(incoming.key, SipCommand::Answer { port: 4000 }, now);
            }
        }
        while core.poll_transmit().is_some() {}
        match core.poll_timeout() {
            Some(at) => now = at.max(now + Duration::from_millis(1)),
            None => break,
        }
        core.handle_timeout(now);
    }
    assert_eq!((core.calls_len(), core.transactions_len()), (0, 0), "something outlived its timers");
}

/// A session description, read and answered.
pub(crate) fn fuzz_offer(data: &[u8]) {
    let peer = crate::fuzz::peer();
    let reach = reach::Reach::new(peer.ip(), None, &[]);
    if let Ok(described) = offer::read(data, &Codec::ALL, &reach) {
        let local = offer::LocalMedia { address: peer, session_id: 1, version: 1 };
        let answer = offer::answer(&described, local);
        assert!(offer::read(answer.as_bytes(), &Codec::ALL, &reach).is_ok(), "our own answer cannot be read");
    }
}
