//! Offer and answer (RFC 3264) over SDP (RFC 8866), for one audio stream.

use std::net::SocketAddr;
use std::sync::Arc;

use sdp_types::{Media, Session};

use super::lenient;
use super::reach::Reach;
use crate::domain::{AgreedStream, Codec, Direction, TelephoneEvent};

/// Why a session description cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// It does not parse.
    #[error("the session description is malformed")]
    Malformed,
    /// It has no audio stream with an address to send to.
    #[error("no usable audio stream")]
    NoAudio,
    /// All its audio is over a transport that we do not speak.
    #[error("no audio over plain RTP")]
    NoTransport,
    /// None of its codecs is ours.
    #[error("no common codec")]
    NoCodec,
    /// Its media address is of the other version of IP than its signalling.
    #[error("the media address is not of the IP version in use")]
    AddressFamily,
    /// Its media address is none of the trunk's.
    #[error("the media address lies outside the trunk's networks")]
    MediaAddress,
}

impl OfferError {
    /// The answer to an INVITE with such an offer.
    #[must_use]
    pub fn sip_status(&self) -> u16 {
        match self {
            Self::Malformed => 400,
            _ => 488,
        }
    }

    /// The warning that goes with it (RFC 3261 §20.43): its code, and what to do about it.
    #[must_use]
    pub fn warning(&self) -> (u16, &'static str) {
        match self {
            Self::Malformed => (399, "The session description cannot be read"),
            Self::NoAudio => (304, "No audio stream is on offer"),
            Self::NoTransport => {
                (302, "Audio is on offer over an encrypted or unknown transport alone: offer RTP/AVP")
            }
            Self::NoCodec => (305, "No codec in common: offer PCMU, PCMA or G722"),
            Self::AddressFamily => {
                (301, "The media address is not of the IP version that the signalling uses")
            }
            Self::MediaAddress => {
                (399, "The media address is outside the trunk's networks: add it to media_sources")
            }
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
/// Other numbers for key events that are kept; a real offer has one for each clock of its codecs.
const EVENTS_MAX: usize = 8;

/// Reads an offer: the first audio line over `RTP/AVP` (or `RTP/AVPF`) that has a codec of ours. Where the connection
/// line names a host instead of an address, media goes to the peer's; symmetric RTP corrects it.
pub(super) fn read(body: &[u8], codecs: &[Codec], reach: &Reach) -> Result<Described, OfferError> {
    let used = lenient::description(body).ok_or(OfferError::Malformed)?;
    let session = Session::parse(&used).map_err(|_| OfferError::Malformed)?;
    let mut chosen = None;
    let mut why_not = OfferError::NoAudio;
    let mut lines = Vec::new();
    for media in &session.medias {
        let mut line = Line {
            media: media.media.clone(),
            proto: media.proto.clone(),
            fmt: media.fmt.clone(),
            chosen: false,
        };
        if chosen.is_none() && media.media.eq_ignore_ascii_case("audio") && media.port != 0 {
            match audio(media, &session, codecs, reach) {
                Ok(stream) => {
                    line.chosen = true;
                    chosen = Some(stream);
                }
                // What is wrong with a stream that could be read says more than that another one is encrypted.
                Err(OfferError::NoTransport) if why_not != OfferError::NoAudio => {}
                Err(why) => why_not = why,
            }
        }
        lines.push(line);
    }
    match chosen {
        Some(stream) => Ok(Described { stream, lines }),
        None => Err(why_not),
    }
}

fn audio(
    media: &Media,
    session: &Session,
    codecs: &[Codec],
    reach: &Reach,
) -> Result<AgreedStream, OfferError> {
    if !["RTP/AVP", "RTP/AVPF"].iter().any(|plain| media.proto.eq_ignore_ascii_case(plain)) {
        return Err(OfferError::NoTransport);
    }
    let maps = rtpmaps(media);
    let formats = || media.fmt.split_whitespace().filter_map(|f| f.parse::<u8>().ok()).filter(|&pt| pt < 128);
    let (codec, payload_type) = formats()
        .find_map(|pt| {
            let codec = match maps.iter().find(|map| map.pt == pt) {
                Some(map) => Codec::ALL
                    .into_iter()
                    .find(|c| c.name().eq_ignore_ascii_case(&map.name) && map.clock_hz == 8000),
                None => Codec::ALL.into_iter().find(|c| c.static_payload_type() == pt),
            };
            codec.filter(|c| codecs.contains(c)).map(|c| (c, pt))
        })
        .ok_or(OfferError::NoCodec)?;
    let events: Vec<TelephoneEvent> = maps
        .iter()
        .filter(|m| m.name.eq_ignore_ascii_case(EVENT) && m.pt != payload_type && m.clock_hz >= 1000)
        .filter(|m| formats().any(|pt| pt == m.pt))
        .map(|m| TelephoneEvent { payload_type: m.pt, clock_hz: m.clock_hz })
        .collect();
    let event = [8000, 16000].into_iter().find_map(|clock| events.iter().find(|m| m.clock_hz == clock));

    let connection = media.connections.first().or(session.connection.as_ref());
    let named = connection.and_then(|c| c.try_address().ok().map(|a| a.ip)).unwrap_or(reach.peer);
    // RFC 3264 §8.4: an address of all zeros is the old way to say hold.
    let held = named.is_unspecified();
    let ip = if held { reach.peer } else { reach.checked(named)? };
    let session_direction = direction_in(&session.attributes).unwrap_or(Direction::SendRecv);
    let offered =
        if held { Direction::Inactive } else { direction_in(&media.attributes).unwrap_or(session_direction) };
    let remote = SocketAddr::new(ip, media.port);
    Ok(AgreedStream {
        codec,
        payload_type,
        telephone_event: event.copied(),
        other_events: events.iter().filter(|other| Some(*other) != event).copied().take(EVENTS_MAX).collect(),
        ptime_ms: ptime(media),
        remote,
        learnable: Arc::clone(&reach.learnable),
        remote_rtcp: Some(rtcp(media, remote, reach)),
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
        let (pt, rest) = value.trim().split_once(char::is_whitespace)?;
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
fn rtcp(media: &Media, rtp: SocketAddr, reach: &Reach) -> SocketAddr {
    let next = SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1));
    let Some(value) = attribute(media, "rtcp") else { return next };
    let mut words = value.split_whitespace();
    let Some(port) = words.next().and_then(|w| w.parse().ok()) else { return next };
    let named = words.nth(2).and_then(|w| w.parse().ok()).and_then(|ip| reach.checked(ip).ok());
    SocketAddr::new(named.unwrap_or(rtp.ip()), port)
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

/// Our description of a session that stands: all its lines in their places, the refused ones with port 0 (RFC 3264
/// §8). A new offer of ours says what we want, which is never hold.
pub(super) fn again(described: &Described, local: LocalMedia, direction: Direction) -> String {
    let stream = AgreedStream { direction, ..described.stream.clone() };
    answer(&Described { stream, lines: described.lines.clone() }, local)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A peer at 10.0.0.9 of a trunk of 10.0.0.0/24, with a media network.
    fn reach() -> Reach {
        let trunk = toml::from_str(
            "name = \"t\"\nsources = [\"10.0.0.0/24\"]\nmedia_sources = [\"198.51.100.0/24\"]",
        );
        Reach::new("10.0.0.9".parse().unwrap(), Some(&trunk.unwrap()), &[])
    }

    fn described(media: &str) -> Result<Described, OfferError> {
        let sdp = format!("v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\n{media}");
        read(sdp.as_bytes(), &Codec::ALL, &reach())
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
        assert_eq!(described("m=audio 5000 RTP/SAVP 0\r\n").unwrap_err(), OfferError::NoTransport);
        assert_eq!(described("m=audio 0 RTP/AVP 0\r\n").unwrap_err(), OfferError::NoAudio);
        assert_eq!(read(b"hello", &Codec::ALL, &reach()).unwrap_err(), OfferError::Malformed);
    }

    #[test]
    fn our_own_offer_can_be_read_back() {
        let stream = read(offer(local(), &Codec::ALL).as_bytes(), &Codec::ALL, &reach()).unwrap().stream;
        assert_eq!((stream.codec, stream.remote), (Codec::Pcmu, local().address));
    }

    #[test]
    fn later_descriptions_keep_all_lines_in_their_places() {
        let media =
            "m=audio 6000 RTP/SAVP 0\r\nm=video 3227 RTP/AVP 31\r\nm=audio 5000 RTP/AVP 8\r\na=sendonly\r\n";
        let later = again(&described(media).unwrap(), local(), Direction::SendRecv);
        let lines: Vec<&str> = later.lines().filter(|l| l.starts_with("m=")).collect();
        assert_eq!(lines, ["m=audio 0 RTP/SAVP 0", "m=video 0 RTP/AVP 31", "m=audio 4000 RTP/AVP 8"]);
        assert!(later.ends_with("a=sendrecv\r\n"));
    }

    #[test]
    fn media_goes_to_the_trunk_and_to_nobody_else() {
        let to = |ip: &str| {
            let media = format!("m=audio 5000 RTP/AVP 0\r\nc=IN IP4 {ip}\r\n");
            described(&media).map(|d| d.stream.remote.ip().to_string())
        };
        assert_eq!(to("10.0.0.77").as_deref(), Ok("10.0.0.77"));
        assert_eq!(to("198.51.100.3").as_deref(), Ok("198.51.100.3"), "a media network");
        assert_eq!(to("203.0.113.5"), Err(OfferError::MediaAddress));
        let local = Reach::new("127.0.0.1".parse().unwrap(), None, &["192.0.2.2".parse().unwrap()]);
        let of_local = |ip: &str| local.checked(ip.parse().unwrap()).is_ok();
        assert!(of_local("192.0.2.2") && of_local("127.0.0.1"), "a softphone of this machine");
        assert!(!of_local("192.0.2.55") && !of_local("224.0.0.1") && !of_local("255.255.255.255"));
        assert_eq!(to("media.example.net").as_deref(), Ok("10.0.0.9"), "a name: the peer's own address");
        let behind_nat = Reach::new("203.0.113.9".parse().unwrap(), None, &[]);
        let offer = "v=0\r\nc=IN IP4 192.168.1.2\r\nm=audio 5000 RTP/AVP 0\r\na=rtcp:9 IN IP4 192.0.2.66\r\n";
        let stream = read(offer.as_bytes(), &Codec::ALL, &behind_nat).unwrap().stream;
        assert_eq!(stream.remote, "203.0.113.9:5000".parse().unwrap());
        assert_eq!(
            stream.remote_rtcp,
            Some("203.0.113.9:9".parse().unwrap()),
            "no reports to a third address"
        );
    }

    #[test]
    fn every_number_that_the_offer_gives_to_key_events_is_kept() {
        let media = "m=audio 5000 RTP/AVP 8 96 97 101\r\na=rtpmap:97 telephone-event/48000\r\n\
                     a=rtpmap:101\ttelephone-event/8000\r\n";
        let stream = described(media).unwrap().stream;
        assert_eq!(stream.telephone_event, Some(TelephoneEvent { payload_type: 101, clock_hz: 8000 }));
        assert_eq!(stream.other_events, [TelephoneEvent { payload_type: 97, clock_hz: 48_000 }]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(described) = read(&bytes, &Codec::ALL, &reach()) {
                prop_assert!(answer(&described, local()).contains("m=audio 4000"));
            }
        }
    }
}
