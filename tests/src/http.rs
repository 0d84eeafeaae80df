//! The least of an HTTP client, for what a proper one would never send.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

const SILENCE_MAX: Duration = Duration::from_secs(30);

/// A status, 0 for a connection that ended without one, and what came behind the head.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub body: String,
}

/// The body of a GET; an error if nobody answers.
pub fn get(address: &str, path: &str) -> std::io::Result<Reply> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    exchange(address, request.as_bytes(), Then::Listen)
}

/// Calls an operation with these bytes as its body, unsigned.
pub fn post(address: &str, operation: &str, body: &[u8]) -> std::io::Result<Reply> {
    let head = format!(
        "POST / HTTP/1.1\r\nhost: {address}\r\nx-amz-target: DynamoDB_20120810.{operation}\r\ncontent-type: \
         application/x-amz-json-1.0\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    exchange(address, &[head.as_bytes(), body].concat(), Then::Listen)
}

/// What a client does that has sent all its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Then {
    Listen,
    /// As [`Then::Listen`], but says that no more will come. A node need not answer whoever does that.
    CloseSending,
}

/// Sends the bytes and reads to the end.
pub fn exchange(address: &str, bytes: &[u8], then: Then) -> std::io::Result<Reply> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    // Who refuses a request closes the connection, perhaps before all of it is sent.
    let _ = stream.write_all(bytes);
    if then == Then::CloseSending {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer)
        && answer.is_empty()
    {
        return Err(error);
    }
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok(Reply { status, body: body.to_owned() })
}
