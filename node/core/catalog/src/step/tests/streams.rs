//! Streams of tables: enabled, disabled, enabled again, and read for a day after their end.

use super::*;
use std::sync::Arc;

const HOUR_MS: u64 = 3_600_000;

fn step(catalog: &mut Catalog, now_ms: u64, change: Change) -> Result<Outcome, CatalogRefusal> {
    catalog.step(change, &Stamp { now_ms })
}

fn stream(update: StreamUpdate) -> Change {
    Change::UpdateTable {
        name: "t".into(),
        update: Box::new(TableUpdate { stream: Some(update), ..TableUpdate::default() }),
        partitions: None,
        avoid: Vec::new(),
    }
}

/// Makes a change of a table, and all partitions hear of it.
fn table(catalog: &mut Catalog, now_ms: u64, change: Change) -> Arc<TableDescription> {
    let Ok(Outcome::Table(table)) = step(catalog, now_ms, change) else { panic!("the change is made") };
    let ready = Change::TableReady { id: table.id, version: table.version };
    step(catalog, now_ms, ready).expect("the table is ready");
    catalog.table("t").expect("it is there").clone()
}

fn statuses(table: &TableDescription) -> Vec<(u64, StreamStatus)> {
    table.streams.iter().map(|stream| (stream.label.0, stream.status)).collect()
}

#[test]
fn a_stream_is_enabled_disabled_and_enabled_again() {
    let mut catalog = cluster(1);
    let made = table(&mut catalog, 1_000, create(TableSpec { stream: Some(StreamView::KeysOnly), ..spec("t") }));
    assert_eq!(statuses(&made), [(1_000, StreamStatus::Enabled)]);
    assert_eq!(made.stream().map(|stream| stream.view), Some(StreamView::KeysOnly));
    assert!(made.has_consumer());
    let again = step(&mut catalog, 1_000, stream(StreamUpdate::Enable(StreamView::KeysOnly)));
    assert!(matches!(again, Err(CatalogRefusal::Invalid(_))), "it has one");

    let Ok(Outcome::Table(ending)) = step(&mut catalog, 2_000, stream(StreamUpdate::Disable)) else {
        panic!("disabled")
    };
    assert_eq!((statuses(&ending), ending.stream()), (vec![(1_000, StreamStatus::Disabling)], None));
    step(&mut catalog, 2_500, Change::TableReady { id: ending.id, version: ending.version }).expect("ready");
    let ended = catalog.table("t").expect("it is there").clone();
    assert_eq!(statuses(&ended), [(1_000, StreamStatus::Disabled { since_ms: 2_500 })]);
    assert!(!ended.has_consumer());
    let none = step(&mut catalog, 3_000, stream(StreamUpdate::Disable));
    assert!(matches!(none, Err(CatalogRefusal::Invalid(_))), "it has none");

    // The clock was set back: another stream has another label all the same.
    let second = table(&mut catalog, 500, stream(StreamUpdate::Enable(StreamView::NewImage)));
    assert_eq!(
        statuses(&second),
        [(1_000, StreamStatus::Disabled { since_ms: 2_500 }), (1_001, StreamStatus::Enabled)]
    );
    let over_ms = 2_500 + STREAM_RETENTION_MS;
    assert!(catalog.stream("t", StreamLabel(1_000), over_ms - 1).is_some());
    assert!(catalog.stream("t", StreamLabel(1_000), over_ms).is_none());
    assert_eq!(catalog.streams(over_ms).count(), 1);
    let forget = |now_ms| Change::ForgetStreams { table: second.id, now_ms };
    assert_eq!(step(&mut catalog, over_ms - 1, forget(over_ms - 1)), Ok(Outcome::Unchanged));
    assert_eq!(step(&mut catalog, over_ms, forget(over_ms - 1)), Ok(Outcome::Unchanged), "the clock was set forward");
    assert_eq!(catalog.tables_with_old_streams(over_ms).collect::<Vec<_>>(), [second.id]);
    step(&mut catalog, over_ms, forget(over_ms)).expect("it is forgotten");
    let left = catalog.table("t").expect("it is there");
    assert_eq!((statuses(left), left.version), (vec![(1_001, StreamStatus::Enabled)], second.version));
}

#[test]
fn a_stream_outlives_its_table_for_a_day() {
    let mut catalog = cluster(3);
    let made = table(&mut catalog, 1_000, create(TableSpec { stream: Some(StreamView::NewAndOldImages), ..spec("t") }));
    let partitions = catalog.routing().partitions(made.id).count();
    let delete = |catalog: &mut Catalog, id: TableId, now_ms: u64| {
        step(catalog, now_ms, Change::DeleteTable { name: "t".into() }).expect("it is deleted");
        step(catalog, now_ms, Change::TableGone { id }).expect("it is gone");
    };
    delete(&mut catalog, made.id, HOUR_MS);
    assert!(catalog.table("t").is_none());
    assert_eq!(catalog.routing().partitions(made.id).count(), partitions);
    let (of, stream) = catalog.stream("t", StreamLabel(1_000), HOUR_MS).expect("it is read");
    assert_eq!((of.id, stream.status), (made.id, StreamStatus::Disabled { since_ms: HOUR_MS }));

    // Made again under its name, it is another table with another stream; the clock was set back.
    let second = table(&mut catalog, 900, create(TableSpec { stream: Some(StreamView::KeysOnly), ..spec("t") }));
    assert_eq!(statuses(&second), [(1_001, StreamStatus::Enabled)]);
    assert!(catalog.stream_of(made.id, StreamLabel(1_001), HOUR_MS).is_none());

    let read_again = Catalog::decode(&catalog.encode()).expect("it is read");
    assert_eq!(read_again, catalog);
    let over_ms = HOUR_MS + STREAM_RETENTION_MS;
    assert_eq!(catalog.tables_with_old_streams(over_ms).collect::<Vec<_>>(), [made.id]);
    step(&mut catalog, over_ms, Change::ForgetStreams { table: made.id, now_ms: over_ms }).expect("it is forgotten");
    assert_eq!(catalog.routing().partitions(made.id).count(), 0);
    assert_eq!(catalog.tables_with_old_streams(over_ms).count(), 0);
    assert_eq!(
        step(&mut catalog, over_ms, Change::ForgetStreams { table: made.id, now_ms: over_ms }),
        Ok(Outcome::Unchanged)
    );
}

#[test]
fn a_table_without_a_stream_leaves_nothing() {
    let mut catalog = cluster(1);
    let made = table(&mut catalog, 1_000, create(spec("t")));
    step(&mut catalog, 1_000, Change::DeleteTable { name: "t".into() }).expect("it is deleted");
    step(&mut catalog, 1_000, Change::TableGone { id: made.id }).expect("it is gone");
    assert_eq!(catalog.routing().partitions(made.id).count(), 0);
    assert_eq!(catalog.streams(1_000).count(), 0);
}

#[test]
fn streams_within_a_day_are_bounded() {
    let mut catalog = cluster(1);
    table(&mut catalog, 1_000, create(spec("t")));
    let enable = || stream(StreamUpdate::Enable(StreamView::KeysOnly));
    for _ in 0..32 {
        table(&mut catalog, 1_000, enable());
        table(&mut catalog, 1_000, stream(StreamUpdate::Disable));
    }
    assert!(matches!(step(&mut catalog, 1_000, enable()), Err(CatalogRefusal::LimitExceeded(_))));
    table(&mut catalog, 1_000 + STREAM_RETENTION_MS, enable());
}
