//! Both ends with everything between them that can go wrong, against the projection of the items.

use super::{Delivery, FeedStatus, Receiver, Session};
use crate::{
    Command, FamilyKind, Outcome, Refusal, Reply,
    check::{Compared, Stored, check, compare_index},
    global_index::log_size::CHANGE_LOG_BYTES_MAX,
    reply::IndexCount,
    testing::{Leader, Replica, TABLE, command, table},
};
use bytes::Bytes;
use proptest::prelude::*;
use stator_catalog::{
    Billing, GlobalIndex, IndexProjection, IndexStatus, KeyAttribute, TableDescription, Throughput, TokenRange,
};
use stator_changelog::SequenceNumber;
use stator_item::{IndexNumber, Item, KeyPart, KeyType, PartitionId, TableId, Timestamp, Token, Value, row, size};
use std::collections::BTreeMap;

const BY_N: TableId = TableId(10);
const BY_SI: TableId = TableId(11);
const SOURCES: u64 = 2;
const RECEIVERS: u64 = 2;

fn global_index(id: TableId) -> GlobalIndex {
    let attribute = |name: &str, key_type| KeyAttribute { name: name.to_owned(), key_type };
    let (name, hash, range, projection) = match id {
        BY_N => ("by_n", vec![attribute("n", KeyType::Number)], Vec::new(), IndexProjection::KeysOnly),
        _ => (
            "by_si",
            vec![attribute("s", KeyType::String), attribute("i", KeyType::Number)],
            vec![attribute("x", KeyType::Number)],
            IndexProjection::Include(vec!["y".to_owned()]),
        ),
    };
    GlobalIndex {
        id,
        name: name.to_owned(),
        hash,
        range,
        projection,
        status: IndexStatus::Active,
        billing: Billing::OnDemand { throughput: None },
        warm_throughput: Throughput::default(),
    }
}

fn described(version: u64, indexes: &[TableId]) -> TableDescription {
    TableDescription {
        version,
        global_indexes: indexes.iter().map(|id| global_index(*id)).collect(),
        ..table(false, false)
    }
}

/// What an index must hold of an item, by this test's own reckoning.
fn projected(index: &GlobalIndex, item: &Item) -> Option<Item> {
    let typed = |attribute: &KeyAttribute| match (item.get(&attribute.name)?, attribute.key_type) {
        (Value::Number(_), KeyType::Number) => Some(()),
        (Value::String(text), KeyType::String) if !text.is_empty() => Some(()),
        _ => None,
    };
    index.hash.iter().chain(&index.range).map(typed).collect::<Option<Vec<()>>>()?;
    let kept = |name: &str| match &index.projection {
        _ if name == "a" || index.hash.iter().chain(&index.range).any(|key| key.name == name) => true,
        IndexProjection::Include(names) => names.iter().any(|included| included == name),
        _ => false,
    };
    Some(item.iter().filter(|(name, _)| kept(name)).map(|(n, v)| (n.clone(), v.clone())).collect())
}

/// A message on its way to a receiver; it may arrive late, twice or never.
#[derive(Clone)]
struct Message {
    /// The session that sent it; its answer is worth nothing to any other.
    session: u64,
    source: usize,
    index: TableId,
    receiver: PartitionId,
    delivery: Delivery,
}

struct Cluster {
    version: u64,
    fed: Vec<TableId>,
    sources: Vec<Leader>,
    receivers: BTreeMap<PartitionId, (TableId, Leader)>,
    sessions: BTreeMap<(usize, TableId), (u64, Session)>,
    sessions_count: u64,
    messages: Vec<Message>,
    next_partition: u64,
}

impl Cluster {
    fn new() -> Cluster {
        let description = described(1, &[]);
        let source = |number| {
            let replica = Replica::of(PartitionId(100 + number), TABLE, TokenRange::slice(number, SOURCES));
            Leader::with(replica, description.clone())
        };
        Cluster {
            version: 1,
            fed: Vec::new(),
            sources: (0..SOURCES).map(source).collect(),
            receivers: BTreeMap::new(),
            sessions: BTreeMap::new(),
            sessions_count: 0,
            messages: Vec::new(),
            next_partition: 200,
        }
    }

