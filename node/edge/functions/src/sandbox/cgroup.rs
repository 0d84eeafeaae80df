//! Control groups: memory, processes and processor time of a function as a whole, where the machine lets us divide them.
//!
//! Version 2 where its controllers are delegated to the server, version 1 where its folders are writable, else none: then
//! limits of single processes have to do ([`super::limits`]).

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

/// Memory of the helper's own two processes, which are in the group, too.
const HELPER_BYTES: u64 = 16 << 20;
/// Memory for which Lambda gives one processor.
const MB_PER_PROCESSOR: u64 = 1769;
const PERIOD_US: u64 = 100_000;
/// Of the folder of all groups of a server; its process id and a number follow.
const PREFIX: &str = "stator-functions-";

/// Where groups can be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Cgroups {
    V2 { folder: PathBuf },
    V1 { memory: PathBuf, others: Vec<PathBuf> },
    None,
}

/// What an instance may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Share {
    pub memory_mb: u32,
    pub scratch_mb: u32,
    pub processes: u64,
}

impl Cgroups {
    /// Finds out what this machine allows, and removes what a server that is gone has left.
    pub fn find(configured: Option<&Path>) -> Cgroups {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        // A process may have several runners, in tests.
        static RUNNERS: AtomicU32 = AtomicU32::new(0);
        let name = format!("{PREFIX}{}-{}", std::process::id(), RUNNERS.fetch_add(1, Ordering::Relaxed));
        if let Some(parent) = configured.map(Path::to_path_buf).or_else(|| v2_parent(&own, &mounts))
            && let Ok(folder) = prepare_v2(&parent, &name)
        {
            return Cgroups::V2 { folder };
        }
        let folder =
            |controller| v1_folder(&own, &mounts, controller).and_then(|parent| make_group(&parent, &name).ok());
        match folder("memory") {
            Some(memory) => Cgroups::V1 { memory, others: ["pids", "cpu"].into_iter().filter_map(folder).collect() },
            None => Cgroups::None,
        }
    }

    /// Makes a group for one instance.
    pub fn make(&self, name: &str, share: Share) -> io::Result<Option<Group>> {
        let hard = (u64::from(share.memory_mb) + u64::from(share.scratch_mb)) * (1 << 20) + HELPER_BYTES;
        let quota = (u64::from(share.memory_mb) * PERIOD_US / MB_PER_PROCESSOR).max(PERIOD_US);
        // The helper's two processes count, too.
        let processes = share.processes + 2;
        let folders = match self {
            Cgroups::None => return Ok(None),
            Cgroups::V2 { folder } => vec![folder.join(name)],
            Cgroups::V1 { memory, others } => {
                [memory].into_iter().chain(others).map(|folder| folder.join(name)).collect()
            }
        };
        let group = Group { folders, version2: matches!(self, Cgroups::V2 { .. }) };
        for folder in &group.folders {
            fs::create_dir(folder)?;
        }
        let memory = &group.folders[0];
        if group.version2 {
            fs::write(memory.join("memory.max"), hard.to_string())?;
            // Swapping would only make a function that needs too much slow, and others with it. Not every kernel has the file.
            let _ = fs::write(memory.join("memory.swap.max"), "0");
            fs::write(memory.join("pids.max"), processes.to_string())?;
            let _ = fs::write(memory.join("cpu.max"), format!("{quota} {PERIOD_US}"));
        } else {
            fs::write(memory.join("memory.limit_in_bytes"), hard.to_string())?;
            let _ = fs::write(memory.join("memory.memsw.limit_in_bytes"), hard.to_string());
            for folder in &group.folders[1..] {
                if folder.join("pids.max").exists() {
                    fs::write(folder.join("pids.max"), processes.to_string())?;
                } else {
                    fs::write(folder.join("cpu.cfs_period_us"), PERIOD_US.to_string())?;
                    fs::write(folder.join("cpu.cfs_quota_us"), quota.to_string())?;
                }
            }
        }
        Ok(Some(group))
    }

    /// Removes the folder of all groups; for the end of the server.
    pub fn remove(&self) {
        match self {
            Cgroups::None => {}
            Cgroups::V2 { folder } => drop(fs::remove_dir(folder)),
            Cgroups::V1 { memory, others } => {
                for folder in [memory].into_iter().chain(others) {
                    let _ = fs::remove_dir(folder);
                }
            }
        }
    }
}

/// The group of one instance.
pub(crate) struct Group {
    /// That of memory first.
    folders: Vec<PathBuf>,
    version2: bool,
}

impl Group {
    /// Puts a process in, with all that it will start.
    pub fn add(&self, pid: u32) -> io::Result<()> {
        self.folders.iter().try_for_each(|folder| fs::write(folder.join("cgroup.procs"), pid.to_string()))
    }

    /// Memory of the processes, without what lies in `/tmp` and in the cache of files.
    pub fn process_bytes(&self) -> Option<u64> {
        let text = fs::read_to_string(self.folders[0].join("memory.stat")).ok()?;
        let name = if self.version2 { "anon " } else { "rss " };
        text.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
    }

