use super::*;
use crate::{JoinSecret, TransportError, join};

fn request(zone: &str) -> JoinRequest {
    JoinRequest { zone: zone.to_owned(), ..JoinRequest::default() }
}

async fn ask(node: &Node, secret: Option<&JoinSecret>, request: JoinRequest) -> Result<JoinReply, TransportError> {
    join(&Environment::system(), &node.address, secret, request, AMPLE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn on_loopback_a_node_joins_without_a_secret() {
    let one = Spec::node(1).start().await;
    let reply = ask(&one, None, request("a")).await.expect("it is admitted");
    assert_eq!((reply.node_id, &*reply.region), (7, "Loopback"));
    assert!(matches!(ask(&one, None, request("full")).await, Err(TransportError::JoinRefused { .. })));
    assert!(matches!(ask(&one, None, request("busy")).await, Err(TransportError::JoinUnreachable { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_loopback_the_secret_proves_each_to_the_other() {
    let authority = Authority::create(CLUSTER).expect("the cluster's id is allowed");
    let other = Authority::create(CLUSTER).expect("the cluster's id is allowed");
    let one = Spec { security: mutual(&authority, 1), ..Spec::node(1) }.start().await;
    let returns = |ca: &Authority| JoinRequest { version: ca.certificate_pem().to_owned(), ..request("a") };
    let secret = |token: &str, ca: &Authority| JoinSecret::new(token.to_owned(), ca.fingerprint());

    let right = secret("open sesame", &authority);
    let reply = ask(&one, Some(&right), returns(&authority)).await.expect("it is admitted");
    assert_eq!((reply.node_id, &*reply.region), (7, "Token"));

    let check_wrong =
        async |secret: JoinSecret, request: JoinRequest, words: &str| match ask(&one, Some(&secret), request).await {
            Err(TransportError::SecretWrong { reason, .. } | TransportError::JoinUnreachable { reason, .. }) => {
                assert!(reason.contains(words), "{reason}");
            }
            other => panic!("{words}: {other:?}"),
        };
    check_wrong(secret("guess", &authority), returns(&authority), "not (or no longer) valid").await;
    check_wrong(secret("open sesame", &other), returns(&authority), "another cluster than the join secret").await;
    check_wrong(right.clone(), returns(&other), "certificate of another authority").await;
    let plainly = ask(&one, None, request("a")).await;
    assert!(matches!(plainly, Err(TransportError::SecretNeeded(_))), "plain TCP is not served: {plainly:?}");
    let plain = Spec::node(2).start().await;
    let secretly = ask(&plain, Some(&right), returns(&authority)).await;
    assert!(matches!(secretly, Err(TransportError::JoinRefused { .. })), "no token is sent in plain: {secretly:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_certificates_nothing_leaves_loopback() {
    let beyond = join(&Environment::system(), "192.0.2.1:1", None, request("a"), AMPLE).await;
    assert!(matches!(beyond, Err(TransportError::SecretNeeded(_))));
    let one = Spec::node(1).start().await;
    one.network.introduce(NodeId(2), "192.0.2.1:1");
    assert!(one.unreachable(2).await.contains("beyond loopback"));
    let everywhere = TcpListener::bind("0.0.0.0:0").await.expect("a port is free");
    let refused = one.network.listen(everywhere, Arc::new(TokenOnly));
    assert!(matches!(refused, Err(TransportError::NotLoopback(_))));
}

#[test]
fn a_secret_is_what_was_printed() {
    let authority = Authority::create(CLUSTER).expect("the cluster's id is allowed");
    let secret = JoinSecret::new("a.b".to_owned(), authority.fingerprint());
    let text = secret.reveal();
    assert_eq!(format!(" {text}\n").parse::<JoinSecret>().expect("it is whole"), secret);
    assert!(!format!("{secret:?}").contains("a.b"));
    let short = &text[..text.len() - 1];
    for damaged in ["", "token", ".", "token.", short, &text[3..]] {
        assert!(damaged.parse::<JoinSecret>().is_err(), "{damaged}");
    }
}
