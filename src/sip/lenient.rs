//! Strict in what is used, lenient in what is not: descriptions and address headers, cut down to what this service
//! reads, before a strict parser sees them.

use std::borrow::Cow;

/// Attributes that are read; everything else of an `a=` line is for somebody else.
const ATTRIBUTES: [&str; 8] =
    ["rtpmap", "ptime", "maxptime", "rtcp", "sendrecv", "sendonly", "recvonly", "inactive"];

/// A session description (RFC 8866) with what offer and answer use, in the standard's order: media lines, connections,
/// and the attributes of audio. Origin, session name, times, bandwidths and keys are never used, so whatever stands
/// there breaks nothing; they are written as constants. `None` for what is no description at all.
pub(super) fn description(body: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    // Whatever the version: there is one, and lines that another one would add are not read.
    if !text.starts_with("v=") {
        return None;
    }
    let mut session = String::from("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\n");
    let (mut attributes, mut media) = (String::new(), String::new());
    let mut section = Section::Session;
    for line in text.split(['\n', '\r']).map(str::trim_end).filter(|line| !line.is_empty()) {
        let Some((kind, value)) = line.split_once('=') else { continue };
        match (kind.trim(), section) {
            ("m", _) => {
                let value = value.trim_start();
                let audio = value.get(..5).is_some_and(|name| name.eq_ignore_ascii_case("audio"));
                section = if audio { Section::Audio } else { Section::Other };
                media.push_str(&format!("m={value}\r\n"));
            }
            ("c", Section::Session) => session.push_str(&format!("c={}\r\n", value.trim())),
            ("c", Section::Audio) => media.push_str(&format!("c={}\r\n", value.trim())),
            ("a", Section::Session) if is_read(value) => attributes.push_str(&format!("a={value}\r\n")),
            ("a", Section::Audio) if is_read(value) => media.push_str(&format!("a={value}\r\n")),
            _ => {}
        }
    }
    session.push_str("t=0 0\r\n");
    Some([session, attributes, media].concat().into_bytes())
}

#[derive(Clone, Copy)]
enum Section {
    Session,
    Audio,
    Other,
}

fn is_read(attribute: &str) -> bool {
    let name = attribute.split(':').next().unwrap_or_default().trim();
    ATTRIBUTES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Headers that hold one address.
const ONE_ADDRESS: [&[u8]; 4] = [b"from", b"f", b"to", b"t"];
/// Headers that hold addresses and of which only the addresses count.
const ADDRESSES: [&[u8]; 8] = [
    b"contact",
    b"m",
    b"p-asserted-identity",
    b"p-preferred-identity",
    b"remote-party-id",
    b"diversion",
    b"referred-by",
    b"b",
];

/// A message whose display names and user parts a strict parser may refuse, mended: names that are neither tokens nor
/// quoted strings go, raw characters of a user part are escaped, and a Request-URI loses its headers and its empty
/// parameters. Tags, hosts and everything else stay as they are, so a message that is wrong in them stays wrong.
pub(super) fn message(message: &[u8]) -> Cow<'_, [u8]> {
    let head_end = message.windows(4).position(|w| w == b"\r\n\r\n").map_or(message.len(), |at| at + 2);
    let (head, rest) = message.split_at(head_end);
    // A line end that is none, or a NUL, is nothing to be mended: what was one header would become two.
    let lone = |(i, b): (usize, &u8)| match b {
        0 => true,
        b'\n' => i == 0 || head[i - 1] != b'\r',
        b'\r' => head.get(i + 1) != Some(&b'\n'),
        _ => false,
    };
    if head.iter().enumerate().any(lone) {
        return Cow::Borrowed(message);
    }
    let mut out = Vec::with_capacity(message.len());
    let mut lines = head.split_inclusive(|&b| b == b'\n');
    if let Some(first) = lines.next() {
        out.extend_from_slice(&request_line(first));
    }
    for line in unfolded(lines) {
        out.extend_from_slice(&header(&line));
    }
    out.extend_from_slice(rest);
    if out == message { Cow::Borrowed(message) } else { Cow::Owned(out) }
}

