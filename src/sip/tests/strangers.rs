//! Those who have not shown who they are: nothing is sent, learnt or kept for them.

use super::*;

#[test]
fn a_call_that_is_never_confirmed_costs_little() {
    let mut bench = Bench::new("");
    bench.send(&invite(1, "b1", "", SDP));
    bench.command(SipCommand::Answer { port: 4000 });
    let out = bench.wait(Duration::from_secs(120));
    let byes = out.iter().filter(|message| message.starts_with("BYE ")).count();
    assert_eq!((out.len(), byes), (11, 1), "ten repeats of the 200, and one BYE: {out:#?}");
    assert_eq!(bench.events, [SipEvent::Ended(Ended::NoAck)]);
    assert_eq!(bench.core.calls_len(), 0);
}

#[test]
fn calls_that_wait_for_their_ack_have_a_bound() {
    let mut bench = Bench::with("", SipConfig { unconfirmed_max: Some(2), ..SipConfig::default() });
    let named =
        |n: u32| invite(1, &format!("b{n}"), "", SDP).replace("Call-ID: c1", &format!("Call-ID: c{n}"));
    let mut tags = Vec::new();
    for n in 1..=2 {
        assert!(bench.send(&named(n)).is_empty());
        tags.push(tag_of(&one(bench.command(SipCommand::Answer { port: 4000 }))));
    }
    assert_eq!(code(bench.send(&named(3))), 503);
    let ack = request("ACK", 1, "a", Some(&tags[0]), "", "");
    bench.send(&ack);
    assert!(bench.send(&named(4)).is_empty(), "one was confirmed");
    bench.command(SipCommand::Answer { port: 4000 });
    assert_eq!(code(bench.send(&named(5))), 503);
    bench.wait(Duration::from_secs(120));
    assert!(bench.core.unconfirmed.is_empty(), "{:?}", bench.core.unconfirmed);
    assert!(bench.send(&named(6)).is_empty());
}

#[test]
fn requests_of_ours_go_to_the_trunk_and_to_nobody_else() {
    for stranger in ["Contact: <sip:bob@203.0.113.9:25>\r\n", "Record-Route: <sip:203.0.113.9:25;lr>\r\n"] {
        let mut bench = Bench::new("");
        let mut text = invite(1, "b1", stranger, SDP);
        if stranger.starts_with("Contact") {
            text = text.replace("Contact: <sip:bob@10.0.0.2:5070>\r\n", "");
        }
        bench.send(&text);
        let tag = tag_of(&one(bench.command(SipCommand::Answer { port: 4000 })));
        bench.send(&request("ACK", 1, "b2", Some(&tag), "", ""));
        let key = bench.call.unwrap();
        bench.core.handle_command(key, SipCommand::HangUp { cause: 200, text: "done" }, bench.now);
        let bye = bench.core.poll_transmit().expect("a BYE");
        assert_eq!(bye.flow.peer, "10.0.0.2:5070".parse().unwrap(), "{stranger}");
    }
}

#[test]
fn a_flood_inside_a_call_is_dropped_and_leaves_nothing() {
    let mut bench = Bench::new("");
    let tag = bench.up();
    let (kind, large) = ("Content-Type: application/dtmf-relay\r\n", "x".repeat(60_000));
    let answered: usize = (2..4002)
        .map(|n| bench.send(&request("INFO", n, &format!("f{n}"), Some(&tag), kind, &large)).len())
        .sum();
    assert!(answered <= 2, "{answered} of 4000 were answered");
    let info = "Content-Type: application/dtmf-relay\r\n";
    assert_eq!(code(bench.send(&request("INFO", 4003, "l", Some(&tag), info, &"x".repeat(2000)))), 413);
    bench.wait(Duration::from_secs(10));
    assert_eq!(
        code(bench.send(&request("INFO", 4004, "k", Some(&tag), info, "Signal=4"))),
        200,
        "keys go on"
    );
}

#[test]
fn a_broken_message_on_a_stream_gets_its_answer_and_begins_no_call() {
    let mut bench = Bench::new("");
    let peer = "10.0.0.2:5070".parse().unwrap();
    let flow = Flow { transport: Transport::Tcp, listener: 0, connection: Some(1), peer };
    let local = "10.0.0.1:5060".parse().unwrap();
    let bytes = Bytes::from(invite(1, "b1", "", ""));
    bench.core.handle_broken(&Packet { flow, local, advertised: local, bytes }, 400, bench.now);
    assert_eq!(code(bench.out()), 400);
    assert!(bench.call.is_none());
}

#[test]
fn no_interval_is_too_long_to_be_counted_with() {
    let most = u64::MAX;
    for timers in [
        format!("Session-Expires: {most};refresher=uac\r\n"),
        format!("Session-Expires: {most};refresher=uas\r\n"),
        format!("Min-SE: {most}\r\n"),
    ] {
        let mut bench = Bench::new("");
        let tag = bench.up_with(&format!("Supported: timer\r\n{timers}"));
        let update = format!("Supported: timer\r\nSession-Expires: {most};refresher=uac\r\n");
        assert_eq!(code(bench.send(&request("UPDATE", 2, "b9", Some(&tag), &update, ""))), 200);
        assert!(bench.wait(Duration::from_secs(3600)).is_empty(), "{timers}");
    }
}

#[test]
fn one_invite_of_odd_parts_is_refused_and_the_next_call_comes_up() {
    let mut bench = Bench::new("");
    let kind = "Content-Type: multipart/mixed;boundary=\"-\"\r\n";
    bench.send(&invite(1, "b0", kind, "-----------").replace("Call-ID: c1", "Call-ID: c0"));
    bench.up();
}

#[test]
fn an_invite_that_comes_again_by_another_way_after_its_end_is_answered() {
    let mut bench = Bench::new("");
    bench.send(&invite(1, "b1", "", SDP));
    assert_eq!(code(bench.command(SipCommand::Reject { code: 603 })), 603);
    bench.send(&request("ACK", 1, "b1", Some("x"), "", ""));
    assert_eq!(code(bench.send(&invite(1, "b2", "", SDP))), 482, "no proxy waits for nothing");
    bench.leaves_nothing();
}
