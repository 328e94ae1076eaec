//! Coming in and going out.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum_extra::extract::CookieJar;
use serde::Deserialize;
use tracing::{error, info};

use super::frame::{self, Frame};
use super::words::Tongue;
use crate::access::{AccessError, Asker, Lane, UserName};
use crate::web::{self, SignedIn, Source, WebState, local_path};

/// After how many seconds it is worth another try when too many strangers sign in at once.
const BUSY_FOR: u64 = 5;

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct Given {
    name: String,
    password: String,
    #[serde(default)]
    next: String,
}

/// Where to go afterwards.
#[derive(Deserialize)]
pub(super) struct Wish {
    #[serde(default)]
    pub(super) next: String,
}

/// A one-time link.
#[derive(Deserialize)]
pub(super) struct Link {
    #[serde(default)]
    token: String,
}

#[derive(Template)]
#[template(path = "sign_in.html", config = "src/ui/askama.toml")]
struct SignIn {
    frame: Frame,
    tr: Tongue,
    next: String,
    name: String,
    fault: Option<String>,
    /// Where single sign-on begins, where there is one.
    elsewhere: Option<String>,
}

#[derive(Template)]
#[template(path = "sign_in_once.html", config = "src/ui/askama.toml")]
struct SignInOnce {
    frame: Frame,
    tr: Tongue,
    token: String,
}

/// The form, and what went wrong.
pub(super) fn page(
    state: &WebState,
    tr: Tongue,
    status: StatusCode,
    next: String,
    name: String,
    fault: Option<String>,
) -> Response {
    let frame = frame::outside(tr, "sign-in", "/sign-in");
    let elsewhere = state.sign_on.is_some().then(|| match local_path(&next) {
        true => format!("/sign-in/oidc?next={}", frame::encoded(&next)),
        false => "/sign-in/oidc".to_owned(),
    });
    let page = SignIn { frame, tr, next, name, fault, elsewhere };
    match page.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(cause) => failed(&cause),
    }
}

