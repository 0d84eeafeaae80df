use super::*;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::{io::copy_bidirectional, net::TcpStream};
use tokio_util::sync::CancellationToken;

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_node_is_found_at_its_old_address() {
    let (one, two) = pair(Spec::node(1), Spec::node(2)).await;
    one.reach(2).await;
    let address = two.address.clone();
    two.network.stop(AMPLE).await;
    drop(two);
    eventually("the end is noticed", async || one.call_for(2, "gone", SHORT).await.is_err()).await;
    assert!(matches!(one.call(2, "gone").await, Err(NetworkError::Unreachable(..))));

    let two = Spec { start: 2, ..Spec::node(2) }.start_at(&address).await;
    one.reach(2).await;
    two.introduce(&one);
    two.reach(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_moved_is_called_where_it_is_now() {
    let (one, two) = pair(Spec::node(1), Spec::node(2)).await;
    one.reach(2).await;
    two.network.stop(AMPLE).await;
    let moved = Spec { start: 2, ..Spec::node(2) }.start().await;
    one.introduce(&moved);
    assert!(one.call(2, "no failed attempt in between").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_accepts_and_says_nothing_is_tried_again() {
    let one = Spec::node(1).start().await;
    let mute = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    one.network.introduce(NodeId(2), &mute.local_addr().expect("it is bound").to_string());
    assert_eq!(one.call_for(2, "hello", SHORT).await, Err(NetworkError::TimedOut(NodeId(2))));
    let _first = mute.accept().await.expect("it connects");
    let second = tokio::time::timeout(AMPLE, mute.accept());
    let calling = async {
        loop {
            assert!(one.call_for(2, "hello", SHORT).await.is_err());
        }
    };
    tokio::select! {
        second = second => assert!(second.expect("it comes in time").is_ok()),
        () = calling => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_falls_silent_is_replaced() {
    let two = Spec::node(2).start().await;
    let one = Spec::node(1).start().await;
    let proxy = Proxy::to(two.address.clone()).await;
    one.network.introduce(NodeId(2), &proxy.address);
    one.reach(2).await;
    assert_eq!(proxy.connections.load(Ordering::SeqCst), 1);
    proxy.swallow();
    assert_eq!(one.call_for(2, "lost", SHORT).await, Err(NetworkError::TimedOut(NodeId(2))));
    // Fails with the link, long before its deadline.
    assert!(matches!(one.call(2, "lost").await, Err(NetworkError::Unreachable(..))));
    one.reach(2).await;
    assert_eq!(proxy.connections.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_answers_what_it_has_begun() {
    let (one, two) = pair(Spec::node(1), Spec::node(2)).await;
    let gate = Gate::closed();
    two.network.serve(Service::Forward, gate.clone());
    let call = one.call(2, "begun before the stop");
    let stop = async {
        eventually("the handler", async || gate.begun() == 1).await;
        let opened = async {
            eventually("the stop", async || two.network.local.stop.is_cancelled()).await;
            gate.open();
        };
        tokio::join!(two.network.stop(AMPLE), opened);
    };
    let (answer, ()) = tokio::join!(call, stop);
    assert!(answer.is_ok(), "{answer:?}");
    assert!(matches!(one.call(2, "after").await, Err(NetworkError::Unreachable(..))));
}

/// Passes bytes on. Told to swallow, it keeps the connections that it has and passes nothing more on them.
struct Proxy {
    address: String,
    connections: Arc<AtomicUsize>,
    era: Arc<Mutex<CancellationToken>>,
}

impl Proxy {
    async fn to(target: String) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        let proxy = Proxy { address, connections: Arc::default(), era: Arc::default() };
        let (connections, era) = (proxy.connections.clone(), proxy.era.clone());
        tokio::spawn(async move {
            while let Ok((mut inner, _)) = listener.accept().await {
                let Ok(mut outer) = TcpStream::connect(&target).await else { continue };
                connections.fetch_add(1, Ordering::SeqCst);
                let swallow = era.lock().clone();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = copy_bidirectional(&mut inner, &mut outer) => {}
                        () = swallow.cancelled() => std::future::pending().await,
                    }
                });
            }
        });
        proxy
    }

    fn swallow(&self) {
        std::mem::take(&mut *self.era.lock()).cancel();
    }
}
