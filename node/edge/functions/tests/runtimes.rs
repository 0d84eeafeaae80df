//! Handlers in Python, JavaScript and of their own kind, as real processes.

mod world;

use serde_json::{Value, json};
use stator_functions::{Outcome, RunError};
use std::time::Duration;
use world::{World, answered, failed, tail};

#[tokio::test]
async fn python_answers_and_stays_warm() {
    let world = World::new();
    let deployment = world.python(
        r#"
import os, sys
count = 0
def handler(event, context):
    global count
    count += 1
    print("working on", event["n"])
    return {"n": event["n"] + 1, "count": count, "id": context.aws_request_id, "own": os.environ["OWN"],
            "left": context.get_remaining_time_in_millis(), "root": os.environ["LAMBDA_TASK_ROOT"]}
"#,
    );
    let first = world.invoke(&deployment, r#"{"n": 1}"#).await;
    let answer = answered(&first);
    assert_eq!((answer["n"].as_i64(), answer["count"].as_i64()), (Some(2), Some(1)));
    assert_eq!((answer["own"].as_str(), answer["root"].as_str()), (Some("variable"), Some("/var/task")));
    assert!(answer["left"].as_i64().unwrap() > 0 && answer["left"].as_i64().unwrap() <= 60_000);
    assert!(first.init.is_some() && first.max_memory_mb > 0);
    let second = world.invoke(&deployment, r#"{"n": 5}"#).await;
    assert_eq!(answered(&second)["count"], json!(2), "the same process");
    assert!(second.init.is_none());
    let lines: Vec<String> = tail(&second).lines().map(str::to_owned).collect();
    let id = answered(&second)["id"].as_str().unwrap().to_owned();
    assert_eq!(
        lines[..3],
        [format!("START RequestId: {id} Version: $LATEST"), "working on 5".to_owned(), format!("END RequestId: {id}")]
    );
    assert!(lines[3].starts_with(&format!("REPORT RequestId: {id}\tDuration: ")), "{}", lines[3]);
    assert!(lines[3].contains("\tMemory Size: 256 MB\tMax Memory Used: "), "{}", lines[3]);
    assert!(world.outside.lines.lock().iter().any(|line| line == "working on 1"));
    world.close().await;
}

#[tokio::test]
async fn python_errors_have_the_shapes_of_lambda() {
    let world = World::new();
    let raises = world.python("def handler(event, context):\n    raise ValueError('bad ' + event)\n");
    let invoked = world.invoke(&raises, r#""luck""#).await;
    let Outcome::Failed { payload, .. } = &invoked.outcome else { panic!("{invoked:?}") };
    let error: Value = serde_json::from_slice(payload).unwrap();
    assert_eq!((error["errorType"].as_str(), error["errorMessage"].as_str()), (Some("ValueError"), Some("bad luck")));
    let trace = error["stackTrace"].as_array().unwrap();
    assert!(trace.len() == 1 && trace[0].as_str().unwrap().contains("/var/task/index.py\", line 2"), "{trace:?}");
    assert!(tail(&invoked).contains("[ERROR] ValueError: bad luck"), "{}", tail(&invoked));

    let cases = [
        (
            "import nothing_like_this\n",
            "Runtime.ImportModuleError",
            "Unable to import module 'index': No module named 'nothing_like_this'",
        ),
        ("def handler(event, context)\n    pass\n", "Runtime.UserCodeSyntaxError", "Syntax error in module 'index': "),
        (
            "def other(event, context):\n    pass\n",
            "Runtime.HandlerNotFound",
            "Handler 'handler' missing on module 'index'",
        ),
        (
            "def handler(event, context):\n    return {1, 2}\n",
            "Runtime.MarshalError",
            "Unable to marshal response: Object of type set is not JSON serializable",
        ),
    ];
    for (code, kind, message) in cases {
        let invoked = world.invoke(&world.python(code), "{}").await;
        let (found_kind, found) = failed(&invoked);
        assert!(found_kind == kind && found.starts_with(message), "{found_kind}: {found}");
    }
    let (kind, message) = failed(&world.invoke(&world.python("import sys\nsys.exit(3)\n"), "{}").await);
    assert_eq!(kind, "Runtime.ExitError");
    assert!(message.ends_with("Error: Runtime exited with error: exit status 3"), "{message}");
    let mut bad_name = world.python("x = 1\n");
    bad_name.handler = "index".to_owned();
    assert_eq!(failed(&world.invoke(&bad_name, "{}").await).0, "Runtime.MalformedHandlerName");
    world.close().await;
}

#[tokio::test]
async fn nothing_of_the_server_leaks_into_the_environment() {
    let world = World::new();
    let deployment = world.python("import os\ndef handler(event, context):\n    return dict(os.environ)\n");
    let answer = world.answer(&deployment, "{}").await;
    let found = answer.as_object().unwrap();
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "KEY"),
        ("AWS_SECRET_ACCESS_KEY", "SECRET"),
        ("AWS_SESSION_TOKEN", "TOKEN"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_LAMBDA_FUNCTION_NAME", "tested"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("_HANDLER", "index.handler"),
        ("TZ", ":UTC"),
    ] {
        assert_eq!(found[name], value, "{name}");
    }
    assert!(found["AWS_ENDPOINT_URL"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    for name in ["CARGO_MANIFEST_DIR", "CARGO", "USER", "PWD", "OLDPWD"] {
        assert!(!found.contains_key(name), "{name}");
    }
    world.close().await;
}

#[tokio::test]
async fn a_function_reaches_stator_at_its_endpoint() {
    let world = World::new();
    let code = "import os, urllib.request\ndef handler(event, context):\n    \
                return urllib.request.urlopen(os.environ['AWS_ENDPOINT_URL']).read().decode()\n";
    assert_eq!(world.answer(&world.python(code), "{}").await, json!("hello"));
    let mut open = world.python(code);
    open.open_network = true;
    open.revision = "open".to_owned();
    assert_eq!(world.answer(&open, "{}").await, json!("hello"));
    world.close().await;
}

#[tokio::test]
async fn an_unknown_runtime_is_refused_by_name() {
    let world = World::new();
    let mut deployment = world.python("");
    deployment.runtime = "java21".to_owned();
    assert!(matches!(world.try_invoke(&deployment, "{}").await, Err(RunError::RuntimeUnavailable { .. })));
    world.close().await;
}

#[tokio::test]
async fn a_slow_start_takes_from_the_time_of_the_event() {
    let world = World::with(|settings| settings.init_max = Duration::from_millis(1));
    let mut deployment = world.python("import time\ntime.sleep(30)\ndef handler(event, context):\n    pass\n");
    deployment.timeout = Duration::from_secs(1);
    let invoked = world.invoke(&deployment, "{}").await;
    let (kind, message) = failed(&invoked);
    assert_eq!(kind, "Sandbox.Timedout");
    assert!(message.ends_with("Task timed out after 1.00 seconds"), "{message}");
    assert!(tail(&invoked).contains("Status: timeout"));
    world.close().await;
}

/// A runtime of its own in a shell, over the shell's sockets.
const SHELL_BOOTSTRAP: &str = r#"#!/bin/bash
exec 3<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API/://}"
call() { # method, path, body
    printf '%s /2018-06-01/runtime/%s HTTP/1.1\r\nHost: x\r\nContent-Length: %s\r\n\r\n%s' "$1" "$2" "${#3}" "$3" >&3
    read -r -u 3 _ status _
    length=0
    while IFS= read -r -u 3 line && line=${line%$'\r'} && [ -n "$line" ]; do
        case ${line,,} in
            lambda-runtime-aws-request-id:*) id=${line#*: } ;;
            content-length:*) length=${line#*: } ;;
        esac
    done
    body=
    [ "$length" -gt 0 ] && read -r -N "$length" -u 3 body
}
while true; do
    call GET invocation/next ""
    event=$body
    case $event in
        '"twice"') call POST "invocation/$id/response" '"first"'; call POST "invocation/$id/response" '"second"'; echo "second: $status" ;;
        '"stranger"') call POST "invocation/nobody/response" '1'; call POST "invocation/$id/response" "$status" ;;
        '"error"') call POST "invocation/$id/error" '{"errorType":"Own.Kind","errorMessage":"own words"}' ;;
        '"text"') call POST "invocation/$id/response" 'no json {' ;;
        *) echo "event of ${#event} bytes"; call POST "invocation/$id/response" "{\"handler\":\"$_HANDLER\",\"event\":$event}" ;;
    esac
