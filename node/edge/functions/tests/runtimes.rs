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
