//! Item collections under a local index: at any moment the index has exactly what the items have.
//!
//! A page of a few items is read at one moment, so collections of items and index are linearizable together.

use crate::{
    client::{Answer, BoxFuture, Consistency, Expression, Failure, Item, LOCAL_INDEX, Operation, PageOf, Shape, Value},
    history::Event,
    judging::{PerObject, item, number, text},
    keys::Keys,
    workload::{Judgement, Session, Workload},
};
use stator_linearizability::collection::{Call, Collection, Content};

/// Items in a collection at most.
const SORTS: u64 = 4;
/// Few ranks, so that some are equal.
const RANKS: u64 = 3;

pub struct LocalIndexes {
    table: String,
    keys: Keys,
}

impl LocalIndexes {
    pub fn new(table: String) -> LocalIndexes {
        LocalIndexes { table, keys: Keys::new(2, 50) }
    }

    fn put(&self, key: u64, sort: i64, content: Content) -> Operation {
        let mut item = key_item(key, sort);
        item.insert("v".to_owned(), content.value.into());
        if let Some(rank) = content.rank {
            item.insert("grade".to_owned(), rank.into());
        }
        Operation::Put { table: self.table.clone(), item, condition: None }
    }

    fn rerank(&self, key: u64, sort: i64, rank: Option<i64>) -> Operation {
        let update = match rank {
            Some(rank) => Expression::new("SET grade = :grade", [(":grade", rank.into())]),
            None => Expression::new("REMOVE grade", []),
        };
        let condition = Some(Expression::new("attribute_exists(pk)", []));
        Operation::Update { table: self.table.clone(), key: key_item(key, sort), update, condition }
    }

    fn delete(&self, key: u64, sort: i64) -> Operation {
        Operation::Delete { table: self.table.clone(), key: key_item(key, sort), condition: None }
    }

    fn read(&self, key: u64, index: Option<&str>) -> Operation {
        let of = PageOf::Query { pk: collection_name(key), index: index.map(str::to_owned), backward: false };
        Operation::Page { table: self.table.clone(), of, consistency: Consistency::Strong, limit: None, after: None }
    }
}

fn collection_name(key: u64) -> String {
    format!("collection {key}")
}

fn key_item(key: u64, sort: i64) -> Item {
    item([("pk", collection_name(key).into()), ("sk", sort.into())])
}

impl Workload for LocalIndexes {
    fn name(&self) -> &'static str {
        "local-index"
    }

    fn tables(&self) -> Vec<(String, Shape)> {
        vec![(self.table.clone(), Shape::LocallyIndexed)]
    }

    fn turn<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let (key, value) = self.keys.choose(session);
            let sort = session.below(SORTS) as i64;
            let rank = Some(session.below(RANKS) as i64).filter(|_| session.below(4) > 0);
            let operation = match session.below(10) {
                0..3 => self.put(key, sort, Content { rank, value }),
                3..5 => self.rerank(key, sort, rank),
                5 => self.delete(key, sort),
                6 | 7 => self.read(key, None),
                _ => self.read(key, Some(LOCAL_INDEX)),
            };
            // Its outcome is in the history.
            let _ = session.call(operation).await;
        })
    }

    fn last_reads<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let reads = |key| vec![self.read(key, None), self.read(key, Some(LOCAL_INDEX))];
            self.keys.read_used(session, reads).await
        })
    }

    fn check(&self, history: &[Event]) -> Judgement {
        let mut judgement = Judgement::default();
        let mut collections = PerObject::new();
        for (at, event) in history.iter().enumerate() {
            if let Some((object, call)) = call(event) {
                collections.add(&object, at, event, call);
            }
        }
        collections.check(&Collection, "a local index equals its items", &mut judgement);
        judgement
    }
}

