//! Peers that do things their own way: nothing is refused for a part that nobody uses.

use super::*;

#[test]
fn the_ack_counts_by_its_invite_whatever_came_before_it() {
    let mut bench = Bench::new("provisional = \"ringing\"");
    assert!(bench.send(&invite(1, "b1", "Supported: 100rel\r\n", SDP)).is_empty());
    let ringing = one(bench.command(SipCommand::Answer { port: 4000 }));
    let tag = tag_of(&ringing);
    let rseq = ringing.lines().find_map(|l| l.strip_prefix("RSeq: ")).expect("a reliable 180");
    let rack = format!("RAck: {rseq} 1 INVITE\r\n");
    let out = bench.send(&request("PRACK", 2, "b2", Some(&tag), &rack, ""));
    assert_eq!(out.len(), 2, "the PRACK's 200 and the INVITE's: {out:#?}");
    let info = "Content-Type: application/dtmf-relay\r\n";
    assert_eq!(code(bench.send(&request("INFO", 3, "b3", Some(&tag), info, "Signal=4"))), 200);
    assert!(bench.send(&request("ACK", 1, "b4", Some(&tag), "", "")).is_empty());
    assert!(bench.events.contains(&SipEvent::Confirmed), "{:?}", bench.events);
    assert!(bench.wait(Duration::from_secs(40)).is_empty(), "nothing is repeated and nobody hangs up");
    // A re-INVITE has an ACK of its own number, and the older one does not stand for it.
    assert_eq!(code(bench.send(&request("INVITE", 7, "b5", Some(&tag), "", SDP))), 200);
    bench.send(&request("ACK", 1, "b6", Some(&tag), "", ""));
    assert_eq!(bench.wait(Duration::from_secs(1)).len(), 1, "the 200 is repeated");
    bench.send(&request("ACK", 7, "b7", Some(&tag), "", ""));
    assert!(bench.wait(Duration::from_secs(40)).is_empty());
}

#[test]
fn an_address_may_have_any_name_and_the_call_comes_up() {
    for from in [
        "Bürgeramt Köln <sip:bob@10.0.0.2>",
        "Ann (mobile) <sip:bob@10.0.0.2>",
        "ann@home <sip:bob@10.0.0.2>",
        "\"\"unknown\"\" <sip:bob@10.0.0.2>",
        "<sip:*31#20@10.0.0.2>",
    ] {
        let odd = |text: String| text.replace("\"B\" <sip:bob@10.0.0.2>", from);
        let mut bench = Bench::new("");
        assert!(bench.send(&odd(invite(1, "b1", "", SDP))).is_empty(), "{from}");
        let ok = one(bench.command(SipCommand::Answer { port: 4000 }));
        let tag = tag_of(&ok);
        bench.send(&odd(request("ACK", 1, "b2", Some(&tag), "", "")));
        assert_eq!(bench.events, [SipEvent::Confirmed], "{from}");
        assert_eq!(code(bench.send(&odd(request("BYE", 2, "b3", Some(&tag), "", "")))), 200, "{from}");
    }
}

#[test]
fn a_request_uri_may_carry_what_nobody_reads() {
    for uri in [
        "sip:survey@10.0.0.1?Route=%3Csip:x%3E",
        "sip:survey@10.0.0.1;;x=1",
        "sip:sur#vey@10.0.0.1;user=phone",
    ] {
        let mut bench = Bench::new("");
        let odd = invite(1, "b1", "", SDP).replace("INVITE sip:survey@10.0.0.1 ", &format!("INVITE {uri} "));
        assert!(bench.send(&odd).is_empty() && bench.call.is_some(), "{uri}");
    }
}

#[test]
fn a_description_may_say_anything_in_lines_that_nobody_reads() {
    for (from, to) in [
        ("o=- 1 1", "o=Mitel 3300 ICP 18446744073709551616 99999999999999999999"),
        ("s=-", "s=\u{fc}"),
        ("t=0 0", "t=now"),
        ("t=0 0", "b=?\r\nk=\r\nt=0 0"),
    ] {
        let mut bench = Bench::new("");
        let sdp = SDP.replace(from, to);
        assert!(bench.send(&invite(1, "b1", "", &sdp)).is_empty() && bench.call.is_some(), "{to}");
    }
}

#[test]
fn a_refused_offer_says_why() {
    for (from, to, warning) in [
        ("RTP/AVP 0 101", "RTP/AVP 18 101", "305"),
        ("RTP/AVP", "RTP/SAVP", "302"),
        ("m=audio 5000", "m=audio 0", "304"),
        ("c=IN IP4 10.0.0.2", "c=IN IP4 203.0.113.9", "399"),
        ("c=IN IP4 10.0.0.2", "c=IN IP6 fd00::1", "399"),
    ] {
        let mut bench = Bench::new("");
        let refused = one(bench.send(&invite(1, "b1", "", &SDP.replace(from, to))));
        assert!(refused.starts_with("SIP/2.0 488 "), "{to}: {refused}");
        assert!(refused.contains(&format!("\r\nWarning: {warning} aftercall \"")), "{to}: {refused}");
    }
}

#[test]
fn a_description_of_ours_keeps_the_lines_that_were_refused() {
    let offer = SDP.replace("m=audio", "m=video 7000 RTP/AVP 31\r\nm=audio");
    let mut bench = Bench::new("");
    bench.send(&invite(1, "b1", "", &offer));
    let tag = tag_of(&one(bench.command(SipCommand::Answer { port: 4000 })));
    bench.send(&request("ACK", 1, "b2", Some(&tag), "", ""));
    let again = one(bench.send(&request("INVITE", 2, "b3", Some(&tag), "", "")));
    let media: Vec<&str> = again.lines().filter(|l| l.starts_with("m=")).collect();
    assert_eq!(media, ["m=video 0 RTP/AVP 31", "m=audio 4000 RTP/AVP 0 101"], "{again}");
}
