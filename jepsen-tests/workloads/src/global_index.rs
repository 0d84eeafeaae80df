//! Items under global indexes: at any moment an index has nothing that nobody wrote, and when all is quiet it is exactly the
//! projection of the items. One index is there from the beginning; another one is added and dropped meanwhile.

use crate::{
    client::{
        ADDED_INDEX, Answer, BoxFuture, Consistency, Expression, Failure, GLOBAL_INDEX, Item, Operation, PageOf, Shape,
    },
    history::Event,
    judging::{item, number, text},
    keys::Keys,
    workload::{Judgement, Session, Workload},
};
use std::collections::{BTreeMap, BTreeSet};

/// Items in a collection at most.
const SORTS: u64 = 4;
/// Few grades, so that items meet in the index.
const GRADES: u64 = 3;
/// Pages of an index that are read at most, one after the other.
const PAGES_MAX: usize = 1_000;

pub struct GlobalIndexes {
    table: String,
    keys: Keys,
}

/// An item as it stands in an index: `v` only where the index has it.
type Entry = (String, i64, i64, Option<i64>);

impl GlobalIndexes {
    pub fn new(table: String) -> GlobalIndexes {
        GlobalIndexes { table, keys: Keys::new(3, 60) }
    }

    fn put(&self, key: u64, sort: i64, grade: Option<i64>, value: i64) -> Operation {
        let mut item = key_item(key, sort);
        item.insert("v".to_owned(), value.into());
        if let Some(grade) = grade {
            item.insert("grade".to_owned(), grade.into());
        }
        Operation::Put { table: self.table.clone(), item, condition: None }
    }

    fn regrade(&self, key: u64, sort: i64, grade: Option<i64>) -> Operation {
        let update = match grade {
            Some(grade) => Expression::new("SET grade = :grade", [(":grade", grade.into())]),
            None => Expression::new("REMOVE grade", []),
        };
        let condition = Some(Expression::new("attribute_exists(pk)", []));
        Operation::Update { table: self.table.clone(), key: key_item(key, sort), update, condition }
    }

    fn delete(&self, key: u64, sort: i64) -> Operation {
        Operation::Delete { table: self.table.clone(), key: key_item(key, sort), condition: None }
    }

    fn read(&self, key: u64) -> Operation {
        let of = PageOf::Query { pk: collection_name(key), index: None, backward: false };
        Operation::Page { table: self.table.clone(), of, consistency: Consistency::Strong, limit: None, after: None }
    }

    fn read_index(&self, index: &str, limit: Option<u32>, after: Option<Item>) -> Operation {
        let of = PageOf::Index { index: index.to_owned() };
        Operation::Page { table: self.table.clone(), of, consistency: Consistency::Eventual, limit, after }
    }

    /// What the items of the table leave in an index that has `v`, read strongly.
    async fn items(&self, session: &Session) -> Result<BTreeSet<Entry>, Failure> {
        let mut found = BTreeSet::new();
        for key in self.keys.used() {
            if let Answer::Page { items, .. } = session.call(self.read(key)).await? {
                found.extend(items.iter().filter_map(entry));
            }
        }
        Ok(found)
    }

    /// All entries of an index.
    async fn entries(&self, session: &Session, index: &str) -> Result<BTreeSet<Entry>, Failure> {
        let (mut found, mut after) = (BTreeSet::new(), None);
        for _ in 0..PAGES_MAX {
            match session.call(self.read_index(index, None, after)).await? {
                Answer::Page { items, next } => {
                    found.extend(items.iter().filter_map(entry));
                    after = next;
                }
                other => return Err(Failure::Unknown(format!("index {index} cannot be read: {other:?}"))),
            }
            if after.is_none() {
                return Ok(found);
            }
        }
        Err(Failure::Unknown(format!("index {index} has no end")))
    }
}

fn collection_name(key: u64) -> String {
    format!("collection {key}")
}

fn key_item(key: u64, sort: i64) -> Item {
    item([("pk", collection_name(key).into()), ("sk", sort.into())])
}

/// `None`: the item is not in an index on `grade`.
fn entry(item: &Item) -> Option<Entry> {
    Some((text(item, "pk")?.to_owned(), number(item, "sk")?, number(item, "grade")?, number(item, "v")))
}

/// Says where an index differs from the items.
fn compare(index: &str, items: &BTreeSet<Entry>, entries: &BTreeSet<Entry>) -> Result<(), Failure> {
    match (items.difference(entries).next(), entries.difference(items).next()) {
        (None, None) => Ok(()),
        (lacks, has) => {
            Err(Failure::Unknown(format!("index {index} lacks {lacks:?} and has {has:?} beyond the items")))
        }
    }
}

