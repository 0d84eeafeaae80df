//! The end of a transaction that is decided. Every step may be done again, by anybody.

use super::parts::parts;
use crate::door::{Deadline, Door};
use futures::future::join_all;
use stator_environment::Environment;
use stator_item::Timestamp;
use stator_partition::{
    Command, Refusal, Reply,
    transaction::{Finish, Place, TransactionId},
};
use std::time::Duration;

/// Between two attempts with a partition that has too much to do.
const RETRY_AFTER: Duration = Duration::from_millis(10);

/// Sends a command of a transaction; a partition that has no room is asked until the deadline.
pub(super) async fn submit(
    door: &dyn Door,
    environment: &Environment,
    (place, birth): (Place, Timestamp),
    command: Command,
    deadline: Deadline,
) -> Result<Reply, Refusal> {
    loop {
        let outcome = door.submit_born(place.table, place.token, command.clone(), birth, deadline).await;
        if outcome != Err(Refusal::Overloaded) {
            return outcome;
        }
        if environment.clock.elapsed() + RETRY_AFTER >= deadline.0 {
            return Err(Refusal::DeadlinePassed);
        }
        environment.sleep(RETRY_AFTER).await;
    }
}

/// Has all participants apply or drop their parts. `committed`: the commit's timestamp. An error: not all are known to have.
pub(super) async fn finish_all(
    door: &dyn Door,
    environment: &Environment,
    (transaction, committed): (TransactionId, Option<Timestamp>),
    participants: &[Place],
    deadline: Deadline,
) -> Result<(), Refusal> {
    let parts = parts(door, participants.iter().map(|place| (*place, ())));
    // Where its partitions lie is not known: each place for itself finds the way, or hears that the table is gone.
    let places = match parts {
        Ok(parts) => parts.into_iter().map(|part| part.place).collect(),
        Err(_) => participants.to_vec(),
    };
    let finish = Finish { transaction, committed };
    let each = places.into_iter().map(|place| finish_one(door, environment, place, finish, deadline));
    join_all(each).await.into_iter().collect()
}

/// Has one participant apply or drop its part.
pub(super) async fn finish_one(
    door: &dyn Door,
    environment: &Environment,
    place: Place,
    finish: Finish,
    deadline: Deadline,
) -> Result<(), Refusal> {
    let at = (place, finish.transaction.birth);
    loop {
        match submit(door, environment, at, Command::Finish(finish), deadline).await {
            Ok(Reply::Finished(finished)) if finished.is_more => {}
            // With the table its items are gone.
            Ok(Reply::Finished(_)) | Err(Refusal::NoSuchTable) => return Ok(()),
            Ok(_) => return Err(Refusal::Unavailable("a participant answered another question".to_owned())),
            Err(refusal) => return Err(refusal),
        }
    }
}

/// Every participant has applied its part of these commits of one partition: their records are needed no more.
pub(super) async fn forget(
    door: &dyn Door,
    environment: &Environment,
    home: Place,
    transactions: Vec<TransactionId>,
    deadline: Deadline,
) {
    let Some(birth) = transactions.iter().map(|transaction| transaction.birth).max() else { return };
    if let Err(refusal) = submit(door, environment, (home, birth), Command::Forget { transactions }, deadline).await {
        tracing::debug!(%refusal, "finished transactions could not be forgotten; their partition's leader will do it");
    }
}
