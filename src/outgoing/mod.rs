//! Messages to other systems: takes from the database what is due, sends it, and writes down what came of it.
//!
//! Each message is delivered at least once: a crash between a delivery and its record sends it again, under the same
//! id. Messages to one receiver are begun in the order in which they became due, several at a time, and one that failed
//! is overtaken by later ones; a receiver that needs the order has it in their timestamps. A receiver that does not
//! answer holds up nobody else. What was tried as often as the configuration allows is a dead letter: it stays, can be
//! looked at, and be replayed.

mod backoff;
mod mail;
mod webhook;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use metrics::counter;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::call::Shared;
use crate::config::{Live, OutgoingConfig};
use crate::store::{Batch, Change, Due, Outcome, Store, StoreError, Target, Tried};

/// How often it is looked for what is due.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often messages to receivers that are configured no more are given up.
const ORPHANS_EVERY: Duration = Duration::from_secs(60);
/// How long nothing is sent when what came of it cannot be written: what was sent would be sent again and again.
const PAUSE: Duration = Duration::from_secs(5);
/// Messages told in one mail at most.
const MAIL_MAX: usize = 50;

/// How one try went.
enum Sent {
    /// It was taken.
    Taken,
    /// It was not; why.
    Failed(String),
    /// It was not, and the receiver wants to be left alone for a while; why, and how long.
    Later(String, Duration),
    /// It is wanted no more; why.
    Gone(String),
}

/// Sends for as long as it is waited for.
pub async fn run(parts: Shared) {
    let client = match webhook::client() {
        Ok(client) => client,
        Err(error) => {
            error!("No messages are sent, since there is no HTTP client: {error}");
            return;
        }
    };
    let mut sender = Sender {
        parts,
        client,
        at_work: HashSet::new(),
        busy: BTreeMap::new(),
        quiet: BTreeMap::new(),
        tries: JoinSet::new(),
    };
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut orphans_at, mut quiet_until) = (Instant::now(), Instant::now());
    loop {
        let done = tokio::select! {
            _ = look.tick() => {
                let now = Instant::now();
                if now < quiet_until {
                    continue;
                }
                if orphans_at <= now {
                    orphans_at = now + ORPHANS_EVERY;
                    sender.give_up_orphans().await.and(sender.begin().await)
                } else {
                    sender.begin().await
                }
            }
            Some(tried) = sender.tries.join_next() => sender.end(tried).await,
        };
        if let Err(error) = done {
            error!("Messages wait, since the database does not do its part: {error}");
            quiet_until = Instant::now() + PAUSE;
        }
    }
}

/// What one task comes back with.
struct Try {
    target: Target,
    /// How each message fared.
    tried: Vec<(Due, Outcome)>,
    /// How long the receiver wants to be left alone.
    quiet: Option<Duration>,
}

struct Sender {
    parts: Shared,
    client: reqwest::Client,
    /// Messages that are being sent.
    at_work: HashSet<Uuid>,
    /// How many tries go on, by receiver.
    busy: BTreeMap<Target, usize>,
    /// Until when a receiver wants to be left alone.
    quiet: BTreeMap<Target, Instant>,
    tries: JoinSet<Try>,
}

impl Sender {
    /// Begins to send what is due.
    async fn begin(&mut self) -> Result<(), StoreError> {
        let live = self.parts.live.load_full();
        let now = Instant::now();
        self.quiet.retain(|_, until| *until > now);
        for target in targets(&live) {
            if self.quiet.contains_key(&target) {
                continue;
            }
            let at_once = if target == Target::Mail { 1 } else { live.config.outgoing.at_once };
            let free = at_once.saturating_sub(self.busy.get(&target).copied().unwrap_or_default());
            if free == 0 {
                continue;
            }
            let look = if target == Target::Mail { MAIL_MAX } else { at_once + free };
            let now_us = Timestamp::now().as_microsecond();
            let mut due = self.parts.store.views().due(&target, now_us, look).await?;
            due.retain(|due| !self.at_work.contains(&due.id));
            if due.is_empty() {
                continue;
            }
            if target == Target::Mail {
                self.spawn(&live, &target, due);
            } else {
                due.truncate(free);
                due.into_iter().for_each(|due| self.spawn(&live, &target, vec![due]));
            }
        }
        Ok(())
    }

