//! The calls that an earlier run left open: each ends as a hang-up at that moment would have ended it, and who is to hear
//! of such an end hears of it.

use jiff::Timestamp;
use tokio::task::JoinSet;

use super::tell;
use crate::config::Live;
use crate::dialogue::complete_so_far;
use crate::domain::{Disposition, Entry, Fact};
use crate::store::{Batch, Orphan, Store, StoreError};

/// Writes the ends of these calls; what was answered stays.
///
/// # Errors
/// The store's: at least one of them is still open.
pub async fn close_all(store: &Store, live: &Live, orphans: &[Orphan]) -> Result<(), StoreError> {
    let mut closing = JoinSet::new(); // Together, so that they share transactions.
    for orphan in orphans {
        let (store, batch) = (store.clone(), end_of(orphan, store, live));
        closing.spawn(async move { store.append(batch).await });
    }
    while let Some(closed) = closing.join_next().await {
        closed.map_err(|_| StoreError::Closed)??;
    }
    Ok(())
}

fn end_of(orphan: &Orphan, store: &Store, live: &Live) -> Batch {
    let facts = || orphan.entries.iter().map(|entry| &entry.fact);
    let decision = facts().find_map(|fact| match fact {
        Fact::Decided(decision) => Some(decision),
        _ => None,
    });
    // Another version may ask something else: by it nobody can tell what was missing.
    let survey = decision
        .and_then(|decision| decision.survey.as_ref())
        .and_then(|(id, version)| live.surveys.get(id).filter(|survey| survey.version == *version));
    let complete = survey.is_some_and(|survey| complete_so_far(survey, facts()));
    let fact = if complete { complete_end() } else { orphan.end.clone() };
    let entry = Entry { call: orphan.call, at_us: Timestamp::now().as_microsecond(), fact };
    let mut changes = Vec::new();
    if let (Some(survey), Some(decision)) = (survey, decision) {
        let names = facts().find_map(|fact| match fact {
            Fact::Offered(context) => Some((context.queue.clone(), context.call_ref.clone())),
            _ => None,
        });
        let mut follow = tell::follow(survey, decision, names.unwrap_or_default(), live);
        for before in &orphan.entries {
            follow.take(before); // Told when it was written.
        }
        changes = tell::told(store, &live.config, &follow.take(&entry), None);
    }
    Batch { entries: vec![entry], changes, ..Batch::default() }
}

fn complete_end() -> Fact {
    Fact::Ended {
        disposition: Disposition::Complete,
        left_at: None,
        failure: None,
        by_caller: false,
        stats: None,
    }
}
