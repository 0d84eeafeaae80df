//! The checks of a run as JUnit's XML, for other people's CI.

use crate::{
    record::Record,
    report::escape,
    verdict::{Verdict, checks},
};
use std::fmt::Write;

pub fn xml(record: &Record) -> String {
    let checks = checks(record);
    let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let (failures, errors) = (count(Verdict::Invalid), count(Verdict::Unknown));
    let seconds = record.duration_us as f64 / 1e6;
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"stator-chaos\" tests=\"{}\" failures=\"{failures}\" \
         errors=\"{errors}\" time=\"{seconds:.1}\">\n",
        checks.len()
    );
    for check in &checks {
        let _ = write!(xml, "  <testcase classname=\"stator-chaos\" name=\"{}\">", escape(&check.name));
        let element = match check.verdict {
            Verdict::Valid => None,
            Verdict::Unknown => Some("error"),
            Verdict::Invalid => Some("failure"),
        };
        if let Some(element) = element {
            let first = check.reasons.first().map_or("", String::as_str);
            let text = check.reasons.join("\n");
            let _ = write!(xml, "<{element} message=\"{}\">{}</{element}>", escape(first), escape(&text));
        }
        xml.push_str("</testcase>\n");
    }
    let _ = write!(xml, "  <system-out>{}</system-out>\n</testsuite>\n", escape(&record.command));
    xml
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::tests::sound;

    #[test]
    fn every_check_is_a_test_case() {
        let mut record = sound();
        record.judged[0].judgement.violate("a <promise>", "broken".to_owned(), Vec::new());
        record.faults[0].proof = None;
        let xml = xml(&record);
        assert!(xml.contains("failures=\"1\" errors=\"1\""), "{xml}");
        assert!(xml.contains("a &lt;promise&gt;: broken") && !xml.contains("<promise>"), "{xml}");
        assert_eq!(xml.matches("<testcase ").count(), checks(&record).len());
    }
}
