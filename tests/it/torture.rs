//! The RFC 4475 messages, in a network namespace of their own: they name foreign hosts, and nothing may leave.

use std::process::Command;

use crate::harness::{config, repository, skipped};

#[test]
fn rfc_4475_messages_are_answered_as_they_should_be() {
    let messages = repository("../shared/bench/torture");
    if !messages.join("send_torture.py").exists() {
        skipped("the torture messages are not beside the repository");
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    let config = config()
        .replacen("bind = \"127.0.0.1:0\"", "bind = \"127.0.0.1:5060\"", 2)
        .replace("listen = \"127.0.0.1:0\"", "listen = \"127.0.0.1:9091\"");
    std::fs::write(dir.path().join("aftercall.toml"), config).expect("the configuration is written");
    let script = format!(
        "ip link set lo up
         {} --config aftercall.toml --data data serve 2> log &
         for i in $(seq 200); do grep -q 'Ready for calls' log && break; sleep 0.1; done
         python3 {}/send_torture.py 127.0.0.1:5060 --ping-user sig
         code=$?
         kill %1
         exit $code",
        env!("CARGO_BIN_EXE_aftercall"),
        messages.display()
    );
    let output = Command::new("unshare")
        .args(["--map-root-user", "--net", "bash", "-c", &script])
        .current_dir(dir.path())
        .output()
        .expect("unshare runs");
    let text = String::from_utf8_lossy(&output.stdout);
    if text.is_empty() && String::from_utf8_lossy(&output.stderr).contains("unshare failed") {
        skipped("this kernel gives no network namespace");
        return;
    }
    let log = std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    let summary = text.lines().last().unwrap_or_default();
    let good = output.status.success() && summary.contains(" 0 dropped in silence");
    assert!(good, "{text}\n{}\n{log}", String::from_utf8_lossy(&output.stderr));
}
