//! The way in for fuzzers: bytes as if they stood in the log.

use super::{
    frame::{FRAME_HEADER_BYTES, SegmentHeader, proves_durable, seal},
    record,
    recover::{Recovered, replay_segment},
};
use std::path::Path;

/// Reads bytes as a segment, as the tail of one, as the records of a good frame (a fuzzer does not find out checksums), and
/// as an entry read alone.
pub fn read_segment(bytes: &[u8]) {
    if let Ok(header) = SegmentHeader::decode(bytes, "a file") {
        replay(header, bytes);
    }
    proves_durable(bytes, 0, 1);
    record::verify_entry(bytes);

    let header = SegmentHeader { number: 1, salt: 0, first_batch: 1 };
    let mut frame = vec![0; FRAME_HEADER_BYTES];
    frame.extend_from_slice(bytes);
    seal(&mut frame, header.salt, header.first_batch, 0);
    replay(header, &[&header.encode()[..], &frame].concat());
}

fn replay(header: SegmentHeader, segment: &[u8]) {
    let mut recovered = Recovered { next_batch: header.first_batch, ..Recovered::default() };
    if replay_segment(&mut recovered, header, segment, Path::new("a file")).is_err() {
        return;
    }
    drop(recovered.index.check_complete());
    for replica in recovered.index.replicas() {
        drop(recovered.index.state(replica));
    }
}
