//! Events: GetLogEvents of one stream, FilterLogEvents of many.

use crate::{
    Event,
    cursor::{Cursor, Direction, Place, PlaceToken, StreamToken},
    error_table::LogsError,
    names::{self, GROUP_IDENTIFIER, GROUP_NAME, MOMENT, NEXT_TOKEN, STREAM},
    pattern::FilterPattern,
};
use serde_json::{Value, json};
use stator_api::reader::{self, Member, Members, Names, Shape, Structure};

/// Most events of a reply.
const EVENTS_MAX: usize = 10_000;
/// Most bytes of their messages (AWS: 1 MB).
const BYTES_MAX: usize = 1 << 20;
/// What each event counts beside its message, as AWS counts it.
const EVENT_BYTES: usize = 26;

static LIMIT: Shape = Shape::Integer { min: Some(1), max: Some(10_000) };

static GET: Structure = Structure {
    name: "GetLogEventsRequest",
    members: &[
        GROUP_NAME,
        GROUP_IDENTIFIER,
        Member::required("logStreamName", &STREAM),
        Member::optional("startTime", &MOMENT),
        Member::optional("endTime", &MOMENT),
        NEXT_TOKEN,
        Member::optional("limit", &LIMIT),
        Member::optional("startFromHead", &Shape::Boolean),
        Member::optional("unmask", &Shape::Boolean),
    ],
};

static FILTER: Structure = Structure {
    name: "FilterLogEventsRequest",
    members: &[
        GROUP_NAME,
        GROUP_IDENTIFIER,
        Member::optional("logStreamNames", &Shape::List { of: &STREAM, min: 1, max: 100 }),
        Member::optional("logStreamNamePrefix", &STREAM),
        Member::optional("startTime", &MOMENT),
        Member::optional("endTime", &MOMENT),
        Member::optional("filterPattern", &Shape::String(Names::Length(0, 1_024))),
        NEXT_TOKEN,
        Member::optional("limit", &LIMIT),
        Member::optional("startFromHead", &Shape::Boolean),
        Member::optional("interleaved", &Shape::Boolean),
        Member::optional("unmask", &Shape::Boolean),
    ],
};

/// A checked GetLogEvents. `unmask` has no effect, as nothing is masked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetLogEvents {
    pub group: String,
    pub stream: String,
    pub direction: Direction,
    /// Where reading begins, by the token; `None`: at the beginning or the end.
    pub token: Option<StreamToken>,
    /// The first moment that is asked for.
    start_ms: u64,
    /// The first that is not.
    end_ms: Option<u64>,
    limit: usize,
}

impl GetLogEvents {
    pub fn parse(body: &[u8]) -> Result<GetLogEvents, LogsError> {
        let request = reader::read(body, &GET)?;
        let members = request.members();
        let token = members.text("nextToken").map(StreamToken::read).transpose()?;
        let direction = match (token, members.flag("startFromHead")) {
            (Some(token), _) => token.direction,
            (None, Some(true)) => Direction::Forward,
            (None, _) => Direction::Backward,
        };
        Ok(GetLogEvents {
            group: names::group(members)?,
            stream: members.text("logStreamName").unwrap_or_default().to_owned(),
            direction,
            token,
            start_ms: members.unsigned("startTime").unwrap_or_default(),
            end_ms: members.unsigned("endTime"),
            limit: limit(members),
        })
    }

    /// An empty page between the bounds that the request has; `kept_since_ms`: what was before is not shown any more.
    pub fn page(&self, kept_since_ms: u64) -> StreamPage {
        let from = Cursor::at(self.start_ms.max(kept_since_ms));
        let to = self.end_ms.map(Cursor::at);
        let (from, to) = match self.token {
            None => (from, to),
            Some(StreamToken { direction: Direction::Forward, cursor }) => (from.max(cursor), to),
            Some(StreamToken { direction: Direction::Backward, cursor }) => {
                (from, Some(to.map_or(cursor, |to| to.min(cursor))))
            }
        };
        StreamPage { from, to, direction: self.direction, room: Room::new(self.limit), events: Vec::new() }
    }

