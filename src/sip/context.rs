//! Headers to [`CallContext`]: whom the call is about, as each trunk's mapping says.

use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use sipx_sip::headers::Address;
use sipx_sip::{HeaderName, Request, Uri};

use super::uui;
use crate::config::TrunkConfig;
use crate::domain::{CallContext, CallerNumber, Party, Trigger};

/// One place in an INVITE where a value may stand.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum SourceExpr {
    /// `header:NAME`: the whole value of a header.
    Header(String),
    /// `uui:KEY`: a `key=value` pair inside `User-to-User` (RFC 7433), which may be hexadecimal or text.
    UserToUser(String),
    /// `param:NAME`: a parameter of the Request-URI.
    Param(String),
    /// `user`: the user part of the Request-URI; `user:PREFIX` what follows that prefix.
    User(String),
    /// `referred-by`: the user that transferred the call (RFC 3892).
    ReferredBy,
    /// `history-info`: the user whom the call was meant for before us (RFC 7044).
    HistoryInfo,
    /// `diversion`: the user of the topmost Diversion header (RFC 5806).
    Diversion,
    /// `p-asserted-identity`: the user that the network vouches for (RFC 3325).
    PAssertedIdentity,
    /// `remote-party-id`: the calling party by Remote-Party-ID, which came before RFC 3325.
    RemotePartyId,
    /// `from`: the user in From.
    From,
    /// `call-id`: the SIP Call-ID.
    CallId,
}

impl FromStr for SourceExpr {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, argument) = text.split_once(':').unwrap_or((text, ""));
        let named = |make: fn(String) -> Self| match argument {
            "" => Err(format!("{text:?} wants a name after the colon")),
            name => Ok(make(name.to_owned())),
        };
        match (kind, argument) {
            ("header", _) => named(Self::Header),
            ("uui", _) => named(Self::UserToUser),
            ("param", _) => named(Self::Param),
            ("user", prefix) => Ok(Self::User(prefix.to_owned())),
            ("referred-by", "") => Ok(Self::ReferredBy),
            ("history-info", "") => Ok(Self::HistoryInfo),
            ("diversion", "") => Ok(Self::Diversion),
            ("p-asserted-identity", "") => Ok(Self::PAssertedIdentity),
            ("remote-party-id", "") => Ok(Self::RemotePartyId),
            ("from", "") => Ok(Self::From),
            ("call-id", "") => Ok(Self::CallId),
            _ => Err(format!(
                "{text:?} is none of header:NAME, uui:KEY, param:NAME, user, user:PREFIX, referred-by, history-info, \
                 diversion, p-asserted-identity, remote-party-id, from, call-id"
            )),
        }
    }
}

impl TryFrom<String> for SourceExpr {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl SourceExpr {
    /// What stands there: one value as a rule; several where several identities are asserted.
    fn read(&self, request: &Request) -> Vec<String> {
        let one = |value: Option<String>| value.into_iter().collect();
        let values: Vec<String> = match self {
            Self::Header(name) => one(header_text(request, name)),
            Self::UserToUser(key) => one(user_to_user(request, key)),
            Self::Param(name) => one(request.uri.params().and_then(|params| params.value(name)).map(text)),
            Self::User(prefix) => one(dialled(&request.uri).strip_prefix(prefix.as_str()).map(str::to_owned)),
            Self::ReferredBy => users(request, &HeaderName::ReferredBy),
            Self::HistoryInfo => one(meant_before_us(request)),
            Self::Diversion => one(users(request, &named("Diversion")).into_iter().next()),
            Self::PAssertedIdentity => users(request, &HeaderName::PAssertedIdentity),
            Self::RemotePartyId => calling_parties(request),
            Self::From => users(request, &HeaderName::From),
            Self::CallId => one(header_bytes(request, &HeaderName::CallId).map(|value| text(&value))),
        };
        values.into_iter().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()).collect()
    }
}

