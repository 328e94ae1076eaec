//! Sockets around the protocol core: one task owns the core and the datagram sockets; each stream connection has a
//! reader and a writer of its own.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use metrics::{counter, gauge};
use tokio::io::ReadBuf;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use super::core::{Closed, Core, Event, Packet, Settings, Transmit};
use super::stream::{Connections, Doors, FromStream};
use super::{CallKey, Flow, Incoming, SipCommand, SipEvent};
use crate::config::{ListenerConfig, SipConfig, Transport, TrunkConfig, UnknownSource};
use crate::domain::DialogTrace;

/// What the kernel should hold for us while we are busy: with the default, datagrams are lost at 2,000 calls/s.
const RECEIVE_BUFFER: usize = 8 << 20;
/// Commands of calls that may wait for the core.
const COMMANDS_MAX: usize = 4096;
/// Calls that may wait for the application to look at them; more are refused with 503.
const INCOMING_MAX: usize = 1024;
/// Events that may wait for one call's owner. Keys over this are dropped and counted; an end is never lost, since a
/// closed channel says it too.
const EVENTS_MAX: usize = 32;
/// Datagrams handled in one go before timers and commands have their turn.
const BURST: usize = 64;

/// Why the endpoint cannot start.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// An address could not be bound.
    #[error("cannot listen on {transport} {address}: {source}", transport = .0.transport.via_name(), address = .0.bind, source = .1)]
    Bind(Box<ListenerConfig>, #[source] io::Error),
    /// A trunk's password file could not be read.
    #[error("trunk {trunk}: cannot read the password file {file}: {source}")]
    Password {
        /// The trunk.
        trunk: String,
        /// The file as configured.
        file: String,
        /// What the system said.
        source: io::Error,
    },
}

/// An offered call and what will happen to it.
#[derive(Debug)]
pub struct CallSignals {
    /// The call.
    pub incoming: Incoming,
    /// Its events. The channel closes after [`SipEvent::Ended`], or without it if the owner was too slow.
    pub events: mpsc::Receiver<SipEvent>,
}

#[derive(Debug)]
enum Command {
    Call(CallKey, SipCommand),
    Close(Option<Closed>),
    Reload(Arc<SettingsBox>),
    EndOrphan(DialogTrace),
}

/// Keeps the settings' type out of the public border.
struct SettingsBox(Arc<Settings>);

impl std::fmt::Debug for SettingsBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Settings")
    }
}

/// Sends commands to the endpoint. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SipHandle {
    commands: mpsc::Sender<Command>,
}

impl SipHandle {
    /// Commands something for one call. A call that is over ignores it.
    pub async fn send(&self, key: CallKey, command: SipCommand) {
        self.push(Command::Call(key, command)).await;
    }

    /// Stops taking new calls, with 503, or takes them again.
    pub async fn close(&self, closed: Option<Closed>) {
        self.push(Command::Close(closed)).await;
    }

    /// Ends a dialog of an earlier run.
    pub async fn end_orphan(&self, trace: DialogTrace) {
        self.push(Command::EndOrphan(trace)).await;
    }

    /// Takes new limits and trunks for calls to come.
    ///
    /// # Errors
    /// A password file that cannot be read; nothing is changed then.
    pub async fn reload(&self, sip: &SipConfig, trunks: &[TrunkConfig]) -> Result<(), EndpointError> {
        let settings = Arc::new(SettingsBox(Arc::new(settings(sip, trunks)?)));
        self.push(Command::Reload(settings)).await;
        Ok(())
    }

    async fn push(&self, command: Command) {
        if self.commands.send(command).await.is_err() {
            debug!("The SIP endpoint has stopped; a command was dropped");
        }
    }
}

fn settings(sip: &SipConfig, trunks: &[TrunkConfig]) -> Result<Settings, EndpointError> {
    let password = |trunk: &TrunkConfig| match &trunk.auth {
        None => Ok(None),
        Some(auth) => match std::fs::read_to_string(&auth.password_file) {
            Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned())),
            Err(source) => Err(EndpointError::Password {
                trunk: trunk.name.to_string(),
                file: auth.password_file.display().to_string(),
                source,
            }),
        },
    };
    let passwords = trunks.iter().map(password).collect::<Result<_, _>>()?;
    Ok(Settings { sip: sip.clone(), trunks: trunks.to_vec(), passwords, own: own_addresses() })
}

