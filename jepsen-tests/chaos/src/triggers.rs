//! Operations on triggers: a real function, which notes what it is called with in a table of its own.

use crate::{
    instead::Instead,
    sdk::{SdkClient, answered},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value as Json, json};
use stator_workloads::client::{
    Answer, Consistency, Delivery, Failure, MappingShape, Operation, Outcome, PageOf, Shape, TableStatus, Value,
};
use std::{
    io::{Cursor, Write},
    process::Command,
};
use zip::{ZipWriter, write::SimpleFileOptions};

const FUNCTION: &str = include_str!("triggers/function.py");
const MAPPINGS: &str = "/2015-03-31/event-source-mappings";

impl SdkClient {
    /// Makes the table's mapping, or changes the one that is there.
    pub(crate) async fn map(&self, table: &str, shape: MappingShape) -> Outcome {
        let function = format!("{table}-function");
        let known = self.lambda("GET", &format!("{MAPPINGS}/?FunctionName={function}"), &Json::Null).await;
        let known = match known {
            Ok(reply) => reply["EventSourceMappings"][0]["UUID"].as_str().map(str::to_owned),
            Err(failure) if is(&failure, "ResourceNotFoundException") => None,
            Err(failure) => return Err(failure),
        };
        let mut settings = json!({
            "BatchSize": shape.batch_size, "ParallelizationFactor": shape.parallelization,
            "BisectBatchOnFunctionError": shape.bisects, "Enabled": shape.enabled,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
        });
        let made = match known {
            Some(id) => self.lambda("PUT", &format!("{MAPPINGS}/{id}"), &settings).await,
            None => {
                let Some(stream) = self.prepare(table, &function).await? else { return Ok(Answer::Stream(None)) };
                settings["FunctionName"] = function.into();
                settings["EventSourceArn"] = stream.into();
                settings["StartingPosition"] = "TRIM_HORIZON".into();
                self.lambda("POST", &format!("{MAPPINGS}/"), &settings).await
            }
        };
        match made {
            Ok(_) => Ok(Answer::Mapped),
            Err(failure)
                if ["ResourceConflictException", "ResourceInUseException"].iter().any(|code| is(&failure, code)) =>
            {
                Ok(Answer::MappingInUse)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Makes the function and its table, unless they are there, and finds the table's stream.
    async fn prepare(&self, table: &str, function: &str) -> Result<Option<String>, Failure> {
        match self.create_table(seen_by(table), Shape::Hash).await? {
            Answer::Table(TableStatus::Active) | Answer::TableInUse => {}
            other => return Err(Failure::Definite(format!("the function's table is not there yet: {other:?}"))),
        }
        let code = zipped().map_err(|error| Failure::Absurd(error.to_string()))?;
        let made = json!({
            "FunctionName": function, "Runtime": runtime()?, "Handler": "app.handle", "Timeout": 20,
            "Role": "arn:aws:iam::000000000000:role/any", "Code": {"ZipFile": STANDARD.encode(code)},
            "Environment": {"Variables": {"SEEN": seen_by(table)}},
        });
        match self.lambda("POST", "/2015-03-31/functions", &made).await {
            Err(failure) if !is(&failure, "ResourceConflictException") => return Err(failure),
            _ => {}
        }
        match self.of_stream(&Operation::StreamOf { table: table.to_owned() }).await? {
            Answer::Stream(stream) => Ok(stream),
            other => Err(Failure::Absurd(format!("a stream was expected, not {other:?}"))),
        }
    }

    /// What the function has noted, in order for each item.
    pub(crate) async fn deliveries(&self, table: &str) -> Outcome {
        let (mut deliveries, mut after) = (Vec::new(), None);
        loop {
            let of = PageOf::Scan;
            let (items, next) = match self.page(seen_by(table), of, Consistency::Strong, None, after).await? {
                Answer::Page { items, next } => (items, next),
                Answer::NoSuchTable => return Ok(Answer::Deliveries(Vec::new())),
                other => return Err(Failure::Absurd(format!("a page was expected, not {other:?}"))),
            };
            for item in &items {
                let (Some(Value::Text(pk)), Some(Value::List(seen))) = (item.get("pk"), item.get("seen")) else {
                    return Err(Failure::Absurd(format!("the function has not written {item:?}")));
                };
                deliveries.extend(seen.iter().map(|v| Delivery { pk: pk.clone(), v: *v }));
            }
            if next.is_none() {
                return Ok(Answer::Deliveries(deliveries));
            }
            after = next;
        }
    }

    /// A request of the Lambda API; what a reply says that is no error.
    async fn lambda(&self, method: &'static str, path: &str, body: &Json) -> Result<Json, Failure> {
        let instead = Instead::of_path(method, path, body);
        let mut reply = Json::Null;
        let outcome = answered(self.client.list_tables().customize().interceptor(instead.clone()).send().await, |_| {
            reply = instead.reply().ok_or("a reply that is no JSON")?;
            Ok(Answer::Mapped)
        });
        match outcome {
            Ok(Answer::Mapped) => Ok(reply),
            Ok(Answer::NoSuchTable) => Err(Failure::Absurd("ResourceNotFoundException".to_owned())),
            Ok(Answer::TableInUse) => Err(Failure::Absurd("ResourceInUseException".to_owned())),
            Ok(other) => Err(Failure::Absurd(format!("{method} {path}: {other:?}"))),
            Err(failure) => Err(failure),
        }
    }
}

fn is(failure: &Failure, code: &str) -> bool {
    matches!(failure, Failure::Absurd(said) if said.starts_with(code))
}

fn seen_by(table: &str) -> String {
    format!("{table}-seen")
}

/// Of the Python that is found here.
fn runtime() -> Result<String, Failure> {
    let print = "import sys; print(f'python3.{sys.version_info.minor}')";
    let found = Command::new("python3").args(["-c", print]).output();
    let found = found.map_err(|error| Failure::Absurd(format!("functions need python3: {error}")))?;
    Ok(String::from_utf8_lossy(&found.stdout).trim().to_owned())
}

fn zipped() -> zip::result::ZipResult<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("app.py", SimpleFileOptions::default())?;
    zip.write_all(FUNCTION.as_bytes())?;
    Ok(zip.finish()?.into_inner())
}
