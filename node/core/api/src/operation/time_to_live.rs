//! UpdateTimeToLive and DescribeTimeToLive.

use super::{TableReference, model};
use crate::error_table::ApiError;
use crate::reader::{self, Member, Names, Shape, Structure};
use crate::render::{self, Object};
use stator_catalog::{Change, TableDescription, TimeToLiveStatus};

const SPECIFICATION_MEMBERS: &Structure = &Structure {
    name: "TimeToLiveSpecification",
    members: &[
        Member::required("Enabled", &Shape::Boolean),
        Member::required("AttributeName", &Shape::String(Names::Length(1, 255))),
    ],
};

static UPDATE_INPUT: Structure = Structure {
    name: "UpdateTimeToLiveInput",
    members: &[
        model::TABLE_NAME,
        Member::required("TimeToLiveSpecification", &Shape::Structure(SPECIFICATION_MEMBERS)),
    ],
};

static DESCRIBE_INPUT: Structure = Structure { name: "DescribeTimeToLiveInput", members: &[model::TABLE_NAME] };

/// A checked UpdateTimeToLive.
#[derive(Clone, PartialEq, Debug)]
pub struct UpdateTimeToLive {
    pub table: TableReference,
    attribute: String,
    enabled: bool,
}

impl UpdateTimeToLive {
    pub fn parse(body: &[u8]) -> Result<UpdateTimeToLive, ApiError> {
        let request = reader::read(body, &UPDATE_INPUT)?;
        let members = request.members();
        let specification = members.structure("TimeToLiveSpecification");
        Ok(UpdateTimeToLive {
            table: TableReference::read(members)?,
            attribute: specification.and_then(|given| given.text("AttributeName")).unwrap_or_default().to_owned(),
            enabled: specification.and_then(|given| given.flag("Enabled")).unwrap_or_default(),
        })
    }

    /// What the catalog is told.
    pub fn change(&self) -> Change {
        Change::ChangeTimeToLive {
            table: self.table.name.clone(),
            attribute: self.attribute.clone(),
            enabled: self.enabled,
            at_any_time: false,
        }
    }

    /// The specification once more.
    pub fn render(&self, out: &mut Vec<u8>) {
        let mut body = Object::begin(out);
        let mut specification = Object::begin(body.member("TimeToLiveSpecification"));
        render::flag(self.enabled, specification.member("Enabled"));
        render::string(&self.attribute, specification.member("AttributeName"));
        specification.end();
        body.end();
    }
}

/// A checked DescribeTimeToLive.
#[derive(Clone, PartialEq, Debug)]
pub struct DescribeTimeToLive {
    pub table: TableReference,
}

impl DescribeTimeToLive {
    pub fn parse(body: &[u8]) -> Result<DescribeTimeToLive, ApiError> {
        let request = reader::read(body, &DESCRIBE_INPUT)?;
        Ok(DescribeTimeToLive { table: TableReference::read(request.members())? })
    }

    pub fn render(&self, table: &TableDescription, out: &mut Vec<u8>) {
        let mut body = Object::begin(out);
        let mut description = Object::begin(body.member("TimeToLiveDescription"));
        let known = table.time_to_live.as_ref();
        let status = known.map_or(TimeToLiveStatus::Disabled, |known| known.status);
        render::string(status.name(), description.member("TimeToLiveStatus"));
        // What was once enabled is not remembered.
        if let Some(known) = known.filter(|known| known.status != TimeToLiveStatus::Disabled) {
            render::string(&known.attribute, description.member("AttributeName"));
        }
        description.end();
        body.end();
    }
}