/// Reads the context of an INVITE. A value that its type refuses (an agent's name of 200 characters) is as good as
/// none, and the next source is tried.
#[must_use]
pub(super) fn read(request: &Request, trunk: &TrunkConfig) -> CallContext {
    let map = &trunk.context;
    let dialled = dialled(&request.uri);
    let asked = first(&map.trigger, request, |text| text.eq_ignore_ascii_case("agent").then_some(()));
    let trigger = match (trunk.test, asked.is_some() || trunk.agent_users.contains(&dialled)) {
        (true, _) => Trigger::Test,
        (false, true) => Trigger::Agent,
        (false, false) => Trigger::Hangup,
    };
    CallContext {
        survey: first(&map.survey, request, |t| t.parse().ok())
            .or_else(|| trunk.surveys.get(&dialled).cloned()),
        agent: first(&map.agent, request, |t| t.parse().ok()),
        queue: first(&map.queue, request, |t| t.parse().ok()),
        call_ref: first(&map.call_ref, request, |t| t.parse().ok()),
        caller: caller(trunk, request),
        language: first(&map.language, request, |t| t.to_ascii_lowercase().parse().ok()),
        language_otherwise: trunk.language.clone(),
        reservation: first(&map.reservation, request, |t| t.parse().ok()),
        talk: first(&map.talk_seconds, request, |t| t.parse::<u32>().ok())
            .map(|seconds| Duration::from_secs(seconds.into())),
        first_hang_up: first(&map.first_hang_up, request, |t| match t.to_ascii_lowercase().as_str() {
            "agent" => Some(Party::Agent),
            "caller" | "customer" => Some(Party::Caller),
            _ => None,
        }),
        mystery_token: first(&map.mystery, request, |t| (t.len() <= 128).then(|| t.to_owned())),
        trigger,
        dialled,
    }
}

fn first<T>(sources: &[SourceExpr], request: &Request, read: impl Fn(&str) -> Option<T>) -> Option<T> {
    sources.iter().find_map(|source| source.read(request).iter().find_map(|value| read(value)))
}

/// Who calls: of several identities in one place the first that is a telephone number, else the first (RFC 3325 §9.1
/// allows a `sip:` and a `tel:` one together).
fn caller(trunk: &TrunkConfig, request: &Request) -> Option<CallerNumber> {
    let numbering = trunk.numbering();
    trunk.context.caller.iter().find_map(|source| {
        let values = source.read(request);
        let mut callers: Vec<CallerNumber> =
            values.iter().filter_map(|value| CallerNumber::dialled(value, &numbering)).collect();
        let best = callers.iter().position(CallerNumber::is_number).unwrap_or(0);
        (best < callers.len()).then(|| callers.swap_remove(best))
    })
}

/// The user part of a Request-URI, decoded; for a `tel:` URI the number.
fn dialled(uri: &Uri) -> String {
    user_of(uri).unwrap_or_default()
}

/// The user, or the number, that a URI names. Parameters inside the user part (`;verstat=`, `;npdi`, `;rn=`, RFC 3261
/// §19.1.6) are no part of it; a number that is local to a context by its prefix (`;phone-context=+31`, RFC 3966
/// §5.1.5) is joined to it.
fn user_of(uri: &Uri) -> Option<String> {
    let (user, parameters) = match uri.tel_parts() {
        Some(tel) => (tel.subscriber(), tel.parameters().unwrap_or_default()),
        None => {
            let user = uri.user()?;
            let end = user.iter().position(|&b| b == b';').unwrap_or(user.len());
            user.split_at(end)
        }
    };
    let user = text(&percent_encoding::percent_decode(user).collect::<Vec<u8>>());
    let user = subscriber(&user).to_owned();
    let parameters = text(parameters);
    let context = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let prefix = name.trim().eq_ignore_ascii_case("phone-context") && value.starts_with('+');
        prefix.then(|| value.trim().to_owned())
    });
    match context {
        Some(prefix) if !user.starts_with('+') => Some(prefix + &user),
        _ => Some(user),
    }
}

/// A number without what carriers append to it in another spelling: escaped parameters, or a host of their own. A name
/// stays as it is.
fn subscriber(user: &str) -> &str {
    let number = user.split([';', '@']).next().unwrap_or_default();
    let is_number = number.bytes().any(|b| b.is_ascii_digit())
        && number.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | ' ' | '-' | '.' | '(' | ')'));
    if is_number { number } else { user }
}

/// The users of all addresses in all rows of a header. A row that cannot be read is passed over.
fn users(request: &Request, name: &HeaderName) -> Vec<String> {
    addresses(request, name).iter().filter_map(|address| user_of(&address.uri)).collect()
}

fn addresses(request: &Request, name: &HeaderName) -> Vec<Address> {
    let rows = request.headers.get_all(name);
    rows.filter_map(|row| Address::parse_list(&row.value(), "address").ok()).flatten().collect()
}

