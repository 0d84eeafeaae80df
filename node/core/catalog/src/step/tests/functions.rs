//! Functions, their versions and aliases, and tables of the cluster's own.

use super::*;

fn configuration() -> FunctionConfiguration {
    FunctionConfiguration {
        runtime: "python3.12".into(),
        role: "arn:aws:iam::000000000000:role/r".into(),
        handler: "app.handle".into(),
        description: String::new(),
        timeout_s: 3,
        memory_mb: 128,
        ephemeral_mb: 512,
        environment: None,
        is_traced: false,
        logging: Logging { is_json: false, application_level: None, system_level: None, group: None },
        dead_letter: None,
    }
}

fn code(number: u8, bytes: u64) -> UploadedCode {
    UploadedCode { code: FunctionCode { sha256: [number; 32], bytes }, uploaded_ms: 1_000 }
}

fn change(name: &str, revision: u128, what: FunctionChangeKind) -> Change {
    Change::Function(Box::new(FunctionChange { function: name.into(), what, revision, if_revision: None }))
}

fn create_with(name: &str, code: UploadedCode, publish: bool) -> Change {
    let (name, tags) = (name.to_owned(), BTreeMap::new());
    let spec = Box::new(FunctionSpec { name: name.clone(), configuration: configuration(), is_arm: false, tags });
    change(&name, 1, FunctionChangeKind::Create { spec, code, publish, code_bytes_max: Some(100) })
}

fn publish(revision: u128) -> Change {
    let what = FunctionChangeKind::PublishVersion { sha256: None, description: None, code_bytes_max: None };
    change("f", revision, what)
}

fn update_code(number: u8, revision: u128) -> Change {
    let code = code(number, 10);
    change("f", revision, FunctionChangeKind::UpdateCode { code, is_arm: None, publish: false, code_bytes_max: None })
}

fn alias(name: &str, version: Option<u64>, additional: Option<(u64, f64)>) -> Change {
    let (alias, description) = (name.to_owned(), String::new());
    change("f", 9, FunctionChangeKind::CreateAlias { alias, version, description, additional })
}

