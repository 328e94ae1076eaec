//! User-to-User (RFC 7433): values in a list, each with parameters, and inside them the pairs that contact centres put
//! there.

/// Names of the header: the standard's, and what gateways copy it to.
pub(super) const NAMES: [&str; 2] = ["User-to-User", "X-User-to-User"];

/// Parameters of a value (RFC 7433 §4.1, and gateways' `pd`). Anything else behind a `;` is a pair of data whose
/// sender did not quote it.
const PARAMETERS: [&str; 4] = ["encoding", "purpose", "content", "pd"];

/// Looks up `key` in the header's rows. Pairs are separated by `;`, `&`, `,`, `|` or line ends.
pub(super) fn look_up<'a>(rows: impl Iterator<Item = &'a str>, key: &str) -> Option<String> {
    rows.flat_map(|row| split(row, ',')).find_map(|value| {
        let parts = split(value, ';');
        let is_parameter = |part: &&str| {
            let name = part.split('=').next().unwrap_or_default().trim();
            PARAMETERS.iter().any(|known| known.eq_ignore_ascii_case(name))
        };
        let (parameters, data): (Vec<&str>, Vec<&str>) = parts.into_iter().partition(is_parameter);
        let hex = parameters.iter().any(|parameter| {
            parameter.split_once('=').is_some_and(|(name, value)| {
                name.trim().eq_ignore_ascii_case("encoding") && value.trim().eq_ignore_ascii_case("hex")
            })
        });
        data.into_iter().find_map(|data| in_data(data.trim(), hex, key))
    })
}

fn in_data(data: &str, hex: bool, key: &str) -> Option<String> {
    let data = match data.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\\\"", "\"").replace("\\\\", "\\"),
        None => data.to_owned(),
    };
    let text = if hex || is_hex(&data) { from_hex(&data)? } else { data };
    let text = percent_encoding::percent_decode_str(&text).decode_utf8_lossy();
    text.split([';', '&', ',', '|', '\r', '\n', '\0']).find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let value = value.trim();
        (name.trim().eq_ignore_ascii_case(key) && !value.is_empty()).then(|| value.to_owned())
    })
}

/// Splits outside of quoted strings.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if c == separator && !quoted => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn is_hex(data: &str) -> bool {
    data.len() >= 2 && data.len().is_multiple_of(2) && data.bytes().all(|b| b.is_ascii_hexdigit())
}

fn from_hex(data: &str) -> Option<String> {
    if !is_hex(data) {
        return None;
    }
    let octet = |i: usize| u8::from_str_radix(data.get(i..i + 2)?, 16).ok();
    let octets: Vec<u8> = (0..data.len()).step_by(2).map(octet).collect::<Option<_>>()?;
    // A protocol discriminator (Q.931 §4.5.30) may stand before the text: one octet that is no printable character.
    let start = usize::from(octets.first().is_some_and(|&b| b < 0x20));
    Some(super::context::text(&octets[start..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DATA: &str = "agent=bob;queue=sales;call=C7";

    fn hex(text: &str) -> String {
        text.bytes().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn a_pair_is_found_however_the_value_is_written() {
        let discriminated = format!("04{}", hex(DATA));
        for row in [
            format!("{discriminated};encoding=hex;purpose=isdn-uui;content=isdn-uui"),
            format!("{};purpose=isdn-uui;encoding=hex", hex(DATA)),
            format!("{};pd=04;encoding=hex", hex(DATA)),
            format!("{discriminated} ; Encoding=Hex"),
            discriminated.to_uppercase(),
            format!("\"{DATA}\";encoding=ascii"),
            DATA.to_owned(),
            "agent=bob&queue=sales&call=C7;encoding=ascii".to_owned(),
            "queue=sales, agent=bob".to_owned(),
            "agent%3Dbob%3Bqueue%3Dsales%3Bcall%3DC7;encoding=ascii".to_owned(),
            format!("00FA080001000A0B0C0D0E;encoding=hex, {discriminated};encoding=hex"),
        ] {
            assert_eq!(look_up([row.as_str()].into_iter(), "agent").as_deref(), Some("bob"), "{row}");
            assert_eq!(look_up([row.as_str()].into_iter(), "queue").as_deref(), Some("sales"), "{row}");
        }
        assert_eq!(look_up(["00FA", DATA].into_iter(), "Agent").as_deref(), Some("bob"), "the second row");
        assert_eq!(look_up(["encoding=hex;agent="].into_iter(), "agent"), None);
        assert_eq!(
            look_up(["agent=a;encoding=ascii"].into_iter(), "encoding"),
            None,
            "a parameter is no data"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_looked_through(row: String, key in "[a-z]{1,5}") {
            drop(look_up([row.as_str()].into_iter(), &key));
        }
    }
}