/// Remote-Party-ID, of a draft that many PBXs still speak: the entries that do not say that they are the called party.
fn calling_parties(request: &Request) -> Vec<String> {
    let calling =
        |address: &Address| address.param("party").is_none_or(|party| party.eq_ignore_ascii_case(b"calling"));
    let parties = addresses(request, &named("Remote-Party-ID"));
    parties.iter().filter(|address| calling(address)).filter_map(|address| user_of(&address.uri)).collect()
}

/// Whom the call was meant for before us: the last entry of History-Info by index (RFC 7044 §10.2) that is not us.
/// Networks that change the target without an entry of their own leave ours out.
fn meant_before_us(request: &Request) -> Option<String> {
    let mut entries = addresses(request, &HeaderName::HistoryInfo);
    entries.sort_by_key(|entry| {
        let index = text(entry.param("index").unwrap_or_default());
        index.split('.').map(|number| number.trim().parse().unwrap_or(0)).collect::<Vec<u32>>()
    });
    let us = dialled(&request.uri);
    entries.iter().rev().filter_map(|entry| user_of(&entry.uri)).find(|user| *user != us)
}

fn named(name: &'static str) -> HeaderName {
    HeaderName::parse(&bytes::Bytes::from_static(name.as_bytes()))
}

/// A key of User-to-User, in any of its rows and values.
fn user_to_user(request: &Request, key: &str) -> Option<String> {
    let rows: Vec<String> = uui::NAMES
        .iter()
        .flat_map(|header| {
            let header = named(header);
            request.headers.get_all(&header).map(|row| text(&row.value())).collect::<Vec<_>>()
        })
        .collect();
    uui::look_up(rows.iter().map(String::as_str), key)
}

fn header_bytes(request: &Request, name: &HeaderName) -> Option<Vec<u8>> {
    request.headers.value(name).map(std::borrow::Cow::into_owned)
}

fn header_text(request: &Request, name: &str) -> Option<String> {
    let name = HeaderName::parse(&bytes::Bytes::copy_from_slice(name.as_bytes()));
    header_bytes(request, &name).map(|value| text(&value))
}