    /// Adds an index online, or drops it.
    fn switch(&mut self, index: TableId) {
        self.version += 1;
        if self.fed.contains(&index) {
            // An index made again is another one, with an id of its own; here none comes back.
            return;
        }
        self.fed.push(index);
        let description = described(self.version, &self.fed);
        for number in 0..RECEIVERS {
            self.next_partition += 1;
            let id = PartitionId(self.next_partition);
            let replica = Replica::of(id, index, TokenRange::slice(number, RECEIVERS));
            self.receivers.insert(id, (index, Leader::with(replica, description.clone())));
        }
        for source in &mut self.sources {
            source.write(&Command::Describe(Box::new(description.clone()))).expect("a description is taken");
        }
    }

    fn write(&mut self, line: &str) {
        let command = command(line);
        let key = match &command {
            Command::Put(put) => &put.key,
            Command::Update(update) => &update.key,
            Command::Delete(delete) => &delete.key,
            other => panic!("{other:?} is no write"),
        };
        let token = key.token();
        let source = self.sources.iter_mut().find(|source| source.replica.state.tokens().contains(token));
        // A refusal is as good as a write here.
        let _ = source.expect("every token has a source").write(&command);
    }

    fn targets(&self, index: TableId) -> Vec<Receiver> {
        let of_index = self.receivers.iter().filter(|(_, (owner, _))| *owner == index);
        of_index.map(|(id, (_, leader))| Receiver { partition: *id, tokens: leader.replica.state.tokens() }).collect()
    }

    /// The session of an index at a source; a new one after its leader was deposed.
    fn session(&mut self, source: usize, index: TableId) -> Option<(u64, Session)> {
        // Whoever waits in vain begins anew.
        if let Some(session) = self.sessions.get(&(source, index)).filter(|(_, session)| !session.is_waiting()) {
            return Some(session.clone());
        }
        let status = self.status(source, index)?;
        self.sessions_count += 1;
        let session = Session::new(self.sources[source].replica.state.tokens(), status);
        Some((self.sessions_count, session))
    }

    fn status(&self, source: usize, index: TableId) -> Option<FeedStatus> {
        match self.sources[source].read(&Command::ShowFeeds) {
            Ok(Reply::Feeds(feeds)) => feeds.into_iter().find(|status| status.index == index),
            other => panic!("{other:?}"),
        }
    }

    /// One step of a consumer: reads what comes next and sends it. A leader that was deposed reads as well as any.
    fn feed(&mut self, source: usize, index: TableId, bytes_max: u64) {
        let Some((number, mut session)) = self.session(source, index) else { return };
        let feed = match self.sources[source].read(&session.read(bytes_max)) {
            Ok(Reply::Feed(feed)) => *feed,
            // Its place was that of an earlier leader.
            _ => {
                self.sessions.remove(&(source, index));
                return;
            }
        };
        let sent = session.deliver(feed, &self.targets(index)).expect("every token has a receiver");
        self.sent(number, source, index, sent);
        self.sessions.insert((source, index), (number, session));
    }

    fn save(&mut self, source: usize, index: TableId) {
        let Some((number, mut session)) = self.session(source, index) else { return };
        let targets = self.targets(index);
        match session.save(&targets) {
            Some(command) => {
                self.sources[source].write(&command).expect("a feed moves");
                session.saved();
            }
            None => {
                let sent = session.tell_others(&targets);
                self.sent(number, source, index, sent);
            }
        }
        self.sessions.insert((source, index), (number, session));
    }

    fn sent(&mut self, session: u64, source: usize, index: TableId, sent: Vec<(PartitionId, Delivery)>) {
        self.messages.extend(sent.into_iter().map(|(receiver, delivery)| Message {
            session,
            source,
            index,
            receiver,
            delivery,
        }));
    }

