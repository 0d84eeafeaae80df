//! Global secondary indexes in CreateTable and UpdateTable: members, key schemas of several attributes, updates.

use super::table_keys::{self, Definitions};
use super::table_members::{self, invalid};
use crate::error_table::ApiError;
use crate::reader::{Member, Members, Shape, Structure};
use stator_catalog::{GLOBAL_INDEXES_MAX, GlobalIndexSpec, IndexUpdate, KeyAttribute, UnitsUpdate};

/// Most attributes of an index's hash key, and of its sort key.
const KEY_PARTS_MAX: usize = 4;

/// Members of `GlobalSecondaryIndex` and of `CreateGlobalSecondaryIndexAction`, which are the same.
const INDEX_MEMBERS: &[Member] = &[
    Member::required("IndexName", &Shape::NAME),
    Member::required("KeySchema", &table_members::INDEX_KEY_SCHEMA),
    table_keys::PROJECTION,
    table_members::PROVISIONED_THROUGHPUT,
    table_members::ON_DEMAND_THROUGHPUT,
    table_members::WARM_THROUGHPUT,
];

static INDEX: Structure = Structure { name: "GlobalSecondaryIndex", members: INDEX_MEMBERS };
static CREATE: Structure = Structure { name: "CreateGlobalSecondaryIndexAction", members: INDEX_MEMBERS };
static UPDATE: Structure = Structure {
    name: "UpdateGlobalSecondaryIndexAction",
    members: &[
        Member::required("IndexName", &Shape::NAME),
        table_members::PROVISIONED_THROUGHPUT,
        table_members::ON_DEMAND_THROUGHPUT,
        table_members::WARM_THROUGHPUT,
    ],
};
static DELETE: Structure =
    Structure { name: "DeleteGlobalSecondaryIndexAction", members: &[Member::required("IndexName", &Shape::NAME)] };
static INDEX_UPDATE: Structure = Structure {
    name: "GlobalSecondaryIndexUpdate",
    members: &[
        Member::optional("Update", &Shape::Structure(&UPDATE)),
        Member::optional("Create", &Shape::Structure(&CREATE)),
        Member::optional("Delete", &Shape::Structure(&DELETE)),
    ],
};

pub(super) static INDEXES: Shape = Shape::list(&Shape::Structure(&INDEX));
pub(super) static INDEX_UPDATES: Shape = Shape::list(&Shape::Structure(&INDEX_UPDATE));

/// The names in an index's key schema: one to four of the hash key, then up to four of the sort key.
pub(super) struct Names<'a> {
    pub hash: Vec<&'a str>,
    pub range: Vec<&'a str>,
}

