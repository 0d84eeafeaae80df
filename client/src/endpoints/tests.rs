//! Clusters of servers that name each other, join, and die.

use super::*;
use crate::test_server::{Answer, TestServer};
use bytes::Bytes;
use http::Response;

/// Answers `/nodes` with what `nodes` holds; with status 404 if it holds nothing.
fn naming(nodes: &Arc<Mutex<Vec<Address>>>) -> Answer {
    let nodes = nodes.clone();
    Arc::new(move |request| {
        assert_eq!((request.method().as_str(), request.uri().path()), ("GET", "/nodes"));
        let names: Vec<String> = nodes.lock().iter().map(|address| format!("{:?}", address.as_str())).collect();
        let status = if names.is_empty() { 404 } else { 200 };
        let body = format!(r#"{{"nodes":[{}]}}"#, names.join(","));
        Response::builder().status(status).body(Bytes::from(body)).expect("a response")
    })
}

async fn cluster(size: usize) -> (Vec<TestServer>, Arc<Mutex<Vec<Address>>>) {
    let nodes = Arc::new(Mutex::new(Vec::new()));
    let mut servers = Vec::new();
    for _ in 0..size {
        servers.push(TestServer::start(naming(&nodes)).await);
    }
    *nodes.lock() = servers.iter().map(|server| server.address.clone()).collect();
    (servers, nodes)
}

fn sorted(mut addresses: Vec<Address>) -> Vec<Address> {
    addresses.sort();
    addresses
}

/// As many as there are living nodes, in turn.
fn drawn(endpoints: &Endpoints) -> Vec<Address> {
    sorted((0..endpoints.living().len()).map(|_| endpoints.next()).collect())
}

const NEVER: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn all_nodes_are_found_from_any_and_named_in_turn() {
    let (servers, nodes) = cluster(3).await;
    for server in &servers {
        let endpoints = Endpoints::discover(vec![server.address.clone()], NEVER).await.expect("it lives");
        assert_eq!(drawn(&endpoints), sorted(nodes.lock().clone()));
        assert_eq!(drawn(&endpoints), sorted(nodes.lock().clone()));
    }
}

#[tokio::test]
async fn a_server_that_names_nobody_is_used_as_given() {
    let (servers, nodes) = cluster(1).await;
    nodes.lock().clear();
    let endpoints = Endpoints::discover(vec![servers[0].address.clone()], NEVER).await.expect("it lives");
    assert_eq!(endpoints.living(), [servers[0].address.clone()]);
}

#[tokio::test]
async fn nobody_there_is_an_error() {
    let address = cluster(1).await.0[0].address.clone();
    let error = Endpoints::discover(vec![address], NEVER).await.expect_err("the server is gone");
    assert!(matches!(error, Error::NoNode { .. }), "{error}");
    assert!(Endpoints::discover(Vec::new(), NEVER).await.is_err());
}

#[tokio::test]
async fn failed_nodes_are_left_out_until_they_answer() {
    let (mut servers, nodes) = cluster(3).await;
    let endpoints = Endpoints::discover(vec![servers[0].address.clone()], NEVER).await.expect("it lives");
    let (dead, slow) = (servers.remove(2).address.clone(), servers[1].address.clone());
    endpoints.report_failure(&dead);
    endpoints.report_failure(&slow);
    assert_eq!(drawn(&endpoints), [servers[0].address.clone()]);
    // The slow one answers the next question, the dead one does not.
    endpoints.0.refresh().await.expect("two answer");
    assert_eq!(drawn(&endpoints), sorted(servers.iter().map(|server| server.address.clone()).collect()));
    let back = TestServer::start_at(dead.as_str(), naming(&nodes)).await;
    endpoints.0.refresh().await.expect("all answer");
    assert_eq!(endpoints.living().len(), 3);
    assert!(back.requests() > 0);
}

#[tokio::test]
async fn when_all_have_failed_each_gets_its_chance_again() {
    let addresses: Vec<Address> = ["a:1", "b:1"].iter().map(|text| Address::parse(text).expect("an address")).collect();
    let endpoints = Endpoints::fixed(addresses.clone()).expect("two");
    endpoints.report_failure(&addresses[0]);
    assert_eq!((endpoints.next(), endpoints.next()), (addresses[1].clone(), addresses[1].clone()));
    endpoints.report_failure(&addresses[1]);
    assert_eq!(drawn(&endpoints), addresses);
}

#[tokio::test]
async fn the_background_finds_nodes_that_join_and_forgets_those_that_leave() {
    let (servers, nodes) = cluster(3).await;
    let (first, last) = (servers[0].address.clone(), servers[2].address.clone());
    let without = |left_out: &Address| -> Vec<Address> {
        sorted(servers.iter().map(|server| server.address.clone()).filter(|address| address != left_out).collect())
    };
    *nodes.lock() = without(&last);
    let endpoints = Endpoints::discover(vec![first.clone()], REFRESH_INTERVAL_MIN).await.expect("it lives");
    assert_eq!(drawn(&endpoints), without(&last));
    *nodes.lock() = without(&first);
    let changed = async {
        while endpoints.living() != without(&first) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), changed).await.expect("found by the next question");
}

#[test]
fn one_odd_answer_changes_nothing() {
    let list = |names: &[&str]| -> Vec<Address> {
        names.iter().map(|name| Address::parse(&format!("{name}:1")).expect("an address")).collect()
    };
    for (answers, merged_names) in [
        (vec![("a", Some("ab")), ("b", Some("ab")), ("c", Some("abc"))], "ab"),
        (vec![("a", Some("ab")), ("c", Some("abc"))], "abc"),
        (vec![("a", None), ("b", None)], "abc"),
        (vec![("a", Some("ab")), ("b", None)], "ab"),
        (vec![("a", Some("aabb")), ("b", Some("ac")), ("c", Some("ac"))], "ac"),
    ] {
        let letters = |text: &str| list(&text.split("").filter(|name| !name.is_empty()).collect::<Vec<_>>());
        let told = format!("{answers:?}");
        let answers: BTreeMap<Address, Option<Vec<Address>>> =
            answers.into_iter().map(|(from, named)| (list(&[from])[0].clone(), named.map(letters))).collect();
        let merged: Vec<Address> = merged(&letters("abc"), &answers).into_iter().map(|node| node.address).collect();
        assert_eq!(merged, letters(merged_names), "{told}");
    }
}
