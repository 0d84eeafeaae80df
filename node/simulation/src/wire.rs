//! Operations of workloads as requests of the API, and its replies as their answers.

use serde_json::{Map, Value as Json, json};
use stator_api::Operation as Api;
use stator_workloads::{
    Answer, Consistency, Expression, Item, Operation, Outcome, PageOf, Shape, TransactItem, Value,
    client::{ADDED_INDEX, Failure, GLOBAL_INDEX, LOCAL_INDEX, TableStatus},
    stream_wire::{self, read_item, read_optional},
};

/// The request that carries an operation out.
pub fn request(operation: &Operation) -> (Api, Vec<u8>) {
    let (api, body) = match operation {
        Operation::Get { table, key, consistency } => {
            (Api::GetItem, json!({"TableName": table, "Key": item(key), "ConsistentRead": is_strong(*consistency)}))
        }
        Operation::Put { table, item: whole, condition } => {
            let body = json!({"TableName": table, "Item": item(whole)});
            (Api::PutItem, with_condition(body, condition.as_ref(), Map::new()))
        }
        Operation::Update { table, key, update, condition } => {
            let body = json!({
                "TableName": table, "Key": item(key), "UpdateExpression": update.text, "ReturnValues": "ALL_NEW",
            });
            (Api::UpdateItem, with_condition(body, condition.as_ref(), values(update)))
        }
        Operation::Delete { table, key, condition } => {
            let body = json!({"TableName": table, "Key": item(key)});
            (Api::DeleteItem, with_condition(body, condition.as_ref(), Map::new()))
        }
        Operation::Page { table, of, consistency, limit, after } => {
            let mut body = json!({"TableName": table, "ConsistentRead": is_strong(*consistency)});
            if let Some(limit) = limit {
                body["Limit"] = json!(limit);
            }
            if let Some(after) = after {
                body["ExclusiveStartKey"] = item(after);
            }
            (page_of(of, &mut body), body)
        }
        Operation::TransactWrite { writes, token } => {
            let mut body = json!({"TransactItems": writes.iter().map(transact_item).collect::<Vec<_>>()});
            if let Some(token) = token {
                body["ClientRequestToken"] = json!(token);
            }
            (Api::TransactWriteItems, body)
        }
        Operation::TransactGet { gets } => {
            let get = |(table, key): &(String, Item)| json!({"Get": {"TableName": table, "Key": item(key)}});
            (Api::TransactGetItems, json!({"TransactItems": gets.iter().map(get).collect::<Vec<_>>()}))
        }
        Operation::CreateTable { table, shape } => (Api::CreateTable, create_table(table, *shape)),
        Operation::DescribeTable { table } => (Api::DescribeTable, json!({"TableName": table})),
        Operation::DeleteTable { table } => (Api::DeleteTable, json!({"TableName": table})),
        Operation::AddIndex { table } => {
            let create = json!({"Create": {
                "IndexName": ADDED_INDEX,
                "KeySchema": [key("grade", "HASH"), key("sk", "HASH")],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }});
            let attributes = json!([attribute("grade", "N"), attribute("sk", "N")]);
            let body = json!({
                "TableName": table, "AttributeDefinitions": attributes, "GlobalSecondaryIndexUpdates": [create],
            });
            (Api::UpdateTable, body)
        }
        Operation::DropIndex { table } => {
            let delete = json!({"Delete": {"IndexName": ADDED_INDEX}});
            (Api::UpdateTable, json!({"TableName": table, "GlobalSecondaryIndexUpdates": [delete]}))
        }
        Operation::EnableTimeToLive { table } => {
            let specification = json!({"Enabled": true, "AttributeName": "expires"});
            (Api::UpdateTimeToLive, json!({"TableName": table, "TimeToLiveSpecification": specification}))
        }
        Operation::StreamOf { .. }
        | Operation::Shards { .. }
        | Operation::ShardIterator { .. }
        | Operation::Records { .. } => {
            let (target, body) = stream_wire::request(operation).expect("these are the operations on streams");
            (Api::from_target(target).expect("the server has them"), body)
        }
        Operation::Map { .. } | Operation::Deliveries { .. } => unreachable!("functions are not asked by a request"),
    };
    (api, body.to_string().into_bytes())
}

