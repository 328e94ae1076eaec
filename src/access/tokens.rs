//! Bearer tokens (RFC 6750) with scopes and an end.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::Row as _;
use uuid::Uuid;

use super::{Access, AccessError, digest, secret};

/// What every token begins with, so that scanners for leaked secrets find it.
const PREFIX: &str = "aftercall_";

/// One thing that a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Read aggregates.
    Reports,
    /// Read single responses.
    Responses,
    /// Watch running calls.
    Live,
    /// Post, look up and withdraw contexts of calls to come.
    Reservations,
    /// Ask ahead of a call whether it will be surveyed.
    Decisions,
    /// Ask for a survey in the name of an agent.
    Triggers,
    /// Read what is to be followed up.
    ReadTasks,
    /// Say how far it has come.
    WriteTasks,
    /// Read the numbers of callers who asked to be called back.
    TaskNumbers,
    /// Read how messages fared.
    ReadWebhooks,
    /// Send again what was given up.
    WriteWebhooks,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 11] = [
        Self::Reports,
        Self::Responses,
        Self::Live,
        Self::Reservations,
        Self::Decisions,
        Self::Triggers,
        Self::ReadTasks,
        Self::WriteTasks,
        Self::TaskNumbers,
        Self::ReadWebhooks,
        Self::WriteWebhooks,
    ];

    /// The name in tokens and documents.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reports => "reports:read",
            Self::Responses => "responses:read",
            Self::Live => "live:read",
            Self::Reservations => "reservations:write",
            Self::Decisions => "decisions:ask",
            Self::Triggers => "triggers:write",
            Self::ReadTasks => "tasks:read",
            Self::WriteTasks => "tasks:write",
            Self::TaskNumbers => "tasks:number",
            Self::ReadWebhooks => "webhooks:read",
            Self::WriteWebhooks => "webhooks:write",
        }
    }
}

impl FromStr for Scope {
    type Err = AccessError;
    fn from_str(text: &str) -> Result<Self, AccessError> {
        let found = Self::ALL.into_iter().find(|scope| scope.as_str() == text);
        found.ok_or_else(|| AccessError::UnknownScope(text.to_owned()))
    }
}

/// What a token may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(pub BTreeSet<Scope>);

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, scope) in self.0.iter().enumerate() {
            write!(f, "{}{}", if i > 0 { " " } else { "" }, scope.as_str())?;
        }
        Ok(())
    }
}

impl FromStr for Scopes {
    type Err = AccessError;
    fn from_str(text: &str) -> Result<Self, AccessError> {
        text.split([' ', ','])
            .filter(|part| !part.is_empty())
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// A token that was shown and is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
}

/// A token as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSummary {
    /// Its id, by which the audit log names it.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// Until when it is good.
    pub expires: Timestamp,
    /// Whether it was revoked.
    pub revoked: bool,
}

impl Access {
    /// Makes a token; what is given back is shown once and not kept.
    ///
    /// # Errors
    /// [`AccessError::SameName`]; the database's.
    pub async fn add_token(
        &self,
        name: &str,
        scopes: &Scopes,
        good_for: Duration,
    ) -> Result<String, AccessError> {
        let token = format!("{PREFIX}{}", secret()?);
        let now = Timestamp::now().as_microsecond();
        let end = now.saturating_add(i64::try_from(good_for.as_micros()).unwrap_or(i64::MAX));
        let insert = "INSERT INTO tokens (id, name, hash, scopes, created_us, expires_us) \
                      VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) DO NOTHING";
        let done = sqlx::query(insert)
            .bind(Uuid::now_v7().as_bytes().to_vec())
            .bind(name)
            .bind(digest(&token))
            .bind(scopes.to_string())
            .bind(now)
            .bind(end)
            .execute(&self.pool)
            .await?;
        if done.rows_affected() == 0 { Err(AccessError::SameName) } else { Ok(token) }
    }

