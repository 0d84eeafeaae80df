//! Accepted events in a system table: a few queues, in each the events in the order in which they are due.
//!
//! An event is one item of its queue; a payload that is large lies beside it in pieces, which are written before and deleted
//! after it. To be tried again it is put under its new time *before* it is deleted under the old one: a crash in between makes
//! two of it, never none.

use crate::{
    invoke::Event,
    system_items::{SystemItems, number, text},
};
use bytes::{Bytes, BytesMut};
use stator_catalog::SystemTable;
use stator_cluster::{Consistency, Deadline};
use stator_environment::Environment;
use stator_expression::RangeCondition;
use stator_item::{Item, Number, TableId, Value};
use stator_lambda::LambdaError;
use stator_partition::Refusal;

/// Queues over which events are spread, and with them the work. Fixed: an event is found again by its queue's name.
const QUEUES: u64 = 16;
/// Payloads up to so many bytes stand in the event's own item.
const INLINE_BYTES_MAX: usize = 200 << 10;
const PIECE_BYTES: usize = 350_000;
/// A payload has at most 1 MB, and what is told of it to a destination hardly more.
const PIECES_MAX: u64 = 8;
/// Events of a queue that are read at once.
const DUE_PAGE: u64 = 32;

/// An event on its way to a function.
#[derive(Clone, Debug)]
pub(crate) struct Queued {
    pub function: String,
    pub qualifier: Option<String>,
    pub event: Event,
    /// Milliseconds since 1970.
    pub accepted_ms: u64,
    /// How often the function has failed on it.
    pub failures: u64,
    /// How often in a row it could not be tried.
    pub throttles: u64,
    queue: u64,
    due_ms: u64,
    pieces: u64,
}

impl Queued {
    /// A new event, due at once.
    pub fn new(function: &str, qualifier: Option<&str>, event: Event, now_ms: u64) -> Queued {
        Queued {
            function: function.to_owned(),
            qualifier: qualifier.map(str::to_owned),
            event,
            accepted_ms: now_ms,
            failures: 0,
            throttles: 0,
            queue: 0,
            due_ms: now_ms,
            pieces: 0,
        }
    }

    /// The event, once more to be tried after its function has failed on it.
    pub fn after_failure(&self) -> Queued {
        Queued { failures: self.failures + 1, throttles: 0, ..self.clone() }
    }

    /// The same after it could not be tried.
    pub fn after_throttle(&self) -> Queued {
        Queued { throttles: self.throttles + 1, ..self.clone() }
    }

    /// Names it among all that this node works on.
    pub fn id(&self) -> (u64, String) {
        (self.queue, self.place())
    }

    /// Range keys sort by the time at which events are due.
    fn place(&self) -> String {
        format!("{}/{}", due_text(self.due_ms), self.event.request_id)
    }
}

fn due_text(ms: u64) -> String {
    format!("{ms:015}")
}

/// The queues.
#[derive(Clone)]
pub(crate) struct EventQueue {
    pub items: SystemItems,
    pub environment: Environment,
}

impl EventQueue {
    /// Accepts an event: when this returns, it is durable.
    pub async fn accept(&self, mut queued: Queued, deadline: Deadline) -> Result<(), LambdaError> {
        let table = self.items.table(SystemTable::FunctionEvents, deadline).await?;
        queued.queue = self.choose(table);
        if queued.event.payload.len() > INLINE_BYTES_MAX {
            let payload = queued.event.payload.clone();
            queued.pieces = payload.len().div_ceil(PIECE_BYTES) as u64;
            for piece in 0..queued.pieces {
                let from = piece as usize * PIECE_BYTES;
                let data = payload.slice(from..payload.len().min(from + PIECE_BYTES));
                let item = Item::from([("data".to_owned(), Value::Binary(data))]);
                self.items.put(table, (&pieces_of(&queued), &piece_name(piece)), item, deadline).await?;
            }
        }
        self.put(table, &queued, deadline).await?;
        Ok(())
    }

    /// A queue that this node works on, if there is one: then the event need not wait until it is found.
    fn choose(&self, table: TableId) -> u64 {
        let first = self.environment.random.next_u64() % QUEUES;
        let all = (0..QUEUES).map(|step| (first + step) % QUEUES);
        let mut led = all.filter(|queue| self.items.tables.leads(table, SystemItems::token(&queue_name(*queue))));
        led.next().unwrap_or(first)
    }

