//! Places among events, and the tokens that clients get for them. A place is between two events: in front of the one that it names,
//! whether or not that one is there.

use crate::error_table::LogsError;

/// A place in a stream. Events of a stream have rising times and numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Cursor {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// Tells events of one moment apart.
    pub number: u64,
}

/// Beyond all times that anybody stores, and few enough digits for all keys of batches.
const AT_MS_MAX: u64 = 999_999_999_999_999;
const NUMBER_MAX: u64 = 999_999_999_999;

impl Cursor {
    /// In front of all events of a moment.
    pub fn at(at_ms: u64) -> Cursor {
        Cursor { at_ms: at_ms.min(AT_MS_MAX), number: 0 }
    }

    /// Behind the event that this names.
    pub fn next(self) -> Cursor {
        Cursor { number: (self.number + 1).min(NUMBER_MAX), ..self }
    }

    /// As text that sorts as cursors do.
    pub fn key(self) -> String {
        format!("{:015}/{:012}", self.at_ms.min(AT_MS_MAX), self.number.min(NUMBER_MAX))
    }

    /// Of a text that [`key`](Cursor::key) made.
    pub fn from_key(text: &str) -> Option<Cursor> {
        let (at_ms, number) = text.split_once('/')?;
        Some(Cursor { at_ms: digits(at_ms, 15)?, number: digits(number, 12)? })
    }

    /// The id of an event: a number of 56 digits, which no other event of any stream has.
    pub fn event_id(self, stream_id: &str) -> String {
        let stream = u64::from_str_radix(stream_id, 16).unwrap_or_default();
        format!("{:020}{stream:020}{:016}", self.at_ms, self.number)
    }
}

fn digits(text: &str, count: usize) -> Option<u64> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Where reading goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    Forward,
    Backward,
}

/// `nextForwardToken` and `nextBackwardToken` of GetLogEvents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamToken {
    pub direction: Direction,
    pub cursor: Cursor,
}

impl StreamToken {
    pub fn text(self) -> String {
        let letter = match self.direction {
            Direction::Forward => 'f',
            Direction::Backward => 'b',
        };
        format!("{letter}/{}", self.cursor.key())
    }

    pub fn read(text: &str) -> Result<StreamToken, LogsError> {
        let read = || {
            let (letter, key) = text.split_once('/')?;
            let direction = match letter {
                "f" => Direction::Forward,
                "b" => Direction::Backward,
                _ => return None,
            };
            Some(StreamToken { direction, cursor: Cursor::from_key(key)? })
        };
        read().ok_or_else(LogsError::bad_token)
    }
}

/// A place among the events of all streams of a group, which are told by their times, then by their streams' names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Place {
    pub at_ms: u64,
    pub stream: String,
    pub number: u64,
}

impl Place {
    /// Where reading of a stream begins so that nothing in front of this place is read.
    pub fn in_stream(&self, stream: &str) -> Cursor {
        match stream.cmp(&self.stream) {
            std::cmp::Ordering::Less => Cursor::at(self.at_ms.saturating_add(1)),
            std::cmp::Ordering::Equal => Cursor { at_ms: self.at_ms, number: self.number },
            std::cmp::Ordering::Greater => Cursor::at(self.at_ms),
        }
    }
}

/// `nextToken` of FilterLogEvents.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlaceToken(pub Place);

impl PlaceToken {
    pub fn text(&self) -> String {
        let cursor = Cursor { at_ms: self.0.at_ms, number: self.0.number };
        format!("{}/{}", cursor.key(), self.0.stream)
    }

    pub fn read(text: &str) -> Result<PlaceToken, LogsError> {
        let read = || {
            let (key, stream) = text.split_at_checked(28)?;
            let Cursor { at_ms, number } = Cursor::from_key(key)?;
            Some(PlaceToken(Place { at_ms, number, stream: stream.strip_prefix('/')?.to_owned() }))
        };
        read().ok_or_else(LogsError::bad_token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_sort_as_cursors_and_are_read_again(a in (0..3_u64, 0..3_u64), b in (0..3_u64, 0..3_u64)) {
            let [a, b] = [a, b].map(|(at_ms, number)| Cursor { at_ms, number });
            prop_assert_eq!(a.key().cmp(&b.key()), a.cmp(&b));
            prop_assert_eq!(Cursor::from_key(&a.key()), Some(a));
        }

        #[test]
        fn tokens_are_read_again(at_ms in 0..=AT_MS_MAX, number in 0..=NUMBER_MAX, stream in "[^:*]{0,20}") {
            let place = PlaceToken(Place { at_ms, number, stream });
            prop_assert_eq!(PlaceToken::read(&place.text()), Ok(place));
            for direction in [Direction::Forward, Direction::Backward] {
                let token = StreamToken { direction, cursor: Cursor { at_ms, number } };
                prop_assert_eq!(StreamToken::read(&token.text()), Ok(token));
            }
        }

        /// Whatever stands in front of a place was told already.
        #[test]
        fn a_place_in_a_stream_is_where_it_is_among_all(
            place in (0..3_u64, "[ab]", 0..3_u64),
            event in (0..3_u64, "[ab]", 0..3_u64),
        ) {
            let [place, event] = [place, event].map(|(at_ms, stream, number)| Place { at_ms, stream, number });
            let at = Cursor { at_ms: event.at_ms, number: event.number };
            prop_assert_eq!(at >= place.in_stream(&event.stream), event >= place);
        }
    }

    #[test]
    fn what_was_never_given_out_is_no_token() {
        for text in ["", "f", "f/", "x/000000000000001/000000000001", "f/1/1", "f/00000000000000é/000000000001"] {
            assert!(StreamToken::read(text).is_err(), "{text}");
            assert!(PlaceToken::read(text).is_err(), "{text}");
        }
    }
}
