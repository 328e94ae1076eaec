//! Answers that need no transaction: refusals before any state is made, and the answer to OPTIONS.

use std::net::SocketAddr;

use metrics::counter;
use sipx_sip::Request;

use super::Flow;
use super::admit::trunk_of;
use super::check::{ACCEPT, ALLOW, Refusal, SUPPORTED};
use super::core::{Core, Packet};
use super::raw;
use crate::config::{Transport, TrunkConfig};
use crate::domain::TrunkId;

/// Counts a refusal: of a trunk's call or request, or of a stranger's.
pub(super) fn count(code: u16, trunk: Option<&TrunkId>) {
    let trunk = trunk.map_or_else(|| TrunkConfig::UNKNOWN.to_owned(), ToString::to_string);
    counter!("aftercall_sip_refused_total", "code" => code.to_string(), "trunk" => trunk).increment(1);
}

impl Core {
    /// Where answers to a request go: always the address it came from (RFC 3581), and never `maddr`.
    pub(super) fn response_flow(&self, request: &Request, flow: Flow) -> Flow {
        if flow.transport == Transport::Tcp || self.settings.sip.force_rport {
            return flow;
        }
        let via = request.headers.typed::<sipx_sip::Via>().and_then(Result::ok);
        match via {
            Some(via) if via.rport().is_none() => {
                Flow { peer: SocketAddr::new(flow.peer.ip(), via.port.unwrap_or(5060)), ..flow }
            }
            _ => flow,
        }
    }

    /// Answers without keeping anything.
    pub(super) fn refuse(&mut self, packet: &Packet, refusal: &Refusal) {
        if !raw::wants_answer(&packet.bytes) {
            return;
        }
        let trunks = &self.settings.trunks;
        let trunk = trunk_of(trunks, packet.flow.peer.ip()).and_then(|index| trunks.get(index));
        count(refusal.code, trunk.map(|trunk| &trunk.name));
        self.answer_stateless(packet, refusal);
    }

    pub(super) fn answer_stateless(&mut self, packet: &Packet, refusal: &Refusal) {
        let mut extra = refusal.headers.clone();
        if !self.settings.sip.server_name.is_empty() {
            extra.push(("Server", self.settings.sip.server_name.clone()));
        }
        let (code, reason) = (refusal.code, refusal.reason);
        let bytes = raw::answer(&packet.bytes, packet.flow.peer, code, reason, &extra, &self.secret);
        self.transmit(packet.flow, bytes.into());
    }

    /// 503 with a Retry-After that differs from answer to answer, so that refused peers do not come back at once.
    pub(super) fn refuse_busy(&mut self, packet: &Packet) {
        let busy = self.busy();
        self.refuse(packet, &busy);
    }

    pub(super) fn busy(&self) -> Refusal {
        Refusal::new(503).with("Retry-After", self.retry_after_s().to_string())
    }

    /// Seconds from the upper half of 1..`retry_after_max`.
    pub(super) fn retry_after_s(&self) -> u32 {
        let most = self.settings.sip.retry_after_max;
        rand::random_range(most.div_ceil(2)..=most)
    }

    pub(super) fn answer_options(&mut self, packet: &Packet) {
        // RFC 3261 §11.2: the answer is the one that an INVITE would get.
        if self.closed.is_some() {
            self.refuse_busy(packet);
            return;
        }
        let answer = Refusal::new(200)
            .with("Allow", ALLOW)
            .with("Accept", ACCEPT)
            .with("Accept-Encoding", "identity")
            .with("Accept-Language", "en")
            .with("Supported", SUPPORTED);
        self.answer_stateless(packet, &answer);
    }
}