fn call(event: &Event) -> Option<(String, Call)> {
    if event.answer().is_none() && !event.is_unknown() {
        return None;
    }
    let object = |item: &Item| text(item, "pk").map(str::to_owned);
    match (&event.operation, event.answer()) {
        (Operation::Put { item, .. }, _) => {
            Some((object(item)?, Call::Put { sort: number(item, "sk")?, content: content(item)? }))
        }
        (Operation::Update { key, update, .. }, answer) => {
            let rank = update.values.get(":grade").and_then(Value::number);
            let was_there = answer.map(|answer| matches!(answer, Answer::Written(_)));
            Some((object(key)?, Call::Rerank { sort: number(key, "sk")?, rank, was_there }))
        }
        (Operation::Delete { key, .. }, _) => Some((object(key)?, Call::Delete { sort: number(key, "sk")? })),
        (Operation::Page { of: PageOf::Query { pk, index, .. }, .. }, Some(Answer::Page { items, .. })) => {
            let seen = items.iter().filter_map(|item| Some((number(item, "sk")?, content(item)?))).collect();
            Some((pk.clone(), if index.is_some() { Call::ReadIndex(seen) } else { Call::ReadItems(seen) }))
        }
        _ => None,
    }
}

fn content(item: &Item) -> Option<Content> {
    Some(Content { rank: number(item, "grade"), value: number(item, "v")? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{event, refused, sound, unknown};

    fn indexes() -> LocalIndexes {
        LocalIndexes::new("t".to_owned())
    }

    fn put(sort: i64, rank: Option<i64>, value: i64) -> (Operation, Answer) {
        (indexes().put(1, sort, Content { rank, value }), Answer::Written(None))
    }

    fn rerank(sort: i64, rank: Option<i64>, answer: Answer) -> (Operation, Answer) {
        (indexes().rerank(1, sort, rank), answer)
    }

    fn read(index: Option<&str>, seen: &[(i64, Option<i64>, i64)]) -> (Operation, Answer) {
        let items = seen.iter().map(|(sort, rank, value)| {
            let Operation::Put { item, .. } = indexes().put(1, *sort, Content { rank: *rank, value: *value }) else {
                unreachable!("a put")
            };
            item
        });
        (indexes().read(1, index), Answer::Page { items: items.collect(), next: None })
    }

    #[test]
    fn an_index_that_follows_is_accepted() {
        let index = Some(LOCAL_INDEX);
        sound(
            &indexes(),
            &[
                event(0, 9, put(1, Some(2), 10)),
                event(10, 19, put(2, Some(1), 20)),
                event(20, 29, read(index, &[(2, Some(1), 20), (1, Some(2), 10)])),
                event(30, 39, rerank(2, None, Answer::Written(None))),
                event(40, 49, read(index, &[(1, Some(2), 10)])),
                event(50, 59, read(None, &[(1, Some(2), 10), (2, None, 20)])),
                event(60, 69, rerank(3, Some(1), Answer::ConditionFailed)),
            ],
        );
        sound(&indexes(), &[unknown(0, put(1, Some(1), 1).0), event(10, 19, read(index, &[]))]);
    }

    #[test]
    fn an_index_that_does_not_is_refused() {
        let index = Some(LOCAL_INDEX);
        let one = event(0, 9, put(1, Some(2), 10));
        refused(&indexes(), &[one.clone(), event(10, 19, read(index, &[]))]);
        refused(&indexes(), &[one.clone(), event(10, 19, read(index, &[(1, Some(2), 9)]))]);
        let removed = event(10, 19, rerank(1, None, Answer::Written(None)));
        refused(&indexes(), &[one.clone(), removed, event(20, 29, read(index, &[(1, Some(2), 10)]))]);
        let deleted = event(10, 19, (indexes().delete(1, 1), Answer::Written(None)));
        refused(&indexes(), &[one.clone(), deleted, event(20, 29, read(index, &[(1, Some(2), 10)]))]);
        refused(&indexes(), &[event(0, 9, rerank(1, Some(1), Answer::Written(None)))]);
    }
}
