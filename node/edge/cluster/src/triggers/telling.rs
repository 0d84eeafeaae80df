//! Tells a mapping's destination of records that the function never took.

use super::{InvokeError, Invoked, Triggers};
use crate::door::{Consistency, Deadline, Door};
use bytes::Bytes;
use futures::future::join_all;
use stator_catalog::{Destination, Mapping, TableDescription};
use stator_changelog::{ChangedBy, HOPS_MAX};
use stator_item::{Item, Key, KeyPart, Uuid, Value, row};
use stator_partition::{
    Command, Refusal,
    command::{Put, WriteOptions},
};
use stator_trigger::{Discard, Source, discard};
use std::time::Duration;

/// Items that are put at once.
const PUTS_AT_ONCE: usize = 25;
/// How long one put may take.
const PUT_MAX: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub(super) enum TellError {
    #[error("{0}")]
    Invoke(#[from] InvokeError),
    #[error("the function failed")]
    Failed,
    #[error("there is no such table, or its key is not a string alone")]
    NoTable,
    #[error("{0}")]
    Refused(#[from] Refusal),
}

pub(super) struct Telling<'a> {
    pub triggers: &'a Triggers,
    pub mapping: &'a Mapping,
    pub source: &'a Source,
}

impl<'a> Telling<'a> {
    pub async fn tell<F: Future<Output = Result<Invoked, InvokeError>>>(
        &self,
        discard: &Discard,
        invoke: impl FnOnce(&'a str, Bytes, u8) -> F,
    ) -> Result<(), TellError> {
        let environment = &self.triggers.router.host.parts.environment;
        let request_id = Uuid::random(environment.random.next_u128()).to_string();
        let telling = discard::Telling {
            source: self.source,
            mapping: self.mapping.id,
            function: &self.mapping.settings.function,
            request_id: &request_id,
            now_ms: environment.clock.wall_ms(),
        };
        match &self.mapping.settings.on_failure {
            None => Ok(()),
            // What it was told already may come back as a change, and so on.
            Some(_) if discard.hops() > HOPS_MAX => Ok(()),
            Some(Destination::Function(function)) => {
                match invoke(function, discard.event(telling), discard.hops().saturating_add(1)).await {
                    // It may be a part of the loop.
                    Ok(Invoked::Answered(_)) | Err(InvokeError::Looped) => Ok(()),
                    Ok(Invoked::Failed { .. }) => Err(TellError::Failed),
                    Err(error) => Err(error.into()),
                }
            }
            Some(Destination::Table(table)) => {
                let table = self.table(table).await?;
                let items = discard.items(&table.key.hash.name, telling);
                for some in items.chunks(PUTS_AT_ONCE) {
                    let puts = join_all(some.iter().map(|item| self.put(&table, item, discard))).await;
                    puts.into_iter().collect::<Result<(), _>>()?;
                }
                Ok(())
            }
        }
    }

    fn deadline(&self) -> Deadline {
        Deadline(self.triggers.router.host.parts.environment.clock.elapsed() + PUT_MAX)
    }

    async fn table(&self, name: &str) -> Result<std::sync::Arc<TableDescription>, TellError> {
        let table = self.triggers.router.table(name, self.deadline()).await?.ok_or(TellError::NoTable)?;
        if table.has_string_key_alone() { Ok(table) } else { Err(TellError::NoTable) }
    }

    async fn put(&self, table: &TableDescription, item: &Item, discard: &Discard) -> Result<(), TellError> {
        let Some(Value::String(hash)) = item.get(&table.key.hash.name) else { return Err(TellError::NoTable) };
        let key = Key { hash: KeyPart::String(hash.clone()), range: None };
        let token = key.token();
        let item = row::item_encoding(item).into();
        let by = ChangedBy::at(discard.hops().saturating_add(1));
        let put = Command::Put(Put { key, item, options: WriteOptions { by, ..WriteOptions::default() } });
        self.triggers.router.submit(table.id, token, put, Consistency::Strong, self.deadline()).await?;
        Ok(())
    }
}
