//! Members that operations on tables share, and what they are once read.

use crate::error_table::ApiError;
use crate::reader::{Member, Members, Names, Shape, Structure};
use stator_catalog::{BillingMode, Sse, SseUpdate, StreamUpdate, StreamView, TableClass, Throughput, UnitsMax};
use std::collections::BTreeMap;

/// Most tags of a table.
const TAGS_MAX: usize = 50;

const KEY_ATTRIBUTE_NAME: Shape = Shape::String(Names::Length(1, 255));
const UNITS: Shape = Shape::Long { min: Some(1), max: None };
const LONG: Shape = Shape::Long { min: None, max: None };

static ATTRIBUTE_DEFINITION: Structure = Structure {
    name: "AttributeDefinition",
    members: &[
        Member::required("AttributeName", &KEY_ATTRIBUTE_NAME),
        Member::required("AttributeType", &Shape::String(Names::Enum(&["B", "N", "S"]))),
    ],
};

static KEY_SCHEMA_ELEMENT: Structure = Structure {
    name: "KeySchemaElement",
    members: &[
        Member::required("AttributeName", &KEY_ATTRIBUTE_NAME),
        Member::required("KeyType", &Shape::String(Names::Enum(&["HASH", "RANGE"]))),
    ],
};

const PROVISIONED_THROUGHPUT_MEMBERS: &Structure = &Structure {
    name: "ProvisionedThroughput",
    members: &[Member::required("ReadCapacityUnits", &UNITS), Member::required("WriteCapacityUnits", &UNITS)],
};

const ON_DEMAND_THROUGHPUT_MEMBERS: &Structure = &Structure {
    name: "OnDemandThroughput",
    members: &[Member::optional("MaxReadRequestUnits", &LONG), Member::optional("MaxWriteRequestUnits", &LONG)],
};

const WARM_THROUGHPUT_MEMBERS: &Structure = &Structure {
    name: "WarmThroughput",
    members: &[Member::optional("ReadUnitsPerSecond", &LONG), Member::optional("WriteUnitsPerSecond", &LONG)],
};

const STREAM_SPECIFICATION_MEMBERS: &Structure = &Structure {
    name: "StreamSpecification",
    members: &[
        Member::required("StreamEnabled", &Shape::Boolean),
        Member::optional(
            "StreamViewType",
            &Shape::String(Names::Enum(&["NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES", "KEYS_ONLY"])),
        ),
    ],
};

const SSE_SPECIFICATION_MEMBERS: &Structure = &Structure {
    name: "SSESpecification",
    members: &[
        Member::optional("Enabled", &Shape::Boolean),
        Member::optional("SSEType", &Shape::String(Names::Enum(&["AES256", "KMS"]))),
        Member::optional("KMSMasterKeyId", &Shape::String(Names::Length(0, 2_048))),
    ],
};

static TAG: Structure = Structure {
    name: "Tag",
    members: &[
        Member::required("Key", &Shape::String(Names::Length(1, 128))),
        Member::required("Value", &Shape::String(Names::Length(0, 256))),
    ],
};

pub(super) static ATTRIBUTE_DEFINITIONS: Shape = Shape::list(&Shape::Structure(&ATTRIBUTE_DEFINITION));
pub(super) static KEY_SCHEMA: Shape = Shape::List { of: &Shape::Structure(&KEY_SCHEMA_ELEMENT), min: 1, max: 2 };
/// Of a global index, whose key may have several attributes of a kind.
pub(super) static INDEX_KEY_SCHEMA: Shape =
    Shape::List { of: &Shape::Structure(&KEY_SCHEMA_ELEMENT), min: 1, max: usize::MAX };
pub(super) static TAGS: Shape = Shape::list(&Shape::Structure(&TAG));
pub(super) const BILLING_MODE: Member =
    Member::optional("BillingMode", &Shape::String(Names::Enum(&["PROVISIONED", "PAY_PER_REQUEST"])));
pub(super) const PROVISIONED_THROUGHPUT: Member =
    Member::optional("ProvisionedThroughput", &Shape::Structure(PROVISIONED_THROUGHPUT_MEMBERS));
pub(super) const ON_DEMAND_THROUGHPUT: Member =
    Member::optional("OnDemandThroughput", &Shape::Structure(ON_DEMAND_THROUGHPUT_MEMBERS));
pub(super) const WARM_THROUGHPUT: Member =
    Member::optional("WarmThroughput", &Shape::Structure(WARM_THROUGHPUT_MEMBERS));
pub(super) const STREAM_SPECIFICATION: Member =
    Member::optional("StreamSpecification", &Shape::Structure(STREAM_SPECIFICATION_MEMBERS));
pub(super) const SSE_SPECIFICATION: Member =
    Member::optional("SSESpecification", &Shape::Structure(SSE_SPECIFICATION_MEMBERS));
pub(super) const TABLE_CLASS: Member =
    Member::optional("TableClass", &Shape::String(Names::Enum(&["STANDARD", "STANDARD_INFREQUENT_ACCESS"])));
pub(super) const DELETION_PROTECTION: Member = Member::optional("DeletionProtectionEnabled", &Shape::Boolean);

/// "One or more parameter values were invalid: ..."
pub(super) fn invalid<T>(text: impl AsRef<str>) -> Result<T, ApiError> {
    Err(ApiError::validation(format!("One or more parameter values were invalid: {}", text.as_ref())))
}

