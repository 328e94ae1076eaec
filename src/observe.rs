//! Logs and metrics. No phone number, transcript or name goes into either.

use std::collections::VecDeque;
use std::fmt::{Debug, Write as _};
use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::writer::MakeWriterExt;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::{LogConfig, LogFormat};

/// Warnings and errors kept for a look; older ones are in the log alone.
const TROUBLES_MAX: usize = 50;
/// Longest text kept of one, in characters.
const TROUBLE_MAX: usize = 400;

/// A warning or an error, as the log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// When.
    pub at: Timestamp,
    /// Whether somebody should act.
    pub is_error: bool,
    /// The message, and why.
    pub text: String,
}

static TROUBLES: Mutex<VecDeque<Trouble>> = Mutex::new(VecDeque::new());

/// The last warnings and errors of this process, the latest first.
#[must_use]
pub fn troubles() -> Vec<Trouble> {
    TROUBLES.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
}

/// Keeps the last warnings and errors: the message and its cause, and no other field.
struct Troubles;

impl<S: Subscriber> Layer<S> for Troubles {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() > Level::WARN {
            return;
        }
        let mut text = Text::default();
        event.record(&mut text);
        let text = text.0.chars().take(TROUBLE_MAX).collect();
        let is_error = *event.metadata().level() == Level::ERROR;
        let mut kept = TROUBLES.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= TROUBLES_MAX {
            kept.pop_front();
        }
        kept.push_back(Trouble { at: Timestamp::now(), is_error, text });
    }
}

/// The message of an event, and after it what caused it.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let written = match field.name() {
            "message" => {
                let after = std::mem::take(&mut self.0);
                write!(self.0, "{value:?}{after}")
            }
            "cause" | "error" => write!(self.0, ": {value:?}"),
            _ => Ok(()),
        };
        written.expect("a String takes every write");
    }
}

/// Sends log lines to standard error, as configured; `RUST_LOG` wins over the file's filter. A second call changes
/// nothing.
///
/// # Errors
/// The filter cannot be read.
pub fn start_log(config: &LogConfig) -> Result<(), String> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(text) if !text.is_empty() => text,
        _ => config.filter.clone(),
    };
    let filter = EnvFilter::try_new(&filter).map_err(|error| format!("log filter {filter:?}: {error}"))?;
    let writer = std::io::stderr.with_max_level(tracing::Level::TRACE);
    // Only a terminal is coloured, and only where nobody asked for none (https://no-color.org).
    let colours =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(colours);
    let started = match config.format {
        LogFormat::Text => builder.finish().with(Troubles).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().with(Troubles).try_init(),
    };
    if started.is_err() {
        tracing::debug!("Logging was started before");
    }
    Ok(())
}

/// Collects metrics from here on; the handle writes them in the Prometheus text format.
///
/// # Errors
/// A recorder is installed already, or the buckets are malformed.
pub fn start_metrics() -> Result<PrometheusHandle, metrics_exporter_prometheus::BuildError> {
    let seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5];
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &seconds)?
        .install_recorder()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_warnings_and_errors_are_kept_and_nothing_else_of_them() {
        let subscriber = tracing_subscriber::registry().with(Troubles);
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("all is well");
            tracing::error!(cause = "no room", agent.id = "anna", "It failed");
            for number in 0..TROUBLES_MAX {
                tracing::warn!("number {number}{}", "\u{e9}".repeat(TROUBLE_MAX));
            }
            tracing::error!(agent.id = "anna", cause = "no room", "It failed");
        });
        let kept = troubles();
        assert_eq!(kept.len(), TROUBLES_MAX);
        assert_eq!((kept[0].text.as_str(), kept[0].is_error), ("It failed: no room", true));
        assert!(!kept[1].is_error && kept[1].text.chars().count() == TROUBLE_MAX);
        assert!(kept.iter().all(|trouble| !trouble.text.contains("well") && !trouble.text.contains("anna")));
    }
}
