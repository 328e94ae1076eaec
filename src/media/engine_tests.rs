use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use super::*;
use crate::domain::{Codec, Direction, KeyPath, TelephoneEvent};
use crate::media::rtp::{RtpHeader, RtpPacket};
use crate::media::telephone_event::Report;

/// A far end: a plain socket that receives with a deadline.
fn far(local: IpAddr) -> UdpSocket {
    let socket = UdpSocket::bind((local, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket
}

fn stream(remote: SocketAddr) -> AgreedStream {
    AgreedStream {
        codec: Codec::Pcmu,
        payload_type: 0,
        telephone_event: Some(TelephoneEvent { payload_type: 101, clock_hz: 8000 }),
        other_events: Vec::new(),
        ptime_ms: 20,
        remote,
        learnable: std::sync::Arc::default(),
        remote_rtcp: None,
        direction: Direction::SendRecv,
    }
}

/// Each test has its own ports, since they run beside each other.
fn config(port_min: u16) -> MediaConfig {
    MediaConfig { port_min, port_max: port_min + 199, threads: 1, ..MediaConfig::default() }
}

fn send(socket: &UdpSocket, to: SocketAddr, payload_type: u8, sequence: u16, payload: &[u8]) {
    let header = RtpHeader { payload_type, marker: false, sequence, timestamp: 160, ssrc: 9 };
    let mut buffer = [0; 512];
    let len = RtpPacket { header, payload }.write(&mut buffer).unwrap();
    socket.send_to(&buffer[..len], to).unwrap();
}

fn next(events: &mut mpsc::Receiver<LegEvent>) -> LegEvent {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(10), events.recv()).await })
        .expect("an event within ten seconds")
        .expect("the leg is alive")
}

#[test]
fn a_leg_talks_hears_and_closes() {
    for local in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        let engine = MediaEngine::start(&config(21_000)).unwrap();
        let (sender, mut events) = mpsc::channel(16);
        let leg = engine.open(local, sender).unwrap();
        let far = far(local);
        let ours = SocketAddr::new(local, leg.port());
        leg.connect(stream(far.local_addr().unwrap()));
        let prompt = Arc::new(Prompt::new("p", "", &[6000; 640], &[6000; 1280]));
        leg.play(PlayId(1), vec![prompt], Times::Once);
        let mut voiced = 0;
        let mut buffer = [0; 512];
        for i in 0..8 {
            let (len, from) = far.recv_from(&mut buffer).unwrap();
            assert_eq!(from, ours);
            let packet = RtpPacket::read(&buffer[..len]).unwrap();
            assert_eq!(packet.header.marker, i == 0);
            voiced += u32::from(packet.payload.iter().all(|&octet| octet != 0xff));
        }
        assert_eq!(voiced, 4);
        assert_eq!(next(&mut events), LegEvent::PlayDone(PlayId(1)));
        send(&far, ours, 0, 1, &[0xff; 160]);
        assert_eq!(next(&mut events), LegEvent::Heard);
        let three = Report { event: 3, end: false, held_ticks: 160 }.write();
        send(&far, ours, 101, 2, &three);
        let LegEvent::Key { digit, path, at } = next(&mut events) else { panic!("no key") };
        assert_eq!((digit.as_char(), path), ('3', KeyPath::Rfc4733));
        assert!(at.elapsed() < Duration::from_secs(5));
        leg.press(digit);
        leg.press(Digit::STAR);
        let LegEvent::Key { digit, path, .. } = next(&mut events) else { panic!("no key") };
        assert_eq!((digit, path), (Digit::STAR, KeyPath::Info), "the other press was known");
        assert_eq!(engine.legs(), 1);
        leg.close();
        let LegEvent::Closed(stats) = next(&mut events) else { panic!("not closed") };
        assert_eq!((stats.received, stats.lost), (2, 0));
        assert!(stats.sent >= 8);
        assert_eq!(engine.legs(), 0);
    }
}

