//! Functions as the catalog knows them: configurations, versions, aliases and what belongs to them. Their code is not here but
//! in a system table, under its hash.

use crate::secret::Secret;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// Most bytes that the configurations of all functions, their versions and aliases may have together: they are in the catalog,
/// of which every node has a copy.
pub const FUNCTIONS_BYTES_MAX: usize = 16 << 20;
/// Most bytes of code of all functions and versions unless a setting says otherwise, Lambda's quota (75 GB).
pub const CODE_STORAGE_BYTES_MAX: u64 = 75 << 30;
/// Executions at once of all functions together, Lambda's default quota.
pub const CONCURRENCY_MAX: u32 = 1_000;
/// So many of them cannot be reserved.
pub const UNRESERVED_CONCURRENCY_MIN: u32 = 100;
/// Most tags of a function.
pub const FUNCTION_TAGS_MAX: usize = 50;
/// Most bytes of a function's policy (Lambda's quota: 20 KB).
pub const POLICY_BYTES_MAX: usize = 20_480;
/// How old code may be, since its upload began, when a version first refers to it. What is older may be on its way out.
pub const UPLOAD_AGE_MS_MAX: u64 = 30 * 60 * 1_000;

/// Names a function among all that ever were.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct FunctionId(pub u64);

/// The code of a version, a zip: where it lies and how many bytes it has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FunctionCode {
    pub sha256: [u8; 32],
    pub bytes: u64,
}

/// `LoggingConfig`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Logging {
    /// `JSON`, otherwise `Text`.
    pub is_json: bool,
    pub application_level: Option<String>,
    pub system_level: Option<String>,
    /// `None`: `/aws/lambda/` and the function's name.
    pub group: Option<String>,
}

/// What UpdateFunctionConfiguration changes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FunctionConfiguration {
    pub runtime: String,
    pub role: String,
    pub handler: String,
    pub description: String,
    pub timeout_s: u32,
    pub memory_mb: u32,
    pub ephemeral_mb: u32,
    pub environment: Option<Secret<BTreeMap<String, String>>>,
    /// `TracingConfig` says Active.
    pub is_traced: bool,
    pub logging: Logging,
    /// `DeadLetterConfig`: an ARN.
    pub dead_letter: Option<String>,
}

/// A version: what is run. Never changed once it is published.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FunctionVersion {
    pub configuration: FunctionConfiguration,
    pub code: FunctionCode,
    /// `Architectures`.
    pub is_arm: bool,
    /// Milliseconds since 1970.
    pub modified_ms: u64,
    /// `RevisionId`.
    pub revision: u128,
}

impl FunctionVersion {
    /// Whether publishing one where the other was published already would make an equal version. A description counts only
    /// if one is given for it.
    pub(crate) fn is_like(&self, other: &FunctionVersion) -> bool {
        let plain = |version: &FunctionVersion| FunctionConfiguration {
            description: String::new(),
            ..version.configuration.clone()
        };
        self.code == other.code && self.is_arm == other.is_arm && plain(self) == plain(other)
    }
}

/// A name for a version, or for two of them.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Alias {
    /// `None`: `$LATEST`.
    pub version: Option<u64>,
    pub description: String,
    /// Another version, and which part of all invocations (0 to 1) it gets.
    pub additional: Option<(u64, f64)>,
    pub revision: u128,
}

/// A resource policy: statements by their ids, each JSON as it was made.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Policy {
    pub statements: BTreeMap<String, String>,
    pub revision: u128,
}

/// `FunctionEventInvokeConfig`: what becomes of events that were accepted.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct EventInvoke {
    pub retries_max: Option<u32>,
    pub age_s_max: Option<u32>,
    /// ARNs.
    pub on_success: Option<String>,
    pub on_failure: Option<String>,
    /// Milliseconds since 1970.
    pub modified_ms: u64,
}

/// A function with all that belongs to its name.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Function {
    pub id: FunctionId,
    pub name: String,
    /// `$LATEST`.
    pub latest: Arc<FunctionVersion>,
    pub versions: BTreeMap<u64, Arc<FunctionVersion>>,
    /// The version that was published last, which may be gone.
    pub last_version: u64,
    pub aliases: BTreeMap<String, Alias>,
    /// `None`: none is reserved.
    pub reserved_concurrency: Option<u32>,
    pub tags: BTreeMap<String, String>,
    /// By version or alias; empty for the function itself.
    pub policies: BTreeMap<String, Policy>,
    /// By version or alias; `$LATEST` for the function itself.
    pub event_invokes: BTreeMap<String, EventInvoke>,
    /// `RecursiveLoop` is Allow.
    pub may_recur: bool,
}

/// `$LATEST` as a qualifier.
pub const LATEST: &str = "$LATEST";

