//! HTTP/1.1 as far as load needs it: one write a request, replies that announce their length, bodies counted where they arrive.
//!
//! hyper's client would do, but it keeps a task, two channels and header maps a connection, and then the generator costs twice
//! as much CPU time: time that it takes from whom it measures, on the same machine.

use super::{REFUSAL_BYTES_MAX, Reply};
use std::io::{self, ErrorKind};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A reply's head must fit; of longer bodies so much is read at once.
const BUFFER_BYTES: usize = 64 * 1024;
const HEADERS_MAX: usize = 64;

pub struct Http1 {
    stream: TcpStream,
    buffer: Box<[u8]>,
    /// Whether the peer will take another request.
    pub lasts: bool,
}

/// The head of a reply: its own length, and what it says.
#[derive(PartialEq, Eq, Debug)]
struct Head {
    head_bytes: usize,
    status: u16,
    body_bytes: usize,
    lasts: bool,
}

impl Http1 {
    pub fn new(stream: TcpStream) -> Http1 {
        Http1 { stream, buffer: vec![0; BUFFER_BYTES].into(), lasts: true }
    }

    /// Sends head and body, and reads the reply to its end.
    pub async fn exchange(&mut self, request: &[u8], keep_bytes_max: usize) -> io::Result<Reply> {
        self.stream.write_all(request).await?;
        let (Head { head_bytes, status, body_bytes, lasts }, mut filled) = self.head().await?;
        self.lasts = lasts;
        let keep_bytes_max = if status == 200 { keep_bytes_max } else { REFUSAL_BYTES_MAX };
        let (mut kept, mut from, mut left) = (Vec::new(), head_bytes, body_bytes);
        loop {
            let part = self.buffer.get(from..filled).unwrap_or_default();
            left = left.checked_sub(part.len()).ok_or_else(|| invalid("more came than was announced"))?;
            kept.extend(part.iter().take(keep_bytes_max - kept.len()));
            if left == 0 {
                break;
            }
            (from, filled) = (0, self.read(0).await?);
        }
        match status {
            200 => Ok(Reply::Good { body_bytes, kept }),
            status => Ok(Reply::Refused { status, body: String::from_utf8_lossy(&kept).into_owned() }),
        }
    }

    /// The head, and how much of the buffer is filled.
    async fn head(&mut self) -> io::Result<(Head, usize)> {
        let mut filled = 0;
        loop {
            filled = self.read(filled).await?;
            if let Some(head) = parse(self.buffer.get(..filled).unwrap_or_default())? {
                return Ok((head, filled));
            }
            if filled == self.buffer.len() {
                return Err(invalid("the head of the reply is too long"));
            }
        }
    }

    /// Reads behind what is there, and says how much is there then.
    async fn read(&mut self, filled: usize) -> io::Result<usize> {
        match self.stream.read(self.buffer.get_mut(filled..).unwrap_or_default()).await? {
            0 => Err(io::Error::new(ErrorKind::UnexpectedEof, "the connection was closed")),
            read => Ok(filled + read),
        }
    }
}

/// `None`: the head is not whole yet.
fn parse(bytes: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let status = response.parse(bytes).map_err(|error| invalid(&error.to_string()))?;
    let (httparse::Status::Complete(head_bytes), Some(status)) = (status, response.code) else { return Ok(None) };
    let (mut body_bytes, mut lasts) = (None, true);
    for header in response.headers {
        if header.name.eq_ignore_ascii_case("content-length") {
            body_bytes = std::str::from_utf8(header.value).ok().and_then(|value| value.trim().parse().ok());
        } else if header.name.eq_ignore_ascii_case("connection") {
            lasts = !header.value.eq_ignore_ascii_case(b"close");
        }
    }
    let body_bytes = body_bytes.ok_or_else(|| invalid("a reply without a Content-Length is not understood"))?;
    Ok(Some(Head { head_bytes, status, body_bytes, lasts }))
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// What is made of a peer's answer that comes in these pieces: status and length of the body, or `None` for an error.
    async fn check(pieces: &'static [&'static str]) -> Option<(u16, usize, bool)> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let stream = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("it listens");
        let (mut peer, _) = listener.accept().await.expect("it was connected");
        peer.set_nodelay(true).expect("a socket");
        let writer = tokio::spawn(async move {
            let mut asked = [0; 3];
            peer.read_exact(&mut asked).await.expect("the request");
            for piece in pieces {
                peer.write_all(piece.as_bytes()).await.expect("the reader waits");
                tokio::task::yield_now().await;
            }
        });
        let mut line = Http1::new(stream);
        let reply = line.exchange(b"ask", 4).await;
        writer.await.expect("no panic");
        match reply.ok()? {
            Reply::Good { body_bytes, kept } => {
                assert!(kept.len() <= 4);
                Some((200, body_bytes, line.lasts))
            }
            Reply::Refused { status, body } => Some((status, body.len(), line.lasts)),
        }
    }

    #[tokio::test]
    async fn replies_are_read_however_they_come() {
        for (pieces, expected) in [
            (&["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"] as &[&str], Some((200, 5, true))),
            (&["HTTP/1.1 20", "0 OK\r\ncontent-length:5\r", "\n\r\nhe", "llo"], Some((200, 5, true))),
            (&["HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"], Some((200, 0, false))),
            (&["HTTP/1.1 400 Bad\r\nContent-Length: 6\r\n\r\nno", " way"], Some((400, 6, true))),
            (&["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"], None),
            (&["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhel"], None),
            (&["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"], None),
            (&["SSH-2.0-x\r\n"], None),
            (&[], None),
        ] {
            assert_eq!(check(pieces).await, expected, "{pieces:?}");
        }
    }
}
