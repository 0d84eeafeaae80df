//! Code in a system table: in pieces, under its hash, with one entry in a list of all that is there.
//!
//! A piece and an entry bear the time at which their upload began. An upload writes the entry, then every piece anew, whatever
//! is there already; only then may a version refer to it, and not later than [`UPLOAD_AGE_MS_MAX`](stator_catalog::UPLOAD_AGE_MS_MAX)
//! after its beginning. The sweep reads the entries *first* and the catalog after them, and deletes of what no version refers
//! to only pieces whose upload began long before that. So what an upload has written meanwhile, of the same content too,
//! stays: no version can come to refer to code of which something is missing.

use crate::system_items::{SystemItems, number, text};
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use stator_catalog::{Catalog, FunctionCode, SystemTable, UploadedCode};
use stator_cluster::{Consistency, Deadline};
use stator_environment::{BoxFuture, Environment};
use stator_expression::{Comparator, Condition, Operand, Path, Test};
use stator_functions::{CodeError, CodeSource};
use stator_item::{Item, Number, TableId, Value};
use stator_lambda::LambdaError;
use stator_partition::Refusal;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Where clients fetch code, with a token behind it.
pub const CODE_PATH: &str = "/functions/code/";

/// Bytes of a piece; with its key and the rest it is well below an item's most.
const PIECE_BYTES: usize = 350_000;
/// Pieces that are written or read at once.
const PIECES_CONCURRENT_MAX: usize = 4;
/// Most pieces of a zip (50 MB).
const PIECES_MAX: u64 = 200;
/// The hash key of the entries. No hash looks so.
const ENTRIES: &str = "uploads";
/// Entries that the sweep reads at once.
const ENTRIES_PAGE: u64 = 100;
/// How long reading code may take that a function is waiting for.
const READ_MAX: Duration = Duration::from_secs(30);
const SWEEP_MAX: Duration = Duration::from_secs(120);

const DATA: &str = "data";
const PIECES: &str = "pieces";
const BEGUN: &str = "begun";

/// The code of all functions.
#[derive(Clone)]
pub struct StoredCode {
    pub(crate) items: SystemItems,
    pub(crate) environment: Environment,
}

impl StoredCode {
    /// Over a node's way in for commands and its view of the catalog.
    pub fn new(
        door: std::sync::Arc<dyn stator_cluster::Door>,
        tables: std::sync::Arc<dyn stator_cluster::Tables>,
        environment: Environment,
    ) -> StoredCode {
        StoredCode { items: SystemItems { door, tables }, environment }
    }

    /// Stores a zip. When this returns, a version may refer to it.
    pub async fn write(&self, zip: Bytes, deadline: Deadline) -> Result<UploadedCode, LambdaError> {
        let table = self.items.table(SystemTable::FunctionCode, deadline).await?;
        let uploaded_ms = self.environment.clock.wall_ms();
        let hashed = zip.clone();
        let sha256: [u8; 32] = tokio::task::spawn_blocking(move || Sha256::digest(&hashed).into())
            .await
            .map_err(|_| LambdaError::internal())?;
        let name = hex::encode(sha256);
        let pieces = zip.len().div_ceil(PIECE_BYTES) as u64;
        debug_assert!(pieces <= PIECES_MAX, "the zip's size was checked before");
        let counted = |data: Option<Bytes>| {
            let mut item = Item::new();
            item.insert(PIECES.to_owned(), Value::Number(Number::from_u64(pieces)));
            item.insert(BEGUN.to_owned(), Value::Number(Number::from_u64(uploaded_ms)));
            item.extend(data.map(|data| (DATA.to_owned(), Value::Binary(data))));
            item
        };
        self.items.put(table, (ENTRIES, &name), counted(None), deadline).await?;
        let write = |piece: u64| {
            let from = piece as usize * PIECE_BYTES;
            let data = zip.slice(from..zip.len().min(from + PIECE_BYTES));
            let (name, item) = (&name, counted(Some(data)));
            async move { self.items.put(table, (name, &piece_name(piece)), item, deadline).await }
        };
        let mut writing = stream::iter(0..pieces).map(write).buffer_unordered(PIECES_CONCURRENT_MAX);
        while let Some(written) = writing.next().await {
            written?;
        }
        Ok(UploadedCode { code: FunctionCode { sha256, bytes: zip.len() as u64 }, uploaded_ms })
    }

