//! A peer made by hand, byte by byte: what strangers and odd peers send, and what comes of it for the caller.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use crate::harness::{App, config};

/// Longer than anything takes that is to come.
const SOON: Duration = Duration::from_secs(5);
/// How long nothing is waited for.
const QUIET: Duration = Duration::from_millis(1200);

/// One leg of a call: a SIP socket and an RTP socket on addresses of their own.
struct Peer {
    sip: UdpSocket,
    rtp: UdpSocket,
    target: SocketAddr,
    call_id: String,
    from: String,
    headers: String,
    to_tag: String,
    cseq: u32,
    sequence: u16,
}

impl Peer {
    fn new(app: &App, call_id: &str) -> Self {
        let bound = || UdpSocket::bind("127.0.0.1:0").expect("a socket");
        Self {
            sip: bound(),
            rtp: bound(),
            target: app.udp,
            call_id: call_id.to_owned(),
            from: "<sip:+31201234567@pbx>".to_owned(),
            headers: String::new(),
            to_tag: String::new(),
            cseq: 0,
            sequence: 1,
        }
    }

    fn sdp(&self, direction: &str) -> String {
        let port = self.rtp.local_addr().expect("an address").port();
        format!(
            "v=0\r\no=- 1 {} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n\
             a=rtpmap:101 telephone-event/8000\r\na={direction}\r\n",
            self.cseq
        )
    }

    fn send(&self, method: &str, user: &str, cseq: u32, body: &str) {
        let at = self.sip.local_addr().expect("an address");
        let tag = if self.to_tag.is_empty() { String::new() } else { format!(";tag={}", self.to_tag) };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!(
            "{method} sip:{user}@{} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{}{cseq}{method};rport\r\n\
             Max-Forwards: 70\r\nFrom: {};tag=far\r\nTo: <sip:{user}@{}>{tag}\r\nCall-ID: {}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:pbx@{at}>\r\n{}{kind}Content-Length: {}\r\n\r\n{body}",
            self.target,
            self.call_id,
            self.from,
            self.target,
            self.call_id,
            self.headers,
            body.len()
        );
        self.sip.send_to(text.as_bytes(), self.target).expect("a request");
    }

    /// The next message, but for a 100.
    fn receive(&self, patience: Duration) -> Option<String> {
        self.sip.set_read_timeout(Some(patience)).expect("a time-out");
        let mut buffer = [0; 8192];
        loop {
            let (len, _) = self.sip.recv_from(&mut buffer).ok()?;
            let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
            if !text.starts_with("SIP/2.0 100") {
                return Some(text);
            }
        }
    }

    /// Sends an INVITE; gives the final answer's code, and where its media listens.
    fn invite(&mut self, user: &str) -> (u16, Option<SocketAddr>) {
        self.reinvite(user, "sendrecv")
    }

    fn reinvite(&mut self, user: &str, direction: &str) -> (u16, Option<SocketAddr>) {
        self.cseq += 1;
        self.send("INVITE", user, self.cseq, &self.sdp(direction));
        let answer = self.receive(SOON).expect("an answer to the INVITE");
        let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        let to = answer.lines().find(|line| line.starts_with("To:")).expect("a To");
        self.to_tag = to.split("tag=").nth(1).unwrap_or_default().to_owned();
        let media = answer.lines().find_map(|line| line.strip_prefix("m=audio "));
        let port = media.and_then(|media| media.split(' ').next()?.parse::<u16>().ok());
        (code, port.map(|port| SocketAddr::from(([127, 0, 0, 1], port))))
    }

    fn ack(&self, user: &str) {
        self.send("ACK", user, self.cseq, "");
    }

    /// A call that is up.
    fn up(&mut self, user: &str) -> SocketAddr {
        let (code, media) = self.invite(user);
        assert_eq!(code, 200);
        self.ack(user);
        assert!(self.heard(Duration::from_millis(300)) > 2, "audio after the ACK");
        media.expect("a media address")
    }