/// The addresses from which this machine speaks to others, by the way that the kernel would take. Nothing is sent.
fn own_addresses() -> Vec<IpAddr> {
    // Addresses for documentation (RFC 5737, RFC 3849): they are nobody's, so the way is the common one.
    let ways = [("0.0.0.0:0", "198.51.100.1:9"), ("[::]:0", "[2001:db8::1]:9")];
    let own = ways.into_iter().filter_map(|(any, far)| {
        let socket = std::net::UdpSocket::bind(any).ok()?;
        socket.connect(far).ok()?;
        Some(socket.local_addr().ok()?.ip())
    });
    own.collect()
}

fn doors(settings: &Settings) -> Doors {
    Doors {
        networks: settings.trunks.iter().flat_map(|trunk| trunk.sources.iter().copied()).collect(),
        strangers: settings.sip.unknown_source == UnknownSource::Forbid,
        per_address: settings.sip.connections_per_source,
    }
}

struct Listener {
    config: ListenerConfig,
    bound: SocketAddr,
    udp: Option<UdpSocket>,
}

/// The SIP endpoint: bound, but silent until [`Endpoint::run`].
pub struct Endpoint {
    core: Core,
    listeners: Vec<Listener>,
    connections: Connections,
    commands: mpsc::Receiver<Command>,
    streams: mpsc::Receiver<FromStream>,
    incoming: mpsc::Sender<CallSignals>,
    owners: HashMap<CallKey, mpsc::Sender<SipEvent>>,
    routes: HashMap<IpAddr, IpAddr>,
}

impl Endpoint {
    /// Binds every listener.
    ///
    /// # Errors
    /// [`EndpointError`], naming the address or the file.
    pub fn bind(
        listeners: &[ListenerConfig],
        sip: &SipConfig,
        trunks: &[TrunkConfig],
    ) -> Result<(Self, SipHandle, mpsc::Receiver<CallSignals>), EndpointError> {
        let (command_tx, commands) = mpsc::channel(COMMANDS_MAX);
        let (stream_tx, streams) = mpsc::channel(COMMANDS_MAX);
        let (incoming, incoming_rx) = mpsc::channel(INCOMING_MAX);
        let connections = Connections::new(stream_tx, sip.connections_max, sip.connection_idle);
        let mut bound = Vec::new();
        for (index, config) in listeners.iter().enumerate() {
            let failed = |error| EndpointError::Bind(Box::new(config.clone()), error);
            let listener = bind_one(config, index, &connections).map_err(failed)?;
            info!("Listening for SIP on {} {}", config.transport.via_name(), listener.bound);
            bound.push(listener);
        }
        let settings = Arc::new(settings(sip, trunks)?);
        connections.open_to(doors(&settings));
        let core = Core::new(settings, Instant::now());
        let endpoint = Self {
            core,
            listeners: bound,
            connections,
            commands,
            streams,
            incoming,
            owners: HashMap::new(),
            routes: HashMap::new(),
        };
        Ok((endpoint, SipHandle { commands: command_tx }, incoming_rx))
    }

