//! etcd's v3 API, as far as a comparison needs it: `Put`, `Range`, `Txn` and `DeleteRange` of the service `etcdserverpb.KV`.
//!
//! A few messages of two fields are not worth a protobuf compiler; written by hand they also cost the generator less.

use super::{
    cell::{COLLECTION_ITEMS, Call, Found, Read, TRANSACTION_ITEMS},
    connection::Outgoing,
    request::{Payloads, Prepared},
};
use crate::{Address, Error};
use bytes::{BufMut, BytesMut};
use fastrand::Rng;
use http::{
    HeaderValue, Request,
    header::{CONTENT_TYPE, TE},
};
use http_body_util::Full;

const PREFIX: &str = "stator-bench/";
/// The first key behind all that begin with the prefix.
const PREFIX_END: &str = "stator-bench0";
/// Field numbers of `PutRequest` (key, value), `RangeRequest` (key, range_end, serializable) and `DeleteRangeRequest` (key,
/// range_end).
const KEY: u8 = 1;
const VALUE: u8 = 2;
const RANGE_END: u8 = 2;
const SERIALIZABLE: u8 = 7;
/// Of `TxnRequest` (success) and its `RequestOp` (request_put).
const SUCCESS: u8 = 2;
const REQUEST_PUT: u8 = 2;

pub struct EtcdRequests {
    pub payloads: Payloads,
    pub item_bytes: usize,
    pub random: Rng,
}

impl EtcdRequests {
    pub fn prepare(&mut self, call: Call, address: &Address) -> Result<Prepared<'static>, Error> {
        let mut message = BytesMut::with_capacity(self.item_bytes + 64);
        match call {
            Call::Put { key, .. } | Call::Update { key } => {
                self.put(key, &mut message);
                Ok(Prepared { request: grpc("Put", &message, address)?, reply_bytes: 0..=usize::MAX })
            }
            Call::Get { key, read, found } => {
                bytes_field(KEY, key_of(key).as_bytes(), &mut message);
                if read == Read::Eventual {
                    message.put_slice(&[SERIALIZABLE << 3, 1]);
                }
                let least = if found == Found::Always { self.item_bytes } else { 0 };
                Ok(Prepared { request: grpc("Range", &message, address)?, reply_bytes: least..=usize::MAX })
            }
            Call::Transact { keys } => self.transaction(keys, message, address),
            Call::TransactInCollection { collection, sorts } => {
                self.transaction(sorts.map(|sort| collection * COLLECTION_ITEMS + sort), message, address)
            }
            other => Err(Error::Arguments(format!("etcd has nothing like {other:?}"))),
        }
    }

    fn put(&mut self, key: u64, message: &mut BytesMut) {
        let key = key_of(key);
        bytes_field(KEY, key.as_bytes(), message);
        let value = self.payloads.cut(self.item_bytes.saturating_sub(key.len()), &mut self.random);
        bytes_field(VALUE, value.as_bytes(), message);
    }

    /// Puts all of them, under no condition.
    fn transaction(
        &mut self,
        keys: [u64; TRANSACTION_ITEMS],
        mut message: BytesMut,
        address: &Address,
    ) -> Result<Prepared<'static>, Error> {
        for key in keys {
            let (mut put, mut operation) = (BytesMut::new(), BytesMut::new());
            self.put(key, &mut put);
            bytes_field(REQUEST_PUT, &put, &mut operation);
            bytes_field(SUCCESS, &operation, &mut message);
        }
        Ok(Prepared { request: grpc("Txn", &message, address)?, reply_bytes: 0..=usize::MAX })
    }

    /// Deletes all keys of the bench.
    pub fn clear(address: &Address) -> Result<Prepared<'static>, Error> {
        let mut message = BytesMut::new();
        bytes_field(KEY, PREFIX.as_bytes(), &mut message);
        bytes_field(RANGE_END, PREFIX_END.as_bytes(), &mut message);
        Ok(Prepared { request: grpc("DeleteRange", &message, address)?, reply_bytes: 0..=usize::MAX })
    }
}

fn key_of(number: u64) -> String {
    format!("{PREFIX}user{number:012}")
}

fn bytes_field(field: u8, bytes: &[u8], out: &mut BytesMut) {
    const LENGTH_DELIMITED: u8 = 2;
    out.put_u8(field << 3 | LENGTH_DELIMITED);
    let mut length = bytes.len();
    while length >= 0x80 {
        out.put_u8((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.put_u8(length as u8);
    out.put_slice(bytes);
}

/// A call over gRPC: one message, not compressed, behind its length.
fn grpc(method: &str, message: &[u8], address: &Address) -> Result<Outgoing<'static>, Error> {
    let mut body = BytesMut::with_capacity(message.len() + 5);
    body.put_u8(0);
    body.put_u32(message.len() as u32);
    body.put_slice(message);
    Request::post(format!("http://{address}/etcdserverpb.KV/{method}"))
        .header(CONTENT_TYPE, HeaderValue::from_static("application/grpc"))
        .header(TE, HeaderValue::from_static("trailers"))
        .body(Full::new(body.freeze()))
        .map(|request| Outgoing::Grpc(Box::new(request)))
        .map_err(|_| Error::Address { text: address.to_string(), reason: "it cannot stand in a URL" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::cell::Table;
    use http_body_util::BodyExt;

    async fn bytes(call: Call) -> (String, Vec<u8>) {
        let mut requests = EtcdRequests { payloads: Payloads::new(300), item_bytes: 300, random: Rng::with_seed(1) };
        let address = Address::parse("127.0.0.1:2379").expect("an address");
        let prepared = requests.prepare(call, &address).expect("etcd knows it");
        let Outgoing::Grpc(request) = prepared.request else { panic!("etcd speaks gRPC") };
        let path = request.uri().path().to_owned();
        (path, request.into_body().collect().await.expect("whole").to_bytes().to_vec())
    }

    #[tokio::test]
    async fn messages_are_encoded_as_protobuf_says() {
        let key = b"stator-bench/user000000000007";
        let (path, body) = bytes(Call::Put { table: Table::Items, key: 7 }).await;
        assert_eq!(path, "/etcdserverpb.KV/Put");
        let (head, value) = body.split_at(5 + 2 + 29 + 3);
        assert_eq!(head[..5], [0, 0, 0, 1, 0x31], "{} bytes follow", 0x131);
        assert_eq!((&head[5..7], &head[7..36]), (&[0x0a, 29][..], &key[..]));
        assert_eq!((&head[36..], value.len()), (&[0x12, 0x8f, 0x02][..], 271));

        let (path, transaction) = bytes(Call::Transact { keys: [7, 8, 9] }).await;
        assert_eq!(path, "/etcdserverpb.KV/Txn");
        let put = body.len() - 5;
        assert_eq!(transaction.len(), 5 + 3 * (3 + 3 + put), "each put stands in an operation");
        assert_eq!(transaction[5..13], [0x12, 0xb4, 0x02, 0x12, 0xb1, 0x02, 0x0a, 29]);

        let get = |read| Call::Get { key: 7, read, found: Found::Always };
        let (path, body) = bytes(get(Read::Strong)).await;
        assert_eq!(
            (path.as_str(), &body[..7], &body[7..]),
            ("/etcdserverpb.KV/Range", &[0, 0, 0, 0, 31, 0x0a, 29][..], &key[..])
        );
        let (_, body) = bytes(get(Read::Eventual)).await;
        assert_eq!(body[36..], [0x38, 1]);
    }
}
