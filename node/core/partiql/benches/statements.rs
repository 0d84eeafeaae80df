//! What a statement costs from text to plan, in nanoseconds.
//!
//! `cargo bench -p stator-partiql [-- NAME [TIMES]]`.

use stator_item::{Number, Value};
use stator_partiql::{KeyNames, Statement, keyed};
use std::hint::black_box;
use std::time::Instant;

const NAMES: KeyNames<'static> = KeyNames { hash: &["artist"], range: &["track"] };

const STATEMENTS: [(&str, &str, usize); 4] = [
    (
        "select",
        r#"SELECT artist, title, label.name FROM "music" WHERE artist = ? AND track BETWEEN ? AND 9 AND size(title) > 3 ORDER BY track DESC"#,
        2,
    ),
    (
        "insert",
        r#"INSERT INTO "music" VALUE {'artist': ?, 'track': ?, 'title': 'one', 'tags': <<'a', 'b'>>, 'plays': 0}"#,
        2,
    ),
    (
        "update",
        r#"UPDATE "music" SET plays = plays + 1 SET tags = set_add(tags, <<'c'>>) REMOVE old WHERE artist = ? AND track = ? AND plays < 100 RETURNING ALL NEW *"#,
        2,
    ),
    ("delete", r#"DELETE FROM "music" WHERE artist = ? AND track = ?"#, 2),
];

const RUNS: usize = 200;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let times: u32 = arguments.get(1).and_then(|times| times.parse().ok()).unwrap_or(2_000);
    let parameters = [Value::String("artist 1".into()), Value::Number(Number::from_u64(1))];
    for (name, text, count) in STATEMENTS {
        if arguments.first().is_some_and(|wanted| wanted != name) {
            continue;
        }
        let parameters = parameters.get(..count).unwrap_or_default();
        // The quickest of many runs: whatever else the machine does only makes it slower.
        let quickest = (0..RUNS).map(|_| {
            let start = Instant::now();
            for _ in 0..times {
                lower(black_box(text), parameters);
            }
            start.elapsed().as_nanos()
        });
        println!("{name:12} {:>9.0} ns", quickest.min().unwrap_or_default() as f64 / f64::from(times));
    }
}

fn lower(text: &str, parameters: &[Value]) {
    match Statement::parse(text, parameters).expect("a valid statement") {
        Statement::Select(select) | Statement::Exists(select) => {
            black_box(select.plan(&NAMES).expect("a valid statement"));
        }
        Statement::Insert(insert) => {
            black_box(insert);
        }
        Statement::Update(update) => {
            black_box((update.update, keyed(update.condition, &NAMES).expect("a valid statement")));
        }
        Statement::Delete(delete) => {
            black_box(keyed(delete.condition, &NAMES).expect("a valid statement"));
        }
    }
}
