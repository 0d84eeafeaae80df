//! The environment of a function: nothing of the server's own, what Lambda promises, and the function's variables.
//! <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>

use crate::{
    deployment::{Deployment, SessionCredentials},
    interpreter::Interpreter,
};
use std::{collections::BTreeMap, path::Path};

/// Where things are, as the function sees them.
pub(crate) struct Places<'a> {
    pub task: &'a Path,
    pub runtime: &'a Path,
    pub scratch: &'a Path,
    pub runtime_api: String,
    pub endpoint: String,
}

/// The variables of one instance. Those that Lambda reserves win over the function's own; of the others the function's win.
pub(crate) fn variables(
    deployment: &Deployment,
    places: &Places<'_>,
    credentials: &SessionCredentials,
    interpreter: Option<&Interpreter>,
    region: &str,
    stream: &str,
) -> Vec<(String, String)> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let endpoint = format!("http://{}", places.endpoint);
    let module_path: Vec<String> =
        interpreter.map_or(Vec::new(), |found| found.module_path.iter().map(|path| text(path)).collect());
    let mut variables: BTreeMap<String, String> = [
        ("LANG", "en_US.UTF-8".to_owned()),
        ("TZ", ":UTC".to_owned()),
        ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin".to_owned()),
        ("LD_LIBRARY_PATH", format!("{0}:{0}/lib:/opt/lib", text(places.task))),
        ("HOME", text(places.scratch)),
        ("TMPDIR", text(places.scratch)),
        ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
        ("NODE_PATH", module_path.join(":")),
        ("AWS_ENDPOINT_URL", endpoint.clone()),
        ("AWS_ENDPOINT_URL_DYNAMODB", endpoint.clone()),
        ("AWS_ENDPOINT_URL_DYNAMODB_STREAMS", endpoint.clone()),
        ("AWS_ENDPOINT_URL_LAMBDA", endpoint),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    variables.retain(|_, value| !value.is_empty());
    variables.extend(deployment.environment.clone());
    let reserved = [
        ("_HANDLER", deployment.handler.clone()),
        ("LAMBDA_TASK_ROOT", text(places.task)),
        ("LAMBDA_RUNTIME_DIR", text(places.runtime)),
        ("AWS_LAMBDA_RUNTIME_API", places.runtime_api.clone()),
        ("AWS_LAMBDA_FUNCTION_NAME", deployment.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", deployment.version.clone()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", deployment.memory_mb.to_string()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", deployment.log_group.clone()),
        ("AWS_LAMBDA_LOG_STREAM_NAME", stream.to_owned()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_EXECUTION_ENV", format!("AWS_Lambda_{}", deployment.runtime)),
        ("AWS_REGION", region.to_owned()),
        ("AWS_DEFAULT_REGION", region.to_owned()),
        ("AWS_ACCESS_KEY_ID", credentials.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key.clone()),
        ("AWS_SESSION_TOKEN", credentials.session_token.clone()),
    ];
    variables.extend(reserved.map(|(name, value)| (name.to_owned(), value)));
    variables.into_iter().collect()
}
