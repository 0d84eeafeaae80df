//! Event source mappings: which function is called with the records of which stream, and how.
//!
//! They concern no table's description; how far each has come is in the state of the stream's partitions.

use crate::table::StreamLabel;
use serde::{Deserialize, Serialize};
use stator_item::{TableId, Uuid};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// Most mappings of one stream.
pub const MAPPINGS_OF_STREAM_MAX: usize = 100;
/// Most mappings of a cluster.
pub const MAPPINGS_MAX: usize = 10_000;

/// `UUID` of a mapping.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct MappingId(pub u128);

/// The text is no UUID.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a UUID")]
pub struct MappingIdError;

impl MappingId {
    /// The random UUID (version 4, RFC 9562) that these bits make.
    pub fn of_random(bits: u128) -> MappingId {
        MappingId(Uuid::random(bits).0)
    }
}

impl fmt::Display for MappingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid(self.0).fmt(f)
    }
}

impl FromStr for MappingId {
    type Err = MappingIdError;

    fn from_str(text: &str) -> Result<MappingId, MappingIdError> {
        let digits: String = text.chars().filter(|character| *character != '-').collect();
        let id = u128::from_str_radix(&digits, 16).map(MappingId).map_err(|_| MappingIdError)?;
        if id.to_string() == text.to_ascii_lowercase() { Ok(id) } else { Err(MappingIdError) }
    }
}

/// `StartingPosition`. AT_TIMESTAMP is not for DynamoDB's streams (Lambda Developer Guide, Parameters for DynamoDB).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum StartingPosition {
    TrimHorizon,
    Latest,
}

impl StartingPosition {
    /// As the API spells it.
    pub fn name(self) -> &'static str {
        match self {
            StartingPosition::TrimHorizon => "TRIM_HORIZON",
            StartingPosition::Latest => "LATEST",
        }
    }
}

/// `State` of the API.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum MappingState {
    /// Not all partitions know where it begins.
    Creating,
    Enabling,
    Enabled,
    Updating,
    Disabling,
    Disabled,
    /// Not all partitions have forgotten it.
    Deleting,
}

impl MappingState {
    /// As the API spells it.
    pub fn name(self) -> &'static str {
        match self {
            MappingState::Creating => "Creating",
            MappingState::Enabling => "Enabling",
            MappingState::Enabled => "Enabled",
            MappingState::Updating => "Updating",
            MappingState::Disabling => "Disabling",
            MappingState::Disabled => "Disabled",
            MappingState::Deleting => "Deleting",
        }
    }
}

/// Where records go that the function never took (`DestinationConfig.OnFailure`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Destination {
    /// A function's ARN: called with what became of the batch.
    Function(String),
    /// A table's name: gets an item for each record.
    Table(String),
}

/// What may be changed of a mapping. Source of ranges and defaults: Lambda Developer Guide, "DynamoDB event source mapping
/// parameters".
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MappingSettings {
    /// The function's ARN, maybe with a version or alias.
    pub function: String,
    /// Most records of one call, 1 to 10,000.
    pub batch_size: u32,
    /// How long a call waits for more records, in seconds, up to 300.
    pub batching_window_s: u32,
    /// Calls at a time for one shard, 1 to 10.
    pub parallelization: u32,
    /// Calls after the first one, up to 10,000; `None`: until the record is too old.
    pub retries_max: Option<u32>,
    /// Older records are not brought to the function, in seconds; `None`: until the stream has them no more.
    pub age_max_s: Option<u32>,
    /// A batch that fails is halved.
    pub bisects: bool,
    /// Length of a tumbling window in seconds, up to 900; 0: there are none.
    pub tumbling_window_s: u32,
    /// `ReportBatchItemFailures`: the answer says which records failed.
    pub reports_failures: bool,
    pub on_failure: Option<Destination>,
    /// Patterns, one of which a record must match; none: all do.
    pub filters: Vec<String>,
    /// `MetricsConfig` has `EventCount`.
    pub counts_events: bool,
}

impl MappingSettings {
    /// What CreateEventSourceMapping takes where nothing is said.
    pub fn new(function: String) -> MappingSettings {
        MappingSettings {
            function,
            batch_size: 100,
            batching_window_s: 0,
            parallelization: 1,
            retries_max: None,
            age_max_s: None,
            bisects: false,
            tumbling_window_s: 0,
            reports_failures: false,
            on_failure: None,
            filters: Vec::new(),
            counts_events: false,
        }
    }
}

/// What became of the latest calls (`LastProcessingResult`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ProcessingResult {
    NoRecords,
    Ok,
    Problem,
}

impl ProcessingResult {
    /// As the API spells it.
    pub fn text(self) -> &'static str {
        match self {
            ProcessingResult::NoRecords => "No records processed",
            ProcessingResult::Ok => "OK",
            ProcessingResult::Problem => "PROBLEM: Function call failed",
        }
    }
}

/// One event source mapping.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mapping {
    pub id: MappingId,
    /// The table of the stream; it may be gone.
    pub table: TableId,
    /// That table's name: the stream's ARN is made of it.
    pub table_name: String,
    pub stream: StreamLabel,
    pub starting: StartingPosition,
    pub settings: MappingSettings,
    pub state: MappingState,
    /// Whether it is to run.
    pub enabled: bool,
    /// Grows with every change of state or settings.
    pub version: u64,
    /// Milliseconds since 1970.
    pub modified_ms: u64,
    pub result: ProcessingResult,
    pub tags: BTreeMap<String, String>,
}

impl Mapping {
    /// Whether records are brought to the function: a mapping that is being updated goes on.
    pub fn runs(&self) -> bool {
        matches!(self.state, MappingState::Enabling | MappingState::Enabled | MappingState::Updating)
    }

    /// Whether all partitions know where it begins.
    pub fn has_begun(&self) -> bool {
        !matches!(self.state, MappingState::Creating | MappingState::Deleting)
    }
}

/// Changes of mappings.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum MappingChange {
    Create {
        id: MappingId,
        table: TableId,
        stream: StreamLabel,
        starting: StartingPosition,
        settings: MappingSettings,
        enabled: bool,
        tags: BTreeMap<String, String>,
    },
    /// What UpdateEventSourceMapping leaves of a mapping; `None`: enabled or disabled as it is.
    Update {
        id: MappingId,
        settings: MappingSettings,
        enabled: Option<bool>,
    },
    Delete {
        id: MappingId,
    },
    /// All partitions of the table have followed the mapping to its state of that version.
    Ready {
        id: MappingId,
        version: u64,
    },
    /// What became of its calls.
    Result {
        id: MappingId,
        result: ProcessingResult,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ids_are_uuids_and_read_back(bits in any::<u128>()) {
            let id = MappingId::of_random(bits);
            let text = id.to_string();
            prop_assert_eq!(text.len(), 36);
            prop_assert_eq!(&text[14..15], "4");
            prop_assert!("89ab".contains(&text[19..20]));
            prop_assert_eq!(text.parse(), Ok(id));
            prop_assert_eq!(text.to_uppercase().parse(), Ok(id));
        }

        #[test]
        fn other_texts_are_no_ids(text in "[0-9a-f-]{0,40}") {
            if let Ok(id) = text.parse::<MappingId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