    /// True if the kernel has ended one of the processes for want of memory.
    pub fn out_of_memory(&self) -> bool {
        let file = if self.version2 { "memory.events" } else { "memory.oom_control" };
        let text = fs::read_to_string(self.folders[0].join(file)).unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")).is_some_and(|count| count.trim() != "0")
    }

    /// Ends every process of the group, and removes it once they are gone; `false`: not yet.
    pub fn remove(&self) -> bool {
        let mut gone = true;
        for folder in &self.folders {
            if self.version2 {
                let _ = fs::write(folder.join("cgroup.kill"), "1");
            } else {
                kill_all(folder);
            }
            match fs::remove_dir(folder) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) => gone = false,
            }
        }
        gone
    }
}

fn kill_all(folder: &Path) {
    for pid in fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default().lines() {
        if let Some(pid) = pid.parse().ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// The server's own group of version 2, if there is one below the root: the root's is not ours to divide.
fn v2_parent(own: &str, mounts: &str) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mount = mount_point(mounts, |kind, _| kind == "cgroup2")?;
    Some(mount.join(path.trim_start_matches('/')))
}

/// Makes the server's folder with its controllers. A group may hold processes or divide controllers, not both; so the server
/// moves into a group of its own beside those of the functions. Where it does not live alone in its group, that fails, and
/// nothing is changed.
fn prepare_v2(parent: &Path, name: &str) -> io::Result<PathBuf> {
    const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];
    let offered = fs::read_to_string(parent.join("cgroup.controllers"))?;
    let offers = |controller: &str| offered.split_whitespace().any(|offer| offer == controller);
    if !offers("memory") || !offers("pids") {
        return Err(io::Error::other("the controllers are not delegated"));
    }
    let wanted: Vec<String> =
        CONTROLLERS.into_iter().filter(|controller| offers(controller)).map(|name| format!("+{name}")).collect();
    let enable = |folder: &Path| fs::write(folder.join("cgroup.subtree_control"), wanted.join(" "));
    if enable(parent).is_err() {
        let processes = fs::read_to_string(parent.join("cgroup.procs"))?;
        let own = std::process::id().to_string();
        if processes.lines().any(|pid| pid != own) {
            return Err(io::Error::other("other processes share the server's group"));
        }
        let server = make_group(parent, "stator-server")?;
        fs::write(server.join("cgroup.procs"), own)?;
        enable(parent)?;
    }
    let folder = make_group(parent, name)?;
    enable(&folder)?;
    Ok(folder)
}

/// The server's own group of a controller of version 1.
fn v1_folder(own: &str, mounts: &str, controller: &str) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        controllers.split(',').any(|name| name == controller).then_some(path)
    })?;
    let mount =
        mount_point(mounts, |kind, options| kind == "cgroup" && options.split(',').any(|option| option == controller))?;
    Some(mount.join(path.trim_start_matches('/')))
}

/// Where the first file system that fits is mounted: `fits` sees its kind and the options of the file system.
fn mount_point(mounts: &str, fits: impl Fn(&str, &str) -> bool) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mut kind = kind.split(' ');
        let (kind, options) = (kind.next()?, kind.nth(1)?);
        fits(kind, options).then(|| place.split(' ').nth(4).map(PathBuf::from)).flatten()
    })
}

/// Makes a group, and removes those that servers which are gone have left beside it.
fn make_group(parent: &Path, name: &str) -> io::Result<PathBuf> {
    for entry in fs::read_dir(parent)?.flatten() {
        let file_name = entry.file_name();
        let server = file_name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        let is_left = server.is_some_and(|pid| !Path::new("/proc").join(pid).exists());
        // One of this very name is of an earlier process with the same id.
        if is_left || file_name.to_str() == Some(name) {
            for group in fs::read_dir(entry.path())?.flatten().filter(|group| group.path().is_dir()) {
                kill_all(&group.path());
                let _ = fs::remove_dir(group.path());
            }
            let _ = fs::remove_dir(entry.path());
        }
    }
    let folder = parent.join(name);
    match fs::create_dir(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(folder),
    }
}

#[cfg(test)]
mod tests {
    use super::{v1_folder, v2_parent};
    use std::path::PathBuf;

    const MOUNTS: &str = "30 25 0:26 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
        31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:1 - cgroup cgroup rw,cpu,cpuacct\n\
        32 25 0:28 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

    #[test]
    fn folders_of_both_versions_are_found() {
        let own = "5:memory:/system/stator\n4:cpu,cpuacct:/\n0::/user.slice/stator.service\n";
        assert_eq!(v1_folder(own, MOUNTS, "memory"), Some(PathBuf::from("/sys/fs/cgroup/memory/system/stator")));
        assert_eq!(v1_folder(own, MOUNTS, "cpu"), Some(PathBuf::from("/sys/fs/cgroup/cpu,cpuacct/")));
        assert_eq!(v1_folder(own, MOUNTS, "pids"), None);
        assert_eq!(v2_parent(own, MOUNTS), Some(PathBuf::from("/sys/fs/cgroup/unified/user.slice/stator.service")));
        assert_eq!(v2_parent("5:memory:/\n", MOUNTS), None);
    }
}
