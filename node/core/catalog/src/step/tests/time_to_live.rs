//! Time to live of a table: enabled, disabled, and changed not too often.

use super::*;

const HOUR_MS: u64 = 3_600_000;

fn step(catalog: &mut Catalog, now_ms: u64, change: Change) -> Result<Outcome, CatalogRefusal> {
    catalog.step(change, &Stamp { now_ms })
}

fn change(attribute: &str, enabled: bool, at_any_time: bool) -> Change {
    Change::ChangeTimeToLive { table: "t".into(), attribute: attribute.into(), enabled, at_any_time }
}

fn shown(catalog: &Catalog) -> (Option<TimeToLiveStatus>, Option<&str>) {
    let table = catalog.table("t").expect("it is there");
    (table.time_to_live.as_ref().map(|time_to_live| time_to_live.status), table.expiry_attribute())
}

fn ready(catalog: &mut Catalog, changed_ms: u64) -> Outcome {
    let id = catalog.table("t").expect("it is there").id;
    step(catalog, 0, Change::TimeToLiveReady { table: id, changed_ms }).expect("news are never refused")
}

fn table() -> (Catalog, TableId) {
    let mut catalog = cluster(1);
    let id = make(&mut catalog, spec("t"));
    done(&mut catalog, Change::TableReady { id, version: 1 });
    (catalog, id)
}

#[test]
fn it_is_enabled_and_disabled_while_the_table_stays_active() {
    let (mut catalog, id) = table();
    let version = catalog.table_by_id(id).expect("it is there").version;
    assert_eq!(shown(&catalog), (None, None));
    step(&mut catalog, 5_000, change("expires", true, false)).expect("it is enabled");
    assert_eq!(shown(&catalog), (Some(TimeToLiveStatus::Enabling), Some("expires")));
    let enabling = catalog.table_by_id(id).expect("it is there");
    assert_eq!(
        (enabling.version, enabling.status),
        (version + 1, TableStatus::Active),
        "each partition has to hear of it"
    );
    assert_eq!(ready(&mut catalog, 4_999), Outcome::Unchanged, "this speaks of another change");
    assert!(matches!(ready(&mut catalog, 5_000), Outcome::Table(_)));
    assert_eq!(shown(&catalog), (Some(TimeToLiveStatus::Enabled), Some("expires")));
    assert_eq!(ready(&mut catalog, 5_000), Outcome::Unchanged);
    step(&mut catalog, 5_000 + HOUR_MS, change("expires", false, false)).expect("it is disabled");
    assert_eq!(shown(&catalog), (Some(TimeToLiveStatus::Disabling), None));
    ready(&mut catalog, 5_000 + HOUR_MS);
    assert_eq!(shown(&catalog), (Some(TimeToLiveStatus::Disabled), None));
    step(&mut catalog, 5_000 + 2 * HOUR_MS, change("other", true, false)).expect("it is enabled again");
    assert_eq!(shown(&catalog), (Some(TimeToLiveStatus::Enabling), Some("other")));
}

#[test]
fn what_does_not_fit_is_refused_in_the_words_of_aws() {
    let (mut catalog, id) = table();
    let invalid = |text: &str| Err(CatalogRefusal::Invalid(text.to_owned()));
    let disabled = invalid("TimeToLive is already disabled");
    let too_often = invalid("Time to live has been modified multiple times within a fixed interval");
    assert_eq!(step(&mut catalog, 0, change("a", false, false)), disabled);
    step(&mut catalog, 1_000, change("a", true, false)).expect("it is enabled");
    assert_eq!(step(&mut catalog, 1_000, change("a", true, false)), invalid("TimeToLive is already enabled"));
    for enabled in [false, true] {
        assert_eq!(
            step(&mut catalog, 1_000, change("b", enabled, false)),
            invalid("TimeToLive is active on a different AttributeName: current AttributeName is a")
        );
    }
    assert_eq!(step(&mut catalog, 1_000, change("a", false, true)), too_often, "the last one has not arrived");
    ready(&mut catalog, 1_000);
    assert_eq!(step(&mut catalog, HOUR_MS, change("a", false, false)), too_often);
    step(&mut catalog, HOUR_MS, change("a", false, true)).expect("a setting allows it");
    ready(&mut catalog, HOUR_MS);
    assert_eq!(step(&mut catalog, HOUR_MS, change("a", false, true)), disabled);
    assert_eq!(
        step(
            &mut catalog,
            0,
            Change::ChangeTimeToLive { table: "u".into(), attribute: "a".into(), enabled: true, at_any_time: true }
        ),
        Err(CatalogRefusal::NoSuchTable("u".into()))
    );
    done(&mut catalog, Change::DeleteTable { name: "t".into() });
    let busy = CatalogRefusal::TableBusy { name: "t".into(), status: TableStatus::Deleting };
    assert_eq!(step(&mut catalog, DAY_MS, change("a", true, true)), Err(busy));
    assert_eq!(
        step(&mut catalog, 0, Change::TimeToLiveReady { table: id, changed_ms: HOUR_MS }),
        Ok(Outcome::Unchanged)
    );
}

#[test]
fn a_clock_that_goes_back_gives_each_change_a_name_of_its_own() {
    let (mut catalog, _) = table();
    step(&mut catalog, 9_000, change("a", true, true)).expect("it is enabled");
    ready(&mut catalog, 9_000);
    step(&mut catalog, 3_000, change("a", false, true)).expect("it is disabled");
    assert_eq!(ready(&mut catalog, 9_000), Outcome::Unchanged, "the first one's news come late");
    assert!(matches!(ready(&mut catalog, 9_001), Outcome::Table(_)));
}
