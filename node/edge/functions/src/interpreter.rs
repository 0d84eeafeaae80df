//! Which program runs a runtime's code, and what of the machine it needs to see.

use crate::{RunnerSettings, deployment::RunError, sandbox::plan::SYSTEM_FOLDERS};
use parking_lot::Mutex;
use serde::Deserialize;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

/// How long an interpreter may take to tell about itself.
const PROBE_MAX: Duration = Duration::from_secs(20);

/// The families of runtimes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    /// With the version's name: `python3.12`.
    Python(String),
    Node,
    /// The zip brings its own program, `bootstrap`.
    Provided,
}

impl Family {
    pub fn of(runtime: &str) -> Option<Family> {
        match runtime {
            "provided" | "provided.al2" | "provided.al2023" => Some(Family::Provided),
            _ if runtime.starts_with("nodejs") => Some(Family::Node),
            _ => {
                let minor = runtime.strip_prefix("python3.")?;
                let digits = !minor.is_empty() && minor.len() <= 3 && minor.bytes().all(|byte| byte.is_ascii_digit());
                digits.then(|| Family::Python(runtime.to_owned()))
            }
        }
    }
}

/// An interpreter of this machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Interpreter {
    pub program: PathBuf,
    /// What it needs beside the system's folders.
    pub folders: Vec<PathBuf>,
    /// Python: AWS's own runtime client is installed.
    pub aws_client: bool,
    /// Node: where installed packages are.
    pub module_path: Vec<PathBuf>,
}

/// The interpreters that were looked for.
#[derive(Default)]
pub(crate) struct Interpreters {
    found: Mutex<HashMap<String, Arc<Interpreter>>>,
}

impl Interpreters {
    pub async fn python(&self, settings: &RunnerSettings, version: &str) -> Result<Arc<Interpreter>, RunError> {
        let candidates = match &settings.python {
            Some(program) => vec![program.clone()],
            None => vec![PathBuf::from(version), PathBuf::from("python3")],
        };
        self.find(settings, version, &candidates, &["-s", "-c", PYTHON_PROBE]).await
    }

    pub async fn node(&self, settings: &RunnerSettings) -> Result<Arc<Interpreter>, RunError> {
        let candidates = [settings.node.clone().unwrap_or_else(|| PathBuf::from("node"))];
        self.find(settings, "nodejs", &candidates, &["-e", NODE_PROBE]).await
    }

    /// The first candidate that answers. One that was found is remembered, a miss is not: it may be installed any time.
    async fn find(
        &self,
        settings: &RunnerSettings,
        runtime: &str,
        candidates: &[PathBuf],
        arguments: &[&str],
    ) -> Result<Arc<Interpreter>, RunError> {
        if let Some(found) = self.found.lock().get(runtime) {
            return Ok(found.clone());
        }
        let mut reason = String::new();
        for candidate in candidates {
            match probe(candidate, arguments).await {
                Ok(about) => {
                    let interpreter = Arc::new(about.interpreter(&settings.data));
                    tracing::info!(runtime, program = %interpreter.program.display(), "interpreter for functions");
                    self.found.lock().insert(runtime.to_owned(), interpreter.clone());
                    return Ok(interpreter);
                }
                Err(error) => reason = format!("{}: {error}", candidate.display()),
            }
        }
        Err(RunError::RuntimeUnavailable { runtime: runtime.to_owned(), reason })
    }
}

/// What an interpreter tells of itself.
#[derive(Deserialize)]
struct About {
    program: PathBuf,
    folders: Vec<PathBuf>,
    #[serde(default)]
    aws_client: bool,
    #[serde(default)]
    module_path: Vec<PathBuf>,
}

const PYTHON_PROBE: &str = r#"
import importlib.util, json, os, sys
folders = [p for p in sys.path if p]
for prefix in {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}:
    folders += [os.path.join(prefix, name) for name in ("bin", "lib", "lib64", "pyvenv.cfg")]
folders.append(os.path.dirname(os.path.realpath(sys.executable)))
print(json.dumps({"program": sys.executable, "folders": folders,
                  "aws_client": importlib.util.find_spec("awslambdaric") is not None}))
"#;

const NODE_PROBE: &str = r#"
const path = require('path');
const prefix = path.dirname(path.dirname(process.execPath));
const modules = [...(process.env.NODE_PATH || '').split(':'), path.join(prefix, 'lib/node_modules'), '/usr/share/nodejs'];
const module_path = modules.filter((folder) => folder && require('fs').existsSync(folder));
const folders = [path.dirname(process.execPath), path.join(prefix, 'lib'), ...module_path];
console.log(JSON.stringify({ program: process.execPath, folders, module_path }));
"#;

async fn probe(program: &Path, arguments: &[&str]) -> Result<About, String> {
    let mut command = tokio::process::Command::new(program);
    // The server's own settings for Python are not the functions'.
    command.args(arguments).env_remove("PYTHONPATH").env_remove("PYTHONHOME").current_dir("/").kill_on_drop(true);
    command.stdin(Stdio::null()).stderr(Stdio::null());
    let output = tokio::time::timeout(PROBE_MAX, command.output())
        .await
        .map_err(|_| "it does not answer".to_owned())?
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(output.status.to_string());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}

impl About {
    /// Reduces the folders to those that are there, absolute, not the system's, not within one another; and never the root or
    /// anything else that contains the data directory.
    fn interpreter(self, data: &Path) -> Interpreter {
        let data = data.canonicalize().unwrap_or_else(|_| data.to_path_buf());
        let is_system = |path: &Path| SYSTEM_FOLDERS.iter().any(|system| path.starts_with(system));
        let mut folders: Vec<PathBuf> = self
            .folders
            .into_iter()
            .filter(|path| path.is_absolute() && path.exists() && !is_system(path) && !data.starts_with(path))
            .collect();
        folders.sort();
        // Sorted, what is within a folder comes after it.
        let mut kept: Vec<PathBuf> = Vec::new();
        for folder in folders {
            if !kept.iter().any(|outer| folder.starts_with(outer)) {
                kept.push(folder);
            }
        }
        Interpreter { program: self.program, folders: kept, aws_client: self.aws_client, module_path: self.module_path }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtimes_are_known_by_their_names() {
        assert_eq!(Family::of("python3.12"), Some(Family::Python("python3.12".to_owned())));
        assert_eq!(Family::of("nodejs22.x"), Some(Family::Node));
        assert_eq!(Family::of("provided.al2023"), Some(Family::Provided));
        for unknown in ["python2.7", "python3.", "python3.1/../x", "java21", "dotnet8", "ruby3.4", ""] {
            assert_eq!(Family::of(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn folders_never_contain_the_data() {
        let data = tempfile::tempdir().unwrap();
        let inner = data.path().join("inner");
        std::fs::create_dir_all(inner.join("deep")).unwrap();
        let root = PathBuf::from("/");
        let parent = data.path().to_path_buf();
        let about = About {
            program: PathBuf::from("/usr/bin/python3"),
            folders: vec![
                root,
                parent,
                inner.join("deep"),
                inner.clone(),
                PathBuf::from("/usr/lib/python3"),
                PathBuf::from("x"),
            ],
            aws_client: false,
            module_path: Vec::new(),
        };
        assert_eq!(about.interpreter(data.path()).folders, [inner]);
    }
}