impl<'a> Names<'a> {
    pub(super) fn read(index: Members<'a>) -> Result<Names<'a>, ApiError> {
        let (mut hash, mut range) = (Vec::new(), Vec::new());
        for element in index.list("KeySchema").unwrap_or_default().iter().filter_map(Members::of) {
            let name = element.text("AttributeName").unwrap_or_default();
            match element.text("KeyType") {
                Some("HASH") if range.is_empty() => hash.push(name),
                Some("HASH") => {
                    return Err(ApiError::validation(
                        "Invalid KeySchema: All HASH key elements must come before RANGE key elements",
                    ));
                }
                _ if hash.is_empty() => {
                    return Err(ApiError::validation(
                        "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
                    ));
                }
                _ => range.push(name),
            }
        }
        for (kind, names) in [("HASH", &hash), ("RANGE", &range)] {
            if names.len() > KEY_PARTS_MAX {
                return Err(ApiError::Validation(format!(
                    "Invalid KeySchema: An index key has at most {KEY_PARTS_MAX} {kind} key elements"
                )));
            }
        }
        let names = Names { hash, range };
        let all: Vec<&str> = names.all().collect();
        if all.iter().enumerate().any(|(place, name)| all.iter().take(place).any(|other| other == name)) {
            return Err(ApiError::validation(
                "Both the Hash Key and the Range Key element in the KeySchema have the same name",
            ));
        }
        Ok(names)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &'a str> {
        self.hash.iter().chain(&self.range).copied()
    }
}

/// `GlobalSecondaryIndexes` of CreateTable.
pub(super) fn indexes(members: Members<'_>, definitions: &Definitions) -> Result<Vec<GlobalIndexSpec>, ApiError> {
    let given: Vec<Members<'_>> =
        members.list("GlobalSecondaryIndexes").unwrap_or_default().iter().filter_map(Members::of).collect();
    if given.is_empty() && members.has("GlobalSecondaryIndexes") {
        return invalid("List of GlobalSecondaryIndexes is empty");
    }
    if given.len() > GLOBAL_INDEXES_MAX {
        return invalid(format!("Number of GlobalSecondaryIndexes exceeds per-table limit of {GLOBAL_INDEXES_MAX}"));
    }
    let mut specs: Vec<GlobalIndexSpec> = Vec::new();
    for index in given {
        let spec = spec(index, definitions)?;
        if specs.iter().any(|other| other.name == spec.name) {
            return invalid(format!("Duplicate index name: {}", spec.name));
        }
        specs.push(spec);
    }
    Ok(specs)
}

fn spec(index: Members<'_>, definitions: &Definitions) -> Result<GlobalIndexSpec, ApiError> {
    let names = Names::read(index)?;
    definitions.check_defined(names.all().collect())?;
    let attributes = |names: &[&str]| -> Result<Vec<KeyAttribute>, ApiError> {
        names.iter().map(|name| definitions.attribute(name)).collect()
    };
    Ok(GlobalIndexSpec {
        name: index.text("IndexName").unwrap_or_default().to_owned(),
        hash: attributes(&names.hash)?,
        range: attributes(&names.range)?,
        projection: table_keys::projection(index)?,
        units: units(index)?,
    })
}

fn units(index: Members<'_>) -> Result<UnitsUpdate, ApiError> {
    let (on_demand_read, on_demand_write) = table_members::on_demand_throughput(index)?;
    let (warm_read_units, warm_write_units) = table_members::warm_throughput(index)?;
    Ok(UnitsUpdate {
        throughput: table_members::provisioned_throughput(index),
        on_demand_read,
        on_demand_write,
        warm_read_units,
        warm_write_units,
    })
}

/// `GlobalSecondaryIndexUpdates` of UpdateTable.
pub(super) fn updates(members: Members<'_>) -> Result<Vec<IndexUpdate>, ApiError> {
    let Some(given) = members.list("GlobalSecondaryIndexUpdates") else { return Ok(Vec::new()) };
    let definitions = Definitions::read(members)?;
    let mut updates: Vec<IndexUpdate> = Vec::new();
    let mut named: Vec<String> = Vec::new();
    for update in given.iter().filter_map(Members::of) {
        let update = match (update.structure("Update"), update.structure("Create"), update.structure("Delete")) {
            (Some(update), None, None) => {
                let units = units(update)?;
                if units == UnitsUpdate::default() {
                    return invalid("An update of a GlobalSecondaryIndex needs a throughput");
                }
                IndexUpdate::Update { name: index_name(update), units }
            }
            (None, Some(create), None) => IndexUpdate::Create(spec(create, &definitions)?),
            (None, None, Some(delete)) => IndexUpdate::Delete { name: index_name(delete) },
            _ => {
                return invalid(
                    "One and only one of Create, Update and Delete must be specified for each GlobalSecondaryIndexUpdate",
                );
            }
        };
        let name = match &update {
            IndexUpdate::Create(spec) => &spec.name,
            IndexUpdate::Update { name, .. } | IndexUpdate::Delete { name } => name,
        };
        if named.contains(name) {
            return invalid(format!(
                "Only one global secondary index update per index is allowed simultaneously. Index: {name}"
            ));
        }
        named.push(name.clone());
        updates.push(update);
    }
    Ok(updates)
}

fn index_name(action: Members<'_>) -> String {
    action.text("IndexName").unwrap_or_default().to_owned()
}
