//! How often one may ask: for each address, and for each token.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use sha2::Digest as _;

use super::Problem;
use crate::config::ApiConfig;
use crate::web::{Source, WebState};

/// Addresses, or tokens, that are remembered at once. When there are more, those that have been quiet are forgotten;
/// when that does not help, new ones wait.
const KEYS_MAX: usize = 10_000;

type Limiter<K> = RateLimiter<K, HashMapStateStore<K>, DefaultClock>;

/// Both limits. Cheap to clone.
#[derive(Clone)]
pub(super) struct Limits {
    web: WebState,
    sources: Arc<Limiter<IpAddr>>,
    tokens: Arc<Limiter<[u8; 32]>>,
}

impl Limits {
    pub(super) fn new(web: WebState) -> Self {
        let config = web.parts.live.load().config.api.clone();
        let ApiConfig { source_rate, source_burst, token_rate, token_burst, .. } = config;
        Self {
            web,
            sources: Arc::new(RateLimiter::hashmap(quota(source_rate, source_burst))),
            tokens: Arc::new(RateLimiter::hashmap(quota(token_rate, token_burst))),
        }
    }
}

fn quota(rate: u32, burst: u32) -> Quota {
    let at_least_one = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    Quota::per_second(at_least_one(rate)).allow_burst(at_least_one(burst))
}

/// Answers 429 to those who ask too often, with the time after which it is worth another try.
pub(super) async fn limit(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let source = match Source::from_request_parts(&mut parts, &limits.web).await {
        Ok(Source(source)) => source,
        Err(status) => return Problem::new(status, None).into_response(),
    };
    if let Err(wait) = take(&limits.sources, &source) {
        return too_often(wait, "this address");
    }
    // What the header holds need not be a token; guesses are held back like the rest.
    if let Some(token) = parts.headers.get(header::AUTHORIZATION)
        && let Err(wait) = take(&limits.tokens, &sha2::Sha256::digest(token.as_bytes()).into())
    {
        return too_often(wait, "this token");
    }
    next.run(Request::from_parts(parts, body)).await
}

/// Takes one from a key's allowance, or says how long to wait.
fn take<K: std::hash::Hash + Eq + Clone>(limiter: &Limiter<K>, key: &K) -> Result<(), Duration> {
    if limiter.len() > KEYS_MAX {
        limiter.retain_recent();
        if limiter.len() > KEYS_MAX {
            return Err(Duration::from_secs(1));
        }
    }
    limiter.check_key(key).map_err(|until| until.wait_time_from(DefaultClock::default().now()))
}

fn too_often(wait: Duration, who: &str) -> Response {
    let detail = format!("{who} asks too often");
    let mut response = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).into_response();
    let seconds = wait.as_secs() + 1;
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_counts() {
        let limiter = RateLimiter::hashmap(quota(1, 3));
        for _ in 0..3 {
            assert_eq!(take(&limiter, &1), Ok(()));
        }
        let wait = take(&limiter, &1).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
        assert_eq!(take(&limiter, &2), Ok(()), "others wait for nobody");
    }
}
