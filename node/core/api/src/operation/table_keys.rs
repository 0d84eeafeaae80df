//! Key schemas, attribute definitions and local indexes of CreateTable: that they fit each other.

use super::global_indexes;
use super::table_members::invalid;
use crate::error_table::ApiError;
use crate::reader::{self, Member, Members, Shape, Structure};
use stator_catalog::{
    GlobalIndexSpec, INCLUDED_ATTRIBUTES_MAX, IndexProjection, KeyAttribute, KeySchema, LocalIndexSpec,
};
use stator_item::KeyType;
use std::collections::{BTreeMap, BTreeSet};

const LOCAL_INDEXES_MAX: usize = 5;
const PROJECTION_MEMBERS: &Structure = &Structure {
    name: "Projection",
    members: &[
        Member::optional("ProjectionType", &Shape::String(reader::Names::Enum(&["ALL", "INCLUDE", "KEYS_ONLY"]))),
        Member::optional(
            "NonKeyAttributes",
            &Shape::List { of: &Shape::String(reader::Names::Length(1, 255)), min: 1, max: 20 },
        ),
    ],
};

/// Of an index of either kind.
pub(super) const PROJECTION: Member = Member::required("Projection", &Shape::Structure(PROJECTION_MEMBERS));

/// `AttributeDefinitions`, by name.
pub(super) struct Definitions {
    types: BTreeMap<String, KeyType>,
}

impl Definitions {
    pub(super) fn read(members: Members<'_>) -> Result<Definitions, ApiError> {
        let mut types = BTreeMap::new();
        for definition in members.list("AttributeDefinitions").unwrap_or_default().iter().filter_map(Members::of) {
            let name = definition.text("AttributeName").unwrap_or_default();
            if let Some(key_type) = definition.text("AttributeType").and_then(KeyType::from_name)
                && types.insert(name.to_owned(), key_type).is_some()
            {
                return invalid(format!("Duplicate AttributeName in AttributeDefinitions: {name}"));
            }
        }
        Ok(Definitions { types })
    }

    /// Refuses names without a definition.
    pub(super) fn check_defined(&self, keys: Vec<&str>) -> Result<(), ApiError> {
        if keys.iter().all(|name| self.types.contains_key(*name)) {
            return Ok(());
        }
        invalid(format!(
            "Some index key attributes are not defined in AttributeDefinitions. Keys: {}, AttributeDefinitions: {}",
            listed(keys),
            listed(self.types.keys().map(String::as_str))
        ))
    }

    pub(super) fn attribute(&self, name: &str) -> Result<KeyAttribute, ApiError> {
        match self.types.get(name) {
            Some(&key_type) => Ok(KeyAttribute { name: name.to_owned(), key_type }),
            None => Err(ApiError::validation("Invalid KeySchema: Some index key attribute have no definition")),
        }
    }

    /// Refuses definitions that no key uses.
    fn check_used(&self, used: &BTreeSet<&str>, has_indexes: bool) -> Result<(), ApiError> {
        if self.types.len() == used.len() {
            return Ok(());
        }
        if !has_indexes {
            return invalid(
                "Number of attributes in KeySchema does not exactly match number of attributes defined in \
                 AttributeDefinitions",
            );
        }
        invalid(format!(
            "Some AttributeDefinitions are not used. AttributeDefinitions: {}, keys used: {}",
            listed(self.types.keys().map(String::as_str)),
            listed(used.iter().copied())
        ))
    }
}

/// Names as Java shows a collection of them.
fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    format!("[{}]", names.into_iter().collect::<Vec<_>>().join(", "))
}

/// The names of a key schema of one or two elements.
struct Names<'a> {
    hash: &'a str,
    range: Option<&'a str>,
}

impl<'a> Names<'a> {
    fn read(members: Members<'a>) -> Result<Names<'a>, ApiError> {
        let mut elements = members.list("KeySchema").unwrap_or_default().iter().filter_map(Members::of);
        let mut next = |kind: &str, refusal: &str| match elements.next() {
            None => Ok(None),
            Some(element) if element.text("KeyType") == Some(kind) => Ok(element.text("AttributeName")),
            Some(_) => Err(ApiError::validation(refusal)),
        };
        let hash = next("HASH", "Invalid KeySchema: The first KeySchemaElement is not a HASH key type")?;
        let range = next("RANGE", "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")?;
        let hash = hash.unwrap_or_default();
        if range == Some(hash) {
            return Err(ApiError::validation(
                "Both the Hash Key and the Range Key element in the KeySchema have the same name",
            ));
        }
        Ok(Names { hash, range })
    }

    fn all(&self) -> Vec<&'a str> {
        [Some(self.hash), self.range].into_iter().flatten().collect()
    }
}

/// The keys of a new table and of its indexes.
type Keys = (KeySchema, Vec<LocalIndexSpec>, Vec<GlobalIndexSpec>);

