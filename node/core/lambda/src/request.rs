//! A request as it came over HTTP, and its members, wherever they stood.

use crate::{error_table::LambdaError, route::Routed};
use stator_api::reader::{self, Structure};
use stator_item::json::Json;
use std::borrow::Cow;

/// The parts of a request that an operation reads.
#[derive(Clone, Copy, Debug)]
pub struct HttpRequest<'a> {
    /// Members in the path, by name.
    pub path: &'a [(&'static str, String)],
    /// Unescaped, in the order sent.
    pub query: &'a [(String, String)],
    /// The value of a header that came once, by its lower-case name.
    pub header: &'a dyn Header,
    pub body: &'a [u8],
}

/// Where headers are looked up.
pub trait Header: std::fmt::Debug {
    /// The first value of that name, if it is text. Names are asked for in lower case.
    fn text(&self, name: &str) -> Option<&str>;
}

impl Header for Vec<(String, String)> {
    fn text(&self, name: &str) -> Option<&str> {
        self.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// Members of a request that stand in its query: name there, name in the model, and whether it is a number.
pub(crate) type InQuery = &'static [(&'static str, QueryType)];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum QueryType {
    Text,
    Number,
}

impl<'a> HttpRequest<'a> {
    /// Of what was routed.
    pub fn new(
        routed: &'a Routed,
        query: &'a [(String, String)],
        header: &'a dyn Header,
        body: &'a [u8],
    ) -> HttpRequest<'a> {
        HttpRequest { path: &routed.members, query, header, body }
    }

    /// Reads path, query and body against the operation's input.
    pub(crate) fn read(
        &self,
        in_query: InQuery,
        input: &'static Structure,
    ) -> Result<reader::Request<'a>, LambdaError> {
        self.read_body(in_query, self.body, input)
    }

    /// As [`read`](Self::read), where the body is no JSON.
    pub(crate) fn read_head(
        &self,
        in_query: InQuery,
        input: &'static Structure,
    ) -> Result<reader::Request<'a>, LambdaError> {
        self.read_body(in_query, &[], input)
    }

    fn read_body(
        &self,
        in_query: InQuery,
        body: &'a [u8],
        input: &'static Structure,
    ) -> Result<reader::Request<'a>, LambdaError> {
        let mut located: Vec<(&str, Json<'a>)> = Vec::new();
        for (name, value) in self.path {
            located.push((name, Json::String(Cow::Borrowed(value))));
        }
        for (name, query_type) in in_query {
            let Some(value) = self.query(name) else { continue };
            let json = match query_type {
                QueryType::Text => Json::String(Cow::Borrowed(value)),
                // A number that is none is told by its type.
                QueryType::Number => match value.parse::<i64>() {
                    Ok(number) => Json::Number(number.into()),
                    Err(_) => Json::String(Cow::Borrowed(value)),
                },
            };
            located.push((name, json));
        }
        Ok(reader::read_located(located, body, input)?)
    }

    /// The first parameter of that name.
    pub(crate) fn query(&self, name: &str) -> Option<&'a str> {
        self.query.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}
