//! The answers to writes, kept so that a write that is sent again is answered again and not done again.

use sqlx::Row as _;
use uuid::Uuid;

use super::sql;
use super::statement::Statement;
use super::views::read_error;
use super::{StoreError, Views};

/// The answer to one write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Whose write: the id of a bearer token.
    pub token: Uuid,
    /// The key that came with it.
    pub name: String,
    /// SHA-256 of what was asked.
    pub request: [u8; 32],
    /// The HTTP status.
    pub status: u16,
    /// The body; empty where there is none.
    pub body: String,
    /// When, in microseconds since 1970 UTC.
    pub made_us: i64,
}

impl Views {
    /// The answer that a write of this token with this key was given.
    ///
    /// # Errors
    /// [`StoreError::Read`].
    pub async fn receipt(&self, token: Uuid, name: &str) -> Result<Option<Receipt>, StoreError> {
        let select = "SELECT request, status, body, made_us FROM receipts WHERE token = $1 AND name = $2";
        let query = sqlx::query(select).bind(sql::bytes(token)).bind(name.to_owned());
        let Some(row) = query.fetch_optional(self.pool()).await.map_err(read_error)? else { return Ok(None) };
        let request: Vec<u8> = row.try_get("request").map_err(read_error)?;
        Ok(Some(Receipt {
            token,
            name: name.to_owned(),
            request: request.try_into().unwrap_or_default(),
            status: row.try_get("status").map_err(read_error)?,
            body: row.try_get("body").map_err(read_error)?,
            made_us: row.try_get("made_us").map_err(read_error)?,
        }))
    }
}

pub(super) fn insert(receipt: &Receipt) -> Vec<Statement> {
    let text = "INSERT INTO receipts (token, name, request, status, body, made_us) \
                VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (token, name) DO NOTHING";
    let query = Statement::new(text)
        .bind(sql::bytes(receipt.token))
        .bind(receipt.name.clone())
        .bind(receipt.request.to_vec())
        .bind(i64::from(receipt.status))
        .bind(receipt.body.clone())
        .bind(receipt.made_us);
    vec![query]
}

/// Answers that were given before this time go.
pub(super) fn tidy(before_us: i64) -> Vec<Statement> {
    vec![Statement::new("DELETE FROM receipts WHERE made_us < $1").bind(before_us)]
}
