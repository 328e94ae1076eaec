//! Orders from a call to its leg, waiting for the media thread to pass by.
//!
//! It cannot overflow: a newer connect or listener replaces an older one, a stop clears the plays before it, and beyond what a
//! leg can queue anyway plays and keys are dropped (the oldest stay).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::player::{PLAYS_MAX, Play};
use crate::domain::{AgreedStream, AudioFrame, Digit};

/// Keys by INFO that may wait: far more than anyone presses in 20 ms.
const PRESSES_MAX: usize = 32;

/// What is to be done, in the order: connect, stop, plays, presses, listen, close.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// What offer and answer agreed on.
    pub(super) connect: Option<AgreedStream>,
    /// Stop what played before these orders.
    pub(super) stop: bool,
    /// Play these.
    pub(super) plays: Vec<Play>,
    /// Keys by INFO.
    pub(super) presses: Vec<Digit>,
    /// Hand the caller's audio to this listener, or to nobody.
    pub(super) listen: Option<Option<mpsc::Sender<AudioFrame>>>,
    /// The call is over.
    pub(super) close: bool,
}

/// The box that a call fills and a media thread empties. Both hold the lock for a few instructions only.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    filled: AtomicBool,
    orders: Mutex<Orders>,
}

impl Inbox {
    /// A connect.
    pub(super) fn connect(&self, stream: AgreedStream) {
        self.order(|orders| orders.connect = Some(stream));
    }

    /// A play. Beyond the bound it is dropped.
    pub(super) fn play(&self, play: Play) {
        self.order(|orders| {
            if orders.plays.len() <= PLAYS_MAX {
                orders.plays.push(play);
            }
        });
    }

    /// A stop.
    pub(super) fn stop(&self) {
        self.order(|orders| {
            orders.plays.clear();
            orders.stop = true;
        });
    }

    /// A key by INFO. Beyond the bound it is dropped.
    pub(super) fn press(&self, digit: Digit) {
        self.order(|orders| {
            if orders.presses.len() < PRESSES_MAX {
                orders.presses.push(digit);
            }
        });
    }

    /// A listener for the caller's audio, or none any more.
    pub(super) fn listen(&self, sink: Option<mpsc::Sender<AudioFrame>>) {
        self.order(|orders| orders.listen = Some(sink));
    }

    /// The end.
    pub(super) fn close(&self) {
        self.order(|orders| orders.close = true);
    }

    /// Takes what has been ordered. While the other side holds the lock there is nothing yet: a media thread does
    /// not wait.
    pub(super) fn take(&self) -> Option<Orders> {
        if !self.filled.load(Ordering::Acquire) {
            return None;
        }
        let mut orders = self.orders.try_lock().ok()?;
        self.filled.store(false, Ordering::Release);
        Some(std::mem::take(&mut *orders))
    }

    fn order(&self, change: impl FnOnce(&mut Orders)) {
        let mut orders: MutexGuard<'_, Orders> = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut orders);
        self.filled.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::PlayId;
    use crate::media::Times;

    #[test]
    fn a_stop_clears_what_was_ordered_before_it() {
        let inbox = Inbox::default();
        let play = |id| Play { id: PlayId(id), prompts: Vec::new(), times: Times::Once };
        assert!(inbox.take().is_none());
        inbox.play(play(1));
        inbox.stop();
        inbox.play(play(2));
        let orders = inbox.take().unwrap();
        assert!(orders.stop);
        assert_eq!(orders.plays.iter().map(|play| play.id).collect::<Vec<_>>(), [PlayId(2)]);
        assert!(inbox.take().is_none());
    }
}
