//! The browsers in which somebody has signed in before. A password that comes from one is held against that browser, not
//! against its address, so that strangers behind the same address shut nobody out ([`crate::access::Guesses`]). The
//! cookie opens nothing by itself.

use std::time::Duration;

use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum_extra::extract::CookieJar;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::WebState;
use super::sealed::Sealed;
use crate::access::UserName;

/// Good for half a year since the last time that somebody signed in there.
const COOKIE: Sealed = Sealed { name: "aftercall-device", good_for: Duration::from_secs(180 * 24 * 3600) };
/// Users of one browser that are remembered; the last ones.
const USERS_MAX: usize = 4;

/// A browser, and who has signed in there.
#[derive(Deserialize, Serialize)]
struct Device {
    id: Uuid,
    users: Vec<String>,
}

/// The browser that a request comes from, if this user has signed in there before.
#[must_use]
pub fn device_of(state: &WebState, jar: &CookieJar, user: &UserName) -> Option<Uuid> {
    let device: Device = COOKIE.of(state, jar)?;
    device.users.contains(&user.to_string().to_lowercase()).then_some(device.id)
}

/// Remembers in the browser that this user has signed in there.
#[must_use]
pub fn remember_device(state: &WebState, jar: &CookieJar, user: &str, mut response: Response) -> Response {
    let mut device =
        COOKIE.of(state, jar).unwrap_or_else(|| Device { id: Uuid::now_v7(), users: Vec::new() });
    let user = user.to_lowercase();
    device.users.retain(|known| *known != user);
    device.users.insert(0, user);
    device.users.truncate(USERS_MAX);
    let cookie = COOKIE.holding(state, device).ok();
    let text = cookie.map(|cookie| format!("{cookie}; Max-Age={}", COOKIE.good_for.as_secs()));
    // Without it the next sign-in is one of a stranger, no worse.
    if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}
