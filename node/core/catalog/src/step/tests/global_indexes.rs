//! The lives of global indexes: made with a table, added, filled, changed, dropped.

use super::*;
use crate::IndexStatus::{Active, Backfilling, Creating, Deleting, Updating};

fn index(name: &str, attribute: &str, key_type: KeyType) -> GlobalIndexSpec {
    GlobalIndexSpec {
        name: name.into(),
        hash: vec![KeyAttribute { name: attribute.into(), key_type }],
        range: Vec::new(),
        projection: IndexProjection::KeysOnly,
        units: UnitsUpdate::default(),
    }
}

fn change(index: IndexUpdate) -> Change {
    update("t", TableUpdate { indexes: vec![index], ..TableUpdate::default() })
}

fn add(name: &str) -> Change {
    change(IndexUpdate::Create(index(name, name, KeyType::String)))
}

fn drop(name: &str) -> Change {
    change(IndexUpdate::Delete { name: name.into() })
}

fn statuses(catalog: &Catalog) -> Vec<(String, IndexStatus)> {
    let table = catalog.table("t").expect("the table is there");
    table.global_indexes.iter().map(|index| (index.name.clone(), index.status)).collect()
}

fn id(catalog: &Catalog, name: &str) -> TableId {
    catalog.table("t").and_then(|table| table.global_index(name)).expect("the index is there").id
}

/// A table whose index `a` was made with it.
fn indexed() -> (Catalog, TableId) {
    let mut catalog = cluster(3);
    let table = make(&mut catalog, TableSpec { global_indexes: vec![index("a", "a", KeyType::String)], ..spec("t") });
    assert_eq!(statuses(&catalog), [("a".into(), Creating)]);
    ready(&mut catalog, table);
    (catalog, table)
}

#[test]
fn what_is_made_with_its_table_serves_with_it() {
    let (mut catalog, table) = indexed();
    assert_eq!(statuses(&catalog), [("a".into(), Active)]);
    let index = id(&catalog, "a");
    assert!(index > table);
    assert!(catalog.routing().partitions(index).count() > 0, "it has partitions of its own");
    assert_eq!(catalog.table_of_rows(index).map(|of| of.id), Some(table));
    let other = make(&mut catalog, spec("other"));
    assert!(other > index, "ids are never used again");
    done(&mut catalog, Change::DeleteTable { name: "t".into() });
    done(&mut catalog, Change::TableGone { id: table });
    assert_eq!(catalog.routing().partitions(index).count(), 0);
    assert_eq!(catalog.table_of_rows(index), None);
}

#[test]
fn an_index_is_added_filled_and_dropped() {
    let (mut catalog, table) = indexed();
    done(&mut catalog, add("b"));
    let added = id(&catalog, "b");
    assert_eq!(statuses(&catalog)[1], ("b".into(), Creating));
    done(&mut catalog, Change::IndexFilled { table, index: added });
    assert_eq!(statuses(&catalog)[1].1, Creating, "not all partitions know it");
    ready(&mut catalog, table);
    assert_eq!(statuses(&catalog), [("a".into(), Active), ("b".into(), Backfilling)]);
    // Others wait, but for its end.
    assert!(matches!(refused(&mut catalog, add("c")), CatalogRefusal::LimitExceeded(_)));
    assert!(matches!(refused(&mut catalog, drop("a")), CatalogRefusal::LimitExceeded(_)));
    assert!(matches!(
        refused(&mut catalog, Change::DeleteTable { name: "t".into() }),
        CatalogRefusal::TableBusy { .. }
    ));
    done(&mut catalog, Change::IndexFilled { table, index: added });
    assert_eq!(statuses(&catalog)[1].1, Active);
    assert_eq!(done(&mut catalog, Change::IndexFilled { table, index: added }), Outcome::Unchanged);

    done(&mut catalog, drop("b"));
    done(&mut catalog, Change::IndexGone { table, index: added });
    assert_eq!(statuses(&catalog)[1].1, Deleting, "the table's partitions may still feed it");
    ready(&mut catalog, table);
    assert_eq!(statuses(&catalog)[1].1, Deleting);
    assert!(matches!(refused(&mut catalog, drop("b")), CatalogRefusal::LimitExceeded(_)));
    done(&mut catalog, Change::IndexGone { table, index: added });
    assert_eq!(statuses(&catalog), [("a".into(), Active)]);
    assert_eq!(catalog.routing().partitions(added).count(), 0);
    assert_eq!(refused(&mut catalog, drop("b")), CatalogRefusal::NoSuchIndex("b".into()));

    done(&mut catalog, add("b"));
    assert!(id(&catalog, "b") > added, "another one");
    let copy = Catalog::decode(&catalog.encode()).expect("it was encoded");
    assert_eq!(copy, catalog, "what is derived is made anew");
}

