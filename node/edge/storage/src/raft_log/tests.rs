//! What a log must survive: cuts, flipped bytes, full disks, quiet replicas.

use super::{
    frame::{self, FORMAT_VERSION, SEGMENT_HEADER_BYTES},
    *,
};
use crate::settings::Durability;
use prometheus_client::registry::Registry;
use std::{
    fs,
    os::unix::fs::FileExt,
    path::PathBuf,
    process::Command,
    sync::mpsc::{Receiver, channel},
};
use tempfile::TempDir;

const QUIET: ReplicaId = ReplicaId(1);
const BUSY: ReplicaId = ReplicaId(2);

fn small() -> Settings {
    Settings { segment_bytes: 4096, ..Settings::default() }
}

fn open(directory: &Path) -> FileLog {
    FileLog::open(directory, &small(), LogMetrics::default()).expect("the log opens")
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory for the test")
}

fn waiter() -> (Done, Receiver<Result<(), DiskError>>) {
    let (sender, receiver) = channel();
    (Box::new(move |result| drop(sender.send(result))), receiver)
}

fn entries(from: u64, count: u64, bytes: usize) -> Vec<(u64, Bytes)> {
    (from..from + count).map(|index| (index, Bytes::from(vec![index as u8; bytes]))).collect()
}

/// Appends and waits until it is durable.
fn append(log: &FileLog, replica: ReplicaId, from: u64, count: u64, bytes: usize) -> Result<(), DiskError> {
    let (done, result) = waiter();
    log.append(replica, entries(from, count, bytes), done);
    result.recv().expect("done is called")
}

fn vote(log: &FileLog, replica: ReplicaId, vote: &'static str) -> Result<(), DiskError> {
    let (done, result) = waiter();
    log.save_vote(replica, Bytes::from_static(vote.as_bytes()), done);
    result.recv().expect("done is called")
}

/// How many syncs there were, as the metrics show it.
fn syncs(registry: &Registry) -> u64 {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).expect("text");
    let count = text.lines().find_map(|line| line.strip_prefix("stator_storage_log_sync_seconds_count "));
    count.and_then(|count| count.parse().ok()).expect("the metrics count syncs")
}

/// Everything that a log says about its replicas.
type Picture = Vec<(ReplicaId, ReplicaLogState, Vec<(u64, Bytes)>)>;

fn picture(index: &Index) -> Picture {
    let replica = |replica: ReplicaId| {
        let pieces = index.read(replica, 0, 1000, usize::MAX);
        let start = index.state(replica).purged.map_or(1, |(purged, _)| purged + 1);
        let pieces = if pieces.is_empty() { index.read(replica, start, 1000, usize::MAX) } else { pieces };
        (replica, index.state(replica), read_pieces(pieces).expect("readable"))
    };
    index.replicas().into_iter().map(replica).collect()
}

fn recovered(directory: &Path) -> Result<Picture, DiskError> {
    let recovered = recover::recover(directory)?;
    recovered.make_durable()?;
    Ok(picture(&recovered.index))
}

/// A log of several batches: for each, where in the only segment it ends and what is there then.
fn sample() -> (Vec<u8>, Vec<(usize, Picture)>) {
    let directory = directory();
    let log = open(directory.path());
    let mut batches = Vec::new();
    for step in 0..8 {
        match step {
            0 => vote(&log, QUIET, "term 1").expect("durable"),
            1 => append(&log, QUIET, 1, 3, 5).expect("durable"),
            2 => append(&log, BUSY, 7, 2, 17).expect("durable"),
            3 => log.truncate_after(QUIET, 2),
            4 => append(&log, QUIET, 3, 1, 9).expect("durable"),
            5 => log.purge(QUIET, 1, Bytes::from_static(b"mark")),
            6 => vote(&log, QUIET, "term 2").expect("durable"),
            _ => append(&log, QUIET, 4, 1, 1).expect("durable"),
        }
        // Truncation and purge report nothing; each is to be a batch of its own here.
        while log.queued_bytes() > 0 {
            std::thread::yield_now();
        }
        let state = log.shared.state.lock();
        batches.push((state.index.bytes() as usize, picture(&state.index)));
    }
    drop(log);
    let bytes = fs::read(directory.path().join("00000001.log")).expect("the segment");
    (bytes[..batches[7].0].to_vec(), batches)
}