/// Header lines with their continuations (RFC 3261 §7.3.1) joined.
fn unfolded<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let mut whole: Vec<Vec<u8>> = Vec::new();
    for line in lines {
        match whole.last_mut() {
            Some(before) if matches!(line.first(), Some(b' ' | b'\t')) => {
                before.truncate(before.trim_ascii_end().len());
                before.push(b' ');
                before.extend_from_slice(line.trim_ascii_start());
            }
            _ => whole.push(line.to_vec()),
        }
    }
    whole
}

/// A URI as [`message`] makes it of the one in a request line.
pub(super) fn uri(uri: &[u8]) -> Vec<u8> {
    let bare = uri.split(|&b| b == b'?').next().unwrap_or_default();
    tidy_parameters(&escaped_uri(if has_host(uri, bare) { bare } else { uri }))
}

fn request_line(line: &[u8]) -> Vec<u8> {
    let text = line.trim_ascii_end();
    let (Some(start), Some(end)) =
        (text.iter().position(|&b| b == b' '), text.iter().rposition(|&b| b == b' '))
    else {
        return line.to_vec();
    };
    let uri = text.get(start + 1..end).unwrap_or_default();
    // A blank inside, brackets around it or no scheme at all: that is no URI (RFC 4475 §3.1.2.5 and on).
    if uri.iter().any(|b| matches!(b, b' ' | b'\t' | b'<' | b'>' | b'"')) {
        return line.to_vec();
    }
    [&text[..=start], &self::uri(uri), &text[end..], b"\r\n"].concat()
}

/// Whether the part before a `?` holds the host, so that the `?` begins headers and does not stand in the user part.
fn has_host(uri: &[u8], bare: &[u8]) -> bool {
    bare.contains(&b'@') || !uri.contains(&b'@')
}

/// Parameters of a URI without empty ones.
fn tidy_parameters(uri: &[u8]) -> Vec<u8> {
    let host = uri.iter().rposition(|&b| b == b'@').map_or(0, |at| at + 1);
    let (user, rest) = uri.split_at(host);
    let kept: Vec<&[u8]> = rest
        .split(|&b| b == b';')
        .enumerate()
        .filter(|(i, p)| *i == 0 || !p.is_empty())
        .map(|(_, p)| p)
        .collect();
    [user, &kept.join(&b';')].concat()
}

fn header(line: &[u8]) -> Vec<u8> {
    let Some(colon) = line.iter().position(|&b| b == b':') else { return line.to_vec() };
    let name = line[..colon].trim_ascii().to_ascii_lowercase();
    let value = line[colon + 1..].trim_ascii();
    let one = ONE_ADDRESS.contains(&name.as_slice());
    if !one && !ADDRESSES.contains(&name.as_slice()) {
        return line.to_vec();
    }
    let mended: Vec<Vec<u8>> =
        if one { vec![address(value)] } else { split_addresses(value).into_iter().map(address).collect() };
    [&line[..colon], b": ", &mended.join(b", ".as_slice()), b"\r\n"].concat()
}

/// One `name-addr` or `addr-spec` with its parameters. The address is what stands in the last pair of brackets before
/// the parameters; a name that is not well formed goes.
fn address(value: &[u8]) -> Vec<u8> {
    let value = value.trim_ascii();
    let Some(open) = bracket(value) else {
        let end = value.iter().position(|&b| b == b';').unwrap_or(value.len());
        return [&escaped_uri(&value[..end]), &value[end..]].concat();
    };
    let Some(length) = value[open..].iter().position(|&b| b == b'>') else { return value.to_vec() };
    let (name, uri, rest) =
        (value[..open].trim_ascii(), &value[open + 1..open + length], &value[open + length + 1..]);
    // A quote that is never closed may hide where the address begins (RFC 4475 §3.1.2.6).
    if name.iter().filter(|b| **b == b'"').count() % 2 == 1 && !is_display_name(name) {
        return value.to_vec();
    }
    let mut out = Vec::with_capacity(value.len());
    if !name.is_empty() && is_display_name(name) {
        out.extend_from_slice(name);
        out.push(b' ');
    }
    out.push(b'<');
    out.extend_from_slice(&escaped_uri(uri));
    out.push(b'>');
    out.extend_from_slice(rest.trim_ascii_start());
    out
}

