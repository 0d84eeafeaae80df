//! The second check of a body: the model's constraints, all violations told at once, then members that are not here yet.

use super::shape::{Member, Names, Shape, Structure, Support};
use super::types::whole;
use crate::error_table::ApiError;
use serde_json::Number;
use stator_item::json::{Entries, Json};
use std::fmt::{self, Write as _};

const NAME_CHARACTERS_MIN: usize = 3;
const NAME_CHARACTERS_MAX: usize = 255;
const NAME_PATTERN: &str = "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+";
const ARN_CHARACTERS_MAX: usize = 1024;
/// Most violations that are told at once.
const VIOLATIONS_MAX: usize = 10;
/// A value is shown up to about so many bytes.
const SHOWN_BYTES_MAX: usize = 1024;

pub(super) fn check(root: &Entries<'_>, input: &'static Structure) -> Result<(), ApiError> {
    let mut violations = Violations::default();
    violations.structure(root, input, &Place::ROOT);
    violations.told()
}

/// Where in the body a value is. Shown only for violations.
#[derive(Clone, Copy)]
struct Place<'a> {
    outer: Option<&'a Place<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Member(&'a str),
    /// Of a list; the first is 1.
    Element(usize),
    /// Of a map.
    Entry(&'a str),
}

impl<'a> Place<'a> {
    const ROOT: Place<'static> = Place { outer: None, step: Step::Root };

    fn inside(&'a self, step: Step<'a>) -> Place<'a> {
        Place { outer: Some(self), step }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(outer) = self.outer {
            outer.fmt(f)?;
            if !matches!(outer.step, Step::Root) {
                f.write_str(".")?;
            }
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Member(name) => f.write_str(&lower_camel(name)),
            Step::Element(number) => write!(f, "{number}.member"),
            Step::Entry(key) => write!(f, "{key}.member"),
        }
    }
}

#[derive(Default)]
struct Violations {
    texts: Vec<String>,
    /// The first member of the model that is not served yet.
    not_yet: Option<&'static str>,
}

impl Violations {
    fn told(self) -> Result<(), ApiError> {
        match (self.texts.len(), self.not_yet) {
            (0, None) => Ok(()),
            (0, Some(name)) => Err(ApiError::Validation(format!("The parameter {name} is not supported yet"))),
            (count, _) => {
                let errors = if count == 1 { "error" } else { "errors" };
                let texts = self.texts.join("; ");
                Err(ApiError::Validation(format!("{count} validation {errors} detected: {texts}")))
            }
        }
    }

    fn structure(&mut self, object: &Entries<'_>, structure: &'static Structure, place: &Place<'_>) {
        for Member { name, shape, support } in structure.members {
            match object.get(name).filter(|json| !json.is_null()) {
                Some(_) if *support == Support::NotYet => {
                    self.not_yet.get_or_insert(name);
                }
                Some(json) => self.value(json, shape, &place.inside(Step::Member(name))),
                None if *support == Support::Required => {
                    self.tell("null", &place.inside(Step::Member(name)), "Member must not be null");
                }
                None => {}
            }
        }
    }

    fn value(&mut self, json: &Json<'_>, shape: &'static Shape, place: &Place<'_>) {
        match (shape, json) {
            (Shape::String(names), Json::String(text)) => {
                for constraint in string_constraints(text, names) {
                    self.tell(&quoted(json), place, &constraint);
                }
            }
            (Shape::Integer { min, max } | Shape::Long { min, max }, Json::Number(number)) => {
                self.number(number, (*min, *max), place);
            }
            (Shape::List { of, min, max }, Json::Array(elements)) => {
                self.count(json, elements.len(), (*min, *max), place);
                for (element, number) in elements.iter().zip(1..) {
                    self.inner(element, of, &place.inside(Step::Element(number)));
                }
            }
            (Shape::Map { keys, of, min, max }, Json::Object(entries)) => {
                self.count(json, entries.len(), (*min, *max), place);
                for (key, value) in entries.iter() {
                    self.map_key(json, key, keys, place);
                    self.map_value(json, (key, value), of, place);
                }
            }
            (Shape::Structure(structure), Json::Object(object)) => self.structure(object, structure, place),
            _ => {}
        }
    }

    /// An element of a list or a value of a map: not null, as members of structures may be.
    fn inner(&mut self, json: &Json<'_>, shape: &'static Shape, place: &Place<'_>) {
        if json.is_null() {
            return self.tell("null", place, "Member must not be null");
        }
        self.value(json, shape, place);
    }

    fn map_key(&mut self, map: &Json<'_>, key: &str, keys: &'static Shape, place: &Place<'_>) {
        let Shape::String(names) = keys else { return };
        if !string_constraints(key, names).is_empty() {
            let constraint = format!("Map keys must satisfy constraint: [{}]", all_constraints(names));
            self.tell(&quoted(map), place, &constraint);
        }
    }

