//! What each change does and when it is refused; ids, coverage and determinism under random changes.

mod capacity;
mod functions;
mod global_indexes;
mod insights;
mod mappings;
mod scaling;
mod streams;
mod time_to_live;

use crate::codec::FORMAT;
use crate::*;
use proptest::prelude::*;
use stator_item::{KeyType, NodeId, PartitionId, ReplicaId, TableId, Token};
use std::collections::{BTreeMap, BTreeSet};

const DAY_MS: u64 = 86_400_000;

pub(crate) fn node(number: u64, starts: u64) -> NodeStart {
    NodeStart {
        directory: u128::from(number),
        start_counter: starts,
        peer_address: format!("127.0.0.1:{}", 8100 + number),
        client_address: format!("127.0.0.1:{}", 8000 + number),
        zone: format!("zone-{number}"),
        version: "0.1.0".into(),
        format: 1,
    }
}

pub(crate) fn spec(name: &str) -> TableSpec {
    TableSpec::plain(name, "id", BillingSpec::OnDemand { throughput: None })
}

pub(crate) fn create(table: TableSpec) -> Change {
    Change::CreateTable { table: Box::new(table), partitions: None, tables_max: None, avoid: Vec::new() }
}

/// A cluster of so many nodes, each in a zone of its own.
pub(crate) fn cluster(nodes_count: u64) -> Catalog {
    let mut catalog = Catalog::default();
    let identity = ClusterIdentity {
        cluster_id: 7,
        region: "us-east-1".into(),
        account_id: "000000000000".into(),
        authority: Secret(bytes::Bytes::from_static(b"ca")),
    };
    done(&mut catalog, Change::InitCluster { identity, node: node(1, 1) });
    for number in 2..=nodes_count {
        assert_eq!(
            done(&mut catalog, Change::AddNode { node: node(number, 1), token: None }),
            Outcome::Node(NodeId(number))
        );
    }
    catalog
}

pub(crate) fn done(catalog: &mut Catalog, change: Change) -> Outcome {
    catalog.step(change, &Stamp { now_ms: 1_000 }).expect("the change is made")
}

fn refused(catalog: &mut Catalog, change: Change) -> CatalogRefusal {
    let before = catalog.clone();
    let refusal = catalog.step(change, &Stamp { now_ms: 1_000 }).expect_err("the change is refused");
    assert_eq!(*catalog, before, "a refusal changes nothing");
    refusal
}

fn make(catalog: &mut Catalog, table: TableSpec) -> TableId {
    match done(catalog, create(table)) {
        Outcome::Table(table) => table.id,
        other => panic!("{other:?}"),
    }
}

fn ready(catalog: &mut Catalog, id: TableId) {
    let version = catalog.table_by_id(id).expect("the table is there").version;
    done(catalog, Change::TableReady { id, version });
}

fn update(name: &str, update: TableUpdate) -> Change {
    Change::UpdateTable { name: name.into(), update: Box::new(update), partitions: None, avoid: Vec::new() }
}

fn new_key(id: &str, secret: &str) -> Change {
    let (id, secret, description) = (id.into(), Secret(secret.into()), "a test's".into());
    Change::CreateKey { id, secret, description, is_root: false }
}

fn units(read_units: u64, write_units: u64) -> Throughput {
    Throughput { read_units, write_units }
}

#[test]
fn nothing_happens_before_the_first_start_and_that_happens_once() {
    let mut empty = Catalog::default();
    assert_eq!(refused(&mut empty, create(spec("t"))), CatalogRefusal::NotInitialised);
    let mut catalog = cluster(1);
    let identity = catalog.identity().expect("made").clone();
    let again = Change::InitCluster { identity, node: node(2, 1) };
    assert_eq!(refused(&mut catalog, again), CatalogRefusal::AlreadyInitialised);
    let group = catalog.partition(PartitionId::CATALOG).expect("the catalog's own group");
    assert_eq!(group.members, [Member { replica: FIRST_REPLICA, node: FIRST_NODE, role: Role::Voter }]);
}

