//! A history as lines of JSON: streamed to disk while a run goes on, and read again whatever became of the run.

use serde::Serialize;
use stator_workloads::history::{Event, Line, events_of};
use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A killed bench loses at most what came since the last time.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// Takes lines from many clients. An error of the disk is kept and told at the end: the run is worth more than its file.
pub struct HistoryFile {
    state: Mutex<State>,
}

struct State {
    file: BufWriter<File>,
    flushed: Instant,
    error: Option<io::Error>,
}

impl HistoryFile {
    pub fn create(path: &Path) -> io::Result<HistoryFile> {
        let state = State { file: BufWriter::new(File::create(path)?), flushed: Instant::now(), error: None };
        Ok(HistoryFile { state: Mutex::new(state) })
    }

    pub fn write(&self, line: &Line) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let is_due = now - state.flushed >= FLUSH_EVERY;
        let mut written = put(&mut state.file, line);
        if is_due {
            written = written.and_then(|()| state.file.flush());
            state.flushed = now;
        }
        if let Err(error) = written {
            state.error.get_or_insert(error);
        }
    }

    /// Writes what waits. The first error that there was.
    pub fn close(&self) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.file.flush()?;
        state.error.take().map_or(Ok(()), Err)
    }
}

fn put(file: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *file, line)?;
    file.write_all(b"\n")
}

/// What a file holds.
#[derive(Debug, Default)]
pub struct Read {
    pub events: Vec<Event>,
    /// Lines that are none, as the last one of a run that was killed.
    pub broken_lines: u64,
}

/// Reads a history, however much of it there is.
pub fn read(path: &Path) -> io::Result<Read> {
    let mut broken_lines = 0;
    let mut lines = Vec::new();
    for line in BufReader::new(File::open(path)?).split(b'\n') {
        let line = line?;
        match serde_json::from_slice::<Line>(&line) {
            Ok(line) => lines.push(line),
            Err(_) if line.is_empty() => {}
            Err(_) => broken_lines += 1,
        }
    }
    Ok(Read { events: events_of(lines), broken_lines })
}

#[cfg(test)]
mod tests {
    use super::*;
    use stator_workloads::{
        client::{Answer, Operation},
        history::History,
    };
    use std::{fs, sync::Arc};

    fn operation() -> Operation {
        Operation::DescribeTable { table: "t".to_owned() }
    }

    #[test]
    fn a_file_gives_the_history_back_also_when_it_was_cut_off() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("history.jsonl");
        let file = Arc::new(HistoryFile::create(&path).expect("writable"));
        let listener = file.clone();
        let history = History::with_listener(move |line| listener.write(line));
        let first = history.begin(1, 0, 10, operation());
        history.begin(2, 0, 20, operation());
        history.end(first, 30, Ok(Answer::NoSuchTable));
        file.close().expect("writable");
        let whole = read(&path).expect("readable");
        assert_eq!((whole.events, whole.broken_lines), (history.events(), 0));

        let bytes = fs::read(&path).expect("readable");
        fs::write(&path, &bytes[..bytes.len() - 9]).expect("writable");
        let cut = read(&path).expect("readable");
        assert_eq!((cut.events.len(), cut.broken_lines), (2, 1));
        assert!(cut.events.iter().all(|event| event.outcome.is_none()), "its end was lost with the line");
    }
}
