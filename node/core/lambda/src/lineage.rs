//! How many calls of functions lie behind a request: the `Lineage` of the trace that AWS's SDKs pass on from a function's environment in
//! `X-Amzn-Trace-Id` (Lambda Developer Guide, "Use Lambda recursive loop detection to prevent infinite loops").
//!
//! `Lineage=1:NAME:COUNT`, NAME in hexadecimal digits that tell functions apart; where there are several, separated by `|`, the highest
//! counts. Stator counts the calls of a chain, whichever functions they are of.

use sha2::{Digest, Sha256};

/// Bears the trace.
pub const TRACE_HEADER: &str = "x-amzn-trace-id";
const PREFIX: &str = "Lineage=";

/// The calls behind a request with this trace.
pub fn hops(trace: &str) -> u8 {
    let lineages = trace.split(';').filter_map(|part| part.trim().strip_prefix(PREFIX));
    let counts = lineages.flat_map(|lineage| lineage.split('|')).filter_map(|one| one.rsplit(':').next()?.parse().ok());
    counts.map(|count: u64| u8::try_from(count).unwrap_or(u8::MAX)).max().unwrap_or(0)
}

/// The trace for a call of that function with so many calls behind what it does.
pub fn with_hops(trace: &str, function: &str, hops: u8) -> String {
    let name = Sha256::digest(function);
    let mut parts: Vec<&str> = trace.split(';').filter(|part| !part.trim().starts_with(PREFIX)).collect();
    let lineage = format!("{PREFIX}1:{}:{hops}", hex::encode(&name[..4]));
    parts.retain(|part| !part.is_empty());
    parts.push(&lineage);
    parts.join(";")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hops_are_counted_over_calls() {
        assert_eq!(hops("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"), 0);
        let aws = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=3995c3f42cd8ad8;Sampled=1;Lineage=25:a87bd80c:0|68fd508a:5|c512fbe3:2";
        assert_eq!(hops(aws), 5);
        let called = with_hops(aws, "orders", 6);
        assert_eq!(
            called,
            "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=3995c3f42cd8ad8;Sampled=1;Lineage=1:1c168adb:6"
        );
        assert_eq!(hops(&called), 6);
        assert_eq!(hops(&with_hops("", "orders", 255)), 255);
    }

    #[test]
    fn a_trace_may_be_anything() {
        for (trace, expected) in [
            ("", 0),
            (";;", 0),
            ("Lineage=", 0),
            ("Lineage=x:y:z", 0),
            ("Lineage=7", 7),
            (" Lineage=1:a:999", 255),
            ("Lineage=1:a:-1|1:b:2", 2),
        ] {
            assert_eq!(hops(trace), expected, "{trace}");
        }
    }
}
