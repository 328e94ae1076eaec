//! The caller's own session descriptions: it writes its offers, and reads as much of an answer as it needs.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::plan::{Hold, Offer};
use crate::domain::Codec;

/// Payload type that we use for telephone-event.
pub(super) const EVENT_PAYLOAD_TYPE: u8 = 101;

/// What the far end wants, out of its session description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remote {
    pub(super) address: SocketAddr,
    pub(super) codec: Codec,
    pub(super) payload_type: u8,
    /// Payload type and clock of telephone-event.
    pub(super) event: Option<(u8, u32)>,
    /// Whether it listens.
    pub(super) receives: bool,
}

/// Writes an offer (or, without more ado, an answer).
pub(super) fn write(local: SocketAddr, offer: &Offer, version: u32, hold: Option<Hold>) -> String {
    let family = if local.is_ipv4() { "IP4" } else { "IP6" };
    let connection = match (hold, local.ip()) {
        (Some(Hold::Zero), IpAddr::V4(_)) => "0.0.0.0".to_owned(),
        (_, ip) => ip.to_string(),
    };
    let mut types: Vec<String> =
        offer.codecs.iter().map(|codec| codec.static_payload_type().to_string()).collect();
    types.extend(offer.telephone_event_hz.map(|_| EVENT_PAYLOAD_TYPE.to_string()));
    let mut text = format!(
        "v=0\r\no=- 1 {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {connection}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {types}\r\n",
        ip = local.ip(),
        port = local.port(),
        types = types.join(" "),
    );
    let mut line = |line: std::fmt::Arguments<'_>| {
        writeln!(text, "a={line}\r").expect("writing to a string does not fail");
    };
    for codec in &offer.codecs {
        line(format_args!("rtpmap:{} {}/8000", codec.static_payload_type(), codec.name()));
    }
    if let Some(clock) = offer.telephone_event_hz {
        line(format_args!("rtpmap:{EVENT_PAYLOAD_TYPE} telephone-event/{clock}"));
        line(format_args!("fmtp:{EVENT_PAYLOAD_TYPE} 0-15"));
    }
    line(format_args!("ptime:{}", offer.ptime_ms));
    line(format_args!(
        "{}",
        match hold {
            None | Some(Hold::Zero) => "sendrecv",
            Some(Hold::SendOnly) => "sendonly",
            Some(Hold::Inactive) => "inactive",
        }
    ));
    text
}

/// Reads the far end's description. `None` when it holds no audio that we speak.
pub(super) fn read(body: &str) -> Option<Remote> {
    let mut ip: Option<IpAddr> = None;
    let mut audio: Option<(u16, Vec<u8>)> = None;
    let mut receives = true;
    let mut maps: Vec<(u8, String)> = Vec::new();
    for line in body.lines().map(str::trim_end) {
        if let Some(connection) = line.strip_prefix("c=") {
            ip = connection.split(' ').nth(2).and_then(|ip| ip.parse().ok()).or(ip);
        } else if let Some(media) = line.strip_prefix("m=audio ") {
            let mut words = media.split(' ');
            let port = words.next()?.parse().ok()?;
            audio = Some((port, words.skip(1).filter_map(|word| word.parse().ok()).collect()));
        } else if let Some((payload_type, name)) =
            line.strip_prefix("a=rtpmap:").and_then(|map| map.split_once(' '))
        {
            maps.push((payload_type.parse().ok()?, name.to_ascii_lowercase()));
        } else if matches!(line, "a=sendonly" | "a=inactive") {
            receives = false;
        }
    }
    let (port, types) = audio.filter(|&(port, _)| port != 0)?;
    let codec_of = |payload_type: u8| {
        let mapped = maps.iter().find(|(other, _)| *other == payload_type).map(|(_, name)| name.as_str());
        Codec::ALL.into_iter().find(|codec| match mapped {
            Some(name) => name.split('/').next().is_some_and(|name| name.eq_ignore_ascii_case(codec.name())),
            None => codec.static_payload_type() == payload_type,
        })
    };
    let (payload_type, codec) =
        types.iter().find_map(|&payload_type| Some((payload_type, codec_of(payload_type)?)))?;
    let event = maps.iter().find_map(|(payload_type, name)| {
        let clock = name.strip_prefix("telephone-event/")?.split('/').next()?.parse().ok()?;
        types.contains(payload_type).then_some((*payload_type, clock))
    });
    Some(Remote { address: SocketAddr::new(ip?, port), codec, payload_type, event, receives })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_understood() {
        let local = SocketAddr::from(([127, 0, 0, 1], 4000));
        let remote = read(&write(local, &Offer::default(), 1, None)).unwrap();
        assert_eq!(
            remote,
            Remote {
                address: local,
                codec: Codec::Pcmu,
                payload_type: 0,
                event: Some((101, 8000)),
                receives: true
            }
        );
        assert!(!read(&write(local, &Offer::default(), 2, Some(Hold::Inactive))).unwrap().receives);
        assert_eq!(read("v=0\r\nm=video 3 RTP/AVP 31\r\n"), None);
        assert_eq!(read("m=audio 0 RTP/AVP 0\r\nc=IN IP4 127.0.0.1\r\n"), None);
    }
}
