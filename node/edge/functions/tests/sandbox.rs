//! Functions that mean harm, or have gone wrong: contained and reported.

mod world;

use serde_json::json;
use stator_functions::{Deployment, RunError};
use std::{
    net::{TcpListener, UdpSocket},
    time::Duration,
};
use world::{PATIENCE, World, failed, namespaces_allowed, processes_with, tail};

/// A function in a module of its own, by whose name its processes can be found.
fn marked(world: &World, marker: &str, code: &str) -> Deployment {
    world.deploy("python3.11", &format!("{marker}.handler"), &[(&format!("{marker}.py"), code, false)])
}

async fn gone(marker: &str) -> bool {
    for _ in 0..PATIENCE.as_millis() / 20 {
        if processes_with(marker) == 0 {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

#[tokio::test]
async fn a_handler_that_hangs_is_ended_and_replaced() {
    let world = World::new();
    let code = "import time\ndef handler(event, context):\n    print('begun', flush=True)\n    time.sleep(event)\n    return 'done'\n";
    let mut deployment = marked(&world, "marker_hangs", code);
    deployment.timeout = Duration::from_secs(3);
    assert_eq!(world.answer(&deployment, "0").await, json!("done"));
    let invoked = world.invoke(&deployment, "1000").await;
    let (kind, message) = failed(&invoked);
    assert_eq!(kind, "Sandbox.Timedout");
    assert!(message.ends_with("Error: Task timed out after 3.00 seconds"), "{message}");
    let tail = tail(&invoked);
    assert!(tail.contains("begun\n") && tail.contains(" Task timed out after 3.00 seconds\nEND "), "{tail}");
    assert!(tail.contains("Status: timeout"), "{tail}");
    assert!(gone("marker_hangs").await, "its processes are left");
    assert_eq!(world.answer(&deployment, "0").await, json!("done"));
    world.close().await;
}

#[tokio::test]
async fn a_fork_bomb_is_contained() {
    if !namespaces_allowed("a_fork_bomb_is_contained") {
        return;
    }
    // Few, so that others who use the machine meanwhile notice little of it.
    let world = World::with(|settings| settings.processes_max = 100);
    let code = "
import os
def handler(event, context):
    while True:
        try:
            os.fork()
        except OSError:
            pass
";
    let mut bomb = marked(&world, "marker_bomb", code);
    bomb.timeout = Duration::from_secs(2);
    let harmless = world.python("def handler(event, context):\n    return 'alive'\n");
    let (bombed, alive) = tokio::join!(world.invoke(&bomb, "{}"), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.answer(&harmless, "{}").await
    });
    // Whichever of its limits it meets first.
    assert!(["Sandbox.Timedout", "Runtime.OutOfMemory"].contains(&failed(&bombed).0.as_str()), "{bombed:?}");
    assert_eq!(alive, json!("alive"));
    assert!(gone("marker_bomb").await, "its processes are left");
    world.close().await;
}

#[tokio::test]
async fn a_function_has_as_much_memory_as_it_was_given() {
    let world = World::new();
    let code = "def handler(event, context):\n    return len(bytearray(event << 20))\n";
    let deployment = world.python(code);
    assert_eq!(world.answer(&deployment, "100").await, json!(100 << 20));
    let invoked = world.invoke(&deployment, "2000").await;
    // By the control group, or where there is none by the limit of the process.
    let (kind, _) = failed(&invoked);
    assert!(["Runtime.OutOfMemory", "MemoryError"].contains(&kind.as_str()), "{kind} {}", tail(&invoked));
    assert_eq!(world.answer(&deployment, "1").await, json!(1 << 20), "it is replaced");
    world.close().await;
}

#[tokio::test]
async fn scratch_has_its_size_and_is_its_own() {
    if !namespaces_allowed("scratch_has_its_size_and_is_its_own") {
        return;
    }
    let world = World::new();
    let code = "
import os
def handler(event, context):
    written = 0
    try:
        with open('/tmp/fill', 'wb') as file:
            while written < 2 << 30:
                written += file.write(b'x' * (1 << 20))
    except OSError as error:
        return [error.errno, written, os.listdir('/tmp')]
";
    let mut deployment = world.python(code);
    deployment.memory_mb = 128;
    let answer = world.answer(&deployment, "{}").await;
    assert_eq!(answer[0], json!(28), "ENOSPC");
    let written = answer[1].as_u64().unwrap();
    assert!((500 << 20..=512 << 20).contains(&written), "{written}");
    assert_eq!(answer[2], json!(["fill"]));
    world.close().await;
}

#[tokio::test]
async fn the_machine_is_out_of_sight() {
    if !namespaces_allowed("the_machine_is_out_of_sight") {
        return;
    }
    let world = World::new();
    let code = "
import os
def attempt(act):
    try:
        return str(act())
    except OSError as error:
        return type(error).__name__
def handler(event, context):
    # Where the machine's own /proc is partly covered, there is none.
    proc = os.path.exists('/proc/self/fd')
    return {
        'data': attempt(lambda: open(event + '/secret').read()),
        'folder': attempt(lambda: os.listdir(event)),
        'shadow': attempt(lambda: open('/etc/shadow').read()),
        'write usr': attempt(lambda: open('/usr/evil', 'w')),
        'write code': attempt(lambda: open('/var/task/evil', 'w')),
        'write root': attempt(lambda: open('/evil', 'w')),
        'write dev': attempt(lambda: open('/dev/evil', 'w')),
        'environment of init': attempt(lambda: open('/proc/1/environ').read()),
        'root': sorted(os.listdir('/')),
        'processes': [pid for pid in os.listdir('/proc') if pid.isdigit()] if proc else None,
        'user': os.getuid(), 'host': os.uname().nodename,
        'descriptors': sorted(os.listdir('/proc/self/fd')) if proc else None,
    }
";
    let answer = world.answer(&world.python(code), &json!(world.data.path()).to_string()).await;
    assert_eq!(
        (answer["data"].as_str(), answer["folder"].as_str()),
        (Some("FileNotFoundError"), Some("FileNotFoundError"))
    );
    assert_eq!(answer["shadow"], json!("FileNotFoundError"));
    for path in ["write usr", "write code", "write root", "write dev", "environment of init"] {
        let found = answer[path].as_str().unwrap();
        let refused = ["OSError", "PermissionError", "FileNotFoundError"];
        assert!(refused.contains(&found), "{path}: {found}");
    }
    for folder in ["home", "sys", "boot", "srv", "mnt"] {
        assert!(!answer["root"].as_array().unwrap().contains(&json!(folder)), "{folder}");
    }
    if !answer["processes"].is_null() {
        assert_eq!(answer["processes"], json!(["1", "2"]));
        // Standard input, output, error, the connection, and the folder that is being listed.
        assert_eq!(answer["descriptors"], json!(["0", "1", "2", "3", "4"]));
    }
    assert_eq!((answer["user"].as_u64(), answer["host"].as_str()), (Some(1000), Some("function")));
    world.close().await;
}

#[tokio::test]
async fn only_stator_is_reached_unless_the_network_is_opened() {
    if !namespaces_allowed("only_stator_is_reached_unless_the_network_is_opened") {
        return;
    }
    let world = World::new();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_nonblocking(true).unwrap();
    let code = "
import socket
def attempt(act):
    try:
        act()
        return 'done'
    except OSError as error:
        return type(error).__name__
def handler(event, context):
    return [
        attempt(lambda: socket.create_connection(('127.0.0.1', event['tcp']), 2)),
        attempt(lambda: socket.create_connection(('192.0.2.1', 80), 2)),
        attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', event['udp']))),
        attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))),
        attempt(lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)),
        attempt(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)),
        attempt(lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).connect('\\0stator-test')),
    ]
