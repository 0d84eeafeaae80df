//! The workloads' client over the AWS SDK for Rust: each attempt goes to the next node that is taken to live, and none is
//! repeated by itself.

use crate::instead::Instead;
use aws_sdk_dynamodb::{
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata, SdkError},
    types::{
        AttributeDefinition, AttributeValue, BillingMode, ConditionCheck, CreateGlobalSecondaryIndexAction, Delete,
        DeleteGlobalSecondaryIndexAction, Get, GlobalSecondaryIndex, GlobalSecondaryIndexUpdate, KeySchemaElement,
        KeyType, LocalSecondaryIndex, Projection, ProjectionType, Put, ReturnValue, ScalarAttributeType,
        StreamSpecification, StreamViewType, TableDescription, TimeToLiveSpecification, TransactGetItem,
        TransactWriteItem, Update,
    },
};
use stator_client::{Endpoints, sdk::Spread};
use stator_workloads::{
    client::{
        ADDED_INDEX, Answer, BoxFuture, Client, Consistency, Expression, Failure, GLOBAL_INDEX, Item, LOCAL_INDEX,
        Operation, Outcome, PageOf, Shape, TableStatus, TransactItem, Value,
    },
    stream_wire,
};
use std::{collections::HashMap, error::Error as StdError, fmt::Debug, time::Duration};

/// How long a client waits for an answer. Longer than a node tries, so that its own answer is heard.
pub const ANSWER_MAX: Duration = Duration::from_secs(5);
const CONNECT_MAX: Duration = Duration::from_secs(1);

/// An access key of the database under test.
#[derive(Clone, Debug)]
pub struct AccessKey {
    pub id: String,
    pub secret: String,
}

/// One client's way to the database.
pub struct SdkClient {
    pub(crate) client: aws_sdk_dynamodb::Client,
}

