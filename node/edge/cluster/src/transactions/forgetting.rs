//! Commits are forgotten together, a moment after they are finished: nobody waits for it, and each alone would be one more
//! replicated command of its transaction.

use super::{
    coordinator::Coordinator,
    finishing::forget,
    parts::{Part, parts},
};
use futures::future::join_all;
use parking_lot::Mutex;
use stator_partition::transaction::{FORGET_AT_ONCE_MAX, Place, TransactionId};
use std::{mem, sync::Arc, time::Duration};

/// How long finished commits wait for others.
const GATHER_FOR: Duration = Duration::from_millis(50);
/// Most commits that wait. What comes beyond that, the leaders of its partitions find.
const WAITING_MAX: usize = 16_384;
/// How long one attempt may take.
const ATTEMPT_MAX: Duration = Duration::from_secs(5);

/// Commits that are finished, each with its home.
#[derive(Clone, Default)]
pub(super) struct Forgetting(Arc<Mutex<Vec<(Place, TransactionId)>>>);

impl Coordinator {
    pub(super) fn forget_soon(&self, home: Place, transaction: TransactionId) {
        let mut waiting = self.forgetting.0.lock();
        if waiting.len() >= WAITING_MAX {
            return;
        }
        waiting.push((home, transaction));
        // Whoever came first has begun it.
        if waiting.len() == 1 {
            let coordinator = self.clone();
            self.environment.tasks.spawn("forgetting", Box::pin(async move { coordinator.forget_all().await }));
        }
    }

    async fn forget_all(self) {
        self.environment.sleep(GATHER_FOR).await;
        let finished = mem::take(&mut *self.forgetting.0.lock());
        let homes = match parts(&*self.door, finished) {
            Ok(homes) => homes,
            Err(refusal) => {
                tracing::debug!(%refusal, "finished transactions could not be forgotten; their partitions' leaders will do it");
                return;
            }
        };
        let (door, environment, deadline) = (&*self.door, &self.environment, self.soon(ATTEMPT_MAX));
        let each = homes.iter().flat_map(|Part { place, items, .. }| {
            items.chunks(FORGET_AT_ONCE_MAX).map(move |some| forget(door, environment, *place, some.to_vec(), deadline))
        });
        join_all(each).await;
    }
}
