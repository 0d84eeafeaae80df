//! What is told of events in the end, and to whom.

use crate::{
    events::{event_settings, version_of},
    functions::Functions,
    invoke::{Event, Ran, failure},
    queue::Queued,
};
use bytes::Bytes;
use serde_json::{Value as Json, json};
use stator_api::date_time;
use stator_catalog::{Function, LATEST, TableDescription};
use stator_changelog::{ChangedBy, HOPS_MAX};
use stator_cluster::{Consistency, Deadline};
use stator_functions::Outcome;
use stator_item::{
    Item, Key, KeyPart, Uuid, Value,
    row::item_encoding,
    size::{ITEM_BYTES_MAX, item_size},
};
use stator_lambda::{
    LambdaError, lineage,
    operation::{Destination, EVENT_PAYLOAD_BYTES_MAX},
};
use stator_partition::{
    Command,
    command::{Put, WriteOptions},
};

/// What came of an event.
pub(crate) enum Fate {
    Answered(Ran),
    /// Failed, and is to be tried again.
    Again,
    /// Failed for the last time.
    Failed(Ran),
    TooOld,
    /// Too many functions in a row have led to it.
    Looped,
    /// The function has not had it.
    NotTried(LambdaError),
}

/// Something to tell.
#[derive(Clone, Copy)]
pub(crate) struct Told<'a> {
    pub queued: &'a Queued,
    pub function: &'a Function,
    pub fate: &'a Fate,
}

impl Told<'_> {
    /// Calls of functions behind the event.
    fn hops(&self) -> u8 {
        lineage::hops(&self.queued.event.trace_id)
    }
}

impl Functions {
    /// Tells the function's destinations.
    pub(crate) async fn tell(&self, told: Told<'_>, deadline: Deadline) -> Result<(), LambdaError> {
        if told.hops() > HOPS_MAX && !told.function.may_recur {
            // A destination was told of the loop before, and is a part of it.
            self.metrics.events_dropped.inc();
            return Ok(());
        }
        let settings = event_settings(told.function, told.queued.qualifier.as_deref());
        let succeeded = matches!(told.fate, Fate::Answered(_));
        let destination = if succeeded { settings.on_success } else { settings.on_failure };
        let dead_letter = if succeeded { None } else { dead_letter(told.function, told.queued.qualifier.as_deref()) };
        if !succeeded && destination.is_none() && dead_letter.is_none() {
            self.metrics.events_dropped.inc();
            tracing::info!(function = %told.function.name, request = %told.queued.event.request_id,
                "an event was given up, and its function has no destination for that");
        }
        if let Some(arn) = destination {
            let record = self.record(told)?;
            self.send(&arn, told, record, deadline).await?;
        }
        if let Some(arn) = dead_letter {
            // A dead letter is the event itself.
            self.send(&arn, told, Record::event(&told.queued.event), deadline).await?;
        }
        Ok(())
    }

    /// What Lambda sends to destinations.
    fn record(&self, told: Told<'_>) -> Result<Record, LambdaError> {
        let (ran, condition) = match told.fate {
            Fate::Answered(ran) => (Some(ran), "Success"),
            Fate::Failed(ran) => (Some(ran), "RetriesExhausted"),
            Fate::Looped => (None, "RecursiveInvocation"),
            Fate::TooOld | Fate::Again | Fate::NotTried(_) => (None, "EventAgeExceeded"),
        };
        let tries = told.queued.failures + u64::from(ran.is_some());
        let qualifier = told.queued.qualifier.as_deref().unwrap_or(LATEST);
        let mut record = json!({
            "version": "1.0",
            "timestamp": format!("{}Z", date_time::milliseconds(self.environment.clock.wall_ms())),
            "requestContext": {
                "requestId": told.queued.event.request_id,
                "functionArn": self.owner()?.function_arn(&told.function.name, Some(qualifier)),
                "condition": condition,
                "approximateInvokeCount": tries,
            },
            "requestPayload": parsed(&told.queued.event.payload),
        });
        if let (Some(ran), Some(members)) = (ran, record.as_object_mut()) {
            let mut response = json!({ "statusCode": 200, "executedVersion": version_of(Some(ran)) });
            let payload = match &ran.invoked.outcome {
                Outcome::Answered { payload } => payload,
                Outcome::Failed { kind, payload } => {
                    if let Some(response) = response.as_object_mut() {
                        response.insert("functionError".to_owned(), failure(*kind).into());
                    }
                    payload
                }
            };
            members.insert("responseContext".to_owned(), response);
            members.insert("responsePayload".to_owned(), parsed(payload));
        }
        Ok(Record { record })
    }

