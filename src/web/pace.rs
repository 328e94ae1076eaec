//! Changes at a pace: all who watch hear of them at the same moment, so that what is made for one is there for the rest.

use std::time::Duration;

use tokio::sync::watch;

/// The latest of `changes`, no more often than every `every`; the first of a row at once. Nothing wakes while nothing
/// changes.
pub(super) fn paced(mut changes: watch::Receiver<u64>, every: Duration) -> watch::Receiver<u64> {
    let (tell, told) = watch::channel(*changes.borrow_and_update());
    tokio::spawn(async move {
        while changes.changed().await.is_ok() {
            let count = *changes.borrow_and_update();
            if tell.send(count).is_err() {
                return; // Nobody is left to watch.
            }
            tokio::time::sleep(every).await;
        }
    });
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn changes_are_told_at_once_and_then_at_their_pace() {
        let (change, changes) = watch::channel(7);
        let mut told = paced(changes, Duration::from_secs(2));
        assert_eq!(*told.borrow_and_update(), 7);
        let start = tokio::time::Instant::now();
        let mut heard = Vec::new();
        for count in 0..50 {
            change.send_replace(count);
            tokio::time::sleep(Duration::from_millis(100)).await;
            if told.has_changed().unwrap() {
                heard.push((start.elapsed().as_secs(), *told.borrow_and_update()));
            }
        }
        assert_eq!(heard.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 2, 4], "{heard:?}");
        told.changed().await.unwrap();
        assert_eq!(*told.borrow_and_update(), 49, "the last one is told too");
        drop(change);
        assert!(told.changed().await.is_err());
    }
}
