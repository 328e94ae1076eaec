//! One message to one webhook, signed as Standard Webhooks 1.0.0 says: `webhook-id`, `webhook-timestamp` (of the try),
//! and `webhook-signature`, which is `v1,` and the HMAC-SHA-256 of `id.timestamp.body` in base64 ("Signature scheme",
//! "Webhook headers").

use std::time::Duration;

use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use reqwest::StatusCode;
use sha2::Sha256;

use super::Sent;
use crate::config::WebhookConfig;
use crate::store::Due;

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
        Ok(answer) => Sent::Failed(format!("HTTP {}", answer.status().as_u16())),
        Err(error) if error.is_timeout() => Sent::Failed("no answer in time".to_owned()),
        Err(error) if error.is_connect() => Sent::Failed("no connection".to_owned()),
        // The address may hold a secret of the receiver.
        Err(error) => Sent::Failed(error.without_url().to_string()),
    }
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
    fn secrets_are_refused_that_are_none() {
        for bad in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_***", "whsec_c2hvcnQ="] {
            assert!(Secret::of_webhook(bad).is_err(), "{bad}");
        }
    }
}
