//! Secrets of those who are told of events: each in a file of its own.

use std::path::Path;

use super::{Config, ConfigError, Secret};

/// Reads the secrets that the configuration names files for.
///
/// # Errors
/// A file that cannot be read, or holds no secret.
pub(super) fn read(file: &Path, config: &mut Config) -> Result<(), ConfigError> {
    let base = file.parent().unwrap_or(Path::new("."));
    let text_of = |path: &Path| {
        let path = base.join(path);
        std::fs::read_to_string(&path)
            .map_err(|source| ConfigError::Unreadable { file: path.clone(), source })
    };
    for webhook in &mut config.webhook {
        let text = text_of(&webhook.secret_file)?;
        webhook.secret = Secret::of_webhook(&text).map_err(|what| ConfigError::Wrong {
            file: base.join(&webhook.secret_file),
            line: 1,
            what: format!("the secret of a webhook {what}"),
        })?;
    }
    if let Some(smtp) = &mut config.alerts.smtp
        && let Some(path) = &smtp.password_file
    {
        smtp.password = Secret(text_of(path)?.trim_end_matches(['\r', '\n']).as_bytes().to_vec());
    }
    Ok(())
}
