//! The people who sign in.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::{Access, AccessError, Lane};
use crate::domain::{AgentId, Role, TeamId, UserId, Viewer};

/// The name that somebody signs in with: 1-64 letters, digits or `. _ @ + -`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserName(Box<str>);

/// A text that is no name of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1-64 letters, digits or . _ @ + -")]
pub struct UserNameError;

impl FromStr for UserName {
    type Err = UserNameError;
    fn from_str(text: &str) -> Result<Self, UserNameError> {
        let fits = |c: char| c.is_alphanumeric() || "._@+-".contains(c);
        let good = (1..=64).contains(&text.chars().count()) && text.chars().all(fits);
        if good { Ok(Self(text.into())) } else { Err(UserNameError) }
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What somebody sees, and as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// The role.
    pub role: Role,
    /// The agent that they are, for that role.
    pub agent: Option<AgentId>,
    /// The teams of a supervisor; empty means all.
    pub teams: Vec<TeamId>,
}

impl Rights {
    /// Whether the parts go together.
    ///
    /// # Errors
    /// [`AccessError::AgentRole`], [`AccessError::Teams`].
    pub fn check(&self) -> Result<(), AccessError> {
        if (self.role == Role::Agent) != self.agent.is_some() {
            return Err(AccessError::AgentRole);
        }
        if self.role != Role::Supervisor && !self.teams.is_empty() {
            return Err(AccessError::Teams);
        }
        Ok(())
    }

    fn teams(&self) -> String {
        self.teams.iter().map(TeamId::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// As the audit log tells it.
impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.role.as_str())?;
        self.agent.iter().try_for_each(|agent| write!(f, " {agent}"))?;
        self.teams.iter().try_for_each(|team| write!(f, " {team}"))
    }
}

/// Somebody who is to sign in.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The name.
    pub name: UserName,
    /// The password in clear; it is hashed and forgotten.
    pub password: String,
    /// What they see.
    pub rights: Rights,
}

/// A user as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSummary {
    /// The name.
    pub name: String,
    /// What they see, and as what.
    pub viewer: Viewer,
    /// Whether they can no longer sign in.
    pub disabled: bool,
}

/// The columns that make a [`UserSummary`].
pub(super) const COLUMNS: &str =
    "users.id, users.name, users.role, users.agent, users.teams, users.disabled_us";

impl UserSummary {
    pub(super) fn from_row(row: &SqliteRow) -> Result<Self, AccessError> {
        let name: String = row.try_get("name")?;
        let damaged = || AccessError::Damaged(name.clone());
        let (id, role): (Vec<u8>, String) = (row.try_get("id")?, row.try_get("role")?);
        let (agent, teams): (Option<String>, String) = (row.try_get("agent")?, row.try_get("teams")?);
        let teams: Result<Vec<TeamId>, _> = teams.lines().map(str::parse).collect();
        let viewer = Viewer {
            user: UserId(Uuid::from_slice(&id).map_err(|_| damaged())?),
            role: Role::ALL.into_iter().find(|known| known.as_str() == role).ok_or_else(damaged)?,
            agent: agent.map(|agent| agent.parse()).transpose().map_err(|_| damaged())?,
            teams: teams.map_err(|_| damaged())?,
        };
        Ok(Self { viewer, disabled: row.try_get::<Option<i64>, _>("disabled_us")?.is_some(), name })
    }
}

impl Access {
    /// Makes a user.
    ///
    /// # Errors
    /// [`AccessError::SameUser`], [`AccessError::Password`]; those of [`Rights::check`]; the database's.
    pub async fn add_user(&self, user: NewUser) -> Result<(), AccessError> {
        user.rights.check()?;
        let hash = self.passwords.hash(user.password).await?;
        let insert = "INSERT INTO users (id, name, hash, role, agent, teams, created_us) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (name) DO NOTHING";
        let done = sqlx::query(insert)
            .bind(Uuid::now_v7().as_bytes().to_vec())
            .bind(user.name.to_string())
            .bind(hash)
            .bind(user.rights.role.as_str())
            .bind(user.rights.agent.as_ref().map(ToString::to_string))
            .bind(user.rights.teams())
            .bind(Timestamp::now().as_microsecond())
            .execute(&self.pool)
            .await?;
        if done.rows_affected() == 0 { Err(AccessError::SameUser) } else { Ok(()) }
    }

    /// Makes a user with a password that nobody knows; gives the secret of the link by which they come in once.
    ///
    /// # Errors
    /// [`AccessError::SameUser`]; those of [`Rights::check`]; the database's.
    pub async fn invite(&self, name: UserName, rights: Rights) -> Result<String, AccessError> {
        let password = super::secret()?;
        self.add_user(NewUser { name: name.clone(), password, rights }).await?;
        self.add_link(&name.to_string()).await
    }

