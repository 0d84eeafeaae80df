//! JSON text as a tree that borrows from it: what bodies are read through.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use std::borrow::Cow;
use std::fmt;

/// A JSON value. Strings without escapes are pieces of the text.
#[derive(Clone, PartialEq, Debug)]
pub enum Json<'a> {
    Null,
    Bool(bool),
    Number(Number),
    String(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Entries<'a>),
}

/// What is in a JSON object. Names ascend; of one that came more than once the last counts.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Entries<'a> {
    entries: Vec<(Cow<'a, str>, Json<'a>)>,
}

impl<'a> Json<'a> {
    /// Reads a whole text. `None`: it is not UTF-8, no JSON, or nests deeper than 127 levels.
    pub fn parse(text: &'a [u8]) -> Option<Json<'a>> {
        // Once for all strings is cheaper than serde_json's check of each.
        serde_json::from_str(std::str::from_utf8(text).ok()?).ok()
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Json::Null)
    }

    pub fn as_str(&self) -> Option<&str> {
        if let Json::String(text) = self { Some(text) } else { None }
    }

    pub fn as_array(&self) -> Option<&[Json<'a>]> {
        if let Json::Array(elements) = self { Some(elements) } else { None }
    }

    pub fn as_object(&self) -> Option<&Entries<'a>> {
        if let Json::Object(object) = self { Some(object) } else { None }
    }
}

impl<'a> Entries<'a> {
    fn new(mut entries: Vec<(Cow<'a, str>, Json<'a>)>) -> Entries<'a> {
        if !entries.is_sorted_by(|(name, _), (next, _)| name < next) {
            // Equal names stay in their order, so the last is now the first and is kept.
            entries.reverse();
            entries.sort_by(|(name, _), (other, _)| name.cmp(other));
            entries.dedup_by(|(name, _), (kept, _)| name == kept);
        }
        Entries { entries }
    }

    /// Sets entries, in place of those of their names.
    pub fn set_all(&mut self, entries: impl IntoIterator<Item = (&'a str, Json<'a>)>) {
        let mut all = std::mem::take(&mut self.entries);
        all.extend(entries.into_iter().map(|(name, json)| (Cow::Borrowed(name), json)));
        *self = Entries::new(all);
    }

    pub fn get(&self, name: &str) -> Option<&Json<'a>> {
        let place = self.entries.binary_search_by(|(other, _)| other.as_ref().cmp(name)).ok()?;
        self.entries.get(place).map(|(_, json)| json)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Json<'a>)> {
        self.entries.iter().map(|(name, json)| (name.as_ref(), json))
    }

    pub fn values(&self) -> impl ExactSizeIterator<Item = &Json<'a>> {
        self.entries.iter().map(|(_, json)| json)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json<'a>, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Entries<'a>, D::Error> {
        match Json::deserialize(deserializer)? {
            Json::Object(entries) => Ok(entries),
            _ => Err(D::Error::custom("no object")),
        }
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json<'de>, E> {
        Ok(Number::from_f64(number).map_or(Json::Null, Json::Number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::String(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::String(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json<'de>, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = access.next_element()? {
            elements.push(element);
        }
        Ok(Json::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json<'de>, A::Error> {
        // Most objects are attribute values, of one member.
        let mut entries = Vec::with_capacity(1);
        while let Some((Name(name), json)) = access.next_entry()? {
            entries.push((name, json));
        }
        Ok(Json::Object(Entries::new(entries)))
    }
}

/// A member's name; `Cow`'s own way of reading would copy it.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name<'a>, D::Error> {
        deserializer.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Owned(text.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn plain(json: &Json<'_>) -> Value {
        match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => Value::Number(number.clone()),
            Json::String(text) => Value::String(text.clone().into_owned()),
            Json::Array(elements) => Value::Array(elements.iter().map(plain).collect()),
            Json::Object(object) => {
                assert!(object.iter().all(|(name, json)| object.get(name) == Some(json)), "{object:?}");
                Value::Object(object.iter().map(|(name, json)| (name.to_owned(), plain(json))).collect())
            }
        }
    }

    /// Takes and refuses what serde_json's own tree does, and means the same.
    #[track_caller]
    fn check(text: &[u8]) {
        let expected = serde_json::from_slice::<Value>(text).ok();
        assert_eq!(Json::parse(text).as_ref().map(plain), expected, "{}", String::from_utf8_lossy(text));
        // Entries ascend as a map's do, so both are written alike.
        let order = |json: &Json<'_>| format!("{:?}", plain(json));
        assert_eq!(Json::parse(text).as_ref().map(order), expected.map(|value| format!("{value:?}")));
    }

    #[test]
    fn odd_texts_are_taken_or_refused_as_serde_json_does() {
        for text in [
            "",
            " ",
            "{}{}",
            "\u{feff}{}",
            r#"{"a":1,"b":2,"a":3}"#,
            r#"{"b":1,"a":2,"\u0061":3,"b":{"a":[]},"":null}"#,
            r#"{"a":1,}"#,
            r#"{1:2}"#,
            r#""\ud800""#,
            r#""\ud83d\ude00\n""#,
            "\"\u{1}\"",
            "1e999",
            "-0",
            "[18446744073709551615,18446744073709551616,-9223372036854775808,1.5,1E3,-1e-400]",
        ] {
            check(text.as_bytes());
        }
        for text in [b"\"\xff\"".as_slice(), b"\xff", b"{\"\xc3\":1}", b"\"\xed\xa0\x80\""] {
            check(text);
        }
        for depth in [126, 127, 128, 129, 100_000] {
            check(format!("{}{}", "[".repeat(depth), "]".repeat(depth)).as_bytes());
            check(format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth)).as_bytes());
        }
    }

    #[test]
    fn clean_strings_are_borrowed() {
        let json = Json::parse(br#"{"name":"text","escaped\n":"\t"}"#);
        let Some(Json::Object(object)) = &json else { panic!("an object") };
        let borrowed = |text: &Cow<'_, str>| matches!(text, Cow::Borrowed(_));
        let found = object.entries.iter().map(|(name, json)| {
            let Json::String(text) = json else { panic!("a string") };
            (borrowed(name), borrowed(text))
        });
        assert_eq!(found.collect::<Vec<_>>(), [(false, false), (true, true)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn any_text_is_read_as_serde_json_reads_it(text in "[\\[\\]{}\":,abu0-9\\\\.eE+ntrulfas \u{e9}-]{0,40}") {
            check(text.as_bytes());
        }

        #[test]
        fn documents_are_read_whole_and_broken(
            value in document(), at: prop::sample::Index, byte: u8, indented: bool,
        ) {
            let mut text = if indented { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
            check(&text);
            let at = at.index(text.len());
            text[at] = byte;
            check(&text);
            text.truncate(at);
            check(&text);
        }
    }

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            crate::arbitrary::text().prop_map(Value::String),
        ];
        leaf.prop_recursive(5, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
                prop::collection::vec((crate::arbitrary::text(), inner), 0..5)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }
}
