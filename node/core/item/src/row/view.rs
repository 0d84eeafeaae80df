//! Looking at encoded items in place: one value at a time, nothing copied.
//!
//! The tree decoder, the JSON writer and the size counter all read through this, so they agree about what is damaged.

use super::RowError;
use crate::number::Number;

/// First bytes of encoded values. Stored: a tag is never given a second meaning.
pub(crate) mod tag {
    pub const NULL: u8 = 0;
    pub const FALSE: u8 = 1;
    pub const TRUE: u8 = 2;
    pub const STRING: u8 = 3;
    pub const NUMBER: u8 = 4;
    pub const BINARY: u8 = 5;
    pub const LIST: u8 = 6;
    pub const MAP: u8 = 7;
    pub const STRING_SET: u8 = 8;
    pub const NUMBER_SET: u8 = 9;
    pub const BINARY_SET: u8 = 10;
}

/// An encoded value. What is inside a list, map or set is not yet looked at.
pub(crate) enum View<'a> {
    Null,
    Bool(bool),
    String(&'a str),
    Number(Number),
    Binary(&'a [u8]),
    List(Elements<'a>),
    Map(Attributes<'a>),
    StringSet(Elements<'a>),
    NumberSet(Elements<'a>),
    BinarySet(Elements<'a>),
}

const SHORT: RowError = RowError::Damaged("it ends early");

/// Bytes not yet read.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn over(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    fn byte(&mut self) -> Result<u8, RowError> {
        let (&byte, rest) = self.rest.split_first().ok_or(SHORT)?;
        self.rest = rest;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<usize, RowError> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(usize::from(first));
        }
        let (mut value, mut shift) = (u64::from(first & 0x7f), 7);
        loop {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            match byte {
                0 => return Err(RowError::Damaged("a length is not in its shortest form")),
                1..0x80 => return Ok(value as usize),
                _ => shift += 7,
            }
            // No row has four gigabytes.
            if shift > 28 {
                return Err(RowError::Damaged("a length is out of range"));
            }
        }
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], RowError> {
        let length = self.varint()?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(SHORT)?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, RowError> {
        simdutf8::basic::from_utf8(self.bytes()?).map_err(|_| RowError::Damaged("a string is not UTF-8"))
    }

    pub(crate) fn number(&mut self) -> Result<Number, RowError> {
        Number::decode_compact(&mut self.rest).ok_or(RowError::Damaged("a number is not in normal form"))
    }

    pub(crate) fn value(&mut self) -> Result<View<'a>, RowError> {
        Ok(match self.byte()? {
            tag::NULL => View::Null,
            tag::FALSE => View::Bool(false),
            tag::TRUE => View::Bool(true),
            tag::STRING => View::String(self.text()?),
            tag::NUMBER => View::Number(self.number()?),
            tag::BINARY => View::Binary(self.bytes()?),
            tag::LIST => View::List(Elements::of(self.bytes()?)?),
            tag::MAP => View::Map(Attributes::of(self.bytes()?)?),
            tag::STRING_SET => View::StringSet(Elements::of(self.bytes()?)?),
            tag::NUMBER_SET => View::NumberSet(Elements::of(self.bytes()?)?),
            tag::BINARY_SET => View::BinarySet(Elements::of(self.bytes()?)?),
            _ => return Err(RowError::Damaged("a value is of no known type")),
        })
    }

    /// Goes behind a value without looking into it.
    fn skip_value(&mut self) -> Result<(), RowError> {
        match self.byte()? {
            tag::NULL | tag::FALSE | tag::TRUE => Ok(()),
            tag::NUMBER => self.number().map(|_| ()),
            _ => self.bytes().map(|_| ()),
        }
    }
}

/// Elements of a list or set, counted beforehand.
pub(crate) struct Elements<'a> {
    reader: Reader<'a>,
    left: usize,
}

impl<'a> Elements<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Result<Elements<'a>, RowError> {
        let mut reader = Reader { rest: bytes };
        let left = reader.varint()?;
        // Each element has at least one byte, so a count cannot make anybody set aside more than the input's length.
        if left > reader.rest.len() {
            return Err(SHORT);
        }
        Ok(Elements { reader, left })
    }

    pub(crate) fn left(&self) -> usize {
        self.left
    }

    /// The reader standing before the next element; `None` behind the last, where the bytes must end as well.
    pub(crate) fn next(&mut self) -> Result<Option<&mut Reader<'a>>, RowError> {
        if self.left > 0 {
            self.left -= 1;
            return Ok(Some(&mut self.reader));
        }
        if self.reader.rest.is_empty() { Ok(None) } else { Err(RowError::Damaged("it goes on after its last element")) }
    }

    /// Calls `each` for all elements of a set, read by `read`; they must ascend.
    pub(crate) fn for_each_of_set<T: PartialOrd + Copy>(
        mut self,
        read: impl Fn(&mut Reader<'a>) -> Result<T, RowError>,
        mut each: impl FnMut(T),
    ) -> Result<(), RowError> {
        let mut last = None;
        while let Some(reader) = self.next()? {
            let element = read(reader)?;
            if last.is_some_and(|last| last >= element) {
                return Err(RowError::Damaged("a set is not in order"));
            }
            last = Some(element);
            each(element);
        }
        Ok(())
    }
}

/// Attributes of an item or map: names ascend.
pub(crate) struct Attributes<'a> {
    elements: Elements<'a>,
    last: Option<&'a str>,
}

impl<'a> Attributes<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Result<Attributes<'a>, RowError> {
        Ok(Attributes { elements: Elements::of(bytes)?, last: None })
    }

    pub(crate) fn left(&self) -> usize {
        self.elements.left()
    }

    pub(crate) fn next(&mut self) -> Result<Option<(&'a str, View<'a>)>, RowError> {
        let Some(reader) = self.elements.next()? else { return Ok(None) };
        let name = reader.text()?;
        let value = reader.value()?;
        if self.last.is_some_and(|last| last >= name) {
            return Err(RowError::Damaged("attributes are not in order"));
        }
        self.last = Some(name);
        Ok(Some((name, value)))
    }

    /// The value of this attribute. Reads no further than where its name would stand.
    pub(crate) fn find(mut self, name: &str) -> Result<Option<View<'a>>, RowError> {
        while let Some(reader) = self.elements.next()? {
            match reader.bytes()?.cmp(name.as_bytes()) {
                std::cmp::Ordering::Less => reader.skip_value()?,
                std::cmp::Ordering::Equal => return reader.value().map(Some),
                std::cmp::Ordering::Greater => return Ok(None),
            }
        }
        Ok(None)
    }
}
