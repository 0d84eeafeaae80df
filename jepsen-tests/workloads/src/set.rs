//! A set whose members come and go while it is read page by page: what is there during a whole reading is in it exactly once,
//! what is not there is not.

use crate::{
    client::{Answer, BoxFuture, Consistency, Failure, Item, Operation, PageOf, Shape},
    history::Event,
    judging::{item, number, text},
    workload::{Judgement, Session, Workload},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Partition keys among which members are spread.
const COLLECTIONS: u64 = 3;
/// Members at once, about.
const MEMBERS_MAX: usize = 40;
/// Pages after which a reading counts as endless.
const PAGES_MAX: usize = 500;
/// Attempts at one page. A page can be asked for again: its place is in the request.
const PAGE_TRIES_MAX: u32 = 5;

pub struct Set {
    table: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    members: i64,
    /// Members that nobody is removing yet.
    present: Vec<i64>,
}

/// Which pages a reading asks for.
#[derive(Clone, Copy)]
enum Reading {
    Scan,
    Query { collection: u64, backward: bool },
}

impl Set {
    pub fn new(table: String) -> Set {
        Set { table, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, member: i64) -> Operation {
        let mut item = key_item(member);
        item.insert("v".to_owned(), content(member).into());
        Operation::Put { table: self.table.clone(), item, condition: None }
    }

    fn delete(&self, member: i64) -> Operation {
        Operation::Delete { table: self.table.clone(), key: key_item(member), condition: None }
    }

    fn page(&self, reading: Reading, limit: Option<u32>, after: Option<Item>) -> Operation {
        let of = match reading {
            Reading::Scan => PageOf::Scan,
            Reading::Query { collection, backward } => {
                PageOf::Query { pk: collection_name(collection), index: None, backward }
            }
        };
        Operation::Page { table: self.table.clone(), of, consistency: Consistency::Strong, limit, after }
    }

    /// Reads everything, page by page. An error: some page did not come.
    async fn read(&self, session: &Session, reading: Reading, limit: Option<u32>) -> Result<(), Failure> {
        let group = session.history.new_group();
        let mut after = None;
        for _ in 0..PAGES_MAX {
            let mut tries = 0;
            let answer = loop {
                tries += 1;
                match session.call_in(group, self.page(reading, limit, after.clone())).await {
                    Ok(answer) => break answer,
                    Err(failure) if tries == PAGE_TRIES_MAX => return Err(failure),
                    Err(_) => {}
                }
            };
            match answer {
                Answer::Page { next: Some(next), .. } => after = Some(next),
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// A member to remove.
    fn choose_present(&self, session: &Session) -> Option<i64> {
        let mut state = self.state();
        let count = state.present.len();
        let is_full = count >= MEMBERS_MAX;
        let removes = count > 0 && session.below(if is_full { 2 } else { 5 }) == 0;
        removes.then(|| state.present.swap_remove(session.below(count as u64) as usize))
    }

    fn new_member(&self) -> i64 {
        let mut state = self.state();
        state.members += 1;
        state.members
    }
}

fn collection_name(collection: u64) -> String {
    format!("set {collection}")
}

fn key_item(member: i64) -> Item {
    let collection = member.unsigned_abs() % COLLECTIONS;
    item([("pk", collection_name(collection).into()), ("sk", member.into())])
}

/// What a member's item holds, so that a mixture of two items shows.
fn content(member: i64) -> String {
    format!("member {member}")
}

impl Workload for Set {
    fn name(&self) -> &'static str {
        "set"
    }

    fn tables(&self) -> Vec<(String, Shape)> {
        vec![(self.table.clone(), Shape::HashAndRange)]
    }

    fn turn<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if session.below(8) == 0 {
                let reading = match session.below(3) {
                    0 => Reading::Scan,
                    way => Reading::Query { collection: session.below(COLLECTIONS), backward: way == 1 },
                };
                let limit = [None, Some(1 + session.below(7) as u32)][session.below(2) as usize];
                // Its outcome is in the history.
                let _ = self.read(session, reading, limit).await;
            } else if let Some(member) = self.choose_present(session) {
                let _ = session.call(self.delete(member)).await;
            } else {
                let member = self.new_member();
                if session.call(self.put(member)).await.is_ok() {
                    self.state().present.push(member);
                }
            }
        })
    }

    fn last_reads<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            self.read(session, Reading::Scan, Some(5)).await?;
            self.read(session, Reading::Scan, None).await?;
            for collection in 0..COLLECTIONS {
                self.read(session, Reading::Query { collection, backward: false }, Some(4)).await?;
            }
            Ok(())
        })
    }

    fn check(&self, history: &[Event]) -> Judgement {
        let mut judgement = Judgement::default();
        let members = members(history);
        for reading in readings(history) {
            reading.check(history, &members, &mut judgement);
        }
        judgement
    }
}

/// When a member may have come and gone.
#[derive(Default, Debug)]
struct Member {
    place: usize,
    put_began_us: Option<u64>,
    /// `None`: not known to have been put.
    put_ended_us: Option<u64>,
    delete_began_us: Option<u64>,
    /// `None`: not known to have been deleted.
    delete_ended_us: Option<u64>,
}

