//! Entry points for fuzzing: any bytes in, nothing out, never a panic. `tests/fuzz` runs them under libFuzzer, and
//! `make test` runs the seeds through them.

use std::net::SocketAddr;
use std::path::Path;

use crate::{config, dialogue, media, sip};

/// A packet at the SIP socket: parsed, checked, answered, and every timer that it started run out.
pub fn sip(data: &[u8]) {
    sip::fuzz_packet(data);
}

/// A session description in an offer.
pub fn sdp(data: &[u8]) {
    sip::fuzz_offer(data);
}

/// Packets at a leg's RTP and RTCP sockets: the first byte of each chunk says how long it is and which socket.
pub fn rtp(data: &[u8]) {
    media::fuzz_packets(data);
}

/// Telephone events, and audio with tones in it.
pub fn dtmf(data: &[u8]) {
    media::fuzz_keys(data);
}

/// A configuration file, and a survey file.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let checked = config::parse_text(text);
    let has = dialogue::Catalogues { prompts: &EveryPrompt, grammars: &EveryGrammar };
    let survey = dialogue::SurveySet::read(Path::new("fuzz.toml"), text, has);
    drop((checked, survey));
}

/// Has every prompt.
pub(crate) struct EveryPrompt;

/// Has every grammar.
pub(crate) struct EveryGrammar;

impl crate::domain::GrammarCatalogue for EveryGrammar {
    fn meanings(&self, _: &crate::domain::Language, _: &str) -> Option<Vec<crate::domain::Meaning>> {
        Some(vec![crate::domain::Meaning::Repeat])
    }
}

impl crate::domain::PromptCatalogue for EveryPrompt {
    fn duration(
        &self,
        _: &crate::domain::Language,
        _: &crate::domain::PromptName,
    ) -> Option<std::time::Duration> {
        Some(std::time::Duration::from_secs(3))
    }
}

/// Where a fuzzed packet is said to come from.
pub(crate) fn peer() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 2], 5070))
}
