//! What is erased by its age.

use jiff::{SignedDuration, Timestamp};

use super::erase::{Erase, Erased};
use super::views::read_error;
use super::writer::Job;
use super::{Head, Note, Store, StoreError, Views};
use crate::config::PolicyConfig;

/// The name of the mark up to which contexts are erased.
pub(super) const CONTEXTS: &str = "contexts";

/// Erases what the policy keeps no longer: recordings and transcripts, and what ties responses to calls and callers.
/// Meant to run once a day; what it did stands in the audit log. Gives `None` when nothing was old enough.
///
/// # Errors
/// [`StoreError`]; what was erased until then stays erased, and the rest is taken up the next time.
pub async fn run_once(
    store: &Store,
    policy: &PolicyConfig,
    now: Timestamp,
) -> Result<Option<(Erased, Head)>, StoreError> {
    let before = |age: std::time::Duration| {
        let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
        now.checked_sub(age).unwrap_or(Timestamp::MIN).as_microsecond()
    };
    let (recordings, contexts) = (before(policy.keep_recordings), before(policy.keep_contexts));
    let from = store.views().erased_until(CONTEXTS).await?;
    let mut done = None;
    for what in [Erase::Recordings(recordings), Erase::Offered(from, contexts)] {
        if store.views().to_erase(&what).await?.is_empty() {
            continue;
        }
        let (name, until) = match what {
            Erase::Recordings(_) => ("recordings", recordings),
            _ => ("contexts", contexts),
        };
        let until = Timestamp::from_microsecond(until).unwrap_or(now);
        let note = Note {
            user: "service".into(),
            role: "service",
            what: "erase",
            scope: format!("{name} before {until}"),
            reason: "age".into(),
        };
        let (erased, head) = store.erase(&what, note).await?;
        let sum = done.get_or_insert((Erased::default(), Head::default()));
        *sum = (sum.0.plus(erased), head);
    }
    store.mark_erased(CONTEXTS, contexts.max(from)).await?;
    Ok(done)
}

impl Views {
    async fn erased_until(&self, what: &'static str) -> Result<i64, StoreError> {
        let query = sqlx::query_scalar("SELECT until_us FROM retention WHERE what = $1").bind(what);
        Ok(query.fetch_optional(self.pool()).await.map_err(read_error)?.unwrap_or(i64::MIN))
    }
}

impl Store {
    async fn mark_erased(&self, what: &'static str, until_us: i64) -> Result<(), StoreError> {
        let (done, marked) = tokio::sync::oneshot::channel();
        self.jobs.send(Job::Mark { what, until_us, done }).await.map_err(|_| StoreError::Closed)?;
        marked.await.map_err(|_| StoreError::Closed)?
    }
}
