//! The AWS SDK for Rust, pointed at one node, and the few calls that most tests make.

use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig, timeout::TimeoutConfig},
    types::{
        AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableStatus,
    },
};
use aws_smithy_http_client::Builder;
use std::{collections::HashMap, time::Duration};

pub const ROOT_KEY: &str = "AKIATESTROOT00000001";
pub const ROOT_SECRET: &str = "test-root-secret-0123456789abcdefghijklmn";

/// A client that tries each request once: a test wants to know what happened to it.
pub fn client(address: &str, wait_max: Duration) -> Client {
    let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_secs(1)).operation_timeout(wait_max).build();
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(ROOT_KEY, ROOT_SECRET, None, None, "test"))
        .endpoint_url(format!("http://{address}"))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .http_client(Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

/// Asks for a table with the partition key `id`, a string. The error is the service's, as text.
pub async fn create_table(client: &Client, table: &str) -> Result<(), String> {
    let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build();
    let attribute = AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S).build();
    let request = client
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(key.expect("all members are there"))
        .attribute_definitions(attribute.expect("all members are there"));
    request.send().await.map(|_| ()).map_err(|error| format!("{error:?}"))
}

/// A table's status; `None`: there is no such table. The error is whatever else came.
pub async fn described(client: &Client, table: &str) -> Result<Option<TableStatus>, String> {
    match client.describe_table().table_name(table).send().await {
        Ok(reply) => Ok(reply.table.and_then(|table| table.table_status)),
        Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => Ok(None),
        Err(error) => Err(format!("{error:?}")),
    }
}

/// A strongly consistent read.
pub async fn strong_get(
    client: &Client,
    table: &str,
    id: &str,
) -> Result<Option<HashMap<String, AttributeValue>>, String> {
    let request = client.get_item().table_name(table).consistent_read(true).key("id", text(id));
    request.send().await.map(|reply| reply.item).map_err(|error| format!("{error:?}"))
}

pub fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

/// A key of a batch.
pub fn key(id: &str) -> HashMap<String, AttributeValue> {
    HashMap::from([("id".to_owned(), text(id))])
}

/// The whole number that an attribute holds.
pub fn number(item: &HashMap<String, AttributeValue>, name: &str) -> Option<u64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}
