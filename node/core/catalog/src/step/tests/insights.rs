//! Contributor Insights beside the description of a table.

use super::*;

#[test]
fn insights_come_and_go_with_their_table() {
    let mut catalog = cluster(1);
    let id = make(&mut catalog, spec("t"));
    let change = |mode| Change::ChangeInsights { table: "t".into(), mode };
    assert_eq!(done(&mut catalog, change(None)), Outcome::Unchanged);
    assert_eq!(catalog.insights(id), None);
    done(&mut catalog, change(Some(InsightsMode::ThrottledKeys)));
    assert_eq!(done(&mut catalog, change(Some(InsightsMode::ThrottledKeys))), Outcome::Unchanged);
    done(&mut catalog, change(None));
    assert_eq!(catalog.insights(id), Some(&ContributorInsights { mode: None, changed_ms: 1_000 }));
    done(&mut catalog, change(Some(InsightsMode::AccessedAndThrottledKeys)));
    let mut copy = Catalog::decode(&catalog.encode()).expect("it is a catalog");
    assert_eq!(copy, catalog);
    done(&mut copy, Change::TableReady { id, version: 1 });
    done(&mut copy, Change::DeleteTable { name: "t".into() });
    assert_eq!(refused(&mut copy, change(None)), CatalogRefusal::NoSuchTable("t".into()));
    done(&mut copy, Change::TableGone { id });
    assert_eq!(copy.insights(id), None);
}
