//! However commands come, whatever leads where and whoever lends: no more passes than was earned; and what was earned does.

use super::*;
use proptest::prelude::*;
use stator_catalog::{
    IndexProjection, IndexStatus, KeyAttribute, KeySchema, OnDemandThroughput, TableClass, TableStatus,
};
use stator_item::{KeyType, Token};

const TABLE: TableId = TableId(1);
const INDEX: TableId = TableId(2);
const SECOND: Duration = Duration::from_secs(1);

fn table(billing: Billing, warm: Throughput) -> TableDescription {
    TableDescription {
        id: TABLE,
        name: "t".into(),
        version: 1,
        status: TableStatus::Active,
        created_ms: 0,
        key: KeySchema { hash: KeyAttribute { name: "pk".into(), key_type: KeyType::String }, range: None },
        local_indexes: Vec::new(),
        billing,
        on_demand_since_ms: None,
        warm_throughput: warm,
        class: TableClass::Standard,
        class_changed_ms: None,
        deletion_protection: false,
        sse: None,
        tags: BTreeMap::new(),
        streams: Vec::new(),
        global_indexes: Vec::new(),
        time_to_live: None,
    }
}

fn provisioned(read_units: u64, write_units: u64) -> Billing {
    let throughput = Throughput { read_units, write_units };
    Billing::Provisioned { throughput, last_increase_ms: None, last_decrease_ms: None, decreases_today: 0 }
}

fn provisioned_table(read_units: u64, write_units: u64) -> TableDescription {
    table(provisioned(read_units, write_units), Throughput { read_units, write_units })
}

fn with_index(write_units: u64, table: TableDescription) -> TableDescription {
    let index = GlobalIndex {
        id: INDEX,
        name: "i".into(),
        hash: vec![KeyAttribute { name: "other".into(), key_type: KeyType::String }],
        range: Vec::new(),
        projection: IndexProjection::All,
        status: IndexStatus::Active,
        billing: provisioned(7, write_units),
        warm_throughput: Throughput { read_units: 7, write_units },
    };
    TableDescription { global_indexes: vec![index], ..table }
}

/// A node on which these of so many equal partitions lead.
fn node(led: std::ops::Range<u64>, of: u64) -> Throttle {
    let mut throttle = Throttle::new(TABLE);
    led.for_each(|number| throttle.lead(PartitionId(number), TokenRange::slice(number, of), Duration::ZERO));
    throttle
}

fn cost(units: u64) -> Cost {
    Cost { own: Units::whole(units), ..Cost::default() }
}

/// Writes to a partition as often as it lets: what was consumed.
fn consume(throttle: &mut Throttle, table: &TableDescription, partition: u64, units: u64, now: Duration) -> u64 {
    let mut consumed = 0;
    while throttle.admit(PartitionId(partition), table, Way::Write, now).is_ok() {
        throttle.charge(PartitionId(partition), table, (Way::Write, &cost(units)), now);
        consumed += units;
    }
    consumed
}

fn reason(throttle: &mut Throttle, table: &TableDescription, way: Way) -> &'static str {
    throttle.admit(PartitionId(0), table, way, Duration::ZERO).expect_err("it is throttled").reason()
}

#[test]
fn a_bucket_begins_with_a_second_and_saves_five_minutes() {
    let table = provisioned_table(1, 10);
    let mut throttle = node(0..1, 1);
    assert_eq!(consume(&mut throttle, &table, 0, 1, Duration::ZERO), 10);
    assert_eq!(consume(&mut throttle, &table, 0, 1, SECOND), 10);
    assert_eq!(consume(&mut throttle, &table, 0, 1, SECOND * 10_000), 1_000, "a partition's limit");
    assert_eq!(consume(&mut throttle, &table, 0, 1, SECOND * 10_001), 1_000);
    assert_eq!(consume(&mut throttle, &table, 0, 1, SECOND * 10_002), 1_000);
    assert_eq!(
        consume(&mut throttle, &table, 0, 1, SECOND * 10_003),
        30,
        "of 3,000 that were saved, and three seconds"
    );
}

#[test]
fn what_a_command_costs_beyond_the_rest_is_a_debt() {
    let table = provisioned_table(1, 1);
    let mut throttle = node(0..1, 1);
    assert_eq!(consume(&mut throttle, &table, 0, 400, Duration::ZERO), 400);
    assert_eq!(consume(&mut throttle, &table, 0, 1, SECOND * 399), 0);
    assert_eq!(consume(&mut throttle, &table, 0, 1, SECOND * 400), 1);
}

