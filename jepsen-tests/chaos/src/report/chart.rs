//! Pictures of a run, as SVG: faults above throughput above latency, by the second; and the operations of a violation.

use super::{escape, history};
use crate::{record::Record, timeline::Second};
use stator_workloads::history::Event;
use std::fmt::Write;

const WIDTH: f64 = 1_000.0;
/// Room for the longest name of a pair of faults.
const LEFT: f64 = 120.0;
const BAND: f64 = 14.0;
const PLOT: f64 = 110.0;
const GAP: f64 = 26.0;
/// More faults than these share their last line.
const BANDS_MAX: usize = 14;
/// Operations that fit into one picture.
const OPERATIONS_MAX: usize = 40;

struct Scale {
    end_us: f64,
}

impl Scale {
    fn x(&self, at_us: u64) -> f64 {
        LEFT + (WIDTH - LEFT - 10.0) * (at_us as f64 / self.end_us).min(1.0)
    }
}

/// The whole run.
pub(super) fn timeline(record: &Record, seconds: &[Second]) -> String {
    let scale = Scale { end_us: (record.duration_us.max(seconds.len() as u64 * 1_000_000)).max(1) as f64 };
    let names = names(record);
    let top = BAND * names.len() as f64 + 20.0;
    let height = top + 2.0 * (PLOT + GAP) + 10.0;
    let mut svg =
        format!("<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"faults, throughput, latency\">\n");
    bands(&mut svg, record, &names, &scale, height);
    changes(&mut svg, record, &scale, top);
    let most = seconds.iter().map(|second| second.succeeded + second.failed + second.unknown).max().unwrap_or(0).max(1);
    bars(&mut svg, seconds, most, &scale, top + PLOT);
    label(&mut svg, top, &format!("{most}/s"));
    label(&mut svg, top + PLOT, "0");
    let slowest = seconds.iter().map(|second| second.p99_us).max().unwrap_or(0).max(1_000);
    let base = top + PLOT + GAP + PLOT;
    for (quantile, style) in [(true, "stroke:var(--doubt)"), (false, "stroke:var(--ink)")] {
        let value = |second: &Second| if quantile { second.p99_us } else { second.p50_us };
        line(&mut svg, seconds, value, (slowest, base, &scale), style);
    }
    label(&mut svg, base - PLOT, &format!("{:.0} ms", slowest as f64 / 1e3));
    label(&mut svg, base, "1 ms");
    times(&mut svg, &scale, base + 14.0);
    svg.push_str(
        "</svg>\n<p class=\"faint\">Above: faults (red from their beginning until they were healed), and changes of \
        leaders (marks). Middle: operations a second: succeeded, <span class=\"invalid\">unknown</span>, \
        <span class=\"unknown\">without effect</span>. Below: latency of those that succeeded, p50 and \
        <span class=\"unknown\">p99</span>, by powers of ten.</p>\n",
    );
    svg
}

/// Marks of time: whole seconds, at most a dozen of them.
fn times(svg: &mut String, scale: &Scale, y: f64) {
    let seconds = (scale.end_us / 1e6) as u64;
    let steps = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_800, 3_600];
    let step = steps.into_iter().find(|step| seconds / step <= 12).unwrap_or(seconds / 12 + 1);
    for at in (0..=seconds).step_by(step as usize) {
        let x = scale.x(at * 1_000_000);
        let _ = write!(svg, "<text x=\"{x:.0}\" y=\"{y:.0}\" text-anchor=\"middle\">{at} s</text>");
    }
    svg.push('\n');
}

/// The lines that faults are drawn on: one for each kind.
fn names(record: &Record) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for fault in &record.faults {
        if !names.contains(&fault.name.as_str()) && names.len() < BANDS_MAX {
            names.push(&fault.name);
        }
    }
    names
}

fn bands(svg: &mut String, record: &Record, names: &[&str], scale: &Scale, height: f64) {
    for (row, name) in names.iter().enumerate() {
        label(svg, BAND * (row as f64 + 0.9), name);
    }
    for fault in &record.faults {
        let row = names.iter().position(|name| *name == fault.name).unwrap_or(names.len().saturating_sub(1));
        let (from, to) = (scale.x(fault.begun_us), scale.x(fault.healed_us));
        let width = (to - from).max(2.0);
        let _ = writeln!(
            svg,
            "<rect x=\"{from:.1}\" y=\"0\" width=\"{width:.1}\" height=\"{height:.0}\" style=\"fill:var(--fault)\" opacity=\"0.08\"/>\
             <rect x=\"{from:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\" style=\"fill:var(--fault)\">\
             <title>{}</title></rect>",
            BAND * row as f64 + 2.0,
            BAND - 4.0,
            escape(&fault.description)
        );
    }
}

