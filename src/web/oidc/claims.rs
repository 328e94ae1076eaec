//! What a provider says of somebody, and who they are here by it.

use serde::Serialize;
use serde_json::{Map, Value};

use super::SignOnError;
use crate::access::{Person, UserName};
use crate::config::{GroupRole, OidcConfig};
use crate::domain::{Role, TeamId};

pub(super) fn object(claims: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(claims) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// A claim by its name, or by its path through objects, `realm_access.roles`. Names may hold dots themselves, and a name
/// comes before a path.
fn claim<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let below = |(at, _): (usize, &str)| {
        let Some(Value::Object(inner)) = claims.get(&name[..at]) else { return None };
        claim(inner, &name[at + 1..])
    };
    claims.get(name).or_else(|| name.match_indices('.').find_map(below))
}

/// The groups that somebody is in.
fn groups<'a>(config: &OidcConfig, claims: &'a Map<String, Value>) -> Result<Vec<&'a str>, SignOnError> {
    let name = config.groups_claim.as_str();
    match claim(claims, name) {
        Some(Value::Array(list)) => {
            let texts: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
            if texts.is_empty() && !list.is_empty() {
                return Err(SignOnError::OddGroups { claim: name.to_owned() });
            }
            Ok(texts)
        }
        Some(Value::String(one)) => Ok(vec![one]),
        None | Some(Value::Null) if is_overage(claims, name) => Err(SignOnError::TooManyGroups),
        None | Some(Value::Null) => Err(SignOnError::NoGroups { claim: name.to_owned() }),
        Some(_) => Err(SignOnError::OddGroups { claim: name.to_owned() }),
    }
}

/// Whether a claim was left out because it would have been too long: it is named as one to be fetched elsewhere (OpenID
/// Connect Core §5.6.2), or, in short tokens of Microsoft Entra, `hasgroups` stands for it.
fn is_overage(claims: &Map<String, Value>, name: &str) -> bool {
    let elsewhere = claims.get("_claim_names").and_then(|names| names.get(name)).is_some();
    let has = claims.get("hasgroups").is_some_and(|has| has == true || has == "true");
    elsewhere || has
}