fn transact_item(write: &TransactItem) -> Json {
    let (name, body) = match write {
        TransactItem::Put { table, item: whole, condition } => {
            let body = json!({"TableName": table, "Item": item(whole)});
            ("Put", with_condition(body, condition.as_ref(), Map::new()))
        }
        TransactItem::Update { table, key, update, condition } => {
            let body = json!({"TableName": table, "Key": item(key), "UpdateExpression": update.text});
            ("Update", with_condition(body, condition.as_ref(), values(update)))
        }
        TransactItem::Delete { table, key, condition } => {
            let body = json!({"TableName": table, "Key": item(key)});
            ("Delete", with_condition(body, condition.as_ref(), Map::new()))
        }
        TransactItem::Check { table, key, condition } => {
            let body = json!({"TableName": table, "Key": item(key)});
            ("ConditionCheck", with_condition(body, Some(condition), Map::new()))
        }
    };
    json!({name: body})
}

fn is_strong(consistency: Consistency) -> bool {
    consistency == Consistency::Strong
}

fn page_of(of: &PageOf, body: &mut Json) -> Api {
    let (pk, index, backward) = match of {
        PageOf::Scan => return Api::Scan,
        PageOf::Index { index } => {
            body["IndexName"] = json!(index);
            return Api::Scan;
        }
        PageOf::Query { pk, index, backward } => (pk, index, backward),
    };
    body["KeyConditionExpression"] = json!("pk = :pk");
    body["ExpressionAttributeValues"] = json!({":pk": {"S": pk}});
    body["ScanIndexForward"] = json!(!backward);
    if let Some(index) = index {
        body["IndexName"] = json!(index);
    }
    Api::Query
}

fn with_condition(mut body: Json, condition: Option<&Expression>, mut placeholders: Map<String, Json>) -> Json {
    if let Some(condition) = condition {
        body["ConditionExpression"] = json!(condition.text);
        placeholders.extend(values(condition));
    }
    if !placeholders.is_empty() {
        body["ExpressionAttributeValues"] = Json::Object(placeholders);
    }
    body
}

fn attribute(name: &str, kind: &str) -> Json {
    json!({"AttributeName": name, "AttributeType": kind})
}

fn key(name: &str, kind: &str) -> Json {
    json!({"AttributeName": name, "KeyType": kind})
}

fn create_table(table: &str, shape: Shape) -> Json {
    let (mut attributes, mut keys) = (vec![attribute("pk", "S")], vec![key("pk", "HASH")]);
    if !matches!(shape, Shape::Hash | Shape::Streamed | Shape::Expiring) {
        attributes.push(attribute("sk", "N"));
        keys.push(key("sk", "RANGE"));
    }
    let mut body = json!({"TableName": table, "BillingMode": "PAY_PER_REQUEST", "KeySchema": keys});
    if shape == Shape::LocallyIndexed {
        attributes.push(attribute("grade", "N"));
        body["LocalSecondaryIndexes"] = json!([{
            "IndexName": LOCAL_INDEX,
            "KeySchema": [key("pk", "HASH"), key("grade", "RANGE")],
            "Projection": {"ProjectionType": "ALL"},
        }]);
    }
    if shape == Shape::GloballyIndexed {
        attributes.push(attribute("grade", "N"));
        body["GlobalSecondaryIndexes"] = json!([{
            "IndexName": GLOBAL_INDEX,
            "KeySchema": [key("grade", "HASH"), key("sk", "RANGE")],
            "Projection": {"ProjectionType": "ALL"},
        }]);
    }
    if shape == Shape::Streamed {
        body["StreamSpecification"] = json!({"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"});
    }
    body["AttributeDefinitions"] = json!(attributes);
    body
}

fn values(expression: &Expression) -> Map<String, Json> {
    expression.values.iter().map(|(name, given)| (name.clone(), value(given))).collect()
}

fn item(item: &Item) -> Json {
    Json::Object(item.iter().map(|(name, given)| (name.clone(), value(given))).collect())
}

fn value(value: &Value) -> Json {
    let number = |number: &i64| json!({"N": number.to_string()});
    match value {
        Value::Number(given) => number(given),
        Value::Text(text) => json!({"S": text}),
        Value::List(list) => json!({"L": list.iter().map(number).collect::<Vec<_>>()}),
    }
}