/// What nobody who signs in can do anything about.
pub(super) fn failed(cause: &dyn std::fmt::Display) -> Response {
    error!("Signing in or out failed: {cause}");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

/// `GET /sign-in`.
pub(super) async fn form(
    State(state): State<WebState>,
    uri: Uri,
    headers: HeaderMap,
    Query(wish): Query<Wish>,
) -> Response {
    page(&state, Tongue::asked(uri.query(), &headers), StatusCode::OK, wish.next, String::new(), None)
}

/// `POST /sign-in`.
pub(super) async fn sign_in(
    State(state): State<WebState>,
    Source(source): Source,
    headers: HeaderMap,
    jar: CookieJar,
    Form(given): Form<Given>,
) -> Response {
    let tr = Tongue::asked(None, &headers);
    // Nothing is kept of what cannot be a name, no work is done for it, and no line of the log is written.
    let Ok(name) = given.name.parse::<UserName>() else { return wrong(&state, tr, given) };
    let device = web::device_of(&state, &jar, &name);
    let (asker, lane) = match device {
        Some(device) => (Asker::Device(device), Lane::Known),
        None => (Asker::Stranger(source), Lane::Stranger),
    };
    let guesses = || state.guesses.lock().unwrap_or_else(PoisonError::into_inner);
    let now = tokio::time::Instant::now().into_std();
    let wait = guesses().try_one(&name, asker, now);
    if let Some(wait) = wait {
        let seconds = wait.as_secs() + 1;
        return later(
            &state,
            StatusCode::TOO_MANY_REQUESTS,
            seconds,
            tr.x("sign-in-wait", seconds),
            tr,
            given,
        );
    }
    match state.access.user(&name, given.password.clone(), lane).await {
        Ok(Some(user)) => {
            guesses().right(&name, asker);
            let next = if local_path(&given.next) { given.next } else { "/".to_owned() };
            let response = begin(&state, jar.clone(), &user.viewer, &next).await;
            web::remember_device(&state, &jar, &user.name, response)
        }
        Ok(None) => {
            info!(%source, "A sign-in was refused");
            wrong(&state, tr, given)
        }
        Err(AccessError::Busy) => {
            guesses().right(&name, asker); // Nobody has looked at the password.
            later(&state, StatusCode::SERVICE_UNAVAILABLE, BUSY_FOR, tr.t("sign-in-busy"), tr, given)
        }
        Err(cause) => failed(&cause),
    }
}

/// The same answer to a wrong name and a wrong password.
fn wrong(state: &WebState, tr: Tongue, given: Given) -> Response {
    let fault = tr.t("sign-in-wrong");
    page(state, tr, StatusCode::UNAUTHORIZED, given.next, given.name, Some(fault))
}

fn later(
    state: &WebState,
    status: StatusCode,
    seconds: u64,
    fault: String,
    tr: Tongue,
    given: Given,
) -> Response {
    let page = page(state, tr, status, given.next, given.name, Some(fault));
    ([(header::RETRY_AFTER, seconds.to_string())], page).into_response()
}

/// Puts it on record, and begins a session in the place of the one that there may be.
pub(super) async fn begin(
    state: &WebState,
    jar: CookieJar,
    viewer: &crate::domain::Viewer,
    next: &str,
) -> Response {
    let note = crate::store::Note::of(viewer, "sign_in", String::new(), "");
    if let Err(cause) = state.parts.store.note(note).await {
        return failed(&cause);
    }
    let begun = async {
        let jar = web::end(state, jar).await?;
        web::begin(state, jar, viewer.user).await
    };
    match begun.await {
        Ok(jar) => (jar, Redirect::to(next)).into_response(),
        Err(cause) => failed(&cause),
    }
}

/// `GET /sign-in/once`: a link that signs in once. It only shows a button: programs that look at links in mails must not
/// use them up.
pub(super) async fn ask_once(uri: Uri, headers: HeaderMap, Query(link): Query<Link>) -> Response {
    let tr = Tongue::asked(uri.query(), &headers);
    let mut frame = frame::outside(tr, "sign-in", "/sign-in/once");
    let query = BTreeMap::from([("token".to_owned(), link.token.clone())]);
    frame.languages = frame::languages(tr, "/sign-in/once", &query);
    match (SignInOnce { frame, tr, token: link.token }).render() {
        Ok(text) => Html(text).into_response(),
        Err(cause) => failed(&cause),
    }
}

/// `POST /sign-in/once`: uses it.
pub(super) async fn once(
    State(state): State<WebState>,
    headers: HeaderMap,
    jar: CookieJar,
    Form(link): Form<Link>,
) -> Response {
    match state.access.use_link(&link.token).await {
        Ok(Some(user)) => {
            let response = begin(&state, jar.clone(), &user.viewer, "/").await;
            web::remember_device(&state, &jar, &user.name, response)
        }
        Ok(None) => {
            let tr = Tongue::asked(None, &headers);
            let fault = Some(tr.t("link-over"));
            page(&state, tr, StatusCode::UNAUTHORIZED, String::new(), String::new(), fault)
        }
        Err(cause) => failed(&cause),
    }
}

/// `POST /sign-out`.
pub(super) async fn sign_out(State(state): State<WebState>, jar: CookieJar) -> Response {
    left(web::end(&state, jar).await)
}

/// `POST /sign-out/everywhere`.
pub(super) async fn sign_out_everywhere(
    who: SignedIn,
    State(state): State<WebState>,
    jar: CookieJar,
) -> Response {
    let ended = async {
        state.access.sign_out_everywhere(who.viewer.user).await?;
        web::end(&state, jar).await
    };
    left(ended.await)
}

fn left(ended: Result<CookieJar, AccessError>) -> Response {
    match ended {
        Ok(jar) => (jar, Redirect::to("/sign-in")).into_response(),
        Err(cause) => failed(&cause),
    }
}