/// What a qualifier names.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Qualified<'f> {
    Latest(&'f Arc<FunctionVersion>),
    Version(u64, &'f Arc<FunctionVersion>),
    Alias(&'f Alias),
}

impl Function {
    /// The version of that number; `None` stands for `$LATEST`.
    pub fn version(&self, version: Option<u64>) -> Option<&Arc<FunctionVersion>> {
        match version {
            None => Some(&self.latest),
            Some(number) => self.versions.get(&number),
        }
    }

    /// What a version's number, an alias or `$LATEST` names here.
    pub fn qualified(&self, qualifier: &str) -> Option<Qualified<'_>> {
        if qualifier == LATEST {
            return Some(Qualified::Latest(&self.latest));
        }
        // An alias is never all digits.
        match qualifier.parse::<u64>() {
            Ok(number) => self.versions.get(&number).map(|version| Qualified::Version(number, version)),
            Err(_) => self.aliases.get(qualifier).map(Qualified::Alias),
        }
    }

    /// All versions, `$LATEST` among them.
    pub fn all_versions(&self) -> impl Iterator<Item = &Arc<FunctionVersion>> {
        std::iter::once(&self.latest).chain(self.versions.values())
    }

    /// Bytes of code that count for the function, as Lambda counts them: each version's.
    pub fn code_bytes(&self) -> u64 {
        self.all_versions().map(|version| version.code.bytes).sum()
    }
}

/// A function to be made: what CreateFunction asks for, checked.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FunctionSpec {
    pub name: String,
    pub configuration: FunctionConfiguration,
    pub is_arm: bool,
    pub tags: BTreeMap<String, String>,
}

/// What UpdateFunctionConfiguration names; the rest stays.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FunctionUpdate {
    pub runtime: Option<String>,
    pub role: Option<String>,
    pub handler: Option<String>,
    pub description: Option<String>,
    pub timeout_s: Option<u32>,
    pub memory_mb: Option<u32>,
    pub ephemeral_mb: Option<u32>,
    pub environment: Option<Secret<BTreeMap<String, String>>>,
    pub is_traced: Option<bool>,
    pub logging: Option<Logging>,
    /// Empty: none any more.
    pub dead_letter: Option<String>,
}

/// What UpdateAlias names; the rest stays.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct AliasUpdate {
    /// The inner `None` is `$LATEST`.
    pub version: Option<Option<u64>>,
    pub description: Option<String>,
    /// The inner `None`: no other version any more.
    pub additional: Option<Option<(u64, f64)>>,
}

/// What Put- and UpdateFunctionEventInvokeConfig name.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct EventInvokeUpdate {
    pub retries_max: Option<u32>,
    pub age_s_max: Option<u32>,
    /// Empty: none any more.
    pub on_success: Option<String>,
    pub on_failure: Option<String>,
    /// What is not named goes (Put), or stays (Update).
    pub replaces: bool,
}

/// Code that was uploaded and no version may refer to yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UploadedCode {
    pub code: FunctionCode,
    /// When its upload began, in milliseconds since 1970.
    pub uploaded_ms: u64,
}

/// A change of one function.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FunctionChange {
    pub function: String,
    pub what: FunctionChangeKind,
    /// The `RevisionId` of what this makes or changes; random.
    pub revision: u128,
    /// The `RevisionId` that what is changed must have.
    pub if_revision: Option<u128>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum FunctionChangeKind {
    Create {
        spec: Box<FunctionSpec>,
        code: UploadedCode,
        publish: bool,
        /// A setting that overrides [`CODE_STORAGE_BYTES_MAX`].
        code_bytes_max: Option<u64>,
    },
    UpdateCode {
        code: UploadedCode,
        is_arm: Option<bool>,
        publish: bool,
        code_bytes_max: Option<u64>,
    },
    UpdateConfiguration(Box<FunctionUpdate>),
    /// The whole function, or one version of it.
    Delete {
        version: Option<u64>,
    },
    PublishVersion {
        /// What `$LATEST`'s code must be.
        sha256: Option<[u8; 32]>,
        description: Option<String>,
        code_bytes_max: Option<u64>,
    },
    CreateAlias {
        alias: String,
        version: Option<u64>,
        description: String,
        additional: Option<(u64, f64)>,
    },
    UpdateAlias {
        alias: String,
        update: AliasUpdate,
    },
    DeleteAlias {
        alias: String,
    },
    ReserveConcurrency(Option<u32>),
    ChangeTags {
        set: BTreeMap<String, String>,
        remove: Vec<String>,
    },
    AddPermission {
        /// Empty: the function itself.
        qualifier: String,
        statement_id: String,
        statement: String,
    },
    RemovePermission {
        qualifier: String,
        statement_id: String,
    },
    ConfigureEvents {
        qualifier: String,
        update: EventInvokeUpdate,
    },
    ForgetEvents {
        qualifier: String,
    },
    SetRecursion {
        may_recur: bool,
    },
}

/// Why a function is not changed. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error, Serialize, Deserialize)]
pub enum FunctionRefusal {
    #[error("function {name} does not exist")]
    NoSuchFunction { name: String, qualifier: Option<String> },
    #[error("function {0} exists already")]
    FunctionExists(String),
    #[error("alias {alias} of function {function} does not exist")]
    NoSuchAlias { function: String, alias: String },
    #[error("alias {alias} of function {function} exists already")]
    AliasExists { function: String, alias: String },
    /// No statement of that id, no configuration, no such thing; the text is Lambda's.
    #[error("{0}")]
    NotFound(String),
    #[error("function {function} has no configuration for events of {qualifier}")]
    NoEventInvoke { function: String, qualifier: String },
    #[error("{0}")]
    Conflict(String),
    #[error("{0}")]
    Invalid(String),
    /// Another change came in between.
    #[error("the RevisionId is another one")]
    OtherRevision,
    /// The code of all functions would be too large.
    #[error("the code of all functions would have more than {max} bytes")]
    CodeStorageFull { max: u64 },
    /// The configurations of all functions would be too large.
    #[error("the configurations of all functions would have more than {max} bytes")]
    ConfigurationsFull { max: u64 },
    #[error("the policy would have more than {max} bytes")]
    PolicyFull { max: u64 },
    /// The code was uploaded so long ago that it may be gone.
    #[error("the code was uploaded too long ago")]
    UploadTooOld,
}