    /// Events that are due, of the queues that this node is to work on. `is_known`: those that it works on already.
    pub async fn due(
        &self,
        is_known: &(dyn Fn(&(u64, String)) -> bool + Sync),
        now_ms: u64,
        deadline: Deadline,
    ) -> Result<Vec<Queued>, Refusal> {
        let Some(table) = self.items.known(SystemTable::FunctionEvents) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for queue in 0..QUEUES {
            let name = queue_name(queue);
            if !self.items.tables.leads(table, SystemItems::token(&name)) {
                continue;
            }
            // The leader's own rows hold all that it has acknowledged, and to read them wakes no sleeping group.
            let due = RangeCondition::Less(Value::String(due_text(now_ms.saturating_add(1))));
            let eventual = Consistency::Eventual;
            let page = self.items.query(table, &name, (Some(due), None), DUE_PAGE, eventual, deadline).await?;
            for item in &page.items {
                let Some(mut queued) = read(item, queue) else {
                    tracing::warn!(queue, "an event cannot be read and is left where it is");
                    continue;
                };
                if is_known(&queued.id()) {
                    continue;
                }
                if queued.pieces > 0 {
                    let Some(payload) = self.payload(table, &queued, deadline).await? else { continue };
                    queued.event.payload = payload;
                }
                found.push(queued);
            }
        }
        Ok(found)
    }

    async fn payload(&self, table: TableId, queued: &Queued, deadline: Deadline) -> Result<Option<Bytes>, Refusal> {
        let mut payload = BytesMut::new();
        for piece in 0..queued.pieces {
            let item = self.items.get(table, (&pieces_of(queued), &piece_name(piece)), deadline).await?;
            let Some(Value::Binary(data)) = item.as_ref().and_then(|item| item.get("data")) else { return Ok(None) };
            payload.extend_from_slice(data);
        }
        Ok(Some(payload.freeze()))
    }

    /// Puts an event back as `later`, to be tried at another time.
    pub async fn postpone_as(
        &self,
        queued: &Queued,
        later: &Queued,
        due_ms: u64,
        deadline: Deadline,
    ) -> Result<(), Refusal> {
        let Some(table) = self.items.known(SystemTable::FunctionEvents) else { return Ok(()) };
        // Another place than it has, whatever the clock says: the old one is deleted.
        let later = Queued { due_ms: due_ms.max(queued.due_ms + 1), ..later.clone() };
        self.put(table, &later, deadline).await?;
        self.items.delete(table, (&queue_name(queued.queue), &queued.place()), None, deadline).await.map(drop)
    }

    /// Nothing more is to be done about an event.
    pub async fn finish(&self, queued: &Queued, deadline: Deadline) -> Result<(), Refusal> {
        let Some(table) = self.items.known(SystemTable::FunctionEvents) else { return Ok(()) };
        self.items.delete(table, (&queue_name(queued.queue), &queued.place()), None, deadline).await?;
        for piece in 0..queued.pieces {
            self.items.delete(table, (&pieces_of(queued), &piece_name(piece)), None, deadline).await?;
        }
        Ok(())
    }

    async fn put(&self, table: TableId, queued: &Queued, deadline: Deadline) -> Result<(), Refusal> {
        let whole = |number: u64| Value::Number(Number::from_u64(number));
        let mut item = Item::from([
            ("function".to_owned(), Value::String(queued.function.clone())),
            ("request".to_owned(), Value::String(queued.event.request_id.clone())),
            ("trace".to_owned(), Value::String(queued.event.trace_id.clone())),
            ("due".to_owned(), whole(queued.due_ms)),
            ("accepted".to_owned(), whole(queued.accepted_ms)),
            ("failures".to_owned(), whole(queued.failures)),
            ("throttles".to_owned(), whole(queued.throttles)),
            ("pieces".to_owned(), whole(queued.pieces)),
        ]);
        let texts = [("qualifier", &queued.qualifier), ("context", &queued.event.client_context)];
        item.extend(texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::String(text.clone()?)))));
        if queued.pieces == 0 {
            item.insert("data".to_owned(), Value::Binary(queued.event.payload.clone()));
        }
        self.items.put(table, (&queue_name(queued.queue), &queued.place()), item, deadline).await
    }
}

fn queue_name(queue: u64) -> String {
    format!("queue/{queue:02}")
}

fn pieces_of(queued: &Queued) -> String {
    format!("payload/{}", queued.event.request_id)
}

fn piece_name(piece: u64) -> String {
    format!("{piece:04}")
}

fn read(item: &Item, queue: u64) -> Option<Queued> {
    let own = |name: &str| text(item, name).map(str::to_owned);
    let payload = match item.get("data") {
        Some(Value::Binary(data)) => data.clone(),
        _ => Bytes::new(),
    };
    Some(Queued {
        function: own("function")?,
        qualifier: own("qualifier"),
        event: Event { request_id: own("request")?, payload, trace_id: own("trace")?, client_context: own("context") },
        accepted_ms: number(item, "accepted")?,
        failures: number(item, "failures")?,
        throttles: number(item, "throttles")?,
        queue,
        due_ms: number(item, "due")?,
        pieces: number(item, "pieces")?.min(PIECES_MAX),
    })
}
