//! One test for both kinds of rows: random writes, flushes and crashes, and the same answers from both.

use super::*;
use crate::memory::MemoryRows;
use proptest::prelude::*;
use std::ops::ControlFlow;

const KEYS: u8 = 6;

#[derive(Clone, Debug)]
enum RowsStep {
    Write(WriteBatch),
    Flush,
    View,
    Crash,
}

fn rows_step() -> impl Strategy<Value = RowsStep> {
    prop_oneof![
        8 => proptest::collection::vec(write(), 0..4).prop_map(|writes| RowsStep::Write(WriteBatch { writes })),
        1 => Just(RowsStep::Flush),
        1 => Just(RowsStep::View),
        1 => Just(RowsStep::Crash),
    ]
}

fn write() -> impl Strategy<Value = Write> {
    let family = prop_oneof![Just(Family::Items), Just(Family::Changes), Just(Family::State)];
    let key = || (0..KEYS).prop_map(|key| Bytes::from(vec![key]));
    (family, key(), proptest::option::of(key()), any::<u8>(), 0..6_u8).prop_map(|(family, key, end, value, kind)| {
        match kind {
            0 => Write::DeleteRange { family, range: KeyRange { start: key, end } },
            1 => Write::Delete { family, key },
            _ => Write::Put { family, key, value: Bytes::from(vec![value; 3]) },
        }
    })
}

fn check_views(real: &dyn RowsView, model: &dyn RowsView, family: Family) {
    let bounds = [(0, None), (2, Some(5)), (4, Some(2)), (3, None)];
    for direction in [Direction::Forward, Direction::Backward] {
        for (start, end) in bounds {
            for rows_max in [1, usize::MAX] {
                let range = KeyRange { start: Bytes::from(vec![start]), end: end.map(|end| Bytes::from(vec![end])) };
                let scan = |view: &dyn RowsView| {
                    let mut rows = Vec::new();
                    let mut visit = |key: &[u8], value: &[u8]| {
                        rows.push((key.to_vec(), value.to_vec()));
                        if rows.len() == rows_max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                    };
                    view.scan(family, &range, direction, &mut visit).expect("scanned");
                    rows
                };
                assert_eq!(scan(real), scan(model), "{family:?} {range:?} {direction:?}");
            }
        }
    }
    for key in 0..KEYS {
        assert_eq!(real.get(family, &[key]).expect("read"), model.get(family, &[key]).expect("read"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn both_kinds_of_rows_answer_alike(steps in proptest::collection::vec(rows_step(), 1..60)) {
        let mut directory = tempfile::tempdir().expect("a directory");
        let mut real = Some(open(directory.path()));
        let model = MemoryRows::new();
        let mut views: Option<(Arc<dyn RowsView>, Arc<dyn RowsView>)> = None;
        for step in steps {
            let rows = real.as_ref().expect("it is open");
            match step {
                RowsStep::Write(batch) => {
                    rows.write(batch.clone()).expect("written");
                    model.write(batch).expect("written");
                }
                RowsStep::Flush => {
                    rows.flush().expect("flushed");
                    model.flush().expect("flushed");
                }
                RowsStep::View => views = Some((rows.view().expect("a view"), model.view().expect("a view"))),
                RowsStep::Crash => {
                    views = None;
                    // Closing RocksDB would flush, so the files are taken as they are before.
                    let files = kill(directory.path());
                    drop(real.take());
                    directory = files;
                    real = Some(open(directory.path()));
                    model.crash(|_| 0);
                }
            }
            let rows = real.as_ref().expect("it is open");
            for family in [Family::Items, Family::Changes, Family::State] {
                for key in 0..KEYS {
                    let key = [key];
                    for rows in [rows as &dyn Rows, &model] {
                        // What is said without the disk is what is there.
                        match rows.get_within(Reach::Memory, family, &key) {
                            Err(DiskError::NotInMemory) => {}
                            found => assert_eq!(found.expect("read"), model.get(family, &key).expect("read")),
                        }
                    }
                    assert_eq!(rows.get(family, &key).expect("read"), model.get(family, &key).expect("read"));
                    let durable = |rows: &dyn Rows| rows.get_durable(family, &key).expect("read");
                    assert_eq!(durable(rows), durable(&model));
                }
                check_views(&*rows.view().expect("a view"), &*model.view().expect("a view"), family);
                if let Some((real, model)) = &views {
                    check_views(&**real, &**model, family);
                }
            }
        }
    }
}
