//! Coming in by single sign-on.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use serde::Deserialize;
use tracing::{info, warn};

use super::sign_in::{self, Wish};
use super::words::Tongue;
use crate::web::{CALLBACK, SignOnError, WebState, local_path};

/// The cookie that ties a sign-in under way to one browser.
const COOKIE: &str = "aftercall-sign-on";

/// What the provider sends along.
#[derive(Deserialize)]
pub(super) struct Back {
    #[serde(default)]
    code: String,
    #[serde(default)]
    state: String,
    /// Why the provider did not sign somebody in.
    error: Option<String>,
}

/// `GET /sign-in/oidc`: to the provider.
pub(super) async fn leave(
    State(state): State<WebState>,
    headers: HeaderMap,
    jar: CookieJar,
    Query(wish): Query<Wish>,
) -> Response {
    let Some(sign_on) = state.sign_on.clone() else { return StatusCode::NOT_FOUND.into_response() };
    let next = if local_path(&wish.next) { wish.next } else { "/".to_owned() };
    match sign_on.begin(next).await {
        Ok((url, secret)) => (jar.add(cookie(&state, secret)), Redirect::to(&url)).into_response(),
        Err(cause) => refused(&state, &headers, &cause),
    }
}

/// `GET /sign-in/oidc/callback`: back from the provider.
pub(super) async fn back(
    State(state): State<WebState>,
    headers: HeaderMap,
    jar: CookieJar,
    Query(back): Query<Back>,
) -> Response {
    let Some(sign_on) = state.sign_on.clone() else { return StatusCode::NOT_FOUND.into_response() };
    // Nobody is signed in by a link that another browser brought back.
    let own = jar.get(COOKIE).is_some_and(|cookie| !back.state.is_empty() && cookie.value() == back.state);
    let jar = jar.remove(cookie(&state, String::new()));
    let known = match back.error {
        _ if !own => Err(SignOnError::Unknown),
        // A code of RFC 6749 §4.1.2.1, if it comes from the provider; anybody can write anything there.
        Some(code) => {
            Err(SignOnError::Refused(code.chars().filter(|c| c.is_ascii_lowercase() || *c == '_').collect()))
        }
        None => sign_on.finish(&back.state, back.code).await,
    };
    let (person, next) = match known {
        Ok(known) => known,
        Err(cause) => return refused(&state, &headers, &cause),
    };
    match state.access.known(&person).await {
        Ok(Some(user)) => sign_in::begin(&state, jar, &user.viewer, &next).await,
        Ok(None) => {
            info!("A sign-in by single sign-on was refused: the user is disabled");
            refused(&state, &headers, &SignOnError::NoRole)
        }
        Err(cause) => sign_in::failed(&cause),
    }
}

/// The page to sign in on, with what went wrong.
fn refused(state: &WebState, headers: &HeaderMap, cause: &SignOnError) -> Response {
    let (fault, status) = match cause {
        SignOnError::NoRole | SignOnError::NoAgent | SignOnError::Name => {
            ("sign-on-no-role", StatusCode::FORBIDDEN)
        }
        SignOnError::Provider(_) | SignOnError::Secret(_) | SignOnError::Config(_) => {
            ("sign-on-away", StatusCode::BAD_GATEWAY)
        }
        SignOnError::Unknown | SignOnError::Refused(_) => ("sign-on-again", StatusCode::UNAUTHORIZED),
    };
    warn!(status = status.as_u16(), "Single sign-on failed: {cause}");
    let tr = Tongue::asked(None, headers);
    sign_in::page(state, tr, status, String::new(), String::new(), Some(tr.t(fault)))
}

fn cookie(state: &WebState, secret: String) -> Cookie<'static> {
    Cookie::build((COOKIE, secret))
        .http_only(true)
        .secure(state.parts.live.load().config.web.is_secure())
        .same_site(SameSite::Lax) // Strict would not come back from the provider's site.
        .path(CALLBACK)
        .build()
}
