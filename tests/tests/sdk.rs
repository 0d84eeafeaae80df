//! The AWS SDK for Rust, unmodified, against one node and three.

use aws_sdk_dynamodb::{
    Client,
    types::{
        AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, KeysAndAttributes, PutRequest,
        ReturnValue, ScalarAttributeType, TableStatus, WriteRequest,
    },
};
use stator_tests::{Cluster, number, text};
use std::collections::HashMap;

const TABLE: &str = "songs";
const SONGS: usize = 25;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_serves_the_sdk() {
    let cluster = Cluster::start(1).await;
    works(&cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_serve_the_sdk() {
    let cluster = Cluster::start(3).await;
    works(&cluster).await;
}

/// Each step asks another node, where there is one: what one has acknowledged, all know.
async fn works(cluster: &Cluster) {
    let nodes = cluster.nodes.len();
    let mut clients = (0..nodes).map(|node| cluster.client(node)).cycle();
    let mut next = move || clients.next().expect("a cycle has no end");
    a_table_is_made(&next()).await;
    cluster.wait_settled(nodes - 1, TABLE).await;
    items_are_written_and_read(&next(), &next()).await;
    a_condition_that_fails_changes_nothing(&next()).await;
    batches_are_taken(&next(), &next()).await;
    pages_hold_everything_once(&next(), &next()).await;
    next().delete_table().table_name(TABLE).send().await.expect("it is there");
    assert_eq!(cluster.wait_settled(0, TABLE).await, None);
}

async fn a_table_is_made(client: &Client) {
    let key = |name, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect("complete");
    let attribute = |name, kind| {
        AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().expect("complete")
    };
    let request = client.create_table().table_name(TABLE).billing_mode(BillingMode::PayPerRequest);
    let request = request.key_schema(key("artist", KeyType::Hash)).key_schema(key("number", KeyType::Range));
    let request = request
        .attribute_definitions(attribute("artist", ScalarAttributeType::S))
        .attribute_definitions(attribute("number", ScalarAttributeType::N));
    let made = request.send().await.expect("the name is free").table_description.expect("it is described");
    assert_eq!(made.table_status, Some(TableStatus::Creating));
    let names = client.list_tables().into_paginator().page_size(1).items().send();
    let names: Vec<String> = names.collect::<Result<_, _>>().await.expect("every page comes");
    assert_eq!(names, [TABLE, Cluster::TABLE]);
}

fn song(number: usize) -> HashMap<String, AttributeValue> {
    HashMap::from([
        ("artist".to_owned(), text("Ada")),
        ("number".to_owned(), AttributeValue::N(number.to_string())),
        ("tags".to_owned(), AttributeValue::Ss(vec!["a".to_owned(), "b".to_owned()])),
        ("nested".to_owned(), AttributeValue::M(HashMap::from([("deep".to_owned(), AttributeValue::Bool(true))]))),
    ])
}

async fn items_are_written_and_read(writer: &Client, reader: &Client) {
    writer.put_item().table_name(TABLE).set_item(Some(song(0))).send().await.expect("it is stored");
    let get = reader.get_item().table_name(TABLE).consistent_read(true);
    let get = get.key("artist", text("Ada")).key("number", AttributeValue::N("0".to_owned()));
    let found = get.send().await.expect("it is read").item.expect("it is there");
    assert_eq!(found, song(0));

    let update = writer.update_item().table_name(TABLE).key("artist", text("Ada"));
    let update = update.key("number", AttributeValue::N("0".to_owned()));
    let update = update.update_expression("SET plays = if_not_exists(plays, :zero) + :one");
    let update = update.expression_attribute_values(":zero", AttributeValue::N("0".to_owned()));
    let update = update.expression_attribute_values(":one", AttributeValue::N("1".to_owned()));
    let updated = update.return_values(ReturnValue::UpdatedNew).send().await.expect("it is changed");
    assert_eq!(number(&updated.attributes.expect("they were asked for"), "plays"), Some(1));
}

async fn a_condition_that_fails_changes_nothing(client: &Client) {
    let put = client.put_item().table_name(TABLE).item("artist", text("Ada"));
    let put =
        put.item("number", AttributeValue::N("0".to_owned())).condition_expression("attribute_not_exists(artist)");
    let error = put.send().await.expect_err("it is there already");
    let error = error.into_service_error();
    assert!(error.is_conditional_check_failed_exception(), "{error:?}");
    assert_eq!(error.meta().message(), Some("The conditional request failed"));

    let error = client.get_item().table_name("nothing").key("artist", text("Ada")).send().await;
    assert!(error.expect_err("no such table").into_service_error().is_resource_not_found_exception());
}

async fn batches_are_taken(writer: &Client, reader: &Client) {
    let put = |number| PutRequest::builder().set_item(Some(song(number))).build().expect("complete");
    let requests = (1..=SONGS).map(|number| WriteRequest::builder().put_request(put(number)).build());
    let reply = writer.batch_write_item().request_items(TABLE, requests.collect()).send().await.expect("it is stored");
    assert!(reply.unprocessed_items.unwrap_or_default().is_empty());

    let keys = (0..=SONGS).map(|number| {
        let mut key = song(number);
        key.retain(|name, _| name == "artist" || name == "number");
        key
    });
    let asked = KeysAndAttributes::builder().set_keys(Some(keys.collect())).consistent_read(true).build();
    let reply = reader.batch_get_item().request_items(TABLE, asked.expect("complete")).send().await;
    let mut found = reply.expect("they are read").responses.expect("there are some");
    assert_eq!(found.remove(TABLE).map(|items| items.len()), Some(SONGS + 1));
}

async fn pages_hold_everything_once(first: &Client, second: &Client) {
    let query = first.query().table_name(TABLE).consistent_read(true).limit(4).scan_index_forward(false);
    let query = query.key_condition_expression("artist = :artist AND #n BETWEEN :low AND :high");
    let query = query.expression_attribute_names("#n", "number").expression_attribute_values(":artist", text("Ada"));
    let query = query.expression_attribute_values(":low", AttributeValue::N("1".to_owned()));
    let query = query.expression_attribute_values(":high", AttributeValue::N("20".to_owned()));
    let found: Vec<_> =
        query.into_paginator().items().send().collect::<Result<_, _>>().await.expect("every page comes");
    let numbers: Vec<_> = found.iter().filter_map(|item| number(item, "number")).collect();
    assert_eq!(numbers, (1..=20).rev().collect::<Vec<u64>>());

    let scan = second.scan().table_name(TABLE).consistent_read(true).limit(3).into_paginator().items().send();
    let found: Vec<_> = scan.collect::<Result<_, _>>().await.expect("every page comes");
    let mut numbers: Vec<_> = found.iter().filter_map(|item| number(item, "number")).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..=SONGS as u64).collect::<Vec<_>>());
}
