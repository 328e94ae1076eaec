//! Users whom a provider of single sign-on vouches for.

use jiff::Timestamp;
use uuid::Uuid;

use super::users::COLUMNS;
use super::{Access, AccessError, UserName, UserSummary};
use crate::domain::{AgentId, Role, TeamId};

/// Somebody as their provider describes them.
#[derive(Clone, Debug)]
pub struct Person {
    /// Who they are there, for good: a name may change hands.
    pub subject: String,
    /// What they are called.
    pub name: UserName,
    /// The role.
    pub role: Role,
    /// The agent that they are, for that role.
    pub agent: Option<AgentId>,
    /// The teams of a supervisor; empty means all.
    pub teams: Vec<TeamId>,
}

impl Access {
    /// The user that somebody is here, made at their first sign-in; role, agent and teams are as their provider says
    /// now. `None` for one who was disabled here. A name that a user has already gets a number behind it: nobody takes
    /// another one's place by being called the same.
    ///
    /// # Errors
    /// The database's; [`AccessError::SameUser`] when all such names are taken.
    pub async fn known(&self, person: &Person) -> Result<Option<UserSummary>, AccessError> {
        if let Some(user) = self.update(person).await? {
            return Ok(Some(user).filter(|user| !user.disabled));
        }
        /// Users of the same name that there may be.
        const SAME_MAX: u32 = 20;
        for number in 1..=SAME_MAX {
            let name =
                if number == 1 { person.name.to_string() } else { format!("{}-{number}", person.name) };
            let insert = "INSERT INTO users (id, name, hash, role, agent, teams, created_us, subject) \
                          VALUES ($1, $2, '', $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
            let done = sqlx::query(insert)
                .bind(Uuid::now_v7().as_bytes().to_vec())
                .bind(name)
                .bind(person.role.as_str())
                .bind(person.agent.as_ref().map(ToString::to_string))
                .bind(teams(person))
                .bind(Timestamp::now().as_microsecond())
                .bind(&person.subject)
                .execute(&self.pool)
                .await?;
            // Where nothing was written, the same person may have come in at the same time by another window.
            if done.rows_affected() > 0
                && let Some(user) = self.update(person).await?
            {
                return Ok(Some(user));
            }
        }
        Err(AccessError::SameUser)
    }

    async fn update(&self, person: &Person) -> Result<Option<UserSummary>, AccessError> {
        let update = format!(
            "UPDATE users SET role = $1, agent = $2, teams = $3 WHERE subject = $4 RETURNING {}",
            COLUMNS.replace("users.", "")
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(update))
            .bind(person.role.as_str())
            .bind(person.agent.as_ref().map(ToString::to_string))
            .bind(teams(person))
            .bind(&person.subject)
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| UserSummary::from_row(&row)).transpose()
    }
}

fn teams(person: &Person) -> String {
    person.teams.iter().map(TeamId::as_str).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Lane, NewUser, Rights, SessionRules};

    fn person(subject: &str, role: Role) -> Person {
        let name = "anna".parse().unwrap();
        Person { subject: subject.into(), name, role, agent: None, teams: Vec::new() }
    }

    #[tokio::test]
    async fn people_are_known_by_their_subject_and_take_nobodys_place() {
        let folder = tempfile::tempdir().unwrap();
        let access = Access::open(folder.path()).await.unwrap();
        let password = "correct horse battery".to_owned();
        let local = NewUser {
            name: "Anna".parse().unwrap(),
            password: password.clone(),
            rights: Rights { role: Role::Admin, agent: None, teams: Vec::new() },
        };
        access.add_user(local).await.unwrap();
        let one = access.known(&person("i 1", Role::Supervisor)).await.unwrap().unwrap();
        assert_eq!((one.name.as_str(), one.viewer.role), ("anna-2", Role::Supervisor));
        let again = access.known(&person("i 1", Role::Quality)).await.unwrap().unwrap();
        assert_eq!(again.viewer.user, one.viewer.user);
        assert_eq!(again.viewer.role, Role::Quality, "the provider's word counts at each sign-in");
        let other = access.known(&person("i 2", Role::Quality)).await.unwrap().unwrap();
        assert_eq!(other.name, "anna-3");

        let by_password =
            access.user(&"anna-2".parse().unwrap(), password.clone(), Lane::Known).await.unwrap();
        assert_eq!(by_password, None, "there is no password");
        let refused = access.set_password("anna-2", password).await;
        assert!(matches!(refused, Err(AccessError::NoUser)), "and none can be given: the provider decides");
        let rights = Rights { role: Role::Admin, agent: None, teams: Vec::new() };
        let refused = access.change_user("anna-2", rights).await;
        assert!(matches!(refused, Err(AccessError::Provider)), "nor other rights");
        let session = access.begin_session(one.viewer.user).await.unwrap();
        access.disable_user("anna-2").await.unwrap();
        assert_eq!(access.known(&person("i 1", Role::Quality)).await.unwrap(), None);
        let minute = std::time::Duration::from_secs(60);
        let rules = SessionRules { idle_max: minute, age_max: minute };
        assert_eq!(access.session(&session, rules).await.unwrap(), None);
    }
}