/// In memory where that is possible: these logs are opened hundreds of times.
fn directory_with(segment: &[u8]) -> TempDir {
    let directory = tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| directory());
    fs::write(directory.path().join("00000001.log"), segment).expect("written");
    directory
}

#[test]
fn a_log_cut_anywhere_opens_with_the_whole_batches_before() {
    let (segment, batches) = sample();
    for cut in SEGMENT_HEADER_BYTES..=segment.len() {
        let expected = batches.iter().rev().find(|(end, _)| *end <= cut);
        let expected = expected.map(|(_, picture)| picture.clone()).unwrap_or_default();
        let behind = [&[][..], &[0; 300], &[0xa5; 300]][cut % 3];
        let directory = directory_with(&[&segment[..cut], behind].concat());
        let found = recovered(directory.path()).expect("a torn tail is no damage");
        // Zeros that were cut off are there again, or only filled the batch up to eight bytes.
        assert!(found == expected || found == next(&segment, &batches, cut), "cut at {cut}");
        assert_eq!(recovered(directory.path()).expect("it opens again"), found, "cut at {cut}");
    }
}

/// What is there when the batch counts that lacks only zeros.
fn next(segment: &[u8], batches: &[(usize, Picture)], cut: usize) -> Picture {
    let batch = batches.iter().find(|(end, _)| *end > cut && segment[cut..*end].iter().all(|byte| *byte == 0));
    batch.map(|(_, picture)| picture.clone()).unwrap_or_default()
}

#[test]
fn a_byte_flipped_before_the_last_batch_is_never_passed_over() {
    let (segment, batches) = sample();
    let whole = &batches[7].1;
    let mut refused = 0;
    for position in 0..batches[6].0 {
        let mut flipped = segment.clone();
        flipped[position] ^= 0x10;
        match recovered(directory_with(&flipped).path()) {
            Err(DiskError::Damaged(_)) => refused += 1,
            Ok(found) if found == *whole => assert_eq!(segment[position], 0, "only filling may change unseen"),
            other => panic!("byte {position}: {other:?}"),
        }
    }
    assert!(refused > batches[6].0 * 9 / 10);
}

#[test]
fn a_flipped_byte_is_damage_also_across_segments() {
    let directory = directory();
    let log = open(directory.path());
    for index in 1..20 {
        append(&log, QUIET, index, 1, 1000).expect("durable");
    }
    drop(log);
    let first = directory.path().join("00000001.log");
    let whole = fs::read(&first).expect("the segment");
    // The last frame of the segment: what proves it is only the next segment.
    let mut flipped = whole.clone();
    flipped[whole.len() - 100] ^= 1;
    fs::write(&first, &flipped).expect("written");
    assert!(matches!(recovered(directory.path()), Err(DiskError::Damaged(_))));
    assert_eq!(fs::read(&first).expect("the segment"), flipped, "what is damaged is left as it is");
    fs::write(&first, whole).expect("written");
    assert!(recovered(directory.path()).is_ok());
    fs::remove_file(directory.path().join("00000003.log")).expect("removed");
    assert!(matches!(recovered(directory.path()), Err(DiskError::Damaged(_))), "a segment is missing");
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let mut segment = sample().0;
    segment[8] = FORMAT_VERSION + 1;
    let checksum = crc32c::crc32c(&segment[..60]);
    segment[60..64].copy_from_slice(&checksum.to_le_bytes());
    let error = recovered(directory_with(&segment).path()).expect_err("it is newer").to_string();
    assert!(error.contains("format 2") && error.contains("start a newer one"), "{error}");
}

#[test]
fn bytes_of_another_log_prove_nothing() {
    let mut frame = vec![0; frame::FRAME_HEADER_BYTES];
    frame.extend_from_slice(b"records");
    frame::seal(&mut frame, 1234, 9, 8);
    assert!(frame::proves_durable(&frame, 1234, 8));
    assert!(!frame::proves_durable(&frame, 1234, 9));
    assert!(!frame::proves_durable(&frame, 1235, 8));
}

