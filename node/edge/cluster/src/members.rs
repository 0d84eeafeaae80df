//! Changes of one group's members and leader, on the node that leads it.

use crate::{
    catalog::{Answer, wake},
    host::{learners, voters},
};
use stator_catalog::Member;
use stator_consensus::{ConsensusError, Group};
use stator_item::NodeId;
use std::time::Duration;

/// Brings a group to these members. Safe to repeat.
pub(crate) async fn change_members(group: &Group, members: &[Member], within: Duration) -> Answer {
    if let Err(answer) = wake(group, within).await {
        return answer;
    }
    let voters: Vec<_> = voters(members).collect();
    let learners: Vec<_> = learners(members).collect();
    answer(group.change_members(&voters, &learners, within).await)
}

/// Hands leadership to the member on that node.
pub(crate) async fn hand_over(group: &Group, to: NodeId, within: Duration) -> Answer {
    let Some((replica, _)) = group.members().voters.into_iter().find(|(_, node)| *node == to) else {
        return Answer::Failed("the node has no voter of this partition".to_owned());
    };
    if let Err(answer) = wake(group, within).await {
        return answer;
    }
    answer(group.transfer(replica, within).await)
}

fn answer(result: Result<(), ConsensusError>) -> Answer {
    match result {
        Ok(()) => Answer::Done,
        Err(ConsensusError::NotLeader { leader }) => Answer::NotLeader { leader: leader.map(|(_, node)| node) },
        Err(error) => Answer::Failed(error.to_string()),
    }
}