#[test]
fn the_reason_says_what_was_exceeded() {
    let now = Duration::ZERO;
    let table_of_one = provisioned_table(1, 1);
    let mut throttle = node(0..1, 1);
    for (way, expected) in
        [(Way::Read, "TableReadProvisionedThroughputExceeded"), (Way::Write, "TableWriteProvisionedThroughputExceeded")]
    {
        throttle.charge(PartitionId(0), &table_of_one, (way, &cost(1)), now);
        assert_eq!(reason(&mut throttle, &table_of_one, way), expected);
    }

    let most = OnDemandThroughput { read_units_max: Some(5), write_units_max: None };
    let on_demand = table(Billing::OnDemand { throughput: Some(most) }, Throughput { read_units: 0, write_units: 0 });
    let mut throttle = node(0..1, 1);
    throttle.charge(PartitionId(0), &on_demand, (Way::Read, &cost(5)), now);
    assert_eq!(reason(&mut throttle, &on_demand, Way::Read), "TableReadMaxOnDemandThroughputExceeded");
    assert_eq!(throttle.admit(PartitionId(0), &on_demand, Way::Write, now), Ok(()));
    throttle.charge(PartitionId(0), &on_demand, (Way::Write, &cost(1_000)), now);
    assert_eq!(reason(&mut throttle, &on_demand, Way::Write), "TableWriteKeyRangeThroughputExceeded");

    let indexed = with_index(3, provisioned_table(1, 10));
    let mut throttle = node(0..1, 1);
    assert_eq!(throttle.admit_index(&indexed, INDEX, now), Ok(()));
    let of_index = Cost { own: Units::whole(1), indexes: BTreeMap::from([(INDEX, Units::whole(3))]) };
    throttle.charge(PartitionId(0), &indexed, (Way::Write, &of_index), now);
    let throttled = throttle.admit_index(&indexed, INDEX, now).expect_err("the index has nothing left");
    assert_eq!(
        (throttled.reason(), throttled.index.as_deref()),
        ("IndexWriteProvisionedThroughputExceeded", Some("i"))
    );
    assert_eq!(throttle.admit(PartitionId(0), &indexed, Way::Write, now), Ok(()), "other writes go on");

    let mut of_index = Throttle::new(INDEX);
    of_index.lead(PartitionId(0), TokenRange::ALL, now);
    of_index.charge(PartitionId(0), &indexed, (Way::Read, &cost(7)), now);
    assert_eq!(reason(&mut of_index, &indexed, Way::Read), "IndexReadProvisionedThroughputExceeded");
}

#[test]
fn a_partition_that_stands_for_several_has_the_limits_of_all() {
    let table = provisioned_table(1, 5_000);
    let mut alone = node(0..1, 1);
    assert_eq!(consume(&mut alone, &table, 0, 1, Duration::ZERO), 5_000);
    let mut one_of_five = node(0..5, 5);
    assert_eq!(consume(&mut one_of_five, &table, 0, 1, Duration::ZERO), 1_000);
}

#[test]
fn a_hot_partition_takes_what_its_siblings_leave() {
    let table = provisioned_table(1, 100);
    let mut throttle = node(0..4, 4);
    for second in 0..100 {
        assert_eq!(consume(&mut throttle, &table, 3, 1, SECOND * second), 100, "in second {second}");
    }
}

#[test]
fn a_new_leader_begins_with_nothing_saved() {
    let table = provisioned_table(1, 10);
    let mut throttle = node(0..1, 2);
    assert_eq!(consume(&mut throttle, &table, 0, 1, Duration::ZERO), 5);
    throttle.lead(PartitionId(1), TokenRange::slice(1, 2), SECOND);
    assert_eq!(consume(&mut throttle, &table, 1, 1, SECOND), 5, "earned before it led, and no second of its own");
    assert_eq!(consume(&mut throttle, &table, 1, 1, SECOND * 2), 10);
    throttle.leave(PartitionId(0), SECOND * 3);
    assert_eq!(consume(&mut throttle, &table, 1, 1, SECOND * 4), 15);
    throttle.leave(PartitionId(1), SECOND * 4);
    throttle.lead(PartitionId(0), TokenRange::slice(0, 2), SECOND * 900);
    assert_eq!(consume(&mut throttle, &table, 0, 1, SECOND * 1_000), 5);
}

#[test]
fn what_is_lent_is_gone_where_it_was() {
    let table = provisioned_table(1, 90);
    let mut nodes = [node(0..1, 3), node(1..2, 3), node(2..3, 3)];
    let mut consumed = 0;
    for second in 0..200 {
        let now = SECOND * second;
        consumed += consume(&mut nodes[0], &table, 0, 1, now);
        let wanting = nodes[0].take_wanting();
        let mut wanted = wanting[&Pool::Write];
        for lender in 1..3 {
            let loan = nodes[lender].lend(&table, Pool::Write, wanted, now);
            nodes[0].borrow(Pool::Write, loan);
            wanted = Loan::rest(wanted, loan);
        }
        assert!(nodes[0].take_wanting().is_empty(), "told once");
    }
    assert!((90 * 198..=90 * 200).contains(&consumed), "{consumed}");
    for (partition, lender) in (1..).zip(&mut nodes[1..]) {
        let left = consume(lender, &table, partition, 1, SECOND * 200);
        assert_eq!(left, 60, "the second that is kept, and another one");
    }
}

