//! What a segment file is made of: a header, then frames, one for each batch, each at a multiple of eight bytes.
//!
//! All checksums are CRC32C, begun with the log's salt, a random number: bytes that somebody else wrote (an item that
//! holds a copy of some log, say) never pass for a frame of this log.

use stator_environment::DiskError;

/// The format that this program writes, and the newest that it reads.
pub(crate) const FORMAT_VERSION: u8 = 1;
pub(crate) const SEGMENT_HEADER_BYTES: usize = 64;
pub(crate) const FRAME_HEADER_BYTES: usize = 32;
const SEGMENT_MAGIC: &[u8; 8] = b"STATORLG";
const FRAME_MAGIC: u32 = 0x5374_6652;
const ALIGNMENT: usize = 8;

const _: () = assert!(SEGMENT_HEADER_BYTES.is_multiple_of(ALIGNMENT), "frames begin at multiples of eight");
const _: () = assert!(FRAME_HEADER_BYTES.is_multiple_of(ALIGNMENT), "frames begin at multiples of eight");

/// The first bytes of a segment file. Their place and checksum are the same in every format version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SegmentHeader {
    pub number: u32,
    /// Random, the same in all segments of a log.
    pub salt: u32,
    /// The batch that the first frame holds. All before it were durable when this segment was begun.
    pub first_batch: u64,
}

impl SegmentHeader {
    pub fn encode(self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[0..8].copy_from_slice(SEGMENT_MAGIC);
        bytes[8] = FORMAT_VERSION;
        bytes[12..16].copy_from_slice(&self.salt.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.first_batch.to_le_bytes());
        let checksum = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    pub fn decode(bytes: &[u8], file: &str) -> Result<SegmentHeader, DiskError> {
        let damaged = |what: &str| DiskError::Damaged(format!("{what} of log segment {file}"));
        let header = bytes.get(..SEGMENT_HEADER_BYTES).ok_or_else(|| damaged("the end is missing in the header"))?;
        if &header[0..8] != SEGMENT_MAGIC || u32_at(header, 60) != crc32c::crc32c(&header[..60]) {
            return Err(damaged("the checksum does not fit the header"));
        }
        if header[8] > FORMAT_VERSION {
            let reason = format!(
                "log segment {file} has format {}, this program reads up to {FORMAT_VERSION}: start a newer one",
                header[8]
            );
            return Err(DiskError::Failed { action: "open the Raft log", reason });
        }
        Ok(SegmentHeader { number: u32_at(header, 16), salt: u32_at(header, 12), first_batch: u64_at(header, 24) })
    }
}

/// What stands before a batch's records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FrameHeader {
    pub batch: u64,
    /// Every batch up to this one was durable before this one was written. So a bad frame of a batch at or below it is
    /// damage and not an unfinished write.
    pub synced: u64,
    pub body_bytes: u32,
    body_checksum: u32,
}

impl FrameHeader {
    pub fn decode(bytes: &[u8], salt: u32) -> Option<FrameHeader> {
        let header = bytes.get(..FRAME_HEADER_BYTES)?;
        if u32_at(header, 0) != FRAME_MAGIC || u32_at(header, 28) != crc32c::crc32c_append(salt, &header[..28]) {
            return None;
        }
        Some(FrameHeader {
            body_bytes: u32_at(header, 4),
            batch: u64_at(header, 8),
            synced: u64_at(header, 16),
            body_checksum: u32_at(header, 24),
        })
    }

    /// The records behind the header, if all of them are there and as they were written.
    pub fn body<'a>(&self, bytes: &'a [u8], salt: u32) -> Option<&'a [u8]> {
        let body = bytes.get(FRAME_HEADER_BYTES..)?.get(..self.body_bytes as usize)?;
        (crc32c::crc32c_append(salt, body) == self.body_checksum).then_some(body)
    }

    /// With the header, and what is left free for the next frame's place.
    pub fn frame_bytes(&self) -> usize {
        (FRAME_HEADER_BYTES + self.body_bytes as usize).next_multiple_of(ALIGNMENT)
    }
}

/// Makes a frame of `buffer`, which holds room for the header and then the records, and fills it up to its full length.
pub(crate) fn seal(buffer: &mut Vec<u8>, salt: u32, batch: u64, synced: u64) {
    let body = &buffer[FRAME_HEADER_BYTES..];
    let body_bytes = u32::try_from(body.len()).expect("a batch is limited far below 4 GB");
    let body_checksum = crc32c::crc32c_append(salt, body);
    let header = &mut buffer[..FRAME_HEADER_BYTES];
    header[0..4].copy_from_slice(&FRAME_MAGIC.to_le_bytes());
    header[4..8].copy_from_slice(&body_bytes.to_le_bytes());
    header[8..16].copy_from_slice(&batch.to_le_bytes());
    header[16..24].copy_from_slice(&synced.to_le_bytes());
    header[24..28].copy_from_slice(&body_checksum.to_le_bytes());
    let checksum = crc32c::crc32c_append(salt, &header[..28]);
    header[28..32].copy_from_slice(&checksum.to_le_bytes());
    buffer.resize(buffer.len().next_multiple_of(ALIGNMENT), 0);
}

/// Whether `bytes`, which begin at a multiple of eight, hold the header of a frame that was written when `batch` was
/// durable.
pub(crate) fn proves_durable(bytes: &[u8], salt: u32, batch: u64) -> bool {
    let mut rest = bytes;
    while rest.len() >= FRAME_HEADER_BYTES {
        if FrameHeader::decode(rest, salt).is_some_and(|header| header.synced >= batch) {
            return true;
        }
        rest = &rest[ALIGNMENT..];
    }
    false
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes were sliced"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes were sliced"))
}