    /// The user with this name, one who is disabled too.
    ///
    /// # Errors
    /// [`AccessError::NoUser`]; the database's.
    pub async fn named(&self, name: &str) -> Result<UserSummary, AccessError> {
        let select = format!("SELECT {COLUMNS} FROM users WHERE name = $1");
        let row = sqlx::query(sqlx::AssertSqlSafe(select)).bind(name).fetch_optional(&self.pool).await?;
        UserSummary::from_row(&row.ok_or(AccessError::NoUser)?)
    }

    /// All users, by name.
    ///
    /// # Errors
    /// The database's.
    pub async fn users(&self) -> Result<Vec<UserSummary>, AccessError> {
        let select = format!("SELECT {COLUMNS} FROM users ORDER BY name");
        let rows = sqlx::query(sqlx::AssertSqlSafe(select)).fetch_all(&self.pool).await?;
        rows.iter().map(UserSummary::from_row).collect()
    }

    /// Lets a user sign in no more, and ends their sessions and links at once.
    ///
    /// # Errors
    /// [`AccessError::NoUser`]; the database's.
    pub async fn disable_user(&self, name: &str) -> Result<(), AccessError> {
        let user = self.user_of(name).await?;
        let update = "UPDATE users SET disabled_us = $1 WHERE id = $2";
        sqlx::query(update)
            .bind(Timestamp::now().as_microsecond())
            .bind(user.0.as_bytes().to_vec())
            .execute(&self.pool)
            .await?;
        self.sign_out_everywhere(user).await
    }

    /// Lets a user who was disabled sign in again.
    ///
    /// # Errors
    /// [`AccessError::NoUser`]; the database's.
    pub async fn enable_user(&self, name: &str) -> Result<(), AccessError> {
        let update = "UPDATE users SET disabled_us = NULL WHERE name = $1";
        let done = sqlx::query(update).bind(name).execute(&self.pool).await?;
        if done.rows_affected() == 0 { Err(AccessError::NoUser) } else { Ok(()) }
    }

    /// Gives a user other rights, and ends their sessions and links. Not for those who come by single sign-on.
    ///
    /// # Errors
    /// [`AccessError::NoUser`], [`AccessError::Provider`]; those of [`Rights::check`]; the database's.
    pub async fn change_user(&self, name: &str, rights: Rights) -> Result<(), AccessError> {
        rights.check()?;
        let user = self.user_of(name).await?;
        let update = "UPDATE users SET role = $1, agent = $2, teams = $3 WHERE id = $4 AND subject IS NULL";
        let done = sqlx::query(update)
            .bind(rights.role.as_str())
            .bind(rights.agent.as_ref().map(ToString::to_string))
            .bind(rights.teams())
            .bind(user.0.as_bytes().to_vec())
            .execute(&self.pool)
            .await?;
        if done.rows_affected() == 0 {
            return Err(AccessError::Provider);
        }
        self.sign_out_everywhere(user).await
    }

    /// Gives a user another password, and ends their sessions and links. Not for those who come by single sign-on.
    ///
    /// # Errors
    /// [`AccessError::NoUser`], [`AccessError::Password`]; the database's.
    pub async fn set_password(&self, name: &str, password: String) -> Result<(), AccessError> {
        let user = self.user_of(name).await?;
        let hash = self.passwords.hash(password).await?;
        let update = "UPDATE users SET hash = $1 WHERE id = $2 AND subject IS NULL";
        let done =
            sqlx::query(update).bind(hash).bind(user.0.as_bytes().to_vec()).execute(&self.pool).await?;
        if done.rows_affected() == 0 {
            return Err(AccessError::NoUser);
        }
        self.sign_out_everywhere(user).await
    }

    /// The user with this name and password; `None` for a wrong one of either, after the same work.
    ///
    /// # Errors
    /// The database's; [`AccessError::Hash`]; [`AccessError::Busy`] for strangers, when too many of them wait.
    pub async fn user(
        &self,
        name: &UserName,
        password: String,
        lane: Lane,
    ) -> Result<Option<UserSummary>, AccessError> {
        let select = format!(
            "SELECT {COLUMNS}, users.hash FROM users WHERE name = $1 AND disabled_us IS NULL AND subject IS NULL"
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(select)).bind(name.to_string());
        let row = query.fetch_optional(&self.pool).await?;
        let hash = row.as_ref().map(|row| row.try_get::<String, _>("hash")).transpose()?;
        let right = self.passwords.is_right(hash, password, lane).await?;
        row.filter(|_| right).map(|row| UserSummary::from_row(&row)).transpose()
    }

    pub(super) async fn user_of(&self, name: &str) -> Result<UserId, AccessError> {
        let select = "SELECT id FROM users WHERE name = $1 AND disabled_us IS NULL";
        let id: Option<Vec<u8>> = sqlx::query_scalar(select).bind(name).fetch_optional(&self.pool).await?;
        let id = id.ok_or(AccessError::NoUser)?;
        Ok(UserId(Uuid::from_slice(&id).map_err(|_| AccessError::Damaged(name.to_owned()))?))
    }
}
