//! Giving up every privilege.

use super::{
    helper::{Step, StepFailed},
    plan::{INNER_USER, Plan},
};
use rustix::{
    fs::{Gid, Uid},
    thread::{CapabilitySet, CapabilitySets},
};

/// Becomes the function's user, and takes all capabilities off, those that a later program could gain, too.
pub(super) fn drop(plan: &Plan) -> Result<(), StepFailed> {
    // From the bounding set first: it takes a capability to remove others. Unknown numbers end the list.
    if plan.layers.namespaces || plan.user.is_some() {
        for number in 0..64u32 {
            let Some(capability) = 1u64.checked_shl(number).and_then(CapabilitySet::from_bits) else { break };
            match rustix::thread::remove_capability_from_bounding_set(capability) {
                Ok(()) => {}
                // Beyond the last one that this kernel knows.
                Err(rustix::io::Errno::INVAL) => break,
                Err(error) => return Err(error).step("capabilities"),
            }
        }
    }
    if plan.layers.namespaces && plan.user.is_some() {
        let (group, user) = (Gid::from_raw(INNER_USER), Uid::from_raw(INNER_USER));
        rustix::thread::set_thread_groups(&[]).step("user")?;
        // The process has one thread, so what holds for the thread holds for the process.
        rustix::thread::set_thread_res_gid(group, group, group).step("user")?;
        rustix::thread::set_thread_res_uid(user, user, user).step("user")?;
    }
    let none = CapabilitySet::empty();
    rustix::thread::clear_ambient_capability_set().step("capabilities")?;
    rustix::thread::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
        .step("capabilities")
}
