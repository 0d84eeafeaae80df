//! A whole run, from the first process to the report.

use crate::{
    aftermath,
    arguments::{NetworkChoice, RunArgs, workloads},
    cluster::{Cluster, Network, Plan, System},
    dice::Dice,
    drive::{Drive, Outside, Pace, Part, judge, session},
    error::Error,
    fault::{FaultName, Need},
    history_file::HistoryFile,
    junit,
    leftovers::RunDirectory,
    namespace,
    nemesis::Nemesis,
    observer::observe,
    process::stator_program,
    record::{Aftermath, Ending, FaultRecord, Judged, Observation, Record},
    report,
    sdk::{AccessKey, SdkClient},
    timeline::during,
    verdict::{Verdict, checks, worst},
};
use stator_client::{Address, Endpoints};
use stator_workloads::{client::Client, history::History, workload::make_tables};
use std::{
    collections::BTreeSet,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{sync::watch, task::JoinHandle};

/// How often clients look which nodes there are.
const REFRESH: Duration = Duration::from_millis(500);
/// How long everything may take to be read once more.
const LAST_READS_MAX: Duration = Duration::from_secs(90);
/// Turns of one run: some gigabytes of history.
const TURNS_MAX: i64 = 2_000_000;

/// Makes a run and writes what was asked for. The exit code says what it has shown.
pub fn run(arguments: &RunArgs) -> Result<ExitCode, Error> {
    let seed = arguments.seed.unwrap_or_else(a_seed);
    let prepared = Prepared::check(arguments, seed)?;
    if prepared.network == Network::Namespaces && !namespace::is_inside() {
        return namespace::run_inside();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(Error::machine("start the runtime"))?;
    let record = runtime.block_on(carry_out(arguments, prepared))?;
    // Blocked threads, as of a question to a node that hangs, are not waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    told(arguments, &record)
}

/// Of the clock: another one each time.
fn a_seed() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(1, |since| since.as_millis() as u64 % 1_000_000_000)
}

/// What was found out before anything was started.
struct Prepared {
    seed: u64,
    workloads: Vec<String>,
    network: Network,
    system: Option<System>,
    needs: BTreeSet<Need>,
}

impl Prepared {
    /// Says what this machine does not permit, and what to do instead, before anything is broken.
    fn check(arguments: &RunArgs, seed: u64) -> Result<Prepared, Error> {
        let workloads = workloads(&arguments.workload).map_err(Error::Usage)?;
        let needs: BTreeSet<Need> = arguments.faults.iter().flat_map(|fault| fault.needs()).collect();
        let system = match &arguments.system {
            Some(path) => Some(System::read(path)?),
            None if !arguments.endpoint.is_empty() => Some(System::attached(&arguments.endpoint)?),
            None => None,
        };
        let network = match arguments.network {
            NetworkChoice::Namespaces => Network::Namespaces,
            NetworkChoice::Auto | NetworkChoice::Proxies => Network::Proxies,
        };
        if let Some(system) = &system {
            Prepared::check_foreign(system, &arguments.faults)?;
        }
        if network == Network::Namespaces
            && !namespace::is_inside()
            && let Some(reason) = namespace::forbidden()
        {
            return Err(Error::Usage(format!(
                "namespaces: {reason}; use --network proxies, which needs no right at all"
            )));
        }
        if network == Network::Namespaces && needs.contains(&Need::ProxiedClients) {
            return Err(Error::Usage("lost replies need --network proxies".to_owned()));
        }
        let has =
            |path: &Option<PathBuf>| path.as_ref().map(|path| path.parent().map(PathBuf::from).unwrap_or_default());
        for directory in [&arguments.report, &arguments.history, &arguments.junit].into_iter().filter_map(has) {
            if !directory.as_os_str().is_empty() && !directory.is_dir() {
                return Err(Error::Usage(format!("there is no directory {}", directory.display())));
            }
        }
        Ok(Prepared { seed, workloads, network, system, needs })
    }

    fn check_foreign(system: &System, faults: &[FaultName]) -> Result<(), Error> {
        for fault in faults {
            let may = fault.is_client_side() || (system.is_ours() && fault.is_of_processes());
            if !may {
                let why = if system.is_ours() {
                    "is for clusters of Stator"
                } else {
                    "needs nodes that the bench has started"
                };
                return Err(Error::Usage(format!("{fault} {why}; leave it out")));
            }
        }
        Ok(())
    }

    fn plan(&self, arguments: &RunArgs) -> Result<Plan, Error> {
        let program = match &self.system {
            Some(_) => PathBuf::new(),
            None => stator_program(arguments.stator.as_deref())?,
        };
        let flags = ["start", "--memory", "128MiB", "--log-level", "info,openraft=error", "--partitions", "4"];
        Ok(Plan {
            program,
            arguments: flags.map(str::to_owned).to_vec(),
            nodes: usize::try_from(arguments.nodes).unwrap_or(3),
            network: self.network,
            proxied_clients: self.needs.contains(&Need::ProxiedClients),
            clocks: self.needs.contains(&Need::Clocks),
            disks: self.needs.contains(&Need::Disks),
            power: self.needs.contains(&Need::Power),
            seed: self.seed,
        })
    }
}

/// A flag that is set by Ctrl-C and by the end. A second Ctrl-C ends everything at once.
fn stopper() -> watch::Sender<bool> {
    let stop = watch::Sender::new(false);
    let sender = stop.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            eprintln!("interrupted: healing, then judging what there is; once more to end at once");
            sender.send_replace(true);
        }
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(130);
        }
    });
    stop
}

