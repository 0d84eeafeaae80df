use super::*;
use std::io::Write;
use zip::{ZipWriter, write::SimpleFileOptions};

fn zip(entries: &[(&str, &[u8])]) -> Bytes {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        writer.start_file(*name, SimpleFileOptions::default().unix_permissions(0o600)).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner().into()
}

#[test]
fn a_zip_is_unpacked_for_everybody_to_read() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("bootstrap", SimpleFileOptions::default().unix_permissions(0o700)).unwrap();
    writer.start_file("deep/er/data", SimpleFileOptions::default().unix_permissions(0o600)).unwrap();
    writer.write_all(b"content").unwrap();
    let target = folder.path().join("code");
    let bytes = unpack(&writer.finish().unwrap().into_inner().into(), &target).unwrap();
    assert_eq!(bytes, 7);
    assert_eq!(fs::read(target.join("deep/er/data")).unwrap(), b"content");
    let mode = |path: &str| fs::metadata(target.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("bootstrap"), mode("deep/er/data"), mode("deep/er")), (0o755, 0o644, 0o755));
}

#[test]
fn what_leaves_the_folder_is_refused() {
    for name in ["../evil", "a/../../evil", "/etc/evil", "a\\..\\evil"] {
        let folder = tempfile::tempdir().unwrap();
        let refused = unpack(&zip(&[("fine", b""), (name, b"evil")]), &folder.path().join("code"));
        assert!(matches!(refused, Err(CodeError::Invalid(_))), "{name}: {refused:?}");
        assert!(!folder.path().join("evil").exists());
    }
    assert_eq!(inner_path("./a/./b"), Some(PathBuf::from("a/b")));
    assert_eq!(inner_path(&"a".repeat(PATH_MAX + 1)), None);
}

#[test]
fn links_bombs_and_rubbish_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.add_symlink("link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    let link: Bytes = writer.finish().unwrap().into_inner().into();
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("bomb", SimpleFileOptions::default()).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..=(UNPACKED_MAX >> 20) {
        writer.write_all(&zeros).unwrap();
    }
    let bomb: Bytes = writer.finish().unwrap().into_inner().into();
    assert!(bomb.len() < 1 << 20);
    for (name, bytes) in [("link", link), ("bomb", bomb), ("rubbish", Bytes::from_static(b"rubbish"))] {
        let refused = place(&bytes, folder.path(), &folder.path().join(name));
        assert!(matches!(refused, Err(CodeError::Invalid(_))), "{name}: {refused:?}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left of any of them");
}

/// Zips by their hash, and how often they were asked for.
struct Shelf {
    zips: HashMap<[u8; 32], Bytes>,
    asked: std::sync::atomic::AtomicUsize,
}

impl CodeSource for Shelf {
    fn code(&self, sha256: [u8; 32]) -> stator_environment::BoxFuture<'_, Result<Bytes, CodeError>> {
        self.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let found = self.zips.get(&sha256).cloned().ok_or(CodeError::NotFound);
        Box::pin(async move { found })
    }
}

#[tokio::test]
async fn code_is_unpacked_once_and_leaves_when_the_cache_is_full() {
    let zips: Vec<Bytes> = (0..3).map(|number| zip(&[("file", &vec![number; 1000])])).collect();
    let hashes: Vec<[u8; 32]> = zips.iter().map(|zip| Sha256::digest(zip).into()).collect();
    let mut shelf =
        Shelf { zips: hashes.iter().copied().zip(zips).collect(), asked: std::sync::atomic::AtomicUsize::new(0) };
    shelf.zips.insert([7; 32], Bytes::from_static(b"other bytes than promised"));
    let shelf = Arc::new(shelf);
    let folder = tempfile::tempdir().unwrap();
    let cache = CodeCache::open(folder.path().join("code"), 2000, shelf.clone()).unwrap();
    let (first, second) = tokio::join!(cache.hold(hashes[0]), cache.hold(hashes[0]));
    assert_eq!(first.unwrap().path(), second.unwrap().path());
    assert_eq!(shelf.asked.load(std::sync::atomic::Ordering::Relaxed), 1);
    let held = cache.hold(hashes[1]).await.unwrap();
    drop(cache.hold(hashes[2]).await.unwrap());
    // All three are here: two of them idle, as much as may be.
    assert!(cache.path(hashes[0]).exists());
    drop(held);
    assert!(!cache.path(hashes[0]).exists(), "the one that was used longest ago is gone");
    assert!(cache.path(hashes[1]).exists() && cache.path(hashes[2]).exists());
    assert!(matches!(cache.hold([7; 32]).await, Err(CodeError::Unavailable(_))));
    assert!(matches!(cache.hold([8; 32]).await, Err(CodeError::NotFound)));
}
