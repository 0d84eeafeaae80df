//! What the commands print on the standard output.

use stator_proto::admin::Node;
use std::io::{self, Write};
use time::{
    OffsetDateTime,
    format_description::{BorrowedFormatItem, well_known::Rfc3339},
    macros::format_description,
};

const MOMENT: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// One line. Nobody is left to be told of an output that was closed.
pub fn line(text: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

/// Columns as wide as their widest cell, two spaces apart.
pub fn table(heads: &[&str], rows: Vec<Vec<String>>) {
    let widths: Vec<usize> = heads
        .iter()
        .enumerate()
        .map(|(column, head)| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).chain([head.len()]).max().unwrap_or(0)
        })
        .collect();
    let show = |cells: Vec<&str>| {
        let padded: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}", width = *width)).collect();
        line(padded.join("  ").trim_end());
    };
    show(heads.to_vec());
    for row in &rows {
        show(row.iter().map(String::as_str).collect());
    }
}

pub fn nodes(nodes: &[Node]) {
    let rows = nodes.iter().map(|node| {
        vec![
            node.id.to_string(),
            if node.alive { "up" } else { "DOWN" }.to_owned(),
            node.client_address.clone(),
            node.address.clone(),
            if node.zone.is_empty() { "-".to_owned() } else { node.zone.clone() },
            node.version.clone(),
            node.replicas.to_string(),
            node.leaders.to_string(),
        ]
    });
    table(&["NODE", "STATE", "CLIENTS", "PEERS", "ZONE", "VERSION", "REPLICAS", "LEADERS"], rows.collect());
}

/// A new access key: its secret is kept nowhere where it could be read again.
pub fn key_pair(what: &str, id: &str, secret: &str) {
    line(&format!("{what}, shown only now:"));
    line(&format!("  AWS_ACCESS_KEY_ID={id}"));
    line(&format!("  AWS_SECRET_ACCESS_KEY={secret}"));
}

/// Milliseconds since 1970 as a moment of UTC.
pub fn moment(ms: u64) -> String {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).ok();
    moment.and_then(|moment| moment.format(MOMENT).ok()).unwrap_or_else(|| "unknown".to_owned())
}

/// Milliseconds since 1970 as a date of UTC, to the second.
pub fn date(ms: u64) -> String {
    let date = i64::try_from(ms / 1_000).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    date.and_then(|date| date.format(&Rfc3339).ok()).unwrap_or_else(|| "unknown".to_owned())
}