async fn form(arguments: &RunArgs, prepared: &Prepared, notes: &mut Vec<String>) -> Result<Cluster, Error> {
    let (directory, cleaned) = RunDirectory::make()?;
    notes.extend(cleaned);
    if arguments.keep {
        directory.keep()?;
        notes.push(format!("the nodes' files are kept in {}", directory.path().display()));
    }
    let plan = prepared.plan(arguments)?;
    let key = AccessKey { id: arguments.access_key.clone(), secret: arguments.secret_key.clone() };
    let cluster = match &prepared.system {
        Some(system) => Cluster::attach(plan, system.clone(), directory, key).await?,
        // Nodes take a root key of a certain form.
        None => Cluster::form(plan, directory, own_key()).await?,
    };
    if let Some(bridge) = &cluster.bridge
        && prepared.needs.contains(&Need::Delay)
        && !bridge.has_netem()
    {
        return Err(Error::Usage("delay: this kernel has no netem; use --network proxies".to_owned()));
    }
    Ok(cluster)
}

fn own_key() -> AccessKey {
    AccessKey { id: "AKIACHAOSROOT0000001".to_owned(), secret: "chaos-root-secret-0123456789abcdefghijkl".to_owned() }
}

/// What works on a cluster while it is broken.
struct Load {
    parts: Vec<Part>,
    client: Arc<dyn Client>,
    outside: Arc<Outside>,
    history: Arc<History>,
    file: Option<Arc<HistoryFile>>,
}

impl Load {
    /// Makes the tables; nothing works on them yet.
    async fn prepare(
        arguments: &RunArgs,
        prepared: &Prepared,
        cluster: &Cluster,
        started: Instant,
    ) -> Result<Load, Error> {
        let client: Arc<dyn Client> = Arc::new(SdkClient::new(endpoints(cluster).await?, &cluster.key));
        let outside = Arc::new(Outside { started, dice: Dice::new(prepared.seed ^ 0xc11e) });
        let file = arguments.history.as_deref().map(HistoryFile::create).transpose();
        let file = file.map_err(Error::machine("write the history"))?.map(Arc::new);
        let history = Arc::new(match file.clone() {
            Some(file) => History::with_listener(move |line| file.write(line)),
            None => History::default(),
        });
        let parts = parts(prepared, cluster.foreign.is_some());
        for part in &parts {
            let made = make_tables(&*client, &*outside, &part.workload.tables()).await;
            made.map_err(Error::Cluster)?;
        }
        Ok(Load { parts, client, outside, history, file })
    }

