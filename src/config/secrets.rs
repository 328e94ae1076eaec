//! What [`Config`] names files for, of those who are told of events: secrets, and who vouches for the mail server.

use std::path::Path;

use lettre::transport::smtp::client::Certificate;

use super::{Config, ConfigError, Secret};

/// Reads the files that the configuration names for them.
///
/// # Errors
/// A file that cannot be read, or does not hold what it should.
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
    let Some(smtp) = &mut config.alerts.smtp else { return Ok(()) };
    if let Some(path) = &smtp.password_file {
        smtp.password = Secret(text_of(path)?.trim_end_matches(['\r', '\n']).as_bytes().to_vec());
    }
    if let Some(path) = &smtp.ca_file {
        let text = text_of(path)?;
        let authorities = Certificate::from_pem(text.as_bytes()).ok();
        // Of a text without any, the library makes a certificate that vouches for nobody.
        smtp.authorities = authorities.filter(|_| text.contains("-----BEGIN CERTIFICATE-----"));
        if smtp.authorities.is_none() {
            let what = "there is no certificate in PEM here".to_owned();
            return Err(ConfigError::Wrong { file: base.join(path), line: 1, what });
        }
    }
    Ok(())
}