fn changes(svg: &mut String, record: &Record, scale: &Scale, top: f64) {
    for seen in record.observations.iter().filter(|seen| !seen.leader_changes.is_empty()) {
        let x = scale.x(seen.at_us);
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1} {:.1} l4 -7 h-8 z\" style=\"fill:var(--ink)\"><title>{}</title></path>",
            top - 4.0,
            escape(&seen.leader_changes.join("\n"))
        );
    }
}

fn bars(svg: &mut String, seconds: &[Second], most: u64, scale: &Scale, base: f64) {
    for (number, second) in seconds.iter().enumerate() {
        let (from, to) = (scale.x(number as u64 * 1_000_000), scale.x((number as u64 + 1) * 1_000_000));
        let mut y = base;
        let parts = [(second.succeeded, "--good"), (second.unknown, "--bad"), (second.failed, "--doubt")];
        for (count, color) in parts.into_iter().filter(|(count, _)| *count > 0) {
            let height = PLOT * count as f64 / most as f64;
            y -= height;
            let width = (to - from - 0.5).max(0.5);
            let _ = write!(
                svg,
                "<rect x=\"{from:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" style=\"fill:var({color})\"/>"
            );
        }
    }
    svg.push('\n');
}

/// By the logarithm, from a millisecond on. A second without any success breaks the line.
fn line(
    svg: &mut String,
    seconds: &[Second],
    value: impl Fn(&Second) -> u64,
    (most, base, scale): (u64, f64, &Scale),
    style: &str,
) {
    let decades = (most as f64 / 1e3).log10().max(1.0);
    let mut path = String::new();
    let mut is_drawn = false;
    for (number, second) in seconds.iter().enumerate() {
        if second.succeeded == 0 {
            is_drawn = false;
            continue;
        }
        let x = scale.x(number as u64 * 1_000_000 + 500_000);
        let y = base - PLOT * (value(second).max(1_000) as f64 / 1e3).log10() / decades;
        let _ = write!(path, "{}{x:.1} {y:.1} ", if is_drawn { 'L' } else { 'M' });
        is_drawn = true;
    }
    let _ = writeln!(svg, "<path d=\"{path}\" style=\"fill:none;{style};stroke-width:1.5\"/>");
}

fn label(svg: &mut String, y: f64, text: &str) {
    let _ = write!(svg, "<text x=\"{:.0}\" y=\"{y:.1}\" text-anchor=\"end\">{}</text>", LEFT - 4.0, escape(text));
}

/// Operations as bars in time, one under the other: what overlaps may have happened in either order.
pub(super) fn operations(events: &[Event], witnesses: &[usize]) -> String {
    let shown: Vec<(usize, &Event)> =
        witnesses.iter().take(OPERATIONS_MAX).filter_map(|place| Some((*place, events.get(*place)?))).collect();
    let Some(start) = shown.iter().map(|(_, event)| event.started_us).min() else { return String::new() };
    let latest = shown.iter().map(|(_, event)| event.ended_us.unwrap_or(event.started_us)).max().unwrap_or(start);
    let span = (latest - start).max(1) as f64;
    let row = 20.0;
    let height = row * shown.len() as f64 + 8.0;
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"operations\">\n");
    for (number, (place, event)) in shown.iter().enumerate() {
        let x = |at: u64| 10.0 + 380.0 * (at.saturating_sub(start)) as f64 / span;
        let from = x(event.started_us);
        let to = event.ended_us.map_or(400.0, x).max(from + 2.0);
        let color = if event.answer().is_some() { "--good" } else { "--bad" };
        let y = row * number as f64 + 6.0;
        let _ = writeln!(
            svg,
            "<rect x=\"{from:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"12\" style=\"fill:var({color})\"/>\
             <text x=\"410\" y=\"{:.1}\">{}</text>",
            to - from,
            y + 10.0,
            escape(&history::words(*place, event))
        );
    }
    svg.push_str("</svg>\n");
    svg
}