    /// Presses a key from this socket: three reports of it, the last one its end.
    fn press(&mut self, from: &UdpSocket, key: u8, media: SocketAddr, timestamp: u32) {
        for (end, held) in [(0_u8, 160_u16), (0, 320), (0x80, 480)] {
            let mut packet = vec![0x80, 101];
            packet.extend(self.sequence.to_be_bytes());
            packet.extend(timestamp.to_be_bytes());
            packet.extend(7_u32.to_be_bytes());
            packet.extend([key, end | 10]);
            packet.extend(held.to_be_bytes());
            from.send_to(&packet, media).expect("a packet");
            self.sequence = self.sequence.wrapping_add(1);
        }
    }

    /// RTP packets that come in this time.
    fn heard(&self, time: Duration) -> usize {
        self.rtp.set_read_timeout(Some(Duration::from_millis(50))).expect("a time-out");
        let (start, mut count, mut buffer) = (Instant::now(), 0, [0; 2048]);
        while start.elapsed() < time {
            count += usize::from(self.rtp.recv_from(&mut buffer).is_ok());
        }
        count
    }

    fn own_socket(&self) -> UdpSocket {
        self.rtp.try_clone().expect("a socket")
    }
}

#[test]
fn nothing_is_sent_to_who_has_not_shown_that_they_asked() {
    let app = App::start();
    let mut peer = Peer::new(&app, "forged");
    assert_eq!(peer.invite("media").0, 200);
    assert_eq!(peer.heard(QUIET), 0, "no audio before the ACK");
    peer.ack("media");
    assert!(peer.heard(QUIET) > 20, "and audio after it");
    // Another host than the trunk's own is no place for media.
    let mut third = Peer::new(&app, "third");
    third.cseq = 1;
    let elsewhere = third.sdp("recvonly").replace("c=IN IP4 127.0.0.1", "c=IN IP4 198.51.100.7");
    let other = App::with(&config().replace("[\"127.0.0.0/8\"]", "[\"127.0.0.1/32\"]"));
    third.target = other.udp;
    let loopback = elsewhere.replace("198.51.100.7", "127.0.0.77");
    third.send("INVITE", "media", 1, &loopback);
    let refused = third.receive(SOON).expect("an answer");
    assert!(refused.starts_with("SIP/2.0 488 ") && refused.contains("\r\nWarning: 399 "), "{refused}");
    other.wait_for_log("add it to media_sources");
    assert!(other.calls("id").is_empty(), "a refused offer left a call");
}

#[test]
fn a_stranger_on_the_media_port_answers_nothing_and_hears_nothing() {
    let app = App::start();
    let mut peer = Peer::new(&app, "blind");
    let media = peer.up("survey");
    let stranger = UdpSocket::bind("127.0.0.9:0").expect("a socket");
    for i in 0..20 {
        peer.press(&stranger, 4, media, i * 1600);
        std::thread::park_timeout(Duration::from_millis(40));
    }
    stranger.set_read_timeout(Some(QUIET)).expect("a time-out");
    assert!(stranger.recv_from(&mut [0; 64]).is_err(), "the stranger got audio");
    let own = peer.own_socket();
    peer.press(&own, 5, media, 90_000);
    app.wait_for_story("answer q1 = 5 by key");
    let id = app.calls("id").remove(0);
    assert!(!app.ask(&["calls", &id]).contains("key 4"), "the stranger's key counted");
}

