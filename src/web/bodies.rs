//! Bodies of requests: how long they may be, and how long they may take.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

/// How long a body may take to arrive.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(10);
/// Most bytes of a form that whoever has not signed in may send.
pub const STRANGERS_BODY_MAX: usize = 8 * 1024;
/// Most bytes of any other form.
pub const FORM_MAX: usize = 64 * 1024;

/// Reads a whole body of at most so many bytes before anything else is done with the request.
pub async fn whole(State(bytes_max): State<usize>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let read = tokio::time::timeout(BODY_TIME_MAX, axum::body::to_bytes(body, bytes_max)).await;
    let (status, why) = match read {
        Ok(Ok(bytes)) => return next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Ok(Err(_)) => {
            (StatusCode::PAYLOAD_TOO_LARGE, format!("A form has at most {bytes_max} bytes here.\n"))
        }
        Err(_) => (StatusCode::REQUEST_TIMEOUT, "The form took too long to arrive.\n".to_owned()),
    };
    // What is left of it is not waited for.
    (status, [(header::CONNECTION, "close")], why).into_response()
}
