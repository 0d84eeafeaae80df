//! A run as one page of HTML that needs nothing else: no script, no font, no picture from elsewhere.

mod chart;
pub(crate) mod history;

use crate::{
    record::{FaultRecord, Record},
    timeline::{Availability, between, during, seconds},
    verdict::{Check, Verdict, checks, worst},
};
use std::fmt::Write;

/// Letters that mean something in HTML are told by name.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --faint: #6a737d; --line: #d8dee4; --soft: #f4f6f8;
  --good: #1a7f37; --bad: #c3222f; --doubt: #9a6700; --fault: #c3222f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --faint: #8b949e; --line: #30363d;
  --soft: #161b22; --good: #3fb950; --bad: #ff7b72; --doubt: #d29922; --fault: #ff7b72; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 68rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; } td, th { text-align: left; vertical-align: top;
  padding: .3rem .6rem; border-bottom: 1px solid var(--line); } td.number, th.number { text-align: right; }
.valid { color: var(--good); } .invalid { color: var(--bad); } .unknown { color: var(--doubt); }
.verdict { font-weight: 600; } code, pre { font: 13px/1.45 ui-monospace, monospace; }
pre { background: var(--soft); padding: .8rem; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
.faint { color: var(--faint); } svg { width: 100%; height: auto; background: var(--soft); }
svg text { font: 11px system-ui, sans-serif; fill: var(--ink); } li { margin: .2rem 0; }
";

/// The page.
pub fn html(record: &Record) -> String {
    let checks = checks(record);
    let verdict = worst(&checks);
    let mut page = String::new();
    let class = class(verdict);
    // Writing into a string does not fail.
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{verdict}: stator-chaos</title><style>{STYLE}</style></head><body>\n\
         <h1>Verdict: <span class=\"{class}\">{verdict}</span></h1>\n"
    );
    summary(&mut page, record);
    checks_table(&mut page, &checks);
    violations(&mut page, record);
    page.push_str("<h2>What happened when</h2>\n");
    page.push_str(&chart::timeline(record, &seconds(&record.events)));
    faults_table(&mut page, record);
    figures(&mut page, record);
    aftermath(&mut page, record);
    page.push_str("</body></html>\n");
    page
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "valid",
        Verdict::Unknown => "unknown",
        Verdict::Invalid => "invalid",
    }
}

fn summary(page: &mut String, record: &Record) {
    let counts = &record.counts;
    let seconds = record.duration_us as f64 / 1e6;
    let _ = write!(
        page,
        "<p>{} workload{} against {}, for {seconds:.0} s: {} operations succeeded, {} had no effect, of {} it is unknown. \
         {} faults were injected.</p>\n<pre>{}</pre>\n<p class=\"faint\">Seed {}, stator-chaos {}. The seed decides which \
         faults come when, and what clients do; when processes do what, it does not.</p>\n",
        record.judged.len(),
        if record.judged.len() == 1 { "" } else { "s" },
        escape(&record.cluster),
        counts.succeeded,
        counts.failed,
        counts.unknown,
        record.faults.len(),
        escape(&record.command),
        record.seed,
        escape(&record.version),
    );
    list(page, &record.notes);
}

fn list(page: &mut String, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    page.push_str("<ul>");
    lines.iter().for_each(|line| {
        let _ = write!(page, "<li>{}</li>", escape(line));
    });
    page.push_str("</ul>\n");
}

fn checks_table(page: &mut String, checks: &[Check]) {
    page.push_str("<h2>Checks</h2>\n<table>");
    for check in checks {
        let (class, verdict) = (class(check.verdict), check.verdict);
        let _ = write!(page, "<tr><td>{}</td><td class=\"verdict {class}\">{verdict}</td><td>", escape(&check.name));
        list(page, &check.reasons);
        page.push_str("</td></tr>\n");
    }
    page.push_str("</table>\n");
}

fn violations(page: &mut String, record: &Record) {
    for judged in &record.judged {
        for violation in &judged.judgement.violations {
            let _ = write!(
                page,
                "<h2>Broken: {} <span class=\"faint\">(workload {})</span></h2>\n<pre>{}</pre>\n",
                escape(violation.promise),
                escape(&judged.workload),
                escape(&violation.explanation)
            );
            page.push_str(&chart::operations(&record.events, &violation.witnesses));
            page.push_str(&history::around(&record.events, &violation.witnesses));
        }
    }
}

fn faults_table(page: &mut String, record: &Record) {
    page.push_str(
        "<h2>Faults, and what clients had meanwhile</h2>\n<p class=\"faint\">From a fault's beginning until five seconds \
         after it was healed, or the next one began. Available is a tenth of a second in which some operation \
         succeeded.</p>\n<table><tr><th>fault</th><th class=\"number\">from s</th><th class=\"number\">for s</th>\
         <th>it took effect</th><th class=\"number\">available</th><th class=\"number\">longest gap</th>\
         <th class=\"number\">p50</th><th class=\"number\">p99</th></tr>\n",
    );
    for (place, fault) in record.faults.iter().enumerate() {
        let found = during(fault, record.faults.get(place + 1), record.duration_us, &record.events);
        let effect = match (&fault.error, &fault.proof) {
            (Some(error), _) => format!("<span class=\"unknown\">{}</span>", escape(error)),
            (None, Some(proof)) => escape(proof),
            (None, None) => "<span class=\"unknown\">no</span>".to_owned(),
        };
        let _ = writeln!(
            page,
            "<tr><td>{}<br><span class=\"faint\">{}</span></td><td class=\"number\">{:.1}</td><td class=\"number\">{:.1}</td>\
             <td>{effect}</td>{}</tr>",
            escape(&fault.name),
            escape(&fault.description),
            fault.begun_us as f64 / 1e6,
            fault.healed_us.saturating_sub(fault.begun_us) as f64 / 1e6,
            cells(&found)
        );
    }
    let whole = between(0, record.duration_us, &record.events);
    let _ = writeln!(page, "<tr><td>the whole run</td><td></td><td></td><td></td>{}</tr></table>", cells(&whole));
}

