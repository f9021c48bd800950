//! A small endpoint that gives the metrics to a scraper.
//!
//! - It answers `GET /metrics` and `HEAD /metrics`, one request for each connection; everything else gets the status that says so.
//! - A client has [`REQUEST_TIME_MAX`] and [`REQUEST_BYTES_MAX`] to ask; [`CLIENTS_MAX`] are served at once, and others are
//!   turned away. None of them holds up another.
//! - It knows nothing of who asks: without being told otherwise it listens on the loopback only.
//!
//! Written by hand, since all that is needed of HTTP is one line of a request; a server crate would be larger than the rest.

use std::io::{ErrorKind as IoErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::set::Metrics;
use crate::clock::Stopwatch;
use crate::error::{Error, Result};

/// Time that a client has to ask, and again to take the answer.
pub(super) const REQUEST_TIME_MAX: Duration = Duration::from_secs(2);
/// Bytes of a request at most.
pub(super) const REQUEST_BYTES_MAX: usize = 8 * 1024;
/// Clients at once.
pub(super) const CLIENTS_MAX: usize = 16;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

/// An endpoint in a thread of its own. Dropped, it stops listening; answers that are under way are finished.
///
/// ```no_run
/// use gapless_engine::metrics::{Metrics, MetricsServer};
/// let metrics = Metrics::new();
/// let server = MetricsServer::start(([127, 0, 0, 1], 9464).into(), &metrics)?;
/// println!("http://{}/metrics", server.address());
/// # Ok::<(), gapless_engine::Error>(())
/// ```
#[derive(Debug)]
pub struct MetricsServer {
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl MetricsServer {
    /// Listens on an address of the loopback; port 0 takes a free one.
    ///
    /// # Errors
    /// `Invalid` for another address; `Io` when it cannot listen there.
    pub fn start(address: SocketAddr, metrics: &Metrics) -> Result<Self> {
        if !address.ip().is_loopback() {
            return Err(Error::invalid(format!(
                "metrics at {address}: whoever reaches that address could read the names of all series. Give one of the \
                 loopback, or say that it may be any"
            )));
        }
        Self::start_anywhere(address, metrics)
    }

    /// As [`MetricsServer::start`], on any address: whoever reaches it reads the metrics, and with them the names of series.
    ///
    /// # Errors
    /// `Io` when it cannot listen there.
    pub fn start_anywhere(address: SocketAddr, metrics: &Metrics) -> Result<Self> {
        let failed = |error| Error::io(format!("metrics at {address}: {error}"));
        let listener = TcpListener::bind(address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let is_over = Arc::new(AtomicBool::new(false));
        let thread = {
            let (is_over, metrics) = (Arc::clone(&is_over), metrics.clone());
            std::thread::spawn(move || listen(&listener, &metrics, &is_over))
        };
        Ok(Self {
            address,
            is_over,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for MetricsServer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        // The thread waits for a client: be one.
        let woken = TcpStream::connect_timeout(&reachable(self.address), REQUEST_TIME_MAX).is_ok();
        if let (true, Some(thread)) = (woken, self.thread.take()) {
            let _ = thread.join(); // It does not panic; if it did, it is over too.
        }
    }
}

/// An address that this machine reaches a listener at.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn listen(listener: &TcpListener, metrics: &Metrics, is_over: &AtomicBool) {
    let clients = Arc::new(AtomicUsize::new(0));
    for client in listener.incoming() {
        if is_over.load(Ordering::Acquire) {
            return;
        }
        let Ok(client) = client else {
            // Out of descriptors, say: not again at once.
            std::thread::sleep(Duration::from_millis(50));
            continue;
        };
        let place = Place::take(&clients);
        if place.at > CLIENTS_MAX {
            continue; // The connection is closed.
        }
        let metrics = metrics.clone();
        let serve = move || {
            let _place = place;
            if let Err(error) = serve(client, &metrics) {
                tracing::debug!(%error, "a scraper of metrics went away");
            }
        };
        if let Err(error) = std::thread::Builder::new().spawn(serve) {
            tracing::debug!(%error, "no thread for a scraper of metrics");
        }
    }
}

/// One of the clients that are served.
struct Place {
    clients: Arc<AtomicUsize>,
    at: usize,
}

impl Place {
    fn take(clients: &Arc<AtomicUsize>) -> Self {
        Self {
            at: clients.fetch_add(1, Ordering::AcqRel) + 1,
            clients: Arc::clone(clients),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.clients.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What a client wants, or the status that refuses it.
#[derive(Debug, PartialEq, Eq)]
enum Request {
    Metrics,
    /// Without the body.
    Head,
    Refused(&'static str),
}

fn serve(mut client: TcpStream, metrics: &Metrics) -> std::io::Result<()> {
    client.set_write_timeout(Some(REQUEST_TIME_MAX))?;
    let request = match read_head(&mut client)? {
        Ok(head) => parse(&head),
        Err(status) => Request::Refused(status),
    };
    let (status, kind, body) = match request {
        Request::Refused(status) => (status, PLAIN, format!("{status}\n")),
        _ => ("200 OK", OPEN_METRICS, metrics.encode()),
    };
    let length = body.len();
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    if request != Request::Head {
        answer.push_str(&body);
    }
    client.write_all(answer.as_bytes())?;
    client.shutdown(Shutdown::Write)?;
    drain(&mut client)
}

/// Everything up to the empty line, or the status for what is too long or too slow.
fn read_head(client: &mut TcpStream) -> std::io::Result<Result<Vec<u8>, &'static str>> {
    let watch = Stopwatch::start();
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while let Some(left) = watch.left(REQUEST_TIME_MAX) {
        client.set_read_timeout(Some(left))?;
        let read = match client.read(&mut piece) {
            Ok(0) => return Ok(Err("400 Bad Request")),
            Ok(read) => read,
            Err(error) if is_timeout(&error) => break,
            Err(error) if error.kind() == IoErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        head.extend_from_slice(piece.get(..read).unwrap_or_default());
        if head.len() > REQUEST_BYTES_MAX {
            return Ok(Err("431 Request Header Fields Too Large"));
        }
        if head.windows(4).any(|four| four == b"\r\n\r\n") {
            return Ok(Ok(head));
        }
    }
    Ok(Err("408 Request Timeout"))
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), IoErrorKind::WouldBlock | IoErrorKind::TimedOut)
}

/// Reads what the client still sends: who closes before that may take the answer away from it.
fn drain(client: &mut TcpStream) -> std::io::Result<()> {
    let watch = Stopwatch::start();
    let mut piece = [0; 1024];
    while let Some(left) = watch.left(Duration::from_millis(200)) {
        client.set_read_timeout(Some(left))?;
        match client.read(&mut piece) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if is_timeout(&error) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn parse(head: &[u8]) -> Request {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [method, target, version] = words.as_slice() else {
        return Request::Refused("400 Bad Request");
    };
    if !version.starts_with(b"HTTP/1.") || method.is_empty() {
        return Request::Refused("400 Bad Request");
    }
    let path = target.split(|byte| *byte == b'?').next();
    match (*method, path) {
        (b"GET", Some(b"/metrics")) => Request::Metrics,
        (b"HEAD", Some(b"/metrics")) => Request::Head,
        (b"GET" | b"HEAD", _) => Request::Refused("404 Not Found"),
        _ => Request::Refused("405 Method Not Allowed"),
    }
}
