use super::*;
use crate::lane::Lane;
use futures::future::join_all;

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_answered_both_ways_and_by_the_own_node() {
    let (one, two) = pair(Spec::node(1), Spec::node(2)).await;
    for service in [Service::Raft, Service::Forward, Service::Snapshot] {
        for (from, to) in [(&one, 2), (&two, 1), (&one, 1)] {
            for body in [Bytes::new(), Bytes::from_static(b"hello"), Bytes::from(vec![7; 5 << 20])] {
                let answer = from.network.call(NodeId(to), service, body.clone(), AMPLE).await;
                assert!(answer == Ok(body), "{service:?} to {to}");
            }
        }
    }
}

/// On one thread, where nothing is sent while calls are begun: how they meet does not depend on the machine's load.
#[tokio::test]
async fn calls_that_wait_together_travel_together() {
    let (one, two) = pair(Spec::node(1), Spec::node(2)).await;
    let calls = (0..10_000).map(|number| {
        let (one, body) = (&one, format!("message {number}"));
        async move { one.call(2, &body).await == Ok(Bytes::from(body)) }
    });
    assert!(join_all(calls).await.into_iter().all(|right| right));
    let metrics = one.network.local.metrics.lane(Lane::Forward);
    assert_eq!((metrics.sent_frames.get(), metrics.received_frames.get(), metrics.calls.get()), (10_000, 10_000, 0));
    assert!(metrics.sent_batches.get() < 200, "{} batches", metrics.sent_batches.get());
    assert_eq!(two.network.local.metrics.lane(Lane::Forward).sent_frames.get(), 10_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_answers_is_refused() {
    struct No;
    impl Handler for No {
        fn handle(&self, from: NodeId, _body: Bytes) -> BoxFuture<'static, Result<Bytes, String>> {
            Box::pin(async move { Err(format!("not for node {from}")) })
        }
    }
    let limits = Limits { body_bytes_max: 1000, ..Limits::default() };
    let (one, two) = pair(Spec { limits, ..Spec::node(1) }, Spec::node(2)).await;
    let check = async |from: &Node, to: u64, service, bytes, reason: &str| {
        let answer = from.network.call(NodeId(to), service, Bytes::from(vec![0; bytes]), AMPLE).await;
        assert_eq!(answer, Err(NetworkError::Refused(NodeId(to), reason.to_owned())));
    };
    check(&one, 2, Service::Catalog, 1, "nothing answers Catalog here yet").await;
    check(&one, 1, Service::Catalog, 1, "nothing answers Catalog here yet").await;
    two.network.serve(Service::Catalog, Arc::new(No));
    check(&one, 2, Service::Catalog, 1, "not for node 1").await;
    check(&one, 2, Service::Forward, 1001, "the message has 1001 bytes, more than 1000").await;
    check(&two, 1, Service::Forward, 1001, "the answer has 1001 bytes, more than 1000").await;
    assert_eq!(one.unreachable(9).await, "its address is not known here");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_calls_are_overload() {
    let limits = Limits { calls_max: 4, ..Limits::default() };
    let (one, two) = pair(Spec { limits, ..Spec::node(1) }, Spec::node(2)).await;
    let gate = Gate::closed();
    two.network.serve(Service::Forward, gate.clone());
    let waiting = join_all((0..4).map(|_| one.call(2, "wait")));
    let beyond = async {
        eventually("all handlers", async || gate.begun() == 4).await;
        assert_eq!(one.call(2, "one more").await, Err(NetworkError::Overloaded(NodeId(2))));
        let raft = one.network.call(NodeId(2), Service::Raft, Bytes::new(), AMPLE).await;
        assert_eq!(raft, Ok(Bytes::new()), "another lane has room of its own");
        gate.open();
    };
    let (answers, ()) = tokio::join!(waiting, beyond);
    assert!(answers.into_iter().all(|answer| answer.is_ok()));
    assert!(one.call(2, "room again").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_waiting_bytes_are_overload() {
    let limits = Limits { queue_bytes_max: 1000, ..Limits::default() };
    let one = Spec { limits, ..Spec::node(1) }.start().await;
    // Accepts and says nothing, so that all that is sent waits.
    let mute = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    one.network.introduce(NodeId(2), &mute.local_addr().expect("it is bound").to_string());
    let large = "x".repeat(1001);
    let first = one.call_for(2, &large, SHORT);
    let second = async { one.call_for(2, "y", SHORT).await };
    let (first, second) = tokio::join!(biased; first, second);
    assert_eq!(first, Err(NetworkError::TimedOut(NodeId(2))), "alone it may wait, however large");
    assert_eq!(second, Err(NetworkError::Overloaded(NodeId(2))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_time_is_over_is_not_begun() {
    let limits = Limits { handlers_max: 1, ..Limits::default() };
    let (one, two) = pair(Spec::node(1), Spec { limits, ..Spec::node(2) }).await;
    let gate = Gate::closed();
    two.network.serve(Service::Forward, gate.clone());
    let first = one.call(2, "first");
    let others = async {
        eventually("the first", async || gate.begun() == 1).await;
        assert_eq!(one.call_for(2, "second", SHORT).await, Err(NetworkError::TimedOut(NodeId(2))));
        // The receiver counts from the arrival, a moment later than the caller.
        let over = std::time::Instant::now() + SHORT;
        eventually("the deadline at the receiver", async || std::time::Instant::now() > over).await;
        gate.open();
    };
    let (first, ()) = tokio::join!(first, others);
    assert!(first.is_ok());
    assert!(one.call(2, "third").await.is_ok());
    assert_eq!(gate.begun(), 2, "the second was begun though its caller had given up");
    assert_eq!(one.network.local.metrics.lane(Lane::Forward).timeouts.get(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_holds_for_the_own_node_too_and_its_handler_goes_on() {
    let one = Spec::node(1).start().await;
    let gate = Gate::closed();
    one.network.serve(Service::Forward, gate.clone());
    assert_eq!(one.call_for(1, "wait", SHORT).await, Err(NetworkError::TimedOut(NodeId(1))));
    assert_eq!(gate.begun(), 1);
    gate.open();
    assert!(one.call(1, "again").await.is_ok());
}