    async fn send(&self, arn: &str, told: Told<'_>, record: Record, deadline: Deadline) -> Result<(), LambdaError> {
        let gone =
            || tracing::warn!(destination = arn, "what became of an event cannot be told: its destination is gone");
        match Destination::parse(arn, &self.owner()?) {
            Some(Destination::Function(reference)) => match self.known(&reference, deadline).await {
                Ok(function) => {
                    let event = Event {
                        request_id: self.new_request_id(),
                        payload: record.text(EVENT_PAYLOAD_BYTES_MAX),
                        trace_id: lineage::with_hops(
                            &told.queued.event.trace_id,
                            &told.function.name,
                            told.hops().saturating_add(1),
                        ),
                        client_context: None,
                    };
                    self.accept(&function, reference.qualifier.as_deref(), event, deadline).await
                }
                Err(LambdaError::Refused(_)) => {
                    gone();
                    Ok(())
                }
                Err(error) => Err(error),
            },
            Some(Destination::Table(name)) => match self.door.table(&name, deadline).await? {
                Some(table) if table.has_string_key_alone() => self.write_record(&table, told, &record, deadline).await,
                _ => {
                    gone();
                    Ok(())
                }
            },
            None => {
                gone();
                Ok(())
            }
        }
    }

    /// An item under the request's id, so that telling twice writes one.
    async fn write_record(
        &self,
        table: &TableDescription,
        told: Told<'_>,
        record: &Record,
        deadline: Deadline,
    ) -> Result<(), LambdaError> {
        let id = &told.queued.event.request_id;
        let item = |record: &[u8]| {
            let record = String::from_utf8_lossy(record).into_owned();
            let mut item = Item::from([
                ("functionName".to_owned(), Value::String(told.function.name.clone())),
                ("record".to_owned(), Value::String(record)),
            ]);
            // Last: the key's attribute may have any name.
            item.insert(table.key.hash.name.clone(), Value::String(id.clone()));
            item
        };
        let mut whole = item(&record.text(usize::MAX));
        if item_size(&whole) > ITEM_BYTES_MAX {
            whole = item(&record.without_payloads());
        }
        let key = Key { hash: KeyPart::String(id.clone()), range: None };
        let token = key.token();
        let options = WriteOptions { by: ChangedBy::at(told.hops().saturating_add(1)), ..WriteOptions::default() };
        let command = Command::Put(Put { key, item: item_encoding(&whole).into(), options });
        self.door.submit(table.id, token, command, Consistency::Strong, deadline).await?;
        Ok(())
    }

    /// A UUID.
    pub(crate) fn new_request_id(&self) -> String {
        Uuid(self.environment.random.next_u128()).to_string()
    }
}

/// What is sent to a destination.
struct Record {
    record: Json,
}

impl Record {
    fn event(event: &Event) -> Record {
        Record { record: parsed(&event.payload) }
    }

    /// As text; without the payloads if it would have more bytes than that.
    fn text(&self, bytes_max: usize) -> Bytes {
        let text = self.record.to_string();
        if text.len() <= bytes_max { text.into() } else { self.without_payloads() }
    }

    fn without_payloads(&self) -> Bytes {
        let mut record = self.record.clone();
        if let Some(members) = record.as_object_mut() {
            for name in ["requestPayload", "responsePayload"] {
                if let Some(payload) = members.get_mut(name) {
                    *payload = Json::Null;
                }
            }
        }
        record.to_string().into()
    }
}

/// The arn to which the events of a version go that were given up.
fn dead_letter(function: &Function, qualifier: Option<&str>) -> Option<String> {
    use stator_catalog::Qualified;
    let version = match function.qualified(qualifier.unwrap_or(LATEST))? {
        Qualified::Latest(version) | Qualified::Version(_, version) => version,
        Qualified::Alias(alias) => function.version(alias.version)?,
    };
    version.configuration.dead_letter.clone()
}

/// JSON as it is; what is none as text.
fn parsed(payload: &[u8]) -> Json {
    serde_json::from_slice(payload).unwrap_or_else(|_| Json::String(String::from_utf8_lossy(payload).into_owned()))
}
