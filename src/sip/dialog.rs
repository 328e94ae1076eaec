//! A dialog as its callee sees it (RFC 3261 §12): tags, targets, route set and sequence numbers.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use ipnet::IpNet;
use sipx_sip::error::BuildError;
use sipx_sip::headers::{Address, CSeq, Contact, RecordRoute};
use sipx_sip::{HeaderName, Method, Request, RequestBuilder, Uri};

use super::Flow;
use super::reach::is_private;
use crate::config::Transport;
use crate::domain::DialogTrace;

/// One dialog, made from an INVITE.
pub(super) struct Dialog {
    pub call_id: Bytes,
    /// Our tag: random, so it names the dialog by itself.
    pub local_tag: String,
    pub remote_tag: Vec<u8>,
    /// `To` of the INVITE: our side in requests that we send.
    local: Bytes,
    /// `From` of the INVITE.
    remote: Bytes,
    target: Uri,
    routes: Vec<Bytes>,
    local_cseq: u32,
    pub remote_cseq: u32,
    /// How the INVITE came.
    pub flow: Flow,
    /// The address of ours that the peer knows.
    pub advertised: SocketAddr,
    behind_nat: bool,
    /// The networks of the call's trunk: requests of ours go nowhere else.
    networks: Arc<[IpNet]>,
}

impl Dialog {
    /// Reads the dialog that this INVITE begins. `None` if a part is missing that [`super::check`] asks for.
    pub(super) fn from_invite(
        request: &Request,
        flow: Flow,
        advertised: SocketAddr,
        local_tag: String,
        networks: Arc<[IpNet]>,
    ) -> Option<Self> {
        let value = |name| request.headers.value(name).map(|v| Bytes::from(v.into_owned()));
        let remote = value(&HeaderName::From)?;
        let from = Address::parse(&remote, "From").ok()?;
        let contact = request.headers.typed::<Contact>().and_then(Result::ok);
        let target = contact.map_or_else(|| from.uri.clone(), |contact| contact.0.uri);
        let routes = request.headers.typed_all::<RecordRoute>().filter_map(Result::ok);
        Some(Self {
            call_id: value(&HeaderName::CallId)?,
            local_tag,
            remote_tag: from.tag().map(<[u8]>::to_vec).unwrap_or_default(),
            local: value(&HeaderName::To)?,
            remote,
            behind_nat: behind_nat(request, &target, flow.peer.ip()),
            target,
            routes: routes.map(|r| bracketed(&r.0.uri)).collect(),
            local_cseq: 0,
            remote_cseq: request.headers.typed::<CSeq>()?.ok()?.sequence,
            flow,
            advertised,
            networks,
        })
    }

    /// Whether this in-dialog request belongs here, by Call-ID and the far end's tag.
    pub(super) fn owns(&self, request: &Request) -> bool {
        let from = request.headers.typed::<sipx_sip::headers::From>().and_then(Result::ok);
        let tag = from.as_ref().and_then(|f| f.0.tag()).unwrap_or_default();
        request.headers.value(&HeaderName::CallId).is_some_and(|id| *id == self.call_id)
            && tag == self.remote_tag
    }

    /// A target refresh (RFC 3261 §12.2.2): re-INVITE and UPDATE may move the far end's Contact.
    pub(super) fn refresh_target(&mut self, request: &Request, flow: Flow) {
        if let Some(Ok(contact)) = request.headers.typed::<Contact>() {
            self.behind_nat = behind_nat(request, &contact.0.uri, flow.peer.ip());
            self.target = contact.0.uri;
        }
        self.flow = flow;
    }

    /// The number for our next request.
    pub(super) fn next_cseq(&mut self) -> u32 {
        self.local_cseq += 1;
        self.local_cseq
    }

    /// Our Contact, and where our media and Via say we are.
    pub(super) fn contact(&self) -> String {
        match self.flow.transport {
            Transport::Udp => format!("<sip:{}>", self.advertised),
            Transport::Tcp => format!("<sip:{};transport=tcp>", self.advertised),
        }
    }

    /// Starts a request in this dialog (RFC 3261 §12.2.1.1), with everything but a body.
    ///
    /// # Errors
    /// A copied value holds a character that must not be sent on.
    pub(super) fn request(
        &self,
        method: &Method,
        cseq: u32,
        branch: &str,
    ) -> Result<RequestBuilder, BuildError> {
        let strict = self.routes.first().filter(|route| !is_loose(route)).and_then(|r| uri_of(r));
        let uri = strict.clone().unwrap_or_else(|| self.target.clone());
        let via =
            format!("SIP/2.0/{} {};branch={branch};rport", self.flow.transport.via_name(), self.advertised);
        let from = [self.local.as_ref(), b";tag=", self.local_tag.as_bytes()].concat();
        let mut builder = RequestBuilder::new(method.clone(), uri)
            .header(HeaderName::Via, via)?
            .max_forwards(70)
            .header(HeaderName::From, from)?
            .header(HeaderName::To, self.remote.clone())?
            .header(HeaderName::CallId, self.call_id.clone())?
            .cseq(cseq, method)?;
        let rest = if strict.is_some() { &self.routes[1..] } else { &self.routes[..] };
        for route in rest {
            builder = builder.header(HeaderName::Route, route.clone())?;
        }
        if strict.is_some() {
            builder = builder.header(HeaderName::Route, bracketed(&self.target))?;
        }
        Ok(builder)
    }

