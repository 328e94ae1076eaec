//! Offer and answer (RFC 3264) over SDP (RFC 8866), for one audio stream.

use std::net::{IpAddr, SocketAddr};

use sdp_types::{Media, Session};

use crate::domain::{AgreedStream, Codec, Direction, TelephoneEvent};

/// Why a session description cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// It does not parse.
    #[error("the session description is malformed")]
    Malformed,
    /// It has no audio stream over plain RTP with an address to send to.
    #[error("no usable audio stream")]
    NoAudio,
    /// None of its codecs is ours.
    #[error("no common codec")]
    NoCodec,
}

impl OfferError {
    /// The answer to an INVITE with such an offer.
    #[must_use]
    pub fn sip_status(&self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::NoAudio | Self::NoCodec => 488,
        }
    }
}

/// A read offer (or answer): the stream that we chose, and the shape our answer must have.
#[derive(Clone, Debug)]
pub(super) struct Described {
    pub stream: AgreedStream,
    /// For each media line of the offer: its media, protocol and formats, and whether it is the chosen one.
    lines: Vec<Line>,
}

#[derive(Clone, Debug)]
struct Line {
    media: String,
    proto: String,
    fmt: String,
    chosen: bool,
}

const EVENT: &str = "telephone-event";

/// Reads an offer: the first audio line over `RTP/AVP` (or `RTP/AVPF`) that has a codec of ours. `fallback` is where
/// media goes when the connection line names a host instead of an address; symmetric RTP corrects it.
pub(super) fn read(body: &[u8], codecs: &[Codec], fallback: IpAddr) -> Result<Described, OfferError> {
    let session = Session::parse(body).map_err(|_| OfferError::Malformed)?;
    let session_direction = direction_in(&session.attributes).unwrap_or(Direction::SendRecv);
    let mut chosen = None;
    let mut seen_audio = false;
    let mut lines = Vec::new();
    for media in session.medias.iter().take(32) {
        let plain = matches!(media.proto.as_str(), "RTP/AVP" | "RTP/AVPF");
        let usable = chosen.is_none() && media.media == "audio" && media.port != 0 && plain;
        seen_audio |= usable;
        let stream = if usable { audio(media, &session, codecs, session_direction, fallback) } else { None };
        lines.push(Line {
            media: media.media.clone(),
            proto: media.proto.clone(),
            fmt: media.fmt.clone(),
            chosen: stream.is_some(),
        });
        chosen = chosen.or(stream);
    }
    match chosen {
        Some(stream) => Ok(Described { stream, lines }),
        None if seen_audio => Err(OfferError::NoCodec),
        None => Err(OfferError::NoAudio),
    }
}

fn audio(
    media: &Media,
    session: &Session,
    codecs: &[Codec],
    session_direction: Direction,
    fallback: IpAddr,
) -> Option<AgreedStream> {
    let maps = rtpmaps(media);
    let formats = || media.fmt.split_whitespace().filter_map(|f| f.parse::<u8>().ok()).filter(|&pt| pt < 128);
    let (codec, payload_type) = formats().find_map(|pt| {
        let codec = match maps.iter().find(|map| map.pt == pt) {
            Some(map) => Codec::ALL
                .into_iter()
                .find(|c| c.name().eq_ignore_ascii_case(&map.name) && map.clock_hz == 8000),
            None => Codec::ALL.into_iter().find(|c| c.static_payload_type() == pt),
        };
        codec.filter(|c| codecs.contains(c)).map(|c| (c, pt))
    })?;
    let events =
        || maps.iter().filter(|m| m.name.eq_ignore_ascii_case(EVENT) && formats().any(|pt| pt == m.pt));
    let event = [8000, 16000].into_iter().find_map(|clock| events().find(|m| m.clock_hz == clock));

    let connection = media.connections.first().or(session.connection.as_ref());
    let address = connection.and_then(|c| c.try_address().ok().map(|a| a.ip)).unwrap_or(fallback);
    // RFC 3264 §8.4: an address of all zeros is the old way to say hold.
    let held = address.is_unspecified();
    let ip = if held { fallback } else { address };
    let offered =
        if held { Direction::Inactive } else { direction_in(&media.attributes).unwrap_or(session_direction) };
    let remote = SocketAddr::new(ip, media.port);
    Some(AgreedStream {
        codec,
        payload_type,
        telephone_event: event.map(|m| TelephoneEvent { payload_type: m.pt, clock_hz: m.clock_hz }),
        ptime_ms: ptime(media),
        remote,
        remote_rtcp: Some(rtcp(media, remote)),
        direction: reversed(offered),
    })
}

struct RtpMap {
    pt: u8,
    name: String,
    clock_hz: u32,
}

