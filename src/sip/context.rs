//! Headers to [`CallContext`]: whom the call is about, as each trunk's mapping says.

use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use sipx_sip::headers::{Address, HistoryInfo};
use sipx_sip::{HeaderName, Request, Uri};

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
    /// `history-info`: the user of the last entry but one, whom the call was meant for before us (RFC 7044).
    HistoryInfo,
    /// `diversion`: the user of the topmost Diversion header (RFC 5806).
    Diversion,
    /// `p-asserted-identity`: the user that the network vouches for (RFC 3325).
    PAssertedIdentity,
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
            ("from", "") => Ok(Self::From),
            ("call-id", "") => Ok(Self::CallId),
            _ => Err(format!(
                "{text:?} is none of header:NAME, uui:KEY, param:NAME, user, user:PREFIX, referred-by, history-info, \
                 diversion, p-asserted-identity, from, call-id"
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
    fn read(&self, request: &Request) -> Option<String> {
        let value = match self {
            Self::Header(name) => header_text(request, name)?,
            Self::UserToUser(key) => user_to_user(&header_text(request, "User-to-User")?, key)?,
            Self::Param(name) => text(request.uri.params()?.value(name)?),
            Self::User(prefix) => dialled(&request.uri).strip_prefix(prefix.as_str())?.to_owned(),
            Self::ReferredBy => address_user(&header_bytes(request, &HeaderName::ReferredBy)?)?,
            Self::HistoryInfo => {
                let history = HistoryInfo::from_headers(&request.headers)?.ok()?;
                let before_us = history.0.len().checked_sub(2)?;
                user_of(&history.0.get(before_us)?.target)?
            }
            Self::Diversion => {
                address_user(&header_bytes(request, &HeaderName::Other("Diversion".as_bytes().into()))?)?
            }
            Self::PAssertedIdentity => address_user(&header_bytes(request, &HeaderName::PAssertedIdentity)?)?,
            Self::From => address_user(&header_bytes(request, &HeaderName::From)?)?,
            Self::CallId => text(&header_bytes(request, &HeaderName::CallId)?),
        };
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
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
        caller: first(&map.caller, request, CallerNumber::new),
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
    sources.iter().find_map(|source| source.read(request).and_then(|value| read(&value)))
}

/// The user part of a Request-URI, decoded; for a `tel:` URI the number.
fn dialled(uri: &Uri) -> String {
    user_of(uri).unwrap_or_default()
}

fn user_of(uri: &Uri) -> Option<String> {
    match uri.tel_parts() {
        Some(tel) => Some(text(tel.subscriber())),
        None => uri.decoded_user().map(|user| text(&user)),
    }
}

fn address_user(value: &[u8]) -> Option<String> {
    let first = Address::parse_list(value, "address").ok()?.into_iter().next()?;
    user_of(&first.uri)
}

fn header_bytes(request: &Request, name: &HeaderName) -> Option<Vec<u8>> {
    request.headers.value(name).map(std::borrow::Cow::into_owned)
}

fn header_text(request: &Request, name: &str) -> Option<String> {
    let name = HeaderName::parse(&bytes::Bytes::copy_from_slice(name.as_bytes()));
    header_bytes(request, &name).map(|value| text(&value))
}

/// Text from the wire: UTF-8 where it is, else Latin-1, which older PBXs send.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&b| char::from(b)).collect(),
    }
}

/// Looks up `key` in a User-to-User value (RFC 7433 §4.1): the data is a token or quoted string, followed by
/// parameters of which `encoding=hex` says how it is written. Inside, pairs are separated by `;`, `&`, `,` or `|`.
fn user_to_user(value: &str, key: &str) -> Option<String> {
    let value = value.trim();
    let (data, parameters) = match value.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
        Some((quoted, parameters)) => (quoted, parameters),
        None => match value.split_once(";encoding=") {
            Some((data, encoding)) => (data, encoding),
            None => (value, ""),
        },
    };
    let hex = parameters.to_ascii_lowercase().contains("hex") || is_hex(data);
    let decoded = if hex { from_hex(data)? } else { data.to_owned() };
    decoded.split([';', '&', ',', '|']).find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case(key).then(|| value.trim().to_owned())
    })
}

fn is_hex(data: &str) -> bool {
    data.len() >= 2 && data.len().is_multiple_of(2) && data.bytes().all(|b| b.is_ascii_hexdigit())
}

fn from_hex(data: &str) -> Option<String> {
    let data = data.trim();
    if !is_hex(data) {
        return None;
    }
    let bytes: Option<Vec<u8>> =
        (0..data.len()).step_by(2).map(|i| u8::from_str_radix(data.get(i..i + 2)?, 16).ok()).collect();
    // Some PBXs put a protocol discriminator (one byte, not printable or 0x04) before the text.
    let bytes = bytes?;
    let start = usize::from(bytes.first().is_some_and(|&b| b < 0x20));
    Some(text(&bytes[start..]))
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
    fn user_to_user_is_read_as_text_and_as_hex() {
        let plain = read(&invite("User-to-User: \"agent=bob;queue=sales\";encoding=text\r\n"), &trunk(""));
        assert_eq!(plain.agent.unwrap().as_str(), "bob");
        assert_eq!(plain.queue.unwrap().as_str(), "sales");
        let hex: String = "\u{4}agent=eve&call=C7".bytes().map(|b| format!("{b:02x}")).collect();
        let hexed = read(&invite(&format!("User-to-User: {hex};encoding=hex\r\n")), &trunk(""));
        assert_eq!(hexed.agent.unwrap().as_str(), "eve");
        assert_eq!(hexed.call_ref.unwrap().as_str(), "C7");
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
        let history = "History-Info: <sip:300@pbx>;index=1, <sip:survey@us>;index=1.1\r\n";
        assert_eq!(by_header("history-info", history).as_deref(), Some("300"));
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
