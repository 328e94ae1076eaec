//! Starts the program on free ports in a folder of its own, and looks at it the way an operator would.

pub(crate) mod site;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, LazyLock, Mutex, mpsc};
use std::time::{Duration, Instant};

/// What any wait in a test may take at most: a slow machine passes, a hang is named.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A configuration for tests: everything on loopback and free ports, every call surveyed.
pub(crate) const CONFIG: &str = r#"
[service]
surveys = "SURVEYS"
prompts = "PROMPTS"
grammars = "GRAMMARS"
drain_max = "20s"

[log]
filter = "info"

[http]
listen = "127.0.0.1:0"

[sip]
t1 = "100ms"
source_rate = 0

[speech]
enabled = "off"

[media]
port_min = 20000
port_max = 29999
quarantine = "0s"

[[listener]]
transport = "udp"
bind = "127.0.0.1:0"

[[listener]]
transport = "tcp"
bind = "127.0.0.1:0"

[[trunk]]
name = "pbx"
sources = ["127.0.0.0/8"]
language = "en"
surveys = { survey = "bench", media = "media", sig = "sig", short = "short", service = "service" }

[selection]
rule = "all"
survey = "short"
"#;

/// The running program.
pub(crate) struct App {
    child: Child,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) udp: SocketAddr,
    pub(crate) tcp: SocketAddr,
    pub(crate) http: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
}

/// Says that a test is passed over, and why, past the test runner, which keeps what a passing test prints to itself.
pub(crate) fn skipped(why: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    std::io::stderr().write_all(format!("skipped: {test}: {why}\n").as_bytes()).expect("stderr");
}

/// The library to hear with, where this machine has it; `make test` gets it.
pub(crate) fn library() -> Option<PathBuf> {
    let library = repository("var/speech/libvosk.so");
    if !library.is_file() {
        skipped(&format!("there is no {}; deploy/get-libvosk.sh gets it", library.display()));
        return None;
    }
    Some(library)
}

/// The program under test.
pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_aftercall"))
}

/// A file of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The surveys that tests take, and the prompts for them, in English alone: every start encodes all prompts, and a
/// debug build takes its time for six languages.
static ENGLISH: LazyLock<PathBuf> = LazyLock::new(|| {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("english");
    let surveys = dir.join("surveys");
    std::fs::create_dir_all(&surveys).expect("a folder");
    std::fs::create_dir_all(dir.join("prompts")).expect("a folder");
    for name in ["bench", "callback", "media", "sig", "short", "service", "words"] {
        let file = format!("{name}.toml");
        let text = std::fs::read_to_string(repository("config/surveys").join(&file)).expect("a survey");
        let english = text.replace("\"en\", \"nl\", \"de\", \"fr\", \"es\", \"pt\"", "\"en\"");
        std::fs::write(surveys.join(file), english).expect("the survey is written");
    }
    if let Err(error) = std::os::unix::fs::symlink(repository("prompts/en"), dir.join("prompts/en")) {
        assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists, "a link");
    }
    dir
});

/// The folder of the surveys that [`config`] names.
pub(crate) fn surveys() -> PathBuf {
    ENGLISH.join("surveys")
}

/// [`CONFIG`] with folders in English filled in.
pub(crate) fn config() -> String {
    config_of(&surveys(), &ENGLISH.join("prompts"))
}

/// [`CONFIG`] with the folders of the repository.
pub(crate) fn config_as_shipped() -> String {
    config_of(&repository("config/surveys"), &repository("prompts"))
}

fn config_of(surveys: &Path, prompts: &Path) -> String {
    CONFIG
        .replace("SURVEYS", &surveys.display().to_string())
        .replace("PROMPTS", &prompts.display().to_string())
        .replace("GRAMMARS", &repository("grammars").display().to_string())
}

fn lock(lines: &Mutex<Vec<String>>) -> std::sync::MutexGuard<'_, Vec<String>> {
    lines.lock().expect("no test holds the log while it fails")
}

impl App {
    /// Starts with the test configuration.
    pub(crate) fn start() -> Self {
        Self::with(&config())
    }

    /// Starts with this configuration.
    pub(crate) fn with(config: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(dir.path().join("aftercall.toml"), config).expect("the configuration is written");
        Self::in_dir(dir)
    }

