//! Calls as scripts on the protocol core: text in, text out, and a clock that the test moves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::core::{Closed, Core, Event, Packet, Settings};
use super::{CallKey, Ended, Flow, SipCommand, SipEvent};
use crate::config::{SipConfig, Transport, TrunkConfig};
use crate::domain::{Digit, Direction};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\n\
                   m=audio 5000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";

struct Bench {
    core: Core,
    now: Instant,
    call: Option<CallKey>,
    events: Vec<SipEvent>,
}

impl Bench {
    fn new(trunk: &str) -> Self {
        Self::with(trunk, SipConfig::default())
    }

    fn with(trunk: &str, sip: SipConfig) -> Self {
        let trunk: TrunkConfig =
            toml::from_str(&format!("name = \"t\"\nsources = [\"10.0.0.0/8\"]\n{trunk}")).unwrap();
        let now = Instant::now();
        let settings = Settings { sip, trunks: vec![trunk], passwords: vec![None], own: Vec::new() };
        Self { core: Core::new(Arc::new(settings), now), now, call: None, events: Vec::new() }
    }

    /// Sends a message; returns what came back.
    fn send(&mut self, text: &str) -> Vec<String> {
        self.send_from("10.0.0.2:5070", text)
    }

    fn send_from(&mut self, peer: &str, text: &str) -> Vec<String> {
        let flow =
            Flow { transport: Transport::Udp, listener: 0, connection: None, peer: peer.parse().unwrap() };
        let local = "10.0.0.1:5060".parse().unwrap();
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        self.core.handle_packet(Packet { flow, local, advertised: local, bytes }, self.now);
        self.out()
    }

    fn command(&mut self, command: SipCommand) -> Vec<String> {
        let key = self.call.expect("a call was offered");
        self.core.handle_command(key, command, self.now);
        self.out()
    }

    fn wait(&mut self, duration: Duration) -> Vec<String> {
        let end = self.now + duration;
        let mut out = Vec::new();
        while let Some(at) = self.core.poll_timeout().filter(|at| *at <= end) {
            self.now = at;
            self.core.handle_timeout(at);
            out.extend(self.out());
        }
        self.now = end;
        out
    }

    fn out(&mut self) -> Vec<String> {
        while let Some(event) = self.core.poll_event() {
            match event {
                Event::Incoming(incoming) => self.call = Some(incoming.key),
                Event::Call(_, event) => self.events.push(event),
            }
        }
        let next = || self.core.poll_transmit().map(|t| String::from_utf8_lossy(&t.bytes).into_owned());
        std::iter::from_fn(next).collect()
    }

    /// All timers have run out: no call, no transaction and no place is held any more.
    fn leaves_nothing(&mut self) {
        self.wait(Duration::from_secs(70));
        assert_eq!((self.core.calls_len(), self.core.transactions_len()), (0, 0));
        assert!(self.core.unconfirmed.is_empty(), "{:?}", self.core.unconfirmed);
    }

    /// INVITE with an offer, answered and acknowledged; returns our tag.
    fn up(&mut self) -> String {
        self.up_with("")
    }

    fn up_with(&mut self, headers: &str) -> String {
        assert!(self.send(&invite(1, "b1", headers, SDP)).is_empty());
        let ok = one(self.command(SipCommand::Answer { port: 4000 }));
        assert!(ok.starts_with("SIP/2.0 200 OK"), "{ok}");
        let tag = tag_of(&ok);
        assert!(self.send(&request("ACK", 1, "b2", Some(&tag), "", "")).is_empty());
        assert_eq!(self.events.remove(0), SipEvent::Confirmed);
        tag
    }
}

