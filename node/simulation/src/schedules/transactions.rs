//! A read or a write meets a transaction in one of its moments.

use super::{
    Played,
    stage::{HOLDERS, Reign, Stage, WRITE_MAX, number_in, play, sleepless},
};
use crate::{client::NODE_WAIT, network::Moment};
use parking_lot::Mutex;
use stator_api::Operation;
use stator_environment::Service;
use stator_item::NodeId;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// It holds nothing of the table, so that every command of its transactions is a message.
const COORDINATOR: NodeId = NodeId(4);

/// The transaction writes two items. Both are prepared, the commit is decided, and the message that ends it at the second one is
/// lost, until one client has read the second item's new value and the read of another client has met its intent. Then it
/// ends there, and its commit is forgotten, before that client's node asks for the decision.
pub(super) fn forgotten_commit(seed: u64) -> Played {
    play(seed, sleepless(), async |stage| {
        let mut played = Played::default();
        let added = stage.cluster.add(1.0).await;
        assert_eq!(added, Ok(COORDINATOR));
        for _ in 0..4 {
            let pks = [stage.pk(0, true), stage.pk(0, false)];
            let reigns = [stage.settled(&pks[0]).await, stage.settled(&pks[1]).await];
            // Else one cannot cut off the one and not the other.
            if reigns[0].leader != reigns[1].leader {
                meet(stage, [&pks[0], &pks[1]], reigns, &mut played).await;
                stage.cluster.wires.watch(None);
                stage.cluster.wires.mend_all();
            }
        }
        played
    })
}

/// Who meets an intent whose coordinator is dead waits no longer than this, if the leader that has seen it stays (six seconds, a look
/// every quarter of a second, and two commands): `docs/transactions.md`.
const ABANDONED_MAX: Duration = Duration::from_secs(7);
/// How much longer, if another leader sees it for the first time: an election.
const ELECTION_MAX: Duration = Duration::from_secs(5);

/// A coordinator dies when the second item is prepared and nothing is decided. Single writes of the item are refused for as long as
/// the transaction counts as under way, and no longer; of the transaction nothing is left.
pub(super) fn abandoned_intent(seed: u64) -> Played {
    play(seed, sleepless(), async |stage| {
        let mut played = Played::default();
        let added = stage.cluster.add(1.0).await;
        assert_eq!(added, Ok(COORDINATOR));
        let pks = [stage.pk(0, true), stage.pk(0, false)];
        for dies_with_leader in [false, true] {
            abandon(stage, [&pks[0], &pks[1]], dies_with_leader, &mut played).await;
            stage.cluster.wires.watch(None);
        }
        played
    })
}

