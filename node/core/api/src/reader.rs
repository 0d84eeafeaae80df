//! Request bodies against the service's model: JSON, then the type of every member, then the model's constraints, each in
//! DynamoDB's words and all of it before anything is understood.
//!
//! An operation describes its input as a `static` [`Structure`]; [`read`] checks a body against it, and [`Members`] then
//! hands out what is known to be there.

mod constraints;
pub mod shape;
mod types;

pub use shape::{Member, Names, Shape, Structure, Support};

use crate::error_table::ApiError;
use stator_item::json::{Entries, Json};

/// A body that has the shape of its operation's input.
#[derive(Clone, PartialEq, Debug)]
pub struct Request<'b> {
    root: Entries<'b>,
}

/// Reads and checks a body. Members unknown to the model are ignored; a repeated member counts as it came last; members that
/// are null count as absent. An empty body is no JSON.
pub fn read<'b>(body: &'b [u8], input: &'static Structure) -> Result<Request<'b>, ApiError> {
    let json = Json::parse(body).ok_or(ApiError::Serialization(None))?;
    types::check_structure(&json, input)?;
    let Json::Object(root) = json else {
        return Err(ApiError::Serialization(None));
    };
    constraints::check(&root, input)?;
    Ok(Request { root })
}

/// As [`read`], of a service whose requests also have members in their path, query and headers: those count as members of
/// the body, whatever it says under their names. An empty body is an empty structure.
pub fn read_located<'b>(
    located: Vec<(&'b str, Json<'b>)>,
    body: &'b [u8],
    input: &'static Structure,
) -> Result<Request<'b>, ApiError> {
    let mut root = match body {
        [] => Entries::default(),
        body => match Json::parse(body) {
            Some(Json::Object(root)) => root,
            _ => return Err(ApiError::Serialization(None)),
        },
    };
    root.set_all(located);
    let json = Json::Object(root);
    types::check_structure(&json, input)?;
    let Json::Object(root) = json else {
        return Err(ApiError::Serialization(None));
    };
    constraints::check(&root, input)?;
    Ok(Request { root })
}

impl Request<'_> {
    pub fn members(&self) -> Members<'_> {
        Members(&self.root)
    }
}

/// Members of one checked structure. What has another type than its shape says cannot be here, and reads as absent.
#[derive(Clone, Copy, Debug)]
pub struct Members<'a>(&'a Entries<'a>);

impl<'a> Members<'a> {
    /// Members of a structure inside a list or map.
    pub fn of(json: &'a Json<'a>) -> Option<Members<'a>> {
        json.as_object().map(Members)
    }

    fn get(self, name: &str) -> Option<&'a Json<'a>> {
        self.0.get(name).filter(|json| !json.is_null())
    }

    pub fn has(self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A member that is an attribute value.
    pub fn json(self, name: &str) -> Option<&'a Json<'a>> {
        self.get(name)
    }

    pub fn text(self, name: &str) -> Option<&'a str> {
        self.get(name)?.as_str()
    }

    /// An integer; a fraction was cut off, as DynamoDB does.
    pub fn integer(self, name: &str) -> Option<i64> {
        if let Json::Number(number) = self.get(name)? { types::whole(number) } else { None }
    }

    /// An integer that is not negative; one that is reads as absent.
    pub fn unsigned(self, name: &str) -> Option<u64> {
        self.integer(name).and_then(|number| u64::try_from(number).ok())
    }

    /// A timestamp as milliseconds since 1970; one that is before reads as 0.
    pub fn milliseconds(self, name: &str) -> Option<u64> {
        let Json::Number(number) = self.get(name)? else { return None };
        // A float holds milliseconds of the next 200,000 years exactly; `as` stops at both ends.
        number.as_f64().map(|seconds| (seconds * 1_000.0).round() as u64)
    }

    /// A number that may have a fraction.
    pub fn number(self, name: &str) -> Option<f64> {
        if let Json::Number(number) = self.get(name)? { number.as_f64() } else { None }
    }

    pub fn flag(self, name: &str) -> Option<bool> {
        if let Json::Bool(flag) = self.get(name)? { Some(*flag) } else { None }
    }

    pub fn structure(self, name: &str) -> Option<Members<'a>> {
        Members::of(self.get(name)?)
    }

    pub fn list(self, name: &str) -> Option<&'a [Json<'a>]> {
        self.get(name)?.as_array()
    }

    pub fn map(self, name: &str) -> Option<&'a Entries<'a>> {
        self.get(name)?.as_object()
    }
}
