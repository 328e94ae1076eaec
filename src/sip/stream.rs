//! Stream connections (RFC 3261 §18, §7.5): framing, keep-alives, and bounds on how many there are and how long they
//! may idle.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use metrics::counter;
use sipx_sip::{Limits, StreamParser};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tracing::{debug, warn};

use super::Flow;

/// Messages that may wait for a slow peer. A peer that lets more pile up loses its connection.
const WRITES_MAX: usize = 256;
/// How long a message may take to arrive, and a connection to open.
const PARTIAL_MAX: Duration = Duration::from_secs(32);
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// What connection tasks tell the endpoint.
#[derive(Debug)]
pub(super) enum FromStream {
    Opened {
        id: u64,
        writer: mpsc::Sender<Bytes>,
    },
    Message {
        id: u64,
        listener: usize,
        peer: SocketAddr,
        bytes: Bytes,
    },
    /// A double CRLF between messages: the keep-alive of RFC 5626 §4.4.1, which wants a single one back.
    Ping {
        id: u64,
    },
    /// Nothing came for the idle time.
    Idle {
        id: u64,
    },
    Closed {
        id: u64,
    },
}

/// The connections that are open.
pub(super) struct Connections {
    shared: Arc<Shared>,
    writers: HashMap<u64, mpsc::Sender<Bytes>>,
    /// Connections that we opened, by where they go.
    outgoing: HashMap<SocketAddr, u64>,
}

struct Shared {
    to_endpoint: mpsc::Sender<FromStream>,
    places: Arc<Semaphore>,
    idle: Duration,
    next: AtomicU64,
}

impl Connections {
    pub(super) fn new(to_endpoint: mpsc::Sender<FromStream>, most: usize, idle: Duration) -> Self {
        let places = Arc::new(Semaphore::new(most));
        let shared = Shared { to_endpoint, places, idle, next: AtomicU64::new(1) };
        Self { shared: Arc::new(shared), writers: HashMap::new(), outgoing: HashMap::new() }
    }

    /// Takes connections on a listener for as long as the endpoint lives.
    pub(super) fn accept(&self, listener: TcpListener, index: usize) {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, peer)) => match Arc::clone(&shared.places).try_acquire_owned() {
                        Ok(place) => shared.start(stream, peer, index, place).await,
                        Err(_) => counter!("aftercall_sip_connections_refused_total").increment(1),
                    },
                    Err(error) => {
                        warn!("A SIP connection could not be accepted: {error}");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
                if shared.to_endpoint.is_closed() {
                    return;
                }
            }
        });
    }

    pub(super) fn opened(&mut self, id: u64, writer: mpsc::Sender<Bytes>) {
        self.writers.insert(id, writer);
    }

    /// Answers a keep-alive.
    pub(super) fn pong(&mut self, id: u64) {
        if self.writers.get(&id).is_some_and(|w| w.try_send(Bytes::from_static(b"\r\n")).is_err()) {
            self.close(id);
        }
    }

    pub(super) fn close(&mut self, id: u64) {
        self.writers.remove(&id);
        self.outgoing.retain(|_, connection| *connection != id);
    }

    /// Sends on the flow's connection; when that is gone, on a new one to its peer.
    pub(super) fn send(&mut self, flow: Flow, bytes: Bytes) {
        let id = flow.connection.filter(|id| self.writers.contains_key(id));
        let id =
            id.or_else(|| self.outgoing.get(&flow.peer).copied()).filter(|id| self.writers.contains_key(id));
        let Some(id) = id else {
            self.connect(flow, bytes);
            return;
        };
        if self.writers.get(&id).is_some_and(|writer| writer.try_send(bytes).is_err()) {
            counter!("aftercall_sip_connections_stuck_total").increment(1);
            self.close(id);
        }
    }

    fn connect(&mut self, flow: Flow, bytes: Bytes) {
        let Ok(place) = Arc::clone(&self.shared.places).try_acquire_owned() else { return };
        let shared = Arc::clone(&self.shared);
        let id = shared.next.fetch_add(1, Ordering::Relaxed);
        let (writer, queue) = mpsc::channel(WRITES_MAX);
        if writer.try_send(bytes).is_err() {
            return;
        }
        self.writers.insert(id, writer);
        self.outgoing.insert(flow.peer, id);
        tokio::spawn(async move {
            match tokio::time::timeout(CONNECT_MAX, TcpStream::connect(flow.peer)).await {
                Ok(Ok(stream)) => shared.run(id, stream, flow.peer, flow.listener, queue, place),
                _ => shared.report(FromStream::Closed { id }).await,
            }
        });
    }
}

impl Shared {
    async fn start(
        self: &Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        index: usize,
        place: OwnedSemaphorePermit,
    ) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (writer, queue) = mpsc::channel(WRITES_MAX);
        self.report(FromStream::Opened { id, writer }).await;
        self.run(id, stream, peer, index, queue, place);
    }

    async fn report(&self, message: FromStream) {
        if self.to_endpoint.send(message).await.is_err() {
            debug!("The SIP endpoint has stopped; a connection is dropped");
        }
    }

    fn run(
        self: &Arc<Self>,
        id: u64,
        stream: TcpStream,
        peer: SocketAddr,
        listener: usize,
        queue: mpsc::Receiver<Bytes>,
        place: OwnedSemaphorePermit,
    ) {
        if let Err(error) = stream.set_nodelay(true) {
            debug!("A SIP connection keeps its delay: {error}");
        }
        let (reader, writer) = stream.into_split();
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            tokio::select! {
                () = shared.read(id, reader, peer, listener) => {}
                () = write(writer, queue) => {}
            }
            shared.report(FromStream::Closed { id }).await;
            drop(place);
        });
    }

    /// Reads until the peer closes, breaks the framing or takes too long over one message.
    async fn read(&self, id: u64, mut reader: OwnedReadHalf, peer: SocketAddr, listener: usize) {
        let mut parser = StreamParser::new(Limits { max_message_bytes: 64 * 1024, ..Limits::stream() });
        let mut chunk = BytesMut::with_capacity(8192);
        loop {
            chunk.clear();
            let wait = if parser.pending() > 0 { PARTIAL_MAX } else { self.idle };
            match tokio::time::timeout(wait, reader.read_buf(&mut chunk)).await {
                Ok(Ok(0) | Err(_)) => return,
                Ok(Ok(_)) => {}
                Err(_) if parser.pending() > 0 => return,
                Err(_) => {
                    self.report(FromStream::Idle { id }).await;
                    continue;
                }
            }
            match parser.push(&chunk) {
                Ok(messages) => {
                    if parser.take_keepalives() >= 2 {
                        self.report(FromStream::Ping { id }).await;
                    }
                    for message in messages {
                        let bytes = message.to_bytes();
                        self.report(FromStream::Message { id, listener, peer, bytes }).await;
                    }
                }
                Err(_) => {
                    // The core answers 400 to what it cannot read; the framing is lost, so the connection goes too.
                    let bytes = chunk.split().freeze();
                    self.report(FromStream::Message { id, listener, peer, bytes }).await;
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    return;
                }
            }
        }
    }
}

async fn write(mut writer: OwnedWriteHalf, mut queue: mpsc::Receiver<Bytes>) {
    while let Some(bytes) = queue.recv().await {
        if writer.write_all(&bytes).await.is_err() {
            return;
        }
    }
}
