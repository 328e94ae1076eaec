//! Room for connections.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum_server::accept::Accept;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_http::add_extension::AddExtension;

use super::idle::Idle;
use crate::config::WebConfig;
use crate::web::client_of;

/// Room for so many connections, and so many of one client: one that finds none is closed, so that the web side cannot
/// use up what calls need, nor one client what others need. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
    client_max: usize,
}

/// One connection's place, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    client: IpAddr,
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
    _one_of_all: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.client);
            }
        }
    }
}

impl Places {
    pub(super) fn new(web: &WebConfig) -> Self {
        // All that comes through a proxy comes from its address: it is the proxy that holds its clients back.
        let client_max = if web.forwarded { web.connections_max } else { web.connections_per_client_max };
        Self::of(web.connections_max, client_max)
    }

    pub(super) fn of(most: usize, client_max: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(most)), taken: Arc::default(), client_max }
    }

    fn take(&self, address: IpAddr) -> io::Result<Place> {
        let full = |_| io::Error::other("too many connections");
        let permit = Arc::clone(&self.all).try_acquire_owned().map_err(full)?;
        let client = client_of(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(client).or_default();
        if *count >= self.client_max {
            return Err(io::Error::other("too many connections of one client"));
        }
        *count += 1;
        Ok(Place { client, taken: Arc::clone(&self.taken), _one_of_all: permit })
    }
}

impl<S> Accept<TcpStream, S> for Places {
    type Stream = Idle<TcpStream>;
    type Service = AddExtension<S, Arc<Place>>;
    type Future = std::future::Ready<io::Result<(Self::Stream, Self::Service)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let place = stream.peer_addr().and_then(|peer| self.take(peer.ip()));
        // The connection's service holds the place for as long as there is a connection.
        std::future::ready(
            place.map(|place| (Idle::new(stream), AddExtension::new(service, Arc::new(place)))),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_client_takes_the_places_of_all() {
        let web = WebConfig { connections_max: 5, connections_per_client_max: 3, ..WebConfig::default() };
        let places = Places::new(&web);
        let from = |text: &str| places.take(text.parse().unwrap());
        let mut held: Vec<Place> = (0..3).map(|_| from("192.0.2.1").unwrap()).collect();
        assert!(from("192.0.2.1").is_err());
        held.push(from("2001:db8::1").unwrap());
        held.push(from("2001:db8::2").unwrap());
        assert!(from("192.0.2.9").is_err(), "all are taken");
        held.truncate(2);
        held.push(from("192.0.2.1").unwrap());
        held.push(from("192.0.2.9").unwrap());
        held.clear();
        assert_eq!((places.all.available_permits(), places.taken.lock().unwrap().len()), (5, 0));

        let proxied = Places::new(&WebConfig { forwarded: true, ..web });
        let held: Vec<_> = (0..5).map(|_| proxied.take("127.0.0.1".parse().unwrap())).collect();
        assert!(held.iter().all(Result::is_ok), "a proxy may have them all");
    }
}