#[test]
fn a_conversation_is_surveyed_once_and_a_transfer_takes_its_place() {
    let app = App::start();
    let mut first = Peer::new(&app, "one");
    first.headers = "X-Call-Ref: C-9\r\nX-Agent-Id: anna\r\n".to_owned();
    let media = first.up("survey");
    // The caller comes in the agent's place: the agent's leg ends, and nobody left anything.
    let mut caller = Peer::new(&app, "two");
    caller.headers = format!("Replaces: one;to-tag={};from-tag=far\r\nX-Call-Ref: C-9\r\n", first.to_tag);
    let (code, caller_media) = caller.invite("survey");
    assert_eq!(code, 200, "the decision of the first leg holds");
    caller.headers = String::new();
    caller.ack("survey");
    let bye = first.receive(SOON).expect("the first leg ends");
    assert!(bye.starts_with("BYE ") && bye.contains("replaced"), "{bye}");
    assert!(caller.heard(Duration::from_millis(300)) > 2, "audio after the ACK");
    let own = caller.own_socket();
    for (n, key) in [5, 4, 3].into_iter().enumerate() {
        caller.press(&own, key, caller_media.unwrap_or(media), 8000 * n as u32);
        app.wait_for_calls("answer_count", |rows| rows.contains(&format!("{}", n + 1)));
        // A question settles before the next key counts.
        caller.heard(Duration::from_millis(400));
    }
    app.wait_for_calls("disposition,agent,answers", |rows| {
        rows.iter().any(|row| row == "failed,anna,") && rows.iter().any(|row| row == "complete,anna,5 4 3")
    });
    app.wait_for_calls("failure,agent", |rows| rows.iter().any(|row| row == "replaced,anna"));
    // The PBX tries the same conversation again.
    let mut again = Peer::new(&app, "three");
    again.headers = "X-Call-Ref: C-9\r\nX-Agent-Id: anna\r\n".to_owned();
    assert_eq!(again.invite("survey").0, 603);
    app.wait_for_calls("disposition,reason", |rows| rows.iter().any(|row| row == "not_selected,same_call"));
}

#[test]
fn a_call_without_a_port_frees_its_conversation() {
    let text = config().replace("port_min = 20000\nport_max = 29999", "port_min = 20900\nport_max = 20901");
    let app = App::with(&text);
    let mut only = Peer::new(&app, "only");
    only.up("survey");
    let mut again = Peer::new(&app, "again");
    again.headers = "X-Call-Ref: C-5\r\nX-Agent-Id: anna\r\n".to_owned();
    assert_eq!(again.invite("survey").0, 503, "there is one pair of ports");
    only.cseq += 1;
    only.send("BYE", "survey", only.cseq, "");
    app.wait_for_calls("call_ref,disposition", |rows| rows.iter().any(|row| row == "only,break_off"));
    let mut third = Peer::new(&app, "third");
    third.headers = again.headers;
    let came_up = (0..50).any(|_| {
        std::thread::park_timeout(Duration::from_millis(100));
        third.to_tag = String::new();
        third.call_id.push('x');
        third.invite("survey").0 == 200
    });
    assert!(came_up, "the transfer that our 503 asked for is taken");
}

#[test]
fn a_listed_number_is_left_alone_in_every_spelling() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("never.txt"), "020 - 123 45 67 # asked us not to\n").expect("a list");
    let text = config()
        .replace("[service]", "[service]\ncountry = \"NL\"")
        .replace("rule = \"all\"", "rule = \"all\"\ndo_not_survey = \"never.txt\"");
    std::fs::write(dir.path().join("aftercall.toml"), text).expect("a configuration");
    let app = App::in_dir(dir);
    for (n, from) in [
        "<sip:+31201234567@c>",
        "<sip:0031201234567@c>",
        "<sip:0201234567@c>",
        "<tel:+31-20-123-4567>",
        "<sip:+31201234567;verstat=TN-Validation-Passed@c;user=phone>",
        "<sip:0201234567;phone-context=+31@c>",
    ]
    .into_iter()
    .enumerate()
    {
        let mut peer = Peer::new(&app, &format!("listed-{n}"));
        peer.from = from.to_owned();
        assert_eq!(peer.invite("survey").0, 603, "{from}");
    }
    let mut other = Peer::new(&app, "another");
    other.from = "<sip:0201234568@c>".to_owned();
    assert_eq!(other.invite("survey").0, 200);
}