/// The key schema, the local and the global indexes of a new table.
pub(super) fn keys(members: Members<'_>) -> Result<Keys, ApiError> {
    let definitions = Definitions::read(members)?;
    // The model does not require it: a replica of another account's table is made without (`GlobalTableSourceArn`).
    if !members.has("KeySchema") {
        return Err(ApiError::validation(
            "No defined key schema. A key schema containing at least a hash key must be defined for all tables",
        ));
    }
    let table = Names::read(members)?;
    let given: Vec<Members<'_>> =
        members.list("LocalSecondaryIndexes").unwrap_or_default().iter().filter_map(Members::of).collect();
    if given.is_empty() && members.has("LocalSecondaryIndexes") {
        return invalid("List of LocalSecondaryIndexes is empty");
    }
    let has_global = members.has("GlobalSecondaryIndexes");
    if !given.is_empty() || has_global {
        definitions.check_defined(table.all())?;
    }
    let range = table.range.map(|range| definitions.attribute(range)).transpose()?;
    let key = KeySchema { hash: definitions.attribute(table.hash)?, range };

    let mut used: BTreeSet<&str> = [Some(table.hash), table.range].into_iter().flatten().collect();
    let mut indexes: Vec<LocalIndexSpec> = Vec::new();
    for index in &given {
        let spec = local_index(*index, &table, &definitions)?;
        if indexes.iter().any(|other| other.name == spec.name) {
            return invalid(format!("Duplicate index name: {}", spec.name));
        }
        used.extend(Names::read(*index)?.range);
        indexes.push(spec);
    }
    if indexes.len() > LOCAL_INDEXES_MAX {
        return invalid(format!("Number of LocalSecondaryIndexes exceeds per-table limit of {LOCAL_INDEXES_MAX}"));
    }
    let global = global_indexes::indexes(members, &definitions)?;
    for spec in &global {
        if indexes.iter().any(|other| other.name == spec.name) {
            return invalid(format!("Duplicate index name: {}", spec.name));
        }
        used.extend(spec.hash.iter().chain(&spec.range).map(|attribute| attribute.name.as_str()));
    }
    let projections = indexes.iter().map(|index| &index.projection).chain(global.iter().map(|index| &index.projection));
    let included: usize = projections
        .map(|projection| match projection {
            IndexProjection::Include(names) => names.len(),
            IndexProjection::KeysOnly | IndexProjection::All => 0,
        })
        .sum();
    if included > INCLUDED_ATTRIBUTES_MAX {
        return invalid(format!(
            "Number of NonKeyAttributes over all indexes of a table exceeds the limit of {INCLUDED_ATTRIBUTES_MAX}: \
             {included}"
        ));
    }
    definitions.check_used(&used, !indexes.is_empty() || has_global)?;
    Ok((key, indexes, global))
}

fn local_index(members: Members<'_>, table: &Names<'_>, definitions: &Definitions) -> Result<LocalIndexSpec, ApiError> {
    let name = members.text("IndexName").unwrap_or_default();
    if table.range.is_none() {
        return invalid(
            "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
        );
    }
    let key = Names::read(members)?;
    definitions.check_defined(key.all())?;
    let Some(range) = key.range else {
        return invalid(format!("Index KeySchema does not have a range key for index: {name}"));
    };
    if key.hash != table.hash {
        return invalid(format!(
            "Index KeySchema does not have the same leading hash key as table KeySchema for index: {name}. index hash \
             key: {}, table hash key: {}",
            key.hash, table.hash
        ));
    }
    let projection = projection(members)?;
    Ok(LocalIndexSpec { name: name.to_owned(), range: definitions.attribute(range)?, projection })
}

pub(super) fn projection(index: Members<'_>) -> Result<IndexProjection, ApiError> {
    let Some(projection) = index.structure("Projection") else {
        return invalid("Unknown ProjectionType: null");
    };
    let kind = projection.text("ProjectionType");
    let mut included: Vec<String> = Vec::new();
    for name in projection.list("NonKeyAttributes").unwrap_or_default().iter().filter_map(|name| name.as_str()) {
        if included.iter().any(|other| other == name) {
            return invalid(format!("Duplicate attribute in NonKeyAttributes: {name}"));
        }
        included.push(name.to_owned());
    }
    match (kind, included.is_empty()) {
        (Some("INCLUDE"), false) => Ok(IndexProjection::Include(included)),
        (Some("INCLUDE"), true) => invalid("ProjectionType is INCLUDE, but NonKeyAttributes is not specified"),
        (Some(kind), false) => invalid(format!("ProjectionType is {kind}, but NonKeyAttributes is specified")),
        (Some("KEYS_ONLY"), true) => Ok(IndexProjection::KeysOnly),
        (Some("ALL"), true) => Ok(IndexProjection::All),
        (kind, _) => invalid(format!("Unknown ProjectionType: {}", kind.unwrap_or("null"))),
    }
}