    /// Tokens stay the same where nothing is left in their direction.
    pub fn reply(&self, page: StreamPage) -> Value {
        let StreamPage { from, mut events, direction, .. } = page;
        if direction == Direction::Backward {
            events.reverse();
        }
        let nowhere = self.token.map_or(from, |token| token.cursor);
        let backward = events.first().map_or(nowhere, |event| event.at);
        let forward = events.last().map_or(nowhere, |event| event.at.next());
        let shown: Vec<Value> = events
            .iter()
            .map(|event| {
                json!({ "timestamp": event.at.at_ms, "message": event.message, "ingestionTime": event.ingested_ms })
            })
            .collect();
        let token = |direction, cursor| StreamToken { direction, cursor }.text();
        json!({
            "events": shown,
            "nextForwardToken": token(Direction::Forward, forward),
            "nextBackwardToken": token(Direction::Backward, backward),
        })
    }
}

/// What GetLogEvents has gathered of a stream, and from where to where it reads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamPage {
    /// The first place that is read.
    pub from: Cursor,
    /// Behind the last one; `None`: up to the end.
    pub to: Option<Cursor>,
    pub direction: Direction,
    room: Room,
    /// In the order in which they were read.
    events: Vec<Event>,
}

impl StreamPage {
    /// Takes an event, the next one in the direction; `false`: there is no room, or it is beyond the bounds, and so is what follows.
    pub fn take(&mut self, event: Event) -> bool {
        let (is_before, is_behind) = (event.at < self.from, self.to.is_some_and(|to| event.at >= to));
        match self.direction {
            Direction::Forward if is_before => return true,
            Direction::Backward if is_behind => return true,
            _ if is_before || is_behind => return false,
            _ => {}
        }
        if !self.room.takes(&event.message) {
            return false;
        }
        self.events.push(event);
        true
    }
}

/// A checked FilterLogEvents. `interleaved` and `startFromHead` have no effect: events are always told in the order of their times,
/// from the first one on; nor has `unmask`, as nothing is masked.
#[derive(Clone, PartialEq, Debug)]
pub struct FilterLogEvents {
    pub group: String,
    /// The streams that are asked for; `None`: all.
    pub names: Option<Vec<String>>,
    pub prefix: Option<String>,
    start_ms: u64,
    /// The last moment that is asked for.
    end_ms: Option<u64>,
    pattern: FilterPattern,
    from: Place,
    limit: usize,
}

impl FilterLogEvents {
    pub fn parse(body: &[u8]) -> Result<FilterLogEvents, LogsError> {
        let request = reader::read(body, &FILTER)?;
        let members = request.members();
        let own = |json: &stator_item::json::Json<'_>| json.as_str().map(str::to_owned);
        let names: Option<Vec<String>> =
            members.list("logStreamNames").map(|names| names.iter().filter_map(own).collect());
        let prefix = members.text("logStreamNamePrefix").map(str::to_owned);
        if names.is_some() && prefix.is_some() {
            return Err(LogsError::invalid(
                "logStreamNamePrefix and logStreamNames are mutually exclusive parameters.",
            ));
        }
        let (start_ms, end_ms) = (members.unsigned("startTime").unwrap_or_default(), members.unsigned("endTime"));
        if end_ms.is_some_and(|end_ms| end_ms < start_ms) {
            return Err(LogsError::invalid("End time should not be less than start time"));
        }
        let from = members.text("nextToken").map(PlaceToken::read).transpose()?;
        Ok(FilterLogEvents {
            group: names::group(members)?,
            names,
            prefix,
            start_ms,
            end_ms,
            pattern: FilterPattern::parse(members.text("filterPattern").unwrap_or_default())?,
            from: from.map(|token| token.0).unwrap_or_default(),
            limit: limit(members),
        })
    }

