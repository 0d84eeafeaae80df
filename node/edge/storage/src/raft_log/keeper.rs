//! A thread that does to files what takes milliseconds, so that no append waits for it: reserves the next segment and
//! removes old ones.

use super::segment::{self, Prepared};
use stator_environment::DiskError;
use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, Sender, channel},
    thread::{self, JoinHandle},
};

enum Job {
    Prepare { capacity: u64 },
    Remove(PathBuf),
}

pub(crate) struct Keeper {
    directory: PathBuf,
    jobs: Option<Sender<Job>>,
    prepared: Receiver<Result<Prepared, DiskError>>,
    asked: bool,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    pub fn start(directory: PathBuf) -> io::Result<Keeper> {
        let (jobs, inbox) = channel();
        let (outbox, prepared) = channel();
        let worker = directory.clone();
        let thread = thread::Builder::new().name("log-keeper".into()).spawn(move || {
            let mut unneeded = VecDeque::new();
            for job in inbox {
                match job {
                    // The log's thread may have stopped meanwhile.
                    Job::Prepare { capacity } => drop(outbox.send(segment::prepare(&worker, capacity))),
                    Job::Remove(path) => {
                        unneeded.push_back(path);
                        remove_in_order(&worker, &mut unneeded);
                    }
                }
            }
        })?;
        Ok(Keeper { directory, jobs: Some(jobs), prepared, asked: false, thread: Some(thread) })
    }

    /// Begins to reserve the next segment, unless that was asked before.
    pub fn prepare(&mut self, capacity: u64) {
        if !self.asked {
            self.asked = self.send(Job::Prepare { capacity });
        }
    }

    /// The reserved segment, after waiting for it if need be.
    pub fn take_prepared(&mut self, capacity: u64) -> Result<Prepared, DiskError> {
        self.prepare(capacity);
        self.asked = false;
        match self.prepared.recv() {
            Ok(Ok(prepared)) => Ok(prepared),
            // Reserving may have failed long ago: there may be space again.
            Ok(Err(_)) | Err(_) => segment::prepare(&self.directory, capacity),
        }
    }

    /// Removes a segment some time later, after those handed over before.
    pub fn remove(&self, path: PathBuf) {
        self.send(Job::Remove(path));
    }

    fn send(&self, job: Job) -> bool {
        self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok())
    }
}

/// Never a later one before an earlier one: a log with a gap between its segments is damaged.
fn remove_in_order(directory: &Path, unneeded: &mut VecDeque<PathBuf>) {
    while let Some(path) = unneeded.front() {
        if let Err(error) = segment::remove(directory, path) {
            tracing::warn!(%error, "an old log segment stays until the next one can go");
            return;
        }
        unneeded.pop_front();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the log's keeper panicked");
        }
    }
}
