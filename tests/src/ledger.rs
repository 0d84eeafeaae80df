//! What a cluster has promised: writers that record each answer, and the reading that holds the cluster to it.
//!
//! Two promises are tested. A new item is written under a key that no other write uses and only if there is none: what was
//! acknowledged must be there, and a second write of it must not have happened. A counter is added to: afterwards it lies
//! between what was acknowledged and that with all whose outcome is unknown.

use crate::{
    client::{client, key, number, strong_get, text},
    deadline::AMPLE,
};
use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, KeysAndAttributes},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{task::JoinSet, time};

/// How long a writer waits for an answer before it asks another node.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// After a failure: nodes that refuse connections would be asked thousands of times a second.
const PAUSE: Duration = Duration::from_millis(20);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const KEYS_OF_A_BATCH: usize = 100;
/// One write of so many adds to the task's counter.
const COUNTER_EVERY: u64 = 4;

/// Writers at work.
pub struct Ledger {
    table: String,
    pages: Arc<Mutex<Pages>>,
    is_over: Arc<AtomicBool>,
    writers: JoinSet<()>,
}

struct Pages {
    /// Items by key.
    acknowledged: BTreeMap<String, u64>,
    counters: BTreeMap<String, Counter>,
    unknown: usize,
    last_success: Instant,
    longest_gap: Duration,
    last_error: String,
    /// What must never happen.
    violations: Vec<String>,
}

#[derive(Clone, Copy, Default)]
struct Counter {
    acknowledged: u64,
    unknown: u64,
}

/// What the writers saw, in figures.
#[derive(Debug)]
pub struct Outcome {
    pub acknowledged: usize,
    pub unknown: usize,
    /// Longest time in which no writer had a success.
    pub longest_gap: Duration,
}

impl Ledger {
    /// So many writers of one write at a time, each with a node of its own as long as that one answers. Items are padded.
    pub fn begin(table: &str, addresses: &[String], writers: usize, padding_bytes: usize) -> Ledger {
        let pages = Pages {
            acknowledged: BTreeMap::new(),
            counters: BTreeMap::new(),
            unknown: 0,
            last_success: Instant::now(),
            longest_gap: Duration::ZERO,
            last_error: String::new(),
            violations: Vec::new(),
        };
        let (pages, is_over) = (Arc::new(Mutex::new(pages)), Arc::new(AtomicBool::new(false)));
        let mut tasks = JoinSet::new();
        for number in 0..writers {
            let clients = addresses.iter().map(|address| client(address, ANSWER_MAX)).collect();
            let writer = Writer {
                number,
                clients,
                table: table.to_owned(),
                padding: "x".repeat(padding_bytes),
                pages: pages.clone(),
            };
            let is_over = is_over.clone();
            tasks.spawn(async move { writer.run(&is_over).await });
        }
        Ledger { table: table.to_owned(), pages, is_over, writers: tasks }
    }

    /// Waits until so many more writes were acknowledged.
    pub async fn progress(&self, count: usize) {
        let enough = self.pages().acknowledged.len() + count;
        let deadline = Instant::now() + AMPLE;
        while self.pages().acknowledged.len() < enough {
            assert!(Instant::now() < deadline, "writes do not go on; the last error was {}", self.pages().last_error);
            time::sleep(LOOK_AGAIN).await;
        }
    }

    /// The error of the last write that had one.
    pub fn last_error(&self) -> String {
        self.pages().last_error.clone()
    }

    /// Ends the writing, then reads all that was acknowledged through each of these nodes in turn.
    pub async fn settle(mut self, addresses: &[String]) -> Outcome {
        self.is_over.store(true, Ordering::Relaxed);
        while let Some(ended) = self.writers.join_next().await {
            ended.expect("writers do not panic");
        }
        assert!(self.pages().violations.is_empty(), "{:?}", self.pages().violations);
        let promised = self.pages().acknowledged.clone();
        let keys: Vec<&String> = promised.keys().collect();
        for (turn, chunk) in keys.chunks(KEYS_OF_A_BATCH).enumerate() {
            let found = read(&client(&addresses[turn % addresses.len()], ANSWER_MAX), &self.table, chunk).await;
            for key in chunk {
                let value = found.get(*key).and_then(|item| number(item, "value"));
                assert_eq!(value, promised.get(*key).copied(), "{key} was acknowledged, and this is what it holds");
            }
        }
        let counters = self.pages().counters.clone();
        for (turn, (id, counter)) in counters.into_iter().enumerate() {
            let client = client(&addresses[turn % addresses.len()], ANSWER_MAX);
            let item = persistently(|| strong_get(&client, &self.table, &id)).await;
            let count = item.and_then(|item| number(&item, "count")).unwrap_or(0);
            let most = counter.acknowledged + counter.unknown;
            assert!(
                (counter.acknowledged..=most).contains(&count),
                "{id}: {count}, not {}..={most}",
                counter.acknowledged
            );
        }
        let pages = self.pages();
        Outcome { acknowledged: promised.len(), unknown: pages.unknown, longest_gap: pages.longest_gap }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().expect("no writer panics")
    }
}

