//! The audit log for the role of admin: who looked at what, no results. Looking at it is on record too.

use super::{Results, View, ViewError};
use crate::domain::Viewer;
use crate::store::{AuditFilter, AuditPage, BY_OPERATORS, Chain};

/// What the log tells of, beside the views: the names of what is done.
const DONE: [&str; 7] =
    ["sign_in", "set_goal", "user_sign_out", "api responses", "api export", "export", "audit_seal"];

/// Every name that the log uses, for those who look for one.
#[must_use]
pub fn audit_names() -> Vec<&'static str> {
    View::ALL.into_iter().map(View::as_str).chain(DONE).chain(BY_OPERATORS).collect()
}

impl Results {
    /// Lines of the log, the latest first.
    ///
    /// # Errors
    /// [`ViewError`].
    pub async fn audit(&self, viewer: &Viewer, filter: &AuditFilter) -> Result<AuditPage, ViewError> {
        let parts = [("of", &filter.user), ("what", &filter.what)];
        let parts = parts.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?)));
        let scope: Vec<String> = parts.collect();
        self.look(viewer, View::Audit, if scope.is_empty() { "all".into() } else { scope.join(" ") }).await?;
        Ok(self.store.views().audit_page(filter).await?)
    }

    /// Checks the last `max` lines; gives the number of the first of them too.
    ///
    /// # Errors
    /// [`ViewError`]; a broken chain is an answer.
    pub async fn audit_chain(&self, viewer: &Viewer, max: i64) -> Result<(i64, Chain), ViewError> {
        self.look_closely(viewer, View::AuditChain, format!("the last {max} lines"), "").await?;
        Ok(self.store.views().verify_audit_end(self.store.privacy(), max).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{results, viewer};
    use super::*;
    use crate::domain::Role;

    #[tokio::test]
    async fn the_log_is_read_by_page_user_what_and_day_and_its_end_is_checked() {
        let folder = tempfile::tempdir().unwrap();
        let results = results(&folder).await;
        let admin = viewer(Role::Admin);
        let kim = Viewer { user: crate::domain::UserId(uuid::Uuid::now_v7()), ..viewer(Role::Quality) };
        let period = "2026-11".parse().unwrap();
        let supervisor = viewer(Role::Supervisor);
        results.overview(&supervisor, super::super::Slice::of(period)).await.unwrap();
        let reason = "a complaint".parse().unwrap();
        for _ in 0..5 {
            results.calls(&kim, &Default::default(), &reason).await.unwrap();
        }
        let all = AuditFilter { limit: 3, ..AuditFilter::default() };
        let page = results.audit(&admin, &all).await.unwrap();
        let seqs = |page: &AuditPage| page.lines.iter().map(|line| line.seq).collect::<Vec<_>>();
        assert_eq!((seqs(&page), page.next), (vec![7, 6, 5], Some(5)), "the look itself is the latest line");
        let next = results.audit(&admin, &AuditFilter { before: page.next, ..all.clone() }).await.unwrap();
        assert_eq!((seqs(&next), next.next), (vec![4, 3, 2], Some(2)));
        let what = AuditFilter { what: Some("overview".into()), ..all.clone() };
        let found = results.audit(&admin, &what).await.unwrap();
        assert_eq!((seqs(&found), found.next), (vec![1], None));
        let of = AuditFilter { user: Some(kim.user.0.to_string()), limit: 100, ..all.clone() };
        assert_eq!(seqs(&results.audit(&admin, &of).await.unwrap()), [6, 5, 4, 3, 2]);
        let (first, last) = (found.lines[0].at_us, page.lines[0].at_us);
        let time = |from_us, to_us| AuditFilter { from_us, to_us, limit: 100, ..all.clone() };
        assert_eq!(seqs(&results.audit(&admin, &time(None, Some(first))).await.unwrap()), [0i64; 0]);
        assert_eq!(seqs(&results.audit(&admin, &time(Some(first), Some(first + 1))).await.unwrap()), [1]);
        let late = results.audit(&admin, &time(Some(last), None)).await.unwrap();
        assert_eq!(late.lines.last().map(|line| line.seq), Some(7));

        let (from, chain) = results.audit_chain(&admin, 4).await.unwrap();
        assert!(matches!(chain, Chain::Whole(head) if head.seq == from + 3), "{from}");
        let mut other = crate::store::schema::open_beside(results.store.views().path()).await.unwrap();
        sqlx::query("UPDATE audit SET scope = 'nothing' WHERE seq = 3").execute(&mut other).await.unwrap();
        assert!(matches!(results.audit_chain(&admin, 4).await.unwrap().1, Chain::Whole(_)), "before the end");
        let (_, broken) = results.audit_chain(&admin, 1000).await.unwrap();
        assert!(matches!(broken, Chain::Broken { seq: 3, .. }), "{broken:?}");
    }
}