fn cells(found: &Availability) -> String {
    format!(
        "<td class=\"number\">{:.1} %</td><td class=\"number\">{:.2} s</td><td class=\"number\">{:.1} ms</td>\
         <td class=\"number\">{:.0} ms</td>",
        found.share * 100.0,
        found.longest_gap_us as f64 / 1e6,
        found.p50_us as f64 / 1e3,
        found.p99_us as f64 / 1e3
    )
}

fn figures(page: &mut String, record: &Record) {
    let measured: Vec<String> = record
        .judged
        .iter()
        .flat_map(|judged| {
            judged.judgement.figures.iter().map(|(name, value)| format!("{}: {name} {value}", judged.workload))
        })
        .collect();
    let mut resources = std::collections::BTreeMap::<usize, (u64, u64)>::new();
    for (node, bytes, files) in record.observations.iter().flat_map(|observation| &observation.resources) {
        let most = resources.entry(*node).or_default();
        *most = (most.0.max(*bytes), most.1.max(*files));
    }
    let resources: Vec<String> = resources
        .iter()
        .map(|(node, (bytes, files))| format!("node {node}: at most {} MiB resident, {files} open files", bytes >> 20))
        .collect();
    let changes: Vec<String> = record
        .observations
        .iter()
        .flat_map(|seen| seen.leader_changes.iter().map(|change| format!("{:.0} s: {change}", seen.at_us as f64 / 1e6)))
        .collect();
    if !(measured.is_empty() && resources.is_empty()) {
        page.push_str("<h2>Measured</h2>\n");
        list(page, &measured);
        list(page, &resources);
    }
    if !changes.is_empty() {
        let _ = write!(page, "<details><summary>{} changes of leaders were seen</summary>", changes.len());
        list(page, &changes);
        page.push_str("</details>\n");
    }
}

fn aftermath(page: &mut String, record: &Record) {
    let Some(after) = &record.aftermath else { return };
    page.push_str("<h2>When all was healed</h2>\n");
    list(page, &after.checks);
    let _ = write!(page, "<details><summary>{} partitions were compared</summary>", after.replicas.len());
    list(page, &after.replicas);
    page.push_str("</details>\n");
}

/// What a fault cost, for people who read no HTML.
pub fn line(fault: &FaultRecord, found: &Availability) -> String {
    format!(
        "{:>6.1} s  {:<16} available {:>5.1} %, longest gap {:>5.2} s, p99 {:>5.0} ms  {}; {}",
        fault.begun_us as f64 / 1e6,
        fault.name,
        found.share * 100.0,
        found.longest_gap_us as f64 / 1e6,
        found.p99_us as f64 / 1e3,
        fault.description,
        fault.error.as_deref().or(fault.proof.as_deref()).unwrap_or("no effect")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::tests::sound;
    use stator_workloads::{
        client::{Answer, Operation},
        history::Event,
    };

    #[test]
    fn a_page_tells_verdict_faults_and_witnesses_and_needs_nothing_else() {
        let mut record = sound();
        let get = |at: u64| Event {
            client: at % 3,
            group: 0,
            operation: Operation::DescribeTable { table: "<b>bold</b>".to_owned() },
            started_us: at * 1_000,
            ended_us: Some(at * 1_000 + 700),
            outcome: Some(Ok(Answer::NoSuchTable)),
        };
        record.events = (0..2_000).map(get).collect();
        record.judged[0].judgement.violate("linearizable", "7 < 8 & yet".to_owned(), vec![500, 501]);
        let page = html(&record);
        for expected in
            ["INVALID", "kill -9 of node 2", "linearizable", "7 &lt; 8 &amp; yet", "&lt;b&gt;bold&lt;/b&gt;"]
        {
            assert!(page.contains(expected), "{expected}");
        }
        for foreign in ["<b>", "http:", "https:", "<script", "src="] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        let count = |tag: &str| page.matches(tag).count();
        for tag in ["table", "ul", "pre", "svg", "details", "h2", "tr", "td"] {
            assert_eq!(count(&format!("<{tag}>")) + count(&format!("<{tag} ")), count(&format!("</{tag}>")), "{tag}");
        }
    }

    #[test]
    fn an_empty_run_has_a_page_too() {
        let mut record = sound();
        (record.faults, record.duration_us) = (Vec::new(), 0);
        assert!(html(&record).contains("Verdict: <span class=\"unknown\">unknown"));
    }
}
