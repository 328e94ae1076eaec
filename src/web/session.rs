//! Who is signed in: a cookie that names a session, and what every answer to a browser carries.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Once;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::Cookie;

use super::WebState;
use super::sealed::{cookie_name, own_cookie};
use crate::access::AccessError;
use crate::domain::{UserId, Viewer};

/// What a page may load and do: what comes from here, and nothing written into it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; media-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The cookie that names a session.
const COOKIE: &str = "aftercall";

/// What a session is known by, to ask later whether it still holds.
#[derive(Clone)]
pub struct Pass(String);

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pass(..)")
    }
}

impl Pass {
    /// Whether the session still holds, and for somebody who sees the same as this viewer. Asking is no look at a page:
    /// the session gets no younger by it.
    pub async fn holds(&self, state: &WebState, viewer: &Viewer) -> bool {
        match state.access.session_holds(&self.0, state.session_rules()).await {
            Ok(now) => now.as_ref() == Some(viewer),
            Err(cause) => {
                tracing::error!(%cause, "A session could not be looked up; what it keeps open is closed");
                false
            }
        }
    }
}

/// A request of somebody who has signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// What they may see.
    pub viewer: Viewer,
    /// The name that they signed in with.
    pub name: String,
    /// Their session.
    pub pass: Pass,
}

impl FromRequestParts<WebState> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &WebState) -> Result<Self, Response> {
        let jar = CookieJar::from_headers(&parts.headers);
        if let Some(cookie) = jar.get(&cookie_name(state, COOKIE)) {
            match state.access.session(cookie.value(), state.session_rules()).await {
                Ok(Some(user)) => {
                    let pass = Pass(cookie.value().to_owned());
                    return Ok(Self { viewer: user.viewer, name: user.name, pass });
                }
                Ok(None) => {}
                Err(cause) => {
                    tracing::error!(%cause, "A session could not be looked up");
                    return Err(StatusCode::INTERNAL_SERVER_ERROR.into_response());
                }
            }
        }
        // A stream that a script opens again: it would take the page for one that tells nothing, and come back at once.
        let accepts = parts.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
        if accepts.is_some_and(|accepts| accepts.contains("text/event-stream")) {
            return Err(StatusCode::UNAUTHORIZED.into_response());
        }
        let next = parts.uri.path();
        let known = parts.method == Method::GET && next != "/" && local_path(next);
        Err(Redirect::to(&if known { format!("/sign-in?next={next}") } else { "/sign-in".into() })
            .into_response())
    }
}

/// Where a request comes from, as [`client_of`] has it; a proxy's word is taken only where the configuration says so.
#[derive(Clone, Copy, Debug)]
pub struct Source(pub IpAddr);

impl FromRequestParts<WebState> for Source {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, state: &WebState) -> Result<Self, StatusCode> {
        static TOLD: Once = Once::new();
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let header = parts.headers.get_all("x-forwarded-for").into_iter().next_back();
        let source = if state.parts.live.load().config.web.forwarded {
            header.and_then(|header| forwarded_for(header.to_str().ok()?)).or(peer)
        } else {
            if header.is_some() {
                TOLD.call_once(|| tracing::warn!("A request came with X-Forwarded-For, which [web] forwarded does not let count. If a proxy stands in front, set forwarded = true: until then all who come through it count as one address, and one of them who guesses passwords makes the others wait"));
            }
            peer
        };
        source.map(|address| Self(client_of(address))).ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// The address that the nearest proxy wrote: the last one. Some proxies write the port too.
fn forwarded_for(header: &str) -> Option<IpAddr> {
    let last = header.rsplit(',').next()?.trim();
    last.parse().ok().or_else(|| last.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// What counts as one client: an IPv4 address, or a network of IPv6 (/64), which is what one subscriber has.
#[must_use]
pub fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & (u128::MAX << 64);
            // Loopback is no network of strangers.
            IpAddr::from(if address.is_loopback() { address } else { network.into() })
        }
        address => address,
    }
}

