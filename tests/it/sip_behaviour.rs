//! SIPp against the running program, one script for each SIP behaviour.

use crate::harness::{App, config};
use crate::scenario::{play, run};

#[test]
fn offer_answer_and_hang_up_on_either_side() {
    let app = App::start();
    play(&app, "media", "> INVITE sdp\n< 100 maybe\n< 200\n> ACK\npause 300\n> BYE\n< 200");
    play(&app, "sig", "> INVITE sdp\n< 100 maybe\n< 200\n> ACK\n< BYE |Reason: SIP;cause=200\n> 200");
    play(
        &app,
        "media",
        "> INVITE\n< 100 maybe\n< 200 |m=audio [0-9]+ RTP/AVP 0 8 9 101\n> ACK sdp\npause 300\n> BYE\n< 200",
    );
    let all = ["media,complete", "sig,complete", "media,complete"];
    app.wait_for_calls("survey,disposition", |rows| rows == all);
}

#[test]
fn the_same_over_tcp() {
    let app = App::start();
    run(app.tcp, "media", "> INVITE sdp\n< 100 maybe\n< 200\n> ACK\npause 200\n> BYE\n< 200", &["-t", "t1"]);
    run(
        app.tcp,
        "sig",
        "> INVITE sdp\n< 100 maybe\n< 200\n> ACK\n< BYE |Reason: SIP;cause=200\n> 200",
        &["-t", "t1"],
    );
    app.wait_for_calls("survey,disposition", |rows| rows == ["media,complete", "sig,complete"]);
}

#[test]
fn a_keep_alive_on_a_stream_is_answered() {
    use std::io::{Read, Write};
    let app = App::start();
    let mut stream = std::net::TcpStream::connect(app.tcp).expect("a connection");
    stream.set_read_timeout(Some(crate::harness::PATIENCE)).expect("a deadline");
    stream.write_all(b"\r\n\r\n").expect("a ping");
    let mut pong = [0; 2];
    stream.read_exact(&mut pong).expect("a pong");
    assert_eq!(&pong, b"\r\n");
}

#[test]
fn cancel_before_the_answer() {
    // A reliable 180 holds the answer back until its PRACK, which leaves room for a CANCEL.
    let app = App::start();
    play(
        &app,
        "media",
        "> INVITE sdp |Require: 100rel\n< 100 maybe\n< 180 |RSeq: [0-9]+\n> CANCEL branch=last\n< 200\n< 487\n> ACK branch=last",
    );
    app.wait_for_calls("disposition,failure", |rows| rows == ["failed,cancelled"]);
}

#[test]
fn reliable_provisionals() {
    let app =
        App::with(&config().replace("language = \"en\"", "language = \"en\"\nprovisional = \"progress\""));
    let script = "> INVITE sdp |Supported: 100rel\n< 100 maybe\n< 183 |RSeq: ([0-9]+)|m=audio\n\
                  > PRACK |RAck: [$cap] 1 INVITE\n< 200 |PRACK\n< 200 |INVITE\n> ACK cseq=1\n> BYE cseq=3\n< 200";
    play(&app, "media", script);
    // A call that never came up gets the same answers.
    app.wait_for_calls("disposition,failure", |rows| rows == ["complete,"]);
}

#[test]
fn hold_in_its_three_forms_and_a_new_codec() {
    let app = App::start();
    play(
        &app,
        "media",
        "> INVITE sdp\n< 100 maybe\n< 200\n> ACK\n\
         > INVITE sdp:sendonly\n< 100 maybe\n< 200 |a=recvonly\n> ACK\n\
         > INVITE sdp:inactive\n< 100 maybe\n< 200 |a=inactive\n> ACK\n\
         > INVITE sdp:0.0.0.0\n< 100 maybe\n< 200 |a=inactive\n> ACK\n\
         > UPDATE sdp\n< 200 |a=sendrecv\n\
         > INVITE sdp:m=RTP/AVP_8_101\n< 100 maybe\n< 200 |PCMA\n> ACK\n\
         > INVITE sdp:m=RTP/AVP_18\n< 100 maybe\n< 488\n> ACK branch=last\n\
         > INVITE\n< 100 maybe\n< 200 |PCMA\n> ACK sdp:m=RTP/AVP_8_101\n\
         > BYE\n< 200",
    );
    app.wait_for_calls("disposition", |rows| rows == ["complete"]);
}

