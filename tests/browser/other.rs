//! Another CDS Hooks server than ours, which lets any page call and answers as it is told, or not at all.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

const ALLOWED: &str = "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Headers: content-type\r\n";

const DISCOVERY: &str = r#"{"services":[{"hook":"order-sign","id":"elsewhere","title":"Elsewhere","description":"Another payer.","prefetch":{"patient":"Patient/{{context.patientId}}"}}]}"#;

/// What it does when a hook is called.
pub enum Does {
    /// Nothing, for as long as anybody waits.
    Hangs,
    /// Answers so.
    Answers(String),
    /// Says this status and body.
    Says(u16, String),
}

/// Starts it, and says where.
pub fn server(does: Does) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let does = Arc::new(does);
    thread::spawn(move || {
        for socket in listener.incoming() {
            let does = does.clone();
            thread::spawn(move || serve(socket.unwrap(), &does));
        }
    });
    address
}

/// One call, after which the connection is closed.
fn serve(socket: TcpStream, does: &Does) {
    let mut reader = BufReader::new(socket);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).unwrap();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
    let (status, body) = match (first.split(' ').next(), does) {
        (Some("GET"), _) => (200, DISCOVERY),
        (Some("POST"), Does::Hangs) => {
            thread::sleep(Duration::from_secs(600));
            return;
        }
        (Some("POST"), Does::Answers(body)) => (200, body.as_str()),
        (Some("POST"), Does::Says(status, body)) => (*status, body.as_str()),
        _ => (200, ""),
    };
    let mut socket = reader.into_inner();
    // Whoever has gone need not be told.
    _ = write!(
        socket,
        "HTTP/1.1 {status} Said\r\n{ALLOWED}Content-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
}
