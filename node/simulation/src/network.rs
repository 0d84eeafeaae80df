//! Messages between simulated nodes: late, lost, cut off, out of order.

use crate::world::World;
use bytes::Bytes;
use parking_lot::Mutex;
use stator_environment::{BoxFuture, Environment, Handler, Network, NetworkError, Service};
use stator_item::NodeId;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::sync::oneshot;

/// How the network treats messages.
#[derive(Clone, Debug)]
pub struct Weather {
    pub delay_least: Duration,
    pub delay_most: Duration,
    /// One message in a hundred takes twenty times as long.
    pub has_stragglers: bool,
    pub loss_per_mille: u64,
    /// Requests that arrive twice, forwarded commands apart. (An answer that arrives twice is ignored by every transport.)
    pub duplicate_per_mille: u64,
}

impl Default for Weather {
    fn default() -> Weather {
        Weather {
            delay_least: Duration::from_micros(200),
            delay_most: Duration::from_millis(4),
            has_stragglers: true,
            loss_per_mille: 5,
            duplicate_per_mille: 5,
        }
    }
}

struct Endpoint {
    environment: Environment,
    handlers: BTreeMap<u8, Arc<dyn Handler>>,
}

/// A moment in the life of a message between two nodes, for tests that break something exactly then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// It is there, and not looked at yet.
    Arrived,
    /// It is dealt with, and the answer is not on its way yet.
    Answered,
}

/// Is told of every moment of a message: sender, receiver, service.
pub type Watch = Arc<dyn Fn(NodeId, NodeId, Service, Moment) + Send + Sync>;

/// The wires between all nodes.
pub struct Wires {
    world: Arc<World>,
    weather: Mutex<Weather>,
    /// Directed: messages of the first do not reach the second.
    cuts: Mutex<BTreeSet<(NodeId, NodeId)>>,
    endpoints: Mutex<BTreeMap<NodeId, Endpoint>>,
    dropped: Mutex<u64>,
    watch: Mutex<Option<Watch>>,
}

impl Wires {
    pub fn new(world: Arc<World>, weather: Weather) -> Arc<Wires> {
        Arc::new(Wires {
            world,
            weather: Mutex::new(weather),
            cuts: Mutex::new(BTreeSet::new()),
            endpoints: Mutex::new(BTreeMap::new()),
            dropped: Mutex::new(0),
            watch: Mutex::default(),
        })
    }

    /// Plugs a node in, in a new life: handlers of an earlier one are gone.
    pub fn plug(self: &Arc<Wires>, node: NodeId, environment: Environment) -> Arc<dyn Network> {
        self.endpoints.lock().insert(node, Endpoint { environment, handlers: BTreeMap::new() });
        Arc::new(Plug { wires: self.clone(), node })
    }

    /// Pulls a node's plug, with its handlers.
    pub fn unplug(&self, node: NodeId) {
        self.endpoints.lock().remove(&node);
    }

    pub fn cut(&self, from: NodeId, to: NodeId) {
        self.cuts.lock().insert((from, to));
    }

    pub fn mend(&self, from: NodeId, to: NodeId) {
        self.cuts.lock().remove(&(from, to));
    }

    pub fn mend_all(&self) {
        self.cuts.lock().clear();
    }

    pub fn set_weather(&self, weather: Weather) {
        *self.weather.lock() = weather;
    }

    /// Messages that cuts and losses have swallowed: a fault that swallowed none had no effect.
    pub fn dropped(&self) -> u64 {
        *self.dropped.lock()
    }

    /// From now on every moment of a message is told; `None`: no more.
    pub fn watch(&self, watch: Option<Watch>) {
        *self.watch.lock() = watch;
    }

    fn tell(&self, from: NodeId, to: NodeId, service: Service, moment: Moment) {
        let watch = self.watch.lock().clone();
        if let Some(watch) = watch {
            watch(from, to, service, moment);
        }
    }

    /// Carries one message over one wire; `false`: it never arrives.
    async fn carry(&self, from: NodeId, to: NodeId) -> bool {
        let weather = self.weather.lock().clone();
        let (delay, is_lost) = self.world.throw(|dice| {
            let delay = dice.between(weather.delay_least, weather.delay_most);
            let stretch = if weather.has_stragglers && dice.chance(10) { 20 } else { 1 };
            (delay * stretch, dice.chance(weather.loss_per_mille))
        });
        tokio::time::sleep(delay).await;
        let arrives = !is_lost && !self.cuts.lock().contains(&(from, to));
        if !arrives {
            *self.dropped.lock() += 1;
        }
        arrives
    }

    /// Hands a message to the receiver's handler, as a task of the receiver. `None`: nobody is there.
    fn deliver(
        &self,
        from: NodeId,
        to: NodeId,
        service: Service,
        body: Bytes,
    ) -> Option<oneshot::Receiver<Result<Bytes, String>>> {
        let endpoints = self.endpoints.lock();
        let endpoint = endpoints.get(&to)?;
        let handler = endpoint.handlers.get(&(service as u8)).cloned();
        let (answer, answered) = oneshot::channel();
        endpoint.environment.tasks.spawn(
            "message",
            Box::pin(async move {
                let result = match handler {
                    Some(handler) => handler.handle(from, body).await,
                    None => Err("no handler for this service".to_owned()),
                };
                // The caller may have given up.
                let _ = answer.send(result);
            }),
        );
        Some(answered)
    }
}

struct Plug {
    wires: Arc<Wires>,
    node: NodeId,
}

impl Network for Plug {
    fn call(
        &self,
        to: NodeId,
        service: Service,
        body: Bytes,
        deadline: Duration,
    ) -> BoxFuture<'static, Result<Bytes, NetworkError>> {
        let (wires, from) = (self.wires.clone(), self.node);
        Box::pin(async move {
            let attempt = async {
                if from != to && !wires.carry(from, to).await {
                    return std::future::pending().await;
                }
                wires.tell(from, to, service, Moment::Arrived);
                let weather = wires.weather.lock().clone();
                // Streams do not double what clients wait for; Raft has to bear it.
                let may_double = from != to && service != Service::Forward;
                if may_double && wires.world.throw(|dice| dice.chance(weather.duplicate_per_mille)) {
                    wires.deliver(from, to, service, body.clone());
                }
                let Some(answered) = wires.deliver(from, to, service, body) else {
                    return Err(NetworkError::Unreachable(to, "connection refused".to_owned()));
                };
                // The receiver's task was dropped: it died with the message in hand, and its connections broke.
                let Ok(answer) = answered.await else {
                    return Err(NetworkError::Unreachable(to, "connection reset".to_owned()));
                };
                wires.tell(from, to, service, Moment::Answered);
                if from != to && !wires.carry(to, from).await {
                    return std::future::pending().await;
                }
                answer.map_err(|reason| NetworkError::Refused(to, reason))
            };
            match tokio::time::timeout(deadline, attempt).await {
                Ok(result) => result,
                Err(_) => Err(NetworkError::TimedOut(to)),
            }
        })
    }

    fn serve(&self, service: Service, handler: Arc<dyn Handler>) {
        if let Some(endpoint) = self.wires.endpoints.lock().get_mut(&self.node) {
            endpoint.handlers.insert(service as u8, handler);
        }
    }

    fn introduce(&self, _node: NodeId, _address: &str) {}
}