#[test]
fn hold_and_reports_keep_a_call_and_silence_ends_it() {
    let text = config().replace("[media]", "[media]\nstart_silence = \"1s\"\ndead_after = \"1s\"");
    let app = App::with(&text);
    let mut held = Peer::new(&app, "held");
    let media = held.up("survey");
    let own = held.own_socket();
    held.press(&own, 5, media, 8000);
    app.wait_for_calls("answers", |rows| rows == ["5"]);
    assert_eq!(held.reinvite("survey", "sendonly").0, 200);
    held.ack("survey");
    assert_eq!(held.receive(Duration::from_secs(3)), None, "hold does not count as silence");
    assert_eq!(held.reinvite("survey", "sendrecv").0, 200);
    held.ack("survey");
    // Reports say that the far end is there, though it sends no audio.
    let report = |ssrc: u32| [vec![0x80, 201, 0, 1], ssrc.to_be_bytes().to_vec()].concat();
    let rtcp = SocketAddr::new(media.ip(), media.port() + 1);
    for _ in 0..6 {
        own.send_to(&report(7), rtcp).expect("a report");
        assert_eq!(held.receive(Duration::from_millis(500)), None, "reports are signs of life");
    }
    held.press(&own, 4, media, 90_000);
    app.wait_for_calls("answers", |rows| rows == ["5 4"]);
    let bye = held.receive(SOON).expect("nothing comes any more");
    assert!(bye.starts_with("BYE "), "{bye}");
    app.wait_for_calls("disposition,failure", |rows| rows == ["partial,no_media"]);
}

#[test]
fn what_is_not_framed_is_not_parsed() {
    let app = App::start();
    let inner = "INVITE sip:survey@x SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKi\r\nFrom: <sip:a@b>;tag=1\r\n\
                 To: <sip:survey@x>\r\nCall-ID: inner\r\nCSeq: 1 INVITE\r\nContact: <sip:a@127.0.0.1>\r\n\
                 Content-Length: 0\r\n\r\n";
    let outer = format!(
        "INFO sip:survey@x SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKo\r\nFrom: <sip:a@b>;tag=1\r\n\
         To: <sip:survey@x>\r\nCall-ID: outer\r\nCSeq: 1 INFO\r\nContent-Length: 1x\r\n\r\n{inner}"
    );
    let options = inner.replace("INVITE", "OPTIONS").replace("inner", "first");
    let mut stream = TcpStream::connect(app.tcp).expect("a connection");
    stream.write_all(format!("{options}{outer}").as_bytes()).expect("a request");
    let mut text = String::new();
    stream.set_read_timeout(Some(SOON)).expect("a time-out");
    stream.read_to_string(&mut text).expect("the connection ends");
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("SIP/2.0 ")).collect();
    assert_eq!(lines, ["SIP/2.0 200 OK", "SIP/2.0 400 Bad Request"], "{text}");
    assert!(app.calls("id").is_empty(), "a call was made of a body");
    // A TLS hello is hung up on at once, and told.
    let mut tls = TcpStream::connect(app.tcp).expect("a connection");
    tls.write_all(&[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0]).expect("a hello");
    tls.set_read_timeout(Some(SOON)).expect("a time-out");
    assert_eq!(tls.read(&mut [0; 16]).expect("it is closed"), 0);
    app.wait_for_log("speaks TLS to the plain SIP port");
}

#[test]
fn a_stranger_cannot_hold_connections() {
    let text = config()
        .replace("[\"127.0.0.0/8\"]", "[\"127.0.0.2/32\"]")
        .replace("[sip]", "[sip]\nconnections_per_source = 3");
    let app = App::with(&text);
    let mut stranger = TcpStream::connect(app.tcp).expect("a connection");
    // A time-out is no end.
    let closed = |stream: &mut TcpStream| {
        stream.set_read_timeout(Some(SOON)).expect("a time-out");
        match stream.read(&mut [0; 16]) {
            Ok(len) => len == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    };
    assert!(closed(&mut stranger), "closed without a word");
    let of_trunk = || {
        use socket2::{Domain, SockAddr, Socket, Type};
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SockAddr::from(SocketAddr::from(([127, 0, 0, 2], 0)))).expect("an address");
        socket.connect(&SockAddr::from(app.tcp)).expect("a connection");
        TcpStream::from(socket)
    };
    let answers = |stream: &mut TcpStream| {
        stream.write_all(b"\r\n\r\n").ok();
        stream.set_read_timeout(Some(Duration::from_secs(2))).expect("a time-out");
        matches!(stream.read(&mut [0; 2]), Ok(2))
    };
    let mut held: Vec<TcpStream> = (0..3).map(|_| of_trunk()).collect();
    assert!(held.iter_mut().all(answers), "three of the trunk");
    assert!(closed(&mut of_trunk()), "a fourth of one address");
}
