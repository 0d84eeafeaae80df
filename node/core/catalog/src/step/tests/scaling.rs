//! Scalable targets, their policies and what is done for them.

use super::*;

fn resource(index: Option<&str>, way: Way) -> ScalingResource {
    ScalingResource { table: "t".into(), index: index.map(str::to_owned), way }
}

fn register(min: Option<u64>, max: Option<u64>) -> Change {
    let resource = resource(None, Way::Write);
    let (role_arn, suspended, tags) = (None, None, BTreeMap::new());
    Change::Scaling(ScalingChange::Register { resource, min, max, role_arn, suspended, tags })
}

fn policy(target_percent: f64) -> Change {
    let tracking =
        TargetTracking { target_percent, scale_out_cooldown: None, scale_in_cooldown: None, disable_scale_in: None };
    Change::Scaling(ScalingChange::PutPolicy { resource: resource(None, Way::Write), name: "p".into(), tracking })
}

fn scale(catalog: &mut Catalog, from: u64, to: u64, now_ms: u64) -> Outcome {
    let dimension = catalog.dimension(&resource(None, Way::Write)).expect("it is there");
    let cause = ScalingCause::Low { policy: "p".into() };
    let change = Change::Scaling(ScalingChange::Scale { dimension, from, to, cause });
    let outcome = catalog.step(change, &Stamp { now_ms }).expect("it is never refused");
    let id = dimension.table;
    ready(catalog, id);
    outcome
}

fn table() -> Catalog {
    let mut catalog = cluster(1);
    let billing = BillingSpec::Provisioned { throughput: units(10, 10) };
    let id = make(&mut catalog, TableSpec { billing, ..spec("t") });
    ready(&mut catalog, id);
    catalog
}

fn target(catalog: &Catalog) -> &ScalableTarget {
    catalog.scalable_target(&resource(None, Way::Write)).expect("it is registered")
}

#[test]
fn a_target_is_registered_changed_and_deregistered() {
    let mut catalog = table();
    let nothing = ScalingResource { table: "u".into(), ..resource(None, Way::Read) };
    let of_nothing = Change::Scaling(ScalingChange::Deregister { resource: nothing.clone() });
    assert_eq!(refused(&mut catalog, of_nothing), CatalogRefusal::NoSuchTarget(nothing));
    assert!(matches!(refused(&mut catalog, policy(70.0)), CatalogRefusal::NoSuchTarget(_)));
    assert!(matches!(refused(&mut catalog, register(Some(5), None)), CatalogRefusal::Invalid(_)));
    assert!(matches!(refused(&mut catalog, register(Some(5), Some(4))), CatalogRefusal::Invalid(_)));
    done(&mut catalog, register(Some(5), Some(20)));
    done(&mut catalog, register(None, Some(30)));
    assert_eq!((target(&catalog).min, target(&catalog).max, target(&catalog).number), (5, 30, 1));
    done(&mut catalog, policy(70.0));
    done(&mut catalog, policy(50.0));
    let kept = target(&catalog).policies.get("p").expect("one policy");
    assert_eq!((kept.tracking.target_percent, kept.number), (50.0, 2));

    let delete = |name: &str| {
        Change::Scaling(ScalingChange::DeletePolicy { resource: resource(None, Way::Write), name: name.into() })
    };
    assert!(matches!(refused(&mut catalog, delete("other")), CatalogRefusal::NoSuchPolicy { .. }));
    done(&mut catalog, delete("p"));
    let tags = |set: usize| {
        let set = (0..set).map(|number| (number.to_string(), String::new())).collect();
        Change::Scaling(ScalingChange::ChangeTags { target: 1, set, remove: vec!["0".into()] })
    };
    done(&mut catalog, tags(51));
    assert_eq!(target(&catalog).tags.len(), 50);
    assert!(matches!(refused(&mut catalog, tags(52)), CatalogRefusal::TooManyTags { .. }));
    done(&mut catalog, Change::Scaling(ScalingChange::Deregister { resource: resource(None, Way::Write) }));
    assert_eq!(catalog.scalable_targets().count(), 0);
}

#[test]
fn capacity_is_changed_as_updatetable_would() {
    let mut catalog = table();
    done(&mut catalog, register(Some(1), Some(40)));
    assert_eq!(scale(&mut catalog, 9, 20, 1_000), Outcome::Unchanged, "it was seen with other units");
    for to in [9, 8, 7, 6] {
        assert_eq!(scale(&mut catalog, to + 1, to, 1_000), Outcome::Done);
    }
    assert_eq!(scale(&mut catalog, 6, 5, 2_000), Outcome::Done);
    let table = catalog.table("t").expect("there");
    assert!(matches!(table.billing, Billing::Provisioned { throughput, .. } if throughput == units(10, 6)));
    let target = target(&catalog);
    assert_eq!((target.activities.len(), target.last_in_ms, target.last_failed_ms), (5, Some(1_000), Some(2_000)));
    let failure = target.activities.back().and_then(|activity| activity.failure.as_deref()).expect("it failed");
    assert!(failure.contains("decreases are limited"), "{failure}");
    for number in 0..60 {
        scale(&mut catalog, 6 + number, 7 + number, 3_000);
    }
    let target = catalog.scalable_target(&resource(None, Way::Write)).expect("there");
    assert_eq!(target.activities.len(), SCALING_ACTIVITIES_MAX);
    assert!(Catalog::decode(&catalog.encode()).is_ok_and(|decoded| decoded == catalog));
}

#[test]
fn a_target_goes_with_its_table() {
    let mut catalog = table();
    done(&mut catalog, register(Some(1), Some(40)));
    let id = catalog.table("t").expect("there").id;
    done(&mut catalog, Change::DeleteTable { name: "t".into() });
    done(&mut catalog, Change::TableGone { id });
    assert_eq!(catalog.scalable_targets().count(), 0);
}
