//! Whether a request is one that we can act on; if not, its answer (RFC 3261 §8.2).

use sipx_sip::headers::{Address, ContentType, Require};
use sipx_sip::message::TypedHeader;
use sipx_sip::validate::{Finding, validate_request};
use sipx_sip::{HeaderName, Method, Request, Scheme};

/// Methods that we act on, as in `Allow`.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK, UPDATE";
/// Bodies that we read, as in `Accept`.
pub(super) const ACCEPT: &str =
    "application/sdp, application/dtmf-relay, application/dtmf, audio/telephone-event";
/// Extensions that we know, as in `Supported`.
pub(super) const SUPPORTED: &str = "100rel, timer, replaces";

/// A refusal: status, reason phrase and the headers that explain it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub code: u16,
    pub reason: &'static str,
    pub headers: Vec<(&'static str, String)>,
}

impl Refusal {
    pub(super) fn new(code: u16) -> Self {
        Self { code, reason: reason_phrase(code), headers: Vec::new() }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// The reason phrases of RFC 3261 §21 (422: RFC 4028; 481, 482, 488, 491 likewise §21).
pub(super) fn reason_phrase(code: u16) -> &'static str {
    match code {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        413 => "Request Entity Too Large",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        422 => "Session Interval Too Small",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        600 => "Busy Everywhere",
        603 => "Decline",
        _ if code < 300 => "OK",
        _ => "Rejected",
    }
}

/// Whether a request is odd in a part that a strict parser refuses and nobody uses: a display name, a raw character in
/// a user part, headers in the Request-URI.
pub(super) fn is_odd(request: &Request) -> bool {
    let headers = &request.headers;
    let findings = validate_request(request);
    let address = |f: &Finding| {
        matches!(f, Finding::RequestUriHasHeaders | Finding::MalformedRequiredHeader("To" | "From"))
    };
    findings.iter().any(address)
        || headers.typed_all::<sipx_sip::headers::ContactValue>().any(|contact| contact.is_err())
        || IDENTITIES.iter().any(|name| {
            let name = HeaderName::parse(&bytes::Bytes::from_static(name.as_bytes()));
            headers.get_all(&name).any(|row| Address::parse_list(&row.value(), "address").is_err())
        })
}

/// Headers whose addresses name a person.
const IDENTITIES: [&str; 4] = ["P-Asserted-Identity", "Remote-Party-ID", "Diversion", "Referred-By"];

/// Checks everything about a request that can be told without knowing any dialog.
///
/// # Errors
/// The refusal to answer with. For an ACK it means: drop.
pub(super) fn check(request: &Request) -> Result<(), Refusal> {
    let findings = validate_request(request);
    if findings.contains(&Finding::UnsupportedVersion) {
        return Err(Refusal::new(505));
    }
    // Max-Forwards is for proxies; many endpoints and RFC 2543 callers leave it out.
    if findings.iter().any(|f| !f.is_repairable()) {
        return Err(Refusal::new(400));
    }
    if request.headers.get(&HeaderName::Contact).is_some()
        && request.headers.typed_all::<sipx_sip::headers::ContactValue>().any(|c| c.is_err())
    {
        return Err(Refusal::new(400));
    }
    check_method(&request.method)?;
    // What an answer has to copy must be fit to be sent.
    let copied =
        [&HeaderName::RecordRoute, &HeaderName::Via, &HeaderName::From, &HeaderName::To, &HeaderName::CallId];
    let unfit = |name: &HeaderName| {
        request.headers.get_all(name).any(|row| row.value().iter().any(|b| matches!(b, 0 | b'\r' | b'\n')))
    };
    if copied.into_iter().any(unfit) {
        return Err(Refusal::new(400));
    }
    if !matches!(request.uri.scheme(), Scheme::Sip | Scheme::Tel) {
        return Err(Refusal::new(416));
    }
    if !matches!(request.method, Method::Ack | Method::Cancel) {
        check_extensions(request)?;
        check_body(request)?;
    }
    Ok(())
}

fn check_method(method: &Method) -> Result<(), Refusal> {
    match method {
        Method::Invite
        | Method::Ack
        | Method::Bye
        | Method::Cancel
        | Method::Options
        | Method::Info
        | Method::Prack
        | Method::Update => Ok(()),
        Method::Refer => Err(Refusal::new(603)),
        Method::Other(_) => Err(Refusal::new(501).with("Allow", ALLOW)),
        _ => Err(Refusal::new(405).with("Allow", ALLOW)),
    }
}

fn check_extensions(request: &Request) -> Result<(), Refusal> {
    let mut unknown: Vec<String> = Vec::new();
    for required in request.headers.typed_all::<Require>() {
        let Ok(list) = required else { return Err(Refusal::new(400)) };
        let tags = list.0.0.iter().map(|tag| String::from_utf8_lossy(tag).into_owned());
        unknown
            .extend(tags.filter(|tag| !SUPPORTED.split(", ").any(|known| known.eq_ignore_ascii_case(tag))));
    }
    if unknown.is_empty() { Ok(()) } else { Err(Refusal::new(420).with("Unsupported", unknown.join(", "))) }
}

fn check_body(request: &Request) -> Result<(), Refusal> {
    let encoded = request.headers.get(&HeaderName::ContentEncoding);
    if encoded.is_some_and(|e| !e.value().eq_ignore_ascii_case(b"identity")) {
        return Err(Refusal::new(415).with("Accept-Encoding", "identity"));
    }
    if request.method == Method::Info && request.body().len() > INFO_MAX {
        return Err(Refusal::new(413));
    }
    if !request.body().is_empty() && body_kind(request) == BodyKind::Unknown && !optional_body(request) {
        return Err(Refusal::new(415).with("Accept", ACCEPT));
    }
    if request.method == Method::Invite && !accepts_sdp(request) {
        return Err(Refusal::new(406));
    }
    Ok(())
}

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyKind {
    None,
    Sdp,
    Multipart,
    /// A key by INFO, under one of the many names of such a body.
    Key,
    Unknown,
}

/// Content types of INFO that carry one key.
const KEYS: [(&str, &str); 5] = [
    ("application", "dtmf-relay"),
    ("application", "dtmf"),
    ("application", "vnd.nortelnetworks.digits"),
    ("audio", "telephone-event"),
    ("audio", "dtmf"),
];

/// The largest body of an INFO.
const INFO_MAX: usize = 1024;

/// Reads Content-Type. A body without one is taken for SDP where SDP belongs, as old callers send it.
pub(super) fn body_kind(request: &Request) -> BodyKind {
    if request.body().is_empty() {
        return BodyKind::None;
    }
    let Some(header) = request.headers.get(&ContentType::NAME) else {
        return if request.method == Method::Info { BodyKind::Key } else { BodyKind::Sdp };
    };
    let Ok(kind) = ContentType::decode(&header.value()) else { return BodyKind::Unknown };
    if request.method == Method::Info && KEYS.iter().any(|(kind_of, name)| kind.is(kind_of, name)) {
        BodyKind::Key
    } else if kind.is("application", "sdp") {
        BodyKind::Sdp
    } else if kind.is("multipart", "mixed") || kind.is("multipart", "related") {
        BodyKind::Multipart
    } else {
        BodyKind::Unknown
    }
}

fn optional_body(request: &Request) -> bool {
    let disposition = request.headers.get(&HeaderName::ContentDisposition);
    disposition.is_some_and(|d| {
        let text = String::from_utf8_lossy(&d.value()).to_ascii_lowercase();
        text.split(';').any(|p| p.split('=').map(str::trim).eq(["handling", "optional"]))
    })
}

fn accepts_sdp(request: &Request) -> bool {
    let name = HeaderName::Accept;
    let mut rows = request.headers.get_all(&name).peekable();
    if rows.peek().is_none() {
        return true;
    }
    rows.any(|row| {
        let text = String::from_utf8_lossy(&row.value()).to_ascii_lowercase();
        text.split(',').any(|range| {
            let range = range.split(';').next().unwrap_or_default().replace(' ', "");
            matches!(range.as_str(), "application/sdp" | "application/*" | "*/*")
        })
    })
}

/// The session description in a message: the body itself, or the first SDP part of a multipart body (RFC 5621).
pub(super) fn session_description(request: &Request) -> Option<bytes::Bytes> {
    match body_kind(request) {
        BodyKind::Sdp => Some(request.body().clone()),
        BodyKind::Multipart => {
            let header = request.headers.get(&ContentType::NAME)?;
            let kind = ContentType::decode(&header.value()).ok()?;
            sdp_part(request.body(), kind.param("boundary")?)
        }
        _ => None,
    }
}

/// The longest boundary (RFC 2046 §5.1.1).
const BOUNDARY_MAX: usize = 70;
/// Parts that are looked at.
const PARTS_MAX: usize = 16;

/// The first part that is a session description. A boundary stands at the beginning of a line (RFC 2046 §5.1.1).
fn sdp_part(body: &bytes::Bytes, boundary: &[u8]) -> Option<bytes::Bytes> {
    if boundary.is_empty() || boundary.len() > BOUNDARY_MAX {
        return None;
    }
    let marker = [b"--".as_slice(), boundary].concat();
    let (mut line, mut found) = (0, Vec::new());
    for text in body.split_inclusive(|&b| b == b'\n') {
        if text.starts_with(&marker) && found.len() <= PARTS_MAX {
            found.push((line, line + marker.len()));
        }
        line += text.len();
    }
    found.windows(2).find_map(|pair| {
        let part = body.get(pair[0].1..pair[1].0)?;
        let head_end = part.windows(4).position(|w| w == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(part.get(..head_end)?).to_ascii_lowercase();
        let is_sdp = head.lines().any(|l| l.starts_with("content-type:") && l.contains("application/sdp"));
        let content = part.get(head_end + 4..)?;
        let content = content.strip_suffix(b"\r\n").unwrap_or(content);
        is_sdp.then(|| body.slice_ref(content))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sipx_sip::{Limits, Message, parse_datagram};

    fn request(method: &str, uri: &str, headers: &str, body: &str) -> Request {
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:x@y>\r\n\
             Call-ID: abc\r\nCSeq: 1 {method}\r\n{headers}\r\n{body}"
        );
        match parse_datagram(text.into_bytes().into(), &Limits::datagram()).unwrap() {
            Message::Request(request) => request,
            Message::Response(_) => unreachable!(),
        }
    }

    fn code(method: &str, uri: &str, headers: &str, body: &str) -> u16 {
        check(&request(method, uri, headers, body)).err().map_or(0, |refusal| refusal.code)
    }

    #[test]
    fn each_cause_has_its_answer() {
        assert_eq!(code("INVITE", "sip:x@y", "", ""), 0);
        assert_eq!(code("INVITE", "sip:x@y", "Max-Forwards: 0\r\n", ""), 0);
        assert_eq!(code("REGISTER", "sip:x@y", "", ""), 405);
        assert_eq!(code("FROBNICATE", "sip:x@y", "", ""), 501);
        assert_eq!(code("REFER", "sip:x@y", "", ""), 603);
        assert_eq!(code("OPTIONS", "nobody:x", "", ""), 416);
        assert_eq!(code("INVITE", "sip:x@y", "Require: timer, whatever\r\n", ""), 420);
        assert_eq!(code("INVITE", "sip:x@y", "Content-Type: text/plain\r\n", "hello"), 415);
        assert_eq!(code("INVITE", "sip:x@y", "Content-Encoding: gzip\r\n", "x"), 415);
        assert_eq!(code("INVITE", "sip:x@y", "Accept: text/plain\r\n", ""), 406);
        assert_eq!(code("INVITE", "sip:x@y", "Contact: \"J\" <sip:j@x>;;;;\r\n", ""), 400);
        assert_eq!(code("INFO", "sip:x@y", "", &"x".repeat(2000)), 413);
        assert_eq!(code("INFO", "sip:x@y", "Content-Type: application/dtmf-relay\r\n", "Signal=1"), 0);
    }

    #[test]
    fn sdp_is_found_inside_a_multipart_body() {
        let body = "--b1\r\nContent-Type: application/isup\r\n\r\nxx\r\n--b1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b1--\r\n";
        let invite = request("INVITE", "sip:x@y", "Content-Type: multipart/mixed;boundary=b1\r\n", body);
        assert_eq!(check(&invite), Ok(()));
        assert_eq!(session_description(&invite).as_deref(), Some(b"v=0".as_slice()));
    }

    #[test]
    fn odd_boundaries_are_no_parts() {
        let part =
            |body: &str, boundary: &str| sdp_part(&bytes::Bytes::from(body.to_owned()), boundary.as_bytes());
        for (body, boundary) in [("-----------", "-"), ("--\r\n--", ""), ("--aa--a--aaa", "a"), ("", "x")] {
            assert_eq!(part(body, boundary), None, "{body:?}");
        }
        let long = "x".repeat(71);
        assert_eq!(part(&format!("--{long}\r\n--{long}"), &long), None);
        let inside = "--b\r\nContent-Type: application/sdp\r\n\r\nv=0 --b\r\n--b--";
        assert_eq!(part(inside, "b").as_deref(), Some(b"v=0 --b".as_slice()));
    }

    #[test]
    fn what_cannot_be_copied_is_refused_at_once() {
        assert_eq!(code("INVITE", "sip:x@y", "Record-Route: <sip:h;lr>\0\r\n", ""), 400);
    }

    proptest::proptest! {
        #[test]
        fn any_body_of_parts_is_looked_through(body: Vec<u8>, boundary in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..4)) {
            drop(sdp_part(&body.into(), &boundary));
        }
    }
}