fn members(history: &[Event]) -> BTreeMap<i64, Member> {
    let mut members: BTreeMap<i64, Member> = BTreeMap::new();
    for (at, event) in history.iter().enumerate() {
        let may_have_effect = event.answer().is_some() || event.is_unknown();
        match &event.operation {
            Operation::Put { item, .. } if may_have_effect => {
                let member = members.entry(number(item, "sk").unwrap_or_default()).or_default();
                member.place = at;
                member.put_began_us = Some(event.started_us);
                member.put_ended_us = event.effective_by_us();
            }
            Operation::Delete { key, .. } if may_have_effect => {
                let member = members.entry(number(key, "sk").unwrap_or_default()).or_default();
                member.delete_began_us = Some(event.started_us);
                member.delete_ended_us = event.effective_by_us();
            }
            _ => {}
        }
    }
    members
}

/// All pages of one reading that came.
struct OneReading<'a> {
    of: &'a PageOf,
    limit: Option<u32>,
    pages: Vec<(usize, &'a [Item])>,
    /// Whether the last page came.
    is_whole: bool,
}

fn readings(history: &[Event]) -> Vec<OneReading<'_>> {
    let mut readings: BTreeMap<u64, OneReading<'_>> = BTreeMap::new();
    for (at, event) in history.iter().enumerate() {
        let Operation::Page { of, limit, .. } = &event.operation else { continue };
        let reading = readings.entry(event.group);
        let reading = reading.or_insert(OneReading { of, limit: *limit, pages: Vec::new(), is_whole: false });
        if let Some(Answer::Page { items, next }) = event.answer() {
            reading.pages.push((at, items));
            reading.is_whole = next.is_none();
        }
    }
    readings.into_values().collect()
}

const NOTHING_LOST: &str = "a reading has all that is there from its beginning to its end";
const NO_PHANTOM: &str = "a reading has nothing that is not there";
const ORDERED: &str = "a reading has each item once, a Query in the order of sort keys";

impl OneReading<'_> {
    fn check(&self, history: &[Event], members: &BTreeMap<i64, Member>, judgement: &mut Judgement) {
        let (Some((first, _)), Some((last, _))) = (self.pages.first(), self.pages.last()) else { return };
        let began_us = history[*first].started_us;
        let ended_us = history[*last].ended_us.unwrap_or(u64::MAX);
        let mut seen: Vec<(i64, usize)> = Vec::new();
        for (at, items) in &self.pages {
            if self.limit.is_some_and(|limit| items.len() > limit as usize) {
                judgement.violate("a page has at most Limit items", format!("{} items", items.len()), vec![*at]);
            }
            for item in *items {
                let member = number(item, "sk").unwrap_or_default();
                self.check_item(item, member, *at, judgement);
                let page = &history[*at];
                let record = members.get(&member);
                let came = record.and_then(|member| member.put_began_us).filter(|began| Some(*began) <= page.ended_us);
                let gone =
                    record.and_then(|member| member.delete_ended_us).is_some_and(|ended| ended < page.started_us);
                if came.is_none() || gone {
                    judgement.violate(NO_PHANTOM, format!("member {member} was seen: {record:?}"), vec![*at]);
                }
                seen.push((member, *at));
            }
        }
        self.check_order(&seen, judgement);
        if !self.is_whole {
            if self.pages.len() >= PAGES_MAX {
                judgement.violate("a reading ends", format!("not after {PAGES_MAX} pages"), vec![*first, *last]);
            }
            return;
        }
        let seen: BTreeSet<i64> = seen.iter().map(|(member, _)| *member).collect();
        for (member, record) in members.iter().filter(|(member, _)| self.covers(**member)) {
            let was_there = record.put_ended_us.is_some_and(|ended| ended < began_us)
                && record.delete_began_us.is_none_or(|began| began > ended_us);
            if was_there && !seen.contains(member) {
                let explanation = format!("member {member} was not seen: {record:?}");
                judgement.violate(NOTHING_LOST, explanation, vec![record.place, *first, *last]);
            }
        }
    }

    fn covers(&self, member: i64) -> bool {
        match self.of {
            PageOf::Scan => true,
            PageOf::Index { .. } => false,
            PageOf::Query { pk, .. } => text(&key_item(member), "pk") == Some(pk),
        }
    }

    fn check_item(&self, item: &Item, member: i64, at: usize, judgement: &mut Judgement) {
        let is_own = text(item, "pk") == text(&key_item(member), "pk") && text(item, "v") == Some(&content(member));
        if !is_own || !self.covers(member) {
            judgement.violate("items are whole and asked for", format!("{item:?}"), vec![at]);
        }
    }

    fn check_order(&self, seen: &[(i64, usize)], judgement: &mut Judgement) {
        let mut places: BTreeMap<i64, usize> = BTreeMap::new();
        for (member, at) in seen {
            if let Some(other) = places.insert(*member, *at) {
                judgement.violate(ORDERED, format!("member {member} came twice"), vec![other, *at]);
            }
        }
        let PageOf::Query { backward, .. } = self.of else { return };
        for [(one, one_at), (other, other_at)] in seen.array_windows() {
            if (one > other) != *backward {
                judgement.violate(ORDERED, format!("{other} came behind {one}"), vec![*one_at, *other_at]);
            }
        }
    }
}

#[cfg(test)]
mod tests;
