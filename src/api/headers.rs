//! What every answer under `/api` carries, whoever made it: the handlers, the router, or the files of Swagger UI.

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::Problem;
use crate::web::WebState;

/// What a browser may do with an answer: nothing.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
/// What the pages of Swagger UI need: their own files, and styles and pictures that they write into themselves.
const POLICY_DOCS: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                           img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; \
                           frame-ancestors 'none'; base-uri 'none'";

/// Puts them on, and makes problems of what the router itself refuses. Other paths go through as they are.
pub(super) async fn put_on(State(state): State<WebState>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if path != "/api" && !path.starts_with("/api/") {
        return next.run(request).await;
    }
    let docs = path.starts_with("/api/docs");
    let response = next.run(request).await;
    let mut response = match response.status() {
        status @ (StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) if !is_problem(&response) => {
            let mut problem = Problem::new(status, None).into_response();
            if let Some(allowed) = response.headers().get(header::ALLOW) {
                problem.headers_mut().insert(header::ALLOW, allowed.clone());
            }
            problem
        }
        _ => response,
    };
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, if docs { POLICY_DOCS } else { POLICY }),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What has a tag may be kept and asked for again; everything else tells of callers and is kept by nobody.
    if !headers.contains_key(header::ETAG) {
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    if state.parts.live.load().config.web.is_secure() {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    response
}

fn is_problem(response: &Response) -> bool {
    response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == super::problem::KIND)
}