    fn map_value(&mut self, map: &Json<'_>, (key, value): (&str, &Json<'_>), of: &'static Shape, place: &Place<'_>) {
        if let (Shape::List { min, max, .. }, Json::Array(elements)) = (of, value)
            && !(*min..=*max).contains(&elements.len())
        {
            let constraint = format!(
                "Map value must satisfy constraint: [Member must have length less than or equal to {max}, \
                 Member must have length greater than or equal to {min}]"
            );
            return self.tell(&quoted(map), place, &constraint);
        }
        self.inner(value, of, &place.inside(Step::Entry(key)));
    }

    fn number(&mut self, number: &Number, (min, max): (Option<i64>, Option<i64>), place: &Place<'_>) {
        let Some(number) = whole(number) else { return };
        let shown = format!("'{number}'");
        if let Some(min) = min.filter(|min| number < *min) {
            self.tell(&shown, place, &format!("Member must have value greater than or equal to {min}"));
        }
        if let Some(max) = max.filter(|max| number > *max) {
            self.tell(&shown, place, &format!("Member must have value less than or equal to {max}"));
        }
    }

    fn count(&mut self, json: &Json<'_>, count: usize, (min, max): (usize, usize), place: &Place<'_>) {
        if count < min {
            self.tell(&quoted(json), place, &format!("Member must have length greater than or equal to {min}"));
        }
        if count > max {
            self.tell(&quoted(json), place, &format!("Member must have length less than or equal to {max}"));
        }
    }

    fn tell(&mut self, shown: &str, place: &Place<'_>, constraint: &str) {
        if self.texts.len() < VIOLATIONS_MAX {
            self.texts.push(format!("Value {shown} at '{place}' failed to satisfy constraint: {constraint}"));
        }
    }
}

fn string_constraints(text: &str, names: &Names) -> Vec<String> {
    match names {
        Names::Any => Vec::new(),
        Names::Length(min, max) => length_constraints(text, *min, *max),
        Names::TableNameOrArn if text.starts_with("arn:") => length_constraints(text, 1, ARN_CHARACTERS_MAX),
        Names::Name | Names::TableNameOrArn => {
            let mut broken = Vec::new();
            if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')) {
                broken.push(NAME_PATTERN.to_owned());
            }
            broken.extend(length_constraints(text, NAME_CHARACTERS_MIN, NAME_CHARACTERS_MAX));
            broken
        }
        Names::Pattern { shown, matches, min, max } => {
            let mut broken = Vec::new();
            if !matches(text) {
                broken.push(format!("Member must satisfy regular expression pattern: {shown}"));
            }
            broken.extend(length_constraints(text, *min, *max));
            broken
        }
        Names::Enum(allowed) if allowed.contains(&text) => Vec::new(),
        Names::Enum(allowed) => vec![format!("Member must satisfy enum value set: [{}]", allowed.join(", "))],
    }
}

/// All constraints of a map's keys, as they are told when a key breaks any of them.
fn all_constraints(names: &Names) -> String {
    let length = |min: usize, max: usize| match min {
        0 => format!("Member must have length less than or equal to {max}"),
        min => format!(
            "Member must have length less than or equal to {max}, Member must have length greater than or equal to {min}"
        ),
    };
    match names {
        Names::Any => String::new(),
        Names::Length(min, max) => length(*min, *max),
        Names::Name | Names::TableNameOrArn => {
            format!("{}, {NAME_PATTERN}", length(NAME_CHARACTERS_MIN, NAME_CHARACTERS_MAX))
        }
        Names::Enum(allowed) => format!("Member must satisfy enum value set: [{}]", allowed.join(", ")),
        // A pattern alone stands without bounds of length.
        Names::Pattern { shown, max: usize::MAX, .. } => {
            format!("Member must satisfy regular expression pattern: {shown}")
        }
        Names::Pattern { shown, min, max, .. } => {
            format!("{}, Member must satisfy regular expression pattern: {shown}", length(*min, *max))
        }
    }
}

fn length_constraints(text: &str, min: usize, max: usize) -> Vec<String> {
    let mut broken = Vec::new();
    // Java counts UTF-16 units: no more than there are bytes, and no less than a third of them.
    if text.len() <= max && text.len() / 3 >= min {
        return broken;
    }
    let length = text.encode_utf16().count();
    if length < min {
        broken.push(format!("Member must have length greater than or equal to {min}"));
    }
    if length > max {
        broken.push(format!("Member must have length less than or equal to {max}"));
    }
    broken
}

/// `TableName` as a path shows it: `tableName`.
fn lower_camel(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(characters).collect()
}

/// A value as Java shows it, in quotes.
fn quoted(json: &Json<'_>) -> String {
    let mut shown = String::from("'");
    push_shown(json, &mut shown);
    shown.push('\'');
    shown
}

fn push_shown(json: &Json<'_>, out: &mut String) {
    if out.len() > SHOWN_BYTES_MAX {
        return;
    }
    match json {
        Json::String(text) => push_cut(text, out),
        Json::Array(elements) => {
            out.push('[');
            for (place, element) in elements.iter().enumerate() {
                out.push_str(if place == 0 { "" } else { ", " });
                push_shown(element, out);
            }
            out.push(']');
        }
        Json::Object(entries) => {
            out.push('{');
            for (place, (key, value)) in entries.iter().enumerate() {
                out.push_str(if place == 0 { "" } else { ", " });
                push_cut(key, out);
                out.push('=');
                push_shown(value, out);
            }
            out.push('}');
        }
        Json::Number(number) => write!(out, "{number}").expect("writing to memory does not fail"),
        Json::Bool(true) => out.push_str("true"),
        Json::Bool(false) => out.push_str("false"),
        Json::Null => out.push_str("null"),
    }
}

fn push_cut(text: &str, out: &mut String) {
    out.extend(text.chars().take(SHOWN_BYTES_MAX.saturating_sub(out.len())));
}