impl SdkClient {
    pub fn new(endpoints: Endpoints, key: &AccessKey) -> SdkClient {
        let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_MAX).operation_timeout(ANSWER_MAX).build();
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new(key.id.clone(), key.secret.clone(), None, None, "chaos"))
            .endpoint_url("http://stator")
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .http_client(Spread::new(endpoints))
            .build();
        SdkClient { client: aws_sdk_dynamodb::Client::from_conf(config) }
    }

    async fn carry_out(&self, operation: Operation) -> Outcome {
        match operation {
            Operation::Get { table, key, consistency } => {
                let request = self.client.get_item().table_name(table).set_key(Some(sent(&key)));
                let reply = request.consistent_read(consistency == Consistency::Strong).send().await;
                answered(reply, |reply| reply.item.map(|item| received(&item)).transpose().map(Answer::Item))
            }
            Operation::Put { table, item, condition } => {
                let mut request = self.client.put_item().table_name(table).set_item(Some(sent(&item)));
                if let Some(condition) = condition {
                    request = request.condition_expression(condition.text.clone());
                    request = request.set_expression_attribute_values(values(&[&condition]));
                }
                answered(request.send().await, |_| Ok(Answer::Written(None)))
            }
            Operation::Update { table, key, update, condition } => {
                let mut request = self.client.update_item().table_name(table).set_key(Some(sent(&key)));
                request = request.update_expression(update.text.clone()).return_values(ReturnValue::AllNew);
                let expressions: Vec<&Expression> = [&update].into_iter().chain(&condition).collect();
                request = request.set_expression_attribute_values(values(&expressions));
                request = request.set_condition_expression(condition.as_ref().map(|condition| condition.text.clone()));
                answered(request.send().await, |reply| {
                    reply.attributes.map(|item| received(&item)).transpose().map(Answer::Written)
                })
            }
            Operation::Delete { table, key, condition } => {
                let mut request = self.client.delete_item().table_name(table).set_key(Some(sent(&key)));
                if let Some(condition) = condition {
                    request = request.condition_expression(condition.text.clone());
                    request = request.set_expression_attribute_values(values(&[&condition]));
                }
                answered(request.send().await, |_| Ok(Answer::Written(None)))
            }
            Operation::Page { table, of, consistency, limit, after } => {
                self.page(table, of, consistency, limit, after).await
            }
            Operation::TransactWrite { writes, token } => {
                let writes = writes.into_iter().map(transact_item).collect();
                let request = self.client.transact_write_items().set_transact_items(Some(writes));
                let reply = request.set_client_request_token(token).send().await;
                match reply {
                    Err(error) => {
                        cancelled(&error).map_or_else(|| failed(&error), |codes| Ok(Answer::Cancelled(codes)))
                    }
                    Ok(_) => Ok(Answer::Written(None)),
                }
            }
            Operation::TransactGet { gets } => {
                let get = |(table, key): (String, Item)| {
                    let get = Get::builder().table_name(table).set_key(Some(sent(&key)));
                    TransactGetItem::builder().get(get.build().expect("table and key are there")).build()
                };
                let gets = gets.into_iter().map(get).collect();
                match self.client.transact_get_items().set_transact_items(Some(gets)).send().await {
                    Err(error) => {
                        cancelled(&error).map_or_else(|| failed(&error), |codes| Ok(Answer::Cancelled(codes)))
                    }
                    Ok(reply) => {
                        let responses = reply.responses.unwrap_or_default();
                        let items = responses.iter().map(|response| response.item.as_ref().map(received).transpose());
                        items.collect::<Result<_, _>>().map(Answer::Items).map_err(Failure::Absurd)
                    }
                }
            }
            Operation::CreateTable { table, shape } => self.create_table(table, shape).await,
            Operation::DescribeTable { table } => {
                answered(self.client.describe_table().table_name(table).send().await, |reply| status(reply.table))
            }
            Operation::AddIndex { table } => {
                let create = CreateGlobalSecondaryIndexAction::builder()
                    .index_name(ADDED_INDEX)
                    .key_schema(key_element("grade", KeyType::Hash))
                    .key_schema(key_element("sk", KeyType::Hash))
                    .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build());
                let update = GlobalSecondaryIndexUpdate::builder()
                    .create(create.build().expect("name, keys and projection are there"))
                    .build();
                let request = self.client.update_table().table_name(table).global_secondary_index_updates(update);
                let request = request
                    .attribute_definitions(attribute("grade", ScalarAttributeType::N))
                    .attribute_definitions(attribute("sk", ScalarAttributeType::N));
                of_index(answered(request.send().await, |reply| status(reply.table_description)))
            }
            Operation::DropIndex { table } => {
                let delete = DeleteGlobalSecondaryIndexAction::builder().index_name(ADDED_INDEX);
                let update = GlobalSecondaryIndexUpdate::builder().delete(delete.build().expect("a name is there"));
                let request =
                    self.client.update_table().table_name(table).global_secondary_index_updates(update.build());
                of_index(answered(request.send().await, |reply| status(reply.table_description)))
            }
            Operation::EnableTimeToLive { table } => {
                let specification = TimeToLiveSpecification::builder().enabled(true).attribute_name("expires");
                let specification = specification.build().expect("both members are there");
                let request = self.client.update_time_to_live().table_name(table);
                let reply = request.time_to_live_specification(specification).send().await;
                match answered(reply, |_| Ok(Answer::Written(None))) {
                    Err(Failure::Absurd(said)) if said.contains("already enabled") => Ok(Answer::Written(None)),
                    outcome => outcome,
                }
            }
            Operation::StreamOf { .. }
            | Operation::Shards { .. }
            | Operation::ShardIterator { .. }
            | Operation::Records { .. } => self.of_stream(&operation).await,
            Operation::Map { table, mapping } => self.map(&table, mapping).await,
            Operation::Deliveries { table } => self.deliveries(&table).await,
            Operation::DeleteTable { table } => {
                let reply = self.client.delete_table().table_name(table).send().await;
                answered(reply, |reply| status(reply.table_description))
            }
        }
    }

    pub(crate) async fn of_stream(&self, operation: &Operation) -> Outcome {
        let (target, body) = stream_wire::request(operation).expect("these are the operations on streams");
        let instead = Instead::of(target, &body);
        let request = self.client.list_tables().customize().interceptor(instead.clone());
        match answered(request.send().await, |_| {
            let reply = instead.reply().ok_or("a reply that is no JSON")?;
            stream_wire::answer(operation, &reply).ok_or_else(|| format!("{operation:?}: {reply}"))
        }) {
            Err(Failure::Absurd(said)) if is_gone(&said) => Ok(Answer::RecordsGone),
            outcome => outcome,
        }
    }

    pub(crate) async fn page(
        &self,
        table: String,
        of: PageOf,
        consistency: Consistency,
        limit: Option<u32>,
        after: Option<Item>,
    ) -> Outcome {
        let strong = consistency == Consistency::Strong;
        let limit = limit.and_then(|limit| i32::try_from(limit).ok());
        let after = after.as_ref().map(sent);
        match of {
            PageOf::Scan => {
                let request = self.client.scan().table_name(table).consistent_read(strong).set_limit(limit);
                let reply = request.set_exclusive_start_key(after).send().await;
                answered(reply, |reply| page(reply.items, reply.last_evaluated_key))
            }
            PageOf::Index { index } => {
                let request = self.client.scan().table_name(table).index_name(index).set_limit(limit);
                let reply = request.set_exclusive_start_key(after).send().await;
                answered(reply, |reply| page(reply.items, reply.last_evaluated_key))
            }
            PageOf::Query { pk, index, backward } => {
                let request = self.client.query().table_name(table).consistent_read(strong).set_limit(limit);
                let request = request.set_index_name(index).scan_index_forward(!backward);
                let request = request.key_condition_expression("pk = :pk");
                let request = request.expression_attribute_values(":pk", AttributeValue::S(pk));
                let reply = request.set_exclusive_start_key(after).send().await;
                answered(reply, |reply| page(reply.items, reply.last_evaluated_key))
            }
        }
    }

    pub(crate) async fn create_table(&self, table: String, shape: Shape) -> Outcome {
        let request = self.client.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
        let mut request = request
            .key_schema(key_element("pk", KeyType::Hash))
            .attribute_definitions(attribute("pk", ScalarAttributeType::S));
        if shape == Shape::Streamed {
            let view = StreamViewType::NewAndOldImages;
            let stream = StreamSpecification::builder().stream_enabled(true).stream_view_type(view);
            request = request.stream_specification(stream.build().expect("whether it is enabled is there"));
        }
        if !matches!(shape, Shape::Hash | Shape::Streamed | Shape::Expiring) {
            request = request
                .key_schema(key_element("sk", KeyType::Range))
                .attribute_definitions(attribute("sk", ScalarAttributeType::N));
        }
        if shape == Shape::LocallyIndexed {
            let index = LocalSecondaryIndex::builder()
                .index_name(LOCAL_INDEX)
                .key_schema(key_element("pk", KeyType::Hash))
                .key_schema(key_element("grade", KeyType::Range))
                .projection(Projection::builder().projection_type(ProjectionType::All).build());
            request = request
                .attribute_definitions(attribute("grade", ScalarAttributeType::N))
                .local_secondary_indexes(index.build().expect("name and keys are there"));
        }
        if shape == Shape::GloballyIndexed {
            let index = GlobalSecondaryIndex::builder()
                .index_name(GLOBAL_INDEX)
                .key_schema(key_element("grade", KeyType::Hash))
                .key_schema(key_element("sk", KeyType::Range))
                .projection(Projection::builder().projection_type(ProjectionType::All).build());
            request = request
                .attribute_definitions(attribute("grade", ScalarAttributeType::N))
                .global_secondary_indexes(index.build().expect("name and keys are there"));
        }
        answered(request.send().await, |reply| status(reply.table_description))
    }
}