impl Workload for GlobalIndexes {
    fn name(&self) -> &'static str {
        "global-index"
    }

    fn tables(&self) -> Vec<(String, Shape)> {
        vec![(self.table.clone(), Shape::GloballyIndexed)]
    }

    fn turn<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let (key, value) = self.keys.choose(session);
            let sort = session.below(SORTS) as i64;
            let grade = Some(session.below(GRADES) as i64).filter(|_| session.below(4) > 0);
            let operation = match session.below(80) {
                0 => Operation::AddIndex { table: self.table.clone() },
                1 => Operation::DropIndex { table: self.table.clone() },
                2..40 => self.put(key, sort, grade, value),
                40..60 => self.regrade(key, sort, grade),
                60..70 => self.delete(key, sort),
                _ => self.read_index(GLOBAL_INDEX, Some(1 + session.below(5) as u32), None),
            };
            // Its outcome is in the history.
            let _ = session.call(operation).await;
        })
    }

    fn last_reads<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let items = self.items(session).await?;
            compare(GLOBAL_INDEX, &items, &self.entries(session, GLOBAL_INDEX).await?)?;
            // It may be there, or on its way; then this is refused.
            if let Err(failure @ Failure::Unknown(_)) =
                session.call(Operation::AddIndex { table: self.table.clone() }).await
            {
                return Err(failure);
            }
            let keys = items.into_iter().map(|(pk, sk, grade, _)| (pk, sk, grade, None)).collect();
            compare(ADDED_INDEX, &keys, &self.entries(session, ADDED_INDEX).await?)
        })
    }

    fn check(&self, history: &[Event]) -> Judgement {
        let mut judgement = Judgement::default();
        // When each value was first sent, and of which item.
        let mut written: BTreeMap<i64, (&str, i64, u64)> = BTreeMap::new();
        for event in history {
            if let Operation::Put { item, .. } = &event.operation
                && let (Some(pk), Some(sk), Some(value)) = (text(item, "pk"), number(item, "sk"), number(item, "v"))
            {
                written.entry(value).or_insert((pk, sk, event.started_us));
            }
        }
        for (at, event) in history.iter().enumerate() {
            let Operation::Page { of: PageOf::Index { index }, .. } = &event.operation else { continue };
            let Some(Answer::Page { items, .. }) = event.answer() else { continue };
            for (pk, sk, grade, value) in items.iter().filter_map(entry) {
                let Some(value) = value else { continue };
                let write = written.get(&value).filter(|(of, sort, _)| *of == pk && *sort == sk);
                if write.is_none_or(|(_, _, began)| event.ended_us.is_some_and(|ended| *began > ended)) {
                    let explanation =
                        format!("index {index} has {value} of {pk} {sk}, grade {grade}, which nobody wrote");
                    judgement.violate("an index has what was written", explanation, vec![at]);
                }
            }
        }
        judgement
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{event, refused, sound};

    fn indexes() -> GlobalIndexes {
        GlobalIndexes::new("t".to_owned())
    }

    fn put(sort: i64, grade: Option<i64>, value: i64) -> (Operation, Answer) {
        (indexes().put(1, sort, grade, value), Answer::Written(None))
    }

    fn read(seen: &[(i64, i64, i64)]) -> (Operation, Answer) {
        let items = seen.iter().map(|(sort, grade, value)| {
            let Operation::Put { item, .. } = indexes().put(1, *sort, Some(*grade), *value) else {
                unreachable!("a put")
            };
            item
        });
        (indexes().read_index(GLOBAL_INDEX, None, None), Answer::Page { items: items.collect(), next: None })
    }

    #[test]
    fn what_was_written_is_accepted_however_old() {
        sound(
            &indexes(),
            &[
                event(0, 9, put(1, Some(2), 10)),
                event(10, 19, put(1, None, 11)),
                event(20, 29, read(&[(1, 2, 10)])),
                event(30, 39, read(&[])),
            ],
        );
    }

    #[test]
    fn what_nobody_wrote_is_refused() {
        refused(&indexes(), &[event(0, 9, put(1, Some(2), 10)), event(10, 19, read(&[(1, 2, 11)]))]);
        refused(&indexes(), &[event(0, 9, put(1, Some(2), 10)), event(10, 19, read(&[(2, 2, 10)]))]);
        refused(&indexes(), &[event(0, 9, read(&[(1, 2, 10)])), event(10, 19, put(1, Some(2), 10))]);
    }

    #[test]
    fn a_difference_is_told() {
        let entry = |sort| ("collection 1".to_owned(), sort, 2, Some(5));
        let items = BTreeSet::from([entry(1), entry(2)]);
        assert_eq!(compare("i", &items, &items), Ok(()));
        for entries in [BTreeSet::from([entry(1)]), BTreeSet::from([entry(1), entry(2), entry(3)])] {
            assert!(compare("i", &items, &entries).is_err());
        }
    }
}
