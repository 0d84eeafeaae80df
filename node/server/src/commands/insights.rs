//! `stator insights TABLE`: which keys are asked for most.

use super::connection::{connect, told};
use crate::{error::ServerError, settings::Target, show};
use serde_json::json;
use stator_proto::admin::{InsightsReply, InsightsRequest, contributor::List};

const LISTS: [(List, &str); 4] = [
    (List::AccessedPartitionKeys, "most accessed partition keys"),
    (List::AccessedItems, "most accessed items"),
    (List::ThrottledPartitionKeys, "most throttled partition keys"),
    (List::ThrottledItems, "most throttled items"),
];

pub async fn run(target: Target, table: String, most: u64, is_json: bool) -> Result<(), ServerError> {
    let request = InsightsRequest { table, most };
    let reply = connect(&target).await?.insights(request).await.map_err(told)?.into_inner();
    if is_json {
        show::line(&as_json(&reply));
    } else {
        print(&reply);
    }
    Ok(())
}

/// Each list's keys with their counts.
fn keys(reply: &InsightsReply, list: List) -> Vec<(&str, u64, u64)> {
    let of_list = reply.contributors.iter().filter(|found| found.list() == list);
    of_list.map(|found| (found.key.as_str(), found.requests, found.too_many_by)).collect()
}

fn print(reply: &InsightsReply) {
    for node in &reply.silent_nodes {
        show::line(&format!("WARNING: node {node} does not answer: what it counted is missing"));
    }
    show::line("requests of this hour and the one before");
    for (list, title) in LISTS {
        let keys = keys(reply, list);
        if keys.is_empty() {
            continue;
        }
        show::line("");
        show::line(title);
        let row = |(key, requests, too_many_by): (&str, u64, u64)| {
            vec![requests.to_string(), too_many_by.to_string(), key.to_owned()]
        };
        show::table(&["REQUESTS", "AT MOST TOO MANY", "KEY"], keys.into_iter().map(row).collect());
    }
}

fn as_json(reply: &InsightsReply) -> String {
    let lists = LISTS.map(|(list, _)| {
        let keys = keys(reply, list).into_iter().map(|(key, requests, too_many_by)| {
            let key: serde_json::Value = serde_json::from_str(key).unwrap_or_else(|_| key.into());
            json!({"key": key, "requests": requests, "too_many_by": too_many_by})
        });
        (list.as_str_name().to_lowercase(), keys.collect::<serde_json::Value>())
    });
    let mut shown: serde_json::Map<String, serde_json::Value> = lists.into_iter().collect();
    shown.insert("silent_nodes".to_owned(), json!(reply.silent_nodes));
    serde_json::Value::from(shown).to_string()
}