    /// A message arrives. It may arrive again, its receiver may lose it in flight, its answer may be lost.
    fn arrive(&mut self, at: usize, again: bool, lost: bool, heard: bool) {
        if self.messages.is_empty() {
            return;
        }
        let at = at % self.messages.len();
        let message = if again { self.messages[at].clone() } else { self.messages.swap_remove(at) };
        let (_, receiver) = self.receivers.get_mut(&message.receiver).expect("receivers stay");
        let evaluated = receiver.evaluate(&Command::Deliver(Box::new(message.delivery)));
        if lost {
            receiver.begin_anew();
            return;
        }
        if let Some(entry) = receiver.propose() {
            assert_eq!(receiver.commit(&entry), Outcome::HadEffect);
        }
        let up_to = match evaluated.reply {
            Ok(Reply::Delivered { up_to }) => up_to,
            other => panic!("{other:?}"),
        };
        if !heard {
            return;
        }
        let place = (message.source, message.index);
        if let Some((number, session)) = self.sessions.get_mut(&place)
            && *number == message.session
            && session.confirm(message.receiver, up_to).is_err()
        {
            self.sessions.remove(&place);
        }
    }

    /// Everything works from here on: the consumers come to their end.
    fn settle(&mut self) {
        self.messages.clear();
        self.sessions.clear();
        let fed = self.fed.clone();
        for (source, index) in (0..self.sources.len()).flat_map(|source| fed.iter().map(move |index| (source, *index)))
        {
            for round in 0.. {
                assert!(round < 200, "source {source} does not come to the end of its feed");
                self.feed(source, index, 300);
                while !self.messages.is_empty() {
                    self.arrive(0, false, false, true);
                }
                self.save(source, index);
                while !self.messages.is_empty() {
                    self.arrive(0, false, false, true);
                }
                self.save(source, index);
                let last = self.sources[source].replica.state.progress.last_change;
                let status = self.status(source, index).expect("it is fed");
                if status.cursor == last && status.backfill == super::Backfill::Done {
                    break;
                }
            }
        }
    }

    /// Whatever is on its way, what has arrived is what it must be.
    fn compare(&self) -> (u64, u64) {
        let mut compared = (0, 0);
        for index in &self.fed {
            let found = self.compared(*index);
            assert!(found.checked.findings.is_empty(), "{found:?}");
            compared = (compared.0 + found.checked.items, compared.1 + found.checked.index_entries);
        }
        compared
    }

    fn compared(&self, index: TableId) -> Compared {
        let stored = |leader| stored(leader);
        let sources: Vec<Stored<'_>> = self.sources.iter().map(stored).collect();
        let of_index = self.receivers.values().filter(|(owner, _)| *owner == index);
        let receivers: Vec<Stored<'_>> = of_index.map(|(_, leader)| stored(leader)).collect();
        compare_index(index, &sources, &receivers).expect("rows can be read")
    }