#[test]
fn an_index_may_be_dropped_while_it_is_filled() {
    let (mut catalog, table) = indexed();
    done(&mut catalog, add("b"));
    ready(&mut catalog, table);
    done(&mut catalog, drop("b"));
    ready(&mut catalog, table);
    assert_eq!(statuses(&catalog)[1].1, Deleting);
}

#[test]
fn what_does_not_fit_the_table_is_refused() {
    let (mut catalog, table) = indexed();
    let invalid = |catalog: &mut Catalog, change| match refused(catalog, change) {
        CatalogRefusal::Invalid(text) => text,
        other => panic!("{other:?}"),
    };
    assert!(invalid(&mut catalog, add("a")).contains("Duplicate index name: a"));
    let other_type = IndexUpdate::Create(index("b", "id", KeyType::Number));
    assert!(invalid(&mut catalog, change(other_type)).contains("Attribute id"));
    let mut provisioned = index("b", "b", KeyType::String);
    provisioned.units.throughput = Some(units(1, 1));
    assert!(invalid(&mut catalog, change(IndexUpdate::Create(provisioned))).contains("should not be specified"));
    let mut wide = index("b", "b", KeyType::String);
    wide.projection = IndexProjection::Include((0..101).map(|number| format!("n{number}")).collect());
    assert!(invalid(&mut catalog, change(IndexUpdate::Create(wide))).contains("exceeds the limit of 100: 101"));
    let two = TableUpdate {
        indexes: vec![IndexUpdate::Delete { name: "a".into() }, IndexUpdate::Create(index("b", "b", KeyType::String))],
        ..TableUpdate::default()
    };
    assert!(matches!(refused(&mut catalog, update("t", two)), CatalogRefusal::LimitExceeded(_)));
    for number in 0..GLOBAL_INDEXES_MAX - 1 {
        let name = format!("index-{number}");
        done(&mut catalog, add(&name));
        ready(&mut catalog, table);
        let index = id(&catalog, &name);
        done(&mut catalog, Change::IndexFilled { table, index });
    }
    assert!(matches!(refused(&mut catalog, add("more")), CatalogRefusal::LimitExceeded(_)));
}

#[test]
fn indexes_are_billed_as_their_table() {
    let (mut catalog, table) = indexed();
    let provisioned = TableUpdate {
        billing_mode: Some(BillingMode::Provisioned),
        throughput: Some(units(5, 5)),
        ..TableUpdate::default()
    };
    assert!(matches!(refused(&mut catalog, update("t", provisioned.clone())), CatalogRefusal::Invalid(_)));
    let throughput = UnitsUpdate { throughput: Some(units(7, 8)), ..UnitsUpdate::default() };
    let of_index = IndexUpdate::Update { name: "a".into(), units: throughput };
    done(&mut catalog, update("t", TableUpdate { indexes: vec![of_index], ..provisioned }));
    assert_eq!(statuses(&catalog), [("a".into(), Updating)]);
    ready(&mut catalog, table);
    assert_eq!(statuses(&catalog), [("a".into(), Active)]);
    let billing = |catalog: &Catalog| catalog.table("t").expect("it is there").global_indexes[0].billing.clone();
    assert!(matches!(billing(&catalog), Billing::Provisioned { throughput, .. } if throughput == units(7, 8)));
    let on_demand = TableUpdate { billing_mode: Some(BillingMode::OnDemand), ..TableUpdate::default() };
    done(&mut catalog, update("t", on_demand));
    assert!(matches!(billing(&catalog), Billing::OnDemand { .. }));
}
