use super::*;
use crate::testing::{event, refused, sound, unknown};

fn tables() -> Tables {
    Tables::new("t".to_owned())
}

/// Events of one life of one name, one after the other.
fn life(operations: &[(Operation, Answer)]) -> Vec<Event> {
    let timed = operations.iter().enumerate();
    timed
        .map(|(at, operation)| Event { group: 1, ..event(10 * at as u64, 10 * at as u64 + 9, operation.clone()) })
        .collect()
}

fn name() -> String {
    "t-0-0".to_owned()
}

fn create() -> (Operation, Answer) {
    let shape = Shape::HashAndRange;
    (Operation::CreateTable { table: name(), shape }, Answer::Table(TableStatus::Creating))
}

fn look(answer: Answer) -> (Operation, Answer) {
    (Operation::DescribeTable { table: name() }, answer)
}

fn is(status: TableStatus) -> (Operation, Answer) {
    look(Answer::Table(status))
}

fn delete() -> (Operation, Answer) {
    (Operation::DeleteTable { table: name() }, Answer::Table(TableStatus::Deleting))
}

fn stored(number: i64) -> crate::Item {
    item([("pk", "life 1".into()), ("sk", number.into())])
}

fn put(number: i64) -> (Operation, Answer) {
    (Operation::Put { table: name(), item: stored(number), condition: None }, Answer::Written(None))
}

fn scan(items: &[i64]) -> (Operation, Answer) {
    let (of, consistency) = (PageOf::Scan, Consistency::Strong);
    let items = items.iter().map(|number| stored(*number)).collect();
    let operation = Operation::Page { table: name(), of, consistency, limit: None, after: None };
    (operation, Answer::Page { items, next: None })
}

#[test]
fn lives_one_after_the_other_are_accepted() {
    use TableStatus::{Active, Creating, Deleting};
    let one =
        [create(), is(Creating), is(Active), put(1), scan(&[1]), delete(), is(Deleting), look(Answer::NoSuchTable)];
    sound(&tables(), &life(&one));
    let two = [create(), is(Active), scan(&[]), delete(), look(Answer::NoSuchTable)];
    sound(&tables(), &life(&[&one[..], &two].concat()));
    // A node that is behind still shows the table before.
    let behind = [create(), is(Active), (put(1).0, Answer::NoSuchTable), is(Creating), is(Active), scan(&[])];
    sound(&tables(), &life(&[&one[..], &behind].concat()));
    // An unknown making leaves everything open.
    let mut open = vec![Event { group: 1, ..unknown(0, create().0) }];
    open.extend(life(&[look(Answer::NoSuchTable), is(Active)]));
    sound(&tables(), &open);
}

#[test]
fn lost_tables_lost_items_and_revenants_are_refused() {
    use TableStatus::{Active, Deleting};
    refused(&tables(), &life(&[create(), is(Active), look(Answer::NoSuchTable)]));
    refused(&tables(), &life(&[create(), is(Active), (put(1).0, Answer::NoSuchTable)]));
    refused(&tables(), &life(&[create(), is(Active), is(Deleting)]));
    refused(&tables(), &life(&[create(), is(Active), put(1), scan(&[])]));
    let first = [create(), is(Active), put(1), delete(), look(Answer::NoSuchTable)];
    refused(&tables(), &life(&[&first[..], &[create(), is(Active), scan(&[1])]].concat()));
    refused(&tables(), &life(&[&first[..], &[(create().0, Answer::TableInUse)]].concat()));
}
