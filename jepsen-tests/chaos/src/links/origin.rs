//! Who has opened a connection: the process that holds its socket.

use std::{
    collections::BTreeMap,
    fs,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// A connection is in the tables before it is accepted; who has it in hand may show a moment later.
const TRIES: u32 = 20;
const LOOK_AGAIN: Duration = Duration::from_millis(5);

#[derive(Default)]
pub(super) struct Origins {
    nodes: Mutex<BTreeMap<usize, u32>>,
}

impl Origins {
    pub fn set(&self, node: usize, pid: Option<u32>) {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        match pid {
            Some(pid) => nodes.insert(node, pid),
            None => nodes.remove(&node),
        };
    }

    /// The node whose process has a socket of loopback with this port.
    pub async fn find(&self, port: u16) -> Option<usize> {
        for _ in 0..TRIES {
            let nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(inode) = inode_of(port)
                && let Some((node, _)) = nodes.iter().find(|(_, pid)| holds(**pid, inode))
            {
                return Some(*node);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        None
    }
}

/// The socket behind a local port of 127.0.0.1 that is connected.
fn inode_of(port: u16) -> Option<u64> {
    let local = format!("0100007F:{port:04X}");
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_it = fields.get(1) == Some(&local.as_str());
        let inode = fields.get(9)?.parse().ok().filter(|inode| *inode != 0);
        inode.filter(|_| is_it)
    })
}

fn holds(pid: u32, inode: u64) -> bool {
    let socket = format!("socket:[{inode}]");
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    files.filter_map(|file| fs::read_link(file.path()).ok()).any(|link| link.as_os_str() == socket.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[tokio::test]
    async fn the_holder_of_a_socket_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let stream = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
        let port = stream.local_addr().expect("connected").port();
        let origins = Origins::default();
        origins.set(4, Some(std::process::id()));
        assert_eq!(origins.find(port).await, Some(4));
        origins.set(4, None);
        assert_eq!(origins.find(port).await, None);
    }
}
