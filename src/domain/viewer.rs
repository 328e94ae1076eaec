//! Who looks at results, and as what.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ids::{AgentId, TeamId};

/// What somebody may do here. Each role sees what its work needs, and no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Their own results, anonymised and late.
    Agent,
    /// Aggregates of agents, teams and queues.
    Supervisor,
    /// Single calls and comments, with a reason given.
    Quality,
    /// Users and policy; no results.
    Admin,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::Agent, Self::Supervisor, Self::Quality, Self::Admin];

    /// The name in rows, forms and configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Supervisor => "supervisor",
            Self::Quality => "quality",
            Self::Admin => "admin",
        }
    }
}

/// One user of the dashboard or the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(pub Uuid);

/// Somebody who has shown who they are. Every view takes one, and shows what the role may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// The user.
    pub user: UserId,
    /// As what they look.
    pub role: Role,
    /// The agent that they are; set for the role of agent, and for no other.
    pub agent: Option<AgentId>,
    /// The teams whose agents a supervisor sees; empty means all.
    pub teams: Vec<TeamId>,
}