fn rtpmaps(media: &Media) -> Vec<RtpMap> {
    let parse = |value: &str| {
        let (pt, rest) = value.trim().split_once(' ')?;
        let mut parts = rest.trim().split('/');
        Some(RtpMap {
            pt: pt.parse().ok()?,
            name: parts.next()?.to_owned(),
            clock_hz: parts.next()?.parse().ok()?,
        })
    };
    let values =
        media.attributes.iter().filter(|a| a.attribute == "rtpmap").filter_map(|a| a.value.as_deref());
    values.take(128).filter_map(parse).collect()
}

fn attribute<'a>(media: &'a Media, name: &str) -> Option<&'a str> {
    media.attributes.iter().find(|a| a.attribute == name).and_then(|a| a.value.as_deref())
}

/// The packet length that the far end likes, made a multiple of 10 ms in 10-60 and no longer than its `maxptime`.
fn ptime(media: &Media) -> u8 {
    let number =
        |name| attribute(media, name).and_then(|v| v.trim().parse::<f32>().ok()).filter(|v| *v >= 1.0);
    let most = number("maxptime").unwrap_or(60.0).clamp(10.0, 60.0);
    let wanted = number("ptime").unwrap_or(20.0).clamp(10.0, most);
    ((wanted / 10.0) as u8).max(1) * 10
}

/// RFC 3605: `a=rtcp:port [IN IP4 address]`; without it the next higher port.
fn rtcp(media: &Media, rtp: SocketAddr) -> SocketAddr {
    let next = SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1));
    let Some(value) = attribute(media, "rtcp") else { return next };
    let mut words = value.split_whitespace();
    let Some(port) = words.next().and_then(|w| w.parse().ok()) else { return next };
    let ip = words.nth(2).and_then(|w| w.parse().ok()).unwrap_or(rtp.ip());
    SocketAddr::new(ip, port)
}

fn direction_in(attributes: &[sdp_types::Attribute]) -> Option<Direction> {
    attributes.iter().find_map(|a| match a.attribute.as_str() {
        "sendrecv" => Some(Direction::SendRecv),
        "sendonly" => Some(Direction::SendOnly),
        "recvonly" => Some(Direction::RecvOnly),
        "inactive" => Some(Direction::Inactive),
        _ => None,
    })
}

/// The far end's direction as we see it (RFC 3264 §6.1).
fn reversed(direction: Direction) -> Direction {
    match direction {
        Direction::SendOnly => Direction::RecvOnly,
        Direction::RecvOnly => Direction::SendOnly,
        same => same,
    }
}

fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::SendRecv => "sendrecv",
        Direction::SendOnly => "sendonly",
        Direction::RecvOnly => "recvonly",
        Direction::Inactive => "inactive",
    }
}

/// Our side of a session: where we listen, and the numbers in the `o=` line (RFC 8866 §5.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct LocalMedia {
    pub address: SocketAddr,
    pub session_id: u64,
    pub version: u64,
}

impl LocalMedia {
    fn head(&self) -> String {
        let ip = self.address.ip();
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        let (id, version) = (self.session_id, self.version);
        format!("v=0\r\no=- {id} {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n")
    }
}

/// Our answer to a read offer: the chosen stream accepted, every other line refused with port 0, in the offer's order.
pub(super) fn answer(described: &Described, local: LocalMedia) -> String {
    let mut sdp = local.head();
    for line in &described.lines {
        if line.chosen {
            sdp.push_str(&stream_lines(&line.proto, &described.stream, local.address.port()));
        } else {
            let format = line.fmt.split_whitespace().next().unwrap_or("0");
            sdp.push_str(&format!("m={} 0 {} {format}\r\n", line.media, line.proto));
        }
    }
    sdp
}

fn stream_lines(proto: &str, stream: &AgreedStream, port: u16) -> String {
    let (pt, codec) = (stream.payload_type, stream.codec.name());
    let mut lines = format!("m=audio {port} {proto} {pt}");
    if let Some(event) = stream.telephone_event {
        lines.push_str(&format!(" {}", event.payload_type));
    }
    lines.push_str(&format!("\r\na=rtpmap:{pt} {codec}/8000\r\n"));
    if let Some(TelephoneEvent { payload_type, clock_hz }) = stream.telephone_event {
        lines.push_str(&format!(
            "a=rtpmap:{payload_type} {EVENT}/{clock_hz}\r\na=fmtp:{payload_type} 0-15\r\n"
        ));
    }
    let (ptime, direction) = (stream.ptime_ms, direction_name(stream.direction));
    lines.push_str(&format!("a=ptime:{ptime}\r\na={direction}\r\n"));
    lines
}

