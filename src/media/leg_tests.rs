use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use proptest::prelude::{any, prop_assert, proptest};

use super::*;
use crate::domain::{Direction, PlayId, TelephoneEvent};
use crate::media::Times;
use crate::media::g711::Law;
use crate::media::prompt::Prompt;
use crate::media::rtp::RtpHeader;
use crate::media::telephone_event::Report;
use crate::media::tone::tone;

fn far() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 7], 4000))
}

fn stream() -> AgreedStream {
    AgreedStream {
        codec: Codec::Pcma,
        payload_type: 8,
        telephone_event: Some(TelephoneEvent { payload_type: 101, clock_hz: 8000 }),
        other_events: Vec::new(),
        ptime_ms: 20,
        remote: far(),
        learnable: std::sync::Arc::default(),
        remote_rtcp: Some(SocketAddr::from(([192, 0, 2, 7], 4001))),
        direction: Direction::SendRecv,
    }
}

fn leg(stream: AgreedStream, now: Instant) -> LegCore {
    let rules = LegRules::from(&MediaConfig::default());
    let mut leg = LegCore::new(rules, WallClock::new(now, SystemTime::now()), 1);
    leg.connect(stream, now);
    leg
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn datagram(payload_type: u8, sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let header = RtpHeader { payload_type, marker: false, sequence, timestamp, ssrc: 77 };
    let mut buffer = vec![0; HEADER_LEN + payload.len()];
    RtpPacket { header, payload }.write(&mut buffer).unwrap();
    buffer
}

fn keys(leg: &mut LegCore) -> String {
    std::iter::from_fn(|| leg.poll_event())
        .filter_map(|event| match event {
            LegEvent::Key { digit, .. } => Some(digit.as_char()),
            _ => None,
        })
        .collect()
}

/// RTP packets sent up to `due`, as `(due, packet)`.
fn sent(leg: &mut LegCore, start: Instant, from_ms: u64, to_ms: u64) -> Vec<(u64, RtpHeader, Vec<u8>)> {
    let mut buffer = [0; PACKET_MAX];
    let mut out = Vec::new();
    for at in (from_ms..to_ms).step_by(10) {
        while let Some(transmit) = leg.poll_packet(start + ms(at), &mut buffer) {
            if transmit.channel == Channel::Rtp {
                let packet = RtpPacket::read(&buffer[..transmit.len]).unwrap();
                out.push((at, packet.header, packet.payload.to_vec()));
            }
        }
    }
    out
}

#[test]
fn the_stream_never_stops_and_its_clock_is_steady() {
    for (ptime_ms, step) in [(10, 10), (20, 20), (30, 30), (45, 40), (60, 60)] {
        let start = Instant::now();
        let mut leg = leg(AgreedStream { ptime_ms, ..stream() }, start);
        let prompt = Arc::new(Prompt::new("p", "", &[5000; 800], &[5000; 1600]));
        leg.play(Play { id: PlayId(3), prompts: vec![prompt], times: Times::Once });
        let packets = sent(&mut leg, start, 0, 1200);
        assert_eq!(packets.len(), 1200 / step as usize);
        for (i, pair) in packets.windows(2).enumerate() {
            assert_eq!(pair[1].1.sequence, pair[0].1.sequence.wrapping_add(1));
            assert_eq!(pair[1].1.timestamp, pair[0].1.timestamp.wrapping_add(step * 8));
            assert_eq!(pair[0].1.marker, i == 0);
            assert_eq!(pair[0].2.len(), step as usize * 8);
        }
        assert_eq!(leg.poll_event(), Some(LegEvent::PlayDone(PlayId(3))));
    }
}

#[test]
fn a_prompt_waits_while_the_caller_is_on_hold() {
    let start = Instant::now();
    let mut leg = leg(stream(), start);
    let first = sent(&mut leg, start, 0, 100);
    leg.connect(AgreedStream { direction: Direction::Inactive, ..stream() }, start + ms(100));
    let prompt = Arc::new(Prompt::new("p", "", &[5000; 320], &[5000; 640]));
    leg.play(Play { id: PlayId(1), prompts: vec![prompt], times: Times::Once });
    assert!(sent(&mut leg, start, 100, 600).is_empty());
    leg.handle_timeout(start + Duration::from_secs(100));
    assert_eq!(leg.poll_event(), None, "no silence counts on hold");
    leg.connect(stream(), start + ms(600));
    let again = sent(&mut leg, start, 600, 700);
    assert!(again[0].1.marker);
    assert_eq!(again[0].1.sequence, first[4].1.sequence.wrapping_add(1));
    assert_eq!(again[0].1.timestamp, first[4].1.timestamp.wrapping_add(26 * 160), "the clock went on");
    assert_eq!(leg.poll_event(), Some(LegEvent::PlayDone(PlayId(1))));
}

#[test]
fn a_late_thread_catches_up_and_a_very_late_one_leaves_audio_out() {
    let start = Instant::now();
    let mut leg = leg(stream(), start);
    let mut buffer = [0; PACKET_MAX];
    let mut burst =
        |leg: &mut LegCore, at| std::iter::from_fn(|| leg.poll_packet(start + ms(at), &mut buffer)).count();
    assert_eq!(burst(&mut leg, 0), 1);
    assert_eq!(burst(&mut leg, 100), 5);
    assert_eq!(burst(&mut leg, 2100), 1);
    assert_eq!(burst(&mut leg, 2120), 1);
}

#[test]
fn silence_is_told_once_and_again_after_audio() {
    let start = Instant::now();
    let mut leg = leg(stream(), start);
    let step = |leg: &mut LegCore, at: u64| {
        leg.handle_timeout(start + ms(at));
        leg.poll_event()
    };
    assert_eq!(step(&mut leg, 9_999), None);
    assert_eq!(step(&mut leg, 10_000), Some(LegEvent::Dead(DeadMedia::NeverHeard)));
    assert_eq!(step(&mut leg, 10_020), None);
    leg.handle_rtp(&datagram(8, 1, 0, &[0xd5; 160]), far(), start + ms(11_000));
    assert_eq!(leg.poll_event(), Some(LegEvent::Heard));
    assert_eq!(step(&mut leg, 25_999), None);
    assert_eq!(step(&mut leg, 26_000), Some(LegEvent::Dead(DeadMedia::WentSilent)));
}

#[test]
fn strangers_and_noise_do_not_count() {
    let now = Instant::now();
    let mut leg = leg(stream(), now);
    leg.handle_rtp(&datagram(8, 1, 0, &[0xd5; 160]), far(), now);
    let five = Report { event: 5, end: false, held_ticks: 160 }.write();
    leg.handle_rtp(&datagram(101, 2, 160, &five), SocketAddr::from(([203, 0, 113, 1], 9)), now);
    leg.handle_rtp(b"GET / HTTP/1.0", far(), now);
    assert_eq!(keys(&mut leg), "");
    let stats = leg.stats();
    assert_eq!((stats.received, stats.strangers, stats.malformed), (1, 1, 1));
}

#[test]
fn in_band_keys_count_where_no_events_were_agreed_and_are_no_talk() {
    let start = Instant::now();
    for (telephone_event, expected) in [(None, "42"), (stream().telephone_event, "")] {
        let mut leg = leg(AgreedStream { telephone_event, ..stream() }, start);
        let mut samples = vec![0; 800];
        for key in ['4', '2'] {
            samples.extend(tone(Digit::from_char(key).unwrap(), 0, 640, 5000.0, 5000.0));
            samples.extend([0; 640]);
        }
        for (i, octets) in Law::A.encode(&samples).chunks(160).enumerate() {
            let i = i as u16;
            let now = start + ms(20 * u64::from(i));
            leg.handle_rtp(&datagram(8, i, u32::from(i) * 160, octets), far(), now);
        }
        assert_eq!(keys(&mut leg), expected);
        if telephone_event.is_none() {
            assert!(leg.stats().talk_ms < 100, "{}", leg.stats().talk_ms);
        }
    }
}

/// What one caller sends: audio every 20 ms and a press of 100 ms every half second, each with two repeated ends.
fn call(pressed: &str) -> Vec<(u64, Vec<u8>)> {
    let mut packets = Vec::new();
    let mut sequence = 65_000u16;
    let mut keys = pressed.chars();
    let mut key: Option<(Digit, u32)> = None;
    for frame in 0..(pressed.len() as u32 + 1) * 25 {
        let timestamp = 4_294_900_000u32.wrapping_add(frame * 160);
        if frame % 25 == 10 {
            key = keys.next().map(|c| (Digit::from_char(c).unwrap(), frame));
        }
        let mut push = |payload_type, timestamp, payload: &[u8]| {
            packets.push((u64::from(frame) * 20, datagram(payload_type, sequence, timestamp, payload)));
            sequence = sequence.wrapping_add(1);
        };
        match key {
            Some((digit, since)) => {
                let held_ticks = (frame - since + 1) as u16 * 160;
                let end = held_ticks == 800;
                let report = Report { event: digit.event_code(), end, held_ticks }.write();
                let started = 4_294_900_000u32.wrapping_add(since * 160);
                for _ in 0..if end { 3 } else { 1 } {
                    push(101, started, &report);
                }
                if end {
                    key = None;
                }
            }
            None => push(8, timestamp, &[0x55; 160]),
        }
    }
    packets
}

#[test]
fn every_key_is_heard_once_over_a_bad_network() {
    const PRESSED: &str = "15500*#9873221000444";
    let packets = call(PRESSED);
    for seed in 0..200 {
        let mut random = SmallRng::seed_from_u64(seed);
        let start = Instant::now();
        // Arrival times in microseconds, with a running number so that equal ones do not collide.
        let mut arrivals = BTreeMap::new();
        for (n, (at, packet)) in packets.iter().enumerate() {
            let copies = if random.random_bool(0.05) { 0 } else { 1 + usize::from(random.random_bool(0.05)) };
            for copy in 0..copies {
                arrivals.insert((at * 1000 + random.random_range(0..30_000), n, copy), packet);
            }
        }
        let mut leg = leg(stream(), start);
        for (&(at, ..), packet) in &arrivals {
            leg.handle_rtp(packet, far(), start + Duration::from_micros(at));
        }
        assert_eq!(keys(&mut leg), PRESSED, "seed {seed}");
        let stats = leg.stats();
        assert_eq!(stats.received as usize + stats.duplicates as usize, arrivals.len(), "seed {seed}");
        let share = f64::from(stats.lost) / packets.len() as f64;
        assert!((0.02..0.09).contains(&share), "seed {seed}: {share} lost");
        assert!((2000..25_000).contains(&stats.jitter_us), "seed {seed}: {} us", stats.jitter_us);
    }
}

#[test]
fn a_codec_and_an_address_can_change_in_the_middle() {
    let start = Instant::now();
    let mut leg = leg(stream(), start);
    sent(&mut leg, start, 0, 40);
    let moved = SocketAddr::from(([198, 51, 100, 9], 5000));
    let g722 = AgreedStream { codec: Codec::G722, payload_type: 9, remote: moved, ..stream() };
    leg.connect(g722, start + ms(40));
    let mut buffer = [0; PACKET_MAX];
    let transmit = leg.poll_packet(start + ms(40), &mut buffer).unwrap();
    assert_eq!(transmit.to, moved);
    assert_eq!(RtpPacket::read(&buffer[..transmit.len]).unwrap().header.payload_type, 9);
    leg.handle_rtp(&datagram(9, 1, 0, crate::media::g722::silence()), moved, start + ms(50));
    assert_eq!(leg.stats().received, 1);
}

#[test]
fn reports_go_out_and_come_back() {
    let start = Instant::now();
    let (mut one, mut other) = (leg(stream(), start), leg(stream(), start));
    let mut buffer = [0; PACKET_MAX];
    let mut reports = 0;
    for at in (0..20_000).step_by(20) {
        while let Some(transmit) = one.poll_packet(start + ms(at), &mut buffer) {
            let datagram = &buffer[..transmit.len];
            match transmit.channel {
                Channel::Rtp => other.handle_rtp(datagram, far(), start + ms(at)),
                Channel::Rtcp => {
                    reports += 1;
                    assert_eq!(transmit.to.port(), 4001);
                    other.handle_rtcp(datagram, transmit.to, start + ms(at));
                }
            }
        }
        while let Some(transmit) = other.poll_packet(start + ms(at), &mut buffer) {
            if transmit.channel == Channel::Rtcp {
                one.handle_rtcp(&buffer[..transmit.len], transmit.to, start + ms(at));
            }
        }
    }
    assert!((3..=8).contains(&reports), "{reports}");
    assert_eq!(one.stats().remote_lost, Some(0));
    assert!(one.close(start + ms(20_000), &mut buffer).is_some());
}

proptest! {
    #[test]
    fn arbitrary_datagrams_never_panic(datagrams in proptest::collection::vec(
        proptest::collection::vec(any::<u8>(), 0..64), 0..40), ours: bool) {
        let now = Instant::now();
        let mut leg = leg(AgreedStream { telephone_event: None, ..stream() }, now);
        for mut bytes in datagrams {
            if ours && bytes.len() > 12 {
                bytes[0] = 0x80;
                bytes[1] %= 10;
            }
            leg.handle_rtp(&bytes, far(), now);
            leg.handle_rtcp(&bytes, far(), now);
        }
        let mut buffer = [0; PACKET_MAX];
        let mut packets = 0;
        while leg.poll_packet(now + Duration::from_secs(3), &mut buffer).is_some() {
            packets += 1;
            prop_assert!(packets < 12, "a deadline that is met must be let go");
        }
    }
}

#[test]
fn a_listener_hears_audio_in_its_order_and_knows_of_keys() {
    let start = Instant::now();
    let mut leg = leg(stream(), start);
    let (sink, mut frames) = mpsc::channel(64);
    leg.listen(sink);
    let loud = Law::A.encode(&[8000; 160]);
    for (at, sequence) in [(0, 0u16), (20, 1), (40, 3), (60, 2), (100, 5)] {
        let packet = datagram(8, sequence, u32::from(sequence) * 160, &loud);
        leg.handle_rtp(&packet, far(), start + ms(at));
    }
    let payload = Report { event: 4, end: false, held_ticks: 160 }.write();
    leg.handle_rtp(&datagram(101, 6, 960, &payload), far(), start + ms(120));
    let quiet = Law::A.encode(&[0; 160]);
    for sequence in 7u16..13 {
        let packet = datagram(8, sequence, u32::from(sequence) * 160, &quiet);
        leg.handle_rtp(&packet, far(), start + ms(20 * u64::from(sequence)));
    }
    let heard: Vec<_> = std::iter::from_fn(|| frames.try_recv().ok()).collect();
    let loud: Vec<_> = heard.iter().map(|frame| frame.samples[0] > 7000).collect();
    assert_eq!(loud[..4], [true; 4], "the packet that was late is in its place");
    assert!(loud[4..].iter().filter(|&&loud| loud).count() == 1, "the lost one is silent: {loud:?}");
    assert!(heard.iter().any(|frame| frame.key_down));
    leg.deafen();
    leg.handle_rtp(&datagram(8, 13, 2080, &quiet), far(), start + ms(260));
    assert!(frames.try_recv().is_err());
}
