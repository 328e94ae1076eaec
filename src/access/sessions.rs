//! Sessions of people who have signed in, and links that sign in once.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::Row as _;
use uuid::Uuid;

use super::users::COLUMNS;
use super::{Access, AccessError, UserSummary, digest, secret};
use crate::domain::{UserId, Viewer};

/// For how long a link can be used.
const LINK_GOOD_FOR: Duration = Duration::from_secs(600);
/// How late the time of the last look may be kept; a page is read without a write most of the time.
const SEEN_EVERY: Duration = Duration::from_secs(60);

/// How long sessions last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRules {
    /// Without a look at a page.
    pub idle_max: Duration,
    /// In all.
    pub age_max: Duration,
}

impl Access {
    /// Begins a session; gives the secret of its cookie.
    ///
    /// # Errors
    /// The database's.
    pub async fn begin_session(&self, user: UserId) -> Result<String, AccessError> {
        let secret = secret()?;
        let now = Timestamp::now().as_microsecond();
        let insert = "INSERT INTO sessions (hash, user_id, created_us, seen_us) VALUES ($1, $2, $3, $3)";
        sqlx::query(insert)
            .bind(digest(&secret))
            .bind(user.0.as_bytes().to_vec())
            .bind(now)
            .execute(&self.pool)
            .await?;
        Ok(secret)
    }

    /// Whose session this is; `None` when it is unknown or over.
    ///
    /// # Errors
    /// The database's.
    pub async fn session(
        &self,
        secret: &str,
        rules: SessionRules,
    ) -> Result<Option<UserSummary>, AccessError> {
        let Some((user, seen_us)) = self.find_session(secret, rules).await? else { return Ok(None) };
        let now = Timestamp::now().as_microsecond();
        if seen_us < now - micros(SEEN_EVERY) {
            let update = "UPDATE sessions SET seen_us = $1 WHERE hash = $2";
            sqlx::query(update).bind(now).bind(digest(secret)).execute(&self.pool).await?;
        }
        Ok(Some(user))
    }

