//! Writes that are done once, however often they are sent: `Idempotency-Key`.
//!
//! The answer to a write is kept in the transaction of the write itself. The same key with the same request is answered
//! again from there (`Idempotent-Replayed: true`); with another request it gets a 422, and while the first one is still
//! at work a 409 (draft-ietf-httpapi-idempotency-key-header-06, "Error Scenarios"). Writes that were refused are not kept, so
//! they can be corrected under the same key.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::Digest as _;
use uuid::Uuid;

use super::auth::Bearer;
use super::{ApiState, Problem};
use crate::store::Receipt;
use crate::web::BODY_TIME_MAX;

/// Longest body of a write, in bytes.
const BODY_MAX: usize = 16 * 1024;
/// Longest key, in bytes.
const KEY_MAX: usize = 128;

/// Keys whose writes are at work now.
#[derive(Clone, Debug, Default)]
pub(super) struct AtWork(Arc<Mutex<HashSet<(Uuid, String)>>>);

/// The body of a write.
pub(super) struct Body {
    bytes: Bytes,
    is_json: bool,
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let bytes = axum::body::to_bytes(request.into_body(), BODY_MAX);
        let bytes = tokio::time::timeout(BODY_TIME_MAX, bytes).await.map_err(|_| {
            Problem::new(StatusCode::REQUEST_TIMEOUT, "the body took too long to arrive".to_owned())
        })?;
        let bytes = bytes.map_err(|_| {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a body has at most {BODY_MAX} bytes"))
        })?;
        Ok(Self { bytes, is_json: kind == "application/json" })
    }
}

impl Body {
    /// What it says.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        if !self.is_json {
            let detail = "the body must be application/json".to_owned();
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        serde_json::from_slice(&self.bytes).map_err(|error| Problem::wrong(error.to_string()))
    }
}

/// Whether a write was done already.
pub(super) enum Seen {
    /// It was, and this was the answer.
    Before(Response),
    /// It was not.
    Never(Once),
}

/// A write that is done now.
pub(super) struct Once {
    token: Uuid,
    key: Option<String>,
    request: [u8; 32],
    at_work: AtWork,
}

impl Drop for Once {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.at_work.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(self.token, key));
        }
    }
}

impl Once {
    /// Begins a write. `what` is its method and path.
    pub(super) async fn begin(
        state: &ApiState,
        bearer: &Bearer,
        headers: &HeaderMap,
        what: &str,
        body: &Body,
    ) -> Result<Seen, Problem> {
        let token = bearer.0.id;
        let mut hash = sha2::Sha256::new();
        hash.update(what.as_bytes());
        hash.update([0]);
        hash.update(&body.bytes);
        let request = hash.finalize().into();
        let at_work = state.at_work.clone();
        let key = key_in(headers)?.map(|key| state.web.parts.store.privacy().receipt_name(&key));
        let Some(key) = key else {
            return Ok(Seen::Never(Self { token, key: None, request, at_work }));
        };
        let mine = at_work.0.lock().unwrap_or_else(PoisonError::into_inner).insert((token, key.clone()));
        if !mine {
            let detail = "a write with this Idempotency-Key is at work".to_owned();
            return Err(Problem::new(StatusCode::CONFLICT, detail));
        }
        let once = Self { token, key: Some(key.clone()), request, at_work };
        match state.web.parts.store.views().receipt(token, &key).await? {
            None => Ok(Seen::Never(once)),
            Some(receipt) if receipt.request == request => Ok(Seen::Before(again(receipt))),
            Some(_) => {
                let detail = "this Idempotency-Key came with another request before".to_owned();
                Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail))
            }
        }
    }

    /// The answer as it is to be kept.
    pub(super) fn receipt(&self, status: StatusCode, body: &impl Serialize) -> Option<Receipt> {
        let body = serde_json::to_string(body).unwrap_or_default();
        self.receipt_of(status, body)
    }

    /// The answer without a body as it is to be kept.
    pub(super) fn empty_receipt(&self, status: StatusCode) -> Option<Receipt> {
        self.receipt_of(status, String::new())
    }

    fn receipt_of(&self, status: StatusCode, body: String) -> Option<Receipt> {
        Some(Receipt {
            token: self.token,
            name: self.key.clone()?,
            request: self.request,
            status: status.as_u16(),
            body,
            made_us: Timestamp::now().as_microsecond(),
        })
    }
}

fn key_in(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().map(str::trim).filter(|key| (1..=KEY_MAX).contains(&key.len()));
    key.map(|key| Some(key.to_owned()))
        .ok_or_else(|| Problem::wrong(format!("Idempotency-Key: is 1-{KEY_MAX} printable ASCII characters")))
}

fn again(receipt: Receipt) -> Response {
    let status = StatusCode::from_u16(receipt.status).unwrap_or(StatusCode::OK);
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    let mut response = if receipt.body.is_empty() {
        status.into_response()
    } else {
        (status, kind, receipt.body).into_response()
    };
    let replayed = HeaderName::from_static("idempotent-replayed");
    response.headers_mut().insert(replayed, HeaderValue::from_static("true"));
    response
}
