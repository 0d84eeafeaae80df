//! A zip as it is uploaded: what is no zip, or could do harm where it is unpacked, is refused.
//!
//! Guarantees: a zip that passes unpacks within [`UNPACKED_BYTES_MAX`] into one folder, with plain files and folders only, no
//! path of which leaves it or comes twice as a file. Sizes that the zip tells of itself are not believed: they are counted.

use crate::error_table::LambdaError;
use std::{
    collections::HashSet,
    io::{Cursor, Read},
};
use zip::ZipArchive;

/// Most bytes that a zip may unpack to (Lambda: 250 MB).
pub const UNPACKED_BYTES_MAX: u64 = 262_144_000;
/// Most files and folders of a zip.
pub const ENTRIES_MAX: usize = 100_000;
/// Longest path within a zip.
pub const PATH_BYTES_MAX: usize = 1_024;
/// Size of the pieces in which entries are inflated and counted.
const PIECE_BYTES: usize = 64 << 10;

/// Checks a whole zip; inflates all of it. Takes as long as that takes: up to seconds.
pub fn check(zip: &[u8]) -> Result<(), LambdaError> {
    let mut archive = ZipArchive::new(Cursor::new(zip)).map_err(|_| not_unzipped())?;
    if archive.len() > ENTRIES_MAX {
        return Err(not_unzipped());
    }
    let mut left = UNPACKED_BYTES_MAX;
    let mut files = HashSet::new();
    let mut piece = vec![0; PIECE_BYTES];
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|_| not_unzipped())?;
        let name = entry.name().to_owned();
        if entry.is_symlink() || !stays_inside(&name) {
            return Err(not_unzipped());
        }
        if entry.is_dir() {
            continue;
        }
        if !files.insert(name) {
            return Err(not_unzipped());
        }
        loop {
            let count = entry.read(&mut piece).map_err(|_| not_unzipped())?;
            if count == 0 {
                break;
            }
            left = left.checked_sub(count as u64).ok_or_else(|| {
                LambdaError::invalid(format!("Unzipped size must be smaller than {UNPACKED_BYTES_MAX} bytes"))
            })?;
        }
    }
    Ok(())
}

/// Whether a path names something in the folder in which it is unpacked.
fn stays_inside(path: &str) -> bool {
    let is_plain = |part: &str| part != "..";
    !path.is_empty()
        && path.len() <= PATH_BYTES_MAX
        && !path.starts_with('/')
        && !path.contains(['\\', '\0'])
        && path.split('/').all(is_plain)
}

fn not_unzipped() -> LambdaError {
    LambdaError::invalid("Could not unzip uploaded file. Please check your file, then try to upload again.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

    fn zipped(write: impl FnOnce(&mut ZipWriter<Cursor<Vec<u8>>>)) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        write(&mut writer);
        writer.finish().expect("memory takes whatever is written").into_inner()
    }

    fn file(name: &str, bytes: &[u8]) -> Vec<u8> {
        zipped(|writer| {
            let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
            writer.start_file(name, options).expect("a file");
            writer.write_all(bytes).expect("memory takes whatever is written");
        })
    }

    fn told(zip: &[u8]) -> String {
        match check(zip) {
            Err(LambdaError::InvalidParameterValue(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn good_zips_pass() {
        assert_eq!(check(&file("app.py", b"def handle(event, context): return event")), Ok(()));
        assert_eq!(check(&file("package/deep/__init__.py", b"")), Ok(()));
        assert_eq!(
            check(&zipped(|writer| writer.add_directory("a/", SimpleFileOptions::default()).expect("a folder"))),
            Ok(())
        );
    }

    #[test]
    fn what_is_no_zip_or_would_do_harm_is_refused() {
        let words = "Could not unzip uploaded file. Please check your file, then try to upload again.";
        let good = file("app.py", &[7; 10_000]);
        let mut broken = good.clone();
        // Inside the compressed bytes, behind the first header.
        broken[45] ^= 0xff;
        let link = zipped(|writer| {
            writer.add_symlink("link", "/etc/passwd", SimpleFileOptions::default()).expect("a link");
        });
        for (zip, what) in [
            (b"".to_vec(), "nothing"),
            (b"not a zip".to_vec(), "no zip"),
            (good[..good.len() / 2].to_vec(), "half a zip"),
            (broken, "a zip with other bytes"),
            (file("../out", b"x"), "a path that leaves its folder"),
            (file("a/../../out", b"x"), "a path that leaves its folder later"),
            (file("/etc/out", b"x"), "a path from the root"),
            (file("a\\..\\out", b"x"), "a path of another system"),
            (file(&"a".repeat(PATH_BYTES_MAX + 1), b"x"), "a long path"),
            (link, "a symbolic link"),
        ] {
            assert_eq!(told(&zip), words, "{what}");
        }
    }

    #[test]
    fn bombs_are_found_while_they_are_inflated() {
        let bomb = zipped(|writer| {
            let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
            for number in 0..3 {
                writer.start_file(format!("zeros-{number}"), options).expect("a file");
                for _ in 0..100 {
                    writer.write_all(&[0; 1 << 20]).expect("memory takes whatever is written");
                }
            }
        });
        assert!(bomb.len() < 1 << 20);
        assert_eq!(told(&bomb), "Unzipped size must be smaller than 262144000 bytes");
    }
}