    /// The addresses in use, in the order of the configuration: tests bind port 0.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(|listener| listener.bound).collect()
    }

    /// Runs until every [`SipHandle`] is gone.
    pub async fn run(mut self) {
        let mut buffer = vec![0_u8; 65_536];
        let mut measured = Instant::now();
        loop {
            let deadline = self.core.poll_timeout();
            tokio::select! {
                (index, received) = receive(&self.listeners, &mut buffer) => match received {
                    Ok((len, peer)) => self.handle_datagrams(index, len, peer, &mut buffer),
                    Err(error) => debug!("A datagram socket reported: {error}"),
                },
                command = self.commands.recv() => match command {
                    Some(command) => self.handle_commands(command),
                    None => return,
                },
                Some(message) = self.streams.recv() => self.handle_stream(message),
                () = until(deadline) => {}
            }
            let now = Instant::now();
            self.core.handle_timeout(now);
            self.flush(now);
            if now.duration_since(measured) > Duration::from_secs(1) {
                measured = now;
                gauge!("aftercall_sip_calls").set(self.core.calls_len() as f64);
                gauge!("aftercall_sip_transactions").set(self.core.transactions_len() as f64);
            }
        }
    }

    fn handle_datagrams(&mut self, index: usize, len: usize, peer: SocketAddr, buffer: &mut [u8]) {
        let now = Instant::now();
        self.take_datagram(index, peer, Bytes::copy_from_slice(&buffer[..len]), now);
        for _ in 1..BURST {
            let more = self.listeners[index].udp.as_ref().map(|socket| socket.try_recv_from(buffer));
            let Some(Ok((len, peer))) = more else { break };
            self.take_datagram(index, peer, Bytes::copy_from_slice(&buffer[..len]), now);
        }
    }

    fn take_datagram(&mut self, index: usize, peer: SocketAddr, bytes: Bytes, now: Instant) {
        let flow = Flow { transport: Transport::Udp, listener: index, connection: None, peer };
        let (local, advertised) = self.local_of(index, peer.ip());
        self.core.handle_packet(Packet { flow, local, advertised, bytes }, now);
    }

    /// The address of ours that `peer` reaches, and what it is called outside.
    fn local_of(&mut self, index: usize, peer: IpAddr) -> (SocketAddr, SocketAddr) {
        let bound = self.listeners[index].bound;
        let ip = if bound.ip().is_unspecified() { self.route_to(peer) } else { bound.ip() };
        let public = self.listeners[index].config.public.unwrap_or(ip);
        (SocketAddr::new(ip, bound.port()), SocketAddr::new(public, bound.port()))
    }

    /// The local address from which the kernel would send to `peer`; remembered, in bounds.
    fn route_to(&mut self, peer: IpAddr) -> IpAddr {
        if let Some(&local) = self.routes.get(&peer) {
            return local;
        }
        let any: IpAddr = if peer.is_ipv4() { [0, 0, 0, 0].into() } else { [0_u16; 8].into() };
        let found = std::net::UdpSocket::bind((any, 0)).and_then(|socket| {
            socket.connect((peer, 9))?;
            socket.local_addr()
        });
        let local = found.map_or(any, |address| address.ip());
        if self.routes.len() >= 1024 {
            self.routes.clear();
        }
        self.routes.insert(peer, local);
        local
    }

    fn handle_commands(&mut self, first: Command) {
        let now = Instant::now();
        self.handle_command(first, now);
        for _ in 1..BURST {
            let Ok(command) = self.commands.try_recv() else { break };
            self.handle_command(command, now);
        }
    }

    fn handle_command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Call(key, command) => self.core.handle_command(key, command, now),
            Command::Close(closed) => self.core.close(closed),
            Command::Reload(settings) => {
                self.connections.open_to(doors(&settings.0));
                self.core.reload(Arc::clone(&settings.0));
            }
            Command::EndOrphan(trace) => {
                let transport = if trace.transport == "tcp" { Transport::Tcp } else { Transport::Udp };
                let same = |l: &Listener| {
                    l.config.transport == transport && l.bound.is_ipv4() == trace.peer.is_ipv4()
                };
                let Some(index) = self.listeners.iter().position(same) else { return };
                let flow = Flow { transport, listener: index, connection: None, peer: trace.peer };
                let (_, advertised) = self.local_of(index, trace.peer.ip());
                self.core.end_orphan(&trace, flow, advertised, now);
            }
        }
    }

    fn handle_stream(&mut self, message: FromStream) {
        match message {
            FromStream::Opened { id, writer } => self.connections.opened(id, writer),
            FromStream::Message { id, listener, peer, bytes } => {
                let flow = Flow { transport: Transport::Tcp, listener, connection: Some(id), peer };
                let (local, advertised) = self.local_of(listener, peer.ip());
                self.core.handle_packet(Packet { flow, local, advertised, bytes }, Instant::now());
            }
            FromStream::Broken { id, listener, peer, head, code } => {
                let flow = Flow { transport: Transport::Tcp, listener, connection: Some(id), peer };
                let (local, advertised) = self.local_of(listener, peer.ip());
                self.core.handle_broken(
                    &Packet { flow, local, advertised, bytes: head },
                    code,
                    Instant::now(),
                );
            }
            FromStream::Ping { id } => self.connections.pong(id),
            FromStream::Idle { id } => {
                if !self.core.uses(id) {
                    self.connections.close(id);
                }
            }
            FromStream::Closed { id } => self.connections.close(id),
        }
    }

    /// Hands out everything that the core produced.
    fn flush(&mut self, now: Instant) {
        while let Some(transmit) = self.core.poll_transmit() {
            self.send(transmit);
        }
        while let Some(event) = self.core.poll_event() {
            match event {
                Event::Incoming(incoming) => self.offer(*incoming, now),
                Event::Call(key, event) => self.tell(key, event),
            }
        }
        // Refusing an offered call above may have produced an answer.
        while let Some(transmit) = self.core.poll_transmit() {
            self.send(transmit);
        }
    }

    fn offer(&mut self, incoming: Incoming, now: Instant) {
        let key = incoming.key;
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        self.owners.insert(key, sender);
        if self.incoming.try_send(CallSignals { incoming, events }).is_err() {
            counter!("aftercall_sip_busy_total").increment(1);
            self.core.handle_command(key, SipCommand::Reject { code: 503 }, now);
        }
    }

    fn tell(&mut self, key: CallKey, event: SipEvent) {
        let over = matches!(event, SipEvent::Ended(_));
        if let Some(owner) = self.owners.get(&key)
            && owner.try_send(event).is_err()
        {
            counter!("aftercall_sip_event_dropped_total").increment(1);
        }
        if over {
            self.owners.remove(&key);
        }
    }

    fn send(&mut self, transmit: Transmit) {
        let Transmit { flow, bytes } = transmit;
        match flow.transport {
            Transport::Tcp => self.connections.send(flow, bytes),
            Transport::Udp => {
                let socket = self.listeners.get(flow.listener).and_then(|l| l.udp.as_ref());
                if let Some(Err(error)) = socket.map(|socket| socket.try_send_to(&bytes, flow.peer)) {
                    counter!("aftercall_sip_send_errors_total").increment(1);
                    debug!("A datagram could not be sent: {error}");
                }
            }
        }
    }
}