";
    let payload = json!({"tcp": tcp.local_addr().unwrap().port(), "udp": udp.local_addr().unwrap().port()}).to_string();
    let closed = world.python(code);
    let answer = world.answer(&closed, &payload).await;
    assert_eq!(answer[0], json!("ConnectionRefusedError"));
    assert_eq!(answer[1], json!("OSError"), "the network is unreachable");
    assert!(udp.recv(&mut [0; 8]).is_err(), "a datagram got out");
    assert_eq!(answer[3], json!("OSError"));
    assert_eq!((&answer[4], &answer[5]), (&json!("PermissionError"), &json!("PermissionError")));
    assert_eq!(answer[6], json!("ConnectionRefusedError"));
    let mut open = world.python(code);
    open.open_network = true;
    open.revision = "open".to_owned();
    let answer = world.answer(&open, &payload).await;
    assert_eq!((&answer[0], &answer[2]), (&json!("done"), &json!("done")));
    assert!(udp.recv(&mut [0; 8]).is_ok());
    world.close().await;
}

#[tokio::test]
async fn the_kernel_is_out_of_reach() {
    let world = World::new();
    let code = "
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def attempt(name, *arguments):
    ctypes.set_errno(0)
    result = getattr(libc, name)(*arguments)
    return ctypes.get_errno() if result == -1 else 0
def handler(event, context):
    return {
        'unshare': attempt('unshare', 0x10000000),
        'mount': attempt('mount', b'none', b'/tmp', b'tmpfs', 0, None),
        'ptrace': attempt('ptrace', 16, 1, 0, 0),
        'bpf': attempt('syscall', 321, 0, 0, 0),
        'io_uring': attempt('syscall', 425, 1, 0),
        'x32': attempt('syscall', 0x40000000 + 39),
        'clone newuser': attempt('syscall', 56, 0x10000000 | 17, 0, 0, 0, 0),
        'keyctl': attempt('syscall', 250, 0, 0, 0),
    }
";
    if cfg!(not(target_arch = "x86_64")) {
        eprintln!("skipped: the numbers are those of x86-64");
        return;
    }
    let answer = world.answer(&world.python(code), "{}").await;
    for name in ["unshare", "mount", "ptrace", "bpf", "io_uring", "clone newuser", "keyctl"] {
        assert_eq!(answer[name], json!(1), "{name}: EPERM");
    }
    assert_eq!(answer["x32"], json!(38), "ENOSYS");
    world.close().await;
}