#[test]
fn done_comes_in_the_order_of_calls_and_calls_share_syncs() {
    let directory = directory();
    let mut registry = Registry::default();
    let metrics = LogMetrics::register(&mut registry);
    let log = FileLog::open(directory.path(), &Settings::default(), metrics).expect("the log opens");
    let (sender, order) = channel();
    for call in 0..2000_u64 {
        let sender = sender.clone();
        let done = Box::new(move |result: Result<(), DiskError>| {
            sender.send((call, result.is_ok())).expect("the test waits");
        });
        log.append(ReplicaId(call % 7), entries(1 + call / 7, 1, 100), done);
        assert_eq!(log.state(ReplicaId(call % 7)).last, Some(1 + call / 7), "readable at once");
    }
    drop(sender);
    let order: Vec<_> = order.iter().collect();
    assert_eq!(order, (0..2000).map(|call| (call, true)).collect::<Vec<_>>());
    assert!(syncs(&registry) < 1000, "{} syncs", syncs(&registry));
    assert_eq!(log.queued_bytes(), 0);
}

#[test]
fn an_append_that_leaves_a_gap_is_refused_and_changes_nothing() {
    let directory = directory();
    let log = open(directory.path());
    append(&log, QUIET, 5, 2, 1).expect("the first may begin anywhere");
    for from in [8, 6, 1] {
        assert!(matches!(append(&log, QUIET, from, 1, 1), Err(DiskError::Failed { .. })), "from {from}");
    }
    log.purge(QUIET, 100, Bytes::new());
    assert!(append(&log, QUIET, 7, 1, 1).is_err(), "below the purge mark");
    append(&log, QUIET, 101, 1, 1).expect("right after the purge mark");
    drop(log);
    let log = open(directory.path());
    assert_eq!(log.state(QUIET).last, Some(101));
}

/// A hole may be as wide as numbers are: it is told, and takes no memory before.
#[test]
fn a_hole_is_damage_unless_it_is_purged() {
    let place = |offset| Location { segment: 1, offset, bytes: 1 };
    let far = u64::MAX - 1;
    let mut index = Index::default();
    index.replay(QUIET, 1, &[place(0), place(8)]);
    index.replay(QUIET, far, &[place(16)]);
    let settled = index.settle();
    assert!(matches!(&settled, Err(DiskError::Damaged(text)) if text.starts_with("entry 3 of")), "{settled:?}");
    index.purge(QUIET, 0, far - 1, Bytes::from_static(b"mark"));
    index.settle().expect("the hole is purged");
    assert_eq!(index.state(QUIET).last, Some(far));
}

#[test]
fn a_quiet_replica_does_not_hold_the_log_of_a_busy_one() {
    let directory = directory();
    let mut log = open(directory.path());
    vote(&log, QUIET, "mine").expect("durable");
    append(&log, QUIET, 1, 3, 700).expect("durable");
    log.purge(QUIET, 1, Bytes::from_static(b"one"));
    let quiet = |log: &FileLog| (log.state(QUIET), log.read(QUIET, 2, 9, usize::MAX).expect("readable"));
    let before = quiet(&log);
    let mut index = 1;
    for round in 0..30 {
        for _ in 0..10 {
            append(&log, BUSY, index, 1, 600).expect("durable");
            log.purge(BUSY, index - 1, Bytes::new());
            index += 1;
        }
        if round % 10 == 9 {
            drop(log);
            log = open(directory.path());
        }
        assert!(log.size() < 10 * 4096, "{} bytes", log.size());
        assert_eq!(quiet(&log), before, "round {round}");
    }
    drop(log);
    let files = segment::list(directory.path()).expect("listed").len();
    assert!(files < 10, "{files} files");
}

#[test]
fn what_is_only_reserved_is_not_read() {
    let directory = directory();
    let log = FileLog::open(directory.path(), &Settings::default(), LogMetrics::default()).expect("the log opens");
    append(&log, QUIET, 1, 1, 10).expect("durable");
    drop(log);
    let path = directory.path().join("00000001.log");
    let reserved = fs::metadata(&path).expect("the segment").len();
    let (_, bytes) = segment::read(&path).expect("readable");
    // Not every file system reserves, and some of them read in larger pieces.
    assert!(bytes.len() <= 1 << 20, "{} bytes read of {reserved}", bytes.len());
    assert!(reserved == Settings::default().segment_bytes || reserved <= 1 << 20, "{reserved} bytes");
}

