//! The control plane as the edge needs it: reading the catalog, and changing it.

use crate::{door::Deadline, error::ChangeError, node::Node};
use stator_catalog::{Catalog, Change, Outcome, SystemTable, TableStatus};
use stator_environment::BoxFuture;
use stator_item::{TableId, Token};
use std::sync::Arc;

/// The catalog as this node sees it, and the way to its leader.
///
/// Two real users: a node of the cluster, and the tests of this crate.
pub trait Tables: Send + Sync + 'static {
    /// This node's copy, which may lag a little behind the leader's. Called for every request: must be cheap.
    fn catalog(&self) -> Arc<Catalog>;

    /// The catalog as its leader has it; this node's copy where no leader answers soon.
    fn newest(&self, deadline: Deadline) -> BoxFuture<'_, Arc<Catalog>>;

    /// Has the catalog's leader make a change. When it was made, this node's copy shows it.
    fn change(&self, change: Change, deadline: Deadline) -> BoxFuture<'_, Result<Outcome, ChangeError>>;

    /// Waits until this node's copy satisfies `is_so`; `false`: not by the deadline.
    fn becomes<'a>(&'a self, is_so: CatalogTest<'a>, deadline: Deadline) -> BoxFuture<'a, bool>;

    /// The same as [`newest`](Tables::newest), where an older copy will not do; `None`: no leader answers.
    fn fresh(&self, deadline: Deadline) -> BoxFuture<'_, Option<Arc<Catalog>>>;

    /// Whether the partition of a token is led here: work that one node is to do is that node's.
    fn leads(&self, table: TableId, token: Token) -> bool;
}

/// The table of the cluster's own, made if this is the first time that it is wanted.
///
/// # Errors
///
/// The catalog refuses it, or it is not there by the deadline.
pub async fn system_table(tables: &dyn Tables, table: SystemTable, deadline: Deadline) -> Result<TableId, ChangeError> {
    if let Some(id) = known_system_table(tables, table) {
        return Ok(id);
    }
    tables.change(Change::CreateSystemTable { table, avoid: Vec::new() }, deadline).await?;
    let is_active = move |catalog: &Catalog| active(catalog, table).is_some();
    tables.becomes(&is_active, deadline).await;
    known_system_table(tables, table).ok_or(ChangeError::DeadlinePassed)
}

/// The table of the cluster's own, if it is there.
pub fn known_system_table(tables: &dyn Tables, table: SystemTable) -> Option<TableId> {
    active(&tables.catalog(), table)
}

fn active(catalog: &Catalog, table: SystemTable) -> Option<TableId> {
    catalog.system_table(table).filter(|table| table.status == TableStatus::Active).map(|table| table.id)
}

/// Something that a catalog may be asked.
pub type CatalogTest<'a> = &'a (dyn Fn(&Catalog) -> bool + Send + Sync);

impl Tables for Node {
    fn catalog(&self) -> Arc<Catalog> {
        Node::catalog(self)
    }

    fn newest(&self, deadline: Deadline) -> BoxFuture<'_, Arc<Catalog>> {
        Box::pin(self.newest_catalog(deadline))
    }

    fn change(&self, change: Change, deadline: Deadline) -> BoxFuture<'_, Result<Outcome, ChangeError>> {
        Box::pin(Node::change(self, change, deadline))
    }

    fn becomes<'a>(&'a self, is_so: CatalogTest<'a>, deadline: Deadline) -> BoxFuture<'a, bool> {
        Box::pin(self.catalog_becomes(is_so, deadline))
    }

    fn fresh(&self, deadline: Deadline) -> BoxFuture<'_, Option<Arc<Catalog>>> {
        Box::pin(self.fresh_catalog(deadline))
    }

    fn leads(&self, table: TableId, token: Token) -> bool {
        Node::leads(self, table, token)
    }
}
