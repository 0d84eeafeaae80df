//! Commands from node to node (`Service::Forward`). The deadline travels as time left.

use crate::host::Host;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stator_environment::{BoxFuture, Environment, Handler, Network, Service};
use stator_item::{NodeId, PartitionId, Timestamp};
use stator_partition::{Attempt, CommandId, Refusal, Reply, codec};
use stator_replica::{Consistency, Request};
use std::{sync::Arc, time::Duration};

const FORMAT: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Header {
    partition: PartitionId,
    id: CommandId,
    birth: Timestamp,
    is_repeated: bool,
    epoch: u64,
    left_us: u64,
    consistency: Consistency,
}

/// A command on its way to one partition.
pub(crate) struct Forwarded {
    pub partition: PartitionId,
    pub request: Request,
}

fn encode(forwarded: &Forwarded, left: Duration) -> Bytes {
    let request = &forwarded.request;
    let header = Header {
        partition: forwarded.partition,
        id: request.id,
        birth: request.birth,
        is_repeated: request.attempt == Attempt::Repeated,
        epoch: request.epoch,
        left_us: left.as_micros() as u64,
        consistency: request.consistency,
    };
    let mut bytes = postcard::to_extend(&header, vec![FORMAT]).expect("memory takes whatever is written");
    bytes.extend_from_slice(&codec::encode_command(&request.command));
    bytes.into()
}

fn decode(bytes: &[u8], environment: &Environment) -> Option<Forwarded> {
    let (&format, rest) = bytes.split_first()?;
    if format != FORMAT {
        return None;
    }
    let (header, rest) = postcard::take_from_bytes::<Header>(rest).ok()?;
    let request = Request {
        id: header.id,
        birth: header.birth,
        attempt: if header.is_repeated { Attempt::Repeated } else { Attempt::First },
        epoch: header.epoch,
        deadline: environment.clock.elapsed() + Duration::from_micros(header.left_us),
        consistency: header.consistency,
        command: codec::decode_command(rest).ok()?,
    };
    Some(Forwarded { partition: header.partition, request })
}

/// Sends a command to another node. Whatever goes wrong on the way leaves it open whether the command had its effect.
pub(crate) async fn forward(
    network: &dyn Network,
    to: NodeId,
    forwarded: &Forwarded,
    left: Duration,
) -> Result<Reply, Refusal> {
    let reply = network.call(to, Service::Forward, encode(forwarded, left), left).await;
    match reply {
        Ok(bytes) => codec::decode_outcome(&bytes).unwrap_or_else(|error| {
            Err(Refusal::Unavailable(format!("node {to} answered what cannot be read: {error}")))
        }),
        Err(error) => Err(Refusal::Unavailable(error.to_string())),
    }
}

/// Takes forwarded commands to the replica here.
pub(crate) struct ForwardHandler {
    pub host: Arc<Host>,
}

impl Handler for ForwardHandler {
    fn handle(&self, _from: NodeId, body: Bytes) -> BoxFuture<'static, Result<Bytes, String>> {
        let host = self.host.clone();
        Box::pin(async move {
            let forwarded = decode(&body, &host.parts.environment).ok_or("a forwarded command is unreadable")?;
            let outcome = match host.replica(forwarded.partition) {
                Some(hosted) => host.submit(&hosted, forwarded.request).await,
                None => Err(Refusal::NotLeader { leader: None }),
            };
            Ok(codec::encode_outcome(&outcome).into())
        })
    }
}
