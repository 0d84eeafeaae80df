//! Namespaces, and the one way to make a process in them.

use super::{
    helper::{Step, StepFailed},
    plan::{INNER_USER, Plan},
};
use rustix::{
    io::Errno,
    process::{Pid, WaitOptions},
    thread::UnshareFlags,
};
use std::io::{Read, Write};

/// Leaves the server's namespaces for new ones. The process namespace is that of the next child.
pub(super) fn enter(plan: &Plan) -> Result<(), StepFailed> {
    let mut flags = UnshareFlags::NEWUSER
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWCGROUP;
    if !plan.open_network {
        flags |= UnshareFlags::NEWNET;
    }
    match plan.user {
        Some(user) => unshare_as_root(flags, user),
        None => {
            let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
            unshare(flags).step("namespaces")?;
            std::fs::write("/proc/self/setgroups", "deny").step("user map")?;
            std::fs::write("/proc/self/uid_map", format!("{INNER_USER} {user} 1")).step("user map")?;
            std::fs::write("/proc/self/gid_map", format!("{INNER_USER} {group} 1")).step("user map")
        }
    }
}

/// As root two users are mapped: root, to build the sandbox, and the one that the function will be. Such a map may only be
/// written from outside, so a child stays behind to do it.
fn unshare_as_root(flags: UnshareFlags, user: u32) -> Result<(), StepFailed> {
    let this = rustix::process::getpid().as_raw_nonzero();
    let (mut wait, mut go) = std::io::pipe().step("user map")?;
    match fork().step("user map")? {
        None => {
            drop(go);
            let mut byte = [0];
            let written = wait.read_exact(&mut byte).and_then(|()| {
                let map = format!("0 0 1\n{INNER_USER} {user} 1\n");
                std::fs::write(format!("/proc/{this}/uid_map"), &map)?;
                std::fs::write(format!("/proc/{this}/gid_map"), &map)
            });
            std::process::exit(if written.is_ok() { 0 } else { 1 });
        }
        Some(writer) => {
            drop(wait);
            unshare(flags).step("namespaces")?;
            go.write_all(&[1]).step("user map")?;
            let ended = rustix::process::waitpid(Some(writer), WaitOptions::empty()).step("user map")?;
            match ended.and_then(|(_, status)| status.exit_status()) {
                Some(0) => Ok(()),
                _ => Err("the map of users was refused").step("user map"),
            }
        }
    }
}

fn unshare(flags: UnshareFlags) -> Result<(), Errno> {
    debug_assert!(!flags.contains(UnshareFlags::FILES));
    // SAFETY: unsafe only because with `FILES` threads would stop sharing descriptors, which `OwnedFd`s of other threads rely
    // on. The flags never have it, and there is one thread.
    #[allow(unsafe_code)]
    unsafe {
        rustix::thread::unshare_unsafe(flags)
    }
}

/// Makes a child: its id, or `None` in the child.
pub(super) fn fork() -> Result<Option<Pid>, Errno> {
    // With a second thread the child could find a lock held for ever by a thread that it does not have.
    let threads = std::fs::read_dir("/proc/self/task").map_err(|_| Errno::IO)?.count();
    if threads != 1 {
        return Err(Errno::DEADLK);
    }
    // SAFETY: `fork` is undefined only for what other threads were doing, and there are none: the helper starts none, and it
    // was just counted. Parent and child each own all of their copied memory and descriptors.
    #[allow(unsafe_code)]
    let pid = unsafe { libc::fork() };
    match pid {
        0 => Ok(None),
        pid if pid > 0 => Ok(Pid::from_raw(pid)),
        _ => Err(std::io::Error::last_os_error().raw_os_error().map_or(Errno::AGAIN, Errno::from_raw_os_error)),
    }
}
