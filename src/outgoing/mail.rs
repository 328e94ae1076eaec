//! One mail about everything that waits: what happened and where to look, and nothing about who it was.

use std::time::Duration;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use serde_json::Value;

use super::Sent;
use crate::config::{Config, SmtpConfig, SmtpTls};
use crate::store::Due;

/// Sends one mail about all of these.
pub(super) async fn send(config: &Config, due: &[Due], timeout: Duration) -> Sent {
    let Some(smtp) = &config.alerts.smtp else {
        return Sent::Failed("the configuration has changed".to_owned());
    };
    let message = match compose(config, due) {
        Ok(message) => message,
        Err(error) => return Sent::Failed(format!("the mail could not be composed: {error}")),
    };
    let transport = match transport(smtp, timeout) {
        Ok(transport) => transport,
        Err(error) => return Sent::Failed(error.to_string()),
    };
    match tokio::time::timeout(timeout, transport.send(message)).await {
        Ok(Ok(_)) => Sent::Taken,
        Ok(Err(error)) => Sent::Failed(error.to_string()),
        Err(_) => Sent::Failed("no answer in time".to_owned()),
    }
}

fn transport(
    smtp: &SmtpConfig,
    timeout: Duration,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, lettre::transport::smtp::Error> {
    type Transport = AsyncSmtpTransport<Tokio1Executor>;
    let mut builder = match smtp.tls {
        SmtpTls::Starttls => Transport::starttls_relay(&smtp.host)?,
        SmtpTls::Tls => Transport::relay(&smtp.host)?,
        SmtpTls::None => Transport::builder_dangerous(&smtp.host),
    };
    if let Some(authorities) = &smtp.authorities {
        let parameters = TlsParameters::builder(smtp.host.clone());
        let parameters = parameters.add_root_certificate(authorities.clone()).build()?;
        builder = builder.tls(match smtp.tls {
            SmtpTls::Tls => Tls::Wrapper(parameters),
            SmtpTls::Starttls | SmtpTls::None => Tls::Required(parameters),
        });
    }
    if let Some(port) = smtp.port {
        builder = builder.port(port);
    }
    if let Some(user) = &smtp.user {
        let password = String::from_utf8_lossy(&smtp.password.0).into_owned();
        builder = builder.credentials(Credentials::new(user.clone(), password));
    }
    Ok(builder.timeout(Some(timeout)).build())
}

fn compose(config: &Config, due: &[Due]) -> Result<Message, lettre::error::Error> {
    let alerts = &config.alerts;
    let mut builder = Message::builder().subject(subject(due)).header(ContentType::TEXT_PLAIN);
    if let Some(from) = &alerts.from {
        builder = builder.from(from.clone());
        // RFC 5322 §3.6.4. The same when it is sent again, so that who takes it twice can tell.
        let id = due.first().map(|due| format!("<{}@{}>", due.id, from.email.domain()));
        builder = builder.message_id(id);
    }
    for to in &alerts.to {
        builder = builder.to(to.clone());
    }
    let mut message = builder.body(body(config.web.public_url.as_deref(), due))?;
    // RFC 3834 §5: out-of-office notes are not to answer it.
    let header = HeaderName::new_from_ascii_str("Auto-Submitted");
    message.headers_mut().insert_raw(HeaderValue::new(header, "auto-generated".to_owned()));
    Ok(message)
}

fn subject(due: &[Due]) -> String {
    match due {
        [one] => format!("Aftercall: {}", words(&one.event)),
        many => format!("Aftercall: {} callers to look after", many.len()),
    }
}

fn words(event: &str) -> &str {
    match event {
        "callback.requested" => "a caller asks to be called back",
        "response.low_score" => "a low score",
        _ => "a response is complete",
    }
}

fn body(public_url: Option<&str>, due: &[Due]) -> String {
    let line = |due: &Due| {
        let said: Value = serde_json::from_str(&due.payload).unwrap_or_default();
        let of = |name: &str| said["data"][name].as_str().unwrap_or("-").to_owned();
        let at =
            said["timestamp"].as_str().and_then(|at| at.split('.').next()).unwrap_or_default().to_owned();
        let link = public_url.map(|url| format!("\n  {}/tasks/{}", url.trim_end_matches('/'), of("call")));
        let (survey, queue) = (of("survey"), of("queue"));
        format!(
            "{} UTC  {}; survey {survey}, queue {queue}{}\n",
            at.replace('T', " "),
            words(&due.event),
            link.unwrap_or_default()
        )
    };
    let lines: String = due.iter().map(line).collect();
    format!("{lines}\nWho it was and what was said is shown to the role of quality alone.\n")
}
