//! Which role may use which view, and the reason that single calls ask for.

use std::fmt;
use std::str::FromStr;

use crate::domain::{IdError, Role};
use crate::store::StoreError;

/// Something that can be looked at. The names are those of the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is described at the function of its name")]
pub enum View {
    Overview,
    Agents,
    Agent,
    Queues,
    Queue,
    Why,
    Journey,
    Sampling,
    Mystery,
    Running,
    MyWeeks,
    Calls,
    Call,
    Recording,
    Comments,
    Tasks,
    TaskChange,
    TaskNumber,
    Messages,
    Audit,
    AuditChain,
    Lines,
}

impl View {
    /// All views.
    pub const ALL: [Self; 22] = [
        Self::Overview,
        Self::Agents,
        Self::Agent,
        Self::Queues,
        Self::Queue,
        Self::Why,
        Self::Journey,
        Self::Sampling,
        Self::Mystery,
        Self::Running,
        Self::MyWeeks,
        Self::Calls,
        Self::Call,
        Self::Recording,
        Self::Comments,
        Self::Tasks,
        Self::TaskChange,
        Self::TaskNumber,
        Self::Messages,
        Self::Audit,
        Self::AuditChain,
        Self::Lines,
    ];

    /// The name in the audit log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Agents => "agents",
            Self::Agent => "agent",
            Self::Queues => "queues",
            Self::Queue => "queue",
            Self::Why => "why",
            Self::Journey => "journey",
            Self::Sampling => "sampling",
            Self::Mystery => "mystery",
            Self::Running => "running",
            Self::MyWeeks => "my_weeks",
            Self::Calls => "calls",
            Self::Call => "call",
            Self::Recording => "recording",
            Self::Comments => "comments",
            Self::Tasks => "tasks",
            Self::TaskChange => "task_change",
            Self::TaskNumber => "task_number",
            Self::Messages => "messages",
            Self::Audit => "audit",
            Self::AuditChain => "audit_chain",
            Self::Lines => "lines",
        }
    }

    /// The one role that a view is for. Pages use it to show nobody a link that would be refused.
    #[must_use]
    pub fn role(self) -> Role {
        match self {
            Self::Overview
            | Self::Agents
            | Self::Agent
            | Self::Queues
            | Self::Queue
            | Self::Why
            | Self::Journey
            | Self::Sampling
            | Self::Mystery
            | Self::Running => Role::Supervisor,
            Self::MyWeeks => Role::Agent,
            Self::Calls
            | Self::Call
            | Self::Recording
            | Self::Comments
            | Self::Tasks
            | Self::TaskChange
            | Self::TaskNumber => Role::Quality,
            Self::Messages | Self::Audit | Self::AuditChain | Self::Lines => Role::Admin,
        }
    }
}

/// A view that is not for this viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The role may not.
    #[error("the role of {} does not see {}", role.as_str(), view.as_str())]
    Role {
        /// The role.
        role: Role,
        /// The view.
        view: View,
    },
    /// The agent is in none of the viewer's teams.
    #[error("the agent is in another team")]
    Team,
    /// A viewer in the role of agent without an agent.
    #[error("this user is no agent of the contact centre")]
    NoAgent,
    /// Somebody who sees some teams cannot say what the whole centre is measured against.
    #[error("this is for somebody who sees all teams")]
    Teams,
    /// The policy keeps comments from everybody.
    #[error("the policy lets nobody hear or read comments")]
    Comments,
}

/// Why a view gave nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ViewError {
    /// It is not for this viewer.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed, the audit log with it: nothing is shown that is not on record.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why somebody looks at single calls: 4-200 printable characters, kept in the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(Box<str>);

impl Reason {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that is no reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReasonError {
    /// Fewer than four characters that are no white space.
    #[error("a reason has at least 4 characters")]
    Short,
    /// Too long, or not printable.
    #[error("the reason cannot be kept: {0}")]
    Text(#[from] IdError),
}

impl FromStr for Reason {
    type Err = ReasonError;
    fn from_str(text: &str) -> Result<Self, ReasonError> {
        /// Longest reason, in characters.
        const MAX: usize = 200;
        let text = text.trim();
        if text.chars().filter(|c| !c.is_whitespace()).count() < 4 {
            return Err(ReasonError::Short);
        }
        if text.chars().count() > MAX {
            return Err(IdError::Long { max: MAX }.into());
        }
        match text.chars().find(|c| c.is_control()) {
            Some(c) => Err(IdError::Character(c).into()),
            None => Ok(Self(text.into())),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