#[test]
fn starts_that_write_nothing_leave_nothing_behind() {
    let directory = directory();
    append(&open(directory.path()), QUIET, 1, 1, 10).expect("durable");
    for _ in 0..5 {
        drop(open(directory.path()));
    }
    assert_eq!(open(directory.path()).state(QUIET).last, Some(1));
    assert!(segment::list(directory.path()).expect("listed").len() <= 2);
}

#[test]
fn an_entry_larger_than_a_segment_has_room() {
    let directory = directory();
    let log = open(directory.path());
    append(&log, QUIET, 1, 2, 20_000).expect("durable");
    append(&log, QUIET, 3, 1, 10).expect("durable");
    drop(log);
    let log = open(directory.path());
    assert_eq!(log.read(QUIET, 1, 4, usize::MAX).expect("readable").len(), 3);
    assert_eq!(log.read(QUIET, 1, 4, 20_000).expect("readable").len(), 1);
    assert_eq!(log.read(QUIET, 1, 4, 0).expect("readable").len(), 1, "at least one");
}

#[test]
fn an_entry_that_changed_on_disk_is_not_read() {
    let directory = directory();
    let log = open(directory.path());
    append(&log, QUIET, 1, 1, 500).expect("durable");
    drop(log);
    let log = open(directory.path());
    let file = fs::OpenOptions::new().write(true).open(directory.path().join("00000001.log")).expect("the segment");
    file.write_all_at(b"x", 300).expect("written");
    assert!(matches!(log.read(QUIET, 1, 2, usize::MAX), Err(DiskError::Damaged(_))));
}

#[test]
fn a_relaxed_log_syncs_votes_only() {
    let directory = directory();
    let mut registry = Registry::default();
    let metrics = LogMetrics::register(&mut registry);
    let settings = Settings { durability: Durability::Relaxed, ..Settings::default() };
    let log = FileLog::open(directory.path(), &settings, metrics).expect("the log opens");
    append(&log, QUIET, 1, 1, 10).expect("written");
    append(&log, QUIET, 2, 1, 10).expect("written");
    assert_eq!(syncs(&registry), 0);
    vote(&log, QUIET, "mine").expect("durable");
    assert_eq!(syncs(&registry), 1);
    drop(log);
    // Only the batch of the vote proves the others: without it a hole is no damage.
    let path = directory.path().join("00000001.log");
    let mut bytes = fs::read(&path).expect("the segment");
    bytes[100] ^= 1;
    fs::write(&path, bytes).expect("written");
    assert_eq!(recovered(directory.path()).expect("a hole in what was never synced"), Picture::new());
}

/// A log that can write its active segment, but not sync it.
fn open_without_sync(directory: &Path) -> FileLog {
    let shared = Arc::new(Shared { state: Mutex::default(), wake: Condvar::new(), metrics: LogMetrics::default() });
    let recovered = recover::recover(directory).expect("it recovers");
    let mut writer = Writer::start(Arc::clone(&shared), directory, &small(), recovered).expect("it starts");
    // It takes whatever is written to it, and has nothing that could be synced.
    let device = fs::OpenOptions::new().write(true).open("/dev/null").expect("the device");
    writer.active.file = Arc::new(device);
    FileLog::run(shared, writer).expect("a thread")
}

#[test]
fn after_a_failed_sync_nothing_is_durable_any_more() {
    let directory = directory();
    append(&open(directory.path()), QUIET, 1, 1, 10).expect("durable");
    let log = open_without_sync(directory.path());
    let (sender, failed) = channel();
    log.on_failure(Box::new(move |failure| drop(sender.send(failure))));
    let is_sync = |failure: &DiskError| matches!(failure, DiskError::Failed { action: "sync the Raft log", .. });
    assert!(append(&log, QUIET, 2, 1, 10).is_err_and(|failure| is_sync(&failure)));
    assert!(failed.recv().is_ok_and(|failure| is_sync(&failure)));
    log.truncate_after(QUIET, 1);
    for _ in 0..3 {
        assert!(vote(&log, BUSY, "late").is_err_and(|failure| is_sync(&failure)));
        assert!(append(&log, QUIET, 3, 1, 10).is_err_and(|failure| is_sync(&failure)));
    }
    assert_eq!((log.queued_bytes(), log.state(BUSY).vote), (0, None));
    drop(log);
    let log = open(directory.path());
    assert_eq!((log.state(QUIET).last, log.replicas()), (Some(1), vec![QUIET]));
}