impl Client for SdkClient {
    fn call(&self, operation: Operation) -> BoxFuture<'_, Outcome> {
        Box::pin(self.carry_out(operation))
    }
}

fn transact_item(write: TransactItem) -> TransactWriteItem {
    let both = "table and key are there";
    let builder = TransactWriteItem::builder();
    match write {
        TransactItem::Put { table, item, condition } => {
            let put = Put::builder().table_name(table).set_item(Some(sent(&item)));
            let put = put.set_condition_expression(condition.as_ref().map(|condition| condition.text.clone()));
            let put = put.set_expression_attribute_values(values(&condition.iter().collect::<Vec<_>>()));
            builder.put(put.build().expect(both))
        }
        TransactItem::Update { table, key, update, condition } => {
            let change = Update::builder().table_name(table).set_key(Some(sent(&key))).update_expression(&update.text);
            let change = change.set_condition_expression(condition.as_ref().map(|condition| condition.text.clone()));
            let expressions: Vec<&Expression> = [&update].into_iter().chain(&condition).collect();
            builder.update(change.set_expression_attribute_values(values(&expressions)).build().expect(both))
        }
        TransactItem::Delete { table, key, condition } => {
            let delete = Delete::builder().table_name(table).set_key(Some(sent(&key)));
            let delete = delete.set_condition_expression(condition.as_ref().map(|condition| condition.text.clone()));
            let delete = delete.set_expression_attribute_values(values(&condition.iter().collect::<Vec<_>>()));
            builder.delete(delete.build().expect(both))
        }
        TransactItem::Check { table, key, condition } => {
            let check = ConditionCheck::builder().table_name(table).set_key(Some(sent(&key)));
            let check = check.condition_expression(&condition.text);
            builder.condition_check(check.set_expression_attribute_values(values(&[&condition])).build().expect(both))
        }
    }
    .build()
}

