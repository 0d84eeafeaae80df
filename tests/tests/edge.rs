//! What a node is sent by those who mean it ill, or do not know better: it answers with an error, serves all others, and
//! stays small.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use stator_tests::{Then, eventually, exchange, free_ports, get, is_slow_allowed, post, stator, within};
use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

const BODY_BYTES_MAX: usize = 16 << 20;
/// Longest wait of a node for a whole body, and then some.
const BODY_WAIT_MAX: Duration = Duration::from_secs(40);
/// What a node may grow by for bad input and idle connections, which it is free to keep for the next.
const GROWTH_KIB_MAX: u64 = 160 << 10;
const TABLE: &str = r#"{"TableName":"things","BillingMode":"PAY_PER_REQUEST",
    "AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],
    "KeySchema":[{"AttributeName":"id","KeyType":"HASH"}]}"#;

/// `stator dev`, killed with the test.
struct Dev {
    child: Child,
    address: String,
    _directory: tempfile::TempDir,
}

impl Dev {
    fn start() -> Dev {
        let directory = tempfile::tempdir().expect("a directory");
        let address = free_ports().clients;
        let mut command = stator(&["dev", "--listen", &address]);
        command.arg("--data").arg(directory.path().join("data")).stdout(Stdio::null());
        let dev = Dev { child: command.spawn().expect("the program runs"), address, _directory: directory };
        eventually("a node that is ready", || {
            get(&dev.address, "/readyz").is_ok_and(|r| r.status == 200).then_some(())
        });
        assert_eq!(post(&dev.address, "CreateTable", TABLE.as_bytes()).expect("it answers").status, 200);
        eventually("an ACTIVE table", || dev.serves().then_some(()));
        dev
    }

    /// Whether a proper request is served.
    fn serves(&self) -> bool {
        let put = br#"{"TableName":"things","Item":{"id":{"S":"good"}}}"#;
        post(&self.address, "PutItem", put).is_ok_and(|reply| reply.status == 200)
    }

