//! Real peers from Debian: a softphone that takes a survey, and a proxy that stays in the path.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::caller::call;
use crate::harness::{App, PATIENCE, config, repository};
use crate::scenario::free_port;

/// A program that ends with the test, and so do the processes that it started: they share a group.
struct Peer(Child);

impl Peer {
    fn start(command: &mut Command) -> Self {
        let child = command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        Self(child.expect("the peer runs (tests/packages.sh installs it)"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        Command::new("kill").args(["-KILL", "--", &format!("-{}", self.0.id())]).status().ok();
        self.0.wait().ok();
    }
}

/// Where Debian keeps the loadable parts of a program: below a folder named after the machine, or not.
fn modules(program: &str) -> String {
    let machine = format!("/usr/lib/{}-linux-gnu/{program}/modules", std::env::consts::ARCH);
    let plain = format!("/usr/lib/{program}/modules");
    if std::path::Path::new(&machine).is_dir() { machine } else { plain }
}

/// baresip, remote-controlled by netstrings of JSON over TCP.
struct Softphone {
    control: TcpStream,
    heard: String,
    _peer: Peer,
}

impl Softphone {
    fn start(folder: &std::path::Path) -> Self {
        let control = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let control = control.expect("a free port");
        let config = format!(
            "poll_method epoll\nsip_listen 127.0.0.1:0\naudio_player aubridge,none\naudio_alert aubridge,none\n\
             audio_source aufile,{}\naudio_channels 1\nmodule_path {}\nmodule g711.so\nmodule aubridge.so\n\
             module aufile.so\nmodule ctrl_tcp.so\nmodule_app account.so\nmodule_app menu.so\n\
             ctrl_tcp_listen {control}\n",
            repository("prompts/en/bench_talk.wav").display(),
            modules("baresip"),
        );
        std::fs::write(folder.join("config"), config).expect("the configuration is written");
        let account = "<sip:tester@127.0.0.1>;regint=0;audio_codecs=PCMU\n";
        std::fs::write(folder.join("accounts"), account).expect("the account is written");
        let peer = Peer::start(Command::new("baresip").args(["-4", "-f"]).arg(folder).stderr(Stdio::null()));
        let start = Instant::now();
        let control = loop {
            match TcpStream::connect(control) {
                Ok(control) => break control,
                Err(error) => assert!(start.elapsed() < PATIENCE, "baresip does not listen: {error}"),
            }
            std::thread::park_timeout(Duration::from_millis(50));
        };
        control.set_read_timeout(Some(Duration::from_millis(100))).expect("a time-out");
        Self { control, heard: String::new(), _peer: peer }
    }

    fn order(&mut self, command: &str, parameter: &str) {
        let order = format!("{{\"command\":\"{command}\",\"params\":\"{parameter}\",\"token\":\"t\"}}");
        write!(self.control, "{}:{order},", order.len()).expect("baresip takes orders");
    }

    /// Waits until it has told of this event.
    fn wait_for(&mut self, event: &str, app: &App) {
        let start = Instant::now();
        let mut buffer = [0; 4096];
        while !self.heard.contains(event) {
            assert!(start.elapsed() < PATIENCE, "no {event} from baresip: {}\n{}", self.heard, app.log());
            if let Ok(len) = self.control.read(&mut buffer) {
                self.heard.push_str(&String::from_utf8_lossy(&buffer[..len]));
            }
        }
    }
}

#[test]
fn a_softphone_takes_a_survey() {
    let app = App::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut phone = Softphone::start(folder.path());
    phone.order("dial", &format!("sip:short@{}", app.udp));
    phone.wait_for("CALL_ESTABLISHED", &app);
    // A key in the greeting leads to the question, which takes no key in its first quarter of a second.
    phone.order("sndcode", "#");
    app.wait_for_story("asked satisfaction");
    std::thread::park_timeout(Duration::from_millis(1000));
    phone.order("sndcode", "4");
    phone.wait_for("CALL_CLOSED", &app);
    let rows = app.wait_for_calls("answers,codec,disposition", |rows| rows == ["4,PCMU,complete"]);
    assert_eq!(rows.len(), 1);
    app.wait_for_story("key 4 at satisfaction by rfc4733");
}

/// kamailio on the file that is shipped: it records its route and sends every call on to one place.
fn proxy(folder: &std::path::Path, to: SocketAddr) -> (Peer, u16) {
    let port = free_port();
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin";
    let log = std::fs::File::create(folder.join("log")).expect("a log");
    let mut command = Command::new("kamailio");
    command.env("PATH", &path).args(["-DD", "-E", "-m", "32", "-M", "8", "-Y"]).arg(folder);
    command.args(["-l", &format!("udp:127.0.0.1:{port}"), "-A", &format!("AFTERCALL=\"sip:{to}\"")]);
    command.args(["-L", &format!("{}/", modules("kamailio"))]);
    (Peer::start(command.arg("-f").arg(repository("deploy/pbx/kamailio/kamailio.cfg")).stderr(log)), port)
}

/// The header that the PBX before the proxy has its queue in.
const QUEUE: &str = "X-Original-Queue: through-kamailio";

#[test]
fn a_call_through_a_proxy_that_records_its_route() {
    let app = App::with(&config());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_proxy, port) = proxy(folder.path(), app.udp);
    let target = format!("sip:short@127.0.0.1:{port}");
    // The caller repeats its INVITE until the proxy is up.
    let report =
        call(&target, "relayed", "audio; press #; pause 1s; press 5; bye", &["--header", QUEUE]).well();
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    assert!(report.contains("ended by     the far end"), "{report}\n{log}");
    assert!(log.contains("relays a ACK") && log.contains("relays a BYE"), "not by way of the proxy:\n{log}");
    let row = "relayed,through-kamailio,5,complete";
    app.wait_for_calls("call_ref,queue,answers,disposition", |rows| rows == [row]);
    call(&target, "no-queue", "audio; press #; pause 1s; press 4; bye", &[]).well();
    app.wait_for_calls("call_ref,queue,answers,disposition", |rows| {
        rows.iter().any(|row| row == "no-queue,,4,complete")
    });
}
