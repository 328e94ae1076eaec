//! SIPp scenarios from short scripts.
//!
//! One line is one message: `> INVITE`, `< 200`, `pause 300`. After the method of a request may stand
//! `cseq=N`, `sdp`, `sdp:ATTRIBUTE` (a line of the description), `body:TYPE:TEXT`, `uri:URI`, `branch=last` (the branch
//! of the last INVITE), `new` (outside the dialog), and `|Header: value` as often as needed.

use std::fmt::Write as _;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;

use crate::harness::App;

const SDP: &str = "v=0\r\no=t 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 CADDR\r\nt=0 0\r\nm=audio [media_port] RTP/AVP 0 101\r\n\
                   a=rtpmap:101 telephone-event/8000\r\n";

/// A port that nobody uses now.
pub(crate) fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port()
}

/// Plays a script against the program over UDP; fails with SIPp's own words.
pub(crate) fn play(app: &App, user: &str, script: &str) {
    run(app.udp, user, script, &[]);
}

/// Plays a script with further options of SIPp.
pub(crate) fn run(target: SocketAddr, user: &str, script: &str, options: &[&str]) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("scenario.xml");
    let text = xml(script);
    let text = if target.is_ipv6() { text.replace("IN IP4 127.0.0.1", "IN IP6 ::1") } else { text };
    std::fs::write(&file, text).expect("the scenario is written");
    let output = Command::new("sipp")
        .args([&target.to_string(), "-sf", "scenario.xml", "-s", user, "-m", "1", "-nostdin"])
        .args(["-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", &free_port().to_string(), "-mp", &media_port()])
        .args(["-timeout", "50s", "-timeout_error", "-trace_err", "-error_file", "errors.log"])
        .args(["-trace_msg", "-message_file", "messages.log"])
        .args(options)
        .current_dir(dir.path())
        .output()
        .expect("sipp runs (tests/packages.sh installs it)");
    if !output.status.success() {
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap_or_default();
        panic!("script:\n{script}\nerrors:\n{}\nmessages:\n{}", read("errors.log"), read("messages.log"));
    }
}

fn media_port() -> String {
    (free_port() & !1).to_string()
}

fn xml(script: &str) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<scenario name=\"script\">\n");
    let mut cseq = 0;
    let mut invite = 0;
    for (index, line) in script.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        let (head, headers) = line
            .split_once(" |")
            .map_or((line, Vec::new()), |(head, rest)| (head, rest.split('|').map(str::trim).collect()));
        let mut words = head.split_whitespace();
        match (words.next(), words.next()) {
            (Some("<"), Some(code)) if code.starts_with(|c: char| c.is_ascii_digit()) => {
                let how = match words.next() {
                    Some("maybe") => " optional=\"true\"",
                    Some("auth") => " auth=\"true\"",
                    _ => "",
                };
                writeln!(out, "<recv response=\"{code}\"{how} rrs=\"true\" timeout=\"20000\">{}</recv>", wants(&headers))
            }
            (Some("<"), Some(method)) => {
                writeln!(out, "<recv request=\"{method}\" timeout=\"60000\">{}</recv>", wants(&headers))
            }
            (Some("pause"), Some(ms)) => writeln!(out, "<pause milliseconds=\"{ms}\"/>"),
            (Some(">"), Some(code)) if code.starts_with(|c: char| c.is_ascii_digit()) => {
                write!(out, "<send><![CDATA[\n\nSIP/2.0 {code} OK\n[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n\
                     [last_CSeq:]\nContact: <sip:t@[local_ip]:[local_port]>\n{}\
                     Content-Length: 0\n\n]]></send>\n", headers.iter().map(|h| format!("{h}\n")).collect::<String>())
            }
            (Some(">"), Some(method)) => {
                let words: Vec<&str> = words.collect();
                writeln!(out, "<send{}><![CDATA[\n\n{}\n]]></send>", retransmits(method), {
                    if method == "INVITE" {
                        invite = index;
                    }
                    let back = format!("[branch-{}]", index - invite);
                    request(method, &words, &headers, &mut cseq).replace("[branch-1]", &back)
                })
            }
            _ => panic!("cannot read {line:?}"),
        }
        .expect("writing to a string cannot fail");
    }
    let names = ["seen", "cap"]
        .into_iter()
        .filter(|name| out.contains(&format!("\"{name}")) || out.contains(&format!(",{name}")));
    let names: Vec<&str> = names.collect();
    if !names.is_empty() {
        out.push_str(&format!("<Reference variables=\"{}\"/>\n", names.join(",")));
    }
    out + "</scenario>\n"
}

