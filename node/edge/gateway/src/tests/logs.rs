//! Logs of functions over partitions in memory: what is printed is told, once and in its order, whatever happens on the way.

use super::world::{Weather, World};
use prometheus_client::registry::Registry;
use serde_json::{Value as Json, json};
use stator_environment::{Environment, Task};
use stator_functions::LogSink;
use stator_invocation::{Logs, Settings};
use stator_logs::{LogsError, Operation};
use stator_partition::Refusal;
use std::{sync::Arc, time::Duration};

const GROUP: &str = "/aws/lambda/f";
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

struct Node {
    world: Arc<World>,
    logs: Arc<Logs>,
    tasks: Vec<Task>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.tasks.iter().for_each(Task::stop);
    }
}

fn node(world: Arc<World>, settings: Settings) -> Node {
    let (door, tables) = (world.clone(), world.clone());
    let logs = Logs::new(door, tables, Environment::system(), settings, &mut Registry::default());
    let tasks = logs.begin();
    Node { world, logs, tasks }
}

fn now_ms() -> u64 {
    Environment::system().clock.wall_ms()
}

impl Node {
    fn write(&self, stream: &str, at_ms: u64, lines: &[&str]) {
        self.logs.write(GROUP, stream, at_ms, lines.iter().map(|&line| line.to_owned()).collect());
    }

    async fn ask(&self, operation: Operation, body: Json) -> Result<Json, LogsError> {
        let reply = self.logs.answer(operation, body.to_string().as_bytes()).await?;
        Ok(if reply.is_empty() { Json::Null } else { serde_json::from_slice(&reply).expect("JSON") })
    }

    /// Messages of all streams, page by page of so many.
    async fn told(&self, limit: u64) -> Vec<String> {
        let (mut messages, mut token) = (Vec::new(), Json::Null);
        loop {
            let body = json!({ "logGroupName": GROUP, "limit": limit, "nextToken": token });
            let page = match self.ask(Operation::FilterLogEvents, body).await {
                Ok(page) => page,
                Err(LogsError::ResourceNotFound(_)) => return Vec::new(),
                Err(error) => panic!("{error}"),
            };
            let events = page["events"].as_array().expect("a list");
            messages.extend(events.iter().map(|event| event["message"].as_str().expect("text").trim_end().to_owned()));
            token = page["nextToken"].clone();
            if token.is_null() {
                return messages;
            }
        }
    }

