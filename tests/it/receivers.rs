//! Those who are told: a receiver of webhooks and a mail server, small and local.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::harness::PATIENCE;

/// What a test may receive at most.
const RECEIVED_MAX: usize = 100;

/// One request as it came.
#[derive(Debug)]
pub(crate) struct Told {
    /// Header lines in lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Told {
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }
}

/// A receiver of webhooks. It answers with the status that it is set to.
pub(crate) struct Hook {
    pub(crate) address: SocketAddr,
    status: Arc<Mutex<String>>,
    told: Receiver<Told>,
}

impl Hook {
    pub(crate) fn start(status: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, told) = sync_channel(RECEIVED_MAX);
        let status = Arc::new(Mutex::new(status.to_owned()));
        let answer = Arc::clone(&status);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let answer = answer.lock().expect("a status").clone();
                let Some(told) = receive(stream, &answer) else { continue };
                if sender.send(told).is_err() {
                    return;
                }
            }
        });
        Self { address, status, told }
    }

    /// The status of answers from now on.
    pub(crate) fn answer(&self, status: &str) {
        status.clone_into(&mut self.status.lock().expect("a status"));
    }

    pub(crate) fn next(&self) -> Told {
        self.told.recv_timeout(PATIENCE).expect("something is told")
    }

    /// What came and was not looked at.
    pub(crate) fn rest(&self) -> Vec<Told> {
        self.told.try_iter().collect()
    }
}

fn receive(mut stream: TcpStream, status: &str) -> Option<Told> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).ok()?;
    Some(Told { head, body: String::from_utf8(body).ok()? })
}

/// How a mail server keeps connections private.
#[derive(Clone)]
pub(crate) enum Privacy {
    /// Not at all.
    None,
    /// It takes no mail before STARTTLS.
    Starttls(Arc<ServerConfig>),
    /// TLS from the start.
    Tls(Arc<ServerConfig>),
}

/// A mail server that takes everything; gives each mail with its envelope as it came.
pub(crate) fn mail_server(privacy: Privacy) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (sender, mails) = sync_channel(RECEIVED_MAX);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let over_tls = |stream, with: &Arc<ServerConfig>| {
                Some(StreamOwned::new(ServerConnection::new(with.clone()).ok()?, stream))
            };
            match &privacy {
                Privacy::None => drop(take_mail(stream, "220 test ESMTP\r\n", false, &sender)),
                Privacy::Tls(with) => {
                    let stream = over_tls(stream, with);
                    stream.and_then(|stream| take_mail(stream, "220 test ESMTP\r\n", false, &sender));
                }
                Privacy::Starttls(with) => {
                    let stream = take_mail(stream, "220 test ESMTP\r\n", true, &sender);
                    let stream = stream.and_then(|stream| over_tls(stream, with));
                    stream.and_then(|stream| take_mail(stream, "", false, &sender));
                }
            }
        }
    });
    (address, mails)
}

/// One conversation; gives the stream back where it is to go on over TLS.
fn take_mail<S: Read + Write>(
    stream: S,
    greeting: &str,
    wants_tls: bool,
    mails: &SyncSender<String>,
) -> Option<S> {
    let mut stream = BufReader::new(stream);
    let (mut mail, mut in_data) = (String::new(), false);
    stream.get_mut().write_all(greeting.as_bytes()).ok()?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end_matches(['\r', '\n']);
        if in_data {
            if line == "." {
                in_data = false;
                mails.send(std::mem::take(&mut mail)).ok()?;
                stream.get_mut().write_all(b"250 taken\r\n").ok()?;
            } else {
                mail += line;
                mail += "\n";
            }
            continue;
        }
        let answer: &[u8] = match line.split_whitespace().next().unwrap_or_default().to_uppercase().as_str() {
            "EHLO" if wants_tls => b"250-test\r\n250 STARTTLS\r\n",
            "EHLO" => b"250 test\r\n",
            "STARTTLS" if wants_tls => {
                stream.get_mut().write_all(b"220 go on\r\n").ok()?;
                return Some(stream.into_inner());
            }
            "QUIT" => b"221 bye\r\n",
            _ if wants_tls => b"530 STARTTLS first\r\n",
            "MAIL" | "RCPT" => {
                mail += line;
                mail += "\n";
                b"250 ok\r\n"
            }
            "DATA" => {
                in_data = true;
                b"354 go on\r\n"
            }
            _ => b"250 ok\r\n",
        };
        stream.get_mut().write_all(answer).ok()?;
    }
}
