//! The caller's audio: one socket and one task per call, which sends a frame every 20 ms and listens.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::hearing::Hearing;
use super::sdp::Remote;
use crate::domain::{Codec, Digit};
use crate::media::g711::Law;
use crate::media::g722;
use crate::media::rtp::{HEADER_LEN, RtpHeader, RtpPacket, is_rtcp};
use crate::media::telephone_event::Report;
use crate::media::tone::tone;

/// Orders that may wait; the script waits when there are more.
const ORDERS_MAX: usize = 32;
/// Ticks of 8 kHz, and octets, in a frame of 20 ms.
const FRAME: usize = 160;
/// Frames of a key press: 100 ms.
const KEY_FRAMES: u16 = 5;
/// Frames of silence after a key: 60 ms.
const KEY_GAP_FRAMES: usize = 3;
/// Amplitude of each of the two tones of a key: -14 dBFS or so.
const TONE_AMPLITUDE: f32 = 6000.0;

enum Order {
    Connect(Option<Remote>),
    Speak(Arc<Vec<i16>>),
    Key(Digit),
    Tone(Digit),
    Mute(bool),
}

/// The handle of one call's audio. Dropping it ends the task.
#[derive(Debug)]
pub(super) struct Phone {
    pub(super) local: SocketAddr,
    orders: mpsc::Sender<Order>,
    hearing: Arc<Mutex<Hearing>>,
    /// Orders of sound that have not been sent to their end.
    busy: Arc<AtomicU32>,
    task: JoinHandle<()>,
}

impl Phone {
    pub(super) async fn open(local: IpAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind((local, 0)).await?;
        let (orders, receiver) = mpsc::channel(ORDERS_MAX);
        let hearing = Arc::new(Mutex::new(Hearing::default()));
        let busy = Arc::new(AtomicU32::new(0));
        let local = socket.local_addr()?;
        let line = Line::new(socket, hearing.clone(), busy.clone());
        Ok(Self { local, orders, hearing, busy, task: tokio::spawn(line.run(receiver)) })
    }

    /// Sends to a far end, or to none while on hold.
    pub(super) async fn connect(&self, remote: Option<Remote>) {
        self.order(Order::Connect(remote)).await;
    }

    pub(super) async fn mute(&self, on: bool) {
        self.order(Order::Mute(on)).await;
    }

    pub(super) async fn speak(&self, samples: Arc<Vec<i16>>) {
        self.busy.fetch_add(1, Ordering::AcqRel);
        self.order(Order::Speak(samples)).await;
    }

    pub(super) async fn key(&self, digit: Digit) {
        self.busy.fetch_add(1, Ordering::AcqRel);
        self.order(Order::Key(digit)).await;
    }

    pub(super) async fn tone(&self, digit: Digit) {
        self.busy.fetch_add(1, Ordering::AcqRel);
        self.order(Order::Tone(digit)).await;
    }