    /// Starts in a folder that has a configuration, and perhaps the data of an earlier run.
    pub(crate) fn in_dir(dir: tempfile::TempDir) -> Self {
        let mut child = program()
            .args(["--config", "aftercall.toml", "--data", "data", "serve"])
            .current_dir(dir.path())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stderr = child.stderr.take().expect("standard error is piped");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (lines_tx, lines) = mpsc::sync_channel(10_000);
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lock(&kept).push(line.clone());
                if lines_tx.try_send(line).is_err() {
                    // Nobody waits for the start any more; the log is kept all the same.
                }
            }
        });
        let (mut udp, mut tcp, mut http) = (None, None, None);
        loop {
            let line = lines
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|_| panic!("the program did not start:\n{}", lock(&log).join("\n")));
            let address = |after: &str| {
                line.split(after).nth(1).and_then(|rest| rest.split_whitespace().next()?.parse().ok())
            };
            udp = udp.or_else(|| address("Listening for SIP on UDP "));
            tcp = tcp.or_else(|| address("Listening for SIP on TCP "));
            http = http.or_else(|| address("Health pages on "));
            if line.contains("Ready for calls") {
                break;
            }
        }
        let (udp, tcp) = (udp.expect("a UDP listener"), tcp.expect("a TCP listener"));
        Self { child, dir, udp, tcp, http: http.expect("health pages"), log }
    }

    /// What was logged so far.
    pub(crate) fn log(&self) -> String {
        lock(&self.log).join("\n")
    }

    /// Waits until this has been logged.
    pub(crate) fn wait_for_log(&self, text: &str) {
        let start = Instant::now();
        while !self.log().contains(text) {
            assert!(start.elapsed() < PATIENCE, "{text:?} was not logged:\n{}", self.log());
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Runs another subcommand on the same data.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        let base = ["--config", "aftercall.toml", "--data", "data"];
        program().args(base).args(args).current_dir(self.dir.path()).output().expect("the program runs")
    }

    /// The standard output of a subcommand that must do well.
    pub(crate) fn ask(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    /// `aftercall calls` as rows of the columns asked for, without the header; one empty column alone is an empty row.
    pub(crate) fn calls(&self, columns: &str) -> Vec<String> {
        let text = self.ask(&["calls", "--csv", "--columns", columns]);
        text.lines().skip(1).map(|row| if row == "\"\"" { String::new() } else { row.to_owned() }).collect()
    }

    /// Waits until the rows fulfil a condition.
    pub(crate) fn wait_for_calls(&self, columns: &str, done: impl Fn(&[String]) -> bool) -> Vec<String> {
        let start = Instant::now();
        loop {
            let rows = self.calls(columns);
            if done(&rows) {
                return rows;
            }
            assert!(start.elapsed() < PATIENCE, "the rows stayed {rows:?}\n{}", self.log());
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    /// Waits until the one call's story tells this.
    pub(crate) fn wait_for_story(&self, text: &str) {
        let start = Instant::now();
        let mut story = String::new();
        while !story.contains(text) {
            assert!(start.elapsed() < PATIENCE, "no {text:?} in\n{story}\n{}", self.log());
            if let Some(id) = self.calls("id").first() {
                story = self.ask(&["calls", id]);
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    /// One of the health pages: status and body.
    pub(crate) fn page(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.http).expect("the health pages listen");
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("a request");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        let status = text.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line");
        (status, text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }

    /// Waits until one of the health pages says this.
    pub(crate) fn wait_for_page(&self, path: &str, text: &str) {
        let start = Instant::now();
        loop {
            let (_, page) = self.page(path);
            if page.contains(text) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "no {text:?} on {path}:\n{page}\n{}", self.log());
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Waits for the program to end by itself.
    pub(crate) fn wait(mut self) -> (Option<i32>, tempfile::TempDir) {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the program can be waited for") {
                let dir = std::mem::replace(&mut self.dir, tempfile::tempdir().expect("a temporary folder"));
                return (status.code(), dir);
            }
            assert!(start.elapsed() < PATIENCE, "the program did not stop:\n{}", self.log());
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Kills it without warning, and gives back its folder.
    pub(crate) fn kill(mut self) -> tempfile::TempDir {
        self.child.kill().expect("the program can be killed");
        self.child.wait().expect("and waited for");
        std::mem::replace(&mut self.dir, tempfile::tempdir().expect("a temporary folder"))
    }
}

/// The story of the call with this reference; empty where there is none.
pub(crate) fn story(app: &App, name: &str) -> String {
    let id = app.ask(&["calls", "--csv", "--columns", "id", "--call-ref", name]);
    id.lines().nth(1).map(|id| app.ask(&["calls", id])).unwrap_or_default()
}

/// Checks that these words come in this order.
#[track_caller]
pub(crate) fn tells(story: &str, parts: &[&str]) {
    let mut rest = story;
    for part in parts {
        let at = rest.find(part).unwrap_or_else(|| panic!("no {part:?} where it should be in\n{story}"));
        rest = &rest[at + part.len()..];
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if self.child.try_wait().ok().flatten().is_none() {
            self.child.kill().expect("the program can be killed");
            self.child.wait().expect("and waited for");
        }
    }
}
