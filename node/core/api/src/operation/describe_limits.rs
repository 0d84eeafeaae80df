//! DescribeLimits.

use crate::error_table::ApiError;
use crate::reader::{self, Structure};
use crate::render::{self, Object};
use stator_catalog::TABLE_UNITS_MAX;

static INPUT: Structure = Structure { name: "DescribeLimitsInput", members: &[] };

/// DynamoDB's default quota of an account; here nothing counts against it.
const ACCOUNT_UNITS_MAX: u64 = 80_000;

/// A checked DescribeLimits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DescribeLimits;

impl DescribeLimits {
    pub fn parse(body: &[u8]) -> Result<DescribeLimits, ApiError> {
        reader::read(body, &INPUT).map(|_| DescribeLimits)
    }

    pub fn render(&self, out: &mut Vec<u8>) {
        let mut body = Object::begin(out);
        render::integer(ACCOUNT_UNITS_MAX, body.member("AccountMaxReadCapacityUnits"));
        render::integer(ACCOUNT_UNITS_MAX, body.member("AccountMaxWriteCapacityUnits"));
        render::integer(TABLE_UNITS_MAX, body.member("TableMaxReadCapacityUnits"));
        render::integer(TABLE_UNITS_MAX, body.member("TableMaxWriteCapacityUnits"));
        body.end();
    }
}
