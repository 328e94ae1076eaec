//! Coming in by single sign-on.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use serde::Deserialize;
use tracing::warn;

use super::sign_in::{self, Wish};
use super::words::Tongue;
use crate::web::{PENDING_FOR, Pending, Sealed, SignOnError, WebState, local_path};

/// The cookie that ties a sign-in under way to one browser, with all that is known of it.
const COOKIE: Sealed = Sealed { name: "aftercall-sign-on", good_for: PENDING_FOR };
/// Longest page, in characters, to which somebody is sent back. Browsers keep only short cookies.
const NEXT_MAX: usize = 1000;
/// Longest code of an error, in characters, that is logged.
const ERROR_MAX: usize = 60;

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
    let known = local_path(&wish.next) && wish.next.len() <= NEXT_MAX;
    let next = if known { wish.next } else { "/".to_owned() };
    match sign_on.begin(next).await {
        Ok((url, pending)) => match COOKIE.holding(&state, pending) {
            Ok(cookie) => (jar.add(cookie), Redirect::to(&url)).into_response(),
            Err(cause) => sign_in::failed(&cause),
        },
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
    let pending: Option<Pending> = COOKIE.of(&state, &jar);
    let pending = pending.filter(|pending| pending.state == back.state);
    let jar = jar.remove(COOKIE.gone(&state));
    let known = match (pending, back.error) {
        (None, _) => Err(SignOnError::Unknown),
        // A code of RFC 6749 §4.1.2.1, if it comes from the provider; anybody can write anything there.
        (Some(_), Some(code)) => {
            let code = code.chars().filter(|c| c.is_ascii_lowercase() || *c == '_').take(ERROR_MAX);
            Err(SignOnError::Refused(code.collect()))
        }
        (Some(pending), None) => sign_on.finish(pending, back.code).await,
    };
    let (person, next) = match known {
        Ok(known) => known,
        Err(cause) => return (jar, refused(&state, &headers, &cause)).into_response(),
    };
    match state.access.known(&person).await {
        Ok(Some(user)) => sign_in::begin(&state, jar, &user.viewer, &next).await,
        Ok(None) => (jar, refused(&state, &headers, &SignOnError::Disabled)).into_response(),
        Err(cause) => sign_in::failed(&cause),
    }
}

/// The page to sign in on, with what went wrong.
fn refused(state: &WebState, headers: &HeaderMap, cause: &SignOnError) -> Response {
    let (fault, status) = match cause {
        SignOnError::NoRole { .. }
        | SignOnError::NoGroups { .. }
        | SignOnError::OddGroups { .. }
        | SignOnError::TooManyGroups
        | SignOnError::Disabled
        | SignOnError::NoAgent
        | SignOnError::Name => ("sign-on-no-role", StatusCode::FORBIDDEN),
        SignOnError::Provider(_) | SignOnError::Secret(_) | SignOnError::Config(_) => {
            ("sign-on-away", StatusCode::BAD_GATEWAY)
        }
        SignOnError::Unknown | SignOnError::Refused(_) => ("sign-on-again", StatusCode::UNAUTHORIZED),
    };
    warn!(status = status.as_u16(), "Single sign-on failed: {cause}");
    let tr = Tongue::asked(None, headers);
    sign_in::page(state, tr, status, String::new(), String::new(), Some(tr.t(fault)))
}
