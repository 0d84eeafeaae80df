//! ListTables.

use crate::error_table::ApiError;
use crate::reader::{self, Member, Shape, Structure};
use crate::render::{self, List, Object};
use stator_catalog::Catalog;

const LIMIT_MAX: usize = 100;

static INPUT: Structure = Structure {
    name: "ListTablesInput",
    members: &[
        Member::optional("ExclusiveStartTableName", &Shape::NAME),
        Member::optional("Limit", &Shape::Integer { min: Some(1), max: Some(LIMIT_MAX as i64) }),
    ],
};

/// A checked ListTables.
#[derive(Clone, PartialEq, Debug)]
pub struct ListTables {
    after: Option<String>,
    limit: usize,
}

impl ListTables {
    pub fn parse(body: &[u8]) -> Result<ListTables, ApiError> {
        let request = reader::read(body, &INPUT)?;
        let members = request.members();
        let limit = members.integer("Limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(LIMIT_MAX);
        Ok(ListTables { after: members.text("ExclusiveStartTableName").map(str::to_owned), limit })
    }

    /// Names in order, whatever the tables' status.
    pub fn render(&self, catalog: &Catalog, out: &mut Vec<u8>) {
        let mut names: Vec<&str> = catalog.table_names(self.after.as_deref()).take(self.limit + 1).collect();
        let more = names.len() > self.limit;
        names.truncate(self.limit);
        let mut body = Object::begin(out);
        let mut list = List::begin(body.member("TableNames"));
        for name in &names {
            render::string(name, list.element());
        }
        list.end();
        if let Some(last) = names.last().filter(|_| more) {
            render::string(last, body.member("LastEvaluatedTableName"));
        }
        body.end();
    }
}