done
"#;

#[tokio::test]
async fn a_runtime_of_its_own_speaks_the_runtime_api() {
    let world = World::new();
    let deployment = world.deploy("provided.al2023", "whatever", &[("bootstrap", SHELL_BOOTSTRAP, true)]);
    assert_eq!(world.answer(&deployment, r#"{"a":1}"#).await, json!({"handler": "whatever", "event": {"a": 1}}));
    assert_eq!(world.answer(&deployment, r#""stranger""#).await, json!(400), "another id is refused");
    assert_eq!(world.answer(&deployment, r#""twice""#).await, json!("first"));
    let (kind, message) = failed(&world.invoke(&deployment, r#""error""#).await);
    assert_eq!((kind.as_str(), message.as_str()), ("Own.Kind", "own words"));
    assert!(world.outside.lines.lock().iter().any(|line| line == "second: 403"), "{:?}", world.outside.lines.lock());
    let Outcome::Answered { payload } = world.invoke(&deployment, r#""text""#).await.outcome else { panic!() };
    assert_eq!(&payload[..], b"no json {", "answers are the function's own business");
    world.close().await;
}

#[tokio::test]
async fn a_bootstrap_that_cannot_be_run_is_told() {
    let world = World::new();
    let missing = world.deploy("provided", "x", &[("other", "", true)]);
    let forbidden = world.deploy("provided.al2", "x", &[("bootstrap", SHELL_BOOTSTRAP, false)]);
    let ends = world.deploy("provided.al2023", "x", &[("bootstrap", "#!/bin/sh\necho last words\nexit 5\n", true)]);
    for (deployment, reason) in [(missing, "No such file or directory"), (forbidden, "Permission denied")] {
        let (kind, message) = failed(&world.invoke(&deployment, "{}").await);
        assert_eq!(kind, "Runtime.InvalidEntrypoint");
        assert!(message.contains(reason), "{message}");
    }
    let invoked = world.invoke(&ends, "{}").await;
    let (kind, message) = failed(&invoked);
    assert!(kind == "Runtime.ExitError" && message.ends_with("exit status 5"), "{kind} {message}");
    assert!(tail(&invoked).contains("last words\n"), "{}", tail(&invoked));
    world.close().await;
}

/// False, and said so, where Node.js is not installed.
fn node_installed(test: &str) -> bool {
    let installed =
        std::process::Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
    if !installed {
        eprintln!("skipped: {test}: there is no node");
    }
    installed
}

#[tokio::test]
async fn javascript_answers_in_every_way() {
    if !node_installed("javascript_answers_in_every_way") {
        return;
    }
    let world = World::new();
    let promise = "exports.handler = async (event, context) => { console.log('event', event); return { n: event.n + 1, name: context.functionName }; };";
    let callback = "exports.handler = (event, context, callback) => { setTimeout(() => callback(null, { n: event.n + 1, name: context.functionName }), 1); };";
    let module = "import { basename } from 'path'; export const handler = async (event, context) => ({ n: event.n + 1, name: basename('/x/' + context.functionName) });";
    let nothing = "exports.handler = (event) => {};";
    for (file, code) in [("index.js", promise), ("index.cjs", callback), ("index.mjs", module)] {
        let deployment = world.deploy("nodejs20.x", "index.handler", &[(file, code, false)]);
        for n in 1..3 {
            let answer = world.answer(&deployment, &json!({"n": n}).to_string()).await;
            assert_eq!(answer, json!({"n": n + 1, "name": "tested"}), "{file}");
        }
    }
    let package = [("lib/index.js", module, false), ("package.json", r#"{"type":"module"}"#, false)];
    let deployment = world.deploy("nodejs20.x", "lib/index.handler", &package);
    assert_eq!(world.answer(&deployment, r#"{"n": 1}"#).await["n"], json!(2), "a package of modules");
    let deployment = world.deploy("nodejs20.x", "index.handler", &[("index.js", nothing, false)]);
    assert_eq!(world.answer(&deployment, "{}").await, Value::Null);
    let lines = world.outside.lines.lock().clone();
    assert!(lines.iter().any(|line| line.ends_with("\tINFO\tevent { n: 1 }")), "{lines:?}");
    world.close().await;
}

#[tokio::test]
async fn javascript_errors_have_the_shapes_of_lambda() {
    if !node_installed("javascript_errors_have_the_shapes_of_lambda") {
        return;
    }
    let world = World::new();
    let cases = [
        ("exports.handler = async () => { throw new TypeError('wrong'); };", "TypeError", "wrong"),
        ("exports.handler = (event, context, callback) => callback(new RangeError('far'));", "RangeError", "far"),
        ("exports.handler = () => { throw new Error('sync'); };", "Error", "sync"),
        ("exports.handler = async () => { throw 'text'; };", "string", "text"),
        ("exports.other = 1;", "Runtime.HandlerNotFound", "index.handler is undefined or not exported"),
        ("exports.handler = async ( => 1;", "Runtime.UserCodeSyntaxError", "SyntaxError: "),
        (
            "require('not-installed'); exports.handler = async () => 1;",
            "Runtime.ImportModuleError",
            "Error: Cannot find module 'not-installed'",
        ),
        ("exports.handler = async () => 10n;", "Runtime.MarshalError", "Unable to stringify response body: "),
        (
            "exports.handler = async () => { Promise.reject(new Error('lost')); await new Promise((go) => setTimeout(go, 10000)); };",
            "Runtime.UnhandledPromiseRejection",
            "Error: lost",
        ),
        ("exports.handler = async () => { process.exit(0); };", "Runtime.ExitError", "RequestId: "),
    ];
    for (code, kind, message) in cases {
        let deployment = world.deploy("nodejs20.x", "index.handler", &[("index.js", code, false)]);
        let (found_kind, found) = failed(&world.invoke(&deployment, "{}").await);
        assert!(found_kind == kind && found.starts_with(message), "{code}: {found_kind}: {found}");
    }
    let deployment = world.deploy("nodejs20.x", "missing.handler", &[("index.js", "", false)]);
    assert_eq!(failed(&world.invoke(&deployment, "{}").await).0, "Runtime.ImportModuleError");
    world.close().await;
}

#[tokio::test]
async fn awss_own_client_runs_unmodified() {
    let Some(python) = std::env::var_os("STATOR_AWSLAMBDARIC_PYTHON") else {
        eprintln!(
            "skipped: awss_own_client_runs_unmodified: STATOR_AWSLAMBDARIC_PYTHON names no Python with awslambdaric"
        );
        return;
    };
    let world = World::with(|settings| settings.python = Some(python.into()));
    let code = "
import sys, logging
def handler(event, context):
    print('printed')
    logging.getLogger().error('logged')
    if event == 'raise':
        raise KeyError('x')
    return {'event': event, 'client': 'awslambdaric' in sys.modules, 'left': context.get_remaining_time_in_millis()}
";
    let deployment = world.python(code);
    let invoked = world.invoke(&deployment, r#"{"a": 1}"#).await;
    let answer = answered(&invoked);
    assert_eq!((&answer["event"], &answer["client"]), (&json!({"a": 1}), &json!(true)));
    assert!(tail(&invoked).contains("printed\n[ERROR]"), "{}", tail(&invoked));
    assert_eq!(failed(&world.invoke(&deployment, r#""raise""#).await).0, "KeyError");
    let (kind, _) = failed(&world.invoke(&world.python("import nothing_like_this\n"), "{}").await);
    assert_eq!(kind, "Runtime.ImportModuleError");
    world.close().await;
}