/// The next datagram on any socket.
async fn receive(listeners: &[Listener], buffer: &mut [u8]) -> (usize, io::Result<(usize, SocketAddr)>) {
    poll_fn(|cx| {
        for (index, socket) in
            listeners.iter().enumerate().filter_map(|(i, l)| l.udp.as_ref().map(|s| (i, s)))
        {
            let mut into = ReadBuf::new(buffer);
            if let Poll::Ready(received) = socket.poll_recv_from(cx, &mut into) {
                return Poll::Ready((index, received.map(|peer| (into.filled().len(), peer))));
            }
        }
        Poll::Pending
    })
    .await
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

fn bind_one(config: &ListenerConfig, index: usize, connections: &Connections) -> io::Result<Listener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let (kind, protocol) = match config.transport {
        Transport::Udp => (Type::DGRAM, Protocol::UDP),
        Transport::Tcp => (Type::STREAM, Protocol::TCP),
    };
    let socket = Socket::new(Domain::for_address(config.bind), kind, Some(protocol))?;
    if config.bind.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    if config.transport == Transport::Tcp {
        socket.set_reuse_address(true)?;
        socket.bind(&config.bind.into())?;
        socket.listen(128)?;
        let listener = TcpListener::from_std(socket.into())?;
        let bound = listener.local_addr()?;
        connections.accept(listener, index);
        return Ok(Listener { config: config.clone(), bound, udp: None });
    }
    if let Err(error) = socket.set_recv_buffer_size(RECEIVE_BUFFER) {
        warn!("The receive buffer of the SIP socket stays small: {error}");
    }
    socket.bind(&config.bind.into())?;
    let udp = UdpSocket::from_std(socket.into())?;
    Ok(Listener { config: config.clone(), bound: udp.local_addr()?, udp: Some(udp) })
}