    fn begin(&self, arguments: &RunArgs) -> Drive {
        let pace = Pace { clients: arguments.clients, turns_per_second: arguments.rate, turns_max: TURNS_MAX };
        Drive::begin(&self.parts, pace, &self.client, &self.outside, &self.history)
    }

    /// Why not everything could be read. What one workload cannot read does not keep the others from theirs: without their last
    /// reads they would find acknowledged writes missing.
    async fn last_reads(&self) -> Option<String> {
        let deadline = Instant::now() + LAST_READS_MAX;
        let mut missing = Vec::new();
        for part in &self.parts {
            let session = session(1_000_000, &self.client, &self.outside, &self.history);
            while let Err(error) = part.workload.last_reads(&session).await {
                if Instant::now() >= deadline {
                    missing.push(format!("{}: {error:?}", part.name));
                    break;
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
        (!missing.is_empty()).then(|| missing.join("; "))
    }
}

/// Looks at the cluster until it is dropped.
struct Observer {
    task: JoinHandle<()>,
    seen: Arc<Mutex<Vec<Observation>>>,
}

impl Observer {
    /// `None`: only a cluster of Stator can be looked at.
    fn begin(cluster: &Cluster, started: Instant) -> Option<Observer> {
        if cluster.foreign.is_some() {
            return None;
        }
        let seen: Arc<Mutex<Vec<Observation>>> = Arc::default();
        let tell = {
            let seen = seen.clone();
            move |observation| seen.lock().unwrap_or_else(PoisonError::into_inner).push(observation)
        };
        let task = tokio::spawn(observe(cluster.plan.program.clone(), cluster.roster.clone(), started, tell));
        Some(Observer { task, seen })
    }

    fn end(&self) -> Vec<Observation> {
        self.task.abort();
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Stops are as orderly as can be, whatever fails on the way.
async fn carry_out(arguments: &RunArgs, prepared: Prepared) -> Result<Record, Error> {
    let stop = stopper();
    let mut notes = Vec::new();
    let mut cluster = form(arguments, &prepared, &mut notes).await?;
    let started = Instant::now();
    let load = Load::prepare(arguments, &prepared, &cluster, started).await?;
    println!("{}: clients work for {} s, seed {}", described(&cluster), arguments.duration.as_secs(), prepared.seed);
    let drive = load.begin(arguments);
    let observer = Observer::begin(&cluster, started);
    let dice = Dice::new(prepared.seed);
    let mut nemesis =
        Nemesis { dice: &dice, started, ends: Instant::now() + arguments.duration, stop: stop.subscribe() };
    let tell = |fault: &FaultRecord| {
        println!("{:>6.1} s  {}: {}", fault.begun_us as f64 / 1e6, fault.name, fault.description);
    };
    let faults = nemesis.run(&mut cluster, &arguments.faults, tell).await;
    let is_interrupted = *stop.borrow();
    let duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    let mut after = Aftermath::default();
    if let Err(error) = aftermath::mend(&mut cluster).await {
        after.not_whole = Some(error.to_string());
    }
    let is_full = drive.is_full();
    drive.end().await;
    after.not_read = load.last_reads().await;
    let observations = observer.map(|observer| observer.end()).unwrap_or_default();
    let is_ours = cluster.foreign.is_none();
    if is_ours {
        aftermath::compare(&cluster, &mut after).await;
        aftermath::stop_and_check(&mut cluster, &mut after).await;
    }
    let Load { parts, history, file, .. } = load;
    if let Some(Err(error)) = file.map(|file| file.close()) {
        notes.push(format!("the history could not be written to its end: {error}"));
    }
    let events = history.events();
    let judged = parts.iter().map(|part| Judged { workload: part.name.clone(), judgement: judge(part, &events) });
    Ok(Record {
        command: command(arguments, prepared.seed),
        seed: prepared.seed,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        cluster: described(&cluster),
        duration_us,
        ending: match (is_interrupted, is_full) {
            (true, _) => Ending::Interrupted,
            (false, true) => Ending::HistoryFull,
            (false, false) => Ending::AsPlanned,
        },
        counts: history.counts(),
        faults_asked: arguments.faults.iter().map(ToString::to_string).collect(),
        faults,
        observations,
        judged: judged.collect(),
        aftermath: (is_ours || after != Aftermath::default()).then_some(after),
        notes,
        events,
    })
}

fn described(cluster: &Cluster) -> String {
    match (&cluster.foreign, cluster.plan.network) {
        (Some(system), _) => system.name.clone(),
        (None, Network::Proxies) => format!("{} nodes of Stator behind proxies", cluster.members().len()),
        (None, Network::Namespaces) => format!("{} nodes of Stator in network namespaces", cluster.members().len()),
    }
}

async fn endpoints(cluster: &Cluster) -> Result<Endpoints, Error> {
    let address = |text: String| Address::parse(&text).map_err(|error| Error::Cluster(error.to_string()));
    let seeds = cluster.client_addresses().into_iter().map(address).collect::<Result<Vec<_>, _>>()?;
    let found = match cluster.foreign {
        Some(_) => Endpoints::fixed(seeds),
        None => Endpoints::discover(seeds, REFRESH).await,
    };
    found.map_err(|error| Error::Cluster(error.to_string()))
}

/// Tables of a database that is not ours get names of this run.
fn parts(prepared: &Prepared, is_foreign: bool) -> Vec<Part> {
    let prefix = if is_foreign { format!("chaos-{}-", prepared.seed) } else { String::new() };
    let part = |name: &String| {
        let workload = stator_workloads::by_name(name, &prefix)?;
        Some(Part { name: name.clone(), prefix: format!("{prefix}{name}"), workload: workload.into() })
    };
    prepared.workloads.iter().filter_map(part).collect()
}

/// What to type to do the same again.
fn command(arguments: &RunArgs, seed: u64) -> String {
    let faults: Vec<String> = arguments.faults.iter().map(ToString::to_string).collect();
    let mut command = format!("stator-chaos run --workload {}", arguments.workload.join(","));
    if !faults.is_empty() {
        command.push_str(&format!(" --faults {}", faults.join(",")));
    }
    match (&arguments.system, &arguments.endpoint[..]) {
        (Some(path), _) => command.push_str(&format!(" --system {}", path.display())),
        (None, []) => command.push_str(&format!(" --nodes {}", arguments.nodes)),
        (None, urls) => command.push_str(&format!(" --endpoint {}", urls.join(","))),
    }
    if arguments.network == NetworkChoice::Namespaces {
        command.push_str(" --network namespaces");
    }
    let (seconds, clients, rate) = (arguments.duration.as_secs(), arguments.clients, arguments.rate);
    command.push_str(&format!(" --duration {seconds}s --clients {clients} --rate {rate} --seed {seed}"));
    command
}

/// Writes the files and says what came of it.
fn told(arguments: &RunArgs, record: &Record) -> Result<ExitCode, Error> {
    let files = [(&arguments.report, report::html(record)), (&arguments.junit, junit::xml(record))];
    for (path, text) in files {
        if let Some(path) = path {
            std::fs::write(path, text).map_err(Error::machine(format!("write {}", path.display())))?;
        }
    }
    for (place, fault) in record.faults.iter().enumerate() {
        let found = during(fault, record.faults.get(place + 1), record.duration_us, &record.events);
        println!("{}", report::line(fault, &found));
    }
    let checks = checks(record);
    for check in &checks {
        println!("{:<8} {}", check.verdict.to_string(), check.name);
        check.reasons.iter().for_each(|reason| println!("         {reason}"));
    }
    let verdict = worst(&checks);
    let counts = &record.counts;
    println!(
        "{verdict}: {} operations succeeded, {} had no effect, {} are unknown",
        counts.succeeded, counts.failed, counts.unknown
    );
    Ok(match verdict {
        Verdict::Valid => ExitCode::SUCCESS,
        Verdict::Unknown => ExitCode::from(3),
        Verdict::Invalid => ExitCode::from(4),
    })
}
