//! Measurements, their medians over the rounds, and how the peers compare: as a table and as JSON.

use super::{cell::Cell, peer::SUBJECT, tally::Tally};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::{collections::BTreeMap, fmt::Write, time::Duration};

/// One cell at one peer, once.
#[derive(Clone, Debug, Serialize)]
pub struct Measurement {
    pub round: u64,
    pub cell: Cell,
    pub peer: String,
    pub operations: u64,
    pub failed: u64,
    /// By kind.
    pub errors: BTreeMap<String, u64>,
    pub error_example: Option<String>,
    /// In an open loop: operations that were due and that no connection was free for.
    pub not_begun: u64,
    #[serde(flatten)]
    pub figures: Figures,
}

/// What medians are made of.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct Figures {
    pub operations_per_second: f64,
    pub latency_us_p50: f64,
    pub latency_us_p90: f64,
    pub latency_us_p99: f64,
    pub latency_us_p999: f64,
    pub latency_us_max: f64,
    /// The longest time in which no operation succeeded.
    pub gap_ms_max: f64,
    /// Of the processes named by `--pids`.
    pub server_cpu_us_per_operation: Option<f64>,
    pub generator_cpu_us_per_operation: f64,
}

/// CPU time used while a cell was measured.
#[derive(Clone, Copy, Debug)]
pub struct CpuUsed {
    pub server_us: Option<u64>,
    pub generator_us: u64,
}

impl Measurement {
    pub fn new(round: u64, cell: Cell, peer: &str, tally: Tally, not_begun: u64, figures: Figures) -> Measurement {
        Measurement {
            round,
            cell,
            peer: peer.to_owned(),
            operations: tally.latency_us.len(),
            failed: tally.errors.values().sum(),
            errors: tally.errors,
            error_example: tally.error_example,
            not_begun,
            figures,
        }
    }
}

impl Figures {
    pub fn new(latency_us: &Histogram<u64>, duration: Duration, gap_max: Duration, cpu: CpuUsed) -> Figures {
        let operations = latency_us.len();
        let at = |quantile| latency_us.value_at_quantile(quantile) as f64;
        let per_operation = |us: u64| us as f64 / operations.max(1) as f64;
        Figures {
            operations_per_second: operations as f64 / duration.as_secs_f64(),
            latency_us_p50: at(0.5),
            latency_us_p90: at(0.9),
            latency_us_p99: at(0.99),
            latency_us_p999: at(0.999),
            latency_us_max: latency_us.max() as f64,
            gap_ms_max: gap_max.as_secs_f64() * 1_000.0,
            server_cpu_us_per_operation: cpu.server_us.map(per_operation),
            generator_cpu_us_per_operation: per_operation(cpu.generator_us),
        }
    }

    /// The median of each figure by itself.
    fn medians(all: &[Figures]) -> Figures {
        let of = |figure: fn(&Figures) -> f64| median(all.iter().map(figure).collect()).unwrap_or_default();
        Figures {
            operations_per_second: of(|figures| figures.operations_per_second),
            latency_us_p50: of(|figures| figures.latency_us_p50),
            latency_us_p90: of(|figures| figures.latency_us_p90),
            latency_us_p99: of(|figures| figures.latency_us_p99),
            latency_us_p999: of(|figures| figures.latency_us_p999),
            latency_us_max: of(|figures| figures.latency_us_max),
            gap_ms_max: of(|figures| figures.gap_ms_max),
            server_cpu_us_per_operation: median(
                all.iter().filter_map(|figures| figures.server_cpu_us_per_operation).collect(),
            ),
            generator_cpu_us_per_operation: of(|figures| figures.generator_cpu_us_per_operation),
        }
    }
}

/// The middle one, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some((low + high) / 2.0)
}

/// One cell at one peer, over all rounds.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    pub cell: Cell,
    pub peer: String,
    pub rounds: usize,
    pub failed: u64,
    pub medians: Figures,
    /// How this compares with Stator; `None` for Stator itself.
    pub ratios: Option<Ratios>,
}

/// Stator's median divided by the peer's.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Ratios {
    pub operations_per_second: f64,
    pub latency_p50: f64,
    pub latency_p99: f64,
    pub server_cpu: Option<f64>,
}

impl Ratios {
    fn new(subject: &Figures, peer: &Figures) -> Ratios {
        Ratios {
            operations_per_second: subject.operations_per_second / peer.operations_per_second,
            latency_p50: subject.latency_us_p50 / peer.latency_us_p50,
            latency_p99: subject.latency_us_p99 / peer.latency_us_p99,
            server_cpu: subject
                .server_cpu_us_per_operation
                .zip(peer.server_cpu_us_per_operation)
                .map(|(subject, peer)| subject / peer),
        }
    }
}

/// Everything a run found out.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub connections: u64,
    pub items: u64,
    pub item_bytes: usize,
    pub duration_s: f64,
    pub warmup_s: f64,
    /// `None`: a closed loop.
    pub rate: Option<u64>,
    pub summary: Vec<Summary>,
    pub measurements: Vec<Measurement>,
}

/// Medians by cell and peer, in the order in which they were first measured.
pub fn summarise(measurements: &[Measurement]) -> Vec<Summary> {
    let mut summaries: Vec<Summary> = Vec::new();
    for measurement in measurements {
        let (cell, peer) = (measurement.cell, &measurement.peer);
        if summaries.iter().any(|summary| summary.cell == cell && summary.peer == *peer) {
            continue;
        }
        let of = |peer: &str| -> Vec<&Measurement> {
            measurements.iter().filter(|other| other.cell == cell && other.peer == peer).collect()
        };
        let medians = |peer: &str| {
            let figures: Vec<Figures> = of(peer).iter().map(|measurement| measurement.figures).collect();
            Figures::medians(&figures)
        };
        let own = medians(peer);
        summaries.push(Summary {
            cell,
            peer: peer.clone(),
            rounds: of(peer).len(),
            failed: of(peer).iter().map(|measurement| measurement.failed).sum(),
            medians: own,
            ratios: (peer != SUBJECT).then(|| Ratios::new(&medians(SUBJECT), &own)),
        });
    }
    summaries.sort_by_key(|summary| summary.cell);
    summaries
}