/// The longest scheme that is looked for.
const SCHEME_MAX: usize = 16;

/// Where the address begins: the first `<` after a well-formed quoted name, else the first one that begins a URI.
fn bracket(value: &[u8]) -> Option<usize> {
    let start = quoted_end(value).unwrap_or(0);
    let opens =
        |from: usize| value.iter().enumerate().skip(from).filter(|(_, b)| **b == b'<').map(|(i, _)| i);
    let is_uri = |&at: &usize| {
        let scheme =
            value[at + 1..].iter().take(SCHEME_MAX).take_while(|b| b.is_ascii_alphanumeric()).count();
        scheme > 0 && value.get(at + 1 + scheme) == Some(&b':')
    };
    opens(start).find(is_uri).or_else(|| opens(0).find(is_uri)).or_else(|| opens(start).next())
}

/// The end of a quoted string at the beginning of `value`.
fn quoted_end(value: &[u8]) -> Option<usize> {
    value.strip_prefix(b"\"")?;
    let mut escaped = false;
    for (i, &b) in value.iter().enumerate().skip(1) {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(i + 1),
            _ => {}
        }
    }
    None
}

/// Whether a name is a quoted string or tokens with blanks between (RFC 3261 §25.1).
fn is_display_name(name: &[u8]) -> bool {
    let token = |b: &u8| b.is_ascii_alphanumeric() || b"-.!%*_+`'~ \t".contains(b);
    match quoted_end(name) {
        Some(end) => end == name.len() && std::str::from_utf8(name).is_ok(),
        None => name.iter().all(token),
    }
}