/// The codes of a cancelled transaction's reasons; `None`: it failed otherwise.
fn cancelled<E: ProvideErrorMetadata + StdError + Send + Sync + 'static>(error: &SdkError<E>) -> Option<Vec<String>> {
    let SdkError::ServiceError(service) = error else { return None };
    if service.err().code() != Some("TransactionCanceledException") {
        return None;
    }
    // In the message's brackets, for writes and reads alike.
    let (_, codes) = service.err().message()?.rsplit_once('[')?;
    Some(codes.trim_end_matches(']').split(", ").map(str::to_owned).collect())
}

fn key_element(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect("both members are there")
}

fn attribute(name: &str, kind: ScalarAttributeType) -> AttributeDefinition {
    AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().expect("both members are there")
}

/// What a reply says; what no sound database replies is absurd.
pub(crate) fn answered<T, E>(reply: Result<T, SdkError<E>>, read: impl FnOnce(T) -> Result<Answer, String>) -> Outcome
where
    E: ProvideErrorMetadata + StdError + Debug + Send + Sync + 'static,
{
    match reply {
        Ok(reply) => read(reply).map_err(Failure::Absurd),
        Err(error) => failed(&error),
    }
}

fn failed<E: ProvideErrorMetadata + StdError + Debug + Send + Sync + 'static>(error: &SdkError<E>) -> Outcome {
    let SdkError::ServiceError(service) = error else { return Err(transport_failure(error)) };
    let code = service.err().code().unwrap_or_default();
    let said = format!("{code}: {}", service.err().message().unwrap_or_default());
    match code {
        "ConditionalCheckFailedException" => Ok(Answer::ConditionFailed),
        "TransactionConflictException" => Ok(Answer::Conflict),
        "TransactionInProgressException" => Err(Failure::Unknown(said)),
        "ResourceNotFoundException" => Ok(Answer::NoSuchTable),
        "ResourceInUseException" => Ok(Answer::TableInUse),
        "ProvisionedThroughputExceededException" | "ThrottlingException" | "RequestLimitExceeded" => {
            Err(Failure::Definite(said))
        }
        "LimitExceededException" => Err(Failure::Definite(said)),
        _ if said.contains("backfilling global secondary index")
            || said.contains("does not have the specified index") =>
        {
            Ok(Answer::NoSuchIndex)
        }
        // Refused before anything was done: the signature is checked first.
        _ if service.raw().status().as_u16() < 500 => Err(Failure::Absurd(said)),
        _ => Err(Failure::Unknown(said)),
    }
}

