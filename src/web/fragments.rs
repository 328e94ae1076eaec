//! Parts of pages that many look at and that change: made once for all of them.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio_stream::{Stream, StreamExt as _};

/// Parts that are kept; with more, all are made anew.
const KEPT_MAX: usize = 200;

/// What was made last, by name, with the version that it was made at. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Fragments(Arc<Mutex<HashMap<String, Arc<Mutex<Kept>>>>>);

/// What is new of a part: one that is the same as the one before, or could not be made, is not.
pub fn news(texts: impl Stream<Item = Option<Arc<str>>>) -> impl Stream<Item = Arc<str>> {
    let mut last: Option<Arc<str>> = None;
    texts.filter_map(move |text| {
        let text = text.filter(|text| !last.as_ref().is_some_and(|last| Arc::ptr_eq(last, text)))?;
        last = Some(Arc::clone(&text));
        Some(text)
    })
}

type Kept = Option<(u64, Arc<str>)>;

impl Fragments {
    /// The part of this name at this version or a later one; `make` makes it when nobody has yet. Others who want the
    /// same wait for it. One that is made anew and comes out the same is the same one ([`Arc::ptr_eq`]).
    ///
    /// # Errors
    /// Those of `make`; nothing is kept then.
    pub async fn get<E: Display, F: Future<Output = Result<String, E>>>(
        &self,
        name: String,
        version: u64,
        make: impl FnOnce() -> F,
    ) -> Result<Arc<str>, E> {
        let place = {
            let mut all = self.0.lock().await;
            if all.len() >= KEPT_MAX && !all.contains_key(&name) {
                all.clear();
            }
            Arc::clone(all.entry(name).or_default())
        };
        let mut kept = place.lock().await;
        if let Some((at, text)) = kept.as_ref()
            && *at >= version
        {
            return Ok(Arc::clone(text));
        }
        let made = make().await?;
        let before = kept.take().map(|(_, text)| text).filter(|text| **text == *made);
        let text = before.unwrap_or_else(|| made.into());
        *kept = Some((version, Arc::clone(&text)));
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_is_made_once_for_all() {
        let (fragments, made) = (Fragments::default(), std::sync::atomic::AtomicU32::new(0));
        let get = |version| {
            let make = || async {
                let number = made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                tokio::task::yield_now().await;
                Ok::<_, String>(format!("made {number}"))
            };
            fragments.get("a".into(), version, make)
        };
        let (one, two) = tokio::join!(get(1), get(1));
        assert_eq!((&*one.unwrap(), &*two.unwrap()), ("made 0", "made 0"));
        assert_eq!(&*get(2).await.unwrap(), "made 1");
        assert_eq!(&*get(1).await.unwrap(), "made 1", "a later one will do");
        let failed = fragments.get("a".into(), 3, || async { Err::<String, _>("no") }).await;
        assert_eq!(failed.unwrap_err(), "no");
        assert_eq!(&*get(3).await.unwrap(), "made 2");
        let same = |version| fragments.get("b".into(), version, || async { Ok::<_, String>("b".to_owned()) });
        let (one, two) = (same(1).await.unwrap(), same(2).await.unwrap());
        assert!(Arc::ptr_eq(&one, &two));
        let texts = [Some(one), None, Some(two), Some("c".into())];
        assert_eq!(news(tokio_stream::iter(texts)).collect::<Vec<_>>().await.len(), 2, "news alone are sent");
    }
}
