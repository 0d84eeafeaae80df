//! Requests of DynamoDB's JSON protocol, signed as an SDK signs, as they go over the wire.

use crate::Address;
use stator_api::sigv4::{SignedRequest, Signer};
use std::io::Write;

const CONTENT: &str = "application/x-amz-json-1.0";

/// Writes one request after the other into the same buffer.
pub struct SignedRequests {
    signer: Signer,
    wire: Vec<u8>,
}

impl SignedRequests {
    pub fn new(signer: Signer) -> SignedRequests {
        SignedRequests { signer, wire: Vec::new() }
    }

    /// Head and body of a request to that node.
    pub fn write(&mut self, target: &str, body: &str, address: &Address, now_ms: u64) -> &[u8] {
        let headers: [(&str, &[u8]); 3] = [
            ("content-type", CONTENT.as_bytes()),
            ("host", address.as_str().as_bytes()),
            ("x-amz-target", target.as_bytes()),
        ];
        let parts = SignedRequest { method: "POST", path: "/", query: "", headers: &headers, body: body.as_bytes() };
        let signature = self.signer.sign(&parts, now_ms);
        self.wire.clear();
        for text in [
            "POST / HTTP/1.1\r\nhost: ",
            address.as_str(),
            "\r\ncontent-type: ",
            CONTENT,
            "\r\nx-amz-target: ",
            target,
            "\r\nx-amz-date: ",
            &signature.date,
            "\r\nauthorization: ",
            &signature.authorization,
        ] {
            self.wire.extend_from_slice(text.as_bytes());
        }
        write!(self.wire, "\r\ncontent-length: {}\r\n\r\n{body}", body.len()).expect("a Vec takes everything");
        &self.wire
    }
}