#[test]
fn a_full_channel_loses_no_key_and_does_not_hold_the_thread() {
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let engine = MediaEngine::start(&config(21_400)).unwrap();
    let (sender, mut events) = mpsc::channel(1);
    let leg = engine.open(local, sender).unwrap();
    let far = far(local);
    leg.connect(stream(far.local_addr().unwrap()));
    for key in "123456789".chars() {
        leg.press(Digit::from_char(key).unwrap());
    }
    let mut buffer = [0; 512];
    for _ in 0..10 {
        far.recv_from(&mut buffer).unwrap();
    }
    let mut keys = String::new();
    for _ in 0..9 {
        if let LegEvent::Key { digit, .. } = next(&mut events) {
            keys.push(digit.as_char());
        }
    }
    assert_eq!(keys, "123456789");
}

#[test]
fn the_range_is_the_limit_and_stopping_closes_all() {
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let engine = MediaEngine::start(&MediaConfig { port_max: 21_805, ..config(21_800) }).unwrap();
    let (sender, mut events) = mpsc::channel(16);
    let legs: Vec<Leg> = (0..3).map(|_| engine.open(local, sender.clone()).unwrap()).collect();
    assert!(matches!(engine.open(local, sender.clone()), Err(MediaError::NoPort)));
    drop(engine);
    for _ in &legs {
        assert!(matches!(next(&mut events), LegEvent::Closed(_)));
    }
}

#[test]
fn an_address_that_is_not_ours_is_refused() {
    let engine = MediaEngine::start(&config(22_000)).unwrap();
    let (sender, _events) = mpsc::channel(16);
    let elsewhere = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    assert!(matches!(engine.open(elsewhere, sender), Err(MediaError::Bind { .. })));
    assert_eq!(engine.legs(), 0);
}

/// Presses a key from a far end until the leg tells it.
fn press(far: &UdpSocket, ours: SocketAddr, event: u8, sequence: u16, events: &mut mpsc::Receiver<LegEvent>) {
    let report = Report { event, end: false, held_ticks: 160 }.write();
    let header = RtpHeader {
        payload_type: 101,
        marker: true,
        sequence,
        timestamp: u32::from(sequence) * 160,
        ssrc: u32::from(far.local_addr().unwrap().port()),
    };
    let mut buffer = [0; 512];
    let len = RtpPacket { header, payload: &report }.write(&mut buffer).unwrap();
    far.send_to(&buffer[..len], ours).unwrap();
    loop {
        if let LegEvent::Key { digit, .. } = next(events) {
            assert_eq!(digit.event_code(), event);
            return;
        }
    }
}

#[test]
fn a_socket_is_tied_to_a_settled_far_end_and_follows_sip_to_another() {
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let engine = MediaEngine::start(&config(22_200)).unwrap();
    let (sender, mut events) = mpsc::channel(64);
    let leg = engine.open(local, sender).unwrap();
    let ours = SocketAddr::new(local, leg.port());
    let (first, second, stranger) = (far(local), far(local), far(local));
    leg.connect(stream(first.local_addr().unwrap()));
    press(&first, ours, 1, 1, &mut events);
    // Once it is tied, the kernel tells a stranger that nobody listens to it.
    stranger.connect(ours).unwrap();
    stranger.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let refused = || {
        let sent = stranger.send(&[0x80; 20]); // RTP, as far as its head goes.
        let told = stranger.recv(&mut [0; 20]);
        [sent, told]
            .into_iter()
            .any(|done| done.is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionRefused))
    };
    assert!((0..500).any(|_| refused()), "it was never tied");
    press(&first, ours, 2, 200, &mut events);
    leg.connect(stream(second.local_addr().unwrap()));
    let mut buffer = [0; 512];
    second.recv_from(&mut buffer).expect("packets go to the new address");
    press(&second, ours, 3, 1, &mut events);
    assert!((0..500).any(|_| refused()), "it was never tied again");
    press(&second, ours, 4, 200, &mut events);
    leg.close();
    let stats = loop {
        if let LegEvent::Closed(stats) = next(&mut events) {
            break stats;
        }
    };
    assert!(stats.strangers > 0, "those before it was tied are counted");
}