/// A table that is Markdown as well.
pub fn table(summaries: &[Summary]) -> String {
    let mut rows = vec![
        [
            "cell",
            "peer",
            "ops/s",
            "p50 ms",
            "p90 ms",
            "p99 ms",
            "p99.9 ms",
            "max ms",
            "gap ms",
            "errors",
            "CPU µs/op",
            "gen µs/op",
        ]
        .map(String::from),
    ];
    let ms = |us: f64| format!("{:.2}", us / 1_000.0);
    let cpu = |us: Option<f64>| us.map_or("-".into(), |us| format!("{us:.1}"));
    for Summary { cell, peer, failed, medians, .. } in summaries {
        rows.push([
            cell.name().into(),
            peer.clone(),
            format!("{:.0}", medians.operations_per_second),
            ms(medians.latency_us_p50),
            ms(medians.latency_us_p90),
            ms(medians.latency_us_p99),
            ms(medians.latency_us_p999),
            ms(medians.latency_us_max),
            format!("{:.0}", medians.gap_ms_max),
            failed.to_string(),
            cpu(medians.server_cpu_us_per_operation),
            format!("{:.1}", medians.generator_cpu_us_per_operation),
        ]);
    }
    let mut text = aligned(&rows);
    let ratio = |ratio: f64| if ratio.is_finite() { format!("{ratio:.2}") } else { "-".into() };
    let mut rows = vec![["cell", "stator : peer", "ops/s", "p50", "p99", "CPU/op"].map(String::from)];
    for Summary { cell, peer, ratios, .. } in summaries {
        if let Some(ratios) = ratios {
            rows.push([
                cell.name().into(),
                peer.clone(),
                ratio(ratios.operations_per_second),
                ratio(ratios.latency_p50),
                ratio(ratios.latency_p99),
                ratios.server_cpu.map_or("-".into(), ratio),
            ]);
        }
    }
    if rows.len() > 1 {
        text.push('\n');
        text.push_str(&aligned(&rows));
    }
    text
}

/// The first row is the heading. The first two columns stand to the left, figures to the right.
fn aligned<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let mut widths = [0; COLUMNS];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let padded = if column < 2 { format!("| {cell:<width$} ") } else { format!("| {cell:>width$} ") };
            text.push_str(&padded);
        }
        text.push_str("|\n");
        if number == 0 {
            for (column, width) in widths.iter().enumerate() {
                let (dashes, end) = ("-".repeat(width + 1), if column < 2 { "-" } else { ":" });
                write!(text, "|{dashes}{end}").expect("a String takes everything");
            }
            text.push_str("|\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_in_the_middle() {
        for (values, expected) in [
            (vec![], None),
            (vec![3.0], Some(3.0)),
            (vec![4.0, 1.0], Some(2.5)),
            (vec![9.0, 1.0, 2.0, 100.0, 3.0], Some(3.0)),
        ] {
            assert_eq!(median(values), expected);
        }
    }

    fn measured(round: u64, peer: &str, per_second: f64, p99: f64, cpu: Option<f64>) -> Measurement {
        let figures = Figures {
            operations_per_second: per_second,
            latency_us_p50: 500.0,
            latency_us_p99: p99,
            server_cpu_us_per_operation: cpu,
            ..Figures::default()
        };
        Measurement::new(round, Cell::Put, peer, Tally::new(), 0, figures)
    }

    #[test]
    fn peers_are_compared_by_their_medians() {
        let measurements = [
            measured(0, SUBJECT, 10_000.0, 900.0, Some(100.0)),
            measured(0, "etcd", 5_000.0, 1_000.0, Some(200.0)),
            measured(1, "etcd", 4_000.0, 3_000.0, None),
            measured(1, SUBJECT, 12_000.0, 1_000.0, Some(120.0)),
            measured(2, SUBJECT, 1.0, 9_000.0, Some(900.0)),
            measured(2, "etcd", 90_000.0, 2_000.0, Some(300.0)),
        ];
        let summaries = summarise(&measurements);
        let [subject, etcd] = &summaries[..] else { panic!("{summaries:?}") };
        assert_eq!((subject.peer.as_str(), subject.rounds, subject.ratios), (SUBJECT, 3, None));
        let expected =
            Ratios { operations_per_second: 2.0, latency_p50: 1.0, latency_p99: 0.5, server_cpu: Some(120.0 / 250.0) };
        assert_eq!(etcd.ratios, Some(expected));
        let text = table(&summaries);
        assert!(text.contains("| put  | stator | 10000 |"), "{text}");
        assert!(text.contains("| put  | etcd          |  2.00 | 1.00 | 0.50 |   0.48 |"), "{text}");
    }

    #[test]
    fn nothing_measured_is_no_error() {
        let cpu = CpuUsed { server_us: None, generator_us: 0 };
        let figures = Figures::new(&Tally::new().latency_us, Duration::from_secs(1), Duration::from_secs(1), cpu);
        assert_eq!((figures.operations_per_second, figures.gap_ms_max), (0.0, 1_000.0));
        assert_eq!(table(&[]).lines().count(), 2);
    }
}
