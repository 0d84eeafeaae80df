//! Log streams: DescribeLogStreams and DeleteLogStream.

use super::groups::{PAGE, group_arn, limit};
use crate::{
    Stream,
    error_table::LogsError,
    names::{self, GROUP_IDENTIFIER, GROUP_NAME, GROUP_NAME_REQUIRED, NEXT_TOKEN, STREAM},
};
use serde_json::{Value, json};
use stator_api::{
    arn::Owner,
    reader::{self, Member, Names, Shape, Structure},
};

/// Most streams of a group that are put in the order of their last events, or searched without a prefix.
pub const STREAMS_MAX: usize = 50_000;

static ORDER: Shape = Shape::String(Names::Enum(&["LogStreamName", "LastEventTime"]));

static DESCRIBE: Structure = Structure {
    name: "DescribeLogStreamsRequest",
    members: &[
        GROUP_NAME,
        GROUP_IDENTIFIER,
        Member::optional("logStreamNamePrefix", &STREAM),
        Member::optional("orderBy", &ORDER),
        Member::optional("descending", &Shape::Boolean),
        NEXT_TOKEN,
        Member::optional("limit", &PAGE),
    ],
};

static DELETE: Structure = Structure {
    name: "DeleteLogStreamRequest",
    members: &[GROUP_NAME_REQUIRED, Member::required("logStreamName", &STREAM)],
};

/// A checked DescribeLogStreams.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescribeLogStreams {
    pub group: String,
    pub prefix: Option<String>,
    by_last_event: bool,
    descending: bool,
    /// Time, if they are ordered by it, and name of the last that was shown.
    after: Option<(u64, String)>,
    limit: usize,
}

impl DescribeLogStreams {
    pub fn parse(body: &[u8]) -> Result<DescribeLogStreams, LogsError> {
        let request = reader::read(body, &DESCRIBE)?;
        let members = request.members();
        let prefix = members.text("logStreamNamePrefix").map(str::to_owned);
        let by_last_event = members.text("orderBy") == Some("LastEventTime");
        if by_last_event && prefix.is_some() {
            return Err(LogsError::invalid("Cannot order by LastEventTime with a logStreamNamePrefix."));
        }
        let after = members.text("nextToken").map(read_token).transpose()?;
        Ok(DescribeLogStreams {
            group: names::group(members)?,
            prefix,
            by_last_event,
            descending: members.flag("descending").unwrap_or_default(),
            after,
            limit: limit(members.unsigned("limit")),
        })
    }

    fn order(&self, stream: &Stream) -> (u64, String) {
        (if self.by_last_event { stream.last_ms } else { 0 }, stream.name.clone())
    }

    /// `streams`: all with the prefix.
    pub fn reply(&self, streams: Vec<Stream>, owner: &Owner) -> Value {
        let mut ordered: Vec<((u64, String), Stream)> = streams
            .into_iter()
            .map(|stream| (self.order(&stream), stream))
            .filter(|(order, _)| {
                self.after.as_ref().is_none_or(|after| if self.descending { order < after } else { order > after })
            })
            .collect();
        ordered.sort_by(|(one, _), (other, _)| if self.descending { other.cmp(one) } else { one.cmp(other) });
        let more = ordered.len() > self.limit;
        ordered.truncate(self.limit);
        let shown: Vec<Value> = ordered.iter().map(|(_, stream)| shown(stream, &self.group, owner)).collect();
        let mut body = json!({ "logStreams": shown });
        if let (true, Some(((at_ms, name), _))) = (more, ordered.last()) {
            body["nextToken"] = format!("{at_ms}/{name}").into();
        }
        body
    }
}

fn read_token(text: &str) -> Result<(u64, String), LogsError> {
    let read = || {
        let (at_ms, name) = text.split_once('/')?;
        Some((at_ms.parse().ok()?, name.to_owned()))
    };
    read().ok_or_else(LogsError::bad_token)
}

fn shown(stream: &Stream, group: &str, owner: &Owner) -> Value {
    json!({
        "logStreamName": stream.name,
        "creationTime": stream.created_ms,
        "firstEventTimestamp": stream.first_ms,
        "lastEventTimestamp": stream.last_ms,
        "lastIngestionTime": stream.ingested_ms,
        "arn": format!("{}:log-stream:{}", group_arn(group, owner), stream.name),
        // "always reported as zero" (AWS API reference, LogStream).
        "storedBytes": 0,
    })
}

/// A checked DeleteLogStream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeleteLogStream {
    pub group: String,
    pub stream: String,
}

impl DeleteLogStream {
    pub fn parse(body: &[u8]) -> Result<DeleteLogStream, LogsError> {
        let request = reader::read(body, &DELETE)?;
        let own = |name: &str| request.members().text(name).unwrap_or_default().to_owned();
        Ok(DeleteLogStream { group: own("logGroupName"), stream: own("logStreamName") })
    }
}
