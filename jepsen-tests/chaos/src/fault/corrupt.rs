//! A bit that is not what was written. The node must refuse to start or stop when it meets it; it must never serve it. Then a
//! new node takes its place, as its operator would have it.

use super::{
    Fault, Who,
    membership::{take_in, take_out},
};
use crate::{
    cluster::{Cluster, WHOLE_MAX},
    dice::Dice,
    error::Error,
};
use stator_workloads::client::BoxFuture;
use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::Duration,
};

/// How long the damaged node may take to notice at its start.
const START_MAX: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(super) struct Corrupt {
    place: usize,
    file: Option<(PathBuf, u64)>,
    outcome: String,
    findings: Vec<String>,
}

impl Fault for Corrupt {
    fn describe(&self) -> String {
        match &self.file {
            Some((file, at)) => format!(
                "node {}: killed, byte {at} of {} changed, started",
                self.place + 1,
                file.file_name().unwrap_or_default().to_string_lossy()
            ),
            None => format!("node {}: killed, and nothing to damage", self.place + 1),
        }
    }

    fn inject<'a>(&'a mut self, cluster: &'a mut Cluster, dice: &'a Dice) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            // A second copy that is not whole yet would be one failure too many.
            cluster.wait_whole(WHOLE_MAX).await?;
            self.place = Who::One.choose_one(cluster, dice);
            cluster.kill(self.place);
            self.file = damage(&cluster.nodes[self.place].data, dice)?;
            cluster.launch(self.place)?;
            let process = &mut cluster.nodes[self.place].process;
            self.outcome = match process.wait(START_MAX).await {
                Some(status) => {
                    if status.code() != Some(1) || process.said().contains("panicked") {
                        self.findings
                            .push(format!("the damaged node ended with {status}; it said last:\n{}", process.said()));
                    }
                    format!("it refused to start ({status})")
                }
                None => "it started without having met the damage".to_owned(),
            };
            Ok(())
        })
    }

    fn heal<'a>(&'a mut self, cluster: &'a mut Cluster) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            if let Some(status) = cluster.nodes[self.place].process.ended() {
                self.outcome = format!("{}; it met it later and ended ({status})", self.outcome);
            }
            take_out(cluster, self.place).await?;
            take_in(cluster).await.map(|_| ())
        })
    }

    fn proof(&self) -> Option<String> {
        self.file.as_ref().map(|_| self.outcome.clone())
    }

    fn findings(&self) -> Vec<String> {
        self.findings.clone()
    }
}

/// Flips one bit in the first two thirds of a table file or of a segment of the log: further back a segment may hold a batch
/// whose loss is no damage, as it was never synced.
fn damage(data: &Path, dice: &Dice) -> Result<Option<(PathBuf, u64)>, Error> {
    let failed = || Error::machine(format!("damage a file in {}", data.display()));
    let mut files = files(&data.join("rows"), "sst");
    files.extend(self::files(&data.join("raft-log"), "log"));
    let Some(file) = dice.pick(&files) else { return Ok(None) };
    let bytes = fs::read(file).map_err(failed())?;
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
    if end < 3 {
        return Ok(None);
    }
    let at = dice.below(end * 2 / 3);
    let changed = bytes.get(usize::try_from(at).unwrap_or(0)).copied().unwrap_or(0) ^ (1 << dice.below(8));
    let written = OpenOptions::new().write(true).open(file).and_then(|file| file.write_all_at(&[changed], at));
    written.map_err(failed())?;
    Ok(Some((file.clone(), at)))
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    found.sort();
    found
}
