//! The network namespace: a loopback interface, and the two sockets on it that the server listens to.
//!
//! A socket belongs to the namespace in which it was made, whoever holds it. So the helper makes the listening sockets and the
//! server accepts from them: nothing has to carry bytes from one namespace to the other.

use super::plan::{ENDPOINT_PORT, RUNTIME_API_PORT};
use rustix::{
    fd::OwnedFd,
    io::Errno,
    net::{AddressFamily, SendFlags, SocketFlags, SocketType, netlink},
};
use std::net::{Ipv4Addr, SocketAddrV4};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;

/// Brings the loopback interface up and listens on both ports.
pub(super) fn listen() -> Result<Vec<OwnedFd>, Errno> {
    loopback_up()?;
    [RUNTIME_API_PORT, ENDPOINT_PORT]
        .into_iter()
        .map(|port| {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
            rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
            rustix::net::listen(&socket, BACKLOG)?;
            Ok(socket)
        })
        .collect()
}

/// Asks the kernel over rtnetlink to set the flag UP of interface 1, which is the loopback in every new namespace.
fn loopback_up() -> Result<(), Errno> {
    const RTM_NEWLINK: u16 = 16;
    const REQUEST_AND_ACK: u16 = 1 | 4;
    const UP: u32 = 1;
    const LENGTH: u32 = 32;
    let mut request = Vec::with_capacity(LENGTH as usize);
    // nlmsghdr: length, type, flags, sequence number, port.
    request.extend_from_slice(&LENGTH.to_ne_bytes());
    request.extend_from_slice(&RTM_NEWLINK.to_ne_bytes());
    request.extend_from_slice(&REQUEST_AND_ACK.to_ne_bytes());
    request.extend_from_slice(&[0; 8]);
    // ifinfomsg: family and type (any), index, flags, which of the flags are meant.
    request.extend_from_slice(&[0; 4]);
    request.extend_from_slice(&1i32.to_ne_bytes());
    request.extend_from_slice(&UP.to_ne_bytes());
    request.extend_from_slice(&UP.to_ne_bytes());
    debug_assert_eq!(request.len(), LENGTH as usize);
    // Without a protocol it is number 0, which is NETLINK_ROUTE.
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    rustix::net::sendto(&socket, &request, SendFlags::empty(), &netlink::SocketAddrNetlink::new(0, 0))?;
    let mut reply = [0; 256];
    let (length, _) = rustix::net::recv(&socket, &mut reply[..], rustix::net::RecvFlags::empty())?;
    // nlmsgerr: a header of 16 bytes, then the negative error number, 0 for success.
    let code = reply[..length].get(16..20).and_then(|bytes| bytes.try_into().ok()).map_or(-1, i32::from_ne_bytes);
    if code == 0 { Ok(()) } else { Err(Errno::from_raw_os_error(-code)) }
}
