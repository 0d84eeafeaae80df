use super::*;
use crate::{
    dial::{Demand, dial},
    hello::Introduction,
    lane::Lane,
    security::stranger,
};
use rustls_pki_types::ServerName;
use stator_proto::link::{Batch, link_client::LinkClient};
use tonic::Code;

fn authority() -> Authority {
    Authority::create(CLUSTER).expect("the cluster's id is allowed")
}

fn tls(node: u64, security: Security) -> Spec {
    Spec { security, ..Spec::node(node) }
}

/// Both nodes are refused by each other.
async fn check_refused(one: Spec, two: Spec) {
    let (one, two) = pair(one, two).await;
    one.unreachable(two.id.0).await;
    two.unreachable(one.id.0).await;
}

/// Calls node 1 until that says that the caller must not run.
async fn cast_out(node: &Node) -> String {
    let told = || node.network.local.outcast.borrow().is_some();
    eventually("the word", async || node.call_for(1, "old", SHORT).await.is_err() && told()).await;
    node.network.outcast().await
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_with_certificates_speak_both_ways() {
    let made = authority();
    // As it comes back from where it is kept.
    let kept = Authority::open(CLUSTER, made.certificate_pem(), &made.key_pem()).expect("it is what was written");
    assert_eq!(made.fingerprint(), kept.fingerprint());
    let (one, two) = pair(tls(1, mutual(&made, 1)), tls(2, mutual(&kept, 2))).await;
    let large = "x".repeat(3 << 20);
    for body in ["hello", &large] {
        assert!(one.call(2, body).await.is_ok_and(|answer| answer == body.as_bytes()));
        assert!(two.call(1, body).await.is_ok_and(|answer| answer == body.as_bytes()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_authority_is_refused() {
    check_refused(tls(1, mutual(&authority(), 1)), tls(2, mutual(&authority(), 2))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_refused_under_another_nodes_certificate() {
    let authority = authority();
    check_refused(tls(1, mutual(&authority, 1)), tls(2, mutual(&authority, 3))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_tls_and_one_with_it_do_not_speak() {
    check_refused(tls(1, mutual(&authority(), 1)), Spec::node(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_cluster_is_refused() {
    check_refused(Spec::node(1), Spec { cluster: "c2", ..Spec::node(2) }).await;
    let other = Authority::create("c2").expect("the cluster's id is allowed");
    check_refused(tls(1, mutual(&authority(), 1)), Spec { cluster: "c2", ..tls(2, mutual(&other, 2)) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_belongs_to_another_node_is_refused() {
    let (one, two) = pair(Spec::node(1), Spec::node(2)).await;
    one.network.introduce(NodeId(3), &two.address);
    assert_eq!(one.unreachable(3).await, "this is node 2, not 3");
    one.reach(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_reaches_no_link() {
    let authority = authority();
    let one = tls(1, mutual(&authority, 1)).start().await;
    let config = stranger(authority.fingerprint()).expect("the settings are valid");
    let name = ServerName::try_from("node.stator").expect("it is a name");
    let channel = dial(Demand::Tls(config, name), &one.address).await.expect("a stranger may connect");
    let identity = Identity { cluster: CLUSTER.to_owned(), node: NodeId(2), start: 1 };
    let hello = Introduction { identity: &identity, process: 1 }.hello(NodeId(1), Lane::Forward);
    let first = Batch { hello: Some(hello), frames: Vec::new() };
    let refused = LinkClient::new(channel).open(futures::stream::iter([first])).await;
    assert_eq!(refused.err().map(|status| status.code()), Some(Code::PermissionDenied));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_or_set_back_data_directory_is_refused() {
    let (one, two) = pair(Spec::node(1), Spec { start: 5, ..Spec::node(2) }).await;
    two.reach(1).await;
    for (start, why) in [(4, "set back"), (5, "a copy, started once like the first")] {
        let stale = Spec { start, ..Spec::node(2) }.start().await;
        stale.introduce(&one);
        let reason = stale.unreachable(1).await;
        assert!(reason.contains("copied or set back"), "{why}: {reason}");
        assert_eq!(stale.network.outcast().await, reason);
    }
    assert!(two.call(1, "undisturbed").await.is_ok());

    let later = Spec { start: 6, ..Spec::node(2) }.start().await;
    later.introduce(&one);
    later.reach(1).await;
    assert!(cast_out(&two).await.contains("copied or set back"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_node_is_not_called_either() {
    let (one, two) = pair(Spec::node(1), Spec { start: 5, ..Spec::node(2) }).await;
    one.reach(2).await;
    one.network.require_start(NodeId(2), 6);
    eventually("the link is cut", async || one.call_for(2, "old", SHORT).await.is_err()).await;
    eventually("the refusal", async || one.unreachable(2).await.contains("copied or set back")).await;
    let later = Spec { start: 6, ..Spec::node(2) }.start().await;
    one.introduce(&later);
    one.reach(2).await;
    two.network.stop(AMPLE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_node_is_cut_off_for_good() {
    let (one, two) = pair(Spec::node(1), Spec::node(2)).await;
    one.reach(2).await;
    two.reach(1).await;
    one.network.forget(NodeId(2));
    assert_eq!(one.unreachable(2).await, "its address is not known here");
    assert_eq!(cast_out(&two).await, "node 2 was removed from the cluster");
    one.introduce(&two);
    assert_eq!(one.unreachable(2).await, "node 2 was removed from the cluster");
}

#[test]
fn a_cluster_id_is_fit_for_a_certificate() {
    for (id, fits) in [("c1", true), ("0-f", true), (&"a".repeat(40), true), ("", false), (&"a".repeat(41), false)] {
        assert_eq!(Authority::create(id).is_ok(), fits, "{id:?}");
    }
    for id in ["-a", "a-", "A", "a.b", "a b", "ä"] {
        assert!(Authority::create(id).is_err(), "{id:?}");
    }
}

#[test]
fn only_a_point_of_the_curve_is_signed() {
    let authority = authority();
    for key in [&b""[..], &[4; 64], &[4; 66], &[3; 65]] {
        assert!(authority.sign(NodeId(1), key).is_err(), "{} bytes", key.len());
    }
}
