//! What an invocation costs: `cargo run --release -p stator-functions --example measure [COUNT]`.
//!
//! Measures from the call of `Runner::invoke` to its return, of handlers that answer at once, and what a cold start is made of.
//! `STATOR_AWSLAMBDARIC_PYTHON` names a Python with awslambdaric, to measure that, too. The program is its own sandbox helper and
//! its own runtime in Rust (`provided.al2023`).

use bytes::Bytes;
use prometheus_client::registry::Registry;
use sha2::{Digest, Sha256};
use stator_environment::{BoxFuture, Environment};
use stator_functions::{
    CodeError, CodeSource, Credentials, CredentialsError, Deployment, Forward, Invocation, LogSink, Outcome, Runner,
    RunnerSettings, SessionCredentials,
};
use std::{
    collections::BTreeMap,
    error::Error,
    io::{BufRead, BufReader, Cursor, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};
use zip::{ZipWriter, write::SimpleFileOptions};

const COLD_STARTS: usize = 15;
const WARM: usize = 2000;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    if let Some(code) = stator_functions::sandbox::entry() {
        return Ok(code);
    }
    if let Ok(api) = std::env::var("AWS_LAMBDA_RUNTIME_API") {
        return runtime(&api);
    }
    let warm = std::env::args().nth(1).map_or(Ok(WARM), |count| count.parse())?;
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(measure(warm))?;
    Ok(ExitCode::SUCCESS)
}

/// The smallest runtime there is: answers `null`.
fn runtime(api: &str) -> Result<ExitCode, Box<dyn Error>> {
    let mut stream = TcpStream::connect(api)?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut call = |request: String| -> Result<String, Box<dyn Error>> {
        stream.write_all(request.as_bytes())?;
        let (mut id, mut length, mut line) = (String::new(), 0, String::new());
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 || line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.split_once(':') {
                match name.to_ascii_lowercase().as_str() {
                    "lambda-runtime-aws-request-id" => id = value.trim().to_owned(),
                    "content-length" => length = value.trim().parse()?,
                    _ => {}
                }
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        Ok(id)
    };
    loop {
        let id = call("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n".to_owned())?;
        call(format!(
            "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nnull"
        ))?;
    }
}

/// Everything around the runner.
struct Outside {
    zips: Vec<([u8; 32], Bytes)>,
}

impl CodeSource for Outside {
    fn code(&self, sha256: [u8; 32]) -> BoxFuture<'_, Result<Bytes, CodeError>> {
        let found = self.zips.iter().find(|(hash, _)| *hash == sha256).map(|(_, zip)| zip.clone());
        Box::pin(async move { found.ok_or(CodeError::NotFound) })
    }
}

impl Credentials for Outside {
    fn issue(&self, _: &str) -> BoxFuture<'_, Result<SessionCredentials, CredentialsError>> {
        let text = || "x".to_owned();
        let credentials = SessionCredentials {
            access_key_id: text(),
            secret_access_key: text(),
            session_token: text(),
            expires_at_ms: u64::MAX,
        };
        Box::pin(async move { Ok(credentials) })
    }
}

impl LogSink for Outside {
    fn write(&self, _: &str, _: &str, _: u64, _: Vec<String>) {}
}

fn zip(name: &str, content: &[u8]) -> Result<([u8; 32], Bytes), Box<dyn Error>> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file(name, SimpleFileOptions::default().unix_permissions(0o755))?;
    writer.write_all(content)?;
    let zip: Bytes = writer.finish()?.into_inner().into();
    Ok((Sha256::digest(&zip).into(), zip))
}

