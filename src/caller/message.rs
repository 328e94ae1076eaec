//! SIP messages of the caller, made and read with `rsip`.

use std::net::SocketAddr;

use rsip::headers::ToTypedHeader;
use rsip::headers::auth::{Algorithm, AuthQop, Qop};
use rsip::services::DigestGenerator;
use rsip::{Header, Headers, Method, Request, Response, StatusCode, Version};

use super::plan::Credentials;
use super::target::{Target, Transport};

/// The caller's side of one dialog.
#[derive(Debug)]
pub(super) struct Dialog {
    pub(super) call_id: String,
    local: SocketAddr,
    transport: Transport,
    from: String,
    to: String,
    /// What stands behind `sip:` in the request line: the target, then the far end's Contact.
    remote_target: String,
    routes: Vec<String>,
    pub(super) cseq: u32,
}

impl Dialog {
    pub(super) fn new(local: SocketAddr, target: &Target, user: &str) -> Self {
        Self {
            call_id: format!("{:032x}", rand::random::<u128>()),
            local,
            transport: target.transport,
            from: format!("<sip:{user}@{local}>;tag={:016x}", rand::random::<u64>()),
            to: format!("<sip:{}>", target.user_host),
            remote_target: target.rest.clone(),
            routes: Vec::new(),
            cseq: 0,
        }
    }

    /// A request of its own, under the next CSeq number.
    pub(super) fn request(&mut self, method: Method) -> Request {
        self.cseq += 1;
        self.request_as(method, self.cseq, &branch())
    }

    /// The CANCEL of an INVITE: its own method under the INVITE's branch and number.
    pub(super) fn cancel(&self, invite: &Request) -> Request {
        let branch =
            value(&invite.headers, "via").and_then(|via| parameter(&via, "branch")).unwrap_or_default();
        let mut request = self.request_as(Method::Cancel, self.cseq, &branch);
        request.uri = invite.uri.clone();
        request
    }

    /// The ACK of a final response to an INVITE. For a refusal it goes under the INVITE's branch, for a 2xx under one
    /// of its own (RFC 3261 §13.2.2.4, §17.1.1.3).
    pub(super) fn ack(&self, invite: &Request, response: &Response, cseq: u32) -> Request {
        if response.status_code.code() < 300 {
            return self.request_as(Method::Ack, cseq, &branch());
        }
        let branch =
            value(&invite.headers, "via").and_then(|via| parameter(&via, "branch")).unwrap_or_default();
        let mut request = self.request_as(Method::Ack, cseq, &branch);
        request.uri = invite.uri.clone();
        if let Some(to) = value(&response.headers, "to") {
            request.headers.retain(|header| !matches!(header, Header::Other(name, _) if name == "To"));
            push(&mut request.headers, "To", to);
        }
        request
    }

    /// Takes tag, Contact and route set from the response that makes the dialog.
    pub(super) fn establish(&mut self, response: &Response) {
        if let Some(to) = value(&response.headers, "to") {
            self.to = to;
        }
        self.refresh(response);
        let mut routes = values(&response.headers, "record-route");
        routes.reverse();
        self.routes = routes;
    }

    /// Takes a new Contact.
    pub(super) fn refresh(&mut self, response: &Response) {
        if let Some(contact) = value(&response.headers, "contact") {
            let inside = contact.split_once('<').map_or(contact.as_str(), |(_, rest)| rest);
            let uri = inside.split('>').next().unwrap_or(inside);
            if let Some(rest) = uri.strip_prefix("sip:") {
                self.remote_target = rest.to_owned();
            }
        }
    }

    fn request_as(&self, method: Method, cseq: u32, branch: &str) -> Request {
        let mut headers = Headers::default();
        let transport = self.transport.name();
        push(&mut headers, "Via", format!("SIP/2.0/{transport} {};rport;branch={branch}", self.local));
        push(&mut headers, "Max-Forwards", "70".into());
        for route in &self.routes {
            push(&mut headers, "Route", route.clone());
        }
        push(&mut headers, "From", self.from.clone());
        push(&mut headers, "To", self.to.clone());
        push(&mut headers, "Call-ID", self.call_id.clone());
        push(&mut headers, "CSeq", format!("{cseq} {method}"));
        push(&mut headers, "Contact", self.contact());
        push(&mut headers, "User-Agent", "aftercall-caller".into());
        Request { method, uri: uri(&self.remote_target), version: Version::V2, headers, body: Vec::new() }
    }

    fn contact(&self) -> String {
        match self.transport {
            Transport::Udp => format!("<sip:caller@{}>", self.local),
            Transport::Tcp => format!("<sip:caller@{};transport=tcp>", self.local),
        }
    }

