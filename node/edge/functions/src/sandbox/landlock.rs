//! Landlock: what the process may open, whatever is mounted, and whom it may signal.

use super::{
    helper::{Step, StepFailed},
    plan::{Plan, SYSTEM_FOLDERS},
};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use std::path::Path;

/// What is asked for; an older kernel gives what it has.
const VERSION: ABI = ABI::V6;

/// Binds this process and all that it starts.
pub(super) fn restrict(plan: &Plan) -> Result<(), StepFailed> {
    let status = rules(plan).and_then(RulesetCreated::restrict_self).step("landlock")?;
    if status.ruleset == RulesetStatus::NotEnforced {
        return Err("the kernel has no Landlock").step("landlock");
    }
    Ok(())
}

fn rules(plan: &Plan) -> Result<RulesetCreated, RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(VERSION))?
        .scope(BitFlags::from(Scope::AbstractUnixSocket) | Scope::Signal)?;
    let ports_matter = !plan.layers.namespaces && !plan.open_network;
    if ports_matter {
        ruleset = ruleset.handle_access(AccessNet::from_all(VERSION))?;
    }
    let mut created = ruleset.create()?;
    let read = AccessFs::from_read(VERSION);
    let write = AccessFs::from_all(VERSION);
    let device = AccessFs::ReadFile | AccessFs::WriteFile;
    if plan.layers.namespaces {
        // The root is the function's own: all of it may be read.
        created = allow(created, Path::new("/"), read)?;
        created = allow(created, Path::new("/tmp"), write)?;
    } else {
        for folder in SYSTEM_FOLDERS {
            created = allow(created, Path::new(folder), read)?;
        }
        for bind in &plan.binds {
            created = allow(created, &bind.source, read)?;
        }
        for path in
            ["/proc/self", "/dev/random", "/dev/urandom", "/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf"]
        {
            created = allow(created, Path::new(path), read)?;
        }
        created = allow(created, &plan.scratch, write)?;
    }
    for path in ["/dev/null", "/dev/zero", "/dev/full"] {
        created = allow(created, Path::new(path), device)?;
    }
    if ports_matter {
        for port in &plan.ports {
            created = created.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
        }
    }
    Ok(created)
}

/// Allows `access` beneath a path, if it exists. Rights of folders are left out where the path is a file.
fn allow(created: RulesetCreated, path: &Path, access: BitFlags<AccessFs>) -> Result<RulesetCreated, RulesetError> {
    let Ok(metadata) = std::fs::metadata(path) else { return Ok(created) };
    let Ok(descriptor) = PathFd::new(path) else { return Ok(created) };
    let access = if metadata.is_dir() { access } else { access & AccessFs::from_file(VERSION) };
    created.add_rule(PathBeneath::new(descriptor, access))
}
