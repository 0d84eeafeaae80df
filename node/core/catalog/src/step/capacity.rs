//! What limits throughput: the account's quotas, how often it may fall, how often a table may become on-demand.
//!
//! Sources: Amazon DynamoDB Developer Guide, "Service, account, and table quotas" and "Considerations when switching capacity
//! modes". The texts are those that the service was seen to answer.

use super::date;
use crate::{Catalog, CatalogRefusal, Stamp, TABLE_UNITS_MAX, Throughput};
use stator_item::TableId;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// Decreases in a UTC day at any time. Further ones need an hour since the last.
const DECREASES_MAX: u64 = 4;
/// Switches of a table from provisioned to on-demand, in a rolling day.
pub(super) const SWITCHES_MAX: usize = 4;

/// What throughput is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asked<'a> {
    Table,
    Index(&'a str),
}

/// Where quotas are told from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quotas<'a> {
    region: &'a str,
}

impl Catalog {
    pub(super) fn quotas(&self) -> Quotas<'_> {
        Quotas { region: self.identity.as_ref().map_or("", |identity| identity.region.as_str()) }
    }
}

impl Quotas<'_> {
    pub fn check_provisioned(&self, asked: Asked<'_>, throughput: Throughput) -> Result<(), CatalogRefusal> {
        let ways = [("ReadCapacityUnits", throughput.read_units), ("WriteCapacityUnits", throughput.write_units)];
        let Some((name, units)) = ways.into_iter().find(|(_, units)| *units > TABLE_UNITS_MAX) else { return Ok(()) };
        let (of, per) = match asked {
            Asked::Table => (String::new(), "table"),
            Asked::Index(index) => (format!(" for index {index}"), "index"),
        };
        Err(CatalogRefusal::LimitExceeded(format!(
            "The requested {name}{of}, {units}, is above the per {per} maximum for the account in {}. Per {per} maximum: \
             {TABLE_UNITS_MAX}. Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher \
             limits.",
            self.region
        )))
    }

    pub fn check_warm(&self, asked: Asked<'_>, warm: Throughput) -> Result<(), CatalogRefusal> {
        self.check_other(asked, "WarmThroughput", ["ReadUnitsPerSecond", "WriteUnitsPerSecond"], warm)
    }

    pub fn check_on_demand(&self, asked: Asked<'_>, most: Throughput) -> Result<(), CatalogRefusal> {
        self.check_other(asked, "OnDemandThroughput", ["MaxReadRequestUnits", "MaxWriteRequestUnits"], most)
    }

    fn check_other(
        &self,
        asked: Asked<'_>,
        member: &str,
        names: [&str; 2],
        throughput: Throughput,
    ) -> Result<(), CatalogRefusal> {
        let units = [throughput.read_units, throughput.write_units];
        let quotas = ["TableMaxReadCapacityUnits", "TableMaxWriteCapacityUnits"];
        let asks_too_much = names.into_iter().zip(quotas).zip(units).find(|(_, units)| *units > TABLE_UNITS_MAX);
        let Some(((name, quota), _)) = asks_too_much else { return Ok(()) };
        let of = match asked {
            Asked::Table => "table".to_owned(),
            Asked::Index(index) => format!("index {index}"),
        };
        Err(CatalogRefusal::LimitExceeded(format!(
            "Subscriber limit exceeded: Requested {name} for {member} for {of} exceeds {quota} of the account in region {}",
            self.region
        )))
    }

    /// Whether a table may become on-demand now; `switches` are those before, in milliseconds since 1970.
    pub fn check_switch(&self, switches: &[u64], at: &Stamp) -> Result<(), CatalogRefusal> {
        let lately: Vec<u64> = switches.iter().copied().filter(|then| at.now_ms < then + DAY_MS).collect();
        let (Some(first), Some(last)) = (lately.first(), lately.last()) else { return Ok(()) };
        if lately.len() < SWITCHES_MAX {
            return Ok(());
        }
        Err(CatalogRefusal::LimitExceeded(format!(
            "Subscriber limit exceeded: Update to PayPerRequest mode are limited to {SWITCHES_MAX} times in 1 day(s). Last \
             update at {}. Next update can be made at {}",
            date::short(*last),
            date::short(first + DAY_MS)
        )))
    }
}

impl Catalog {
    /// A table has become on-demand.
    pub(super) fn note_switch(&mut self, table: TableId, at: &Stamp) {
        let switches = self.on_demand_switches.entry(table).or_default();
        switches.push(at.now_ms);
        let excess = switches.len().saturating_sub(SWITCHES_MAX);
        switches.drain(..excess);
    }
}

/// The number of decreases of this UTC day, the one now included; refused if there were too many.
pub(super) fn count_decrease(last_ms: Option<u64>, today: u64, at: &Stamp) -> Result<u64, CatalogRefusal> {
    let is_today = |last_ms: &u64| last_ms / DAY_MS == at.now_ms / DAY_MS;
    let Some(last_ms) = last_ms.filter(is_today) else { return Ok(1) };
    if today < DECREASES_MAX || at.now_ms >= last_ms + HOUR_MS {
        return Ok(today.saturating_add(1));
    }
    let next_ms = (last_ms + HOUR_MS).min((last_ms / DAY_MS + 1) * DAY_MS);
    Err(CatalogRefusal::LimitExceeded(format!(
        "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day. After the first \
         {DECREASES_MAX} decreases, each subsequent decrease in the same UTC day can be performed at most once every 3600 \
         seconds. Number of decreases today: {today}. Last decrease at {}. Next decrease can be made at {}",
        date::long(last_ms),
        date::long(next_ms)
    )))
}