    /// A response to a request of the far end.
    pub(super) fn respond(&self, request: &Request, status: u16) -> Response {
        let mut headers = Headers::default();
        for name in ["Via", "From", "To", "Call-ID", "CSeq", "Record-Route"] {
            for value in values(&request.headers, &name.to_ascii_lowercase()) {
                push(&mut headers, name, value);
            }
        }
        push(&mut headers, "Contact", self.contact());
        Response { status_code: StatusCode::from(status), version: Version::V2, headers, body: Vec::new() }
    }
}

/// A branch that nobody used before, behind the magic cookie.
fn branch() -> String {
    format!("z9hG4bK{:024x}", rand::random::<u128>() >> 32)
}

/// A URI whose text after `sip:` is taken as it is: `rsip` cannot write an IPv6 address with a port otherwise.
fn uri(rest: &str) -> rsip::Uri {
    rsip::Uri {
        scheme: Some(rsip::Scheme::Sip),
        host_with_port: rsip::HostWithPort { host: rsip::Host::Domain(rest.into()), port: None },
        ..rsip::Uri::default()
    }
}

/// Adds a header.
pub(super) fn push(headers: &mut Headers, name: &str, value: String) {
    headers.push(Header::Other(name.into(), value));
}

/// Adds a body with its type.
pub(super) fn attach(request_headers: &mut Headers, body: &mut Vec<u8>, kind: &str, text: String) {
    push(request_headers, "Content-Type", kind.into());
    *body = text.into_bytes();
}

/// The bytes of a message, with its Content-Length.
pub(super) fn bytes(start_and_headers: &str, body: &[u8]) -> Vec<u8> {
    let head = start_and_headers.trim_end_matches("\r\n");
    let mut bytes = format!("{head}\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

pub(super) fn request_bytes(request: &Request) -> Vec<u8> {
    let Request { method, uri, version, headers, body } = request;
    bytes(&format!("{method} {uri} {version}\r\n{headers}"), body)
}

pub(super) fn response_bytes(response: &Response) -> Vec<u8> {
    let Response { status_code, version, headers, body } = response;
    bytes(&format!("{version} {status_code}\r\n{headers}"), body)
}

/// All values of a header, by its lower-case name, in order.
pub(super) fn values(headers: &Headers, name: &str) -> Vec<String> {
    headers
        .iter()
        .filter_map(|header| {
            let text = header.to_string();
            let (found, value) = text.split_once(':')?;
            found.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
        .collect()
}

/// The first value of a header, by its lower-case name.
pub(super) fn value(headers: &Headers, name: &str) -> Option<String> {
    values(headers, name).into_iter().next()
}

/// A parameter of a header value.
pub(super) fn parameter(value: &str, name: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|parameter| {
        let (found, value) = parameter.split_once('=')?;
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// Number and method of CSeq.
pub(super) fn cseq(headers: &Headers) -> Option<(u32, String)> {
    let value = value(headers, "cseq")?;
    let (number, method) = value.split_once(' ')?;
    Some((number.trim().parse().ok()?, method.trim().to_owned()))
}

/// The header that answers a challenge (401 or 407), and its name.
pub(super) fn authorize(
    request: &Request,
    challenge: &Response,
    credentials: &Credentials,
) -> Option<(String, String)> {
    let (name, challenged) = match challenge.status_code.code() {
        401 => ("Authorization", value(&challenge.headers, "www-authenticate")?),
        407 => ("Proxy-Authorization", value(&challenge.headers, "proxy-authenticate")?),
        _ => return None,
    };
    // `rsip` spells the hash in its own way, both when it reads and when it writes.
    let named = challenged.replace("SHA-256", "SHA256");
    let typed = rsip::headers::WwwAuthenticate::from(named).typed().ok()?;
    let algorithm = typed.algorithm.unwrap_or(Algorithm::Md5);
    let spelled = if algorithm == Algorithm::Sha256 { "SHA-256".to_owned() } else { algorithm.to_string() };
    let cnonce = format!("{:016x}", rand::random::<u64>());
    let qop = matches!(typed.qop, Some(Qop::Auth)).then(|| AuthQop::Auth { cnonce: cnonce.clone(), nc: 1 });
    let response = DigestGenerator {
        username: &credentials.user,
        password: &credentials.password,
        nonce: &typed.nonce,
        uri: &request.uri,
        realm: &typed.realm,
        method: &request.method,
        qop: qop.as_ref(),
        algorithm,
    }
    .compute();
    let mut text = format!(
        "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{}\", response=\"{response}\", algorithm={spelled}",
        credentials.user, typed.realm, typed.nonce, request.uri,
    );
    if qop.is_some() {
        text.push_str(&format!(", qop=auth, nc=00000001, cnonce=\"{cnonce}\""));
    }
    if let Some(opaque) = &typed.opaque {
        text.push_str(&format!(", opaque=\"{opaque}\""));
    }
    Some((name.to_owned(), text))
}
