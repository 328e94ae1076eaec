//! Cookies that carry what the service would otherwise have to keep for strangers: sealed, good for a while, and of no
//! use under another name.

use std::time::Duration;

use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::WebState;
use crate::store::Privacy;

/// The longest value that is opened, in characters. Browsers keep cookies of up to 4096.
const VALUE_MAX: usize = 4096;

/// A kind of cookie.
#[derive(Clone, Copy, Debug)]
pub struct Sealed {
    /// The name, without the prefix for TLS.
    pub name: &'static str,
    /// How long it is good for.
    pub good_for: Duration,
}

/// What lies in one.
#[derive(Deserialize, Serialize)]
struct Dated<T> {
    until_us: i64,
    what: T,
}

impl Sealed {
    /// The cookie with this in it.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn holding<T: Serialize>(self, state: &WebState, what: T) -> std::io::Result<Cookie<'static>> {
        let value = self.seal(state.parts.store.privacy(), what, Timestamp::now())?;
        Ok(own_cookie(state, self.name, value))
    }

    /// What the browser brought back; `None` for nothing, for what is over, and for what we did not seal.
    #[must_use]
    pub fn of<T: DeserializeOwned>(self, state: &WebState, jar: &CookieJar) -> Option<T> {
        let cookie = jar.get(&cookie_name(state, self.name))?;
        self.open(state.parts.store.privacy(), cookie.value(), Timestamp::now())
    }

    /// The same cookie with nothing in it, to take it away by.
    #[must_use]
    pub fn gone(self, state: &WebState) -> Cookie<'static> {
        own_cookie(state, self.name, String::new())
    }

    fn seal<T: Serialize>(self, privacy: &Privacy, what: T, now: Timestamp) -> std::io::Result<String> {
        let good_for = SignedDuration::try_from(self.good_for).unwrap_or(SignedDuration::MAX);
        let until = now.saturating_add(good_for).map_or(i64::MAX, Timestamp::as_microsecond);
        let text = serde_json::to_vec(&Dated { until_us: until, what })?;
        Ok(URL_SAFE_NO_PAD.encode(privacy.seal_cookie(self.name, &text)?))
    }

    fn open<T: DeserializeOwned>(self, privacy: &Privacy, value: &str, now: Timestamp) -> Option<T> {
        if value.len() > VALUE_MAX {
            return None;
        }
        let text = privacy.open_cookie(self.name, &URL_SAFE_NO_PAD.decode(value).ok()?)?;
        let dated: Dated<T> = serde_json::from_slice(&text).ok()?;
        (dated.until_us > now.as_microsecond()).then_some(dated.what)
    }
}

/// The name of a cookie of ours. Browsers take one with the prefix over TLS alone, for this host and every path (RFC
/// 6265bis §4.1.3.2), so no neighbouring host can put one in its place; where there is no TLS it has no prefix.
pub(super) fn cookie_name(state: &WebState, name: &str) -> String {
    if is_secure(state) { format!("__Host-{name}") } else { name.to_owned() }
}

/// A cookie for this host alone, that no script reads.
pub(super) fn own_cookie(state: &WebState, name: &str, value: String) -> Cookie<'static> {
    Cookie::build((cookie_name(state, name), value))
        .http_only(true)
        .secure(is_secure(state))
        .same_site(SameSite::Lax) // Strict would not come along on the way back from a provider's site.
        .path("/")
        .build()
}

fn is_secure(state: &WebState) -> bool {
    state.parts.live.load().config.web.is_secure()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_cookie_opens_for_a_while_under_its_name_here() {
        let (privacy, now) = (Privacy::new(&[1; 32]), Timestamp::UNIX_EPOCH);
        let one = Sealed { name: "one", good_for: Duration::from_secs(60) };
        let value = one.seal(&privacy, "anna", now).unwrap();
        let at = |seconds| now + SignedDuration::from_secs(seconds);
        assert_eq!(one.open::<String>(&privacy, &value, at(59)).as_deref(), Some("anna"));
        assert_eq!(one.open::<String>(&privacy, &value, at(60)), None, "it is over");
        let other = Sealed { name: "other", ..one };
        assert_eq!(other.open::<String>(&privacy, &value, now), None);
        assert_eq!(one.open::<String>(&Privacy::new(&[2; 32]), &value, now), None);
        let changed: String = value.chars().rev().collect();
        for wrong in ["", "x", "=", &changed, &value[1..], &"A".repeat(10_000)] {
            assert_eq!(one.open::<String>(&privacy, wrong, now), None, "{wrong}");
        }
    }
}
