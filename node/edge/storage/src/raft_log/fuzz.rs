//! The way in for fuzzers: bytes as if they stood in the log.

use super::{
    frame::{FrameHeader, SEGMENT_HEADER_BYTES, SegmentHeader, proves_durable},
    record,
};

/// Reads bytes as a segment's beginning, as the tail of one, as the records of a frame (whose checksum a fuzzer would not
/// find out), and as an entry read alone.
pub fn read_segment(bytes: &[u8]) {
    if let Ok(header) = SegmentHeader::decode(bytes, "a file")
        && let Some(rest) = bytes.get(SEGMENT_HEADER_BYTES..)
        && let Some(frame) = FrameHeader::decode(rest, header.salt)
    {
        frame.body(rest, header.salt);
    }
    proves_durable(bytes, 0, 1);
    record::verify_entry(bytes);
    drop(record::decode(bytes, |_, _| {}));
}
