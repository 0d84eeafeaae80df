//! DescribeEndpoints.

use crate::error_table::ApiError;
use crate::reader::{self, Structure};
use crate::render::{self, List, Object};

static INPUT: Structure = Structure { name: "DescribeEndpointsRequest", members: &[] };

/// DynamoDB's own figure: a day.
const CACHE_MINUTES: u64 = 1_440;

/// A checked DescribeEndpoints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DescribeEndpoints;

impl DescribeEndpoints {
    pub fn parse(body: &[u8]) -> Result<DescribeEndpoints, ApiError> {
        reader::read(body, &INPUT).map(|_| DescribeEndpoints)
    }

    /// `address` is where the client reached us: its `Host`.
    pub fn render(&self, address: &str, out: &mut Vec<u8>) {
        let mut body = Object::begin(out);
        let mut list = List::begin(body.member("Endpoints"));
        let mut endpoint = Object::begin(list.element());
        render::string(address, endpoint.member("Address"));
        render::integer(CACHE_MINUTES, endpoint.member("CachePeriodInMinutes"));
        endpoint.end();
        list.end();
        body.end();
    }
}
