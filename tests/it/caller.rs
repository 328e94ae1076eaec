//! Callers: `aftercall call` as processes of their own, many at a time.

use std::process::{Child, Output, Stdio};

use crate::harness::{App, program};

/// A call that is going on.
pub(crate) struct Caller {
    child: Child,
    name: String,
}

/// Where a user of the program is called over UDP.
pub(crate) fn at(app: &App, user: &str) -> String {
    format!("sip:{user}@{}", app.udp)
}

/// Places a call with this reference, and does what the script says.
pub(crate) fn call(target: &str, name: &str, script: &str, options: &[&str]) -> Caller {
    let child = program()
        .args(["call", target, "--header", &format!("X-Call-Ref: {name}"), "--do", script, "--limit", "120"])
        .args(options)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    Caller { child, name: name.to_owned() }
}

impl Caller {
    /// The call's reference.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Waits for the end of the call, which its own limit bounds.
    pub(crate) fn end(self) -> Output {
        self.child.wait_with_output().expect("a caller can be waited for")
    }

    /// Waits for its end; everything must have been as the script expects. Gives what was printed.
    pub(crate) fn well(self) -> String {
        let name = self.name.clone();
        let output = self.end();
        let (said, problem) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{name}: {problem}{said}");
        said.into_owned()
    }
}
