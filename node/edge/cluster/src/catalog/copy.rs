//! The catalog as this node knows it: published by the catalog's group or, on a node without a replica of it, by watching.

use parking_lot::RwLock;
use stator_catalog::Catalog;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;

/// A node's copy. It only goes forward.
pub struct Copy {
    catalog: RwLock<Arc<Catalog>>,
    revision: watch::Sender<u64>,
    /// The newest revision that any node told of.
    heard: AtomicU64,
}

impl Copy {
    pub(crate) fn new() -> Arc<Copy> {
        Arc::new(Copy {
            catalog: RwLock::new(Arc::new(Catalog::default())),
            revision: watch::Sender::new(0),
            heard: AtomicU64::new(0),
        })
    }

    /// The catalog of now.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.catalog.read().clone()
    }

    pub(crate) fn revision(&self) -> u64 {
        *self.revision.borrow()
    }

    /// Another node has a catalog of this revision.
    pub(crate) fn hear_of(&self, revision: u64) {
        self.heard.fetch_max(revision, Ordering::Relaxed);
    }

    /// The newest revision that there is, as far as it was heard of.
    pub(crate) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    /// Changes whenever the catalog does.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Takes a catalog over unless the copy is as new.
    pub(crate) fn publish(&self, catalog: &Catalog) {
        let mut copy = self.catalog.write();
        if catalog.revision() > copy.revision() {
            *copy = Arc::new(catalog.clone());
            drop(copy);
            self.revision.send_replace(catalog.revision());
        }
    }

    /// Waits until the copy is at least of that revision; `false`: not within the time.
    pub(crate) async fn reaches(&self, revision: u64, within: Duration) -> bool {
        let mut changes = self.revision.subscribe();
        let reached = changes.wait_for(|now| *now >= revision);
        // The result says only that the copy is gone, which it cannot be while we hold it.
        tokio::time::timeout(within, reached).await.is_ok()
    }
}
