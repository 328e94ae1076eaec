//! What the contact centre says of a call before it comes to us.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::caller::{CallContext, CallerHash, Party, Trigger};
use super::ids::{AgentId, CallRef, Language, QueueId};

/// What names one reservation in an INVITE: 32 hexadecimal digits, of which 128 bits are secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReservationToken(Box<str>);

impl ReservationToken {
    /// From the 16 octets that it is.
    #[must_use]
    pub fn of(bytes: [u8; 16]) -> Self {
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
    }
}

impl FromStr for ReservationToken {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(Self(text.to_ascii_lowercase().into()));
        }
        Err("a token is 32 hexadecimal digits")
    }
}

impl fmt::Display for ReservationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known of a call ahead of it, in the form that may be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foretold {
    /// The agent to be rated.
    pub agent: Option<AgentId>,
    /// The queue.
    pub queue: Option<QueueId>,
    /// The contact centre's reference.
    pub call_ref: Option<CallRef>,
    /// The caller under the keyed hash.
    pub caller: Option<CallerHash>,
    /// The caller's language.
    pub language: Option<Language>,
    /// Who asked for the survey.
    pub trigger: Trigger,
    /// How long caller and agent talked, in seconds.
    pub talk_s: Option<u32>,
    /// Who hung up first.
    pub first_hang_up: Option<Party>,
}

/// By what a call was found to be the one that was foretold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundBy {
    /// The token that the reservation was given.
    Token,
    /// The contact centre's reference.
    CallRef,
    /// The caller's number, hashed.
    Caller,
}

impl CallContext {
    /// Adds what was foretold. What the INVITE says itself stays, with two exceptions: a reference gives way when the
    /// call was found by something else, since what stands in its place may be no more than the SIP Call-ID; and a call
    /// that either side says the agent asked for is one.
    pub fn complete(&mut self, said: &Foretold, by: FoundBy) {
        if by != FoundBy::CallRef && said.call_ref.is_some() {
            self.call_ref.clone_from(&said.call_ref);
        }
        self.agent = self.agent.take().or_else(|| said.agent.clone());
        self.queue = self.queue.take().or_else(|| said.queue.clone());
        self.language = self.language.take().or_else(|| said.language.clone());
        self.talk = self.talk.or(said.talk_s.map(|seconds| Duration::from_secs(seconds.into())));
        self.first_hang_up = self.first_hang_up.or(said.first_hang_up);
        if self.trigger == Trigger::Hangup && said.trigger == Trigger::Agent {
            self.trigger = Trigger::Agent;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_invite_wins_and_the_reservation_completes() {
        let said = Foretold {
            agent: "anna".parse().ok(),
            queue: "sales".parse().ok(),
            call_ref: "C7".parse().ok(),
            talk_s: Some(90),
            trigger: Trigger::Agent,
            ..Foretold::default()
        };
        let invite = || CallContext {
            agent: "ben".parse().ok(),
            call_ref: "sip-call-id".parse().ok(),
            ..CallContext::default()
        };
        let mut found = invite();
        found.complete(&said, FoundBy::Token);
        let name = |id: Option<AgentId>| id.map(String::from);
        assert_eq!(name(found.agent).as_deref(), Some("ben"));
        assert_eq!(found.queue, said.queue);
        assert_eq!(found.call_ref, said.call_ref);
        assert_eq!((found.talk, found.trigger), (Some(Duration::from_secs(90)), Trigger::Agent));
        let mut trial = CallContext { trigger: Trigger::Test, ..invite() };
        trial.complete(&said, FoundBy::CallRef);
        assert_eq!(trial.trigger, Trigger::Test, "a trial call stays one");
        assert_eq!(trial.call_ref.unwrap().as_str(), "sip-call-id");
    }

    #[test]
    fn a_token_goes_to_text_and_back() {
        let token = ReservationToken::of([0xa5; 16]);
        assert_eq!(token.to_string().to_uppercase().parse(), Ok(token));
        assert!("a5".parse::<ReservationToken>().is_err());
    }
}
