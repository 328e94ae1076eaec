//! One message to one webhook, signed as Standard Webhooks 1.0.0 says: `webhook-id`, `webhook-timestamp` (of the try),
//! and `webhook-signature`, which is `v1,` and the HMAC-SHA-256 of `id.timestamp.body` in base64 ("Signature scheme",
//! "Webhook headers").

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use sha2::Sha256;

use super::Sent;
use crate::config::WebhookConfig;
use crate::store::Due;

/// Longest wait that a receiver may ask for; nobody keeps our messages for longer by a slip.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3600);

/// A client that follows no redirect, and goes straight to the receiver.
///
/// # Errors
/// There are no certificates to trust.
pub(super) fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .user_agent("Aftercall")
        .build()
}

/// Sends a message once. The body of the answer is not read: its status says all.
pub(super) async fn send(
    client: &reqwest::Client,
    hook: &WebhookConfig,
    due: &Due,
    timeout: Duration,
) -> Sent {
    let (id, timestamp) = (due.id.to_string(), Timestamp::now().as_second());
    let request = client
        .post(hook.url.clone())
        .timeout(timeout)
        .header("content-type", "application/json")
        .header("webhook-id", &id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", signature(&hook.secret.0, &id, timestamp, &due.payload))
        .body(due.payload.clone());
    match request.send().await {
        Ok(answer) if answer.status().is_success() => Sent::Taken,
        // "410 Gone" is how a receiver says that it wants no more.
        Ok(answer) if answer.status() == StatusCode::GONE => Sent::Gone("HTTP 410: wants no more".to_owned()),
        Ok(answer) if answer.status().is_redirection() => {
            Sent::Failed(format!("HTTP {}: redirects are not followed", answer.status().as_u16()))
        }
        Ok(answer) => {
            let why = format!("HTTP {}", answer.status().as_u16());
            match retry_after(answer.headers(), SystemTime::now()) {
                Some(wait) => Sent::Later(format!("{why}: come again after {} s", wait.as_secs()), wait),
                None => Sent::Failed(why),
            }
        }
        Err(error) if error.is_timeout() => Sent::Failed("no answer in time".to_owned()),
        Err(error) if error.is_connect() => Sent::Failed("no connection".to_owned()),
        // The address may hold a secret of the receiver.
        Err(error) => Sent::Failed(error.without_url().to_string()),
    }
}

/// How long the receiver wants to be left alone (RFC 9110 §10.2.3): seconds, or a time.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        // More digits than a number holds are a long wait all the same.
        Err(_) if !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit()) => Duration::MAX,
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

fn signature(secret: &[u8], id: &str, timestamp: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    for part in [id, ".", &timestamp.to_string(), ".", body] {
        mac.update(part.as_bytes());
    }
    format!("v1,{}", base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    #[test]
    fn the_signature_is_that_of_other_implementations() {
        // Made with Python: base64(hmac.digest(secret, b"id.timestamp.body", "sha256")).
        let secret = Secret::of_webhook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let made =
            signature(&secret.0, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(made, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_receiver_says_when_to_come_again() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers, now).map(|wait| wait.as_secs())
        };
        for (text, right) in [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("999999999999999999999999", Some(86_400)),
            ("90000", Some(86_400)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(7)),
            ("Sun Nov  6 08:49:37 1994", Some(7)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("Sat, 06 Nov 2094 08:49:37 GMT", Some(86_400)),
            ("", None),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
        ] {
            assert_eq!(of(text), right, "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn secrets_are_refused_that_are_none() {
        for bad in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_***", "whsec_c2hvcnQ="] {
            assert!(Secret::of_webhook(bad).is_err(), "{bad}");
        }
    }
}
