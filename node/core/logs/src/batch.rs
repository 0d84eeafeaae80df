//! Events of one stream in one item: a format's version, then each event's time, length and text.

/// Version of the format.
const FORMAT: u8 = 1;
/// Bytes of an event beside its text.
pub const BATCH_OVERHEAD: usize = 12;

/// Bytes that are no batch.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BatchError {
    /// Written by a newer version of the program.
    #[error("events have format {0}, which this version cannot read")]
    UnknownFormat(u8),
    #[error("events are damaged")]
    Damaged,
}

/// Events, each with its time in milliseconds since 1970, as bytes.
pub fn encode_batch<'e>(events: impl IntoIterator<Item = (u64, &'e str)>) -> Vec<u8> {
    let mut bytes = vec![FORMAT];
    for (at_ms, message) in events {
        // Lines have at most 256 KB.
        debug_assert!(u32::try_from(message.len()).is_ok(), "an event is no longer than an item may be");
        bytes.extend_from_slice(&at_ms.to_be_bytes());
        bytes.extend_from_slice(&(message.len() as u32).to_be_bytes());
        bytes.extend_from_slice(message.as_bytes());
    }
    bytes
}

pub fn decode_batch(bytes: &[u8]) -> Result<Vec<(u64, String)>, BatchError> {
    let (format, mut rest) = bytes.split_first().ok_or(BatchError::Damaged)?;
    if *format != FORMAT {
        return Err(BatchError::UnknownFormat(*format));
    }
    let mut events = Vec::new();
    while !rest.is_empty() {
        let (at_ms, behind) = rest.split_first_chunk::<8>().ok_or(BatchError::Damaged)?;
        let (length, behind) = behind.split_first_chunk::<4>().ok_or(BatchError::Damaged)?;
        let length = u32::from_be_bytes(*length) as usize;
        let (text, behind) = behind.split_at_checked(length).ok_or(BatchError::Damaged)?;
        let text = std::str::from_utf8(text).map_err(|_| BatchError::Damaged)?;
        events.push((u64::from_be_bytes(*at_ms), text.to_owned()));
        rest = behind;
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_batch_is_read_as_it_was_written(events in prop::collection::vec((any::<u64>(), ".{0,40}"), 0..20)) {
            let bytes = encode_batch(events.iter().map(|(at_ms, text)| (*at_ms, text.as_str())));
            let bytes_of = |(_, text): &(u64, String)| text.len() + BATCH_OVERHEAD;
            prop_assert_eq!(bytes.len(), 1 + events.iter().map(bytes_of).sum::<usize>());
            prop_assert_eq!(decode_batch(&bytes), Ok(events));
        }

        #[test]
        fn what_is_cut_is_damaged(text in ".{1,40}", cut in 1_usize..13) {
            let bytes = encode_batch([(7, text.as_str())]);
            prop_assert_eq!(decode_batch(&bytes[..bytes.len() - cut.min(text.len())]), Err(BatchError::Damaged));
        }
    }

    #[test]
    fn another_format_is_told_by_its_number() {
        assert_eq!(decode_batch(&[2, 0]), Err(BatchError::UnknownFormat(2)));
        assert_eq!(decode_batch(&[]), Err(BatchError::Damaged));
    }
}