pub(super) fn billing_mode(members: Members<'_>) -> Option<BillingMode> {
    members.text("BillingMode").map(|mode| match mode {
        "PAY_PER_REQUEST" => BillingMode::OnDemand,
        _ => BillingMode::Provisioned,
    })
}

pub(super) fn table_class(members: Members<'_>) -> Option<TableClass> {
    members.text("TableClass").map(|class| match class {
        "STANDARD_INFREQUENT_ACCESS" => TableClass::StandardInfrequentAccess,
        _ => TableClass::Standard,
    })
}

pub(super) fn provisioned_throughput(members: Members<'_>) -> Option<Throughput> {
    let throughput = members.structure("ProvisionedThroughput")?;
    Some(Throughput {
        read_units: throughput.unsigned("ReadCapacityUnits")?,
        write_units: throughput.unsigned("WriteCapacityUnits")?,
    })
}

/// `OnDemandThroughput`: most read and most write units.
pub(super) fn on_demand_throughput(members: Members<'_>) -> Result<(Option<UnitsMax>, Option<UnitsMax>), ApiError> {
    let Some(throughput) = members.structure("OnDemandThroughput") else { return Ok((None, None)) };
    let units = |name: &str| match throughput.integer(name) {
        None => Ok(None),
        Some(-1) => Ok(Some(UnitsMax::Unlimited)),
        Some(number) if number >= 1 => Ok(u64::try_from(number).ok().map(UnitsMax::Most)),
        Some(_) => invalid(format!("Requested {name} for OnDemandThroughput for table is outside of valid range")),
    };
    let (read, write) = (units("MaxReadRequestUnits")?, units("MaxWriteRequestUnits")?);
    if read.is_none() && write.is_none() {
        return invalid("OnDemandThroughput needs MaxReadRequestUnits or MaxWriteRequestUnits");
    }
    Ok((read, write))
}

/// `WarmThroughput`: read and write units a second. How much is the least depends on the table.
pub(super) fn warm_throughput(members: Members<'_>) -> Result<(Option<u64>, Option<u64>), ApiError> {
    let Some(throughput) = members.structure("WarmThroughput") else { return Ok((None, None)) };
    let units = |name: &str| match throughput.integer(name) {
        None => Ok(None),
        Some(number) => match u64::try_from(number) {
            Ok(number) => Ok(Some(number)),
            Err(_) => invalid(format!("Requested {name} for WarmThroughput for table is outside of valid range")),
        },
    };
    let (read, write) = (units("ReadUnitsPerSecond")?, units("WriteUnitsPerSecond")?);
    if read.is_none() && write.is_none() {
        return invalid("WarmThroughput needs ReadUnitsPerSecond or WriteUnitsPerSecond");
    }
    Ok((read, write))
}

/// `StreamSpecification`.
pub(super) fn stream(members: Members<'_>) -> Result<Option<StreamUpdate>, ApiError> {
    let Some(stream) = members.structure("StreamSpecification") else { return Ok(None) };
    let view = stream.text("StreamViewType").map(|view| match view {
        "KEYS_ONLY" => StreamView::KeysOnly,
        "NEW_IMAGE" => StreamView::NewImage,
        "OLD_IMAGE" => StreamView::OldImage,
        _ => StreamView::NewAndOldImages,
    });
    match (stream.flag("StreamEnabled") == Some(true), view) {
        (true, Some(view)) => Ok(Some(StreamUpdate::Enable(view))),
        (true, None) => invalid("StreamViewType must be specified when StreamEnabled is true"),
        (false, None) => Ok(Some(StreamUpdate::Disable)),
        (false, Some(_)) => invalid("StreamViewType cannot be specified when StreamEnabled is false"),
    }
}

pub(super) fn sse(members: Members<'_>) -> Result<Option<SseUpdate>, ApiError> {
    let Some(sse) = members.structure("SSESpecification") else { return Ok(None) };
    let (key, kind) = (sse.text("KMSMasterKeyId"), sse.text("SSEType"));
    if sse.flag("Enabled") != Some(true) {
        return match (key, kind) {
            (None, None) => Ok(Some(SseUpdate::Off)),
            _ => invalid("SSEType and KMSMasterKeyId can be specified only if Enabled is true"),
        };
    }
    if kind == Some("AES256") {
        return invalid("SSEType AES256 is not supported");
    }
    Ok(Some(SseUpdate::On(Sse { key: key.map(str::to_owned) })))
}

/// `Tags`, each name once.
pub(super) fn tags(members: Members<'_>) -> Result<BTreeMap<String, String>, ApiError> {
    let mut tags = BTreeMap::new();
    for tag in members.list("Tags").unwrap_or_default().iter().filter_map(Members::of) {
        let (Some(key), Some(value)) = (tag.text("Key"), tag.text("Value")) else { continue };
        if key.starts_with("aws:") {
            return invalid(format!("Tag keys that start with 'aws:' are reserved: {key}"));
        }
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return invalid(format!("Duplicate tag key: {key}"));
        }
    }
    if tags.len() > TAGS_MAX {
        return invalid(format!("Too many tags: a resource can have at most {TAGS_MAX} tags"));
    }
    Ok(tags)
}
