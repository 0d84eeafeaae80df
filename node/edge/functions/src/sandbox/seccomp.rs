//! System calls: the ones by which a process could leave its sandbox, or reach parts of the kernel that a function has no use
//! for, fail; so do those that this program does not know.

use super::{
    helper::{Step, StepFailed},
    plan::Plan,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};
use std::collections::BTreeMap;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Numbers above it are newer than this list, or of another calling convention (x32): they do not exist for functions.
const NEWEST: i64 = libc::SYS_mseal;

/// Never allowed.
const DENIED: &[i64] = &[
    // Namespaces, mounts, other roots.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_quotactl,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    // Large and young parts of the kernel.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // The machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    libc::SYS_personality,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
];

/// Flags of `clone` that make namespaces.
const NEW_NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// Binds this process and all that it starts. Needs no_new_privs.
pub(super) fn filter(plan: &Plan) -> Result<(), StepFailed> {
    let udp = plan.layers.namespaces || plan.open_network;
    // Where both filters refuse, the one that was put on last has the word.
    for (rules, matched, otherwise) in [
        (known(), SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS as u32)),
        (denied(udp).step("seccomp")?, SeccompAction::Errno(libc::EPERM as u32), SeccompAction::Allow),
    ] {
        let program: BpfProgram =
            SeccompFilter::new(rules, otherwise, matched, ARCHITECTURE).and_then(TryInto::try_into).step("seccomp")?;
        apply_filter(&program).step("seccomp")?;
    }
    Ok(())
}

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: TargetArch = TargetArch::x86_64;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: TargetArch = TargetArch::aarch64;

/// Every number up to the newest but `clone3`, whose flags a filter cannot see: libraries then take `clone`.
fn known() -> Rules {
    (0..=NEWEST).filter(|number| *number != libc::SYS_clone3).map(|number| (number, Vec::new())).collect()
}

fn denied(udp: bool) -> Result<Rules, seccompiler::BackendError> {
    use SeccompCmpArgLen::Dword;
    let mut rules: Rules = DENIED.iter().map(|number| (*number, Vec::new())).collect();
    let namespaces = NEW_NAMESPACES
        .into_iter()
        .map(|flag| {
            let flag = flag as u32 as u64;
            SeccompRule::new(vec![SeccompCondition::new(0, Dword, SeccompCmpOp::MaskedEq(flag), flag)?])
        })
        .collect::<Result<_, _>>()?;
    rules.insert(libc::SYS_clone, namespaces);
    // Sockets of other families than UNIX, IPv4, IPv6 and route netlink (which resolvers ask for addresses).
    let families = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
    let other = families
        .into_iter()
        .map(|family| SeccompCondition::new(0, Dword, SeccompCmpOp::Ne, family as u64))
        .collect::<Result<Vec<_>, _>>()?;
    let netlink = vec![
        SeccompCondition::new(0, Dword, SeccompCmpOp::Eq, libc::AF_NETLINK as u64)?,
        SeccompCondition::new(2, Dword, SeccompCmpOp::Ne, libc::NETLINK_ROUTE as u64)?,
    ];
    let mut sockets = vec![SeccompRule::new(other)?, SeccompRule::new(netlink)?];
    if !udp {
        // Landlock knows TCP only, so in the machine's network everything else ends here: other types, other protocols.
        let other_types = [libc::SOCK_DGRAM, libc::SOCK_RAW, libc::SOCK_RDM, libc::SOCK_SEQPACKET, libc::SOCK_DCCP];
        for family in [libc::AF_INET, libc::AF_INET6] {
            let family = SeccompCondition::new(0, Dword, SeccompCmpOp::Eq, family as u64)?;
            for kind in other_types {
                let kind = SeccompCondition::new(1, Dword, SeccompCmpOp::MaskedEq(0xf), kind as u64)?;
                sockets.push(SeccompRule::new(vec![family.clone(), kind])?);
            }
            sockets.push(SeccompRule::new(vec![
                family,
                SeccompCondition::new(2, Dword, SeccompCmpOp::Ne, 0)?,
                SeccompCondition::new(2, Dword, SeccompCmpOp::Ne, libc::IPPROTO_TCP as u64)?,
            ])?);
        }
    }
    rules.insert(libc::SYS_socket, sockets);
    Ok(rules)
}