async fn measure(warm: usize) -> Result<(), Box<dyn Error>> {
    let python = zip("index.py", b"def handler(event, context):\n    return None\n")?;
    let node = zip("index.js", b"exports.handler = async () => null;\n")?;
    let own = zip("bootstrap", &std::fs::read(std::env::current_exe()?)?)?;
    let mut cases = vec![
        ("Rust (provided.al2023)", "provided.al2023", own.0, None),
        ("Python, Stator's bootstrap", "python3.11", python.0, None),
        ("Node.js, Stator's bootstrap", "nodejs20.x", node.0, None),
    ];
    if let Some(aws) = std::env::var_os("STATOR_AWSLAMBDARIC_PYTHON") {
        cases.push(("Python, awslambdaric", "python3.11", python.0, Some(PathBuf::from(aws))));
    }
    let outside = Arc::new(Outside { zips: vec![python, node, own] });
    println!("| runtime | warm p50 µs | p90 | p99 | cold start p50 ms | of it sandbox | runtime |");
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for (name, runtime, code, interpreter) in cases {
        if let Err(error) = case(&outside, name, runtime, code, interpreter, warm).await {
            println!("| {name} | {error} | | | | | |");
        }
    }
    Ok(())
}

async fn case(
    outside: &Arc<Outside>,
    name: &str,
    runtime: &str,
    code_sha256: [u8; 32],
    python: Option<PathBuf>,
    warm: usize,
) -> Result<(), Box<dyn Error>> {
    let data = tempfile::tempdir()?;
    let environment = Environment::system();
    let mut registry = Registry::default();
    let settings = RunnerSettings { python, ..RunnerSettings::new(data.path().to_path_buf()) };
    let runner = Runner::new(
        settings,
        environment.clone(),
        &mut registry,
        outside.clone(),
        outside.clone(),
        outside.clone(),
        Arc::new(Forward(([127, 0, 0, 1], 1).into())),
    )?;
    let deployment = Arc::new(Deployment {
        arn: "arn:aws:lambda:us-east-1:000000000000:function:measured:1".to_owned(),
        name: "measured".to_owned(),
        version: "1".to_owned(),
        runtime: runtime.to_owned(),
        handler: "index.handler".to_owned(),
        timeout: Duration::from_secs(60),
        memory_mb: 1024,
        ephemeral_mb: 512,
        environment: BTreeMap::new(),
        code_sha256,
        revision: "1".to_owned(),
        open_network: false,
        log_group: "/aws/lambda/measured".to_owned(),
    });
    let invoke = |number: usize| {
        let invocation = Invocation {
            request_id: format!("{number:032x}"),
            payload: Bytes::from_static(b"{\"key\": \"value\"}"),
            deadline: environment.clock.elapsed() + Duration::from_secs(60),
            trace_id: String::new(),
            client_context: None,
        };
        let (deployment, runner) = (deployment.clone(), &runner);
        async move {
            let begun = Instant::now();
            let invoked = runner.invoke(deployment, invocation).await?;
            let took = begun.elapsed();
            match invoked.outcome {
                Outcome::Answered { .. } => Ok::<_, Box<dyn Error>>((took, invoked.init)),
                Outcome::Failed { payload, .. } => Err(String::from_utf8_lossy(&payload).into_owned().into()),
            }
        }
    };
    // The first start also tries the sandbox, finds the interpreter and unpacks the code.
    invoke(0).await?;
    let mut cold = Vec::new();
    let before = parts(&registry)?;
    for number in 0..COLD_STARTS {
        runner.retire(&deployment.arn, None);
        cold.push(invoke(number).await?.1.unwrap_or_default());
    }
    let after = parts(&registry)?;
    let mean = |part: usize| (after[part] - before[part]) * 1000.0 / COLD_STARTS as f64;
    let mut times = Vec::with_capacity(warm);
    for number in 0..warm {
        times.push(invoke(number).await?.0);
    }
    cold.sort();
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_micros();
    let cold = cold[COLD_STARTS / 2].as_secs_f64() * 1000.0;
    println!("| {name} | {} | {} | {} | {cold:.1} | {:.1} | {:.1} |", at(50), at(90), at(99), mean(0), mean(1));
    runner.close().await;
    Ok(())
}

/// Seconds that all starts have spent in the sandbox and in the runtime.
fn parts(registry: &Registry) -> Result<[f64; 2], Box<dyn Error>> {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry)?;
    let sum = |part: &str| {
        let name = format!("stator_functions_start_part_seconds_sum{{part=\"{part}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or_default()
    };
    Ok([sum("sandbox"), sum("runtime")])
}