#[test]
fn nodes_join_start_again_and_leave() {
    let mut catalog = cluster(2);
    let revision = catalog.revision();
    // The same directory is the same node.
    assert_eq!(
        done(&mut catalog, Change::AddNode { node: node(2, 1), token: None }),
        Outcome::Node(NodeId(2)),
        "a repeat gets the same id"
    );
    assert_eq!(catalog.nodes().len(), 2);
    assert!(catalog.revision() >= revision);

    let again = |id: u64, number: u64, starts: u64| Change::UpdateNode { id: NodeId(id), node: node(number, starts) };
    assert_eq!(done(&mut catalog, again(2, 2, 5)), Outcome::Done);
    assert_eq!(done(&mut catalog, again(2, 2, 5)), Outcome::Unchanged);
    assert_eq!(
        refused(&mut catalog, again(2, 2, 4)),
        CatalogRefusal::DirectorySetBack { id: NodeId(2), known: 5, shown: 4 }
    );
    let mut copied = node(2, 5);
    copied.peer_address = "127.0.0.1:9".into();
    assert!(matches!(
        refused(&mut catalog, Change::UpdateNode { id: NodeId(2), node: copied }),
        CatalogRefusal::DirectorySetBack { .. }
    ));
    assert_eq!(refused(&mut catalog, again(2, 3, 6)), CatalogRefusal::OtherDirectory(NodeId(2)));
    assert_eq!(refused(&mut catalog, again(9, 9, 1)), CatalogRefusal::NoSuchNode(NodeId(9)));

    // Two nodes: the second only learns.
    let alone = CatalogRefusal::OnlyVoter { node: NodeId(1), partition: PartitionId::CATALOG };
    assert_eq!(refused(&mut catalog, Change::RemoveNode { id: NodeId(1) }), alone);
    assert_eq!(done(&mut catalog, Change::RemoveNode { id: NodeId(2) }), Outcome::Done);
    assert_eq!(done(&mut catalog, Change::RemoveNode { id: NodeId(2) }), Outcome::Unchanged);
    assert_eq!(refused(&mut catalog, again(2, 2, 9)), CatalogRefusal::NoSuchNode(NodeId(2)));
    assert_eq!(refused(&mut catalog, Change::RemoveNode { id: NodeId(1) }), CatalogRefusal::LastNode(NodeId(1)));
    assert_eq!(done(&mut catalog, Change::AddNode { node: node(3, 1), token: None }), Outcome::Node(NodeId(3)));
}

#[test]
fn join_tokens_admit_until_they_expire_or_are_removed() {
    let mut catalog = cluster(1);
    let (good, other) = (JoinTokenHash([1; 32]), JoinTokenHash([2; 32]));
    done(&mut catalog, Change::AddJoinToken { token: good, expires_ms: Some(2_000) });
    let join = |number: u64, token: JoinTokenHash| Change::AddNode { node: node(number, 1), token: Some(token) };
    assert_eq!(refused(&mut catalog, join(2, other)), CatalogRefusal::BadJoinToken);
    assert_eq!(done(&mut catalog, join(2, good)), Outcome::Node(NodeId(2)));
    assert_eq!(catalog.step(join(3, good), &Stamp { now_ms: 2_000 }), Err(CatalogRefusal::BadJoinToken));
    assert_eq!(done(&mut catalog, Change::RemoveJoinToken { token: good }), Outcome::Done);
    assert_eq!(refused(&mut catalog, join(3, good)), CatalogRefusal::BadJoinToken);
}

