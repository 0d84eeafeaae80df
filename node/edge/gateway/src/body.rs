//! Request bodies: read to their end, within bounds of size, time and memory.

use crate::admission::{Budget, Share};
use bytes::{Bytes, BytesMut};
use flate2::bufread::MultiGzDecoder;
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::Body;
use std::{io::Read, sync::Arc};

/// Longest body of a request, compressed or not: DynamoDB's own limit.
pub(crate) const BODY_BYTES_MAX: usize = 16 << 20;

/// A whole body; its bytes count in the budget until it is dropped.
pub(crate) struct Received {
    pub bytes: Bytes,
    share: Share,
}

impl Received {
    /// A body that is there already.
    pub fn whole(bytes: Bytes, budget: &Arc<Budget>) -> Received {
        Received { bytes, share: Share::new(budget) }
    }
}

/// Why there is no body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BodyError {
    TooLarge,
    /// The bodies of all requests are too large together.
    NoMemory,
    /// The connection broke, or the body ended early.
    Broken,
    /// Not what its `Content-Encoding` says, or that is unknown.
    Encoding,
}

/// Reads a body to its end, of at most so many bytes. What is announced too large is refused before it is read.
pub(crate) async fn receive<B>(mut body: B, bytes_max: usize, budget: &Arc<Budget>) -> Result<Received, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(BodyError::TooLarge);
    }
    let mut share = Share::new(budget);
    // Most bodies come in one piece, which is then taken as it is.
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        if first.len() + joined.len() + data.len() > bytes_max {
            return Err(BodyError::TooLarge);
        }
        if !share.grow(data.len()) {
            return Err(BodyError::NoMemory);
        }
        if first.is_empty() && joined.is_empty() {
            first = data;
            continue;
        }
        joined.extend_from_slice(&std::mem::take(&mut first));
        joined.extend_from_slice(&data);
    }
    let bytes = if joined.is_empty() { first } else { joined.freeze() };
    Ok(Received { bytes, share })
}

impl Received {
    /// The body without its `Content-Encoding`.
    pub fn decode(mut self, headers: &HeaderMap) -> Result<Received, BodyError> {
        let Some(encoding) = headers.get(header::CONTENT_ENCODING) else { return Ok(self) };
        let encoding = encoding.as_bytes();
        if encoding.is_empty() || encoding.eq_ignore_ascii_case(b"identity") {
            return Ok(self);
        }
        if !encoding.eq_ignore_ascii_case(b"gzip") {
            return Err(BodyError::Encoding);
        }
        let mut decoded = Vec::new();
        // One byte more than allowed tells "too large" from "just fits".
        let mut decoder = MultiGzDecoder::new(&self.bytes[..]).take(BODY_BYTES_MAX as u64 + 1);
        decoder.read_to_end(&mut decoded).map_err(|_| BodyError::Encoding)?;
        if decoded.len() > BODY_BYTES_MAX {
            return Err(BodyError::TooLarge);
        }
        if !self.share.grow(decoded.len()) {
            return Err(BodyError::NoMemory);
        }
        Ok(Received { bytes: decoded.into(), share: self.share })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use http_body_util::Full;
    use std::io::Write;

    fn received(bytes: impl Into<Bytes>, budget: usize) -> Received {
        Received { bytes: bytes.into(), share: Share::new(&Budget::new(budget)) }
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("memory takes whatever is written");
        encoder.finish().expect("memory takes whatever is written")
    }

    fn decode(bytes: Vec<u8>, encoding: &'static str) -> Result<Bytes, BodyError> {
        let headers = [(header::CONTENT_ENCODING, http::HeaderValue::from_static(encoding))].into_iter().collect();
        received(bytes, 64 << 20).decode(&headers).map(|body| body.bytes)
    }

    #[test]
    fn gzip_is_unpacked_within_bounds() {
        assert_eq!(decode(gzip(b"{}"), "gzip"), Ok(Bytes::from_static(b"{}")));
        assert_eq!(decode(b"{}".to_vec(), "identity"), Ok(Bytes::from_static(b"{}")));
        assert_eq!(decode(gzip(&vec![0; BODY_BYTES_MAX]), "GZIP").map(|bytes| bytes.len()), Ok(BODY_BYTES_MAX));
        assert_eq!(decode(gzip(&vec![0; BODY_BYTES_MAX + 1]), "gzip"), Err(BodyError::TooLarge));
        assert_eq!(decode(b"{}".to_vec(), "gzip"), Err(BodyError::Encoding));
        assert_eq!(decode(gzip(b"{}")[..12].to_vec(), "gzip"), Err(BodyError::Encoding));
        assert_eq!(decode(b"{}".to_vec(), "br"), Err(BodyError::Encoding));
    }

    #[tokio::test]
    async fn bodies_are_bounded_by_size_and_budget() {
        let budget = Budget::new(100);
        let body = receive(Full::new(Bytes::from_static(&[1; 60])), BODY_BYTES_MAX, &budget)
            .await
            .map(|body| body.bytes.len());
        assert_eq!(body, Ok(60));
        let held = receive(Full::new(Bytes::from_static(&[1; 60])), BODY_BYTES_MAX, &budget).await.ok();
        assert!(held.is_some(), "a dropped body gave its bytes back");
        let second =
            receive(Full::new(Bytes::from_static(&[1; 60])), BODY_BYTES_MAX, &budget).await.map(|body| body.bytes);
        assert_eq!(second, Err(BodyError::NoMemory));
        let large = receive(Full::new(Bytes::from(vec![0; BODY_BYTES_MAX + 1])), BODY_BYTES_MAX, &budget)
            .await
            .map(|body| body.bytes);
        assert_eq!(large, Err(BodyError::TooLarge));
    }
}
