//! One media thread: a wheel of 1 ms slots over which its legs are spread. When a leg's slot comes round, its
//! sockets are swept, its frame is sent and its events are handed over; no packet wakes anybody.

mod entry;

use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use rustix::thread::{ClockId, Timespec, clock_nanosleep_absolute, set_current_timer_slack};
use rustix::time::clock_gettime;

pub(super) use entry::NewLeg;
use entry::{Entry, Tally};

use super::engine::Shared;
use super::leg::{Channel, PACKET_MAX};
use super::ports;
use super::rounds::{Rounds, SWEEP_MAX};
use crate::domain::KeyPath;
use crate::priority;

/// Slots of the wheel, 1 ms each. Every period below divides it, so a thread that was held up can leave whole turns
/// out and each leg keeps its place.
const SLOTS: u64 = 60;
/// The longest time between two visits to a leg, in ms.
const PERIOD_MS: u64 = 20;
/// Legs start at multiples of this, in ms: waking seldom for many is cheaper than often for few, and a leg's own
/// packets keep their distance either way.
const PHASE_MS: u64 = 10;
/// From so many legs on they start at multiples of the shorter time, so that no slot grows longer than its turn.
const CROWD: usize = 500;
const CROWD_PHASE_MS: u64 = 5;
/// A thread that is further behind than this leaves turns out, in ms.
const BEHIND_MAX: u64 = 200;
/// Waking later than this is counted, in ms.
const LATE_MS: u64 = 5;
/// How long a closed leg waits for its owner to take the last events.
const FAREWELL: Duration = Duration::from_secs(5);
/// A thread without legs looks this often whether to stop.
const IDLE: Duration = Duration::from_millis(100);
/// The longest datagram that counts; longer ones are cut, and fail as malformed or play their head.
const DATAGRAM_MAX: usize = 1500;

pub(super) struct MediaThread {
    index: usize,
    shared: Arc<Shared>,
    #[expect(clippy::vec_box, reason = "a leg of some kilobytes moves to another slot fifty times a second")]
    wheel: Vec<Vec<Box<Entry>>>,
    /// Legs that start at each of the 20 phases.
    phases: [usize; PERIOD_MS as usize],
    legs: usize,
    /// The next slot to visit, counted from the epoch.
    tick: u64,
    epoch: Instant,
    epoch_time: Timespec,
    tally: Tally,
    flushed: Instant,
    packet: [u8; PACKET_MAX],
    datagram: [u8; DATAGRAM_MAX],
}

impl MediaThread {
    pub(super) fn new(index: usize, shared: Arc<Shared>) -> Self {
        Self {
            index,
            shared,
            wheel: (0..SLOTS).map(|_| Vec::new()).collect(),
            phases: [0; PERIOD_MS as usize],
            legs: 0,
            tick: 0,
            epoch: Instant::now(),
            epoch_time: clock_gettime(ClockId::Monotonic),
            tally: Tally::default(),
            flushed: Instant::now(),
            packet: [0; PACKET_MAX],
            datagram: [0; DATAGRAM_MAX],
        }
    }

    /// Works until the engine stops.
    pub(super) fn run(mut self, newcomers: &Receiver<NewLeg>) {
        // Best effort: without the right to do so the thread is as precise as any other.
        if set_current_timer_slack(NonZeroU64::new(1)).is_err() || !priority::ahead_of_calls() {
            tracing::debug!("A media thread runs at plain priority");
        }
        while !self.shared.stopping.load(Ordering::Relaxed) && self.take_newcomers(newcomers) {
            if self.legs > 0 {
                self.turn();
            }
            if self.flushed.elapsed() >= Duration::from_secs(1) {
                self.flush();
            }
        }
        // Those that were opened too late to be taken in want their last event too.
        while let Ok(newcomer) = newcomers.try_recv() {
            self.add(newcomer);
        }
        self.close_all();
        self.flush();
    }