/// What a reply says.
pub fn outcome(operation: &Operation, status: u16, body: &[u8]) -> Outcome {
    let Ok(reply) = serde_json::from_slice::<Json>(body) else {
        return Err(Failure::Absurd(format!("a reply of {} bytes that is no JSON", body.len())));
    };
    if status == 200 {
        return answer(operation, &reply).ok_or_else(|| Failure::Absurd(format!("{operation:?}: {reply}")));
    }
    if status >= 500 {
        return Err(Failure::Unknown(reply.to_string()));
    }
    let kind = reply["__type"].as_str().unwrap_or_default();
    let said = reply["message"].as_str().unwrap_or_default();
    let of_index = matches!(operation, Operation::AddIndex { .. } | Operation::DropIndex { .. });
    match kind.rsplit('#').next().unwrap_or_default() {
        "ResourceNotFoundException" if of_index => Ok(Answer::NoSuchIndex),
        "ResourceInUseException" | "LimitExceededException" if of_index => Err(Failure::Definite(reply.to_string())),
        "ValidationException" if said.contains("TimeToLive is already enabled") => Ok(Answer::Written(None)),
        "ValidationException" if of_index && said.contains("Duplicate index name") => {
            Err(Failure::Definite(reply.to_string()))
        }
        "ValidationException"
            if said.contains("backfilling global secondary index")
                || said.contains("does not have the specified index") =>
        {
            Ok(Answer::NoSuchIndex)
        }
        "ExpiredIteratorException" | "TrimmedDataAccessException" => Ok(Answer::RecordsGone),
        "ConditionalCheckFailedException" => Ok(Answer::ConditionFailed),
        "TransactionCanceledException" => {
            cancelled(&reply).map(Answer::Cancelled).ok_or_else(|| Failure::Absurd(format!("{operation:?}: {reply}")))
        }
        "TransactionConflictException" => Ok(Answer::Conflict),
        "IdempotentParameterMismatchException" => Ok(Answer::TokenMismatch),
        "TransactionInProgressException" => Err(Failure::Unknown(reply.to_string())),
        "ResourceNotFoundException" => Ok(Answer::NoSuchTable),
        "ResourceInUseException" => Ok(Answer::TableInUse),
        "ProvisionedThroughputExceededException" | "ThrottlingException" | "RequestLimitExceeded" => {
            Err(Failure::Definite(reply.to_string()))
        }
        _ => Err(Failure::Absurd(format!("{operation:?}: {reply}"))),
    }
}

fn cancelled(reply: &Json) -> Option<Vec<String>> {
    let reasons = reply["CancellationReasons"].as_array()?;
    reasons.iter().map(|reason| Some(reason["Code"].as_str()?.to_owned())).collect()
}

fn answer(operation: &Operation, reply: &Json) -> Option<Answer> {
    Some(match operation {
        Operation::Get { .. } => Answer::Item(read_optional(&reply["Item"])?),
        Operation::Put { .. }
        | Operation::Delete { .. }
        | Operation::TransactWrite { .. }
        | Operation::EnableTimeToLive { .. } => Answer::Written(None),
        Operation::TransactGet { .. } => {
            let responses = reply["Responses"].as_array()?;
            Answer::Items(responses.iter().map(|response| read_optional(&response["Item"])).collect::<Option<_>>()?)
        }
        Operation::Update { .. } => Answer::Written(Some(read_item(&reply["Attributes"])?)),
        Operation::Page { .. } => Answer::Page {
            items: reply["Items"].as_array()?.iter().map(read_item).collect::<Option<_>>()?,
            next: read_optional(&reply["LastEvaluatedKey"])?,
        },
        Operation::CreateTable { .. }
        | Operation::DeleteTable { .. }
        | Operation::AddIndex { .. }
        | Operation::DropIndex { .. } => Answer::Table(table_status(&reply["TableDescription"])?),
        Operation::DescribeTable { .. } => Answer::Table(table_status(&reply["Table"])?),
        Operation::StreamOf { .. }
        | Operation::Shards { .. }
        | Operation::ShardIterator { .. }
        | Operation::Records { .. } => return stream_wire::answer(operation, reply),
        Operation::Map { .. } | Operation::Deliveries { .. } => return None,
    })
}

fn table_status(description: &Json) -> Option<TableStatus> {
    Some(match description["TableStatus"].as_str()? {
        "CREATING" => TableStatus::Creating,
        "UPDATING" => TableStatus::Updating,
        "ACTIVE" => TableStatus::Active,
        "DELETING" => TableStatus::Deleting,
        _ => return None,
    })
}
