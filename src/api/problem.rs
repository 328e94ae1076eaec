//! Errors as `application/problem+json` (RFC 9457).

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tracing::error;
use utoipa::ToSchema;

use crate::access::AccessError;
use crate::store::StoreError;

/// After how many seconds it is worth another try where there is no room now.
const BUSY_S: u64 = 5;

/// What went wrong, for programs and for people.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// The HTTP status again.
    pub status: u16,
    /// What kind of problem it is.
    pub title: String,
    /// What is the matter with this request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Problem {
    /// A problem with this status.
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<Option<String>>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error").to_owned();
        Self { status: status.as_u16(), title, detail: detail.into() }
    }

    /// 400, with the parameter that is wrong.
    #[must_use]
    pub fn wrong(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (status, kind, Json(&self)).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let challenge = header::HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(BUSY_S));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(cause: StoreError) -> Self {
        error!(%cause, "A request could not be answered");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, None)
    }
}

impl From<AccessError> for Problem {
    fn from(cause: AccessError) -> Self {
        error!(%cause, "A request could not be answered");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, None)
    }
}

/// The answer where there is nothing.
pub(super) async fn nothing_here() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, None)
}