/// Text from the wire: UTF-8 where it is, else Latin-1, which older PBXs send.
pub(super) fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&b| char::from(b)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sipx_sip::{Limits, Message, parse_datagram};

    fn invite(headers: &str) -> Request {
        let text = format!(
            "INVITE sip:survey-sales@10.0.0.1;agent=param-anna SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\
             From: <sip:+3120555@pbx>;tag=1\r\nTo: <sip:x@y>\r\nCall-ID: abc@h\r\nCSeq: 1 INVITE\r\n{headers}\r\n"
        );
        match parse_datagram(text.into_bytes().into(), &Limits::datagram()).unwrap() {
            Message::Request(request) => request,
            Message::Response(_) => unreachable!(),
        }
    }

    fn trunk(toml: &str) -> TrunkConfig {
        toml::from_str(&format!("name = \"t\"\nsources = [\"127.0.0.0/8\"]\n{toml}")).unwrap()
    }

    #[test]
    fn x_headers_win_over_the_request_uri() {
        let context =
            read(&invite("X-Agent-Id: anna\r\nX-Talk-Seconds: 93\r\nX-Hangup-By: Agent\r\n"), &trunk(""));
        assert_eq!(context.agent.unwrap().as_str(), "anna");
        assert_eq!(context.talk, Some(Duration::from_secs(93)));
        assert_eq!(context.first_hang_up, Some(Party::Agent));
        assert_eq!(context.caller.unwrap().expose(), "+3120555");
        assert_eq!(context.call_ref.unwrap().as_str(), "abc@h");
        assert_eq!(read(&invite(""), &trunk("")).agent.unwrap().as_str(), "param-anna");
    }

    #[test]
    fn user_to_user_is_read_in_every_row() {
        let rows = "User-to-User: 00FA;encoding=hex\r\nX-User-to-User: \"agent=bob;queue=sales\"\r\n";
        let context = read(&invite(rows), &trunk(""));
        assert_eq!(context.agent.unwrap().as_str(), "bob");
        assert_eq!(context.queue.unwrap().as_str(), "sales");
    }

    fn caller_of(headers: &str, trunk: &TrunkConfig) -> Option<String> {
        read(&invite(headers), trunk).caller.map(|caller| caller.expose().to_owned())
    }

    #[test]
    fn one_caller_however_the_network_writes_them() {
        let dutch = trunk("country = \"NL\"");
        for identity in [
            "P-Asserted-Identity: <sip:+31201234567;verstat=TN-Validation-Passed@c;user=phone>",
            "P-Asserted-Identity: <sip:+31201234567;rn=+31299000000;npdi@c>",
            "P-Asserted-Identity: <sip:0201234567;phone-context=+31@c;user=phone>",
            "P-Asserted-Identity: <tel:020-123-4567;phone-context=+31>",
            "P-Asserted-Identity: <tel:+31-20-123-4567;cpc=ordinary>",
            "P-Asserted-Identity: <sip:+31201234567%3Bverstat=TN@c>",
            "P-Asserted-Identity: <sip:+31201234567%40carrier@c>",
            "P-Asserted-Identity: <sip:ann.b@c>, <tel:+31201234567>",
            "P-Asserted-Identity: <sip:ann.b@c>\r\nP-Asserted-Identity: <tel:+31201234567>",
            "Remote-Party-ID: <sip:0201234567@c>;party=calling;privacy=off;screen=yes",
            "P-Asserted-Identity: <sip:anonymous@anonymous.invalid>\r\nRemote-Party-ID: <sip:0031201234567@c>",
        ] {
            let caller = caller_of(&format!("{identity}\r\n"), &dutch);
            assert_eq!(caller.as_deref(), Some("+31201234567"), "{identity}");
        }
        let called = "Remote-Party-ID: <sip:0201234567@c>;party=called\r\n";
        assert_eq!(
            caller_of(called, &dutch).as_deref(),
            Some("+3120555"),
            "the called party is not who calls"
        );
        let named = "P-Asserted-Identity: <sip:ann.b@c>\r\n";
        assert_eq!(caller_of(named, &dutch).as_deref(), Some("ann.b"), "a name where there is no number");
    }

    #[test]
    fn the_dialled_user_chooses_the_survey_and_the_trigger() {
        let mapped = trunk("agent_users = [\"survey-sales\"]\nsurveys = { survey-sales = \"short\" }");
        let context = read(&invite(""), &mapped);
        assert_eq!(context.trigger, Trigger::Agent);
        assert_eq!(context.survey.unwrap().as_str(), "short");
    }

    #[test]
    fn transfer_headers_can_name_the_agent() {
        let by_header = |source: &str, header: &str| {
            let map = trunk(&format!("context = {{ agent = [\"{source}\"] }}"));
            read(&invite(header), &map).agent.map(String::from)
        };
        assert_eq!(by_header("referred-by", "Referred-By: <sip:anna@pbx>\r\n").as_deref(), Some("anna"));
        assert_eq!(
            by_header("diversion", "Diversion: \"A\" <sip:201@pbx>;reason=unknown\r\n").as_deref(),
            Some("201")
        );
        let history = "History-Info: <sip:300@pbx>;index=1, <sip:survey-sales@us>;index=1.1\r\n";
        assert_eq!(by_header("history-info", history).as_deref(), Some("300"));
        let out_of_order =
            "History-Info: <sip:survey-sales@us>;index=1.1\r\nHistory-Info: <sip:307@pbx>;index=1\r\n";
        assert_eq!(by_header("history-info", out_of_order).as_deref(), Some("307"));
        assert_eq!(
            by_header("history-info", "History-Info: <sip:306@pbx>;index=1\r\n").as_deref(),
            Some("306")
        );
        assert_eq!(by_header("user:survey-", "").as_deref(), Some("sales"));
    }

    #[test]
    fn latin_1_names_pass() {
        let mut request = invite("");
        let value = bytes::Bytes::from_static(b"M\xfcller");
        let name = HeaderName::Other(bytes::Bytes::from_static(b"X-Agent-Id"));
        request.headers.push(sipx_sip::Header::build(name, value).unwrap());
        assert_eq!(read(&request, &trunk("")).agent.unwrap().as_str(), "Müller");
    }

    #[test]
    fn an_unknown_source_is_refused_by_name() {
        let error = "headers:X".parse::<SourceExpr>().unwrap_err();
        assert!(error.contains("none of header:NAME"), "{error}");
    }
}