    fn spawn(&mut self, live: &Arc<Live>, target: &Target, due: Vec<Due>) {
        self.at_work.extend(due.iter().map(|due| due.id));
        *self.busy.entry(target.clone()).or_default() += 1;
        let (live, target, client) = (Arc::clone(live), target.clone(), self.client.clone());
        self.tries.spawn(async move {
            let sent = send(&live, &client, &target, &due).await;
            let now_us = Timestamp::now().as_microsecond();
            let config = &live.config.outgoing;
            let tried = due.into_iter().map(|due| {
                let outcome = outcome(&sent, &due, config, now_us);
                (due, outcome)
            });
            let tried = tried.collect();
            let quiet = if let Sent::Later(_, wait) = sent { Some(wait) } else { None };
            Try { target, tried, quiet }
        });
    }

    /// Writes down what came of a try.
    async fn end(&mut self, tried: Result<Try, tokio::task::JoinError>) -> Result<(), StoreError> {
        let Ok(Try { target, tried, quiet }) = tried else {
            // Which one it was is not known: all that are at work are found again as due.
            self.at_work.clear();
            self.busy.clear();
            self.tries.abort_all();
            error!("A task that sends messages failed; what it sent may be sent again");
            return Ok(());
        };
        if let Some(wait) = quiet {
            let until = Instant::now() + wait;
            let known = self.quiet.entry(target.clone()).or_insert(until);
            *known = until.max(*known);
        }
        let at_us = Timestamp::now().as_microsecond();
        let mut changes = Vec::new();
        for (due, outcome) in &tried {
            tell(&target, due, outcome);
            changes.push(Change::Tried(Tried { id: due.id, at_us, outcome: outcome.clone() }));
        }
        let written = self.parts.store.append(Batch { changes, ..Batch::default() }).await;
        for (due, _) in &tried {
            self.at_work.remove(&due.id);
        }
        if let Some(busy) = self.busy.get_mut(&target) {
            *busy = busy.saturating_sub(1);
        }
        written
    }

    /// Gives up messages to receivers that the configuration names no more.
    async fn give_up_orphans(&self) -> Result<(), StoreError> {
        let known = targets(&self.parts.live.load()).collect();
        self.store().change(Change::Orphaned(known), None).await
    }

    fn store(&self) -> &Store {
        &self.parts.store
    }
}

/// Everybody who may be told something.
fn targets(live: &Live) -> impl Iterator<Item = Target> + use<> {
    let hooks: Vec<_> = live.config.webhook.iter().map(|hook| Target::Webhook(hook.name.clone())).collect();
    hooks.into_iter().chain(live.config.alerts.smtp.is_some().then_some(Target::Mail))
}

async fn send(live: &Live, client: &reqwest::Client, target: &Target, due: &[Due]) -> Sent {
    let timeout = live.config.outgoing.timeout;
    match target {
        Target::Mail => mail::send(&live.config, due, timeout).await,
        Target::Webhook(name) => {
            let hook = live.config.webhook.iter().find(|hook| hook.name == *name);
            match (hook, due.first()) {
                (Some(hook), Some(due)) => webhook::send(client, hook, due, timeout).await,
                _ => Sent::Failed("the configuration has changed".to_owned()),
            }
        }
    }
}

fn outcome(sent: &Sent, due: &Due, config: &OutgoingConfig, now_us: i64) -> Outcome {
    match sent {
        Sent::Taken => Outcome::Delivered,
        Sent::Gone(why) => Outcome::Dead(why.clone()),
        Sent::Failed(why) | Sent::Later(why, _) if due.attempts + 1 >= config.attempts_max => {
            Outcome::Dead(why.clone())
        }
        Sent::Failed(why) | Sent::Later(why, _) => {
            let wait = backoff::wait(due.attempts, config.retry_first, config.retry_max, &mut rand::rng());
            let asked = if let Sent::Later(_, asked) = sent { *asked } else { Duration::ZERO };
            let wait = wait.max(asked);
            let wait_us = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
            Outcome::Again(now_us.saturating_add(wait_us), why.clone())
        }
    }
}

/// Into log and metrics. What it is about is told by its id alone.
fn tell(target: &Target, due: &Due, outcome: &Outcome) {
    let kind = match target {
        Target::Webhook(_) => "webhook",
        Target::Mail => "mail",
    };
    let word = match outcome {
        Outcome::Delivered => {
            info!(message.id = %due.id, "Delivered {} to {target}", due.event);
            "delivered"
        }
        Outcome::Again(_, why) => {
            info!(message.id = %due.id, "{} to {target} failed and is tried again: {why}", due.event);
            "failed"
        }
        Outcome::Dead(why) => {
            warn!(message.id = %due.id, "Gave up {} to {target}; `aftercall webhook replay` tries it again: {why}", due.event);
            "dead"
        }
    };
    counter!("aftercall_messages_total", "to" => kind, "outcome" => word).increment(1);
}