struct Writer {
    number: usize,
    clients: Vec<Client>,
    table: String,
    padding: String,
    pages: Arc<Mutex<Pages>>,
}

impl Writer {
    async fn run(self, is_over: &AtomicBool) {
        let mut node = self.number % self.clients.len();
        for turn in 0.. {
            if is_over.load(Ordering::Relaxed) {
                return;
            }
            let client = &self.clients[node];
            let is_answered =
                if turn % COUNTER_EVERY == 0 { self.count(client).await } else { self.put(client, turn).await };
            if !is_answered {
                node = (node + 1) % self.clients.len();
                time::sleep(PAUSE).await;
            }
        }
    }

    async fn put(&self, client: &Client, value: u64) -> bool {
        let id = format!("item-{}-{value}", self.number);
        let request = client
            .put_item()
            .table_name(&self.table)
            .item("id", text(&id))
            .item("value", AttributeValue::N(value.to_string()))
            .item("padding", text(&self.padding))
            .condition_expression("attribute_not_exists(id)");
        let result = request.send().await;
        let mut pages = self.pages.lock().expect("no writer panics");
        match result {
            Ok(_) => {
                pages.succeeded();
                pages.acknowledged.insert(id, value);
                true
            }
            Err(error) => {
                if error.as_service_error().is_some_and(|error| error.is_conditional_check_failed_exception()) {
                    pages.violations.push(format!("{id} was there before it was written"));
                }
                pages.failed(format!("{error:?}"));
                false
            }
        }
    }

    async fn count(&self, client: &Client) -> bool {
        let id = format!("counter-{}", self.number);
        let request = client
            .update_item()
            .table_name(&self.table)
            .key("id", text(&id))
            .update_expression("ADD #count :one")
            .expression_attribute_names("#count", "count")
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()));
        let result = request.send().await;
        let mut pages = self.pages.lock().expect("no writer panics");
        let counter = pages.counters.entry(id).or_default();
        match result {
            Ok(_) => {
                counter.acknowledged += 1;
                pages.succeeded();
                true
            }
            Err(error) => {
                counter.unknown += 1;
                pages.failed(format!("{error:?}"));
                false
            }
        }
    }
}

impl Pages {
    fn succeeded(&mut self) {
        let now = Instant::now();
        self.longest_gap = self.longest_gap.max(now - self.last_success);
        self.last_success = now;
    }

    fn failed(&mut self, error: String) {
        self.unknown += 1;
        self.last_error = error;
    }
}

/// Strong reads of all these keys, repeated until nothing is left over.
async fn read(client: &Client, table: &str, ids: &[&String]) -> BTreeMap<String, HashMap<String, AttributeValue>> {
    let mut found = BTreeMap::new();
    let mut rest: Vec<_> = ids.iter().map(|id| key(id)).collect();
    while !rest.is_empty() {
        let asked = KeysAndAttributes::builder().set_keys(Some(rest)).consistent_read(true).build();
        let asked = asked.expect("the keys are there");
        let reply = persistently(|| async {
            let reply = client.batch_get_item().request_items(table, asked.clone()).send().await;
            reply.map_err(|error| format!("{error:?}"))
        });
        let reply = reply.await;
        for item in reply.responses.unwrap_or_default().remove(table).unwrap_or_default() {
            if let Some(Ok(id)) = item.get("id").map(AttributeValue::as_s) {
                found.insert(id.clone(), item);
            }
        }
        rest = reply.unprocessed_keys.unwrap_or_default().remove(table).map(|left| left.keys).unwrap_or_default();
    }
    found
}

/// Asks until there is an answer.
async fn persistently<T, F: Future<Output = Result<T, String>>>(ask: impl Fn() -> F) -> T {
    let deadline = Instant::now() + AMPLE;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => assert!(Instant::now() < deadline, "no answer to a read: {error}"),
        }
        time::sleep(PAUSE).await;
    }
}
