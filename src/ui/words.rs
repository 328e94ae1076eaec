//! The words of the pages, in the language that the reader asks for: Fluent files in `locales/`.

use std::sync::LazyLock;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use fluent::concurrent::FluentBundle;
use fluent::{FluentArgs, FluentResource};
use unic_langid::LanguageIdentifier;

/// A language of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tongue {
    English,
    Dutch,
}

static ENGLISH: LazyLock<FluentBundle<FluentResource>> =
    LazyLock::new(|| bundle("en", include_str!("locales/en.ftl")));
static DUTCH: LazyLock<FluentBundle<FluentResource>> =
    LazyLock::new(|| bundle("nl", include_str!("locales/nl.ftl")));

fn bundle(language: &str, text: &str) -> FluentBundle<FluentResource> {
    let mut bundle =
        FluentBundle::new_concurrent(language.parse::<LanguageIdentifier>().into_iter().collect());
    bundle.set_use_isolating(false);
    // A test holds the files to be without faults; what is well-formed of a file with one is used.
    let resource = FluentResource::try_new(text.to_owned()).unwrap_or_else(|(resource, _)| resource);
    bundle.add_resource_overriding(resource);
    bundle
}

impl Tongue {
    pub(super) const ALL: [Self; 2] = [Self::English, Self::Dutch];

    /// The code in addresses and in `lang`.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Dutch => "nl",
        }
    }

    /// What its speakers call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Dutch => "Nederlands",
        }
    }

    fn of_code(code: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|tongue| code.get(..2).is_some_and(|two| two.eq_ignore_ascii_case(tongue.code())))
    }

    /// As the address, the cookie or the browser asks, in this order.
    pub(super) fn asked(query: Option<&str>, headers: &HeaderMap) -> Self {
        let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        let mut cookie =
            cookies.flat_map(|value| value.split("; ")).filter_map(|one| one.strip_prefix("lang="));
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let accepted = accepted.unwrap_or_default().split(',');
        in_query(query)
            .or_else(|| cookie.find_map(Self::of_code))
            .or_else(|| accepted.map(str::trim).find_map(Self::of_code))
            .unwrap_or(Self::English)
    }

    /// One text.
    pub(super) fn t(self, id: &str) -> String {
        self.format(id, None)
    }

    /// One text, if there is one of that name.
    pub(super) fn known(self, id: &str) -> Option<String> {
        self.bundle().has_message(id).then(|| self.t(id))
    }

    fn bundle(self) -> &'static FluentBundle<FluentResource> {
        match self {
            Self::English => &ENGLISH,
            Self::Dutch => &DUTCH,
        }
    }

    /// One text with a value in the place of `$x`.
    pub(super) fn x(self, id: &str, x: impl std::fmt::Display) -> String {
        self.xy(id, x, "")
    }

    /// One text with values in the places of `$x` and `$y`.
    pub(super) fn xy(self, id: &str, x: impl std::fmt::Display, y: impl std::fmt::Display) -> String {
        let mut args = FluentArgs::new();
        args.set("x", x.to_string());
        args.set("y", y.to_string());
        self.format(id, Some(&args))
    }

    fn format(self, id: &str, args: Option<&FluentArgs<'_>>) -> String {
        let bundle = self.bundle();
        let Some(pattern) = bundle.get_message(id).and_then(|message| message.value()) else {
            return id.to_owned();
        };
        let mut faults = Vec::new();
        bundle.format_pattern(pattern, args, &mut faults).into_owned()
    }

    /// How many, with its thousands apart.
    pub(super) fn count(self, n: u64) -> String {
        let (digits, mut text) = (n.to_string(), String::new());
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                text.push(if self == Self::English { ',' } else { '.' });
            }
            text.push(digit);
        }
        text
    }

    /// Whether decimals are parted by a comma.
    pub(super) fn has_decimal_comma(self) -> bool {
        self == Self::Dutch
    }

    /// A number with so many decimals.
    pub(super) fn number(self, value: f64, decimals: usize) -> String {
        let text = format!("{value:.decimals$}");
        let is_zero = text.trim_matches(['-', '0', '.']).is_empty(); // Rounded to it: then it has no sign.
        let text = text.replace('-', if is_zero { "" } else { "\u{2212}" });
        match self {
            Self::English => text,
            Self::Dutch => text.replace('.', ","),
        }
    }
}

