use super::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};

const WAIT: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(150);

/// A server that sends back what it gets.
async fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("bound").to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    address
}

async fn linked() -> (Links, Proxy, TcpStream) {
    let links = Links::new(1);
    let proxy = links.listen(Callers::Clients, 0, echo().await).await.expect("loopback");
    let stream = TcpStream::connect(proxy.address).await.expect("it listens");
    (links, proxy, stream)
}

async fn round(stream: &mut TcpStream) {
    stream.write_all(b"x").await.expect("connected");
    timeout(WAIT, stream.read_exact(&mut [0])).await.expect("in time").expect("it comes back");
}

fn rule(pair: Pair, rule: Rule) -> BTreeMap<Pair, Rule> {
    BTreeMap::from([(pair, rule)])
}

const THERE: Pair = (Place::Clients, Place::Node(0));
const BACK: Pair = (Place::Node(0), Place::Clients);

#[tokio::test]
async fn a_cut_in_either_direction_holds_bytes_until_it_heals() {
    let (links, _proxy, mut stream) = linked().await;
    for pair in [THERE, BACK] {
        round(&mut stream).await;
        links.set_rules(rule(pair, Rule { cut: true, ..Rule::default() }));
        stream.write_all(b"y").await.expect("connected");
        assert!(timeout(SHORT, stream.read_exact(&mut [0])).await.is_err(), "it is cut");
        links.heal();
        timeout(WAIT, stream.read_exact(&mut [0])).await.expect("in time").expect("it was only held back");
        assert_eq!(links.take_effect().held_bytes, 1);
    }
}

#[tokio::test]
async fn a_connection_begun_in_a_cut_stands_when_it_heals() {
    let (links, proxy, mut early) = linked().await;
    // That one stands before the cut.
    round(&mut early).await;
    links.set_rules(rule(BACK, Rule { cut: true, ..Rule::default() }));
    let mut late = TcpStream::connect(proxy.address).await.expect("it listens");
    late.write_all(b"z").await.expect("accepted");
    assert!(timeout(SHORT, late.read_exact(&mut [0])).await.is_err(), "it is cut");
    links.heal();
    timeout(WAIT, late.read_exact(&mut [0])).await.expect("in time").expect("it comes back");
    assert_eq!(links.take_effect().refused_connections, 1);
}

#[tokio::test]
async fn delay_and_loss_make_it_slow() {
    let (links, _proxy, mut stream) = linked().await;
    let cases =
        [Rule { delay: Duration::from_millis(80), ..Rule::default() }, Rule { lost_per_mille: 900, ..Rule::default() }];
    for case in cases {
        links.set_rules(rule(THERE, case));
        let start = Instant::now();
        for _ in 0..3 {
            links.set_rules(rule(THERE, case));
            stream.write_all(b"x").await.expect("connected");
            if case.lost_per_mille == 0 {
                timeout(WAIT, stream.read_exact(&mut [0])).await.expect("in time").expect("it comes back");
            }
        }
        assert!(case.lost_per_mille > 0 || start.elapsed() >= Duration::from_millis(240));
    }
    tokio::time::sleep(SHORT).await;
    let effect = links.take_effect();
    assert!(effect.delayed_pieces >= 3 && effect.lost_pieces >= 1, "{effect:?}");
}