    /// Takes new legs in, and waits for one if there are none at all. False when the engine has gone.
    fn take_newcomers(&mut self, newcomers: &Receiver<NewLeg>) -> bool {
        if self.legs == 0 {
            match newcomers.recv_timeout(IDLE) {
                Ok(newcomer) => {
                    self.tick = self.elapsed_ms() + 1;
                    self.add(newcomer);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
        loop {
            match newcomers.try_recv() {
                Ok(newcomer) => self.add(newcomer),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Puts a leg into the phase that has the fewest.
    fn add(&mut self, newcomer: NewLeg) {
        let NewLeg { core, sockets, port, inbox, events } = newcomer;
        let step_ms = if self.legs < CROWD { PHASE_MS } else { CROWD_PHASE_MS };
        let next = (0..PERIOD_MS).map(|ahead| self.tick + ahead).filter(|tick| tick.is_multiple_of(step_ms));
        let tick = next.min_by_key(|tick| self.phases[(tick % PERIOD_MS) as usize]).unwrap_or(self.tick);
        self.phases[(tick % PERIOD_MS) as usize] += 1;
        self.legs += 1;
        let entry = Entry {
            core,
            sockets: Some(sockets),
            port,
            inbox,
            events,
            stuck: None,
            rounds: Rounds::new(u32::from(port / 2)), // So that not all RTCP sockets are swept in one turn.
            tied: None,
            settled_for: 0,
            closed_at: None,
        };
        self.wheel[(tick % SLOTS) as usize].push(Box::new(entry));
    }

    /// Sleeps until the next slot that holds legs, and visits all that are due by then.
    fn turn(&mut self) {
        let ahead = (0..SLOTS).find(|ahead| !self.wheel[((self.tick + ahead) % SLOTS) as usize].is_empty());
        self.tick += ahead.unwrap_or(0);
        self.sleep_until(self.tick);
        let reached = self.elapsed_ms();
        let behind = reached.saturating_sub(self.tick);
        self.tally.late_wakes += u64::from(behind > LATE_MS);
        if behind > BEHIND_MAX {
            let left_out = behind / SLOTS * SLOTS;
            self.tick += left_out;
            self.tally.skipped_ms += left_out;
        }
        while self.tick <= reached {
            let slot = (self.tick % SLOTS) as usize;
            let due = self.epoch + Duration::from_millis(self.tick);
            let mut batch = std::mem::take(&mut self.wheel[slot]);
            for entry in &mut batch {
                self.obey(entry, due);
            }
            for entry in &mut batch {
                self.send(entry, due);
            }
            for mut entry in batch.drain(..) {
                match self.listen(&mut entry) {
                    Some(period_ms) => self.wheel[((self.tick + period_ms) % SLOTS) as usize].push(entry),
                    None => {
                        let phase = (self.tick % PERIOD_MS) as usize;
                        self.phases[phase] = self.phases[phase].saturating_sub(1);
                        self.legs -= 1;
                    }
                }
            }
            self.wheel[slot] = batch; // Empty now, since no period is a whole turn; keeps its memory.
            self.tick += 1;
        }
    }

    /// Does what the call has ordered.
    fn obey(&mut self, entry: &mut Entry, due: Instant) {
        let Some(orders) = entry.inbox.take() else { return };
        let now = Instant::now();
        if let Some(stream) = orders.connect {
            entry.core.connect(stream, due);
            entry.tie();
        }
        if orders.stop {
            entry.core.stop();
        }
        for play in orders.plays {
            entry.core.play(play);
        }
        for digit in orders.presses {
            entry.core.press(digit, KeyPath::Info, now);
        }
        match orders.listen {
            Some(Some(sink)) => entry.core.listen(sink),
            Some(None) => entry.core.deafen(),
            None => {}
        }
        if orders.close {
            entry.rounds.check(); // What waits still counts.
            self.sweep(entry, now);
            self.close(entry, now);
        }
    }

    /// Takes what has come, and hands over what is to be told. Gives the time to the next visit in ms, or `None`
    /// when the leg is gone.
    fn listen(&mut self, entry: &mut Entry) -> Option<u64> {
        let now = Instant::now();
        if entry.closed_at.is_none() {
            self.sweep(entry, now);
            entry.core.handle_timeout(now);
            entry.tie();
        }
        let delivered = entry.deliver(&mut self.tally);
        match entry.closed_at {
            Some(at) if delivered || now.saturating_duration_since(at) > FAREWELL => None,
            _ => Some(period_ms(entry.core.ptime_ms())),
        }
    }

    fn sweep(&mut self, entry: &mut Entry, now: Instant) {
        let Some(sockets) = &entry.sockets else { return };
        let mut taken = 0;
        for _ in 0..entry.rounds.depth() {
            match ports::receive(&sockets.rtp, &mut self.datagram) {
                Ok((len, from)) => {
                    taken += 1;
                    entry.core.handle_rtp(&self.datagram[..len], from, now);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {} // The far end's ICMP about a packet of ours; the next call reads on.
            }
        }
        if entry.rounds.sweeps_rtcp() {
            for _ in 0..SWEEP_MAX {
                match ports::receive(&sockets.rtcp, &mut self.datagram) {
                    Ok((len, from)) => entry.core.handle_rtcp(&self.datagram[..len], from, now),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(_) => {}
                }
            }
        }
        entry.rounds.visited(taken);
    }

    fn send(&mut self, entry: &mut Entry, due: Instant) {
        let Some(sockets) = &entry.sockets else { return };
        while let Some(transmit) = entry.core.poll_packet(due, &mut self.packet) {
            let socket = match transmit.channel {
                Channel::Rtp => &sockets.rtp,
                Channel::Rtcp => &sockets.rtcp,
            };
            let packet = &self.packet[..transmit.len];
            let sent = match (transmit.channel, entry.tied) {
                (Channel::Rtp, Some(to)) if to == transmit.to => ports::send_tied(socket, packet),
                _ => ports::send(socket, packet, transmit.to),
            };
            // A refused port shows here too; the far end may open it yet, and dead media is told from silence.
            if sent.is_err() {
                self.tally.send_failures += 1;
            }
        }
    }

    fn close(&mut self, entry: &mut Entry, now: Instant) {
        let Some(sockets) = entry.sockets.take() else { return };
        if let Some(transmit) = entry.core.close(now, &mut self.packet) {
            let socket = match transmit.channel {
                Channel::Rtp => &sockets.rtp,
                Channel::Rtcp => &sockets.rtcp,
            };
            if ports::send(socket, &self.packet[..transmit.len], transmit.to).is_err() {
                self.tally.send_failures += 1;
            }
        }
        drop(sockets);
        self.shared.release(self.index, entry.port);
        entry.closed_at = Some(now);
        let stats = entry.core.close_events();
        for (name, count) in [
            ("aftercall_rtp_received_total", stats.received),
            ("aftercall_rtp_sent_total", stats.sent),
            ("aftercall_rtp_lost_total", stats.lost),
            ("aftercall_rtp_late_total", stats.late),
            ("aftercall_rtp_duplicates_total", stats.duplicates),
            ("aftercall_rtp_malformed_total", stats.malformed),
            ("aftercall_rtp_strangers_total", stats.strangers),
        ] {
            metrics::counter!(name).increment(u64::from(count));
        }
    }

    /// The engine stops: every leg says goodbye and tells its owner what it still can.
    fn close_all(&mut self) {
        let now = Instant::now();
        for slot in 0..self.wheel.len() {
            for mut entry in std::mem::take(&mut self.wheel[slot]) {
                self.close(&mut entry, now);
                entry.deliver(&mut self.tally);
            }
        }
        self.legs = 0;
    }

    fn sleep_until(&self, tick: u64) {
        let at = Duration::from_millis(tick) + Duration::from_nanos(self.epoch_time.tv_nsec.unsigned_abs());
        let seconds = self.epoch_time.tv_sec + at.as_secs() as i64;
        let target = Timespec { tv_sec: seconds, tv_nsec: i64::from(at.subsec_nanos()) };
        // Interrupted by a signal it just sleeps on.
        while clock_nanosleep_absolute(ClockId::Monotonic, &target) == Err(rustix::io::Errno::INTR) {}
    }

    fn elapsed_ms(&self) -> u64 {
        self.epoch.elapsed().as_millis() as u64
    }

    fn flush(&mut self) {
        self.flushed = Instant::now();
        let tally = std::mem::take(&mut self.tally);
        metrics::gauge!("aftercall_rtp_legs", "thread" => self.index.to_string()).set(self.legs as f64);
        for (name, count) in [
            ("aftercall_rtp_late_wakes_total", tally.late_wakes),
            ("aftercall_rtp_skipped_ms_total", tally.skipped_ms),
            ("aftercall_rtp_send_failures_total", tally.send_failures),
            ("aftercall_rtp_blocked_events_total", tally.blocked_events),
        ] {
            if count > 0 {
                metrics::counter!(name).increment(count);
            }
        }
    }
}

/// The time between two visits: a whole fraction of the frame time, at most 20 ms.
fn period_ms(ptime_ms: u8) -> u64 {
    match ptime_ms {
        10 | 50 => 10,
        30 => 15,
        _ => PERIOD_MS,
    }
}