    /// The same as no request's body: of all streams of a group.
    pub fn of_group(
        group: &str,
        pattern: &str,
        start_ms: u64,
        token: Option<&str>,
    ) -> Result<FilterLogEvents, LogsError> {
        let from = token.map(PlaceToken::read).transpose()?;
        Ok(FilterLogEvents {
            group: group.to_owned(),
            names: None,
            prefix: None,
            start_ms,
            end_ms: None,
            pattern: FilterPattern::parse(pattern)?,
            from: from.map(|token| token.0).unwrap_or_default(),
            limit: EVENTS_MAX,
        })
    }

    /// Whether a stream is asked for.
    pub fn takes_stream(&self, name: &str) -> bool {
        self.names.as_ref().is_none_or(|names| names.iter().any(|asked| asked == name))
            && self.prefix.as_ref().is_none_or(|prefix| name.starts_with(prefix))
    }

    /// Where the search begins. `kept_since_ms`: what was before is not shown any more.
    pub fn begin(&self, kept_since_ms: u64) -> Searched<'_> {
        let start = Place { at_ms: self.start_ms.max(kept_since_ms), ..Place::default() };
        Searched { input: self, place: self.from.clone().max(start), room: Room::new(self.limit), events: Vec::new() }
    }
}

/// What a search has found so far, and how far it has come.
#[derive(Clone, Debug)]
pub struct Searched<'i> {
    input: &'i FilterLogEvents,
    /// All in front of it was looked at.
    place: Place,
    room: Room,
    events: Vec<(String, String, Event)>,
}

impl Searched<'_> {
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The last moment that is asked for.
    pub fn end_ms(&self) -> u64 {
        self.input.end_ms.unwrap_or(u64::MAX)
    }

    /// Looks at the next event of all streams; `false`: there is no room for it.
    pub fn look(&mut self, stream: &str, stream_id: &str, event: Event) -> bool {
        let at = Place { at_ms: event.at.at_ms, stream: stream.to_owned(), number: event.at.number };
        debug_assert!(at >= self.place, "events are looked at in their order");
        if self.input.pattern.matches(&event.message) {
            if !self.room.takes(&event.message) {
                self.place = at;
                return false;
            }
            let id = event.at.event_id(stream_id);
            self.events.push((stream.to_owned(), id, event));
        }
        self.place = Place { number: at.number + 1, ..at };
        true
    }

    /// What was found; each with its stream and its id. `is_done`: there is nothing more to look at.
    pub fn reply(&self, is_done: bool) -> Value {
        let shown: Vec<Value> = self
            .events
            .iter()
            .map(|(stream, id, event)| {
                json!({
                    "logStreamName": stream,
                    "timestamp": event.at.at_ms,
                    "message": event.message,
                    "ingestionTime": event.ingested_ms,
                    "eventId": id,
                })
            })
            .collect();
        let mut body = json!({ "events": shown, "searchedLogStreams": [] });
        if let Some(token) = self.next_token(is_done) {
            body["nextToken"] = token.into();
        }
        body
    }

    /// The token with which the search goes on.
    pub fn next_token(&self, is_done: bool) -> Option<String> {
        (!is_done).then(|| PlaceToken(self.place.clone()).text())
    }

    /// Streams, ids and events that were found.
    pub fn into_events(self) -> Vec<(String, String, Event)> {
        self.events
    }
}

fn limit(members: Members<'_>) -> usize {
    members.unsigned("limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(EVENTS_MAX).min(EVENTS_MAX)
}

/// How much more a reply takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Room {
    events: usize,
    bytes: usize,
}

impl Room {
    fn new(events: usize) -> Room {
        Room { events, bytes: BYTES_MAX }
    }

    fn takes(&mut self, message: &str) -> bool {
        let bytes = message.len() + EVENT_BYTES;
        // No event is longer than a reply may be.
        if self.events == 0 || bytes > self.bytes {
            return false;
        }
        self.events -= 1;
        self.bytes -= bytes;
        true
    }
}
