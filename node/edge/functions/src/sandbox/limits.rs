//! Limits of the process (setrlimit), inherited by all that it starts.

use super::{
    helper::{Step, StepFailed},
    plan::Plan,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub(super) fn set(plan: &Plan) -> Result<(), StepFailed> {
    limit(Resource::Core, 0)?;
    limit(Resource::Nofile, plan.limits.files)?;
    // Counted in the user namespace; without one it would count, and stop, the server's own threads.
    if plan.layers.namespaces {
        limit(Resource::Nproc, plan.limits.processes)?;
    } else {
        // A `/tmp` of its own has a size; a folder of the machine has not, so at least each file has.
        limit(Resource::Fsize, plan.scratch_bytes)?;
    }
    if let Some(bytes) = plan.limits.data_bytes {
        limit(Resource::Data, bytes)?;
    }
    limit(Resource::Msgqueue, 0)?;
    limit(Resource::Rtprio, 0)
}

/// Lowers a limit, never raises it: that may be forbidden.
fn limit(resource: Resource, most: u64) -> Result<(), StepFailed> {
    let most = getrlimit(resource).maximum.map_or(most, |maximum| maximum.min(most));
    setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).step("limits")
}
