//! Logs and metrics. No phone number, transcript or name goes into either.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::MakeWriterExt;

use crate::config::{LogConfig, LogFormat};

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
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let started = match config.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
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