#[test]
fn a_table_lives_from_creating_to_gone() {
    let mut catalog = cluster(3);
    let id = make(&mut catalog, spec("t"));
    let table = catalog.table("t").expect("made").clone();
    assert_eq!((table.id, table.status, table.version), (id, TableStatus::Creating, 1));
    assert_eq!((table.created_ms, table.on_demand_since_ms), (1_000, Some(1_000)));
    assert_eq!(catalog.routing().partitions(id).count(), 4);

    assert_eq!(refused(&mut catalog, create(spec("t"))), CatalogRefusal::TableExists("t".into()));
    let delete = || Change::DeleteTable { name: "t".into() };
    let busy = |status| CatalogRefusal::TableBusy { name: "t".into(), status };
    assert_eq!(refused(&mut catalog, delete()), busy(TableStatus::Creating));
    let protect = |on| update("t", TableUpdate { deletion_protection: Some(on), ..TableUpdate::default() });
    assert_eq!(refused(&mut catalog, protect(true)), busy(TableStatus::Creating));
    assert_eq!(done(&mut catalog, Change::TableReady { id, version: 9 }), Outcome::Unchanged);
    ready(&mut catalog, id);
    assert_eq!(catalog.table("t").expect("there").status, TableStatus::Active);

    done(&mut catalog, protect(true));
    assert_eq!(done(&mut catalog, Change::TableReady { id, version: 1 }), Outcome::Unchanged, "of an older version");
    assert_eq!(refused(&mut catalog, delete()), busy(TableStatus::Updating));
    ready(&mut catalog, id);
    assert_eq!(refused(&mut catalog, delete()), CatalogRefusal::DeletionProtected("t".into()));
    done(&mut catalog, protect(false));
    ready(&mut catalog, id);

    assert_eq!(done(&mut catalog, Change::TableGone { id }), Outcome::Unchanged, "it is not being deleted");
    done(&mut catalog, delete());
    let Outcome::Table(again) = done(&mut catalog, delete()) else { panic!("the table as it is") };
    assert_eq!((again.status, again.version), (TableStatus::Deleting, 4));
    assert_eq!(refused(&mut catalog, create(spec("t"))), CatalogRefusal::TableExists("t".into()));
    done(&mut catalog, Change::TableGone { id });
    assert_eq!((catalog.table("t"), catalog.partitions().len()), (None, 1));
    assert_eq!(refused(&mut catalog, delete()), CatalogRefusal::NoSuchTable("t".into()));
    assert!(make(&mut catalog, spec("t")) > id, "another table");
}

#[test]
fn tables_get_as_many_partitions_as_their_throughput_needs() {
    let provisioned = |read, write| BillingSpec::Provisioned { throughput: units(read, write) };
    let on_demand = BillingSpec::OnDemand { throughput: None };
    for (nodes_count, billing, warm, setting, expected) in [
        (3, on_demand, units(0, 0), None, 4),
        (1, on_demand, units(0, 0), None, 1),
        (1, on_demand, units(0, 0), Some(8), 8),
        (3, on_demand, units(0, 0), Some(0), 1),
        (3, on_demand, units(0, 0), Some(u64::MAX), TABLE_PARTITIONS_MAX),
        (3, on_demand, units(30_000, 4_000), None, 10),
        (2, provisioned(5, 5), units(0, 0), None, 1),
        (3, provisioned(3_001, 1_000), units(0, 0), None, 2),
        (3, provisioned(3_000, 1_001), units(0, 0), None, 2),
        (3, provisioned(40_000, 40_000), units(0, 0), None, 40),
    ] {
        let mut catalog = cluster(nodes_count);
        let table = TableSpec { billing, warm_throughput: warm, ..spec("t") };
        let change =
            Change::CreateTable { table: Box::new(table), partitions: setting, tables_max: None, avoid: Vec::new() };
        let Outcome::Table(table) = done(&mut catalog, change) else { panic!("a table") };
        let count = catalog.routing().partitions(table.id).count() as u64;
        assert_eq!(count, expected, "{nodes_count} nodes, {billing:?}, {warm:?}, {setting:?}");
    }
    let mut catalog = cluster(3);
    let table = TableSpec { billing: provisioned(40_001, 1), ..spec("t") };
    assert!(matches!(refused(&mut catalog, create(table)), CatalogRefusal::LimitExceeded(_)));
}