/// Who the claims say somebody is here.
pub(super) fn person(
    config: &OidcConfig,
    subject: String,
    claims: &Map<String, Value>,
) -> Result<Person, SignOnError> {
    let text = |name: &str| claim(claims, name).and_then(Value::as_str);
    let names = [config.name_claim.as_str(), "preferred_username", "email", "sub"];
    let name = names.into_iter().filter_map(text).find_map(|name| name.parse::<UserName>().ok());
    let groups = groups(config, claims)?;
    let mut fitting = config.roles.iter().filter(|role| groups.contains(&role.group.as_str())).peekable();
    let role = match fitting.peek() {
        Some(group) => group.role,
        None => {
            let claim = config.groups_claim.clone();
            return Err(SignOnError::NoRole { claim, groups: groups.len() });
        }
    };
    // Who is in several groups of that role sees the teams of all of them; one without teams is for all teams.
    let fitting: Vec<&GroupRole> = fitting.filter(|other| other.role == role).collect();
    let mut teams: Vec<TeamId> = Vec::new();
    if fitting.iter().all(|group| !group.teams.is_empty()) {
        for team in fitting.iter().flat_map(|group| &group.teams) {
            if !teams.contains(team) {
                teams.push(team.clone());
            }
        }
    }
    let agent = text(&config.agent_claim).and_then(|agent| agent.parse().ok());
    let agent = match role {
        Role::Agent => Some(agent.ok_or(SignOnError::NoAgent)?),
        Role::Supervisor | Role::Quality | Role::Admin => None,
    };
    let name = name.ok_or(SignOnError::Name)?;
    Ok(Person { subject, name, role, agent, teams })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config() -> OidcConfig {
        toml::from_str(
            r#"
            issuer = "https://login.example.com"
            client_id = "aftercall"
            roles = [
                { group = "leads", role = "supervisor", teams = ["north"] },
                { group = "leads-south", role = "supervisor", teams = ["south", "north"] },
                { group = "heads", role = "supervisor" },
                { group = "agents", role = "agent" },
            ]
            "#,
        )
        .unwrap()
    }

    fn of(claims: Value) -> Result<Person, SignOnError> {
        let Value::Object(claims) = claims else { panic!("an object") };
        person(&config(), "https://login.example.com 7".into(), &claims)
    }

    #[test]
    fn the_first_group_that_is_known_gives_the_role() {
        let lead = of(json!({"preferred_username": "anna", "groups": ["x", "agents", "leads"]})).unwrap();
        assert_eq!((lead.role, lead.teams.len(), lead.agent), (Role::Supervisor, 1, None));
        assert_eq!(lead.name.to_string(), "anna");
        let one =
            of(json!({"email": "ben@example.com", "groups": "agents", "agent_id": "agent-07"})).unwrap();
        assert_eq!((one.role, one.agent), (Role::Agent, "agent-07".parse().ok()));
        assert_eq!(
            one.name.to_string(),
            "ben@example.com",
            "a name that is missing gives way to the next best"
        );
    }

    #[test]
    fn teams_of_several_groups_are_joined() {
        let teams = |groups: &[&str]| {
            let lead = of(json!({"sub": "7", "groups": groups})).unwrap();
            lead.teams.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(teams(&["leads-south", "leads"]), ["north", "south"]);
        assert_eq!(teams(&["leads", "agents"]), ["north"]);
        assert_eq!(teams(&["leads", "heads"]), [""; 0], "all teams");
    }

    #[test]
    fn who_has_no_role_stays_out() {
        let others = of(json!({"sub": "7", "groups": ["others", "more"]}));
        assert!(matches!(others, Err(SignOnError::NoRole { groups: 2, .. })));
        assert!(matches!(of(json!({"sub": "7"})), Err(SignOnError::NoGroups { .. })));
        let odd = of(json!({"sub": "7", "groups": [{"name": "leads"}]}));
        assert!(matches!(odd, Err(SignOnError::OddGroups { .. })));
        assert!(matches!(of(json!({"sub": "7", "groups": ["agents"]})), Err(SignOnError::NoAgent)));
        assert!(matches!(of(json!({"groups": ["leads"]})), Err(SignOnError::Name)));
    }

    #[test]
    fn groups_left_out_because_they_are_too_many_are_named_as_that() {
        for overage in [
            json!({"sub": "7", "_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {}}}),
            json!({"sub": "7", "hasgroups": true}),
            json!({"sub": "7", "hasgroups": "true"}),
        ] {
            assert!(matches!(of(overage), Err(SignOnError::TooManyGroups)));
        }
        let other = json!({"sub": "7", "_claim_names": {"address": "src1"}});
        assert!(matches!(of(other), Err(SignOnError::NoGroups { .. })));
        let there = json!({"sub": "7", "groups": ["leads"], "hasgroups": true});
        assert!(of(there).is_ok());
    }

    #[test]
    fn a_claim_is_found_by_its_name_or_its_path() {
        let Value::Object(claims) = json!({
            "realm_access": {"roles": ["leads"]},
            "resource_access": {"my.client": {"roles": ["south"]}},
            "https://aftercall.example/groups": ["url"],
            "a.b": "dotted",
            "a": {"b": "nested", "c": "below"},
        }) else {
            panic!("an object")
        };
        let at = |name: &str| claim(&claims, name).map(ToString::to_string);
        assert_eq!(at("realm_access.roles").as_deref(), Some("[\"leads\"]"));
        assert_eq!(at("resource_access.my.client.roles").as_deref(), Some("[\"south\"]"));
        assert_eq!(at("https://aftercall.example/groups").as_deref(), Some("[\"url\"]"));
        assert_eq!(at("a.b").as_deref(), Some("\"dotted\""), "a name comes before a path");
        assert_eq!(at("a.c").as_deref(), Some("\"below\""));
        for nothing in ["", ".", "a.", ".b", "a.b.c", "realm_access.roles.0", "x.y", &".".repeat(10_000)] {
            assert_eq!(at(nothing), None, "{nothing}");
        }
    }
}
