//! Attended transfers: an INVITE that takes the place of a dialog (RFC 3891).

use super::*;

fn replacing(tag: &str, more: &str) -> String {
    let headers = format!("Require: replaces\r\nReplaces: c1;from-tag=far;to-tag={tag}{more}\r\n");
    invite(1, "r1", &headers, SDP).replace("Call-ID: c1", "Call-ID: c2").replace("tag=far\r", "tag=other\r")
}

#[test]
fn the_call_that_is_replaced_ends_once_the_other_is_answered() {
    let mut bench = Bench::new("");
    let tag = bench.up();
    let first = bench.call.unwrap();
    assert!(bench.send(&replacing(&tag, "")).is_empty());
    assert_ne!(bench.call, Some(first));
    let out = bench.command(SipCommand::Answer { port: 4002 });
    assert!(out[0].starts_with("SIP/2.0 200 OK") && out[1].starts_with("BYE "), "{out:#?}");
    assert!(out[0].contains("replaces"), "{}", out[0]);
    assert_eq!(bench.events, [SipEvent::Ended(Ended::Replaced)]);
    let bye = ok_to(&out[1]);
    bench.send(&bye);
    assert_eq!(bench.core.calls_len(), 1);
}

#[test]
fn a_call_that_was_refused_replaces_nothing() {
    let mut bench = Bench::new("");
    let tag = bench.up();
    bench.send(&replacing(&tag, ""));
    assert_eq!(code(bench.command(SipCommand::Reject { code: 603 })), 603);
    assert_eq!(bench.core.calls_len(), 1, "the first one goes on");
}

#[test]
fn what_cannot_be_replaced_is_told_apart() {
    let mut bench = Bench::new("");
    let tag = bench.up();
    assert_eq!(code(bench.send(&replacing("nobody", ""))), 481);
    assert_eq!(code(bench.send(&replacing(&tag, ";early-only"))), 486);
    let twice = replacing(&tag, "").replace("Require", "Replaces: x;to-tag=1;from-tag=2\r\nRequire");
    assert_eq!(code(bench.send(&twice)), 400);
    assert_eq!(code(bench.send(&replacing("", ""))), 481);
    bench.command(SipCommand::HangUp { cause: 200, text: "done" });
    assert_eq!(code(bench.send(&replacing(&tag, ""))), 603, "it is over");
}

#[test]
fn a_call_that_is_not_acknowledged_ends_after_its_ack_and_is_replaced_once() {
    let mut bench = Bench::new("");
    bench.send(&invite(1, "b1", "", SDP));
    let tag = tag_of(&one(bench.command(SipCommand::Answer { port: 4000 })));
    assert!(bench.send(&replacing(&tag, "")).is_empty());
    let other = replacing(&tag, "").replace("Call-ID: c2", "Call-ID: c3").replace("z9hG4bKr1", "z9hG4bKr3");
    assert_eq!(code(bench.send(&other)), 481, "one takes its place");
    let ok = one(bench.command(SipCommand::Answer { port: 4002 }));
    assert!(ok.starts_with("SIP/2.0 200 "), "no BYE before the ACK (RFC 3261 §15): {ok}");
    let bye = one(bench.send(&request("ACK", 1, "b2", Some(&tag), "", "")));
    assert!(bye.starts_with("BYE "), "{bye}");
    assert_eq!(bench.events, [SipEvent::Confirmed, SipEvent::Ended(Ended::Replaced)]);
}
