//! Stream connections (RFC 3261 §18, §7.5): framing, keep-alives, and bounds on how many there are and how long they
//! may idle.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::{Bytes, BytesMut};
use ipnet::IpNet;
use metrics::counter;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tracing::{debug, warn};

use super::Flow;
use super::framing::{Framed, Framer};
use super::told::Told;

/// Messages that may wait for a slow peer. A peer that lets more pile up loses its connection.
const WRITES_MAX: usize = 256;
/// How long a message may take to arrive, and a connection to open.
const PARTIAL_MAX: Duration = Duration::from_secs(32);
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Places that strangers leave free, and connections that one of them gets.
const STRANGERS_LEAVE: usize = 128;
const STRANGERS_EACH: usize = 2;
/// How long the answer to a broken message may take to leave before its connection is closed.
const ANSWER_MAX: Duration = Duration::from_millis(200);

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
    /// A message whose end cannot be found, down to the end of its head.
    Broken {
        id: u64,
        listener: usize,
        peer: SocketAddr,
        head: Bytes,
        code: u16,
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
    /// Who may connect at all, as the trunks have it now.
    doors: ArcSwap<Doors>,
    /// Connections of each address.
    of_address: Mutex<HashMap<IpAddr, usize>>,
    tls_seen: Mutex<Told>,
}

/// Who may connect.
#[derive(Clone, Debug, Default)]
pub(super) struct Doors {
    pub networks: Vec<IpNet>,
    /// Whether others are let in, to be told that they may not call.
    pub strangers: bool,
    /// Connections of one address at once.
    pub per_address: usize,
}

/// A place among the connections, and one among those of its address. Dropping it gives both back.
struct Place {
    shared: Arc<Shared>,
    address: IpAddr,
    _place: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.shared.of_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

impl Connections {
    pub(super) fn new(to_endpoint: mpsc::Sender<FromStream>, most: usize, idle: Duration) -> Self {
        let places = Arc::new(Semaphore::new(most));
        let shared = Shared {
            to_endpoint,
            places,
            idle,
            next: AtomicU64::new(1),
            doors: ArcSwap::from_pointee(Doors::default()),
            of_address: Mutex::default(),
            tls_seen: Mutex::default(),
        };
        Self { shared: Arc::new(shared), writers: HashMap::new(), outgoing: HashMap::new() }
    }

    /// Who may connect from now on.
    pub(super) fn open_to(&self, doors: Doors) {
        self.shared.doors.store(Arc::new(doors));
    }

    /// Takes connections on a listener for as long as the endpoint lives.
    pub(super) fn accept(&self, listener: TcpListener, index: usize) {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, peer)) => match shared.let_in(peer.ip().to_canonical()) {
                        Some(place) => shared.start(stream, peer, index, place).await,
                        None => counter!("aftercall_sip_connections_refused_total").increment(1),
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
        let Some(place) = self.shared.place(flow.peer.ip().to_canonical()) else { return };
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
    /// A place for a peer that connects; none for a stranger, nor when its address or everybody has taken all.
    fn let_in(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let doors = self.doors.load();
        let known = doors.networks.iter().any(|net| net.contains(&address));
        if !known {
            counter!("aftercall_sip_unknown_source_total").increment(1);
            // Those who are told that they may not call never take the places of those who may.
            if !doors.strangers || self.places.available_permits() < STRANGERS_LEAVE {
                return None;
            }
        }
        self.place(address).filter(|_| {
            let counts = self.of_address.lock().unwrap_or_else(PoisonError::into_inner);
            let most = if known { doors.per_address } else { STRANGERS_EACH };
            counts.get(&address).is_none_or(|count| *count <= most)
        })
    }

    fn place(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        *self.of_address.lock().unwrap_or_else(PoisonError::into_inner).entry(address).or_default() += 1;
        Some(Place { shared: Arc::clone(self), address, _place: place })
    }

    async fn start(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, index: usize, place: Place) {
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
        place: Place,
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
        let mut framer = Framer::default();
        let mut chunk = BytesMut::with_capacity(8192);
        let mut began: Option<Instant> = None;
        loop {
            chunk.clear();
            // One deadline for a whole message: a byte now and then does not move it.
            let until = began.map_or_else(|| Instant::now() + self.idle, |began| began + PARTIAL_MAX);
            match tokio::time::timeout_at(until.into(), reader.read_buf(&mut chunk)).await {
                Ok(Ok(0) | Err(_)) => return,
                Ok(Ok(_)) => framer.push(&chunk),
                Err(_) if began.is_some() => return,
                Err(_) => {
                    self.report(FromStream::Idle { id }).await;
                    continue;
                }
            }
            while let Some(framed) = framer.poll() {
                began = None;
                match framed {
                    Framed::Message(bytes) => {
                        self.report(FromStream::Message { id, listener, peer, bytes }).await
                    }
                    Framed::Ping => self.report(FromStream::Ping { id }).await,
                    Framed::Broken { head, code } => {
                        if let Some(head) = head {
                            self.report(FromStream::Broken { id, listener, peer, head, code }).await;
                            tokio::time::sleep(ANSWER_MAX).await;
                        }
                        return;
                    }
                    Framed::Tls => {
                        counter!("aftercall_sip_tls_on_plain_total").increment(1);
                        if self.tls_seen.lock().is_ok_and(|mut seen| seen.may_tell(Instant::now())) {
                            warn!(
                                "A peer speaks TLS to the plain SIP port, and was hung up on: set its trunk to TCP, or use \
                                 a TLS listener"
                            );
                        }
                        return;
                    }
                }
            }
            began = framer.is_partial().then(|| began.unwrap_or_else(Instant::now));
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