    /// Where a request of this dialog is sent: the first route, else the target; the address that we saw where those
    /// name a host we cannot reach (no DNS here), one behind a NAT, or one that is not the trunk's. Whoever may call
    /// may not have us connect to anybody.
    pub(super) fn next_hop(&self) -> Flow {
        let by_uri = |uri: &Uri| {
            let port = uri.port().unwrap_or(5060);
            let host = String::from_utf8(uri.host()?.to_bytes().to_vec()).ok()?;
            let ip: IpAddr = host.trim_matches(['[', ']']).parse().ok()?;
            Some(SocketAddr::new(ip, port))
        };
        let hop = match self.routes.first() {
            Some(route) => uri_of(route).as_ref().and_then(by_uri),
            None if self.behind_nat => None,
            None => by_uri(&self.target),
        };
        let of_trunk = |hop: &SocketAddr| {
            let ip = hop.ip().to_canonical();
            ip == self.flow.peer.ip().to_canonical() || self.networks.iter().any(|net| net.contains(&ip))
        };
        Flow { peer: hop.filter(of_trunk).unwrap_or(self.flow.peer), ..self.flow }
    }

    /// What is needed to end this dialog after a restart.
    pub(super) fn trace(&self) -> DialogTrace {
        let text = |bytes: &[u8]| bytes.iter().map(|&b| char::from(b)).collect::<String>();
        DialogTrace {
            transport: self.flow.transport.via_name().to_ascii_lowercase(),
            peer: self.next_hop().peer,
            call_id: text(&self.call_id),
            local_tag: self.local_tag.clone(),
            remote_tag: text(&self.remote_tag),
            target: text(&self.target.to_bytes()),
            routes: self.routes.iter().map(|r| text(r)).collect(),
            local_uri: text(&self.local),
            remote_uri: text(&self.remote),
            // A refresh may have used numbers since; the gap is allowed (RFC 3261 §12.2.1.1).
            cseq: self.local_cseq + 10_000,
        }
    }

    /// The dialog of a trace, good for one BYE.
    pub(super) fn from_trace(trace: &DialogTrace, flow: Flow, advertised: SocketAddr) -> Option<Self> {
        let bytes =
            |text: &str| text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect::<Option<Vec<u8>>>();
        Some(Self {
            call_id: bytes(&trace.call_id)?.into(),
            local_tag: trace.local_tag.clone(),
            remote_tag: bytes(&trace.remote_tag)?,
            local: bytes(&trace.local_uri)?.into(),
            remote: bytes(&trace.remote_uri)?.into(),
            target: Uri::parse(bytes(&trace.target)?.into()).ok()?,
            routes: trace.routes.iter().map(|r| bytes(r).map(Bytes::from)).collect::<Option<_>>()?,
            local_cseq: trace.cseq,
            remote_cseq: 0,
            flow,
            advertised,
            behind_nat: true,
            networks: Arc::default(),
        })
    }
}

fn bracketed(uri: &Uri) -> Bytes {
    [b"<".as_slice(), &uri.to_bytes(), b">"].concat().into()
}

fn uri_of(route: &[u8]) -> Option<Uri> {
    Address::parse(route, "Route").ok().map(|address| address.uri)
}

fn is_loose(route: &[u8]) -> bool {
    uri_of(route).is_some_and(|uri| uri.params().is_some_and(|params| params.contains("lr")))
}

/// Whether the far end's Contact is of no use from here: it names a private address although the packet came from
/// a public one, or the sender's own Via names another address than the one we saw.
fn behind_nat(request: &Request, target: &Uri, source: IpAddr) -> bool {
    let literal = |host: &sipx_sip::Host| {
        let text = String::from_utf8(host.to_bytes().to_vec()).ok()?;
        text.trim_matches(['[', ']']).parse::<IpAddr>().ok()
    };
    let source = source.to_canonical();
    let via = request.headers.typed::<sipx_sip::Via>().and_then(Result::ok);
    let sent_by = via.as_ref().and_then(|via| literal(&via.host));
    let contact = target.host().and_then(literal);
    sent_by.is_some_and(|ip| ip.to_canonical() != source)
        || contact.is_some_and(|ip| is_private(ip) && !is_private(source))
}
