//! Writes the items that the cells read.

use super::{
    cell::{BATCH_ITEMS, COLLECTION_ITEMS, Call, Table},
    peer::{Language, Peer},
    worker::Caller,
};
use crate::Error;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinSet;

/// How often a call that failed is made again, and how long after.
const TRIES_MAX: u32 = 100;
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Loads the table with `items` items over so many connections. All of them are there, or it is an error.
pub async fn load(peer: &Peer, table: Table, items: u64, connections: u64) -> Result<(), Error> {
    let next = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for number in 0..connections {
        let (mut caller, next, language) = (Caller::new(peer.clone(), number), next.clone(), peer.language);
        workers.spawn(async move {
            while let Some(call) = step(language, table, items, next.fetch_add(1, Ordering::Relaxed)) {
                insist(&mut caller, call).await?;
            }
            Ok(())
        });
    }
    while let Some(finished) = workers.join_next().await {
        finished.unwrap_or_else(|error| Err(Error::Arguments(format!("a loading task broke: {error}"))))?;
    }
    Ok(())
}

/// The call with this number; `None` when all has been written.
fn step(language: Language, table: Table, items: u64, number: u64) -> Option<Call> {
    match (language, table) {
        (Language::Etcd, _) => (number < items).then_some(Call::Put { table, key: number }),
        (Language::Dynamo, Table::Items | Table::Second | Table::Third | Table::Indexed) => {
            let first = number * BATCH_ITEMS;
            (first < items).then(|| Call::BatchWrite { table, first, count: BATCH_ITEMS.min(items - first) })
        }
        (Language::Dynamo, Table::Collections) => {
            let batches = COLLECTION_ITEMS / BATCH_ITEMS;
            let (collection, first) = (number / batches, number % batches * BATCH_ITEMS);
            let call = Call::FillCollection { collection, first, count: BATCH_ITEMS };
            (collection < items / COLLECTION_ITEMS).then_some(call)
        }
    }
}

async fn insist(caller: &mut Caller, call: Call) -> Result<(), Error> {
    let mut tries = 0;
    loop {
        let Err(failure) = caller.call(call).await else { return Ok(()) };
        tries += 1;
        if tries >= TRIES_MAX {
            return Err(Error::Arguments(format!("loading failed {tries} times: {}", failure.told())));
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_loaded_once() {
        let calls = |language, table, items| (0..).map_while(move |number| step(language, table, items, number));
        for items in [100, 101, 124, 125, 250] {
            let keys: Vec<u64> = calls(Language::Dynamo, Table::Items, items)
                .flat_map(|call| match call {
                    Call::BatchWrite { first, count, .. } => first..first + count,
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(keys, (0..items).collect::<Vec<_>>());
            assert_eq!(calls(Language::Etcd, Table::Items, items).count() as u64, items);
        }
        let filled: Vec<Call> = calls(Language::Dynamo, Table::Collections, 250).collect();
        assert_eq!(filled.len(), 8);
        assert_eq!(filled[7], Call::FillCollection { collection: 1, first: 75, count: 25 });
    }
}