fn why(catalog: &mut Catalog, change: Change) -> FunctionRefusal {
    match refused(catalog, change) {
        CatalogRefusal::Function(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

fn function(catalog: &Catalog) -> &Function {
    catalog.function("f").expect("the function is there")
}

#[test]
fn a_function_is_made_once_and_versions_are_snapshots() {
    let mut catalog = cluster(1);
    done(&mut catalog, create_with("f", code(1, 10), true));
    assert!(matches!(why(&mut catalog, create_with("f", code(1, 10), true)), FunctionRefusal::FunctionExists(_)));
    assert_eq!(function(&catalog).last_version, 1);
    assert_eq!(done(&mut catalog, publish(2)), Outcome::Unchanged, "nothing has changed since version 1");
    done(&mut catalog, update_code(2, 3));
    done(&mut catalog, publish(4));
    let codes: Vec<u8> = function(&catalog).versions.values().map(|version| version.code.sha256[0]).collect();
    assert_eq!(codes, [1, 2]);
    assert_eq!(function(&catalog).latest.revision, 3);

    let timeout = FunctionUpdate { timeout_s: Some(9), ..FunctionUpdate::default() };
    done(&mut catalog, change("f", 5, FunctionChangeKind::UpdateConfiguration(Box::new(timeout))));
    assert_eq!(function(&catalog).latest.configuration.timeout_s, 9);
    assert_eq!(function(&catalog).versions[&2].configuration.timeout_s, 3, "a version never changes");
    done(&mut catalog, publish(6));
    done(&mut catalog, change("f", 7, FunctionChangeKind::Delete { version: Some(3) }));
    done(&mut catalog, publish(8));
    assert_eq!(function(&catalog).last_version, 4, "a number is never used again");
    done(&mut catalog, change("f", 9, FunctionChangeKind::Delete { version: None }));
    assert!(catalog.function("f").is_none());
    assert!(matches!(why(&mut catalog, publish(10)), FunctionRefusal::NoSuchFunction { .. }));
}

#[test]
fn revisions_are_compared() {
    let mut catalog = cluster(1);
    done(&mut catalog, create_with("f", code(1, 10), false));
    let with = |if_revision| {
        let what = FunctionChangeKind::UpdateConfiguration(Box::default());
        let change = FunctionChange { function: "f".into(), what, revision: 2, if_revision: Some(if_revision) };
        Change::Function(Box::new(change))
    };
    assert_eq!(why(&mut catalog, with(7)), FunctionRefusal::OtherRevision);
    assert!(matches!(done(&mut catalog, with(1)), Outcome::Function(_)));
}

#[test]
fn aliases_name_versions_that_are_there() {
    let mut catalog = cluster(1);
    done(&mut catalog, create_with("f", code(1, 10), true));
    assert!(matches!(why(&mut catalog, alias("a", Some(2), None)), FunctionRefusal::NoSuchFunction { .. }));
    assert!(matches!(why(&mut catalog, alias("a", None, Some((1, 0.5)))), FunctionRefusal::Invalid(_)));
    assert!(matches!(why(&mut catalog, alias("a", Some(1), Some((1, 0.5)))), FunctionRefusal::Invalid(_)));
    done(&mut catalog, alias("a", Some(1), None));
    assert!(matches!(why(&mut catalog, alias("a", Some(1), None)), FunctionRefusal::AliasExists { .. }));
    let delete = |version| change("f", 3, FunctionChangeKind::Delete { version: Some(version) });
    assert!(matches!(why(&mut catalog, delete(1)), FunctionRefusal::Conflict(_)), "the alias names it");
    let what = FunctionChangeKind::DeleteAlias { alias: "a".into() };
    done(&mut catalog, change("f", 4, what));
    done(&mut catalog, delete(1));
    assert!(matches!(function(&catalog).qualified(LATEST), Some(Qualified::Latest(_))));
    assert_eq!(function(&catalog).qualified("1"), None);
}

#[test]
fn limits_hold() {
    let mut catalog = cluster(1);
    done(&mut catalog, create_with("f", code(1, 60), false));
    assert!(matches!(why(&mut catalog, create_with("g", code(2, 41), false)), FunctionRefusal::CodeStorageFull { .. }));
    done(&mut catalog, create_with("g", code(2, 40), false));
    let old = UploadedCode { uploaded_ms: 0, ..code(3, 0) };
    let late = Stamp { now_ms: UPLOAD_AGE_MS_MAX + 1 };
    let refusal = catalog.step(create_with("h", old, false), &late);
    assert_eq!(refusal, Err(CatalogRefusal::Function(FunctionRefusal::UploadTooOld)));

    let reserve = |name, reserved| change(name, 2, FunctionChangeKind::ReserveConcurrency(Some(reserved)));
    done(&mut catalog, reserve("f", 800));
    assert!(matches!(why(&mut catalog, reserve("g", 101)), FunctionRefusal::Invalid(_)));
    done(&mut catalog, reserve("g", 100));
    done(&mut catalog, reserve("f", 1));
    let tags = (0..=FUNCTION_TAGS_MAX).map(|number| (number.to_string(), String::new())).collect();
    let what = FunctionChangeKind::ChangeTags { set: tags, remove: Vec::new() };
    assert!(matches!(why(&mut catalog, change("f", 3, what)), FunctionRefusal::Invalid(_)));
    let statement = |id: &str, bytes| FunctionChangeKind::AddPermission {
        qualifier: String::new(),
        statement_id: id.to_owned(),
        statement: "x".repeat(bytes),
    };
    done(&mut catalog, change("f", 4, statement("a", POLICY_BYTES_MAX)));
    assert!(matches!(why(&mut catalog, change("f", 5, statement("b", 1))), FunctionRefusal::PolicyFull { .. }));
    assert!(matches!(why(&mut catalog, change("f", 5, statement("a", 1))), FunctionRefusal::Conflict(_)));
}

#[test]
fn system_tables_have_no_names_that_clients_know() {
    let mut catalog = cluster(1);
    let make = || Change::CreateSystemTable { table: SystemTable::FunctionCode, avoid: Vec::new() };
    assert!(matches!(done(&mut catalog, make()), Outcome::Table(_)));
    assert_eq!(done(&mut catalog, make()), Outcome::Unchanged);
    let table = catalog.system_table(SystemTable::FunctionCode).expect("it is there").clone();
    assert_eq!(catalog.table(SystemTable::FunctionCode.name()), None);
    assert_eq!(catalog.table_names(None).count(), 0);
    assert!(catalog.routing().partition(table.id, Token(0)).is_some());
    let name = table.name.clone();
    assert!(matches!(refused(&mut catalog, Change::DeleteTable { name }), CatalogRefusal::NoSuchTable(_)));
    done(&mut catalog, create_with("f", code(1, 10), true));
    let again = Catalog::decode(&catalog.encode()).expect("what was encoded");
    assert_eq!(again, catalog, "names are made anew");
}

#[test]
fn request_tokens_expire_from_the_first_description_on() {
    let mut catalog = cluster(1);
    done(&mut catalog, Change::CreateSystemTable { table: SystemTable::RequestTokens, avoid: Vec::new() });
    let table = catalog.system_table(SystemTable::RequestTokens).expect("it is there").clone();
    assert_eq!((table.version, table.expiry_attribute()), (1, Some(SystemTable::EXPIRES)));
    assert_eq!(table.key.range, None);
}

#[test]
fn what_functions_print_expires_from_the_first_item_on() {
    let mut catalog = cluster(1);
    done(&mut catalog, Change::CreateSystemTable { table: SystemTable::FunctionLogs, avoid: Vec::new() });
    done(&mut catalog, Change::CreateSystemTable { table: SystemTable::FunctionEvents, avoid: Vec::new() });
    let attribute = |table| catalog.system_table(table).expect("it is there").expiry_attribute();
    assert_eq!(attribute(SystemTable::FunctionLogs), Some(SystemTable::EXPIRES));
    assert_eq!(attribute(SystemTable::FunctionEvents), None);
}
