//! What a workload asks of a database: a few of DynamoDB's operations as plain data, so that the simulation and the bench on
//! real processes carry out the same, and a history can be kept as lines of JSON.
//!
//! An instrument implements [`Client`] and nothing else. It must not retry by itself (switch the SDK's retries off): a
//! workload decides what is tried again.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, pin::Pin};

pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One client's way to the database.
pub trait Client: Send + Sync {
    /// Carries one operation out, and returns within some seconds, whatever happens.
    fn call(&self, operation: Operation) -> BoxFuture<'_, Outcome>;
}

pub type Outcome = Result<Answer, Failure>;

/// Attributes by their names. Workloads use no reserved words, so expressions need no placeholders for names.
pub type Item = BTreeMap<String, Value>;

/// Values that workloads need: `S`, `N` and an `L` of `N`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    Number(i64),
    Text(String),
    List(Vec<i64>),
}

impl Value {
    pub fn number(&self) -> Option<i64> {
        if let Value::Number(number) = self { Some(*number) } else { None }
    }

    pub fn text(&self) -> Option<&str> {
        if let Value::Text(text) = self { Some(text) } else { None }
    }

    pub fn list(&self) -> Option<&[i64]> {
        if let Value::List(list) = self { Some(list) } else { None }
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Number(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<Vec<i64>> for Value {
    fn from(list: Vec<i64>) -> Value {
        Value::List(list)
    }
}

/// A table's keys and indexes. The names of attributes are the same in all tables: `pk` (S), `sk` (N), `grade` (N).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Shape {
    /// Partition key `pk`.
    Hash,
    /// Partition key `pk`, sort key `sk`.
    HashAndRange,
    /// As before, with the local index [`LOCAL_INDEX`] on `grade`, which has all attributes.
    LocallyIndexed,
    /// Keys as before, with the global index [`GLOBAL_INDEX`] on `grade` and `sk`, which has all attributes.
    GloballyIndexed,
    /// Partition key `pk`; with a stream of new and old images.
    Streamed,
    /// Partition key `pk`; once it is active, time to live is enabled on `expires` (N).
    Expiring,
}

/// The local index of [`Shape::LocallyIndexed`].
pub const LOCAL_INDEX: &str = "by_grade";
/// The global index of [`Shape::GloballyIndexed`]: hash key `grade`, sort key `sk`.
pub const GLOBAL_INDEX: &str = "by_grade_anywhere";
/// The global index of [`Operation::AddIndex`]: hash key `grade` and `sk` together, keys only.
pub const ADDED_INDEX: &str = "added";

/// `ConsistentRead`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Consistency {
    Strong,
    Eventual,
}

/// An expression in DynamoDB's language, and the values behind its placeholders.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Expression {
    pub text: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, Value>,
}

impl Expression {
    pub fn new<const N: usize>(text: &str, values: [(&str, Value); N]) -> Expression {
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Expression { text: text.to_owned(), values }
    }
}

/// What one page is a page of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum PageOf {
    /// A Scan of the whole table.
    Scan,
    /// A Query of one partition key: in the table, or in its local index.
    Query { pk: String, index: Option<String>, backward: bool },
    /// A Scan of a global index.
    Index { index: String },
}

/// One item of a transaction. Placeholders of a condition must differ from the update's.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TransactItem {
    Put { table: String, item: Item, condition: Option<Expression> },
    Update { table: String, key: Item, update: Expression, condition: Option<Expression> },
    Delete { table: String, key: Item, condition: Option<Expression> },
    Check { table: String, key: Item, condition: Expression },
}

impl TransactItem {
    pub fn table(&self) -> &str {
        match self {
            TransactItem::Put { table, .. }
            | TransactItem::Update { table, .. }
            | TransactItem::Delete { table, .. }
            | TransactItem::Check { table, .. } => table,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Operation {
    /// GetItem.
    Get {
        table: String,
        key: Item,
        consistency: Consistency,
    },
    /// PutItem.
    Put {
        table: String,
        item: Item,
        condition: Option<Expression>,
    },
    /// UpdateItem with `ReturnValues=ALL_NEW`. Placeholders of the condition must differ from the update's.
    Update {
        table: String,
        key: Item,
        update: Expression,
        condition: Option<Expression>,
    },
    /// DeleteItem.
    Delete {
        table: String,
        key: Item,
        condition: Option<Expression>,
    },
    /// One request of a Query or Scan; `after` is the last page's `next`.
    Page {
        table: String,
        of: PageOf,
        consistency: Consistency,
        limit: Option<u32>,
        after: Option<Item>,
    },
    /// TransactWriteItems. With a request token it can be tried again.
    TransactWrite {
        writes: Vec<TransactItem>,
        token: Option<String>,
    },
    /// TransactGetItems: tables and keys.
    TransactGet {
        gets: Vec<(String, Item)>,
    },
    /// CreateTable, on demand.
    CreateTable {
        table: String,
        shape: Shape,
    },
    DescribeTable {
        table: String,
    },
    DeleteTable {
        table: String,
    },
    /// UpdateTable that adds [`ADDED_INDEX`], and one that takes it away.
    AddIndex {
        table: String,
    },
    DropIndex {
        table: String,
    },
    /// UpdateTimeToLive of a [`Shape::Expiring`]. That it is enabled already is no error.
    EnableTimeToLive {
        table: String,
    },
    /// The ARN of a table's stream, by DescribeTable.
    StreamOf {
        table: String,
    },
    /// A page of DescribeStream, behind a shard.
    Shards {
        table: String,
        stream: String,
        after: Option<String>,
    },
    /// GetShardIterator: behind a sequence number, or TRIM_HORIZON.
    ShardIterator {
        table: String,
        stream: String,
        shard: String,
        after: Option<String>,
    },
    /// GetRecords.
    Records {
        table: String,
        iterator: String,
        limit: u32,
    },
    /// CreateEventSourceMapping of the table's stream with a function that notes what it is called with, from TRIM_HORIZON; or
    /// UpdateEventSourceMapping, if there is one.
    Map {
        table: String,
        mapping: MappingShape,
    },
    /// What the function has noted.
    Deliveries {
        table: String,
    },
}

/// An event source mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MappingShape {
    pub enabled: bool,
    pub batch_size: u32,
    /// `ParallelizationFactor`.
    pub parallelization: u32,
    pub bisects: bool,
}

/// A record that a function was called with, as far as workloads look at it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Delivery {
    pub pk: String,
    /// `v` of the new image.
    pub v: i64,
}

/// A shard as DescribeStream shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Shard {
    pub id: String,
    pub parent: Option<String>,
    pub starting: String,
    /// `None`: it is open.
    pub ending: Option<String>,
}