#[test]
fn quotas_of_tables_hold() {
    let mut catalog = cluster(1);
    for number in 0..TABLES_BUSY_MAX {
        make(&mut catalog, spec(&format!("t{number:04}")));
    }
    assert!(matches!(refused(&mut catalog, create(spec("more"))), CatalogRefusal::LimitExceeded(_)));
    let ids: Vec<TableId> = catalog.tables().map(|table| table.id).collect();
    ids.into_iter().for_each(|id| ready(&mut catalog, id));
    for number in TABLES_BUSY_MAX..TABLES_MAX {
        let id = make(&mut catalog, spec(&format!("t{number:04}")));
        ready(&mut catalog, id);
    }
    assert!(matches!(refused(&mut catalog, create(spec("more"))), CatalogRefusal::LimitExceeded(_)));
    let names: Vec<&str> = catalog.table_names(Some("t0002")).take(2).collect();
    assert_eq!(names, ["t0003", "t0004"]);
}

/// One update of a provisioned table of 10 read and 10 write units, at day 100.
fn updated(change: TableUpdate) -> Result<TableDescription, String> {
    let mut catalog = cluster(1);
    let billing = BillingSpec::Provisioned { throughput: units(10, 10) };
    let id = make(&mut catalog, TableSpec { billing, ..spec("t") });
    ready(&mut catalog, id);
    match catalog.step(update("t", change), &Stamp { now_ms: 100 * DAY_MS }) {
        Ok(Outcome::Table(table)) => Ok(TableDescription::clone(&table)),
        Ok(other) => panic!("{other:?}"),
        Err(refusal) => Err(refusal.to_string()),
    }
}

#[test]
fn throughput_and_billing_change() {
    let now = Some(100 * DAY_MS);
    let throughput = |read, write| TableUpdate { throughput: Some(units(read, write)), ..TableUpdate::default() };
    for (read, write, increase, decrease, decreases) in
        [(20, 10, now, None, 0), (10, 5, None, now, 1), (20, 5, now, now, 1)]
    {
        let table = updated(throughput(read, write)).expect("the update fits");
        let expected = Billing::Provisioned {
            throughput: units(read, write),
            last_increase_ms: increase,
            last_decrease_ms: decrease,
            decreases_today: decreases,
        };
        assert_eq!(table.billing, expected);
        assert_eq!((table.status, table.version), (TableStatus::Updating, 2));
        assert_eq!(table.warm_throughput, units(read.max(10), 10), "it never falls");
    }
    let same = updated(throughput(10, 10)).expect_err("nothing changes");
    assert!(same.starts_with("The provisioned throughput for the table will not change."), "{same}");
    assert!(updated(TableUpdate { deletion_protection: Some(true), ..throughput(10, 10) }).is_ok());

    let on_demand = TableUpdate { billing_mode: Some(BillingMode::OnDemand), ..TableUpdate::default() };
    let table = updated(on_demand.clone()).expect("the update fits");
    assert_eq!(table.billing, Billing::OnDemand { throughput: None });
    assert_eq!((table.on_demand_since_ms, table.warm_throughput), (now, units(12_000, 4_000)));
    let capped = TableUpdate { on_demand_read: Some(UnitsMax::Most(7)), ..on_demand.clone() };
    let cap = OnDemandThroughput { read_units_max: Some(7), write_units_max: None };
    assert_eq!(updated(capped).expect("fits").billing, Billing::OnDemand { throughput: Some(cap) });
    let unlimited = TableUpdate { on_demand_read: Some(UnitsMax::Unlimited), ..on_demand.clone() };
    assert_eq!(updated(unlimited).expect("fits").billing, Billing::OnDemand { throughput: None });

    let both = TableUpdate { throughput: Some(units(1, 1)), ..on_demand };
    assert!(updated(both).expect_err("both").contains("Neither ReadCapacityUnits nor WriteCapacityUnits"));
    let cap = TableUpdate { on_demand_write: Some(UnitsMax::Most(7)), ..TableUpdate::default() };
    assert!(
        updated(cap).expect_err("a cap").contains("MaxWriteRequestUnits for OnDemandThroughput cannot be specified")
    );
    let colder = TableUpdate { warm_read_units: Some(9), ..TableUpdate::default() };
    assert!(updated(colder).expect_err("colder").contains("Requested ReadUnitsPerSecond for WarmThroughput"));
    let warmer = TableUpdate { warm_write_units: Some(50), ..TableUpdate::default() };
    assert_eq!(updated(warmer).expect("fits").warm_throughput, units(10, 50));
}

