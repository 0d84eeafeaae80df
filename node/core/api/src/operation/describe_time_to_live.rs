//! DescribeTimeToLive: items do not expire yet, and the reply says so.

use super::{TableReference, model};
use crate::error_table::ApiError;
use crate::reader::{self, Structure};
use crate::render::{self, Object};

static INPUT: Structure = Structure { name: "DescribeTimeToLiveInput", members: &[model::TABLE_NAME] };

/// A checked DescribeTimeToLive.
#[derive(Clone, PartialEq, Debug)]
pub struct DescribeTimeToLive {
    pub table: TableReference,
}

impl DescribeTimeToLive {
    pub fn parse(body: &[u8]) -> Result<DescribeTimeToLive, ApiError> {
        let request = reader::read(body, &INPUT)?;
        Ok(DescribeTimeToLive { table: TableReference::read(request.members())? })
    }

    pub fn render(&self, out: &mut Vec<u8>) {
        let mut body = Object::begin(out);
        let mut description = Object::begin(body.member("TimeToLiveDescription"));
        render::string("DISABLED", description.member("TimeToLiveStatus"));
        description.end();
        body.end();
    }
}
