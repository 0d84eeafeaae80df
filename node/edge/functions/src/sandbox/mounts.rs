//! The function's file system: a new root with what it may read, a `/tmp` of its own, and nothing else.

use super::{
    helper::{Step, StepFailed},
    plan::{INNER_USER, Plan, SYSTEM_FOLDERS},
};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive, mount_change,
    mount_remount, unmount,
};
use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

/// Devices that are harmless.
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

/// Files of `/tmp`, each of which costs kernel memory, however small it is.
const SCRATCH_FILES: u32 = 65_536;

/// Builds the root, makes it this process's, and lets go of the machine's.
pub(super) fn enter(plan: &Plan) -> Result<(), StepFailed> {
    let root = plan.root.as_path();
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).step("mounts")?;
    mount("tmpfs", root, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, Some(c"size=1m,mode=755")).step("mounts")?;
    for folder in SYSTEM_FOLDERS {
        system(root, Path::new(folder)).step("system folders")?;
    }
    for bind in &plan.binds {
        bind_at(root, &bind.source, &bind.target).step("binds")?;
    }
    for hidden in &plan.hidden {
        hide(root, hidden).step("hidden folders")?;
    }
    files(plan, root).step("files")?;
    devices(root).step("devices")?;
    processes(root).step("proc")?;
    scratch(root, plan.scratch_bytes).step("scratch")?;
    read_only(root).step("read-only")?;
    std::env::set_current_dir(root).step("root")?;
    // The old root lands on top of the new one and is taken away: the idiom of pivot_root(2).
    rustix::process::pivot_root(".", ".").step("root")?;
    unmount(".", UnmountFlags::DETACH).step("root")?;
    std::env::set_current_dir("/").step("root")
}

/// Where a path of the machine is under the new root.
fn under(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// A system folder as it is: `/bin` is a folder on some machines, a link on others, and missing is missing.
fn system(root: &Path, path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() && !path.starts_with("/etc") => {
            std::os::unix::fs::symlink(std::fs::read_link(path)?, under(root, path))
        }
        Ok(_) => bind_at(root, path, path),
        Err(_) => Ok(()),
    }
}

fn bind_at(root: &Path, source: &Path, target: &Path) -> io::Result<()> {
    let target = under(root, target);
    if std::fs::metadata(source)?.is_dir() {
        // A folder that is already seen, as part of one bound before, needs nothing.
        if let Err(error) = std::fs::create_dir_all(&target)
            && !target.is_dir()
        {
            return Err(error);
        }
        mount_bind_recursive(source, &target)?;
    } else {
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder)?;
        }
        if !target.exists() {
            std::fs::write(&target, "")?;
        }
        mount_bind(source, &target)?;
    }
    Ok(())
}

/// Covers a folder with an empty one, if it can be seen at all.
fn hide(root: &Path, folder: &Path) -> io::Result<()> {
    let target = under(root, folder);
    if target.is_dir() {
        mount("tmpfs", &target, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, Some(c"size=4k,mode=755"))?;
    }
    Ok(())
}

/// The few files without which libraries stumble.
fn files(plan: &Plan, root: &Path) -> io::Result<()> {
    let etc = root.join("etc");
    std::fs::create_dir_all(&etc)?;
    std::fs::create_dir_all(root.join("opt"))?;
    std::fs::create_dir_all(root.join("var/tmp"))?;
    std::fs::write(etc.join("passwd"), format!("function:x:{INNER_USER}:{INNER_USER}::/tmp:/sbin/nologin\n"))?;
    std::fs::write(etc.join("group"), format!("function:x:{INNER_USER}:\n"))?;
    std::fs::write(etc.join("nsswitch.conf"), "passwd: files\ngroup: files\nhosts: files dns\n")?;
    if plan.open_network {
        for file in ["/etc/hosts", "/etc/resolv.conf"] {
            if let Ok(text) = std::fs::read(file) {
                std::fs::write(under(root, Path::new(file)), text)?;
            }
        }
    } else {
        std::fs::write(etc.join("hosts"), "127.0.0.1 localhost function\n")?;
    }
    Ok(())
}

fn devices(root: &Path) -> io::Result<()> {
    let folder = root.join("dev");
    std::fs::create_dir_all(&folder)?;
    for device in DEVICES {
        let target = folder.join(device);
        std::fs::write(&target, "")?;
        mount_bind(Path::new("/dev").join(device), &target)?;
    }
    std::os::unix::fs::symlink("/proc/self/fd", folder.join("fd"))?;
    for (number, name) in ["stdin", "stdout", "stderr"].into_iter().enumerate() {
        std::os::unix::fs::symlink(format!("/proc/self/fd/{number}"), folder.join(name))?;
    }
    Ok(())
}

/// `/proc` of the new process namespace. Where the machine's own is partly covered (containers do it), the kernel refuses;
/// then there is none, and most programs do without.
fn processes(root: &Path) -> io::Result<()> {
    let folder = root.join("proc");
    std::fs::create_dir_all(&folder)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    match mount("proc", &folder, "proc", flags, None) {
        Ok(()) | Err(rustix::io::Errno::PERM) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn scratch(root: &Path, bytes: u64) -> io::Result<()> {
    let folder = root.join("tmp");
    std::fs::create_dir_all(&folder)?;
    let options = format!("size={bytes},nr_inodes={SCRATCH_FILES},mode=1777");
    let options = std::ffi::CString::new(options).map_err(io::Error::other)?;
    mount("tmpfs", &folder, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, Some(options.as_c_str()))?;
    Ok(())
}

/// Makes every mount under the root read-only but `/tmp`, devices and `/proc`; binds bring mounts below them along, so the
/// kernel is asked which there are. Flags that a mount has already are locked in a user namespace and must be given again.
fn read_only(root: &Path) -> io::Result<()> {
    let writable: BTreeSet<PathBuf> = ["tmp", "proc"].into_iter().map(|name| root.join(name)).collect();
    let devices = root.join("dev");
    for line in std::fs::read_to_string("/proc/self/mountinfo")?.lines() {
        let mut fields = line.split(' ');
        let (Some(place), Some(options)) = (fields.nth(4), fields.next()) else { continue };
        let place = PathBuf::from(unescape(place));
        if !place.starts_with(root) || writable.contains(&place) || place.starts_with(&devices) {
            continue;
        }
        let mut flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
        for option in options.split(',') {
            flags |= match option {
                "noexec" => MountFlags::NOEXEC,
                "noatime" => MountFlags::NOATIME,
                "nodiratime" => MountFlags::NODIRATIME,
                "relatime" => MountFlags::RELATIME,
                _ => MountFlags::empty(),
            };
        }
        mount_remount(&place, flags, c"")?;
    }
    Ok(())
}

/// mountinfo writes blanks, tabs, newlines and backslashes as `\040` and the like.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 4).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => {
                plain.push(char::from(code));
                rest = &rest[at + 4..];
            }
            None => {
                plain.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn blanks_of_mountinfo_are_read() {
        assert_eq!(unescape(r"/a\040b\134c"), r"/a b\c");
        assert_eq!(unescape(r"/plain"), "/plain");
        assert_eq!(unescape(r"/odd\9"), r"/odd\9");
    }
}