fn in_query(query: Option<&str>) -> Option<Tongue> {
    query
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.strip_prefix("lang="))
        .find_map(Tongue::of_code)
}

/// Keeps the language that an address asks for.
pub(super) async fn remember(request: Request, next: Next) -> Response {
    let asked = in_query(request.uri().query());
    let mut response = next.run(request).await;
    if let Some(tongue) = asked {
        let cookie = format!("lang={}; Path=/; Max-Age=31536000; SameSite=Lax", tongue.code());
        if let Ok(value) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}

/// A name of a survey file as people read it: that of a survey that we ship in the reader's language, any other one as
/// it was written: `call_again` is "Call again".
pub(super) fn spoken(tr: Tongue, name: &str) -> String {
    tr.known(&format!("named-{name}")).unwrap_or_else(|| plain(name))
}

/// A name without underscores, with a capital.
pub(super) fn plain(name: &str) -> String {
    let mut text = name.replace(['_', '-'], " ");
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

/// A time in UTC.
pub(super) fn moment(us: i64) -> String {
    jiff::Timestamp::from_microsecond(us)
        .map_or_else(|_| String::new(), |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn ids(text: &str) -> BTreeSet<&str> {
        let (resource, lines) = (FluentResource::try_new(text.to_owned()), text.lines());
        assert!(resource.is_ok(), "{:?}", resource.err().map(|(_, faults)| faults));
        let lines = lines.filter(|line| !line.starts_with(['#', ' ']));
        lines.filter_map(|line| line.split_once(" = ").map(|(id, _)| id)).collect()
    }

    #[test]
    fn both_languages_say_everything_that_pages_use() {
        let (english, dutch) = (ids(include_str!("locales/en.ftl")), ids(include_str!("locales/nl.ftl")));
        assert_eq!(english.symmetric_difference(&dutch).collect::<Vec<_>>(), Vec::<&&str>::new());
        let mut missing = Vec::new();
        for folder in ["src/ui", "src/ui/templates"] {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
            for entry in std::fs::read_dir(folder).unwrap().filter_map(Result::ok) {
                let Ok(text) = std::fs::read_to_string(entry.path()) else { continue };
                let text = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
                for call in ["tr.t(\"", "tr.x(\"", "tr.xy(\""] {
                    for after in text.split(call).skip(1) {
                        let id = after.split('"').next().unwrap_or_default();
                        if !id.is_empty() && !id.contains('{') && !english.contains(id) {
                            missing.push(id.to_owned());
                        }
                    }
                }
            }
        }
        assert_eq!(missing, Vec::<String>::new());
    }

    #[test]
    fn numbers_are_spelled_as_their_readers_do() {
        let counts = [0, 999, 1000, 1_234_567].map(|n| Tongue::English.count(n));
        assert_eq!(counts, ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(Tongue::Dutch.count(10_500), "10.500");
        let spelled = [(-1.25, 1), (-0.04, 1), (-0.4, 0), (0.06, 1), (-10.0, 0)].map(|(value, decimals)| {
            [Tongue::English.number(value, decimals), Tongue::Dutch.number(value, decimals)]
        });
        let minus = "\u{2212}";
        assert_eq!(spelled[0], [format!("{minus}1.2"), format!("{minus}1,2")]);
        assert_eq!(spelled[1], ["0.0", "0,0"], "nothing is less than nothing");
        assert_eq!(
            (&*spelled[2][0], &*spelled[3][1], spelled[4][0].clone()),
            ("0", "0,1", format!("{minus}10"))
        );
    }

    #[test]
    fn names_are_in_the_readers_language_or_as_they_were_written() {
        let said = |name| Tongue::ALL.map(|tr| spoken(tr, name));
        assert_eq!(said("effort"), ["Effort", "Moeite"]);
        assert_eq!(said("parking_lot"), ["Parking lot", "Parking lot"]);
    }

    #[test]
    fn the_address_the_cookie_and_the_browser_ask() {
        let mut headers = HeaderMap::new();
        assert_eq!(Tongue::asked(None, &headers), Tongue::English);
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static("fr, nl-BE;q=0.8"));
        assert_eq!(Tongue::asked(None, &headers), Tongue::Dutch);
        headers.insert(header::COOKIE, HeaderValue::from_static("a=b; lang=en"));
        assert_eq!(Tongue::asked(None, &headers), Tongue::English);
        assert_eq!(Tongue::asked(Some("period=2026-11&lang=nl"), &headers), Tongue::Dutch);
    }
}