/// A record of a stream.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Record {
    pub sequence: String,
    /// `eventName`.
    pub kind: String,
    pub keys: Item,
    pub old: Option<Item>,
    pub new: Option<Item>,
}

impl Operation {
    /// Whether it can change anything.
    pub fn is_write(&self) -> bool {
        !matches!(
            self,
            Operation::Get { .. }
                | Operation::Page { .. }
                | Operation::TransactGet { .. }
                | Operation::DescribeTable { .. }
                | Operation::StreamOf { .. }
                | Operation::Shards { .. }
                | Operation::ShardIterator { .. }
                | Operation::Records { .. }
                | Operation::Deliveries { .. }
        )
    }

    /// Of a transaction the first item's.
    pub fn table(&self) -> &str {
        match self {
            Operation::TransactWrite { writes, .. } => writes.first().map(TransactItem::table).unwrap_or_default(),
            Operation::TransactGet { gets } => gets.first().map(|(table, _)| table.as_str()).unwrap_or_default(),
            Operation::Get { table, .. }
            | Operation::Put { table, .. }
            | Operation::Update { table, .. }
            | Operation::Delete { table, .. }
            | Operation::Page { table, .. }
            | Operation::CreateTable { table, .. }
            | Operation::DescribeTable { table }
            | Operation::DeleteTable { table }
            | Operation::AddIndex { table }
            | Operation::DropIndex { table }
            | Operation::EnableTimeToLive { table }
            | Operation::StreamOf { table }
            | Operation::Shards { table, .. }
            | Operation::ShardIterator { table, .. }
            | Operation::Records { table, .. }
            | Operation::Map { table, .. }
            | Operation::Deliveries { table } => table,
        }
    }
}

/// `TableStatus`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TableStatus {
    Creating,
    Updating,
    Active,
    Deleting,
}

/// What the database said. A refusal that speaks of the data is an answer, too.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Answer {
    /// A Get.
    Item(Option<Item>),
    /// A write; an Update with the item as it is now.
    Written(Option<Item>),
    /// `ConditionalCheckFailedException`.
    ConditionFailed,
    /// A TransactGet.
    Items(Vec<Option<Item>>),
    /// `TransactionCanceledException`, with the code of each reason.
    Cancelled(Vec<String>),
    /// `TransactionConflictException`.
    Conflict,
    /// `IdempotentParameterMismatchException`.
    TokenMismatch,
    Page {
        items: Vec<Item>,
        /// `LastEvaluatedKey`.
        next: Option<Item>,
    },
    /// DescribeTable, and what CreateTable and DeleteTable reply.
    Table(TableStatus),
    /// `ResourceNotFoundException`.
    NoSuchTable,
    /// `ResourceInUseException`.
    TableInUse,
    /// The index is not there, or not yet to be read.
    NoSuchIndex,
    /// A `StreamOf`.
    Stream(Option<String>),
    Shards {
        shards: Vec<Shard>,
        /// `LastEvaluatedShardId`.
        next: Option<String>,
    },
    Iterator(String),
    Records {
        records: Vec<Record>,
        /// `NextShardIterator`.
        next: Option<String>,
    },
    /// A `Map`.
    Mapped,
    /// `ResourceInUseException` of a mapping.
    MappingInUse,
    /// In the order in which they were noted.
    Deliveries(Vec<Delivery>),
    /// `ExpiredIteratorException` and `TrimmedDataAccessException`.
    RecordsGone,
}

/// How an operation failed, with what was heard.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Failure {
    /// It had no effect, and never will: the connection was refused, or it was throttled.
    Definite(String),
    /// It may have had its effect, or may have it later: no answer in time, a broken connection, any 5xx.
    Unknown(String),
    /// An answer that no sound database gives to such a request, as a validation error or a reply that cannot be read.
    /// A violation by itself.
    Absurd(String),
}
