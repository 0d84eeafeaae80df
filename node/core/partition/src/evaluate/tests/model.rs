//! Random commands, in entries that may be lost, against an ordered map.

use crate::{
    Attempt, Call, Command, CommandId, FamilyKind, Outcome, Refusal, Reply,
    command::{Put, UpdateItem, WriteOptions},
    effects::Entry,
    keys::change_sequence,
    reply::IndexCount,
    rows::COLLECTION_SIZES,
    testing::{Leader, Replica, TABLE, TERM, command, table},
};
use bytes::Bytes;
use proptest::prelude::*;
use stator_catalog::IndexProjection;
use stator_changelog::decode_record;
use stator_item::{IndexNumber, Item, Key, KeyPart, Timestamp, key, row, size};
use std::collections::{BTreeMap, VecDeque};

type Model = BTreeMap<(KeyPart, KeyPart), Item>;

#[derive(Clone, Debug)]
enum Step {
    Command(Box<Command>),
    /// Sends the command before the last so many again.
    Repeat(usize),
    Propose,
    Commit,
    /// The oldest proposal is lost, or only seems to be: then it is committed before everything proposed later.
    Lose {
        comes_late: bool,
    },
}

fn commands() -> impl Strategy<Value = Command> {
    let attribute = |name: &'static str, values: &'static [&'static str]| {
        proptest::option::of(proptest::sample::select(values))
            .prop_map(move |value| value.map(|value| format!(" {name}={value}")).unwrap_or_default())
    };
    let key = (0..3u8, 0..3u8).prop_map(|(a, r)| format!("a={a} r={r}"));
    let attributes = (
        attribute("n", &["1", "2", "33"]),
        attribute("s", &["p", "qq"]),
        attribute("i", &["-5", "8"]),
        attribute("x", &["1", "words"]),
    );
    let body = attributes.prop_map(|(n, s, i, x)| n + &s + &i + &x);
    let updates = proptest::sample::select(vec![
        "",
        " SET n = :7",
        " SET x = n",
        " ADD n :1",
        " REMOVE n",
        " REMOVE s, x",
        " SET s = :zz, i = :3",
        " SET i = if_not_exists(i, :4)",
    ]);
    let conditions =
        proptest::sample::select(vec!["", " if attribute_exists(n)", " if attribute_not_exists(s)", " if n = :2"]);
    (key, body, updates, conditions, 0..3u8).prop_map(|(key, body, update, condition, verb)| {
        let returns = "returns ALL_OLD";
        command(&match verb {
            0 => format!("put {key}{body}{condition} {returns}"),
            1 => format!("update {key}{update}{condition} {returns}"),
            _ => format!("delete {key}{condition} {returns}"),
        })
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => commands().prop_map(|command| Step::Command(Box::new(command))),
        1 => (0..4usize).prop_map(Step::Repeat),
        4 => Just(Step::Propose),
        4 => Just(Step::Commit),
        1 => any::<bool>().prop_map(|comes_late| Step::Lose { comes_late }),
    ];
    proptest::collection::vec(step, 0..60)
}

fn key_of(command: &Command) -> (&Key, &WriteOptions) {
    match command {
        Command::Put(put) => (&put.key, &put.options),
        Command::Update(update) => (&update.key, &update.options),
        Command::Delete(delete) => (&delete.key, &delete.options),
        other => panic!("{other:?} is no write"),
    }
}

/// What the command answers, and leaves in the model.
fn model_write(model: &mut Model, command: &Command) -> Result<Option<Bytes>, ()> {
    let (key, options) = key_of(command);
    let place = (key.hash.clone(), key.range.clone().expect("the table has a range key"));
    let old = model.get(&place).cloned();
    if options.condition.as_ref().is_some_and(|condition| !condition.evaluate(&old.clone().unwrap_or_default())) {
        return Err(());
    }
    let key_item: Item = [("a".to_owned(), place.0.to_value()), ("r".to_owned(), place.1.to_value())].into();
    let new = match command {
        Command::Put(Put { item, .. }) => Some(row::decode_item(item).expect("a put has an item")),
        Command::Update(UpdateItem { update: None, .. }) => Some(old.clone().unwrap_or(key_item)),
        Command::Update(UpdateItem { update: Some(update), .. }) => {
            let only_removes = update.sets.is_empty() && update.adds.is_empty();
            let updated = update.apply(old.as_ref().unwrap_or(&key_item)).map_err(|_| ())?;
            (old.is_some() || !only_removes).then_some(updated.item)
        }
        _ => None,
    };
    match new {
        Some(item) => model.insert(place, item),
        None => model.remove(&place),
    };
    Ok(old.map(|item| row::item_encoding(&item).into()))
}

/// Commands evaluated for one entry, with their replies. No entry: nothing had effects.
struct Proposed {
    entry: Option<Entry>,
    calls: Vec<Evaluation>,
}

struct Evaluation {
    id: CommandId,
    command: Command,
    reply: Result<Reply, Refusal>,
    is_remembered: bool,
}

struct Run {
    leader: Leader,
    follower: Replica,
    model: Model,
    evaluated: Vec<Evaluation>,
    sent: Vec<(CommandId, Command)>,
    in_flight: VecDeque<Proposed>,
    /// Commands that had their effect.
    done: BTreeMap<CommandId, Result<Reply, Refusal>>,
}

impl Run {
    fn new() -> Run {
        let leader = Leader::of(table(true, true));
        let follower = leader.replica.clone();
        Run {
            leader,
            follower,
            model: Model::new(),
            evaluated: Vec::new(),
            sent: Vec::new(),
            in_flight: VecDeque::new(),
            done: BTreeMap::new(),
        }
    }

    fn send(&mut self, id: CommandId, command: Command, attempt: Attempt) {
        let birth = Timestamp { wall_ms: 500, counter: 0, node: 2 };
        let evaluated = self.leader.evaluate_as(&Call { id, birth, attempt, command: &command });
        let is_remembered = evaluated.effects.is_some_and(|effects| effects.remembered.is_some());
        self.evaluated.push(Evaluation { id, command: command.clone(), reply: evaluated.reply, is_remembered });
        self.sent.push((id, command));
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Command(command) => {
                let id = CommandId(self.sent.len() as u128 + 1_000);
                self.send(id, *command, Attempt::First);
            }
            Step::Repeat(back) => {
                if let Some((id, command)) = self.sent.iter().rev().nth(back).cloned() {
                    self.send(id, command, Attempt::Repeated);
                }
            }
            Step::Propose => self.propose(),
            Step::Commit => self.commit(),
            Step::Lose { comes_late } => self.lose(comes_late),
        }
    }

    fn propose(&mut self) {
        let entry = self.leader.propose();
        self.in_flight.push_back(Proposed { entry, calls: std::mem::take(&mut self.evaluated) });
    }

    fn commit(&mut self) {
        let Some(Proposed { entry, calls }) = self.in_flight.pop_front() else { return };
        if let Some(entry) = entry {
            assert_eq!(self.leader.commit(&entry), Outcome::HadEffect);
            assert_eq!(self.follower.apply(&entry, TERM), Outcome::HadEffect);
            assert_eq!(self.follower, self.leader.replica, "replicas are the same");
        }
        for Evaluation { id, command, reply, is_remembered } in calls {
            if let Some(first) = self.done.get(&id) {
                assert_eq!(first, &reply, "a repeat is answered as the first attempt");
                continue;
            }
            let expected = model_write(&mut self.model, &command);
            match &reply {
                Ok(Reply::Written(written)) => assert_eq!(expected, Ok(written.attributes.clone()), "{command:?}"),
                other => assert!(expected.is_err(), "{command:?} was answered {other:?}"),
            }
            if is_remembered {
                self.done.insert(id, reply);
            }
        }
    }

    /// All that is in flight becomes void, but for an entry that comes late.
    fn lose(&mut self, comes_late: bool) {
        self.propose();
        let Some(first) = self.in_flight.iter().position(|proposed| proposed.entry.is_some()) else { return };
        // What had no effects was answered without an entry, or waits for one that is lost.
        let lost = self.in_flight.drain(..=first).next_back().expect("the range has an end");
        let void = std::mem::take(&mut self.in_flight);
        if comes_late {
            self.in_flight.push_back(lost);
            self.commit();
        }
        for entry in void.into_iter().filter_map(|proposed| proposed.entry) {
            // On top of an entry that came late it would have effect, as its evaluation was right.
            if !comes_late {
                let before = self.leader.replica.clone();
                assert_eq!(self.leader.replica.apply(&entry, TERM), Outcome::Nothing);
                assert_eq!(self.leader.replica, before);
            }
        }
        self.leader.begin_anew();
    }

    fn check(&self) {
        let rows: Model = self.rows(IndexNumber::ITEMS).into_iter().map(|item| (place(&item), item)).collect();
        assert_eq!(rows, self.model, "rows are the items");
        let mut collections: BTreeMap<KeyPart, usize> = BTreeMap::new();
        let mut counts = vec![self.count(IndexNumber::ITEMS, self.model.values(), &mut collections)];
        for index in table(true, true).local_indexes {
            let kept = |name: &str| match &index.projection {
                IndexProjection::All => true,
                IndexProjection::KeysOnly => ["a", "r", &index.range.name].contains(&name),
                IndexProjection::Include(names) => {
                    ["a", "r", &index.range.name].contains(&name) || names.iter().any(|included| included == name)
                }
            };
            let indexed = self.model.values().filter(|item| item.contains_key(&index.range.name));
            let project =
                |item: &Item| item.iter().filter(|(name, _)| kept(name)).map(|(n, v)| (n.clone(), v.clone())).collect();
            let mut expected: Vec<Item> = indexed.map(project).collect();
            let mut entries = self.rows(index.number);
            counts.push(self.count(index.number, entries.iter(), &mut collections));
            let order = |item: &Item| (Timestamp::MIN, place(item));
            expected.sort_by_key(order);
            entries.sort_by_key(order);
            assert_eq!(entries, expected, "entries of {} are the items", index.name);
        }
        assert_eq!(self.leader.read(&Command::Count), Ok(Reply::Counted(counts)));
        for (hash, bytes) in collections {
            let stored = key::hash_prefix(TABLE, COLLECTION_SIZES, &hash);
            let expected = super::super::write::encode_size(bytes as u64);
            assert_eq!(
                self.leader.replica.store.rows[&FamilyKind::Items].get(&stored).map(|b| b.to_vec()),
                Some(expected)
            );
        }
        self.check_change_log();
    }

    fn check_change_log(&self) {
        let (mut replayed, mut expected_sequence, mut last) = (Model::new(), 1, Timestamp::MIN);
        for (key, stored) in self.leader.replica.store.family(FamilyKind::Changes) {
            let sequence = change_sequence(key).expect("a change's key ends with its number");
            assert_eq!(sequence.0, expected_sequence, "sequence numbers have no gaps");
            expected_sequence += 1;
            let record = decode_record(sequence, stored).expect("a record is stored");
            assert!(record.timestamp > last, "timestamps rise");
            last = record.timestamp;
            let image = |image: &Option<Bytes>| image.as_ref().map(|image| row::decode_item(image).expect("an item"));
            let (old, new) = (image(&record.old_image), image(&record.new_image));
            let place = place(old.as_ref().or(new.as_ref()).expect("a change has an image"));
            let replaced = match new {
                Some(item) => replayed.insert(place, item),
                None => replayed.remove(&place),
            };
            assert_eq!(replaced, old, "the old image is what was there");
        }
        assert_eq!(replayed, self.model, "the change log replays to the table");
    }

    fn rows(&self, index: IndexNumber) -> Vec<Item> {
        let (start, end) = key::token_bounds(TABLE, index, stator_item::Token::MIN, stator_item::Token::MAX);
        let rows = self.leader.replica.store.family(FamilyKind::Items);
        let inside = rows.filter(|(key, _)| **key >= start && end.as_ref().is_none_or(|end| *key < end));
        inside.map(|(_, stored)| row::decode_row(stored).expect("a row is stored").1).collect()
    }

    fn count<'i>(
        &self,
        index: IndexNumber,
        items: impl Iterator<Item = &'i Item>,
        collections: &mut BTreeMap<KeyPart, usize>,
    ) -> IndexCount {
        let mut count = IndexCount { index, items: 0, bytes: 0 };
        for item in items {
            count.items += 1;
            count.bytes += size::item_size(item) as u64;
            *collections.entry(place(item).0).or_default() += size::item_size(item);
        }
        count
    }
}

fn place(item: &Item) -> (KeyPart, KeyPart) {
    let part = |name: &str| item.get(name).and_then(KeyPart::from_value).expect("an item has its key");
    (part("a"), part("r"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_partition_is_an_ordered_map(steps in steps()) {
        let mut run = Run::new();
        for step in steps {
            run.step(step);
        }
        run.propose();
        while !run.in_flight.is_empty() {
            run.commit();
        }
        run.check();
    }
}