/// Begins a session; gives its cookie.
///
/// # Errors
/// The database's.
pub async fn begin(state: &WebState, jar: CookieJar, user: UserId) -> Result<CookieJar, AccessError> {
    let secret = state.access.begin_session(user).await?;
    Ok(jar.add(cookie(state, secret)))
}

/// Ends the session of a cookie, and takes the cookie away.
///
/// # Errors
/// The database's.
pub async fn end(state: &WebState, jar: CookieJar) -> Result<CookieJar, AccessError> {
    if let Some(cookie) = jar.get(&cookie_name(state, COOKIE)) {
        state.access.end_session(cookie.value()).await?;
    }
    Ok(jar.remove(cookie(state, String::new())))
}

fn cookie(state: &WebState, secret: String) -> Cookie<'static> {
    own_cookie(state, COOKIE, secret)
}

/// Whether a text is a path on this site that one may be sent to.
#[must_use]
pub fn local_path(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-._~%@+".contains(c);
    text.starts_with('/') && !text.starts_with("//") && text.chars().all(plain)
}

/// Whether a text is a path on this site, with a query or without, that one may be sent to.
#[must_use]
pub fn local_address(text: &str) -> bool {
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    local_path(path) && query.chars().all(|c| c.is_ascii_alphanumeric() || "=&-_~%.".contains(c))
}

/// Refuses what another site makes a browser do, and puts on every answer what keeps browsers from harm.
pub async fn guard(State(state): State<WebState>, request: Request, next: Next) -> Response {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let mut response = if safe || is_own(request.headers()) {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, "This came from another site and was refused.\n").into_response()
    };
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if state.parts.live.load().config.web.is_secure() {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    response
}

/// Whether a browser says that its user did this here. All browsers of the last years say it over TLS and on localhost.
fn is_own(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin" || site == "none")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site() {
        for good in ["/", "/overview", "/agents/anna%20b"] {
            assert!(local_path(good), "{good}");
        }
        for bad in [
            "",
            "overview",
            "//evil.example",
            "https://evil.example",
            "https:",
            "/\\evil.example",
            "\\\\evil.example",
            "/a\nb",
            "/a\r\nLocation: //evil.example",
            "/a\tb",
            "/a#b",
        ] {
            assert!(!local_path(bad) && !local_address(bad), "{bad}");
        }
        assert!(!local_path("/a?b"));
        for good in ["/", "/overview?period=2026-Q4&origin=test", "/tasks?before=0193-a_b.c~d%20e", "/tasks?"]
        {
            assert!(local_address(good), "{good}");
        }
        for bad in
            ["?a", "//evil.example?a=b", "/a?b\r\nc", "/a?b c", "/a?b#c", "/a?//evil.example", "/a?\\evil"]
        {
            assert!(!local_address(bad), "{bad}");
        }
    }

    #[test]
    fn a_client_is_an_address_or_a_network() {
        let of = |text: &str| client_of(text.parse().unwrap()).to_string();
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("::1"), "::1");
        for text in ["192.0.2.7", "192.0.2.1, 192.0.2.7", "192.0.2.1,192.0.2.7:5000"] {
            assert_eq!(forwarded_for(text), "192.0.2.7".parse().ok(), "{text}");
        }
        assert_eq!(forwarded_for("a, [2001:db8::1]:443"), "2001:db8::1".parse().ok());
        assert_eq!(forwarded_for("192.0.2.7, unknown"), None, "only the nearest proxy's word counts");
    }

    #[test]
    fn only_own_requests_change_something() {
        let with = |site: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("sec-fetch-site", HeaderValue::from_static(site));
            headers
        };
        assert!(is_own(&with("same-origin")) && is_own(&with("none")));
        assert!(!is_own(&with("cross-site")) && !is_own(&with("same-site")) && !is_own(&HeaderMap::new()));
    }
}