async fn abandon(stage: &mut Stage, [first, second]: [&str; 2], dies_with_leader: bool, played: &mut Played) {
    let _home = stage.settled(first).await;
    let leader = stage.settled(second).await.leader;
    for pk in [first, second] {
        stage.put_next(COORDINATOR, pk, WRITE_MAX).await;
    }
    let before = stage.last() - 1;
    let victims = if dies_with_leader { vec![COORDINATOR, leader] } else { vec![COORDINATOR] };
    let killed = kill_when_prepared(stage, leader, victims.clone());
    let Some(_written) =
        stage.begin(COORDINATOR, Operation::TransactWriteItems, Stage::put_all(&[first, second], 1_000_000))
    else {
        return;
    };
    if !stage.comes(NODE_WAIT, |_| killed.load(Ordering::Relaxed)).await {
        return;
    }
    let by = stage.now() + if dies_with_leader { ABANDONED_MAX + ELECTION_MAX } else { ABANDONED_MAX };
    let mut conflicts = 0;
    let broken = loop {
        // Through whichever node runs.
        let through = HOLDERS.into_iter().find(|node| !victims.contains(node)).unwrap_or(HOLDERS[0]);
        match stage.put(through, second, WRITE_MAX).await {
            Some((200, _)) => break None,
            Some((400, said))
                if said["__type"].as_str().is_some_and(|kind| kind.ends_with("#TransactionConflictException")) =>
            {
                conflicts += 1;
            }
            // Nobody leads yet.
            None | Some((500.., _)) => {}
            Some(other) => break Some(format!("a write that met an intent was answered {other:?}")),
        }
        if stage.now() > by {
            break Some(format!("after {conflicts} conflicts an item is still locked whose coordinator is dead"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let broken = broken.or((conflicts == 0).then(|| "a write went through an intent".to_owned()));
    for victim in victims {
        // It comes up by itself.
        drop(stage.cluster.launch(victim));
    }
    let read = loop {
        if let Some(read) = stage.read(HOLDERS[0], first, NODE_WAIT).await {
            break read;
        }
    };
    let half =
        (read != before).then(|| format!("of a transaction that was not decided {read} is left, and not {before}"));
    played.note(broken.or(half));
}

/// Whether they were killed: as soon as the coordinator has heard that the leader has prepared.
fn kill_when_prepared(stage: &Stage, leader: NodeId, victims: Vec<NodeId>) -> Arc<AtomicBool> {
    let killed = Arc::new(AtomicBool::new(false));
    let (done, world) = (killed.clone(), Arc::downgrade(&stage.cluster));
    let watch = move |from: NodeId, to: NodeId, service: Service, moment: Moment| {
        let is_prepared = (from, to, service) == (COORDINATOR, leader, Service::Forward) && moment == Moment::Answered;
        if !is_prepared || done.swap(true, Ordering::Relaxed) {
            return;
        }
        // A process does not end in the middle of its own turn.
        let (world, victims) = (world.clone(), victims.clone());
        tokio::spawn(async move {
            if let Some(cluster) = world.upgrade() {
                victims.into_iter().for_each(|id| cluster.kill(id));
            }
        });
    };
    stage.cluster.wires.watch(Some(Arc::new(watch)));
    killed
}

/// How many messages with commands were answered, by sender and receiver.
type Answered = Arc<Mutex<BTreeMap<(NodeId, NodeId), u32>>>;

async fn meet(stage: &mut Stage, pks: [&str; 2], [home, second]: [Reign; 2], played: &mut Played) {
    let (home, second) = (home.leader, second.leader);
    let Some(reader) = HOLDERS.into_iter().find(|node| *node != home && *node != second) else { return };
    // From now on the coordinator knows who leads.
    for pk in pks {
        stage.put_next(COORDINATOR, pk, WRITE_MAX).await;
    }
    let n = stage.last() + 1_000;
    let answered = count_and_cut(stage, home, second, reader);
    let write = Stage::put_all(&pks, n);
    let Some(written) = stage.begin(COORDINATOR, Operation::TransactWriteItems, write) else { return };
    // It has prepared and decided there.
    wait_for(&answered, (COORDINATOR, home), 2).await;
    // A strong read asks for the decision.
    if stage.read(second, pks[1], WRITE_MAX).await != Some(n) {
        return;
    }
    let Some(reading) = stage.begin(reader, Operation::GetItem, Stage::get(pks[1])) else { return };
    wait_for(&answered, (reader, second), 1).await;
    stage.cluster.wires.mend(COORDINATOR, second);
    if !matches!(stage.end(written, NODE_WAIT).await, Some((200, _))) {
        return;
    }
    // Its commit is forgotten a moment later.
    tokio::time::sleep(Duration::from_millis(100)).await;
    stage.cluster.wires.mend(reader, home);
    if let Some(read) = stage.end(reading, NODE_WAIT).await.and_then(number_in) {
        played.note((read != n).then(|| format!("one client had read {n}, and then another one read {read}")));
    }
}

/// Counts, and cuts right after a first answer: the coordinator from the second item once that is prepared, and the reader from the
/// decision once it has met the intent.
fn count_and_cut(stage: &Stage, home: NodeId, second: NodeId, reader: NodeId) -> Answered {
    let answered = Answered::default();
    let (counts, wires) = (answered.clone(), Arc::downgrade(&stage.cluster.wires));
    let watch = move |from: NodeId, to: NodeId, service: Service, moment: Moment| {
        if service != Service::Forward || moment != Moment::Answered {
            return;
        }
        let mut counts = counts.lock();
        let count = counts.entry((from, to)).or_default();
        *count += 1;
        let cut = match (from, to) {
            _ if *count > 1 => None,
            pair if pair == (COORDINATOR, second) => Some(pair),
            pair if pair == (reader, second) => Some((reader, home)),
            _ => None,
        };
        if let (Some((from, to)), Some(wires)) = (cut, wires.upgrade()) {
            wires.cut(from, to);
        }
    };
    stage.cluster.wires.watch(Some(Arc::new(watch)));
    answered
}

/// Waits for so many answers, for a few seconds: where they do not come, the moment does not.
async fn wait_for(answered: &Answered, pair: (NodeId, NodeId), count: u32) {
    for _ in 0..4_000 {
        if answered.lock().get(&pair).is_some_and(|answers| *answers >= count) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
