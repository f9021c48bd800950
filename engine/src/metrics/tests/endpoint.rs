//! Clients that scrape, and clients that do anything else.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::ErrorKind;
use crate::clock::Stopwatch;
use crate::metrics::server::{CLIENTS_MAX, REQUEST_BYTES_MAX, REQUEST_TIME_MAX};
use crate::metrics::{Metrics, MetricsServer};

fn started() -> MetricsServer {
    MetricsServer::start(([127, 0, 0, 1], 0).into(), &Metrics::new()).expect("a free port")
}

fn connect(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).expect("it listens");
    client
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a timeout");
    client
}

/// What is answered to bytes; it may be nothing.
fn ask(address: SocketAddr, request: &[u8]) -> String {
    let mut client = connect(address);
    // It may be refused before all of it is sent.
    let _ = client.write_all(request);
    let mut answer = String::new();
    let _ = client.read_to_string(&mut answer);
    answer
}

#[test]
fn a_scraper_gets_the_metrics() {
    let server = started();
    let answer = ask(server.address(), b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains(&format!("Content-Length: {}", body.len())));
    assert!(
        body.contains("backfill_jobs_in_progress 0\n") && body.ends_with("# EOF\n"),
        "{body}"
    );
    let head_only = ask(server.address(), b"HEAD /metrics?x=1 HTTP/1.0\r\n\r\n");
    assert!(head_only.starts_with("HTTP/1.1 200") && head_only.ends_with("\r\n\r\n"));
}

#[test]
fn every_other_request_gets_the_status_that_says_why() {
    let server = started();
    let long = [
        b"GET /metrics HTTP/1.1\r\nX: ".as_slice(),
        &vec![b'x'; REQUEST_BYTES_MAX],
    ]
    .concat();
    let requests: [(&[u8], &str); 6] = [
        (b"GET / HTTP/1.1\r\n\r\n", "404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", "405"),
        (b"\x16\x03\x01\x00\r\n\r\n", "400"),
        (b"GET /metrics\r\n\r\n", "400"),
        (b"GET  HTTP/9\r\n\r\n", "400"),
        (&long, "431"),
    ];
    for (request, status) in requests {
        let answer = ask(server.address(), request);
        let request = String::from_utf8_lossy(&request[..request.len().min(40)]);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request:?}: {answer:?}"
        );
    }
}

#[test]
fn clients_that_say_nothing_hold_up_nobody_and_are_dropped() {
    let server = started();
    let silent: Vec<TcpStream> = (0..CLIENTS_MAX / 2).map(|_| connect(server.address())).collect();
    let watch = Stopwatch::start();
    let answer = ask(server.address(), b"GET /metrics HTTP/1.1\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200"));
    assert!(watch.elapsed() < REQUEST_TIME_MAX, "{:?}", watch.elapsed());
    for mut client in silent {
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("an answer in time");
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer:?}");
    }
}

#[test]
fn a_server_that_is_dropped_listens_no_more() {
    let server = started();
    let address = server.address();
    let _silent = connect(address);
    drop(server);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn an_address_that_others_reach_must_be_meant() {
    let anywhere = ([0, 0, 0, 0], 0).into();
    let error = MetricsServer::start(anywhere, &Metrics::new()).expect_err("not on the loopback");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let server = MetricsServer::start_anywhere(anywhere, &Metrics::new()).expect("a free port");
    drop(server);
}