/// What happens to the nodes of a table.
#[derive(Clone, Debug)]
enum Step {
    Pass { millis: u64 },
    Write { node: usize, partition: u64, units: u64 },
    Lend { from: usize, to: usize },
    Lead { node: usize, partition: u64 },
}

const PARTITIONS: u64 = 4;
const NODES: usize = 3;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3_000u64).prop_map(|millis| Step::Pass { millis }),
        (0..NODES, 0..PARTITIONS, 1..40u64).prop_map(|(node, partition, units)| Step::Write { node, partition, units }),
        (0..NODES, 0..PARTITIONS, 1..40u64).prop_map(|(node, partition, units)| Step::Write { node, partition, units }),
        (0..NODES, 0..NODES).prop_map(|(from, to)| Step::Lend { from, to }),
        (0..NODES, 0..PARTITIONS).prop_map(|(node, partition)| Step::Lead { node, partition }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// The model is one sum: what was consumed, what was earned, one command of debt a node, one second a new leader.
    #[test]
    fn no_more_passes_than_was_earned(units in 1..200u64, steps in proptest::collection::vec(step(), 1..300)) {
        let table = provisioned_table(1, units);
        let mut nodes: Vec<Throttle> = (0..NODES).map(|_| Throttle::new(TABLE)).collect();
        let mut leaders: Vec<Option<usize>> = vec![None; PARTITIONS as usize];
        let (mut now, mut consumed, mut changes, mut largest) = (Duration::ZERO, 0, 0, 0);
        for step in steps {
            match step {
                Step::Pass { millis } => now += Duration::from_millis(millis),
                Step::Write { node, partition, units } if leaders[partition as usize] == Some(node) => {
                    if nodes[node].admit(PartitionId(partition), &table, Way::Write, now).is_ok() {
                        nodes[node].charge(PartitionId(partition), &table, (Way::Write, &cost(units)), now);
                        consumed += units;
                        largest = largest.max(units);
                    }
                }
                Step::Write { .. } => {}
                Step::Lend { from, to } if from != to => {
                    let loan = nodes[from].lend(&table, Pool::Write, Loan(u64::MAX), now);
                    nodes[to].borrow(Pool::Write, loan);
                }
                Step::Lend { .. } => {}
                Step::Lead { node, partition } => {
                    if let Some(before) = leaders[partition as usize].replace(node) {
                        nodes[before].leave(PartitionId(partition), now);
                    }
                    nodes[node].lead(PartitionId(partition), TokenRange::slice(partition, PARTITIONS), now);
                    changes += 1;
                }
            }
        }
        let earned = units * (now.as_millis() as u64 + 1_000) / 1_000;
        let begun = units * changes;
        prop_assert!(consumed <= earned + begun + (largest * (NODES as u64 + changes)), "{consumed} of {earned}");
    }

    /// Whoever asks all the time gets what is earned, on any clock and at any cost a command.
    #[test]
    fn what_is_earned_can_be_consumed(
        units in 1..900u64,
        each in 1..50u64,
        pauses in proptest::collection::vec(1..2_000_000u64, 1..200),
    ) {
        let table = provisioned_table(1, units);
        let mut throttle = node(0..PARTITIONS, PARTITIONS);
        let (mut now, mut consumed) = (Duration::ZERO, 0);
        // The first look is what begins it.
        for (number, micros) in std::iter::once(0).chain(pauses).enumerate() {
            now += Duration::from_micros(micros);
            for partition in 0..PARTITIONS {
                consumed += consume(&mut throttle, &table, (partition + number as u64) % PARTITIONS, each, now);
            }
        }
        let earned = (u128::from(units) * now.as_micros() / 1_000_000) as u64;
        prop_assert!(consumed >= earned.saturating_sub(1), "{consumed} of {earned}");
        prop_assert!(consumed <= earned + units + each + 1, "{consumed} of {earned}");
    }

    /// No number that the API lets through breaks the arithmetic.
    #[test]
    fn nothing_overflows(units in any::<u64>(), consumed in any::<u64>(), nanos in any::<u64>(), first in any::<u64>()) {
        let table = provisioned_table(units, units);
        let mut throttle = Throttle::new(TABLE);
        throttle.lead(PartitionId(0), TokenRange { first: Token(first), last: Token(u64::MAX) }, Duration::ZERO);
        for now in [Duration::ZERO, Duration::from_nanos(nanos), Duration::MAX, Duration::ZERO] {
            let _ = throttle.admit(PartitionId(0), &table, Way::Read, now);
            throttle.charge(PartitionId(0), &table, (Way::Read, &cost(consumed)), now);
            let _ = throttle.lend(&table, Pool::Read, Loan(u64::MAX), now);
            throttle.borrow(Pool::Read, Loan(u64::MAX));
        }
    }
}
