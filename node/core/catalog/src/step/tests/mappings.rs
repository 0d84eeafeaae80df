//! Event source mappings: their states, what is refused, and their end with the stream.

use super::*;

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
const ID: MappingId = MappingId(7);

fn mapping_change(change: MappingChange) -> Change {
    Change::Mapping(Box::new(change))
}

fn create_mapping(table: &TableDescription, id: MappingId, function: &str, enabled: bool) -> Change {
    mapping_change(MappingChange::Create {
        id,
        table: table.id,
        stream: table.streams[0].label,
        starting: StartingPosition::Latest,
        settings: MappingSettings::new(function.to_owned()),
        enabled,
        tags: BTreeMap::new(),
    })
}

fn streamed() -> (Catalog, TableDescription) {
    let mut catalog = cluster(1);
    let id = make(&mut catalog, TableSpec { stream: Some(StreamView::KeysOnly), ..spec("t") });
    ready(&mut catalog, id);
    let table = TableDescription::clone(catalog.table_by_id(id).expect("made"));
    (catalog, table)
}

fn state(catalog: &Catalog) -> Option<MappingState> {
    catalog.mapping(ID).map(|mapping| mapping.state)
}

fn mapping_ready(catalog: &mut Catalog) {
    let version = catalog.mapping(ID).expect("it is there").version;
    done(catalog, mapping_change(MappingChange::Ready { id: ID, version }));
}

fn enable(enabled: bool) -> Change {
    let settings = MappingSettings::new(FUNCTION.to_owned());
    mapping_change(MappingChange::Update { id: ID, settings, enabled: Some(enabled) })
}

#[test]
fn a_mapping_goes_through_its_states() {
    let (mut catalog, table) = streamed();
    done(&mut catalog, create_mapping(&table, ID, FUNCTION, true));
    assert_eq!(state(&catalog), Some(MappingState::Creating));
    let stale = mapping_change(MappingChange::Ready { id: ID, version: 0 });
    assert_eq!(done(&mut catalog, stale), Outcome::Unchanged, "that was another state");
    for (change, between, then) in [
        (None, MappingState::Creating, MappingState::Enabled),
        (Some(enable(false)), MappingState::Disabling, MappingState::Disabled),
        (Some(enable(true)), MappingState::Enabling, MappingState::Enabled),
        (Some(enable(true)), MappingState::Updating, MappingState::Enabled),
    ] {
        if let Some(change) = change {
            done(&mut catalog, change);
        }
        assert_eq!(state(&catalog), Some(between));
        let delete = mapping_change(MappingChange::Delete { id: ID });
        assert_eq!(refused(&mut catalog, delete), CatalogRefusal::MappingBusy(ID));
        mapping_ready(&mut catalog);
        assert_eq!(state(&catalog), Some(then));
    }
    done(&mut catalog, mapping_change(MappingChange::Delete { id: ID }));
    assert_eq!(state(&catalog), Some(MappingState::Deleting));
    mapping_ready(&mut catalog);
    assert_eq!(state(&catalog), None);
    assert_eq!(refused(&mut catalog, enable(true)), CatalogRefusal::NoSuchMapping(ID));
}

#[test]
fn a_stream_and_a_function_have_one_mapping() {
    let (mut catalog, table) = streamed();
    done(&mut catalog, create_mapping(&table, ID, FUNCTION, false));
    let second = create_mapping(&table, MappingId(8), FUNCTION, true);
    assert_eq!(refused(&mut catalog, second), CatalogRefusal::MappingExists(ID));
    done(&mut catalog, create_mapping(&table, MappingId(8), "another", true));
    mapping_ready(&mut catalog);
    assert_eq!(state(&catalog), Some(MappingState::Disabled));
    let settings = MappingSettings::new("another".to_owned());
    let twin = mapping_change(MappingChange::Update { id: ID, settings, enabled: None });
    assert_eq!(refused(&mut catalog, twin), CatalogRefusal::MappingExists(MappingId(8)));
}

#[test]
fn only_an_enabled_stream_is_mapped() {
    let (mut catalog, mut table) = streamed();
    table.streams[0].label = StreamLabel(5);
    let other = create_mapping(&table, ID, FUNCTION, true);
    assert_eq!(refused(&mut catalog, other), CatalogRefusal::NoSuchStream);
}

#[test]
fn a_mapping_goes_with_its_stream() {
    let (mut catalog, table) = streamed();
    done(&mut catalog, create_mapping(&table, ID, FUNCTION, true));
    mapping_ready(&mut catalog);
    done(&mut catalog, Change::DeleteTable { name: "t".into() });
    done(&mut catalog, Change::TableGone { id: table.id });
    assert_eq!(state(&catalog), Some(MappingState::Enabled), "the stream is read for a day");
    let now_ms = 1_000 + STREAM_RETENTION_MS;
    done(&mut catalog, Change::ForgetStreams { table: table.id, now_ms });
    assert_eq!(state(&catalog), None);

    let (mut catalog, table) = streamed();
    done(&mut catalog, create_mapping(&table, ID, FUNCTION, true));
    mapping_ready(&mut catalog);
    let disable = TableUpdate { stream: Some(StreamUpdate::Disable), ..TableUpdate::default() };
    done(&mut catalog, update("t", disable));
    ready(&mut catalog, table.id);
    done(&mut catalog, Change::ForgetStreams { table: table.id, now_ms });
    assert_eq!(state(&catalog), Some(MappingState::Deleting), "the table's partitions are still to hear of it");
}
