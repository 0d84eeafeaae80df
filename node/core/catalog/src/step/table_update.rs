//! UpdateTable on a description, refused where it does not fit what the table is.

use super::capacity;
use crate::{
    Billing, BillingMode, CatalogRefusal, ON_DEMAND_WARM, OnDemandThroughput, SseUpdate, Stamp, TableDescription,
    TableUpdate, Throughput, UnitsMax,
};

/// The larger of both, each way.
pub(super) fn warmer(now: Throughput, asked: Throughput) -> Throughput {
    Throughput { read_units: now.read_units.max(asked.read_units), write_units: now.write_units.max(asked.write_units) }
}

pub(super) fn apply(table: &mut TableDescription, update: &TableUpdate, at: &Stamp) -> Result<(), CatalogRefusal> {
    change_billing(table, update, at)?;
    cap_on_demand(&mut table.billing, update.on_demand_read, update.on_demand_write)?;
    warm_up(&mut table.warm_throughput, update.warm_read_units, update.warm_write_units, "table")?;
    if let Some(class) = update.class
        && table.class != class
    {
        table.class = class;
        table.class_changed_ms = Some(at.now_ms);
    }
    if let Some(protection) = update.deletion_protection {
        table.deletion_protection = protection;
    }
    match &update.sse {
        None => {}
        Some(SseUpdate::Off) => table.sse = None,
        Some(SseUpdate::On(sse)) => table.sse = Some(sse.clone()),
    }
    Ok(())
}

fn invalid<T>(text: &str) -> Result<T, CatalogRefusal> {
    Err(CatalogRefusal::Invalid(format!("One or more parameter values were invalid: {text}")))
}

fn change_billing(table: &mut TableDescription, update: &TableUpdate, at: &Stamp) -> Result<(), CatalogRefusal> {
    let mode = match &table.billing {
        Billing::OnDemand { .. } => BillingMode::OnDemand,
        Billing::Provisioned { .. } => BillingMode::Provisioned,
    };
    match (mode, update.billing_mode.unwrap_or(mode), update.throughput) {
        (_, BillingMode::OnDemand, Some(_)) => invalid(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        ),
        (BillingMode::OnDemand, BillingMode::OnDemand, None) => Ok(()),
        (BillingMode::Provisioned, BillingMode::OnDemand, None) => {
            table.billing = Billing::OnDemand { throughput: None };
            table.on_demand_since_ms = Some(at.now_ms);
            table.warm_throughput = warmer(table.warm_throughput, ON_DEMAND_WARM);
            Ok(())
        }
        (BillingMode::OnDemand, BillingMode::Provisioned, None) => {
            invalid("ProvisionedThroughput must be specified when BillingMode is PROVISIONED")
        }
        (BillingMode::Provisioned, BillingMode::Provisioned, None) => Ok(()),
        (_, BillingMode::Provisioned, Some(throughput)) => {
            // Alone it is an error; beside another change it is what a declarative client sends every time.
            let alone =
                TableUpdate { billing_mode: None, throughput: None, ..update.clone() } == TableUpdate::default();
            let changed = provision(&mut table.billing, &mut table.warm_throughput, throughput, at)?;
            if !changed && alone { Err(unchanged_throughput(throughput)) } else { Ok(()) }
        }
    }
}

/// The billing of what begins with that throughput.
pub(super) fn provisioned(throughput: Throughput) -> Billing {
    Billing::Provisioned { throughput, last_increase_ms: None, last_decrease_ms: None, decreases_today: 0 }
}

/// Gives a table or index that throughput. `false`: it has it.
pub(super) fn provision(
    billing: &mut Billing,
    warm: &mut Throughput,
    asked: Throughput,
    at: &Stamp,
) -> Result<bool, CatalogRefusal> {
    let warmed = warmer(*warm, asked);
    let Billing::Provisioned { throughput: now, last_increase_ms, last_decrease_ms, decreases_today } = billing else {
        *warm = warmed;
        *billing = provisioned(asked);
        return Ok(true);
    };
    if *now == asked {
        return Ok(false);
    }
    // Both ways at once are one decrease, whatever the other one does.
    if asked.read_units < now.read_units || asked.write_units < now.write_units {
        *decreases_today = capacity::count_decrease(*last_decrease_ms, *decreases_today, at)?;
        *last_decrease_ms = Some(at.now_ms);
    }
    if asked.read_units > now.read_units || asked.write_units > now.write_units {
        *last_increase_ms = Some(at.now_ms);
    }
    *now = asked;
    *warm = warmed;
    Ok(true)
}

fn unchanged_throughput(Throughput { read_units, write_units }: Throughput) -> CatalogRefusal {
    CatalogRefusal::Invalid(format!(
        "The provisioned throughput for the table will not change. The requested value equals the current value. Current \
         ReadCapacityUnits provisioned for the table: {read_units}. Requested ReadCapacityUnits: {read_units}. Current \
         WriteCapacityUnits provisioned for the table: {write_units}. Requested WriteCapacityUnits: {write_units}. Refer \
         to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits."
    ))
}

/// Caps of a table or index; what is not asked for stays.
pub(super) fn cap_on_demand(
    billing: &mut Billing,
    read: Option<UnitsMax>,
    write: Option<UnitsMax>,
) -> Result<(), CatalogRefusal> {
    if read.is_none() && write.is_none() {
        return Ok(());
    }
    let Billing::OnDemand { throughput } = billing else {
        let name = if read.is_some() { "MaxReadRequestUnits" } else { "MaxWriteRequestUnits" };
        return invalid(&format!(
            "{name} for OnDemandThroughput cannot be specified when the table BillingMode is PROVISIONED"
        ));
    };
    let capped = |asked: Option<UnitsMax>, now: Option<u64>| match asked {
        None => now,
        Some(UnitsMax::Unlimited) => None,
        Some(UnitsMax::Most(units)) => Some(units),
    };
    let now = throughput.unwrap_or_default();
    let changed = OnDemandThroughput {
        read_units_max: capped(read, now.read_units_max),
        write_units_max: capped(write, now.write_units_max),
    };
    *throughput = (changed != OnDemandThroughput::default()).then_some(changed);
    Ok(())
}

/// Warm throughput of a table or index never falls.
pub(super) fn warm_up(
    warm: &mut Throughput,
    read: Option<u64>,
    write: Option<u64>,
    what: &str,
) -> Result<(), CatalogRefusal> {
    for (name, asked, now) in
        [("ReadUnitsPerSecond", read, &mut warm.read_units), ("WriteUnitsPerSecond", write, &mut warm.write_units)]
    {
        let Some(asked) = asked else { continue };
        if asked < *now {
            return invalid(&format!(
                "Requested {name} for WarmThroughput for {what} is lower than current WarmThroughput, decreasing \
                 WarmThroughput is not supported"
            ));
        }
        *now = asked;
    }
    Ok(())
}