/// Our own offer, for an INVITE that came without one: every codec that we speak, and key events.
pub(super) fn offer(local: LocalMedia, codecs: &[Codec]) -> String {
    let types: String = codecs.iter().map(|c| format!(" {}", c.static_payload_type())).collect();
    let mut sdp = local.head();
    sdp.push_str(&format!("m=audio {} RTP/AVP{types} 101\r\n", local.address.port()));
    for codec in codecs {
        sdp.push_str(&format!("a=rtpmap:{} {}/8000\r\n", codec.static_payload_type(), codec.name()));
    }
    sdp.push_str(&format!("a=rtpmap:101 {EVENT}/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"));
    sdp
}

/// Our description of a session that stands, for a refresh by re-INVITE.
pub(super) fn again(local: LocalMedia, stream: &AgreedStream) -> String {
    let mut sdp = local.head();
    sdp.push_str(&stream_lines("RTP/AVP", stream, local.address.port()));
    sdp
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FALLBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn described(media: &str) -> Result<Described, OfferError> {
        let sdp = format!("v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\n{media}");
        read(sdp.as_bytes(), &Codec::ALL, FALLBACK)
    }

    fn local() -> LocalMedia {
        LocalMedia { address: "10.0.0.1:4000".parse().unwrap(), session_id: 7, version: 1 }
    }

    #[test]
    fn the_offers_order_decides_and_key_events_follow_the_codecs_clock() {
        let media = "m=audio 5000 RTP/AVP 18 8 0 102 101\r\na=rtpmap:101 telephone-event/8000\r\n\
                     a=rtpmap:102 telephone-event/16000\r\na=ptime:30\r\n";
        let stream = described(media).unwrap().stream;
        assert_eq!((stream.codec, stream.payload_type, stream.ptime_ms), (Codec::Pcma, 8, 30));
        assert_eq!(stream.telephone_event, Some(TelephoneEvent { payload_type: 101, clock_hz: 8000 }));
        assert_eq!(stream.remote, "10.0.0.2:5000".parse().unwrap());
        assert_eq!(stream.remote_rtcp, Some("10.0.0.2:5001".parse().unwrap()));
    }

    #[test]
    fn hold_comes_in_three_ways() {
        let direction = |media: &str| described(media).unwrap().stream.direction;
        assert_eq!(direction("m=audio 5000 RTP/AVP 0\r\na=sendonly\r\n"), Direction::RecvOnly);
        assert_eq!(direction("m=audio 5000 RTP/AVP 0\r\na=inactive\r\n"), Direction::Inactive);
        assert_eq!(direction("m=audio 5000 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n"), Direction::Inactive);
        assert_eq!(direction("m=audio 5000 RTP/AVP 0\r\n"), Direction::SendRecv);
    }

    #[test]
    fn other_lines_are_refused_in_their_place() {
        let media = "m=video 3227 RTP/AVP 31\r\nm=audio 5000 RTP/AVP 9 101\r\na=rtpmap:101 telephone-event/8000\r\n\
                     m=audio 6000 RTP/SAVP 0\r\n";
        let answer = answer(&described(media).unwrap(), local());
        let lines: Vec<&str> = answer.lines().filter(|l| l.starts_with("m=")).collect();
        assert_eq!(lines, ["m=video 0 RTP/AVP 31", "m=audio 4000 RTP/AVP 9 101", "m=audio 0 RTP/SAVP 0"]);
        assert!(answer.contains("a=rtpmap:9 G722/8000\r\n"));
    }

    #[test]
    fn what_cannot_be_used_is_told_apart() {
        assert_eq!(described("m=audio 5000 RTP/AVP 18\r\n").unwrap_err(), OfferError::NoCodec);
        assert_eq!(described("m=audio 5000 RTP/SAVP 0\r\n").unwrap_err(), OfferError::NoAudio);
        assert_eq!(described("m=audio 0 RTP/AVP 0\r\n").unwrap_err(), OfferError::NoAudio);
        assert_eq!(read(b"hello", &Codec::ALL, FALLBACK).unwrap_err(), OfferError::Malformed);
    }

    #[test]
    fn our_own_offer_can_be_read_back() {
        let stream = read(offer(local(), &Codec::ALL).as_bytes(), &Codec::ALL, FALLBACK).unwrap().stream;
        assert_eq!((stream.codec, stream.remote), (Codec::Pcmu, local().address));
        let again = again(local(), &stream);
        assert_eq!(read(again.as_bytes(), &Codec::ALL, FALLBACK).unwrap().stream, stream);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(described) = read(&bytes, &Codec::ALL, FALLBACK) {
                prop_assert!(answer(&described, local()).contains("m=audio 4000"));
            }
        }
    }
}
