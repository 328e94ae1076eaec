//! Errors as `application/problem+json` (RFC 9457).

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;
use tracing::error;
use utoipa::ToSchema;
use utoipa::openapi::{Content, OpenApi, RefOr, Response};

use crate::access::AccessError;
use crate::store::StoreError;

/// After how many seconds it is worth another try where there is no room now.
const BUSY_S: u64 = 5;

/// The media type of all problems.
pub(super) const KIND: &str = "application/problem+json";

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
    fn into_response(self) -> axum::response::Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = [(header::CONTENT_TYPE, KIND)];
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

/// Gives every answer of the document that holds a problem the media type of problems.
pub(super) fn name_kind(document: &mut OpenApi) {
    let is_problem = |content: &RefOr<Content>| match content {
        RefOr::T(Content { schema: Some(RefOr::Ref(of)), .. }) => {
            of.ref_location.ends_with("/schemas/Problem")
        }
        _ => false,
    };
    let operations = document.paths.paths.values_mut().flat_map(|path| {
        [&mut path.get, &mut path.post, &mut path.patch, &mut path.put, &mut path.delete]
            .into_iter()
            .flatten()
    });
    for response in operations.flat_map(|operation| operation.responses.responses.values_mut()) {
        if let RefOr::T(Response { content, .. }) = response
            && content.values().any(is_problem)
        {
            *content = std::mem::take(content).into_values().map(|one| (KIND.to_owned(), one)).collect();
        }
    }
}

/// The answer where there is nothing.
pub(super) async fn nothing_here() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, None)
}
