//! Every input that was worth keeping still does no harm.

use std::{fs, path::Path};

#[test]
fn the_corpus_does_no_harm() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for target in stator_fuzz::TARGETS {
        let folder = corpus.join(target.name);
        let mut inputs = 0;
        for file in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = file.expect("a file").path();
            println!("{}", path.display()); // shown if the test fails: then this is the input
            (target.run)(&fs::read(&path).expect("a readable file"));
            inputs += 1;
        }
        assert!(inputs > 0, "{} is empty", folder.display());
        for prefix in [b"".as_slice(), b"\0", b"\x01", b"\n"] {
            (target.run)(prefix);
        }
    }
}