    /// A session that is not over: whose it is, and when they last looked at a page.
    async fn find_session(
        &self,
        secret: &str,
        rules: SessionRules,
    ) -> Result<Option<(UserSummary, i64)>, AccessError> {
        let now = Timestamp::now().as_microsecond();
        let select = format!(
            "SELECT {COLUMNS}, seen_us FROM sessions JOIN users ON users.id = sessions.user_id \
             WHERE sessions.hash = $1 AND seen_us > $2 AND sessions.created_us > $3 AND disabled_us IS NULL"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(select))
            .bind(digest(secret))
            .bind(now - micros(rules.idle_max))
            .bind(now - micros(rules.age_max))
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some((UserSummary::from_row(&row)?, row.try_get("seen_us")?)))
    }

    /// What whose session this is may see now; `None` when it is unknown or over. It stays as old as it is.
    ///
    /// # Errors
    /// The database's.
    pub async fn session_holds(
        &self,
        secret: &str,
        rules: SessionRules,
    ) -> Result<Option<Viewer>, AccessError> {
        Ok(self.find_session(secret, rules).await?.map(|(user, _)| user.viewer))
    }

    /// How many sessions each user has that are not over.
    ///
    /// # Errors
    /// The database's.
    pub async fn sessions_by_user(&self, rules: SessionRules) -> Result<HashMap<UserId, u32>, AccessError> {
        let now = Timestamp::now().as_microsecond();
        let select = "SELECT user_id, COUNT(*) AS n FROM sessions WHERE seen_us > $1 AND created_us > $2 GROUP BY user_id";
        let rows = sqlx::query(select)
            .bind(now - micros(rules.idle_max))
            .bind(now - micros(rules.age_max))
            .fetch_all(&self.pool)
            .await?;
        let row = |row: &sqlx::sqlite::SqliteRow| {
            let id: Vec<u8> = row.try_get("user_id")?;
            let user = Uuid::from_slice(&id).map_err(|_| AccessError::Damaged("of sessions".to_owned()))?;
            Ok((UserId(user), u32::try_from(row.try_get::<i64, _>("n")?).unwrap_or(u32::MAX)))
        };
        rows.iter().map(row).collect()
    }

    /// Ends one session.
    ///
    /// # Errors
    /// The database's.
    pub async fn end_session(&self, secret: &str) -> Result<(), AccessError> {
        sqlx::query("DELETE FROM sessions WHERE hash = $1").bind(digest(secret)).execute(&self.pool).await?;
        Ok(())
    }

    /// Ends every session of a user, and makes their links worthless.
    ///
    /// # Errors
    /// The database's.
    pub async fn sign_out_everywhere(&self, user: UserId) -> Result<(), AccessError> {
        for delete in
            ["DELETE FROM sessions WHERE user_id = $1", "DELETE FROM sign_in_links WHERE user_id = $1"]
        {
            sqlx::query(delete).bind(user.0.as_bytes().to_vec()).execute(&self.pool).await?;
        }
        Ok(())
    }

    /// Makes a link that signs a user in once within ten minutes; gives its secret.
    ///
    /// # Errors
    /// [`AccessError::NoUser`]; the database's.
    pub async fn add_link(&self, name: &str) -> Result<String, AccessError> {
        let (user, secret) = (self.user_of(name).await?, secret()?);
        let end = Timestamp::now().as_microsecond() + micros(LINK_GOOD_FOR);
        sqlx::query("INSERT INTO sign_in_links (hash, user_id, expires_us) VALUES ($1, $2, $3)")
            .bind(digest(&secret))
            .bind(user.0.as_bytes().to_vec())
            .bind(end)
            .execute(&self.pool)
            .await?;
        Ok(secret)
    }

    /// Uses a link: whose it is; `None` when it is unknown, used or over.
    ///
    /// # Errors
    /// The database's.
    pub async fn use_link(&self, secret: &str) -> Result<Option<UserSummary>, AccessError> {
        // One statement takes it away and says whose it was, so that two at once cannot both have it.
        let delete = "DELETE FROM sign_in_links WHERE hash = $1 RETURNING user_id, expires_us";
        let row = sqlx::query(delete).bind(digest(secret)).fetch_optional(&self.pool).await?;
        let Some(row) = row else { return Ok(None) };
        if row.try_get::<i64, _>("expires_us")? <= Timestamp::now().as_microsecond() {
            return Ok(None);
        }
        let select = format!("SELECT {COLUMNS} FROM users WHERE id = $1 AND disabled_us IS NULL");
        let user = sqlx::query(sqlx::AssertSqlSafe(select))
            .bind(row.try_get::<Vec<u8>, _>("user_id")?)
            .fetch_optional(&self.pool)
            .await?;
        user.map(|row| UserSummary::from_row(&row)).transpose()
    }

    /// Forgets sessions and links that are over.
    ///
    /// # Errors
    /// The database's.
    pub async fn sweep(&self, rules: SessionRules) -> Result<(), AccessError> {
        let now = Timestamp::now().as_microsecond();
        sqlx::query("DELETE FROM sessions WHERE seen_us <= $1 OR created_us <= $2")
            .bind(now - micros(rules.idle_max))
            .bind(now - micros(rules.age_max))
            .execute(&self.pool)
            .await?;
        sqlx::query("DELETE FROM sign_in_links WHERE expires_us <= $1").bind(now).execute(&self.pool).await?;
        Ok(())
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Lane, NewUser, Rights};
    use crate::domain::Role;

    const RULES: SessionRules =
        SessionRules { idle_max: Duration::from_secs(1800), age_max: Duration::from_secs(43_200) };

    async fn with_user() -> (tempfile::TempDir, Access) {
        let folder = tempfile::tempdir().unwrap();
        let access = Access::open(folder.path()).await.unwrap();
        let password = "correct horse battery".to_owned();
        let (name, teams) = ("Dana".parse().unwrap(), vec!["north".parse().unwrap()]);
        let rights = Rights { role: Role::Supervisor, agent: None, teams };
        let user = NewUser { name, password, rights };
        access.add_user(user.clone()).await.unwrap();
        assert!(matches!(access.add_user(user.clone()).await, Err(AccessError::SameUser)));
        let short = NewUser { name: "ed".parse().unwrap(), password: "short".into(), ..user.clone() };
        assert!(matches!(access.add_user(short).await, Err(AccessError::Password)));
        let rights = Rights { role: Role::Agent, ..user.rights.clone() };
        let agentless = NewUser { name: "ed".parse().unwrap(), rights, ..user.clone() };
        assert!(matches!(access.add_user(agentless).await, Err(AccessError::AgentRole)));
        let rights = Rights { role: Role::Quality, ..user.rights.clone() };
        let with_teams = NewUser { name: "ed".parse().unwrap(), rights, ..user };
        assert!(matches!(access.add_user(with_teams).await, Err(AccessError::Teams)));
        (folder, access)
    }

    #[tokio::test]
    async fn a_session_ends_by_itself_and_on_demand() {
        let (_folder, access) = with_user().await;
        assert!(
            access
                .user(&"dana".parse().unwrap(), "wrong horse battery".into(), Lane::Stranger)
                .await
                .unwrap()
                .is_none()
        );
        assert!(
            access
                .user(&"nobody".parse().unwrap(), "correct horse battery".into(), Lane::Stranger)
                .await
                .unwrap()
                .is_none()
        );
        let user = access
            .user(&"dana".parse().unwrap(), "correct horse battery".into(), Lane::Stranger)
            .await
            .unwrap()
            .unwrap();
        assert_eq!((user.name.as_str(), user.viewer.teams.len()), ("Dana", 1));

        let (one, two) = (
            access.begin_session(user.viewer.user).await.unwrap(),
            access.begin_session(user.viewer.user).await.unwrap(),
        );
        assert_eq!(access.session(&one, RULES).await.unwrap().as_ref(), Some(&user));
        let idle = SessionRules { idle_max: Duration::ZERO, ..RULES };
        let old = SessionRules { age_max: Duration::ZERO, ..RULES };
        assert_eq!(access.session_holds(&one, RULES).await.unwrap().as_ref(), Some(&user.viewer));
        for over in [idle, old] {
            assert_eq!(access.session_holds(&one, over).await.unwrap(), None);
        }
        assert_eq!(access.session(&one, idle).await.unwrap(), None);
        assert_eq!(access.session(&one, old).await.unwrap(), None);
        access.end_session(&one).await.unwrap();
        assert_eq!(access.session(&one, RULES).await.unwrap(), None);
        assert!(access.session(&two, RULES).await.unwrap().is_some());
        access.set_password("dana", "another long password".into()).await.unwrap();
        assert_eq!(access.session(&two, RULES).await.unwrap(), None);
        access.sweep(idle).await.unwrap();
    }

    #[tokio::test]
    async fn a_link_is_good_once_and_a_disabled_user_for_nothing() {
        let (_folder, access) = with_user().await;
        assert!(matches!(access.add_link("nobody").await, Err(AccessError::NoUser)));
        let link = access.add_link("dana").await.unwrap();
        assert!(access.use_link(&link).await.unwrap().is_some());
        assert!(access.use_link(&link).await.unwrap().is_none());
        let link = access.add_link("dana").await.unwrap();
        access.disable_user("dana").await.unwrap();
        assert!(access.use_link(&link).await.unwrap().is_none());
        assert!(
            access
                .user(&"dana".parse().unwrap(), "correct horse battery".into(), Lane::Stranger)
                .await
                .unwrap()
                .is_none()
        );
        assert!(access.users().await.unwrap()[0].disabled);

        access.enable_user("dana").await.unwrap();
        let user = access
            .user(&"dana".parse().unwrap(), "correct horse battery".into(), Lane::Stranger)
            .await
            .unwrap()
            .unwrap();
        let session = access.begin_session(user.viewer.user).await.unwrap();
        let rights = Rights { role: Role::Quality, agent: None, teams: Vec::new() };
        access.change_user("dana", rights.clone()).await.unwrap();
        assert_eq!(access.session(&session, RULES).await.unwrap(), None, "other rights, another session");
        let user = access.named("DANA").await.unwrap();
        assert_eq!((user.viewer.role, user.viewer.teams.len()), (Role::Quality, 0));
        for nobody in [access.enable_user("x").await, access.change_user("x", rights).await] {
            assert!(matches!(nobody, Err(AccessError::NoUser)));
        }
    }
}