/// Checks on a received message: each pattern must match; what stands in its parentheses is kept as `[$cap]`.
fn wants(patterns: &[&str]) -> String {
    if patterns.is_empty() {
        return String::new();
    }
    let check = |pattern: &&str| {
        let into = if pattern.contains('(') { "seen,cap" } else { "seen" };
        let pattern = pattern.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        format!("<ereg regexp=\"{pattern}\" search_in=\"msg\" check_it=\"true\" assign_to=\"{into}\"/>")
    };
    format!("<action>{}</action>", patterns.iter().map(check).collect::<String>())
}

fn retransmits(method: &str) -> &'static str {
    if method == "ACK" { "" } else { " retrans=\"500\"" }
}

fn request(method: &str, words: &[&str], headers: &[&str], cseq: &mut u32) -> String {
    let option = |name: &str| words.iter().find_map(|word| word.strip_prefix(name));
    let same = matches!(method, "ACK" | "CANCEL");
    if !same {
        *cseq += 1;
    }
    if let Some(number) = option("cseq=") {
        *cseq = number.parse().expect("a number");
    }
    let uri = option("uri:").unwrap_or("sip:[service]@[remote_ip]:[remote_port]");
    let branch = match option("branch=") {
        Some("last") => "[branch-1]",
        Some(other) => other,
        None => "[branch]",
    };
    let tag = if words.contains(&"new") { "" } else { "[peer_tag_param]" };
    let body = match (option("sdp:"), words.contains(&"sdp"), option("body:")) {
        (Some("0.0.0.0"), ..) => Some(("application/sdp", SDP.replace("CADDR", "0.0.0.0"))),
        (Some(attribute), ..) if attribute.starts_with("m=") => Some((
            "application/sdp",
            SDP.replace("CADDR", "127.0.0.1").replace("RTP/AVP 0 101", &attribute[2..].replace('_', " ")),
        )),
        (Some(attribute), ..) => {
            Some(("application/sdp", format!("{}a={attribute}\r\n", SDP.replace("CADDR", "127.0.0.1"))))
        }
        (None, true, _) => Some(("application/sdp", SDP.replace("CADDR", "127.0.0.1"))),
        (None, false, Some(body)) => {
            body.split_once(':').map(|(kind, text)| (kind, text.replace("\\n", "\r\n")))
        }
        _ => None,
    };
    let route = if words.contains(&"new") { "" } else { "[routes]\n" };
    let mut text = format!(
        "{method} {uri} SIP/2.0\nVia: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch};rport\n{route}\
         From: <sip:caller@[local_ip]:[local_port]>;tag=[pid]t[call_number]\nTo: <sip:[service]@[remote_ip]>{tag}\n\
         Call-ID: [call_id]\nCSeq: {cseq} {method}\nContact: <sip:caller@[local_ip]:[local_port];transport=[transport]>\n"
    );
    if !headers.iter().any(|h| h.starts_with("Max-Forwards")) {
        text.push_str("Max-Forwards: 70\n");
    }
    for header in headers {
        text.push_str(header);
        text.push('\n');
    }
    match body {
        Some((kind, body)) => {
            text.push_str(&format!(
                "Content-Type: {kind}\nContent-Length: [len]\n\n{}\n",
                body.replace("\r\n", "\n")
            ));
        }
        None => text.push_str("Content-Length: 0\n\n"),
    }
    text
}
