//! The listener: how many connections there may be at once, in all and of one client, how long a client may take, and TLS.

mod idle;
mod places;

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use tracing::{info, warn};

use places::Places;

use crate::config::{TlsConfig, WebConfig};

/// How long a client may take for a TLS handshake, and for its first request after that.
const FIRST_REQUEST_MAX: Duration = Duration::from_secs(10);
/// How long a client may take between two requests, the head of the second included.
const BETWEEN_REQUESTS_MAX: Duration = Duration::from_secs(20);
/// Longest head of a request, in bytes.
const HEAD_MAX: usize = 32 * 1024;
/// Requests of one HTTP/2 connection at once.
const STREAMS_MAX: u32 = 32;
/// How often the certificate's files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// A bound address.
pub struct Listener {
    socket: std::net::TcpListener,
    places: Places,
    tls: Option<(TlsConfig, RustlsConfig)>,
}

impl Listener {
    /// Binds it, and reads the certificate.
    pub(super) async fn bind(address: SocketAddr, web: &WebConfig) -> io::Result<Self> {
        let tls = match &web.tls {
            Some(files) => Some((files.clone(), read(files).await?)),
            None => None,
        };
        let socket = std::net::TcpListener::bind(address)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, places: Places::new(web), tls })
    }

    /// Binds it for so many connections at most, without TLS.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn plain(address: SocketAddr, connections_max: usize) -> io::Result<Self> {
        let socket = std::net::TcpListener::bind(address)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, places: Places::of(connections_max, connections_max), tls: None })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system's.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves for as long as it is waited for.
    ///
    /// # Errors
    /// The system's.
    pub async fn serve(self, router: Router) -> io::Result<()> {
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let mut server = axum_server::from_tcp(self.socket)?.first_request_timeout(FIRST_REQUEST_MAX);
        server.http_builder().http1().header_read_timeout(BETWEEN_REQUESTS_MAX).max_buf_size(HEAD_MAX);
        server
            .http_builder()
            .http2()
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(u32::try_from(HEAD_MAX).unwrap_or(u32::MAX));
        match self.tls {
            None => server.acceptor(self.places).serve(service).await,
            Some((files, config)) => {
                let tls = RustlsAcceptor::new(config.clone())
                    .handshake_timeout(FIRST_REQUEST_MAX)
                    .acceptor(self.places);
                tokio::select! {
                    done = server.acceptor(tls).serve(service) => done,
                    () = follow(&files, &config) => Ok(()),
                }
            }
        }
    }
}

async fn read(files: &TlsConfig) -> io::Result<RustlsConfig> {
    // Another part of the program may have named the same one already.
    drop(rustls::crypto::ring::default_provider().install_default());
    RustlsConfig::from_pem_chain_file(&files.certificate_file, &files.key_file).await
}

fn changed(files: &TlsConfig) -> Option<(SystemTime, SystemTime)> {
    let time = |path| std::fs::metadata(path).and_then(|file| file.modified()).ok();
    Some((time(&files.certificate_file)?, time(&files.key_file)?))
}

/// Reads the files again when they change. New ones that do not fit together are left alone until they do.
async fn follow(files: &TlsConfig, config: &RustlsConfig) {
    let mut seen = changed(files);
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = changed(files);
        if now.is_none() || now == seen {
            continue;
        }
        match read(files).await {
            Ok(fresh) => {
                config.reload_from_config(fresh.get_inner());
                seen = now;
                info!("[web.tls] The new certificate is in use");
            }
            Err(error) => warn!("[web.tls] The old certificate stays in use: {error}"),
        }
    }
}
