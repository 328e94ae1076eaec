//! The caller's SIP socket: one for all calls, which are told apart by Call-ID.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rsip::SipMessage;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::message::value;
use super::target::{Target, Transport};

/// Messages that may wait for one call; over UDP more are dropped, and come again.
const INBOX_MAX: usize = 64;
/// The longest message.
const MESSAGE_MAX: usize = 65_535;

type Inboxes = Mutex<HashMap<String, mpsc::Sender<SipMessage>>>;

#[derive(Debug)]
enum Way {
    Udp(Arc<UdpSocket>),
    Tcp(tokio::sync::Mutex<OwnedWriteHalf>),
}

/// The socket and the calls on it.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) local: SocketAddr,
    to: SocketAddr,
    way: Way,
    inboxes: Arc<Inboxes>,
    reader: JoinHandle<()>,
}

/// One call's inbox; it leaves the table when dropped.
#[derive(Debug)]
pub(super) struct Inbox {
    call_id: String,
    inboxes: Weak<Inboxes>,
    messages: mpsc::Receiver<SipMessage>,
}

impl Endpoint {
    pub(super) async fn open(local: IpAddr, target: &Target) -> io::Result<Arc<Self>> {
        let inboxes = Arc::new(Inboxes::default());
        let to = target.address;
        let (local, way, reader) = match target.transport {
            Transport::Udp => {
                let socket = Arc::new(UdpSocket::bind((local, 0)).await?);
                let reader = tokio::spawn(read_datagrams(socket.clone(), inboxes.clone()));
                (socket.local_addr()?, Way::Udp(socket), reader)
            }
            Transport::Tcp => {
                let stream = TcpStream::connect(to).await?;
                stream.set_nodelay(true)?;
                let local = stream.local_addr()?;
                let (read, write) = stream.into_split();
                let reader = tokio::spawn(read_stream(read, inboxes.clone()));
                (local, Way::Tcp(tokio::sync::Mutex::new(write)), reader)
            }
        };
        Ok(Arc::new(Self { local, to, way, inboxes, reader }))
    }

    /// Whether messages may get lost, so that they have to be sent again.
    pub(super) fn is_reliable(&self) -> bool {
        matches!(self.way, Way::Tcp(_))
    }

    pub(super) async fn send(&self, message: &[u8]) -> io::Result<()> {
        match &self.way {
            Way::Udp(socket) => socket.send_to(message, self.to).await.map(drop),
            Way::Tcp(stream) => stream.lock().await.write_all(message).await,
        }
    }

    /// Registers a call.
    pub(super) fn enter(&self, call_id: &str) -> Inbox {
        let (sender, messages) = mpsc::channel(INBOX_MAX);
        self.inboxes.lock().unwrap_or_else(PoisonError::into_inner).insert(call_id.into(), sender);
        Inbox { call_id: call_id.into(), inboxes: Arc::downgrade(&self.inboxes), messages }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Inbox {
    pub(super) async fn recv(&mut self) -> Option<SipMessage> {
        self.messages.recv().await
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        if let Some(inboxes) = self.inboxes.upgrade() {
            inboxes.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.call_id);
        }
    }
}

async fn read_datagrams(socket: Arc<UdpSocket>, inboxes: Arc<Inboxes>) {
    let mut buffer = vec![0; MESSAGE_MAX];
    loop {
        // An error is the far end's ICMP: retransmission and time-outs deal with it.
        if let Ok((len, _)) = socket.recv_from(&mut buffer).await {
            dispatch(&buffer[..len], &inboxes);
        }
    }
}

async fn read_stream(mut stream: tokio::net::tcp::OwnedReadHalf, inboxes: Arc<Inboxes>) {
    let mut buffer = Vec::new();
    let mut chunk = vec![0; 16_384];
    while let Ok(len @ 1..) = stream.read(&mut chunk).await {
        buffer.extend_from_slice(&chunk[..len]);
        while let Some(length) = message_length(&buffer) {
            dispatch(&buffer[..length], &inboxes);
            buffer.drain(..length);
        }
        if buffer.len() > MESSAGE_MAX {
            break;
        }
    }
    // Without a connection no call gets any further: their inboxes close.
    inboxes.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// The length of the first whole message of a stream, by its Content-Length.
fn message_length(buffer: &[u8]) -> Option<usize> {
    let head = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&buffer[..head]);
    let body: usize = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| matches!(name.trim().to_ascii_lowercase().as_str(), "content-length" | "l"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0);
    let length = head.checked_add(body)?;
    (buffer.len() >= length).then_some(length)
}

/// Reads a message. `rsip` takes no IPv6 address for the host of a request line; that is our own Contact, which nobody
/// looks at, so another URI stands in for it.
fn read(bytes: &[u8]) -> Result<SipMessage, rsip::Error> {
    SipMessage::try_from(bytes).or_else(|error| {
        let line = bytes.iter().position(|&byte| byte == b'\r').unwrap_or(0);
        let (line, rest) = bytes.split_at(line);
        let text = String::from_utf8_lossy(line);
        let mut words = text.split(' ');
        match (words.next(), words.next(), words.next()) {
            (Some(method), Some(uri), Some(version)) if uri.contains('[') => {
                let line = format!("{method} sip:caller@caller.invalid {version}");
                SipMessage::try_from([line.as_bytes(), rest].concat())
            }
            _ => Err(error),
        }
    })
}

fn dispatch(bytes: &[u8], inboxes: &Inboxes) {
    let Ok(message) = read(bytes) else {
        tracing::debug!("A message of the far end could not be read");
        return;
    };
    let headers = match &message {
        SipMessage::Request(request) => &request.headers,
        SipMessage::Response(response) => &response.headers,
    };
    let Some(call_id) = value(headers, "call-id") else { return };
    let inbox = inboxes.lock().unwrap_or_else(PoisonError::into_inner).get(&call_id).cloned();
    if inbox.is_some_and(|inbox| inbox.try_send(message).is_err()) {
        tracing::debug!("A call does not take its messages");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_to_an_ipv6_address_is_read() {
        let bye =
            b"BYE sip:caller@[::1]:5777 SIP/2.0\r\nCall-ID: a\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n";
        assert!(matches!(read(bye), Ok(SipMessage::Request(request)) if request.method == rsip::Method::Bye));
        assert!(read(b"BYE\r\n\r\n").is_err());
    }

    #[test]
    fn messages_are_cut_from_a_stream() {
        let message = b"SIP/2.0 200 OK\r\nl: 3\r\n\r\nabcSIP";
        assert_eq!(message_length(message), Some(message.len() - 3));
        assert_eq!(message_length(&message[..20]), None);
        assert_eq!(message_length(&message[..message.len() - 4]), None);
    }
}
