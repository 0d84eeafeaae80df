//! How often throughput may fall, how often a table may become on-demand, and how much there may be.

use super::*;

const HOUR_MS: u64 = DAY_MS / 24;
/// A UTC midnight: Friday, October 9, 2026.
const MIDNIGHT_MS: u64 = 20_735 * DAY_MS;

/// A provisioned table `t` of that many read and ten write units.
fn provisioned_table(read_units: u64) -> Catalog {
    let mut catalog = cluster(1);
    let billing = BillingSpec::Provisioned { throughput: units(read_units, 10) };
    let id = make(&mut catalog, TableSpec { billing, ..spec("t") });
    ready(&mut catalog, id);
    catalog
}

fn change_at(catalog: &mut Catalog, change: TableUpdate, now_ms: u64) -> Result<(), String> {
    let outcome = catalog.step(update("t", change), &Stamp { now_ms });
    let id = catalog.table("t").expect("there").id;
    ready(catalog, id);
    outcome.map(|_| ()).map_err(|refusal| match refusal {
        CatalogRefusal::LimitExceeded(text) => text,
        other => panic!("{other:?}"),
    })
}

fn read_units(read: u64) -> TableUpdate {
    TableUpdate { throughput: Some(units(read, 10)), ..TableUpdate::default() }
}

fn decreases(catalog: &Catalog) -> (u64, Option<u64>) {
    match catalog.table("t").expect("there").billing {
        Billing::Provisioned { decreases_today, last_decrease_ms, .. } => (decreases_today, last_decrease_ms),
        Billing::OnDemand { .. } => panic!("it is provisioned"),
    }
}

#[test]
fn throughput_falls_four_times_a_day_and_then_once_an_hour() {
    let mut catalog = provisioned_table(20);
    let began_ms = MIDNIGHT_MS + 1_294_000;
    for number in 1..=4 {
        assert_eq!(change_at(&mut catalog, read_units(20 - number), began_ms), Ok(()));
    }
    let text = "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day. After the \
                first 4 decreases, each subsequent decrease in the same UTC day can be performed at most once every 3600 \
                seconds. Number of decreases today: 4. Last decrease at Friday, October 9, 2026 at 12:21:34 AM Coordinated \
                Universal Time. Next decrease can be made at Friday, October 9, 2026 at 1:21:34 AM Coordinated Universal \
                Time";
    assert_eq!(change_at(&mut catalog, read_units(15), began_ms), Err(text.to_owned()));
    assert!(change_at(&mut catalog, read_units(15), began_ms + HOUR_MS - 1).is_err());
    let both = TableUpdate { throughput: Some(units(30, 9)), ..TableUpdate::default() };
    assert!(change_at(&mut catalog, both, began_ms).is_err(), "one way rises, the other one falls");
    assert_eq!(decreases(&catalog), (4, Some(began_ms)), "what is refused does not count");
    assert_eq!(change_at(&mut catalog, read_units(18), began_ms), Ok(()), "rising is free");

    assert_eq!(change_at(&mut catalog, read_units(14), began_ms + HOUR_MS), Ok(()));
    assert!(change_at(&mut catalog, read_units(13), began_ms + HOUR_MS + 1).is_err());
    assert_eq!(decreases(&catalog), (5, Some(began_ms + HOUR_MS)));
}

#[test]
fn midnight_brings_four_decreases_back() {
    let mut catalog = provisioned_table(20);
    let late_ms = MIDNIGHT_MS + DAY_MS - 1_000;
    for number in 1..=4 {
        assert_eq!(change_at(&mut catalog, read_units(20 - number), late_ms), Ok(()));
    }
    let text = change_at(&mut catalog, read_units(10), late_ms).expect_err("too often");
    assert!(text.ends_with(
        "Next decrease can be made at Saturday, October 10, 2026 at 12:00:00 AM Coordinated Universal Time"
    ));
    for number in 5..=8 {
        assert_eq!(change_at(&mut catalog, read_units(20 - number), MIDNIGHT_MS + DAY_MS), Ok(()));
    }
    assert!(change_at(&mut catalog, read_units(1), MIDNIGHT_MS + DAY_MS).is_err());
}

#[test]
fn a_table_becomes_on_demand_four_times_in_a_rolling_day() {
    let mut catalog = provisioned_table(20);
    let on_demand = || TableUpdate { billing_mode: Some(BillingMode::OnDemand), ..TableUpdate::default() };
    let provisioned = || TableUpdate {
        billing_mode: Some(BillingMode::Provisioned),
        throughput: Some(units(5, 5)),
        ..Default::default()
    };
    for hour in 0..4 {
        assert_eq!(change_at(&mut catalog, on_demand(), MIDNIGHT_MS + hour * HOUR_MS), Ok(()));
        assert_eq!(change_at(&mut catalog, on_demand(), MIDNIGHT_MS + hour * HOUR_MS), Ok(()), "it is so already");
        assert_eq!(change_at(&mut catalog, provisioned(), MIDNIGHT_MS + hour * HOUR_MS), Ok(()));
    }
    let text = "Subscriber limit exceeded: Update to PayPerRequest mode are limited to 4 times in 1 day(s). Last update at \
                Fri Oct 09 03:00:00 UTC 2026. Next update can be made at Sat Oct 10 00:00:00 UTC 2026";
    assert_eq!(change_at(&mut catalog, on_demand(), MIDNIGHT_MS + DAY_MS - 1), Err(text.to_owned()));
    assert_eq!(change_at(&mut catalog, on_demand(), MIDNIGHT_MS + DAY_MS), Ok(()));
    assert_eq!(change_at(&mut catalog, provisioned(), MIDNIGHT_MS + DAY_MS), Ok(()), "the other way at any time");
    assert!(change_at(&mut catalog, on_demand(), MIDNIGHT_MS + DAY_MS).is_err());
    assert!(change_at(&mut catalog, on_demand(), MIDNIGHT_MS + DAY_MS + HOUR_MS).is_ok());
}

#[test]
fn quotas_are_told_in_dynamodbs_words() {
    let mut catalog = provisioned_table(20);
    let most = Some(UnitsMax::Most(40_001));
    for (change, text) in [
        (
            read_units(40_001),
            "The requested ReadCapacityUnits, 40001, is above the per table maximum for the account in us-east-1. Per table \
             maximum: 40000. Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits.",
        ),
        (
            TableUpdate { warm_write_units: Some(40_001), ..TableUpdate::default() },
            "Subscriber limit exceeded: Requested WriteUnitsPerSecond for WarmThroughput for table exceeds \
             TableMaxWriteCapacityUnits of the account in region us-east-1",
        ),
        (
            TableUpdate { billing_mode: Some(BillingMode::OnDemand), on_demand_read: most, ..TableUpdate::default() },
            "Subscriber limit exceeded: Requested MaxReadRequestUnits for OnDemandThroughput for table exceeds \
             TableMaxReadCapacityUnits of the account in region us-east-1",
        ),
    ] {
        assert_eq!(change_at(&mut catalog, change, MIDNIGHT_MS), Err(text.to_owned()));
    }
}