#[tokio::test]
async fn a_function_that_kills_hurts_only_itself() {
    if !namespaces_allowed("a_function_that_kills_hurts_only_itself") {
        return;
    }
    let world = World::new();
    let code = "
import os, signal
def handler(event, context):
    for pid in (os.getppid(), 1, -1):
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
    if event == 'itself':
        os.kill(os.getpid(), signal.SIGKILL)
    return 'alive'
";
    let deployment = marked(&world, "marker_kills", code);
    assert_eq!(world.answer(&deployment, r#""others""#).await, json!("alive"));
    let (kind, message) = failed(&world.invoke(&deployment, r#""itself""#).await);
    assert_eq!(kind, "Runtime.ExitError");
    assert!(message.ends_with("Error: Runtime exited with error: signal: killed"), "{message}");
    assert_eq!(world.answer(&deployment, r#""others""#).await, json!("alive"), "it is replaced");
    world.close().await;
}

#[tokio::test]
async fn every_way_to_end_is_told() {
    let world = World::new();
    let code = "
import os, sys
def handler(event, context):
    if event == 'abort':
        os.abort()
    if event == 'exit':
        sys.exit(0)
    if event == 'leave':
        os._exit(7)
    return 'x' * event
";
    let deployment = world.python(code);
    for (event, ending) in [
        ("abort", "Runtime exited with error: signal: aborted"),
        ("exit", "Runtime exited without providing a reason"),
        ("leave", "Runtime exited with error: exit status 7"),
    ] {
        let invoked = world.invoke(&deployment, &json!(event).to_string()).await;
        let (kind, message) = failed(&invoked);
        assert_eq!(kind, "Runtime.ExitError");
        assert!(message.ends_with(ending), "{message}");
        assert!(tail(&invoked).contains("Status: error\tError Type: Runtime.ExitError"));
    }
    // 6,291,556 bytes may be; two of them are quotes.
    let largest = world.answer(&deployment, "6291554").await;
    assert_eq!(largest.as_str().unwrap().len(), 6_291_554);
    let (kind, message) = failed(&world.invoke(&deployment, "6291555").await);
    assert_eq!(kind, "Function.ResponseSizeTooLarge");
    assert_eq!(message, "Response payload size exceeded maximum allowed payload size (6291556 bytes).");
    assert_eq!(world.answer(&deployment, "1").await, json!("x"));
    let (kind, _) = failed(&world.invoke(&deployment, "{no json").await);
    assert_eq!(kind, "Runtime.UnmarshalError");
    world.close().await;
}

#[tokio::test]
async fn a_chatty_function_is_heard_in_order_and_cut() {
    let world = World::new();
    let code = "def handler(event, context):\n    for n in range(event):\n        print('line', n, 'x' * 50)\n    return 'done'\n";
    let deployment = world.python(code);
    let invoked = world.invoke(&deployment, "50000").await;
    assert_eq!(world::answered(&invoked), json!("done"));
    let tail = tail(&invoked);
    assert_eq!(tail.len(), 4096);
    assert!(tail.contains("line 49999 ") && tail.contains("\nREPORT RequestId: "), "{tail}");
    let numbers: Vec<usize> = world
        .outside
        .lines
        .lock()
        .iter()
        .filter_map(|line| line.strip_prefix("line ")?.split(' ').next()?.parse().ok())
        .collect();
    assert_eq!(numbers, (0..50_000).collect::<Vec<_>>());
    world.close().await;
}

#[tokio::test]
async fn without_namespaces_the_other_layers_hold() {
    let world = World::with(|settings| settings.namespaces = false);
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let code = "
import os, socket, subprocess, urllib.request
def attempt(act):
    try:
        return str(act())
    except OSError as error:
        return type(error).__name__
def handler(event, context):
    subprocess.Popen(['sleep', '1000', 'marker_orphan'], start_new_session=True)
    open(os.environ['TMPDIR'] + '/mine', 'w').write('x')
    return {
        'data': attempt(lambda: open(event['data'] + '/secret').read()),
        'write': attempt(lambda: open('/tmp/stator-evil', 'w')),
        'tcp': attempt(lambda: socket.create_connection(('127.0.0.1', event['tcp']), 2)),
        'udp': attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
        'parent': attempt(lambda: os.kill(os.getppid(), 9)),
        'endpoint': urllib.request.urlopen(os.environ['AWS_ENDPOINT_URL']).read().decode(),
    }
";
    let payload = json!({"data": world.data.path(), "tcp": tcp.local_addr().unwrap().port()}).to_string();
    let answer = world.answer(&marked(&world, "marker_bare", code), &payload).await;
    let refused = json!("PermissionError");
    for name in ["data", "write", "tcp", "udp", "parent"] {
        assert_eq!(answer[name], refused, "{name}");
    }
    assert_eq!(answer["endpoint"], json!("hello"));
    world.close().await;
    assert!(gone("marker_bare").await && gone("marker_orphan").await, "its processes are left");
}

#[tokio::test]
async fn a_required_sandbox_is_whole_or_nothing_runs() {
    let world = World::with(|settings| {
        settings.namespaces = false;
        settings.sandbox = stator_functions::SandboxMode::Required;
    });
    let refused = world.try_invoke(&world.python("def handler(event, context):\n    pass\n"), "{}").await;
    match refused {
        Err(RunError::Sandbox(missing)) => assert!(missing.contains("namespaces"), "{missing}"),
        other => panic!("{other:?}"),
    }
    world.close().await;
}
