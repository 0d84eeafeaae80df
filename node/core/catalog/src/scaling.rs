//! Application Auto Scaling: what tables ask for, what was done, and what should be done next.
//!
//! Sources: Amazon DynamoDB Developer Guide, "Managing throughput capacity automatically with DynamoDB auto scaling"; Application
//! Auto Scaling User Guide, "Target tracking scaling policies".

mod decide;
#[cfg(test)]
mod tests;

pub use decide::{Scaling, decide};

use crate::table::Way;
use serde::{Deserialize, Serialize};
use stator_item::TableId;
use std::collections::{BTreeMap, VecDeque};

/// Activities of a target that are remembered.
pub const SCALING_ACTIVITIES_MAX: usize = 50;
/// Most policies of a target.
pub const SCALING_POLICIES_MAX: usize = 50;
/// Most tags of a target.
pub const SCALING_TAGS_MAX: usize = 50;

/// A capacity as a request names it: `ResourceId` and `ScalableDimension`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct ScalingResource {
    pub table: String,
    /// A global index's name.
    pub index: Option<String>,
    pub way: Way,
}

/// A capacity of a table or global index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Dimension {
    pub table: TableId,
    pub index: Option<TableId>,
    pub way: Way,
}

impl Dimension {
    /// Under which id consumption is counted.
    pub fn rows(&self) -> TableId {
        self.index.unwrap_or(self.table)
    }
}

/// `SuspendedState`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Suspended {
    pub scaling_in: bool,
    pub scaling_out: bool,
    pub scheduled: bool,
}

/// A scalable target: a capacity that Stator may change.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ScalableTarget {
    /// Never used again; its ARN is made of it.
    pub number: u64,
    /// Units, the least and the most.
    pub min: u64,
    pub max: u64,
    /// Recorded and shown.
    pub role_arn: Option<String>,
    /// Milliseconds since 1970, as all times here.
    pub created_ms: u64,
    pub suspended: Suspended,
    pub tags: BTreeMap<String, String>,
    /// By name.
    pub policies: BTreeMap<String, ScalingPolicy>,
    /// The oldest first.
    pub activities: VecDeque<ScalingActivity>,
    /// When it was last scaled, each way.
    pub last_out_ms: Option<u64>,
    pub last_in_ms: Option<u64>,
    /// When scaling last failed.
    pub last_failed_ms: Option<u64>,
}

/// `TargetTrackingScalingPolicyConfiguration`, with the predefined metric of the target's dimension.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct TargetTracking {
    /// Consumed of provisioned, from 20 to 90.
    pub target_percent: f64,
    /// Seconds.
    pub scale_out_cooldown: Option<u64>,
    pub scale_in_cooldown: Option<u64>,
    pub disable_scale_in: Option<bool>,
}

/// A target tracking policy.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ScalingPolicy {
    pub number: u64,
    pub created_ms: u64,
    pub tracking: TargetTracking,
}

/// Why a capacity is changed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ScalingCause {
    /// It is below the target's minimum, or above its maximum.
    Minimum,
    Maximum,
    /// More, or less, is consumed than the policy of that name wants.
    High {
        policy: String,
    },
    Low {
        policy: String,
    },
}

impl ScalingCause {
    fn is_out(&self) -> bool {
        matches!(self, ScalingCause::Minimum | ScalingCause::High { .. })
    }
}

/// One change of a capacity, made or failed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ScalingActivity {
    pub number: u64,
    pub cause: ScalingCause,
    pub from: u64,
    pub to: u64,
    pub at_ms: u64,
    /// `None`: it was made.
    pub failure: Option<String>,
}

impl ScalableTarget {
    pub(crate) fn note(&mut self, activity: ScalingActivity) {
        let at_ms = Some(activity.at_ms);
        match (&activity.failure, activity.cause.is_out()) {
            (Some(_), _) => self.last_failed_ms = at_ms,
            (None, true) => self.last_out_ms = at_ms,
            (None, false) => self.last_in_ms = at_ms,
        }
        if self.activities.len() >= SCALING_ACTIVITIES_MAX {
            self.activities.pop_front();
        }
        self.activities.push_back(activity);
    }
}

/// A change of what is asked of Application Auto Scaling, or one that it makes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum ScalingChange {
    /// Makes a target or changes it; what is not named stays.
    Register {
        resource: ScalingResource,
        min: Option<u64>,
        max: Option<u64>,
        role_arn: Option<String>,
        suspended: Option<Suspended>,
        /// Only for a new one.
        tags: BTreeMap<String, String>,
    },
    /// With its policies.
    Deregister {
        resource: ScalingResource,
    },
    PutPolicy {
        resource: ScalingResource,
        name: String,
        tracking: TargetTracking,
    },
    DeletePolicy {
        resource: ScalingResource,
        name: String,
    },
    ChangeTags {
        target: u64,
        set: BTreeMap<String, String>,
        remove: Vec<String>,
    },
    /// Changes a capacity, if it still has that many units.
    Scale {
        dimension: Dimension,
        from: u64,
        to: u64,
        cause: ScalingCause,
    },
}