#[test]
fn what_a_failed_sync_has_left_in_memory_is_written_again() {
    let (segment, batches) = sample();
    let directory = directory_with(&segment);
    let found = recover::recover(directory.path()).expect("it recovers");
    // A process died of a failed sync of its last batch. The system showed what it had written, and then loses it.
    let lost = [&segment[..batches[6].0], &vec![0; segment.len() - batches[6].0]].concat();
    let path = directory.path().join("00000001.log");
    fs::OpenOptions::new().write(true).open(&path).and_then(|file| file.write_all_at(&lost, 0)).expect("written");
    found.make_durable().expect("it is written");
    assert_eq!(recovered(directory.path()).expect("it opens again"), picture(&found.index));
    assert_eq!(fs::read(&path).expect("the segment"), segment, "and nothing else is");
}

#[test]
fn old_segments_go_in_order_even_when_one_cannot() {
    let directory = directory();
    let log = open(directory.path());
    let path = directory.path().join("00000001.log");
    append(&log, QUIET, 1, 1, 3000).expect("durable");
    // A directory cannot be removed as a file.
    let aside = directory.path().join("aside");
    fs::rename(&path, &aside).expect("moved away");
    fs::create_dir(&path).expect("in its place");
    for index in 2..10 {
        append(&log, QUIET, index, 1, 3000).expect("durable");
        log.purge(QUIET, index - 1, Bytes::new());
    }
    drop(log);
    fs::remove_dir(&path).expect("removed");
    fs::rename(&aside, &path).expect("moved back");
    assert_eq!(open(directory.path()).state(QUIET).last, Some(9));
}

#[test]
fn a_full_disk_fails_every_later_call_and_says_so() {
    let program = std::env::current_exe().expect("this program");
    let mount = directory();
    let script = format!(
        "mount -t tmpfs -o size=64k tmpfs {0} && exec \"$0\" --exact --ignored --nocapture {1}",
        mount.path().display(),
        "raft_log::tests::in_a_tmpfs_of_64_kb"
    );
    let mut command = Command::new("unshare");
    command.args(["-Urm", "sh", "-c", &script]).arg(program).env("STATOR_TEST_FULL_DISK", mount.path());
    let child = command.output();
    match child {
        Ok(output) if output.status.success() => {
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(said.contains("1 passed"), "{said}");
        }
        Ok(output) if String::from_utf8_lossy(&output.stdout).contains("running 1 test") => {
            panic!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
        }
        other => println!(
            "skipped a_full_disk_fails_every_later_call_and_says_so: no tmpfs in a user namespace here: {other:?}"
        ),
    }
}

#[test]
#[ignore = "run by a_full_disk_fails_every_later_call_and_says_so, inside a small file system"]
fn in_a_tmpfs_of_64_kb() {
    let Some(mount) = std::env::var_os("STATOR_TEST_FULL_DISK").map(PathBuf::from) else { return };
    let log = open(&mount);
    let (sender, failed) = channel();
    log.on_failure(Box::new(move |failure| drop(sender.send(failure))));
    let failure = (1..100).find_map(|index| append(&log, QUIET, index, 1, 1500).err());
    assert!(matches!(failure, Some(DiskError::Full { .. })), "{failure:?}");
    assert!(matches!(failed.recv(), Ok(DiskError::Full { .. })));
    assert!(matches!(vote(&log, BUSY, "late"), Err(DiskError::Full { .. })));
    assert_eq!(log.queued_bytes(), 0);
    let (sender, failed) = channel();
    log.on_failure(Box::new(move |failure| drop(sender.send(failure))));
    assert!(failed.try_recv().is_ok(), "told at once");
    drop(log);
    assert!(FileLog::open(&mount, &small(), LogMetrics::default()).is_err_and(|e| matches!(e, DiskError::Full { .. })));
}