#[test]
fn tags_change_without_the_partitions() {
    let mut catalog = cluster(1);
    let id = make(&mut catalog, spec("t"));
    let tags = |set: &[(&str, &str)], remove: &[&str]| Change::ChangeTags {
        table: "t".into(),
        set: set.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        remove: remove.iter().map(|name| (*name).into()).collect(),
    };
    done(&mut catalog, tags(&[("a", "1"), ("b", "2")], &[]));
    done(&mut catalog, tags(&[("a", "3")], &["b", "c"]));
    assert_eq!(done(&mut catalog, tags(&[("a", "3")], &["b"])), Outcome::Unchanged);
    let table = catalog.table_by_id(id).expect("there");
    assert_eq!((table.tags.len(), table.tags.get("a").map(String::as_str), table.version), (1, Some("3"), 1));
    let many: Vec<String> = (0..50).map(|number| format!("t{number}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "")).collect();
    assert!(matches!(refused(&mut catalog, tags(&many, &[])), CatalogRefusal::Invalid(_)));
}

#[test]
fn the_limit_of_tables_is_a_setting() {
    let mut catalog = cluster(1);
    let create = |name: &str, tables_max| Change::CreateTable {
        table: Box::new(spec(name)),
        partitions: Some(1),
        tables_max,
        avoid: Vec::new(),
    };
    done(&mut catalog, create("a", Some(1)));
    let limit = "Subscriber limit exceeded: There is a limit of 1 tables per subscriber";
    assert_eq!(refused(&mut catalog, create("b", Some(1))), CatalogRefusal::LimitExceeded(limit.into()));
    done(&mut catalog, create("b", None));
}

#[test]
fn members_change_by_plan_report_and_epoch() {
    let mut catalog = cluster(3);
    make(&mut catalog, spec("t"));
    let partition = catalog.partition(PartitionId::CATALOG).expect("there").clone();
    let own = partition.members[0];
    let voter = |number| (NodeId(number), Role::Voter);
    let plan = |epoch, keep: &[Member], add: &[(NodeId, Role)]| {
        Change::PlanMembers(MembersPlan { partition: partition.id, epoch, keep: keep.to_vec(), add: add.to_vec() })
    };
    let stale = CatalogRefusal::StaleEpoch { partition: partition.id, current: 1 };
    assert_eq!(refused(&mut catalog, plan(2, &[own], &[voter(2)])), stale);
    let bad = CatalogRefusal::BadPlan(partition.id);
    assert_eq!(refused(&mut catalog, plan(1, &[], &[voter(2)])), bad, "somebody must hand the data on");
    assert_eq!(refused(&mut catalog, plan(1, &[own], &[voter(1)])), bad, "two on one node");
    assert_eq!(refused(&mut catalog, plan(1, &[own], &[voter(9)])), bad, "no such node");
    assert_eq!(refused(&mut catalog, plan(1, &[Member { replica: ReplicaId(99), ..own }], &[])), bad);
    assert_eq!(refused(&mut catalog, plan(1, &[Member { role: Role::Learner, ..own }], &[])), bad, "no voter");

    let Outcome::Planned(planned) = done(&mut catalog, plan(1, &[own], &[voter(2), voter(3)])) else {
        panic!("a plan");
    };
    assert_eq!(planned.members.len(), 3);
    assert_eq!(catalog.plan(partition.id), Some(&planned));
    assert_eq!(refused(&mut catalog, plan(1, &[own], &[voter(2)])), CatalogRefusal::PlanExists(partition.id));

    done(&mut catalog, Change::ReplicaLost { replica: own.replica });
    let report = |epoch, members: &[Member]| Change::PartitionChanged {
        partition: partition.id,
        epoch,
        members: members.to_vec(),
    };
    assert_eq!(done(&mut catalog, report(1, &planned.members)), Outcome::Unchanged, "not higher");
    assert_eq!(done(&mut catalog, report(2, &planned.members[1..])), Outcome::Unchanged, "not as planned");
    assert_eq!(done(&mut catalog, report(2, &planned.members)), Outcome::Done);
    assert_eq!((catalog.plan(partition.id), catalog.is_lost(own.replica)), (None, true));
    assert_eq!(done(&mut catalog, report(3, &planned.members[1..])), Outcome::Unchanged, "nobody planned it");
    done(&mut catalog, plan(2, &planned.members[1..], &[]));
    assert_eq!(done(&mut catalog, report(3, &planned.members[1..])), Outcome::Done);
    assert!(!catalog.is_lost(own.replica), "it is no member any more");

    let Outcome::Planned(dropped) = done(&mut catalog, plan(3, &planned.members[1..], &[voter(1)])) else {
        panic!("a plan");
    };
    assert_eq!(done(&mut catalog, Change::DropPlan { partition: partition.id, epoch: 2 }), Outcome::Unchanged);
    assert_eq!(done(&mut catalog, Change::DropPlan { partition: partition.id, epoch: 3 }), Outcome::Done);
    assert_eq!(done(&mut catalog, report(4, &dropped.members)), Outcome::Unchanged, "late news of a dropped plan");
    done(&mut catalog, plan(3, &planned.members[1..], &[voter(1)]));
}

#[test]
fn a_repeated_attempt_gets_the_outcome_of_the_first() {
    let mut catalog = cluster(1);
    let attempt = |number, change: Change| change.once(ChangeId(number));
    let again = |catalog: &mut Catalog, number, change: Change| {
        let first = done(catalog, attempt(number, change.clone()));
        let before = catalog.clone();
        assert_eq!(done(catalog, attempt(number, change.clone())), first, "{change:?}");
        assert_eq!(*catalog, before, "a repeated attempt changes nothing");
        first
    };
    let Outcome::Table(table) = again(&mut catalog, 1, create(spec("t"))) else { panic!("a table") };
    let exists = CatalogRefusal::TableExists("t".into());
    assert_eq!(refused(&mut catalog, attempt(2, create(spec("t")))), exists, "somebody else's");
    ready(&mut catalog, table.id);
    assert_eq!(done(&mut catalog, attempt(1, create(spec("t")))), Outcome::Table(table.clone()), "later as well");
    let protect = |on| update("t", TableUpdate { deletion_protection: Some(on), ..TableUpdate::default() });
    again(&mut catalog, 3, protect(false));
    ready(&mut catalog, table.id);
    again(&mut catalog, 4, Change::DeleteTable { name: "t".into() });
    done(&mut catalog, Change::TableGone { id: table.id });
    again(&mut catalog, 4, Change::DeleteTable { name: "t".into() });
    again(&mut catalog, 5, create(spec("t")));

    let key = new_key("k", "s");
    assert_eq!(attempt(6, key.clone()), key, "it changes nothing when it is sent again");
    done(&mut catalog, key);
    again(&mut catalog, 7, Change::DeleteKey { id: "k".into() });

    // The first of them is forgotten in the end, and a catalog from a snapshot remembers the others.
    for number in 0..256 {
        let id = format!("k{number}");
        done(&mut catalog, new_key(&id, "s"));
        done(&mut catalog, attempt(100 + number, Change::DeleteKey { id }));
    }
    assert!(matches!(refused(&mut catalog, attempt(1, create(spec("t")))), CatalogRefusal::TableExists(_)));
    let mut catalog = Catalog::decode(&catalog.encode()).expect("just encoded");
    again(&mut catalog, 355, Change::DeleteKey { id: "k255".into() });
}

#[test]
fn access_keys_are_made_disabled_and_deleted() {
    let mut catalog = cluster(1);
    let create = |secret: &str| new_key("AK", secret);
    assert_eq!(done(&mut catalog, create("s")), Outcome::Done);
    assert_eq!(done(&mut catalog, create("s")), Outcome::Unchanged);
    assert_eq!(refused(&mut catalog, create("other")), CatalogRefusal::KeyExists("AK".into()));
    let set = |disabled| Change::SetKey { id: "AK".into(), disabled };
    assert_eq!(done(&mut catalog, set(true)), Outcome::Done);
    assert_eq!(done(&mut catalog, set(true)), Outcome::Unchanged);
    assert!(catalog.access_key("AK").is_some_and(|key| key.disabled));
    assert!(!format!("{catalog:?}").contains("\"s\""), "secrets are not shown");
    assert_eq!(done(&mut catalog, Change::DeleteKey { id: "AK".into() }), Outcome::Done);
    assert_eq!(refused(&mut catalog, set(false)), CatalogRefusal::NoSuchKey("AK".into()));
}

#[test]
fn other_formats_and_damage_are_told_apart() {
    let catalog = cluster(3);
    let mut bytes = catalog.encode();
    assert_eq!(Catalog::decode(&bytes), Ok(catalog));
    for cut in 0..bytes.len() {
        assert_eq!(Catalog::decode(&bytes[..cut]), Err(CodecError::Damaged), "cut at {cut}");
    }
    bytes.push(0);
    assert_eq!(Catalog::decode(&bytes), Err(CodecError::Damaged));
    bytes[0] = FORMAT + 1;
    assert_eq!(Catalog::decode(&bytes), Err(CodecError::UnknownFormat(FORMAT + 1)));
}

fn changes() -> impl Strategy<Value = Change> {
    let number = 1u64..8;
    let name = (0u8..4).prop_map(|number| format!("t{number}"));
    let billing = prop_oneof![
        Just(BillingSpec::OnDemand { throughput: None }),
        (1u64..50_000, 1u64..50_000)
            .prop_map(|(read, write)| BillingSpec::Provisioned { throughput: units(read, write) }),
    ];
    prop_oneof![
        1 => (number.clone(), number.clone())
            .prop_map(|(number, starts)| Change::AddNode { node: node(number, starts), token: None }),
        1 => number.clone().prop_map(|id| Change::RemoveNode { id: NodeId(id) }),
        4 => (name.clone(), billing, proptest::option::of(0u64..20)).prop_map(|(name, billing, partitions)| {
            let table = Box::new(TableSpec { billing, ..spec(&name) });
            Change::CreateTable { table, partitions, tables_max: None, avoid: vec![NodeId(2)] }
        }),
        6 => number.clone().prop_map(|id| Change::TableReady { id: TableId(id), version: 1 }),
        1 => (name.clone(), any::<bool>())
            .prop_map(|(name, on)| update(&name, TableUpdate { deletion_protection: Some(on), ..Default::default() })),
        1 => (name.clone(), any::<bool>()).prop_map(|(table, on)| {
            Change::ChangeInsights { table, mode: on.then_some(InsightsMode::ThrottledKeys) }
        }),
        2 => (name.clone(), any::<bool>(), any::<bool>()).prop_map(|(table, enabled, at_any_time)| {
            Change::ChangeTimeToLive { table, attribute: "expires".to_owned(), enabled, at_any_time }
        }),
        1 => (number.clone(), 0u64..60)
            .prop_map(|(id, changed_ms)| Change::TimeToLiveReady { table: TableId(id), changed_ms }),
        4 => name.prop_map(|name| Change::DeleteTable { name }),
        4 => number.clone().prop_map(|id| Change::TableGone { id: TableId(id) }),
        1 => (0u64..30, 1u64..4, proptest::collection::vec((1u64..6, 1u64..99), 0..4)).prop_map(|(id, epoch, members)| {
            let members = members
                .into_iter()
                .map(|(node, replica)| Member { replica: ReplicaId(replica), node: NodeId(node), role: Role::Voter })
                .collect();
            Change::PartitionChanged { partition: PartitionId(id), epoch, members }
        }),
        1 => (0u64..99).prop_map(|replica| Change::ReplicaLost { replica: ReplicaId(replica) }),
    ]
}

/// Each table's partitions hold every token once, and routing finds them.
fn check_coverage(catalog: &Catalog) {
    for table in catalog.tables() {
        let mut next = 0u128;
        for partition in catalog.routing().partitions(table.id) {
            assert_eq!(u128::from(partition.tokens.first.0), next, "a gap or an overlap");
            next = u128::from(partition.tokens.last.0) + 1;
            for token in [partition.tokens.first, partition.tokens.last] {
                assert_eq!(
                    catalog.routing().partition(table.id, token),
                    catalog.partition(partition.id).as_ref().copied()
                );
            }
        }
        assert_eq!(next, 1 << 64, "every token of {}", table.name);
    }
    assert_eq!(catalog.routing().partition(TableId(1_000), Token(5)), None);
    assert!(
        catalog.insights.keys().all(|table| catalog.tables.contains_key(table)),
        "insights of a table that is gone"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn random_changes_keep_what_is_promised(changes in proptest::collection::vec(changes(), 1..60)) {
        let mut catalog = cluster(1);
        let mut other = Catalog::decode(&catalog.encode()).expect("just encoded");
        let mut seen: BTreeMap<TableId, String> = BTreeMap::new();
        let mut partitions: BTreeMap<PartitionId, TableId> = BTreeMap::new();
        let mut replicas: BTreeSet<ReplicaId> = BTreeSet::new();
        for (number, mut change) in changes.into_iter().enumerate() {
            if let Change::TableReady { id, version } = &mut change {
                *version = catalog.table_by_id(*id).map_or(*version, |table| table.version);
            }
            let at = Stamp { now_ms: number as u64 };
            let is_report = matches!(change, Change::PartitionChanged { .. });
            let before = catalog.clone();
            let (decoded, stamp) = decode_change(&encode_change(&change, &at)).expect("just encoded");
            let outcome = catalog.step(change, &at);
            prop_assert_eq!(&outcome, &other.step(decoded, &stamp));
            prop_assert_eq!(catalog.encode(), other.encode());
            if outcome.is_err() || outcome == Ok(Outcome::Unchanged) {
                prop_assert_eq!(&before, &catalog);
            }
            for table in catalog.tables() {
                if let Some(name) = seen.insert(table.id, table.name.clone()) {
                    prop_assert_eq!(&name, &table.name, "an id used again");
                }
            }
            for partition in catalog.partitions().filter(|partition| before.partition(partition.id).is_none()) {
                prop_assert!(partitions.insert(partition.id, partition.table).is_none(), "an id used again");
                for member in partition.members.iter().filter(|_| !is_report) {
                    prop_assert!(replicas.insert(member.replica), "an id used again");
                }
            }
            check_coverage(&catalog);
        }
        prop_assert_eq!(Catalog::decode(&catalog.encode()).expect("just encoded"), catalog);
    }
}