/// The addresses of a list: commas separate them, outside of quotes and brackets.
fn split_addresses(value: &[u8]) -> Vec<&[u8]> {
    let (mut parts, mut start, mut at) = (Vec::new(), 0, 0);
    let (mut quoted, mut bracketed) = (false, false);
    while at < value.len() {
        match value[at] {
            b'\\' if quoted => at += 1,
            b'"' if !bracketed => quoted = !quoted,
            b'<' if !quoted => bracketed = true,
            b'>' if !quoted => bracketed = false,
            b',' if !quoted && !bracketed => {
                parts.push(&value[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    parts.push(&value[start..]);
    parts
}

/// A URI whose user part holds nothing raw that has to be escaped (RFC 3261 §25.1: `user-unreserved`, `password`).
fn escaped_uri(uri: &[u8]) -> Vec<u8> {
    let Some(colon) = uri.iter().position(|&b| b == b':') else { return uri.to_vec() };
    let scheme = uri[..colon].to_ascii_lowercase();
    if scheme != b"sip" && scheme != b"sips" {
        return uri.to_vec();
    }
    let Some(at) = uri.iter().rposition(|&b| b == b'@').filter(|&at| at > colon) else { return uri.to_vec() };
    let mut out = uri[..=colon].to_vec();
    let user = &uri[colon + 1..at];
    for (i, &b) in user.iter().enumerate() {
        let escape =
            b == b'%' && user.get(i + 1..i + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        if b.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/:".contains(&b) || escape {
            out.push(b);
        } else {
            out.extend_from_slice(format!("%{b:02X}").as_bytes());
        }
    }
    out.extend_from_slice(&uri[at..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mended(header: &str) -> String {
        let whole = format!("INVITE sip:a@b SIP/2.0\r\n{header}\r\n\r\n");
        let text = String::from_utf8_lossy(&message(whole.as_bytes())).into_owned();
        text.lines().nth(1).unwrap_or_default().to_owned()
    }

    #[test]
    fn a_display_name_that_is_none_goes_and_the_address_stays() {
        assert_eq!(mended("From: Jürgen <sip:1@h>;tag=a"), "From: <sip:1@h>;tag=a");
        assert_eq!(mended("From: Ann (mobile) <sip:1@h>;tag=a"), "From: <sip:1@h>;tag=a");
        assert_eq!(mended("f: ann@home <sip:1@h>;tag=a"), "f: <sip:1@h>;tag=a");
        assert_eq!(mended("To: \"\"unknown\"\" <sip:1@h>"), "To: <sip:1@h>");
        assert_eq!(mended("To: \"<odd> \" <sip:1@h>"), "To: \"<odd> \" <sip:1@h>");
        assert_eq!(mended("To: \"Mr. J. User <sip:1@h>"), "To: \"Mr. J. User <sip:1@h>", "never closed");
        assert_eq!(mended("From: Dr. Who <sip:1@h>;tag=a"), "From: Dr. Who <sip:1@h>;tag=a");
        assert_eq!(mended("From: sip:1@h;tag=a"), "From: sip:1@h;tag=a");
        assert_eq!(
            mended("P-Asserted-Identity: J\u{fc} <sip:a@h>, \"x, y\" <tel:+31>"),
            "P-Asserted-Identity: <sip:a@h>, \"x, y\" <tel:+31>"
        );
    }

    #[test]
    fn a_header_does_not_become_two() {
        for odd in [
            "Contact: J\u{fc} <sip:a@h>\nX-Agent-Id: evil",
            "From: J\u{fc} <sip:a@h>\r;tag=1",
            "To: \u{fc} <sip:a\0@h>",
        ] {
            assert_eq!(mended(odd), odd.lines().next().unwrap(), "{odd:?}");
        }
        let slow = format!("INVITE sip:a@b SIP/2.0\r\nFrom: {}\r\n\r\n", "<".repeat(60_000));
        assert_eq!(message(slow.as_bytes()).len(), slow.len());
    }

    #[test]
    fn raw_characters_of_a_user_part_are_escaped() {
        assert_eq!(mended("To: <sip:*31#20@h>"), "To: <sip:*31%2320@h>");
        assert_eq!(mended("To: <sip:a b%zz@h;x=1>"), "To: <sip:a%20b%25zz@h;x=1>");
        assert_eq!(mended("To: <sip:a%23;npdi@h>"), "To: <sip:a%23;npdi@h>");
    }

    #[test]
    fn a_request_uri_loses_what_a_request_must_not_carry() {
        let first = |line: &str| {
            let text = message(format!("{line}\r\n\r\n").as_bytes()).into_owned();
            String::from_utf8(text).unwrap().lines().next().unwrap().to_owned()
        };
        assert_eq!(first("INVITE sip:a@b?Route=%3Cx%3E SIP/2.0"), "INVITE sip:a@b SIP/2.0");
        assert_eq!(first("INVITE sip:a@b;;x=1; SIP/2.0"), "INVITE sip:a@b;x=1 SIP/2.0");
        assert_eq!(first("INVITE sip:a?b#@c SIP/2.0"), "INVITE sip:a?b%23@c SIP/2.0");
        assert_eq!(first("INVITE <sip:a@b> SIP/2.0"), "INVITE <sip:a@b> SIP/2.0");
    }

    #[test]
    fn a_description_keeps_what_is_used() {
        let odd = "v=0\r\no=Mitel 3300 ICP 99999999999999999999999 1 IN IP4 x\r\ns=\u{e9}\r\nb=?\r\nc=IN IP4 10.0.0.1\r\n\
                   t=now\r\nk=clear:x\r\na=sendonly\r\nm=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=x y z\r\n\
                   m=video 5 RTP/AVP 31\r\nc=?\r\na=rtpmap:31 H261/90000\r\n";
        let kept = String::from_utf8(description(odd.as_bytes()).unwrap()).unwrap();
        assert_eq!(
            kept,
            "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\na=sendonly\r\n\
             m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\nm=video 5 RTP/AVP 31\r\n"
        );
        assert_eq!(description(odd.replace("v=0", "v=1").as_bytes()), description(odd.as_bytes()));
        assert_eq!(description(b"hello"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_mended_once_and_for_all(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let once = message(&bytes).into_owned();
            prop_assert_eq!(message(&once).into_owned(), once.clone());
            drop(description(&bytes));
        }
    }
}