fn is_gone(said: &str) -> bool {
    said.starts_with("ExpiredIteratorException") || said.starts_with("TrimmedDataAccessException")
}

/// An index on its way, or one that is there already, is no news of the table.
fn of_index(outcome: Outcome) -> Outcome {
    match outcome {
        Ok(Answer::NoSuchTable) => Ok(Answer::NoSuchIndex),
        Ok(Answer::TableInUse) => Err(Failure::Definite("the table is busy".to_owned())),
        Err(Failure::Absurd(said)) if said.contains("Duplicate index name") => Err(Failure::Definite(said)),
        other => other,
    }
}

/// No reply of the service. Nothing was sent exactly if no connection could be made.
fn transport_failure(error: &(dyn StdError + 'static)) -> Failure {
    let mut text = Vec::new();
    let (mut cause, mut never_connected) = (Some(error), false);
    while let Some(error) = cause {
        text.push(error.to_string());
        never_connected |= error.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(|e| e.is_connect());
        cause = error.source();
    }
    let said = text.join(": ");
    if never_connected { Failure::Definite(said) } else { Failure::Unknown(said) }
}

fn status(table: Option<TableDescription>) -> Result<Answer, String> {
    use aws_sdk_dynamodb::types::TableStatus as Status;
    let status = table.and_then(|table| table.table_status).ok_or("a table without a status")?;
    Ok(Answer::Table(match status {
        Status::Creating => TableStatus::Creating,
        Status::Updating => TableStatus::Updating,
        Status::Active => TableStatus::Active,
        Status::Deleting => TableStatus::Deleting,
        other => return Err(format!("a table that is {other:?}")),
    }))
}

type Attributes = HashMap<String, AttributeValue>;

fn page(items: Option<Vec<Attributes>>, next: Option<Attributes>) -> Result<Answer, String> {
    let items = items.unwrap_or_default().iter().map(received).collect::<Result<_, _>>()?;
    Ok(Answer::Page { items, next: next.as_ref().map(received).transpose()? })
}

fn values(expressions: &[&Expression]) -> Option<Attributes> {
    let all: Attributes =
        expressions.iter().flat_map(|expression| &expression.values).map(|(n, v)| (n.clone(), value(v))).collect();
    (!all.is_empty()).then_some(all)
}

fn sent(item: &Item) -> Attributes {
    item.iter().map(|(name, held)| (name.clone(), value(held))).collect()
}

fn value(value: &Value) -> AttributeValue {
    match value {
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::Text(text) => AttributeValue::S(text.clone()),
        Value::List(list) => AttributeValue::L(list.iter().map(|n| AttributeValue::N(n.to_string())).collect()),
    }
}

fn received(item: &Attributes) -> Result<Item, String> {
    item.iter().map(|(name, value)| Ok((name.clone(), read(value)?))).collect()
}

fn read(value: &AttributeValue) -> Result<Value, String> {
    let number = |text: &str| text.parse::<i64>().map_err(|_| format!("the number {text:?}"));
    match value {
        AttributeValue::N(text) => number(text).map(Value::Number),
        AttributeValue::S(text) => Ok(Value::Text(text.clone())),
        AttributeValue::L(list) => {
            let numbers = list.iter().map(|element| match element {
                AttributeValue::N(text) => number(text),
                other => Err(format!("{other:?} in a list")),
            });
            numbers.collect::<Result<_, _>>().map(Value::List)
        }
        other => Err(format!("a value that no workload writes: {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_as_they_went() {
        let item: Item = [
            ("n".to_owned(), Value::from(-7)),
            ("s".to_owned(), Value::from("x")),
            ("l".to_owned(), Value::from(vec![1, 2])),
        ]
        .into();
        assert_eq!(received(&sent(&item)), Ok(item));
    }

    #[test]
    fn what_no_workload_writes_is_refused() {
        let odd = [
            AttributeValue::Bool(true),
            AttributeValue::N("1.5".into()),
            AttributeValue::L(vec![AttributeValue::Null(true)]),
        ];
        assert!(odd.iter().all(|value| read(value).is_err()));
    }
}
