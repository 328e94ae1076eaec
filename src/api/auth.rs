//! Who asks: a bearer token (RFC 6750) of the access database.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};

use super::Problem;
use crate::access::{Scope, Token};
use crate::domain::{Role, UserId, Viewer};
use crate::web::WebState;

/// A request with a good token.
#[derive(Clone)]
pub(super) struct Bearer(pub(super) Token);

impl Bearer {
    /// Whether the token may do this.
    pub(super) fn may(&self, scope: Scope) -> Result<(), Problem> {
        if self.0.scopes.0.contains(&scope) {
            return Ok(());
        }
        Err(Problem::new(StatusCode::FORBIDDEN, format!("the token lacks {}", scope.as_str())))
    }

    /// Whether the token is still good; no, where that cannot be found out.
    pub(super) async fn holds(&self, state: &WebState) -> bool {
        state.access.token_holds(&self.0).await.unwrap_or_else(|cause| {
            tracing::error!(%cause, "A token could not be looked up; what it keeps open is closed");
            false
        })
    }

    /// The token as somebody who looks, in a role that one of its scopes stands for.
    pub(super) fn viewer(&self, role: Role) -> Viewer {
        Viewer { user: UserId(self.0.id), role, agent: None, teams: Vec::new() }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Bearer
where
    WebState: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let unknown = || Problem::new(StatusCode::UNAUTHORIZED, "a good bearer token is needed".to_owned());
        let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let (scheme, text) = header.and_then(|value| value.split_once(' ')).ok_or_else(unknown)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(unknown());
        }
        WebState::from_ref(state).access.token(text.trim()).await?.map(Self).ok_or_else(unknown)
    }
}