    /// Whether something ordered is still being sent.
    pub(super) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Acquire) > 0 && !self.task.is_finished()
    }

    pub(super) fn hearing(&self) -> Hearing {
        self.hearing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A key is pressed outside the audio: from now on the ear times the reaction.
    pub(super) fn note_press(&self) {
        self.hearing.lock().unwrap_or_else(PoisonError::into_inner).handle_press(Instant::now());
    }

    async fn order(&self, order: Order) {
        // The task ends only with this handle, or when its socket fails: then there is nobody to tell.
        self.orders.send(order).await.ok();
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What goes out next.
enum Sound {
    /// Octets of the codec in use when it was ordered.
    Octets(VecDeque<u8>),
    /// A key as named event; frames sent so far.
    Key { digit: Digit, frames: u16, timestamp: u32 },
}

struct Line {
    socket: UdpSocket,
    hearing: Arc<Mutex<Hearing>>,
    busy: Arc<AtomicU32>,
    remote: Option<Remote>,
    codec: Codec,
    muted: bool,
    sounds: VecDeque<Sound>,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    marker: bool,
    heard_sequence: Option<(u32, u16)>,
    decoder: g722::Decoder,
}

impl Line {
    fn new(socket: UdpSocket, hearing: Arc<Mutex<Hearing>>, busy: Arc<AtomicU32>) -> Self {
        Self {
            socket,
            hearing,
            busy,
            remote: None,
            codec: Codec::Pcmu,
            muted: false,
            sounds: VecDeque::new(),
            ssrc: rand::random(),
            sequence: rand::random(),
            timestamp: rand::random(),
            marker: true,
            heard_sequence: None,
            decoder: g722::Decoder::new(),
        }
    }

    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut datagram = [0; 1500];
        loop {
            tokio::select! {
                _ = ticks.tick() => self.send_frame().await,
                received = self.socket.recv_from(&mut datagram) => {
                    if let Ok((len, _)) = received { // An error is the far end's ICMP; the next call reads on.
                        self.hear(&datagram[..len]);
                    }
                }
                order = orders.recv() => match order {
                    Some(order) => self.obey(order),
                    None => return,
                },
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Connect(remote) => {
                if let Some(remote) = &remote {
                    self.codec = remote.codec;
                }
                self.marker = true;
                self.remote = remote;
            }
            Order::Mute(on) => self.muted = on,
            Order::Speak(samples) => self.sounds.push_back(Sound::Octets(encode(self.codec, &samples))),
            Order::Tone(digit) => {
                let mut samples =
                    tone(digit, 0, u32::from(KEY_FRAMES) * FRAME as u32, TONE_AMPLITUDE, TONE_AMPLITUDE);
                samples.resize(samples.len() + KEY_GAP_FRAMES * FRAME, 0);
                self.note_press();
                self.sounds.push_back(Sound::Octets(encode(self.codec, &samples)));
            }
            Order::Key(digit) => self.sounds.push_back(Sound::Key { digit, frames: 0, timestamp: 0 }),
        }
    }

    fn note_press(&self) {
        self.hearing.lock().unwrap_or_else(PoisonError::into_inner).handle_press(Instant::now());
    }

    async fn send_frame(&mut self) {
        let (payload_type, event) = match &self.remote {
            Some(remote) if !self.muted => (remote.payload_type, remote.event),
            _ => {
                self.timestamp = self.timestamp.wrapping_add(FRAME as u32);
                return;
            }
        };
        match self.sounds.front_mut() {
            Some(Sound::Key { .. }) => self.send_key(event).await,
            front => {
                let mut frame = [0; FRAME];
                silence(self.codec, &mut frame);
                let mut over = false;
                if let Some(Sound::Octets(octets)) = front {
                    let len = octets.len().min(FRAME);
                    for (slot, octet) in frame.iter_mut().zip(octets.drain(..len)) {
                        *slot = octet;
                    }
                    over = octets.is_empty();
                }
                let marker = std::mem::take(&mut self.marker);
                self.send(payload_type, marker, self.timestamp, &frame).await;
                if over {
                    self.finish();
                }
            }
        }
        self.timestamp = self.timestamp.wrapping_add(FRAME as u32);
    }

    /// One frame of a key press; after the last of them its end comes twice more, and then a gap.
    async fn send_key(&mut self, event: Option<(u8, u32)>) {
        let Some(Sound::Key { digit, frames, timestamp }) = self.sounds.front_mut() else { return };
        let Some((payload_type, clock_hz)) = event else {
            self.finish(); // Not agreed: such a key cannot be sent.
            return;
        };
        let per_tick = clock_hz / 8000;
        if *frames == 0 {
            *timestamp = self.timestamp.wrapping_mul(per_tick.max(1));
        }
        *frames += 1;
        let (frames, digit, timestamp) = (*frames, *digit, *timestamp);
        let report = Report {
            event: digit.event_code(),
            end: frames == KEY_FRAMES,
            held_ticks: frames * FRAME as u16 * per_tick as u16,
        };
        if frames == 1 {
            self.note_press();
        }
        for _ in 0..if report.end { 3 } else { 1 } {
            self.send(payload_type, frames == 1, timestamp, &report.write()).await;
        }
        if report.end {
            self.sounds.pop_front();
            let mut gap = [0; KEY_GAP_FRAMES * FRAME];
            silence(self.codec, &mut gap);
            self.sounds.push_front(Sound::Octets(gap.into()));
            self.marker = true;
        }
    }

    fn finish(&mut self) {
        if self.sounds.pop_front().is_some() {
            self.busy.fetch_sub(1, Ordering::AcqRel);
        }
    }

    async fn send(&mut self, payload_type: u8, marker: bool, timestamp: u32, payload: &[u8]) {
        let Some(to) = self.remote.as_ref().map(|remote| remote.address) else { return };
        let header = RtpHeader { payload_type, marker, sequence: self.sequence, timestamp, ssrc: self.ssrc };
        self.sequence = self.sequence.wrapping_add(1);
        let mut buffer = [0; HEADER_LEN + FRAME];
        if let Ok(len) = (RtpPacket { header, payload }).write(&mut buffer) {
            // A lost packet is the network's daily bread.
            self.socket.send_to(&buffer[..len], to).await.ok();
        }
    }

    fn hear(&mut self, datagram: &[u8]) {
        let Ok(packet) = RtpPacket::read(datagram) else { return };
        if is_rtcp(datagram) {
            return;
        }
        let level = match packet.header.payload_type {
            0 => Law::Mu.mean_magnitude(packet.payload),
            8 => Law::A.mean_magnitude(packet.payload),
            9 => {
                let samples = self.decoder.decode(packet.payload);
                let sum: u32 = samples.iter().map(|sample| u32::from(sample.unsigned_abs())).sum();
                sum.checked_div(samples.len() as u32).unwrap_or(0)
            }
            _ => return,
        };
        let (ssrc, sequence) = (packet.header.ssrc, packet.header.sequence);
        let missing = match self.heard_sequence.replace((ssrc, sequence)) {
            Some((before, last)) if before == ssrc => match sequence.wrapping_sub(last) {
                ahead @ 2..=1000 => u32::from(ahead) - 1,
                _ => 0,
            },
            _ => 0,
        };
        let mut hearing = self.hearing.lock().unwrap_or_else(PoisonError::into_inner);
        hearing.handle_packet(level, missing, Instant::now());
    }
}

fn silence(codec: Codec, out: &mut [u8]) {
    match codec {
        Codec::Pcmu => out.fill(Law::Mu.silence()),
        Codec::Pcma => out.fill(Law::A.silence()),
        Codec::G722 => {
            for (slot, &octet) in out.iter_mut().zip(g722::silence().iter().cycle()) {
                *slot = octet;
            }
        }
    }
}

fn encode(codec: Codec, samples: &[i16]) -> VecDeque<u8> {
    match codec {
        Codec::Pcmu => Law::Mu.encode(samples).into(),
        Codec::Pcma => Law::A.encode(samples).into(),
        Codec::G722 => {
            // Twice the rate by the mean of neighbours: good enough for a caller's voice and tones.
            let next = samples.iter().skip(1).chain(samples.last());
            let wide: Vec<i16> = samples.iter().zip(next).flat_map(|(&a, &b)| [a, a / 2 + b / 2]).collect();
            g722::encode(&wide).into()
        }
    }
}