fn request(method: &str, cseq: u32, branch: &str, tag: Option<&str>, headers: &str, body: &str) -> String {
    let tag = tag.map(|t| format!(";tag={t}")).unwrap_or_default();
    let kind = if body.is_empty() || headers.contains("Content-Type") {
        ""
    } else {
        "Content-Type: application/sdp\r\n"
    };
    format!(
        "{method} sip:survey@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5070;branch=z9hG4bK{branch};rport\r\n\
         From: \"B\" <sip:bob@10.0.0.2>;tag=far\r\nTo: <sip:survey@10.0.0.1>{tag}\r\nCall-ID: c1\r\n\
         CSeq: {cseq} {method}\r\nContact: <sip:bob@10.0.0.2:5070>\r\nMax-Forwards: 70\r\n{kind}{headers}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn invite(cseq: u32, branch: &str, headers: &str, body: &str) -> String {
    request("INVITE", cseq, branch, None, headers, body)
}

/// A 200 to a request of ours.
fn ok_to(request: &str) -> String {
    let rows: Vec<&str> = request
        .lines()
        .filter(|l| ["Via", "From", "To", "Call-ID", "CSeq"].iter().any(|n| l.starts_with(&format!("{n}:"))))
        .collect();
    format!("SIP/2.0 200 OK\r\n{}\r\nContent-Length: 0\r\n\r\n", rows.join("\r\n"))
}

fn one(out: Vec<String>) -> String {
    assert_eq!(out.len(), 1, "{out:#?}");
    out.into_iter().next().unwrap()
}

fn code(out: Vec<String>) -> u16 {
    one(out).split(' ').nth(1).unwrap().parse().unwrap()
}

fn tag_of(message: &str) -> String {
    let to = message.lines().find(|l| l.starts_with("To:")).unwrap();
    to.split("tag=").nth(1).unwrap().to_owned()
}

#[test]
fn a_call_is_answered_and_ended_by_us() {
    let mut bench = Bench::new("");
    bench.up();
    let bye = one(bench.command(SipCommand::HangUp { cause: 200, text: "survey over" }));
    assert!(bye.starts_with("BYE sip:bob@10.0.0.2:5070 SIP/2.0\r\n"), "{bye}");
    assert!(bye.contains("Reason: SIP;cause=200;text=\"survey over\"\r\n"));
    assert_eq!(bench.events, [SipEvent::Ended(Ended::ByUs)]);
    assert!(bench.send(&ok_to(&bye)).is_empty());
    bench.call = None;
    assert!(bench.send(&invite(1, "b1", "", SDP)).is_empty(), "a late repeat is swallowed");
    assert_eq!((bench.core.calls_len(), bench.call), (0, None));
    bench.wait(Duration::from_secs(40));
    assert_eq!(bench.core.transactions_len(), 0);
}

#[test]
fn a_slow_answer_brings_100_and_a_repeat_brings_it_again() {
    let mut bench = Bench::new("");
    bench.send(&invite(1, "b1", "", SDP));
    assert_eq!(code(bench.wait(Duration::from_millis(250))), 100);
    assert_eq!(code(bench.send(&invite(1, "b1", "", SDP))), 100);
    assert_eq!(code(bench.command(SipCommand::Reject { code: 603 })), 603);
    assert_eq!(bench.wait(Duration::from_millis(600)).len(), 1, "the 603 is repeated");
    assert!(bench.send(&request("ACK", 1, "b1", Some("x"), "", "")).is_empty());
    assert!(bench.wait(Duration::from_secs(10)).is_empty(), "until its ACK");
    bench.leaves_nothing();
}

#[test]
fn a_200_is_repeated_and_then_the_call_is_given_up() {
    let mut bench = Bench::new("");
    bench.send(&invite(1, "b1", "", SDP));
    bench.command(SipCommand::Answer { port: 4000 });
    let out = bench.wait(Duration::from_secs(33));
    let repeats = out.iter().filter(|m| m.starts_with("SIP/2.0 200")).count();
    assert!((9..=11).contains(&repeats), "{repeats}");
    assert!(out.iter().any(|m| m.starts_with("BYE ")));
    assert_eq!(bench.events, [SipEvent::Ended(Ended::NoAck)]);
    bench.wait(Duration::from_secs(70));
    assert_eq!((bench.core.calls_len(), bench.core.transactions_len()), (0, 0));
}

#[test]
fn cancel_ends_an_invite_that_waits() {
    let mut bench = Bench::new("");
    bench.send(&invite(1, "b1", "", SDP));
    let out = bench.send(&request("CANCEL", 1, "b1", None, "", ""));
    let codes: Vec<&str> = out.iter().map(|m| &m[8..11]).collect();
    assert_eq!(codes, ["200", "487"]);
    assert_eq!(bench.events, [SipEvent::Ended(Ended::Cancelled)]);
    assert_eq!(code(bench.send(&request("CANCEL", 1, "other", None, "", ""))), 481);
    bench.leaves_nothing();
}

#[test]
fn the_far_end_hangs_up() {
    let mut bench = Bench::new("");
    let tag = bench.up();
    assert_eq!(code(bench.send(&request("BYE", 2, "b3", Some(&tag), "", ""))), 200);
    assert_eq!(bench.events, [SipEvent::Ended(Ended::Bye)]);
    assert_eq!(code(bench.send(&request("BYE", 2, "b3", Some(&tag), "", ""))), 200, "a repeat gets the same");
    assert_eq!(code(bench.send(&request("BYE", 3, "b4", Some(&tag), "", ""))), 481);
}

#[test]
fn gaps_in_cseq_are_taken_and_going_back_is_not() {
    let mut bench = Bench::new("");
    let tag = bench.up();
    assert_eq!(code(bench.send(&request("OPTIONS", 900, "b3", Some(&tag), "", ""))), 200);
    assert_eq!(code(bench.send(&request("OPTIONS", 800, "b4", Some(&tag), "", ""))), 500);
    assert_eq!(code(bench.send(&request("BYE", 901, "b5", Some(&tag), "", ""))), 200);
}

#[test]
fn keys_come_by_info() {
    let mut bench = Bench::new("");
    let tag = bench.up();
    let relay = "Content-Type: application/dtmf-relay\r\n";
    assert_eq!(
        code(bench.send(&request("INFO", 2, "b3", Some(&tag), relay, "Signal=7\r\nDuration=160"))),
        200
    );
    let plain = "Content-Type: application/dtmf\r\n";
    assert_eq!(code(bench.send(&request("INFO", 3, "b4", Some(&tag), plain, "*"))), 200);
    assert_eq!(code(bench.send(&request("INFO", 4, "b5", Some(&tag), relay, "Signal=nine"))), 400);
    let other = "Content-Type: application/x-thing\r\n";
    assert_eq!(code(bench.send(&request("INFO", 5, "b6", Some(&tag), other, "x"))), 415);
    let keys = [SipEvent::Key(Digit::from_char('7').unwrap()), SipEvent::Key(Digit::STAR)];
    assert_eq!(bench.events, keys);
}

#[test]
fn a_delayed_offer_is_answered_in_the_ack() {
    let mut bench = Bench::new("");
    bench.send(&invite(1, "b1", "", ""));
    let ok = one(bench.command(SipCommand::Answer { port: 4000 }));
    assert!(ok.contains("m=audio 4000 RTP/AVP 0 8 9 101"), "{ok}");
    bench.send(&request("ACK", 1, "b2", Some(&tag_of(&ok)), "", SDP));
    assert!(
        matches!(&bench.events[..], [SipEvent::Stream(s), SipEvent::Confirmed] if s.remote.port() == 5000)
    );
}

#[test]
fn a_delayed_offer_without_answer_ends_the_call() {
    let mut bench = Bench::new("");
    bench.send(&invite(1, "b1", "", ""));
    let ok = one(bench.command(SipCommand::Answer { port: 4000 }));
    let bye = one(bench.send(&request("ACK", 1, "b2", Some(&tag_of(&ok)), "", "")));
    assert!(bye.starts_with("BYE "));
    assert_eq!(bench.events, [SipEvent::Ended(Ended::NoCodec)]);

    let mut bench = Bench::new("");
    bench.send(&invite(1, "b1", "Require: 100rel\r\n", ""));
    let ringing = one(bench.command(SipCommand::Answer { port: 4000 }));
    let rseq = ringing.lines().find_map(|l| l.strip_prefix("RSeq: ")).unwrap();
    let rack = format!("RAck: {rseq} 1 INVITE\r\n");
    let out = bench.send(&request("PRACK", 2, "b2", Some(&tag_of(&ringing)), &rack, ""));
    let codes: Vec<&str> = out.iter().map(|m| &m[8..11]).collect();
    assert_eq!(codes, ["488", "400"], "the INVITE, and the PRACK without an answer");
    assert_eq!(bench.events, [SipEvent::Ended(Ended::NoCodec)]);
    bench.leaves_nothing();
}

#[test]
fn hold_and_a_new_address_come_by_reinvite_and_update() {
    let mut bench = Bench::new("");
    let tag = bench.up();
    let held = SDP.to_owned() + "a=inactive\r\n";
    let ok = one(bench.send(&request("INVITE", 2, "b3", Some(&tag), "", &held)));
    assert!(ok.contains("a=inactive\r\n"), "{ok}");
    assert!(matches!(&bench.events[..], [SipEvent::Stream(s)] if s.direction == Direction::Inactive));
    assert_eq!(
        code(bench.send(&request("INVITE", 3, "b4", Some(&tag), "", SDP))),
        500,
        "the first has no ACK"
    );
    assert!(bench.send(&request("ACK", 2, "b5", Some(&tag), "", "")).is_empty());
    let moved = SDP.replace("5000", "6000");
    assert_eq!(code(bench.send(&request("UPDATE", 4, "b6", Some(&tag), "", &moved))), 200);
    assert!(matches!(&bench.events[1..], [SipEvent::Stream(s)] if s.remote.port() == 6000));
    let alien = SDP.replace("RTP/AVP 0 101", "RTP/AVP 18");
    assert_eq!(code(bench.send(&request("UPDATE", 5, "b7", Some(&tag), "", &alien))), 488);
}

#[test]
fn reliable_provisionals_wait_for_their_prack() {
    let mut bench = Bench::new("");
    bench.send(&invite(1, "b1", "Require: 100rel\r\n", SDP));
    let ringing = one(bench.command(SipCommand::Answer { port: 4000 }));
    assert!(ringing.starts_with("SIP/2.0 180") && ringing.contains("Require: 100rel"), "{ringing}");
    assert_eq!(code(bench.wait(Duration::from_millis(600))), 180, "it is repeated");
    let rseq = ringing.lines().find_map(|l| l.strip_prefix("RSeq: ")).unwrap().to_owned();
    let tag = tag_of(&ringing);
    let wrong = request("PRACK", 2, "b2", Some(&tag), "RAck: 1 9 INVITE\r\n", "");
    assert_eq!(code(bench.send(&wrong)), 481);
    let out = bench.send(&request("PRACK", 3, "b3", Some(&tag), &format!("RAck: {rseq} 1 INVITE\r\n"), ""));
    assert!(out[0].contains("CSeq: 3 PRACK") && out[1].contains("CSeq: 1 INVITE"), "{out:#?}");
    assert!(out[1].contains("m=audio 4000"));
    assert!(bench.send(&request("ACK", 1, "b4", Some(&tag), "", "")).is_empty());
    assert_eq!(bench.events, [SipEvent::Confirmed]);

    let mut bench = Bench::new("");
    bench.send(&invite(1, "b1", "Require: 100rel\r\n", SDP));
    bench.command(SipCommand::Answer { port: 4000 });
    let out = bench.wait(Duration::from_secs(33));
    assert!(out.iter().any(|m| m.starts_with("SIP/2.0 504")), "no PRACK came: {out:#?}");
    assert_eq!(bench.events, [SipEvent::Ended(Ended::NoAck)]);
    bench.leaves_nothing();
}

#[test]
fn session_timers_are_kept_by_either_side() {
    let mut bench = Bench::new("");
    assert_eq!(code(bench.send(&invite(1, "b0", "Supported: timer\r\nSession-Expires: 30\r\n", SDP))), 422);
    let by_them = "Supported: timer\r\nSession-Expires: 100;refresher=uac\r\n";
    let tag = bench.up_with(by_them);
    assert!(bench.wait(Duration::from_secs(60)).is_empty(), "not before its time");
    assert_eq!(code(bench.send(&request("UPDATE", 2, "b9", Some(&tag), by_them, ""))), 200);
    assert!(bench.wait(Duration::from_secs(60)).is_empty(), "they refreshed");
    assert!(bench.events.is_empty());
    let out = bench.wait(Duration::from_secs(80));
    assert!(out.iter().any(|m| m.starts_with("BYE ")), "they did not refresh");
    assert_eq!(bench.events, [SipEvent::Ended(Ended::SessionExpired)]);

    let mut bench = Bench::new("");
    let by_us = "Supported: timer\r\nSession-Expires: 100;refresher=uas\r\nAllow: INVITE, UPDATE, BYE\r\n";
    bench.up_with(by_us);
    let out = bench.wait(Duration::from_secs(51));
    assert!(
        out[0].starts_with("UPDATE sip:bob@10.0.0.2:5070") && out[0].contains("refresher=uac"),
        "{out:?}"
    );
    let answer =
        ok_to(&out[0]).replace("Content-Length", "Session-Expires: 100;refresher=uac\r\nContent-Length");
    bench.send(&answer);
    let again = bench.wait(Duration::from_secs(51));
    assert!(again[0].starts_with("UPDATE "), "{again:?}");
    assert!(bench.events.is_empty());
}

#[test]
fn a_refused_refresh_is_tried_again_until_the_session_is_over() {
    let by_us = "Supported: timer\r\nSession-Expires: 90;refresher=uas\r\nAllow: INVITE, UPDATE, BYE\r\n";
    let refused = |update: &str, status: &str, header: &str| {
        ok_to(update).replace("200 OK", status).replace("Content-Length", &format!("{header}Content-Length"))
    };
    let mut bench = Bench::new("");
    bench.up_with(by_us);
    let first = bench.wait(Duration::from_secs(46));
    bench.send(&refused(&first[0], "422 Session Interval Too Small", "Min-SE: 120\r\n"));
    let second = bench.wait(Duration::from_secs(3));
    assert!(second[0].starts_with("UPDATE ") && second[0].contains("Session-Expires: 120"), "{second:?}");
    let mut update = second[0].clone();
    let end = (0..10).find_map(|_| {
        bench.send(&refused(&update, "500 Not Now", ""));
        update = bench.wait(Duration::from_secs(3)).remove(0);
        update.starts_with("BYE ").then_some(())
    });
    assert_eq!(end, Some(()), "it goes on beyond the end of the session");
    assert_eq!(bench.events, [SipEvent::Ended(Ended::SessionExpired)]);
}

#[test]
fn a_refresh_by_reinvite_is_acknowledged() {
    let mut bench = Bench::new("");
    bench.up_with("Supported: timer\r\nSession-Expires: 100;refresher=uas\r\n");
    let out = bench.wait(Duration::from_secs(50));
    assert!(out[0].starts_with("INVITE ") && out[0].contains("m=audio 4000"), "{out:?}");
    let ack = one(bench.send(&ok_to(&out[0])));
    assert!(ack.starts_with("ACK sip:bob@10.0.0.2:5070"), "{ack}");
    let cseq = |message: &str| {
        message.lines().find_map(|l| l.strip_prefix("CSeq: ")?.split(' ').next().map(str::to_owned))
    };
    assert_eq!(cseq(&ack), cseq(&out[0]));
    let again = one(bench.send(&ok_to(&out[0])));
    assert!(again.starts_with("ACK ") && cseq(&again) == cseq(&ack), "each 200 gets its ACK: {again}");
    assert!(bench.events.is_empty());
}

#[test]
fn the_same_invite_by_another_way_is_merged() {
    let mut bench = Bench::new("");
    bench.send(&invite(1, "b1", "", SDP));
    assert_eq!(code(bench.send(&invite(1, "other", "", SDP))), 482);
}

#[test]
fn requests_follow_the_recorded_route() {
    let mut bench = Bench::new("");
    let tag = bench.up_with("Record-Route: <sip:10.0.0.9;lr>, <sip:10.0.0.8;lr>\r\n");
    assert!(!tag.is_empty());
    let bye = one(bench.command(SipCommand::HangUp { cause: 200, text: "over" }));
    assert!(bye.contains("Route: <sip:10.0.0.9;lr>\r\nRoute: <sip:10.0.0.8;lr>\r\n"), "{bye}");
}

#[test]
fn admission_comes_before_state() {
    let mut bench =
        Bench::with("calls_max = 1", SipConfig { source_burst: 5, source_rate: 1, ..SipConfig::default() });
    assert!(
        bench.send_from("192.0.2.1:5060", &invite(1, "b1", "", SDP)).is_empty(),
        "a stranger hears nothing"
    );
    bench.send(&invite(1, "b1", "", SDP));
    let second = invite(1, "b9", "", SDP).replace("Call-ID: c1", "Call-ID: c2");
    let busy = one(bench.send(&second));
    assert!(busy.starts_with("SIP/2.0 503") && busy.contains("Retry-After: "), "{busy}");
    let flood = (0..50).filter(|_| !bench.send(&request("OPTIONS", 1, "o", None, "", "")).is_empty()).count();
    assert!((1..=3).contains(&flood), "{flood}");
    assert_eq!(bench.core.transactions_len(), 1);
    assert_eq!(code(bench.command(SipCommand::Reject { code: 603 })), 603, "now there is room");
    bench.core.close(Some(Closed::Draining));
    bench.wait(Duration::from_secs(5));
    assert_eq!(code(bench.send(&second)), 503);
}

#[test]
fn garbage_is_answered_or_dropped_and_never_kept() {
    let mut bench = Bench::new("");
    assert!(bench.send("\r\n\r\n").is_empty());
    assert!(bench.send("hello").is_empty());
    assert_eq!(
        code(bench.send("INVITE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nContent-Length: 99\r\n\r\n")),
        400
    );
    assert_eq!(code(bench.send(&request("SUBSCRIBE", 1, "s", None, "", ""))), 405);
    assert_eq!(code(bench.send(&request("REFER", 1, "r", None, "", ""))), 603);
    assert_eq!(code(bench.send(&request("BYE", 1, "y", Some("nobody"), "", ""))), 481);
    assert_eq!(code(bench.send(&invite(1, "z", "", &SDP.replace("RTP/AVP 0", "RTP/AVP 18")))), 488);
    assert_eq!((bench.core.calls_len(), bench.core.transactions_len()), (0, 0));
}

proptest::proptest! {
    /// Whatever is cut out of or written over a good message, the core answers or drops, and never panics.
    #[test]
    fn mutated_messages_do_no_harm(at in 0_usize..600, cut in 0_usize..40, put in proptest::collection::vec(0_u8..=255, 0..12)) {
        let mut bench = Bench::new("");
        let mut bytes = invite(1, "b1", "Supported: timer\r\nSession-Expires: 100\r\n", SDP).into_bytes();
        let at = at.min(bytes.len());
        let end = (at + cut).min(bytes.len());
        bytes.splice(at..end, put);
        let flow = Flow { transport: Transport::Udp, listener: 0, connection: None, peer: "10.0.0.2:5070".parse().unwrap() };
        let local = "10.0.0.1:5060".parse().unwrap();
        bench.core.handle_packet(Packet { flow, local, advertised: local, bytes: bytes.into() }, bench.now);
        bench.out();
        if bench.call.is_some() {
            bench.command(SipCommand::Answer { port: 4000 });
        }
        bench.wait(Duration::from_secs(120));
        proptest::prop_assert_eq!((bench.core.calls_len(), bench.core.transactions_len()), (0, 0));
    }
}

mod odd;
mod strangers;
mod transfers;