    /// The token that this text is; `None` for one that is unknown, over, or revoked.
    ///
    /// # Errors
    /// The database's.
    pub async fn token(&self, text: &str) -> Result<Option<Token>, AccessError> {
        if !text.starts_with(PREFIX) {
            return Ok(None);
        }
        let select =
            "SELECT id, name, scopes FROM tokens WHERE hash = $1 AND expires_us > $2 AND revoked_us IS NULL";
        let now = Timestamp::now().as_microsecond();
        let row = sqlx::query(select).bind(digest(text)).bind(now).fetch_optional(&self.pool).await?;
        let Some(row) = row else { return Ok(None) };
        let id: Vec<u8> = row.try_get("id")?;
        let scopes: String = row.try_get("scopes")?;
        Ok(Some(Token {
            id: Uuid::from_slice(&id).unwrap_or_default(),
            name: row.try_get("name")?,
            scopes: scopes.parse()?,
        }))
    }

    /// Whether a token that was good still is.
    ///
    /// # Errors
    /// The database's.
    pub async fn token_holds(&self, token: &Token) -> Result<bool, AccessError> {
        let select = "SELECT 1 FROM tokens WHERE id = $1 AND expires_us > $2 AND revoked_us IS NULL";
        let now = Timestamp::now().as_microsecond();
        let query = sqlx::query(select).bind(token.id.as_bytes().to_vec()).bind(now);
        Ok(query.fetch_optional(&self.pool).await?.is_some())
    }

    /// All tokens, by name.
    ///
    /// # Errors
    /// The database's.
    pub async fn tokens(&self) -> Result<Vec<TokenSummary>, AccessError> {
        let select = "SELECT id, name, scopes, expires_us, revoked_us FROM tokens ORDER BY name";
        let rows = sqlx::query(select).fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                let scopes: String = row.try_get("scopes")?;
                let id: Vec<u8> = row.try_get("id")?;
                Ok(TokenSummary {
                    id: Uuid::from_slice(&id).unwrap_or_default(),
                    name: row.try_get("name")?,
                    scopes: scopes.parse()?,
                    expires: Timestamp::from_microsecond(row.try_get("expires_us")?)
                        .unwrap_or(Timestamp::UNIX_EPOCH),
                    revoked: row.try_get::<Option<i64>, _>("revoked_us")?.is_some(),
                })
            })
            .collect()
    }

    /// Revokes a token; says whether there was one of that name that was still good.
    ///
    /// # Errors
    /// The database's.
    pub async fn revoke_token(&self, name: &str) -> Result<bool, AccessError> {
        let update = "UPDATE tokens SET revoked_us = $1 WHERE name = $2 AND revoked_us IS NULL";
        let now = Timestamp::now().as_microsecond();
        let done = sqlx::query(update).bind(now).bind(name).execute(&self.pool).await?;
        Ok(done.rows_affected() > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_is_good_until_its_end_or_its_revocation() {
        let folder = tempfile::tempdir().unwrap();
        let access = Access::open(folder.path()).await.unwrap();
        let scopes: Scopes = "reports:read,live:read".parse().unwrap();
        let day = Duration::from_secs(86_400);
        let token = access.add_token("bi", &scopes, day).await.unwrap();
        assert!(matches!(access.add_token("bi", &scopes, day).await, Err(AccessError::SameName)));
        let over = access.add_token("old", &scopes, Duration::ZERO).await.unwrap();

        let found = access.token(&token).await.unwrap().unwrap();
        assert_eq!((found.name.as_str(), &found.scopes), ("bi", &scopes));
        assert!(access.token_holds(&found).await.unwrap());
        assert_eq!(access.token(&over).await.unwrap(), None);
        assert_eq!(access.token("aftercall_guess").await.unwrap(), None);
        let kept = std::fs::read(folder.path().join("access.db")).unwrap();
        assert!(!kept.windows(token.len()).any(|part| part == token.as_bytes()), "the secret is not kept");

        assert!(access.revoke_token("bi").await.unwrap() && !access.revoke_token("bi").await.unwrap());
        assert_eq!(access.token(&token).await.unwrap(), None);
        assert!(!access.token_holds(&found).await.unwrap());
        assert_eq!(access.tokens().await.unwrap().len(), 2);
        assert!("reports:write".parse::<Scopes>().is_err());
    }
}