    /// The zip of that hash; `None`: it is not there, or no longer whole.
    pub async fn read(&self, sha256: [u8; 32], deadline: Deadline) -> Result<Option<Bytes>, Refusal> {
        let Some(table) = self.items.known(SystemTable::FunctionCode) else { return Ok(None) };
        let name = hex::encode(sha256);
        let Some(first) = self.items.get(table, (&name, &piece_name(0)), deadline).await? else { return Ok(None) };
        let pieces = number(&first, PIECES).unwrap_or_default().min(PIECES_MAX);
        let read = |piece: u64| {
            let name = &name;
            async move { self.items.get(table, (name, &piece_name(piece)), deadline).await }
        };
        let rest: Vec<Option<Item>> =
            stream::iter(1..pieces).map(read).buffered(PIECES_CONCURRENT_MAX).try_collect().await?;
        let mut zip = BytesMut::new();
        for item in std::iter::once(Some(first)).chain(rest) {
            let Some(Value::Binary(data)) = item.as_ref().and_then(|item| item.get(DATA)) else { return Ok(None) };
            zip.extend_from_slice(data);
        }
        Ok(Some(zip.freeze()))
    }

    /// Removes code that no version refers to and whose upload began that long ago. Does nothing unless this node leads the
    /// list of what is there. Returns how much went.
    pub async fn sweep(&self, kept_for: Duration, now_ms: u64) -> Result<usize, Refusal> {
        let deadline = Deadline(self.environment.clock.elapsed() + SWEEP_MAX);
        let Some(table) = self.items.known(SystemTable::FunctionCode) else { return Ok(0) };
        if !self.items.tables.leads(table, SystemItems::token(ENTRIES)) {
            return Ok(0);
        }
        let before_ms = now_ms.saturating_sub(u64::try_from(kept_for.as_millis()).unwrap_or(u64::MAX));
        let old = self.old_entries(table, before_ms, deadline).await?;
        // After the entries were read, and from the catalog's leader: an older copy could lack what refers to one of them.
        let Some(catalog) = self.items.tables.fresh(deadline).await else { return Ok(0) };
        let used = used(&catalog);
        let mut removed = 0;
        for (name, pieces) in old.iter().filter(|(name, _)| !used.contains(*name)) {
            for piece in 0..*pieces {
                self.items.delete(table, (name, &piece_name(piece)), Some(begun_by(before_ms)), deadline).await?;
            }
            // Last: what is half removed is still in the list.
            removed +=
                usize::from(self.items.delete(table, (ENTRIES, name), Some(begun_by(before_ms)), deadline).await?);
        }
        Ok(removed)
    }

    /// Code whose upload began by then, with the number of its pieces.
    async fn old_entries(
        &self,
        table: TableId,
        before_ms: u64,
        deadline: Deadline,
    ) -> Result<BTreeMap<String, u64>, Refusal> {
        let mut old = BTreeMap::new();
        let mut after = None;
        loop {
            let strong = Consistency::Strong;
            let page = self.items.query(table, ENTRIES, (None, after), ENTRIES_PAGE, strong, deadline).await?;
            for entry in &page.items {
                let (Some(name), Some(begun_ms)) = (text(entry, SystemTable::RANGE), number(entry, BEGUN)) else {
                    continue;
                };
                if begun_ms <= before_ms {
                    old.insert(name.to_owned(), number(entry, PIECES).unwrap_or_default().min(PIECES_MAX));
                }
            }
            match page.stopped {
                None => return Ok(old),
                stopped => after = stopped,
            }
        }
    }
}

fn piece_name(piece: u64) -> String {
    format!("{piece:04}")
}

/// The hashes that some version refers to.
fn used(catalog: &Catalog) -> BTreeSet<String> {
    let versions = catalog.functions().flat_map(|function| function.all_versions());
    versions.map(|version| hex::encode(version.code.sha256)).collect()
}

/// Of an upload that began by then. What is not there is not of one.
fn begun_by(before_ms: u64) -> Condition {
    let begun = Operand::Path(Path::attribute(BEGUN));
    let before = Operand::Value(Value::Number(Number::from_u64(before_ms)));
    Condition::test(Test::Compare(Comparator::LessOrEqual, begun, before))
}

impl CodeSource for StoredCode {
    fn code(&self, sha256: [u8; 32]) -> BoxFuture<'_, Result<Bytes, CodeError>> {
        Box::pin(async move {
            let deadline = Deadline(self.environment.clock.elapsed() + READ_MAX);
            match self.read(sha256, deadline).await {
                Ok(Some(zip)) => Ok(zip),
                Ok(None) => Err(CodeError::NotFound),
                Err(refusal) => Err(CodeError::Unavailable(refusal.to_string())),
            }
        })
    }
}