#[test]
fn session_timers() {
    let app = App::start();
    play(
        &app,
        "media",
        "> INVITE sdp |Supported: timer|Session-Expires: 30\n< 100 maybe\n< 422 |Min-SE: 90\n> ACK branch=last\n\
         > INVITE sdp new |Supported: timer|Session-Expires: 120;refresher=uac\n< 100 maybe\n< 200 |Session-Expires: 120;refresher=uac\n> ACK\n\
         > UPDATE |Supported: timer|Session-Expires: 120;refresher=uac\n< 200 |Session-Expires: 120;refresher=uac\n\
         > BYE\n< 200",
    );
}

#[test]
fn our_own_refreshes_are_made_longer_and_end_with_the_dialog() {
    // A far end that only listens need not send audio for the 45 seconds until the first refresh.
    let app = App::start();
    let asked = "> INVITE sdp:recvonly |Supported: timer|Session-Expires: 90;refresher=uas|Allow: INVITE, UPDATE, BYE\n\
                 < 100 maybe\n< 200 |refresher=uas\n> ACK\n< UPDATE |Session-Expires: 90;refresher=uac\n";
    let longer = "> 422 |Min-SE: 120\n< UPDATE |Session-Expires: 120;refresher=uac\n\
                  > 200 |Require: timer|Session-Expires: 120;refresher=uac\n> BYE\n< 200";
    let gone = "> 408\n< BYE |Reason: SIP;cause=481\n> 200";
    std::thread::scope(|scope| {
        for rest in [longer, gone] {
            let app = &app;
            scope.spawn(move || run(app.udp, "media", &format!("{asked}{rest}"), &["-timeout", "100s"]));
        }
    });
}

#[test]
fn refusals_say_why() {
    let app = App::start();
    let refused = |user: &str, script: &str| play(&app, user, script);
    refused("media", "> OPTIONS new\n< 200 |Allow: INVITE");
    refused("media", "> REFER new |Refer-To: <sip:x@y>\n< 603");
    refused("media", "> REGISTER new\n< 405 |Allow: INVITE");
    refused("media", "> FROBNICATE new\n< 501");
    refused(
        "media",
        "> INVITE sdp new |Require: nothing-we-know\n< 420 |Unsupported: nothing-we-know\n> ACK branch=last",
    );
    refused("media", "> INVITE new body:text/plain:hello\n< 415 |Accept: application/sdp\n> ACK branch=last");
    refused("media", "> INVITE new sdp:m=RTP/AVP_18\n< 488\n> ACK branch=last");
    refused("media", "> INVITE sdp new uri:nobody:here\n< 416\n> ACK branch=last");
    refused("media", "> BYE |X-None: 1\n< 481");
    refused("media", "> INFO body:application/dtmf:5\n< 481");
    assert!(app.calls("id").is_empty(), "a refusal left a call");
    refused("media", "> INVITE sdp new |Max-Forwards: 0\n< 100 maybe\n< 200\n> ACK\n> BYE\n< 200");
}

#[test]
fn in_a_dialog_gaps_are_taken_and_going_back_is_not() {
    let app = App::start();
    play(
        &app,
        "media",
        "> INVITE sdp\n< 100 maybe\n< 200\n> ACK\n> OPTIONS cseq=50\n< 200 |Allow\n\
         > OPTIONS cseq=40\n< 500\n> REFER cseq=60 |Refer-To: <sip:x@y>\n< 603\n> FROBNICATE cseq=61\n< 501\n\
         > INFO cseq=62 body:application/thing:x\n< 415\n> BYE cseq=70\n< 200",
    );
}

#[test]
fn keys_by_info_answer_a_survey() {
    let app = App::start();
    play(
        &app,
        "short",
        "> INVITE sdp |X-Agent-Id: anna|X-Call-Ref: c-1\n< 100 maybe\n< 200\n> ACK\npause 1000\n\
         > INFO body:application/dtmf-relay:Signal=1\\nDuration=160\n< 200\npause 1000\n\
         > INFO body:application/dtmf-relay:Signal=4\\nDuration=160\n< 200\n< BYE\n> 200",
    );
    let rows = app.wait_for_calls("call_ref,agent,disposition,answers", |rows| {
        rows.iter().any(|r| r.contains("complete"))
    });
    assert_eq!(rows, ["c-1,anna,complete,4"]);
}

