//! What other nodes send.

use prost::Message;
use stator_proto::{join::JoinRequest, link::Batch};

/// A message of the link between two nodes: the frames, and in them what replicas of one group tell each other.
pub fn frame(input: &[u8]) {
    stator_consensus::fuzz::read_message(input);
    if let Ok(batch) = Batch::decode(input) {
        assert_eq!(Batch::decode(&batch.encode_to_vec()[..]), Ok(batch.clone()), "a batch changes when it is written");
        batch.frames.iter().for_each(|frame| stator_consensus::fuzz::read_message(&frame.body));
    }
    if let Ok(request) = JoinRequest::decode(input) {
        assert_eq!(JoinRequest::decode(&request.encode_to_vec()[..]), Ok(request.clone()));
    }
}
