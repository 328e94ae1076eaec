//! Open streams, for as long as whoever opened them may see what they tell: a session or a token that is over, and a role
//! or teams that have changed, end them.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};

/// Before something is told it is asked whether it may be, unless that was asked so lately.
const FRESH: Duration = Duration::from_secs(2);
/// Where nothing is told it is asked so often.
const EVERY: Duration = Duration::from_secs(30);

/// Passes on what is told for as long as `may` says that it may be, and `last` when it may not any more. Whoever opens a
/// stream was asked just before.
pub fn guarded<T, F>(
    news: impl Stream<Item = T> + Send + 'static,
    may: impl Fn() -> F + Send + 'static,
    last: Vec<T>,
) -> impl Stream<Item = T> + Send
where
    T: Send + 'static,
    F: Future<Output = bool> + Send + 'static,
{
    let (tell, told) = mpsc::channel(1);
    tokio::spawn(async move {
        tokio::pin!(news);
        let mut asked = Instant::now();
        loop {
            let next = tokio::select! {
                next = news.next() => match next {
                    Some(next) => Some(next),
                    None => return,
                },
                () = sleep_until(asked + EVERY) => None,
                () = tell.closed() => return,
            };
            if asked.elapsed() >= FRESH {
                if !may().await {
                    for last in last {
                        tell.send(last).await.ok(); // Who has gone needs not be told.
                    }
                    return;
                }
                asked = Instant::now();
            }
            if let Some(next) = next
                && tell.send(next).await.is_err()
            {
                return;
            }
        }
    });
    ReceiverStream::new(told)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// A stream that is guarded, who tells it news, and how often it is asked whether they may be told: `good` times.
    fn stream(good: u32) -> (mpsc::Sender<u32>, impl Stream<Item = u32>, Arc<AtomicU32>) {
        let (tell, news) = mpsc::channel(9);
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let may = move || {
            let before = count.fetch_add(1, Ordering::Relaxed);
            async move { before < good }
        };
        (tell, guarded(ReceiverStream::new(news), may, vec![77, 78]), asked)
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_asked_before_something_is_told_and_not_each_time() {
        let (tell, events, asked) = stream(1);
        tokio::pin!(events);
        for number in 0..3 {
            tell.send(number).await.unwrap();
            assert_eq!(events.next().await, Some(number));
        }
        assert_eq!(asked.load(Ordering::Relaxed), 0, "it was asked when the stream was opened");
        tokio::time::sleep(FRESH).await;
        tell.send(3).await.unwrap();
        assert_eq!(events.next().await, Some(3));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        tokio::time::sleep(FRESH).await;
        tell.send(4).await.unwrap();
        assert_eq!(events.next().await, Some(77), "and 4 is not told");
        assert_eq!((events.next().await, events.next().await), (Some(78), None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_ends_too() {
        let (_tell, events, asked) = stream(2);
        tokio::pin!(events);
        let start = Instant::now();
        assert_eq!(events.next().await, Some(77));
        assert_eq!((start.elapsed().as_secs(), asked.load(Ordering::Relaxed)), (90, 3));
    }
}