    /// Memory that it occupies.
    fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux tells it");
        line.trim().trim_end_matches(" kB").trim().parse().expect("a number")
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn bad_bodies_are_refused_and_change_nothing() {
    let dev = Dev::start();
    let before = dev.resident_kib();
    let nested = |levels: usize| {
        let value = format!("{}{{\"S\":\"x\"}}{}", r#"{"L":["#.repeat(levels), "]}".repeat(levels));
        format!(r#"{{"TableName":"things","Item":{{"id":{{"S":"bad"}},"a":{value}}}}}"#).into_bytes()
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("cut off", br#"{"TableName":"things","Item":{"id":{"S":"ba"#.to_vec()),
        ("no object", b"[]".to_vec()),
        ("no JSON", b"TableName=things".to_vec()),
        ("more behind the end", br#"{"TableName":"things","Item":{"id":{"S":"bad"}}} {}"#.to_vec()),
        ("not UTF-8", b"{\"TableName\":\"things\",\"Item\":{\"id\":{\"S\":\"bad\xff\xfe\"}}}".to_vec()),
        ("half a surrogate", br#"{"TableName":"things","Item":{"id":{"S":"bad\ud800"}}}"#.to_vec()),
        ("two types", br#"{"TableName":"things","Item":{"id":{"S":"bad","N":"1"}}}"#.to_vec()),
        ("no type", br#"{"TableName":"things","Item":{"id":{}}}"#.to_vec()),
        ("a number for a text", br#"{"TableName":"things","Item":{"id":{"S":7}}}"#.to_vec()),
        ("a text for an object", br#"{"TableName":"things","Item":"bad"}"#.to_vec()),
        ("a list for a name", br#"{"TableName":["things"],"Item":{"id":{"S":"bad"}}}"#.to_vec()),
        ("the key of another type", br#"{"TableName":"things","Item":{"id":{"N":"1"}}}"#.to_vec()),
        (
            "39 digits",
            format!(r#"{{"TableName":"things","Item":{{"id":{{"S":"bad"}},"n":{{"N":"{}"}}}}}}"#, "9".repeat(39))
                .into(),
        ),
        ("33 levels", nested(33)),
        ("100,000 levels", nested(100_000)),
        ("100,000 open brackets", "[".repeat(100_000).into()),
        (
            "more than an item",
            format!(r#"{{"TableName":"things","Item":{{"id":{{"S":"bad"}},"a":{{"S":"{}"}}}}}}"#, "x".repeat(410_000))
                .into(),
        ),
    ];
    for (case, body) in &cases {
        let reply = post(&dev.address, "PutItem", body).expect("it answers");
        assert_eq!(reply.status, 400, "{case}: {}", reply.body);
        assert!(reply.body.contains("__type"), "{case}: {}", reply.body);
    }
    let large = post(&dev.address, "PutItem", &vec![b' '; BODY_BYTES_MAX + 1]).expect("it answers");
    assert_eq!(large.status, 413, "{}", large.body);
    let scan = post(&dev.address, "Scan", br#"{"TableName":"things","ConsistentRead":true}"#).expect("it answers");
    assert!(scan.status == 200 && !scan.body.contains("bad"), "{}", scan.body);
    assert!(dev.serves());
    let growth = dev.resident_kib().saturating_sub(before);
    assert!(growth < GROWTH_KIB_MAX, "it grew by {growth} KiB");
}

/// JSON leaves open what that means: here the last one counts, or the request is refused. Never both, never a mixture.
#[test]
fn of_a_member_that_comes_twice_the_last_counts() {
    let dev = Dev::start();
    for (case, item) in [
        ("an attribute", r#""id":{"S":"twice"},"a":{"N":"1"},"a":{"N":"2"}"#),
        ("a type", r#""id":{"S":"twice"},"a":{"N":"1","N":"2"}"#),
        ("the key", r#""id":{"S":"once"},"id":{"S":"twice"},"a":{"N":"2"}"#),
    ] {
        let put = format!(r#"{{"TableName":"nothing","TableName":"things","Item":{{{item}}}}}"#);
        let reply = post(&dev.address, "PutItem", put.as_bytes()).expect("it answers");
        let scan = post(&dev.address, "Scan", br#"{"TableName":"things","ConsistentRead":true}"#).expect("it answers");
        let is_stored = scan.body.contains(r#""twice""#) && scan.body.contains(r#"{"N":"2"}"#);
        assert!(!scan.body.contains(r#"{"N":"1"}"#) && !scan.body.contains("once"), "{case}: {}", scan.body);
        match reply.status {
            200 => assert!(is_stored, "{case}: {}", scan.body),
            status => assert!(status == 400 && !is_stored, "{case}: {} {}", reply.body, scan.body),
        }
        let delete = br#"{"TableName":"things","Key":{"id":{"S":"twice"}}}"#;
        assert_eq!(post(&dev.address, "DeleteItem", delete).expect("it answers").status, 200);
    }
}

#[test]
fn bad_heads_are_refused() {
    let dev = Dev::start();
    let long = "x".repeat(100_000);
    for (case, sent) in [
        ("no HTTP", "hello\r\n\r\n".to_owned()),
        ("TLS", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\r\n\r\n".to_owned()),
        ("a head without end", format!("POST / HTTP/1.1\r\nx: {long}\r\n\r\n")),
        ("a length that is none", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n".to_owned()),
        ("no operation", "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}".to_owned()),
        ("a body cut off", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 20\r\n\r\n{}".to_owned()),
    ] {
        match exchange(&dev.address, sent.as_bytes(), Then::CloseSending) {
            Ok(reply) => assert!(reply.status == 0 || (400..500).contains(&reply.status), "{case}: {reply:?}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{case}"),
        }
    }
    assert!(dev.serves());
}

#[test]
fn who_sends_a_byte_now_and_then_is_shut_out() {
    let dev = Dev::start();
    let head = "POST / HTTP/1.1\r\nhost: a\r\nx-amz-target: DynamoDB_20120810.ListTables\r\n";
    let mut slow = vec![(format!("{head}content-length: 1000000\r\n\r\n"), BODY_WAIT_MAX)];
    if is_slow_allowed() {
        // Of a head a node waits for longer: it may come with the next request on a connection that is kept.
        slow.push((format!("{head}x-slow: "), 3 * BODY_WAIT_MAX));
    }
    for (begin, time_max) in slow {
        let mut stream = TcpStream::connect(&dev.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_millis(200))).expect("above zero");
        stream.write_all(begin.as_bytes()).expect("it is connected");
        within(time_max, "the end of a slow connection", || {
            // The read takes the pause between two bytes.
            let is_refused = stream.write_all(b" ").is_err();
            match stream.read(&mut [0; 1024]) {
                Ok(0) => Some(()),
                Ok(_) => None,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    is_refused.then_some(())
                }
                Err(_) => Some(()),
            }
        });
        assert!(dev.serves());
    }
}

#[test]
fn a_crowd_of_idle_connections_costs_little() {
    let count: u64 = if is_slow_allowed() { 10_000 } else { 1_000 };
    let limit = getrlimit(Resource::Nofile);
    // Both ends of every connection, as the node inherits the limit.
    let wanted = limit.maximum.map_or(count + 500, |maximum| maximum.min(count + 500));
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum })
        .expect("not above the maximum");
    if wanted < count + 500 {
        let _ = writeln!(std::io::stderr(), "skipped: {count} idle connections (only {wanted} open files are allowed)");
        return;
    }
    let dev = Dev::start();
    let before = dev.resident_kib();
    let idle: Vec<TcpStream> = (0..count).map(|_| TcpStream::connect(&dev.address).expect("it accepts")).collect();
    let begin = Instant::now();
    assert!((0..50).all(|_| dev.serves()));
    println!("50 requests beside {count} idle connections took {:?}", begin.elapsed());
    let growth = dev.resident_kib().saturating_sub(before);
    println!("{count} idle connections cost {growth} KiB");
    assert!(growth < GROWTH_KIB_MAX, "{count} idle connections cost {growth} KiB");
    drop(idle);
}