    fn check(&self) {
        let mut items: Vec<Item> = Vec::new();
        for source in &self.sources {
            let rows = source.replica.store.family(FamilyKind::Items);
            items.extend(rows.map(|(_, stored)| row::decode_row(stored).expect("a row").1));
            assert_eq!(source.replica.state.changes(), None, "what everybody has is kept no longer");
            assert_eq!(source.replica.state.change_log_bytes().min(1), 0);
        }
        for index in &self.fed {
            let description = global_index(*index);
            let mut expected: Vec<Item> = items.iter().filter_map(|item| projected(&description, item)).collect();
            let mut entries = Vec::new();
            for (_, leader) in self.receivers.values().filter(|(owner, _)| owner == index) {
                let rows = leader.replica.store.family(FamilyKind::Items);
                let own: Vec<Item> = rows.map(|(_, stored)| row::decode_row(stored).expect("a row").1).collect();
                let bytes = own.iter().map(|item| size::item_size(item) as u64).sum();
                let count = IndexCount { index: IndexNumber::ITEMS, items: own.len() as u64, bytes };
                assert_eq!(leader.replica.state.counts(), [count]);
                let checked = check(&leader.replica.state, &leader.replica.store).expect("rows can be read");
                assert!(checked.findings.is_empty(), "{checked:?}");
                entries.extend(own);
            }
            let key = |item: &Item| item.get("a").and_then(KeyPart::from_value);
            expected.sort_by_key(key);
            entries.sort_by_key(key);
            assert_eq!(entries, expected, "index {} is the projection of the items", description.name);
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Write(String),
    AddIndex(TableId),
    Feed { source: usize, index: TableId, bytes_max: u64 },
    Save { source: usize, index: TableId },
    Arrive { at: usize, again: bool, lost: bool, heard: bool },
    Depose { source: usize, index: TableId },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let attribute = |name: &'static str, values: &'static [&'static str]| {
        proptest::option::weighted(0.7, proptest::sample::select(values))
            .prop_map(move |value| value.map(|value| format!(" {name}={value}")).unwrap_or_default())
    };
    let body = (
        attribute("n", &["1", "2"]),
        attribute("s", &["p", "qq"]),
        attribute("i", &["5", "8"]),
        attribute("x", &["1", "2"]),
        attribute("y", &["1", "words"]),
    );
    let write = (0..6u8, body, 0..4u8).prop_map(|(a, (n, s, i, x, y), verb)| match verb {
        0 => format!("delete a={a}"),
        1 => format!("update a={a} SET n = :7"),
        _ => format!("put a={a}{n}{s}{i}{x}{y}"),
    });
    let place = || (0..SOURCES as usize, proptest::sample::select(vec![BY_N, BY_SI]));
    let step = prop_oneof![
        8 => write.prop_map(Step::Write),
        1 => proptest::sample::select(vec![BY_N, BY_SI]).prop_map(Step::AddIndex),
        6 => (place(), 1..400u64).prop_map(|((source, index), bytes_max)| Step::Feed { source, index, bytes_max }),
        4 => place().prop_map(|(source, index)| Step::Save { source, index }),
        10 => (any::<usize>(), proptest::bool::weighted(0.3), proptest::bool::weighted(0.1), proptest::bool::weighted(0.8))
            .prop_map(|(at, again, lost, heard)| Step::Arrive { at, again, lost, heard }),
        1 => place().prop_map(|(source, index)| Step::Depose { source, index }),
    ];
    proptest::collection::vec(step, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn an_index_is_the_projection_of_the_items(steps in steps()) {
        let mut cluster = Cluster::new();
        for step in steps {
            match step {
                Step::Write(line) => cluster.write(&line),
                Step::AddIndex(index) => cluster.switch(index),
                Step::Feed { source, index, bytes_max } => cluster.feed(source, index, bytes_max),
                Step::Save { source, index } => cluster.save(source, index),
                Step::Arrive { at, again, lost, heard } => cluster.arrive(at, again, lost, heard),
                Step::Depose { source, index } => {
                    cluster.sessions.remove(&(source, index));
                }
            }
            cluster.compare();
        }
        cluster.settle();
        cluster.check();
        let entries: u64 = cluster.receivers.values().map(|(_, leader)| stored_rows(leader)).sum();
        assert_eq!(cluster.compare(), (entries, entries), "at rest everything is compared");
    }
}

fn stored(leader: &Leader) -> Stored<'_> {
    Stored { state: &leader.replica.state, rows: &leader.replica.store }
}

fn stored_rows(leader: &Leader) -> u64 {
    leader.replica.store.family(FamilyKind::Items).count() as u64
}

/// Rows of a family, by their keys.
type StoredRows = BTreeMap<Vec<u8>, Bytes>;

/// A table with an index that has everything, for [`compare_index`].
fn indexed() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.switch(BY_N);
    for number in 0..8 {
        cluster.write(&format!("put a={number} n={number} x=1"));
    }
    cluster.settle();
    assert_eq!(cluster.compare(), (8, 8));
    cluster
}

#[test]
fn an_entry_that_is_gone_invented_or_another_is_found() {
    let findings = |cluster: &Cluster| cluster.compared(BY_N).checked.findings;
    // Of the first receiver that has an entry, the first one.
    let change = |cluster: &mut Cluster, change: &dyn Fn(&mut StoredRows, Vec<u8>)| {
        let filled = cluster.receivers.values_mut().find(|(_, leader)| stored_rows(leader) > 0);
        let rows = filled.expect("there are entries").1.replica.store.rows.entry(FamilyKind::Items).or_default();
        let row_key = rows.keys().next().expect("there is one").clone();
        change(rows, row_key);
    };
    let mut cluster = indexed();
    change(&mut cluster, &|rows, row_key| {
        rows.remove(&row_key);
    });
    let found = findings(&cluster);
    assert!(found.len() == 1 && found[0].ends_with("its entry in the index by_n is missing"), "{found:?}");

    let mut cluster = indexed();
    change(&mut cluster, &|rows, row_key| {
        let stored = rows.get_mut(&row_key).expect("it was just found");
        let (header, mut item) = row::decode_row(stored).expect("a row");
        item.insert("x".to_owned(), Value::Bool(true));
        let encoded = row::item_encoding(&item);
        *stored = row::encode_row_of(&header, size::item_size(&item), &encoded).into();
    });
    let found = findings(&cluster);
    assert!(found.len() == 1 && found[0].ends_with("its entry in the index by_n is not what it projects"), "{found:?}");

    // The entry of an item that was never written, or of one that is gone from the table's side.
    let mut cluster = indexed();
    for source in &mut cluster.sources {
        let rows = source.replica.store.rows.entry(FamilyKind::Items).or_default();
        if let Some(row_key) = rows.keys().next().cloned() {
            rows.remove(&row_key);
            break;
        }
    }
    let found = findings(&cluster);
    assert!(found.len() == 1 && found[0].ends_with("is that of no item"), "{found:?}");
}

#[test]
fn what_is_on_its_way_is_no_finding_and_a_replica_that_is_behind_says_nothing() {
    let mut cluster = indexed();
    cluster.write("delete a=1");
    cluster.write("put a=2 n=7");
    let found = cluster.compared(BY_N);
    assert_eq!((found.checked.findings.len(), found.checked.items, found.left_out), (0, 6, 0), "{found:?}");
    // The index has what these replicas of the table lack.
    let behind: Vec<Replica> = cluster.sources.iter().map(|source| source.replica.clone()).collect();
    cluster.settle();
    let sources: Vec<Stored<'_>> =
        behind.iter().map(|replica| Stored { state: &replica.state, rows: &replica.store }).collect();
    let receivers: Vec<Stored<'_>> = cluster.receivers.values().map(|(_, leader)| stored(leader)).collect();
    let found = compare_index(BY_N, &sources, &receivers).expect("rows can be read");
    assert_eq!(found.checked.findings, Vec::<String>::new());
}

fn source() -> Leader {
    Leader::of(described(1, &[BY_N]))
}

fn receiver() -> Leader {
    Leader::with(Replica::of(PartitionId(9), BY_N, TokenRange::ALL), described(1, &[BY_N]))
}

fn delivery(after: u64, up_to: u64) -> Command {
    let source = TokenRange { first: Token(0), last: Token(99) };
    let (begun, after, up_to) = (SequenceNumber(0), SequenceNumber(after), SequenceNumber(up_to));
    Command::Deliver(Box::new(Delivery {
        index: BY_N,
        source,
        begun,
        after,
        up_to,
        changes: Vec::new(),
        page: Vec::new(),
    }))
}

#[test]
fn a_delivery_joins_on_or_changes_nothing() {
    let mut receiver = receiver();
    for (after, up_to, stands) in [(1, 2, 0), (0, 3, 3), (0, 2, 3), (0, 3, 3), (4, 9, 3), (3, 4, 4), (2, 7, 7)] {
        let before = receiver.replica.clone();
        let expected = SequenceNumber(stands);
        assert_eq!(
            receiver.write(&delivery(after, up_to)),
            Ok(Reply::Delivered { up_to: expected }),
            "{after} {up_to}"
        );
        let moved = receiver.replica.state.received != before.state.received;
        assert_eq!(moved, stands == up_to && (after, up_to) != (0, 3) || before.state.received.is_empty() && moved);
    }
    // In one entry, the second sees what the first one brings.
    receiver.evaluate(&delivery(7, 8));
    let second = receiver.evaluate(&delivery(8, 9));
    assert_eq!(second.reply, Ok(Reply::Delivered { up_to: SequenceNumber(9) }));
    assert!(second.based_on.is_some());
}

#[test]
fn an_index_takes_no_items_and_ends_with_its_table() {
    let mut receiver = receiver();
    assert!(matches!(receiver.write(&command("put a=1")), Err(Refusal::Invalid(_))));
    receiver.write(&delivery(0, 3)).unwrap();
    receiver.write(&Command::Close).unwrap();
    assert!(receiver.replica.state.received.is_empty());
    assert_eq!(receiver.write(&delivery(3, 4)), Err(Refusal::NoSuchTable));
}

#[test]
fn a_full_log_throttles_writes_until_the_index_has_it() {
    let mut source = source();
    source.write(&command("put a=1 n=1")).unwrap();
    assert!(source.replica.state.change_log_bytes() > 0);
    source.replica.state.progress.change_bytes += CHANGE_LOG_BYTES_MAX;
    source.begin_anew();
    assert_eq!(source.write(&command("put a=2 n=1")), Err(Refusal::ChangeLogFull));
    assert_eq!(source.write(&command("put a=1 n=1")).map(|_| ()), Ok(()), "what changes nothing logs nothing");
    let to = SequenceNumber(1);
    source.write(&Command::MoveFeed { index: BY_N, to, backfill: super::Backfill::Done }).unwrap();
    source.write(&command("put a=2 n=1")).unwrap();
}

#[test]
fn a_feed_ends_with_its_index_and_keeps_nothing() {
    let mut source = source();
    source.write(&command("put a=1 n=1")).unwrap();
    assert!(source.replica.state.changes().is_some());
    let mut without = described(2, &[BY_N]);
    without.global_indexes[0].status = IndexStatus::Deleting;
    source.write(&Command::Describe(Box::new(without))).unwrap();
    assert_eq!(source.replica.state.changes(), None);
    assert!(source.replica.state.cursors().is_empty());
    source.write(&command("put a=1 n=2")).unwrap();
    assert_eq!(source.replica.state.changes(), None, "nobody reads it");
    let read = Command::ReadFeed { index: BY_N, after: None, bytes_max: 1 };
    assert!(source.read(&read).is_err());
}

#[test]
fn index_keys_of_wrong_type_are_refused() {
    let mut source = Leader::of(described(1, &[BY_N, BY_SI]));
    for (line, refusal) in [
        (
            "put a=1 n=text",
            "One or more parameter values were invalid: Type mismatch for Index Key n Expected: N Actual: S IndexName: by_n",
        ),
        (
            "update a=1 SET s = :5",
            "One or more parameter values were invalid: Type mismatch for Index Key s Expected: S Actual: N IndexName: by_si",
        ),
    ] {
        assert_eq!(source.write(&command(line)), Err(Refusal::Invalid(refusal.to_owned())), "{line}");
    }
    let Ok(Reply::Written(written)) = source.write(&command("put a=1 n=1 s=p")) else { panic!("refused") };
    assert_eq!(written.global_bytes.len(), 1, "it is in one of them: {written:?}");
    let birth = Timestamp { wall_ms: 1, counter: 0, node: 0 };
    assert!(source.replica.state.last_timestamp() > birth);
}