#[test]
fn an_answer_without_ack_is_given_up() {
    let app = App::start();
    // T1 is 100 ms here, so 64*T1 is 6.4 s.
    play(&app, "media", "> INVITE sdp\n< 100 maybe\n< 200\n< BYE |Reason: SIP;cause=408\n> 200");
    app.wait_for_calls("disposition,failure", |rows| rows == ["failed,no_ack"]);
}

#[test]
fn a_trunk_may_ask_for_a_password() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let secret = dir.path().join("password");
    std::fs::write(&secret, "s3cret\n").expect("the password is written");
    let auth = format!(
        "language = \"en\"\nauth = {{ realm = \"aftercall\", user = \"pbx\", password_file = \"{}\", algorithms = [\"MD5\"] }}",
        secret.display()
    );
    let app = App::with(&config().replace("language = \"en\"", &auth));
    let right = ["-au", "pbx", "-ap", "s3cret"];
    let script = "> INVITE sdp\n< 401 auth\n> ACK branch=last\n> INVITE new sdp |[authentication]\n< 100 maybe\n< 200\n> ACK\n< BYE |Reason: SIP;cause=200\n> 200";
    run(app.udp, "sig", script, &right);
    app.wait_for_calls("disposition", |rows| rows == ["complete"]);
    let wrong = "> INVITE sdp\n< 401 auth\n> ACK branch=last\n> INVITE new sdp |[authentication]\n< 401\n> ACK branch=last";
    run(app.udp, "sig", wrong, &["-au", "pbx", "-ap", "guess"]);
}

#[test]
fn a_request_that_came_by_two_ways_is_merged() {
    // A reliable 180 keeps the first one open (RFC 3261 §8.2.2.2).
    let app = App::start();
    play(
        &app,
        "media",
        "> INVITE sdp new cseq=1 branch=z9hG4bK-first |Require: 100rel\n< 100 maybe\n< 180 |RSeq: [0-9]+\n\
         > INVITE sdp new cseq=1 branch=z9hG4bK-second |Require: 100rel\n< 482\n\
         > ACK new branch=z9hG4bK-second\n\
         > CANCEL new branch=z9hG4bK-first\n< 200\n< 487\n> ACK new branch=z9hG4bK-first",
    );
    // The row stands from the INVITE on; its disposition comes with the end.
    let rows = app.wait_for_calls("disposition", |rows| rows.iter().any(|row| row == "failed"));
    assert_eq!(rows, ["failed"], "there was one call");
}

#[test]
fn another_version_is_told_so() {
    let app = App::start();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(crate::harness::PATIENCE)).expect("a deadline");
    let own = socket.local_addr().expect("an address");
    let request = format!(
        "INVITE sip:media@{} SIP/7.0\r\nVia: SIP/7.0/UDP {own};branch=z9hG4bK-7\r\nMax-Forwards: 70\r\nFrom: <sip:t@{own}>;tag=1\r\n\
         To: <sip:media@{}>\r\nCall-ID: seven@{own}\r\nCSeq: 1 INVITE\r\nContact: <sip:t@{own}>\r\nContent-Length: 0\r\n\r\n",
        app.udp, app.udp
    );
    socket.send_to(request.as_bytes(), app.udp).expect("a request");
    let mut answer = [0; 2048];
    let (len, _) = socket.recv_from(&mut answer).expect("an answer");
    let answer = String::from_utf8_lossy(&answer[..len]);
    assert!(answer.starts_with("SIP/2.0 505 "), "{answer}");
}

#[test]
fn the_same_over_ipv6() {
    let port = crate::scenario::free_port();
    let six = format!("[[listener]]\ntransport = \"udp\"\nbind = \"[::1]:{port}\"\n\n[[trunk]]");
    let config = config().replacen("[[trunk]]", &six, 1);
    let app = App::with(&config.replace("[\"127.0.0.0/8\"]", "[\"127.0.0.0/8\", \"::1/128\"]"));
    let here = std::net::SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, port));
    let script = "> INVITE sdp\n< 100 maybe\n< 200\n> ACK\n< BYE |Reason: SIP;cause=200\n> 200";
    run(here, "sig", script, &["-i", "::1"]);
    assert_eq!(app.wait_for_calls("disposition", |rows| !rows.is_empty()).len(), 1);
}
