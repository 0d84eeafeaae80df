//! One change at a time.

mod access_keys;
mod capacity;
mod date;
mod functions;
mod global_indexes;
mod mappings;
mod nodes;
mod partitions;
pub(crate) mod scaling;
mod streams;
mod table_update;
mod tables;
#[cfg(test)]
pub(crate) mod tests;

use crate::{AccessKey, Catalog, CatalogRefusal, Change, ChangeId, Outcome, Stamp, TABLES_MAX};

/// Outcomes of changes made only once that are remembered. An attempt is repeated within seconds, in which a cluster is
/// asked for far fewer.
const MADE_ONCE_MAX: usize = 256;

impl Catalog {
    /// Makes a change, or refuses it and changes nothing. Deterministic: nothing counts but `self` and the arguments.
    pub fn step(&mut self, change: Change, at: &Stamp) -> Result<Outcome, CatalogRefusal> {
        if self.identity.is_none() && !matches!(change, Change::InitCluster { .. }) {
            return Err(CatalogRefusal::NotInitialised);
        }
        let outcome = match change {
            Change::Once { id, change } => return self.once(id, *change, at),
            Change::InitCluster { identity, node } => self.init_cluster(identity, node, at),
            Change::AddNode { node, token } => self.add_node(node, token.as_ref(), at),
            Change::UpdateNode { id, node } => self.update_node(id, node),
            Change::RemoveNode { id } => self.remove_node(id),
            Change::AddJoinToken { token, expires_ms } => self.add_join_token(token, expires_ms, at),
            Change::RemoveJoinToken { token } => Ok(done_if(self.join_tokens.remove(&token).is_some())),
            Change::CreateTable { table, partitions, tables_max, avoid } => {
                let tables_max = tables_max.map_or(TABLES_MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
                self.create_table(*table, partitions, tables_max, &avoid, at)
            }
            Change::UpdateTable { name, update, partitions, avoid } => {
                self.update_table(&name, &update, partitions, &avoid, at)
            }
            Change::DeleteTable { name } => self.delete_table(&name),
            Change::TableReady { id, version } => Ok(self.table_ready(id, version, at)),
            Change::TableGone { id } => Ok(self.table_gone(id, at)),
            Change::ChangeTags { table, set, remove } => self.change_tags(&table, set, &remove),
            Change::ChangeInsights { table, mode } => self.change_insights(&table, mode, at),
            Change::PlanMembers(plan) => self.plan_members(&plan),
            Change::DropPlan { partition, epoch } => Ok(self.drop_plan(partition, epoch)),
            Change::PartitionChanged { partition, epoch, members } => self.partition_changed(partition, epoch, members),
            Change::ReplicaLost { replica } => Ok(self.replica_lost(replica)),
            Change::CreateKey { id, secret, description, is_root } => {
                let created_ms = at.now_ms;
                self.create_key(AccessKey { id, secret, created_ms, disabled: false, description, is_root })
            }
            Change::SetKey { id, disabled } => self.set_key(id, disabled),
            Change::DeleteKey { id } => self.delete_key(id),
            Change::IndexFilled { table, index } => Ok(self.index_filled(table, index)),
            Change::Mapping(change) => self.change_mapping(*change, at),
            Change::Scaling(change) => self.change_scaling(change, at),
            Change::CreateSystemTable { table, avoid } => self.create_system_table(table, &avoid, at),
            Change::Function(change) => self.change_function(*change, at),
            Change::IndexGone { table, index } => Ok(self.index_gone(table, index)),
            Change::ForgetStreams { table, now_ms } => Ok(self.forget_streams(table, now_ms)),
        }?;
        if outcome != Outcome::Unchanged {
            self.revision += 1;
        }
        Ok(outcome)
    }

    /// A refusal is not remembered: it changed nothing, so the next attempt is a first one.
    fn once(&mut self, id: ChangeId, change: Change, at: &Stamp) -> Result<Outcome, CatalogRefusal> {
        if let Some((_, outcome)) = self.made_once.iter().find(|(made, _)| *made == id) {
            return Ok(outcome.clone());
        }
        let outcome = self.step(change, at)?;
        if outcome != Outcome::Unchanged {
            if self.made_once.len() >= MADE_ONCE_MAX {
                self.made_once.pop_front();
            }
            self.made_once.push_back((id, outcome.clone()));
        }
        Ok(outcome)
    }
}

fn done_if(changed: bool) -> Outcome {
    if changed { Outcome::Done } else { Outcome::Unchanged }
}
