//! A runner with everything around it, for tests with real processes.
#![allow(dead_code, reason = "each test program uses a part of it")]

use bytes::Bytes;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use serde_json::Value;
use sha2::{Digest, Sha256};
use stator_environment::{BoxFuture, Environment};
use stator_functions::{
    CodeError, CodeSource, Credentials, CredentialsError, Deployment, Endpoint, Invocation, Invoked, LogSink, Outcome,
    RunError, Runner, RunnerSettings, SessionCredentials,
};
use std::{
    collections::{BTreeMap, HashMap},
    io::{Cursor, Write},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use zip::{ZipWriter, write::SimpleFileOptions};

/// How long a test waits for anything at most: the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Default)]
pub struct Outside {
    pub zips: Mutex<HashMap<[u8; 32], Bytes>>,
    pub lines: Mutex<Vec<String>>,
    pub issued: Mutex<u64>,
    pub expires_at_ms: Mutex<u64>,
}

impl CodeSource for Outside {
    fn code(&self, sha256: [u8; 32]) -> BoxFuture<'_, Result<Bytes, CodeError>> {
        let found = self.zips.lock().get(&sha256).cloned().ok_or(CodeError::NotFound);
        Box::pin(async move { found })
    }
}

impl Credentials for Outside {
    fn issue(&self, _arn: &str) -> BoxFuture<'_, Result<SessionCredentials, CredentialsError>> {
        *self.issued.lock() += 1;
        let credentials = SessionCredentials {
            access_key_id: "KEY".to_owned(),
            secret_access_key: "SECRET".to_owned(),
            session_token: "TOKEN".to_owned(),
            expires_at_ms: *self.expires_at_ms.lock(),
        };
        Box::pin(async move { Ok(credentials) })
    }
}

impl LogSink for Outside {
    fn write(&self, _group: &str, _stream: &str, _at_ms: u64, lines: Vec<String>) {
        self.lines.lock().extend(lines);
    }
}

/// Stator's API, as far as these tests need it: says hello.
struct Hello;

impl Endpoint for Hello {
    fn serve(&self, mut connection: tokio::net::TcpStream) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let mut head = [0; 4096];
            let _ = connection.read(&mut head).await;
            let _ =
                connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello").await;
        })
    }
}

pub struct World {
    pub runner: Arc<Runner>,
    pub outside: Arc<Outside>,
    pub environment: Environment,
    pub data: tempfile::TempDir,
    pub registry: Registry,
}

impl World {
    pub fn new() -> World {
        World::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut RunnerSettings)) -> World {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("secret"), "the data").unwrap();
        let environment = Environment::system();
        let outside = Arc::new(Outside { expires_at_ms: Mutex::new(u64::MAX), ..Outside::default() });
        let mut settings = RunnerSettings::new(data.path().to_path_buf());
        settings.helper = PathBuf::from(env!("CARGO_BIN_EXE_stator-sandbox"));
        settings.python = std::env::var_os("STATOR_PYTHON").map(PathBuf::from);
        settings.memory_max_mb = 100_000;
        change(&mut settings);
        let mut registry = Registry::default();
        let runner = Runner::new(
            settings,
            environment.clone(),
            &mut registry,
            outside.clone(),
            outside.clone(),
            outside.clone(),
            Arc::new(Hello),
        )
        .unwrap();
        World { runner: Arc::new(runner), outside, environment, data, registry }
    }

    /// A deployment of these files: name, content, executable.
    pub fn deploy(&self, runtime: &str, handler: &str, files: &[(&str, &str, bool)]) -> Deployment {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content, executable) in files {
            let mode = if *executable { 0o755 } else { 0o644 };
            writer.start_file(*name, SimpleFileOptions::default().unix_permissions(mode)).unwrap();
            writer.write_all(content.as_bytes()).unwrap();
        }
        let zip: Bytes = writer.finish().unwrap().into_inner().into();
        let code_sha256: [u8; 32] = Sha256::digest(&zip).into();
        self.outside.zips.lock().insert(code_sha256, zip);
        Deployment {
            arn: format!("arn:aws:lambda:us-east-1:000000000000:function:{}:$LATEST", hex(&code_sha256[..4])),
            name: "tested".to_owned(),
            version: "$LATEST".to_owned(),
            runtime: runtime.to_owned(),
            handler: handler.to_owned(),
            timeout: Duration::from_secs(60),
            memory_mb: 256,
            ephemeral_mb: 512,
            environment: BTreeMap::from([("OWN".to_owned(), "variable".to_owned())]),
            code_sha256,
            revision: "1".to_owned(),
            open_network: false,
            log_group: "/aws/lambda/tested".to_owned(),
        }
    }

    /// A Python function of one file.
    pub fn python(&self, code: &str) -> Deployment {
        self.deploy("python3.11", "index.handler", &[("index.py", code, false)])
    }

    pub async fn try_invoke(&self, deployment: &Deployment, payload: &str) -> Result<Invoked, RunError> {
        let invocation = Invocation {
            request_id: format!("{:032x}", self.environment.random.next_u128()),
            payload: Bytes::from(payload.to_owned()),
            deadline: self.environment.clock.elapsed() + PATIENCE,
            trace_id: "Root=1-2-3".to_owned(),
            client_context: None,
        };
        self.runner.invoke(Arc::new(deployment.clone()), invocation).await
    }

    pub async fn invoke(&self, deployment: &Deployment, payload: &str) -> Invoked {
        self.try_invoke(deployment, payload).await.unwrap()
    }

    /// The answer to a payload, which must be one.
    pub async fn answer(&self, deployment: &Deployment, payload: &str) -> Value {
        answered(&self.invoke(deployment, payload).await)
    }

    pub async fn close(self) {
        self.runner.close().await;
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn answered(invoked: &Invoked) -> Value {
    match &invoked.outcome {
        Outcome::Answered { payload } => serde_json::from_slice(payload).unwrap(),
        Outcome::Failed { payload, .. } => panic!("failed: {} {}", String::from_utf8_lossy(payload), tail(invoked)),
    }
}

/// Type and message of an error.
pub fn failed(invoked: &Invoked) -> (String, String) {
    match &invoked.outcome {
        Outcome::Failed { payload, .. } => {
            let error: Value = serde_json::from_slice(payload).unwrap();
            (error["errorType"].as_str().unwrap().to_owned(), error["errorMessage"].as_str().unwrap().to_owned())
        }
        Outcome::Answered { payload } => panic!("answered: {}", String::from_utf8_lossy(payload)),
    }
}

pub fn tail(invoked: &Invoked) -> String {
    String::from_utf8_lossy(&invoked.log_tail).into_owned()
}