    async fn until_told(&self, count: usize) -> Vec<String> {
        for _ in 0..1_000 {
            let told = self.told(10_000).await;
            if told.len() >= count {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("so many lines are not told: {count}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_told_in_the_order_of_their_times_in_pages_of_any_size() {
    let node = node(World::new(), Settings::default());
    let begin_ms = now_ms() - 1_000_000;
    let mut expected = Vec::new();
    for step in 0..40 {
        let stream = ["a", "b", "c"][step % 3];
        let lines: Vec<String> = (0..5).map(|line| format!("{step:02}/{line}")).collect();
        // Several at one moment.
        node.logs.write(GROUP, stream, begin_ms + (step as u64 / 4) * 1_000, lines.clone());
        expected.extend(lines.into_iter().map(|line| (step / 4, stream, line)));
        if step % 7 == 0 {
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    }
    expected.sort();
    let expected: Vec<String> = expected.into_iter().map(|(_, _, line)| line).collect();
    assert_eq!(node.until_told(200).await, expected);
    for limit in [1, 3, 64] {
        assert_eq!(node.told(limit).await, expected, "pages of {limit}");
    }
    for (stream, own) in
        ["a", "b", "c"].map(|stream| (stream, json!({ "logGroupName": GROUP, "logStreamName": stream })))
    {
        let mut all = Vec::new();
        let mut token = Json::Null;
        loop {
            let mut body = own.clone();
            body["limit"] = 7.into();
            body["nextToken"] = token.clone();
            let page = node.ask(Operation::GetLogEvents, body).await.expect("a page");
            let events = page["events"].as_array().expect("a list");
            let events = events.iter().map(|event| event["message"].as_str().expect("text").trim_end().to_owned());
            all.splice(0..0, events);
            if page["nextBackwardToken"] == token {
                break;
            }
            token = page["nextBackwardToken"].clone();
        }
        assert_eq!(all.len(), if stream == "a" { 70 } else { 65 }, "{stream}, backward");
        let in_order = expected.iter().filter(|line| all.contains(line));
        assert!(all.iter().eq(in_order), "{stream}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_wait_for_the_table_and_are_there_once() {
    let node = node(World::new(), Settings::default());
    node.world.weather.send_replace(Weather::Refuse(Refusal::Overloaded));
    node.write("a", now_ms(), &["1", "2"]);
    tokio::time::sleep(Duration::from_millis(500)).await;
    node.write("a", now_ms(), &["3"]);
    node.world.weather.send_replace(Weather::Fair);
    assert_eq!(node.until_told(3).await, ["1", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_is_dropped_and_the_log_says_so() {
    let node = node(World::new(), Settings { log_bytes_max: 10_000, ..Settings::default() });
    node.world.weather.send_replace(Weather::Wait);
    // Never waits, however much it is.
    for line in 0..1_000 {
        node.write("a", now_ms(), &[&format!("{line:04}")]);
    }
    node.world.weather.send_replace(Weather::Fair);
    tokio::time::timeout(Duration::from_secs(10), node.logs.flush()).await.expect("what waits is stored");
    let told = node.told(10_000).await;
    assert_eq!(told.last().map(String::as_str), Some("0999"));
    let (notes, lines): (Vec<_>, Vec<_>) = told.iter().partition(|message| message.starts_with("[stator]"));
    let missing: usize = notes
        .iter()
        .map(|note| note.split(' ').nth(1).and_then(|count| count.parse::<usize>().ok()).expect("a count"))
        .sum();
    assert!(missing > 0 && missing + lines.len() == 1_000, "{missing} are missing, {} are there", lines.len());
    assert!(lines.is_sorted(), "what is left is in its order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_after_what_is_there() {
    let first = node(World::new(), Settings::default());
    let at_ms = now_ms();
    first.write("a", at_ms, &["1"]);
    assert_eq!(first.until_told(1).await, ["1"]);
    // Another node, or one that has forgotten the stream, with a clock that is behind.
    let second = node(first.world.clone(), Settings::default());
    second.write("a", at_ms - 500_000, &["2"]);
    assert_eq!(second.until_told(2).await, ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_is_gone_and_what_comes_is_anew() {
    let node = node(World::new(), Settings::default());
    node.write("a", now_ms(), &["1"]);
    node.until_told(1).await;
    let stream = json!({ "logGroupName": GROUP, "logStreamName": "a" });
    node.ask(Operation::DeleteLogStream, stream).await.expect("it is there");
    assert_eq!(node.told(10).await, Vec::<String>::new());
    node.ask(Operation::DeleteLogGroup, json!({ "logGroupName": GROUP })).await.expect("it is there");
    let again = node.ask(Operation::DeleteLogGroup, json!({ "logGroupName": GROUP })).await;
    assert_eq!(again, Err(LogsError::no_such_group()));
    // Whoever does not know the old group makes it anew.
    let other = super::logs::node(node.world.clone(), Settings::default());
    other.write("a", now_ms(), &["2"]);
    assert_eq!(other.until_told(1).await, ["2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_older_than_its_retention_is_not_told() {
    let node = node(World::new(), Settings::default());
    node.write("a", now_ms() - 20 * DAY_MS, &["three weeks"]);
    node.write("b", now_ms() - 5 * DAY_MS, &["a week"]);
    node.write("c", now_ms(), &["today"]);
    assert_eq!(node.until_told(2).await, ["a week", "today"], "14 days at first");
    let retention = |days: u32| json!({ "logGroupName": GROUP, "retentionInDays": days });
    node.ask(Operation::PutRetentionPolicy, retention(3)).await.expect("it is set");
    assert_eq!(node.told(10).await, ["today"]);
    node.ask(Operation::DeleteRetentionPolicy, json!({ "logGroupName": GROUP })).await.expect("it is set");
    // It may still have been on its way.
    assert_eq!(node.until_told(3).await, ["three weeks", "a week", "today"]);
}
