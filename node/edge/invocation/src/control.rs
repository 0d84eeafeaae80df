//! The control plane: requests that read functions, or change them, and which request is which.

use crate::{
    code::CODE_PATH,
    functions::{Answer, Asked, Functions},
};
use bytes::Bytes;
use serde_json::{Value, json};
use stator_catalog::{Change, Function, FunctionChange, LATEST, Outcome, Qualified, UploadedCode};
use stator_cluster::{ChangeError, Deadline};
use stator_lambda::{
    FunctionReference, HttpRequest, LambdaError, Operation, Reply,
    operation::{
        AddPermission, AliasReference, ChangeTags, CodeKey, ConfigureEvents, CreateAlias, CreateFunction, Destination,
        EventsReference, FunctionRequest, Invoke, ListAliases, ListFunctionEventInvokeConfigs, ListFunctions, ListTags,
        ListVersionsByFunction, PublishVersion, PutFunctionConcurrency, PutFunctionRecursionConfig,
        PutRuntimeManagementConfig, RemovePermission, UpdateAlias, UpdateFunctionCode, UpdateFunctionConfiguration,
        VersionView, account_settings_json, alias_json, concurrency_json, event_invoke_json, get_function_json,
        policy_json, recursion_json, runtime_management_json,
    },
    package,
};
use std::sync::Arc;

impl Functions {
    /// Answers a request whose sender is known.
    pub async fn answer(
        &self,
        operation: Operation,
        request: &HttpRequest<'_>,
        asked: Asked<'_>,
    ) -> Result<Answer, LambdaError> {
        let reply = match operation {
            Operation::Invoke => return self.invoke(Invoke::parse(request)?, request.body, asked).await,
            Operation::InvokeAsync => return self.invoke(Invoke::parse_async(request)?, request.body, asked).await,
            Operation::CreateFunction => self.create_function(request).await?,
            Operation::UpdateFunctionCode => self.update_code(request).await?,
            other => self.control(other, request, asked).await?,
        };
        let content_type = ("content-type", "application/json".to_owned());
        let headers = if reply.body.is_empty() { Vec::new() } else { vec![content_type] };
        Ok(Answer { status: reply.status, headers, body: reply.body.into() })
    }

    /// The zip that a token lets its bearer fetch.
    pub async fn fetch_code(&self, token: &str) -> Result<Option<Bytes>, LambdaError> {
        let catalog = self.tables.catalog();
        let key = CodeKey::of(catalog.identity().ok_or_else(LambdaError::internal)?);
        let Some(sha256) = key.open(token, self.environment.clock.wall_ms()) else { return Ok(None) };
        Ok(self.code.read(sha256, self.deadline(self.settings.upload_time_max)).await?)
    }

    async fn create_function(&self, request: &HttpRequest<'_>) -> Result<Reply, LambdaError> {
        let owner = self.owner()?;
        let mut input = CreateFunction::parse(request, &owner)?;
        let deadline = self.deadline(self.settings.upload_time_max);
        input.function.check(&owner)?;
        if self.tables.catalog().function(&input.function.name).is_some() {
            // Its code need not be stored to be refused.
            let name = input.function.name.clone();
            return Err(LambdaError::Refused(stator_catalog::FunctionRefusal::FunctionExists(name)));
        }
        self.find_destinations(input.dead_letter().into_iter(), deadline).await?;
        let code = self.store(std::mem::take(&mut input.zip).into(), deadline).await?;
        let change = input.change(code, self.settings.code_bytes_max, self.revision());
        let function = self.change(change, deadline).await?;
        Ok(Reply::json(201, &input.json(&function, &owner)))
    }

    async fn update_code(&self, request: &HttpRequest<'_>) -> Result<Reply, LambdaError> {
        let owner = self.owner()?;
        let mut input = UpdateFunctionCode::parse(request)?;
        let deadline = self.deadline(self.settings.upload_time_max);
        input.function.check(&owner)?;
        let known = self.known(&input.function, deadline).await?;
        let zip = std::mem::take(&mut input.zip).into();
        if input.is_dry {
            check_package(zip).await?;
            return Ok(Reply::json(200, &input.json(&known, &owner)));
        }
        let code = self.store(zip, deadline).await?;
        let function = self.change(input.change(code, self.settings.code_bytes_max, self.revision()), deadline).await?;
        Ok(Reply::json(200, &input.json(&function, &owner)))
    }

    /// Checks a zip and stores it.
    async fn store(&self, zip: Bytes, deadline: Deadline) -> Result<UploadedCode, LambdaError> {
        check_package(zip.clone()).await?;
        self.code.write(zip, deadline).await
    }

    async fn control(
        &self,
        operation: Operation,
        request: &HttpRequest<'_>,
        asked: Asked<'_>,
    ) -> Result<Reply, LambdaError> {
        let deadline = self.deadline(self.settings.control_time_max);
        match operation {
            Operation::GetFunction
            | Operation::GetFunctionConfiguration
            | Operation::ListFunctions
            | Operation::UpdateFunctionConfiguration
            | Operation::DeleteFunction
            | Operation::PublishVersion
            | Operation::ListVersionsByFunction => self.versions(operation, request, asked, deadline).await,
            Operation::CreateAlias
            | Operation::GetAlias
            | Operation::UpdateAlias
            | Operation::DeleteAlias
            | Operation::ListAliases => self.aliases(operation, request, deadline).await,
            Operation::AddPermission
            | Operation::RemovePermission
            | Operation::GetPolicy
            | Operation::TagResource
            | Operation::UntagResource
            | Operation::ListTags => self.permissions_and_tags(operation, request, deadline).await,
            Operation::PutFunctionEventInvokeConfig
            | Operation::UpdateFunctionEventInvokeConfig
            | Operation::GetFunctionEventInvokeConfig
            | Operation::DeleteFunctionEventInvokeConfig
            | Operation::ListFunctionEventInvokeConfigs => self.event_configs(operation, request, deadline).await,
            Operation::CreateEventSourceMapping
            | Operation::GetEventSourceMapping
            | Operation::ListEventSourceMappings
            | Operation::UpdateEventSourceMapping
            | Operation::DeleteEventSourceMapping => self.mappings(operation, request, deadline).await,
            Operation::PutFunctionConcurrency
            | Operation::GetFunctionConcurrency
            | Operation::DeleteFunctionConcurrency
            | Operation::GetFunctionCodeSigningConfig
            | Operation::GetAccountSettings
            | Operation::PutFunctionRecursionConfig
            | Operation::GetFunctionRecursionConfig
            | Operation::PutRuntimeManagementConfig
            | Operation::GetRuntimeManagementConfig => self.settings_of(operation, request, deadline).await,
            Operation::Invoke | Operation::InvokeAsync | Operation::CreateFunction | Operation::UpdateFunctionCode => {
                Err(LambdaError::UnknownOperation)
            }
        }
    }

    async fn versions(
        &self,
        operation: Operation,
        request: &HttpRequest<'_>,
        asked: Asked<'_>,
        deadline: Deadline,
    ) -> Result<Reply, LambdaError> {
        let owner = self.owner()?;
        match operation {
            Operation::ListFunctions => {
                let input = ListFunctions::parse(request)?;
                Ok(Reply::json(200, &input.json(&*self.tables.newest(deadline).await, &owner)))
            }
            Operation::UpdateFunctionConfiguration => {
                let input = UpdateFunctionConfiguration::parse(request, &owner)?;
                input.function.check(&owner)?;
                self.find_destinations(input.dead_letter().into_iter(), deadline).await?;
                let function = self.change(input.change(self.revision()), deadline).await?;
                Ok(Reply::json(200, &latest_json(&function, &owner)))
            }
            Operation::DeleteFunction => {
                let FunctionRequest { function } = FunctionRequest::parse(request)?;
                function.check(&owner)?;
                let change = FunctionRequest { function: function.clone() }.delete(self.revision())?;
                self.make(change, deadline).await?;
                // The newest model answers 200 with its status as a member of no body; older SDKs take it as well.
                Ok(Reply { status: 204, body: Vec::new() })
            }
            Operation::PublishVersion => {
                let input = PublishVersion::parse(request)?;
                input.function.check(&owner)?;
                let change = input.change(self.settings.code_bytes_max, self.revision());
                let function = self.change(change, deadline).await?;
                Ok(Reply::json(201, &input.json(&function, &owner)))
            }
            Operation::ListVersionsByFunction => {
                let input = ListVersionsByFunction::parse(request)?;
                let function = self.newest(&input.function, deadline).await?;
                Ok(Reply::json(200, &input.json(&function, &owner)))
            }
            _ => {
                let FunctionRequest { function: reference } = FunctionRequest::parse(request)?;
                let function = self.newest(&reference, deadline).await?;
                let view = view(&function, reference.qualifier.as_deref(), &owner)?;
                if operation == Operation::GetFunctionConfiguration {
                    return Ok(Reply::json(200, &view.json()));
                }
                let location = self.code_location(&view.version.code.sha256, asked)?;
                Ok(Reply::json(200, &get_function_json(&view, &location)))
            }
        }
    }

    /// Where a zip may be fetched for a while.
    fn code_location(&self, sha256: &[u8; 32], asked: Asked<'_>) -> Result<String, LambdaError> {
        let catalog = self.tables.catalog();
        let key = CodeKey::of(catalog.identity().ok_or_else(LambdaError::internal)?);
        let token = key.token(sha256, self.environment.clock.wall_ms());
        let scheme = if self.settings.is_tls { "https" } else { "http" };
        Ok(format!("{scheme}://{}{CODE_PATH}{token}", asked.host))
    }

    async fn aliases(
        &self,
        operation: Operation,
        request: &HttpRequest<'_>,
        deadline: Deadline,
    ) -> Result<Reply, LambdaError> {
        let owner = self.owner()?;
        let shown = |function: &Function, name: &str, status: u16| match function.aliases.get(name) {
            Some(alias) => Ok(Reply::json(status, &alias_json(function, name, alias, &owner))),
            None => Err(LambdaError::Refused(stator_catalog::FunctionRefusal::NoSuchAlias {
                function: function.name.clone(),
                alias: name.to_owned(),
            })),
        };
        match operation {
            Operation::CreateAlias => {
                let input = CreateAlias::parse(request)?;
                input.function.check(&owner)?;
                let function = self.change(input.change(self.revision()), deadline).await?;
                shown(&function, &input.name, 201)
            }
            Operation::UpdateAlias => {
                let input = UpdateAlias::parse(request)?;
                input.function.check(&owner)?;
                let function = self.change(input.change(self.revision()), deadline).await?;
                shown(&function, &input.name, 200)
            }
            Operation::DeleteAlias => {
                let input = AliasReference::parse(request)?;
                input.function.check(&owner)?;
                self.make(input.delete(self.revision()), deadline).await?;
                Ok(Reply::nothing())
            }
            Operation::ListAliases => {
                let input = ListAliases::parse(request)?;
                let function = self.newest(&input.function, deadline).await?;
                Ok(Reply::json(200, &input.json(&function, &owner)))
            }
            _ => {
                let input = AliasReference::parse(request)?;
                let function = self.newest(&input.function, deadline).await?;
                shown(&function, &input.name, 200)
            }
        }
    }

    async fn permissions_and_tags(
        &self,
        operation: Operation,
        request: &HttpRequest<'_>,
        deadline: Deadline,
    ) -> Result<Reply, LambdaError> {
        let owner = self.owner()?;
        match operation {
            Operation::AddPermission => {
                let input = AddPermission::parse(request, &owner)?;
                input.function.check(&owner)?;
                self.make(input.change(self.revision()), deadline).await?;
                Ok(Reply::json(201, &input.json()))
            }
            Operation::RemovePermission => {
                let input = RemovePermission::parse(request)?;
                input.function.check(&owner)?;
                self.make(input.change(self.revision()), deadline).await?;
                Ok(Reply::nothing())
            }
            Operation::GetPolicy => {
                let FunctionRequest { function: reference } = FunctionRequest::parse(request)?;
                let function = self.newest(&reference, deadline).await?;
                Ok(Reply::json(200, &policy_json(&function, reference.qualifier.as_deref())?))
            }
            Operation::ListTags => {
                let function = self.newest(&ListTags::parse(request)?.function, deadline).await?;
                Ok(Reply::json(200, &ListTags::json(&function)))
            }
            _ => {
                let input = match operation {
                    Operation::UntagResource => ChangeTags::parse_untag(request)?,
                    _ => ChangeTags::parse_tag(request)?,
                };
                input.function.check(&owner)?;
                self.make(input.change(self.revision()), deadline).await?;
                Ok(Reply::nothing())
            }
        }
    }

    async fn event_configs(
        &self,
        operation: Operation,
        request: &HttpRequest<'_>,
        deadline: Deadline,
    ) -> Result<Reply, LambdaError> {
        let owner = self.owner()?;
        let shown = |function: &Function, qualifier: &str| match function.event_invokes.get(qualifier) {
            Some(events) => Ok(Reply::json(200, &event_invoke_json(function, qualifier, events, &owner))),
            None => Err(LambdaError::Refused(stator_catalog::FunctionRefusal::NoEventInvoke {
                function: function.name.clone(),
                qualifier: qualifier.to_owned(),
            })),
        };
        match operation {
            Operation::ListFunctionEventInvokeConfigs => {
                let input = ListFunctionEventInvokeConfigs::parse(request)?;
                let function = self.newest(&input.function, deadline).await?;
                Ok(Reply::json(200, &input.json(&function, &owner)))
            }
            Operation::GetFunctionEventInvokeConfig => {
                let input = EventsReference::parse(request)?;
                let function = self.newest(&input.function, deadline).await?;
                shown(&function, &input.qualifier())
            }
            Operation::DeleteFunctionEventInvokeConfig => {
                let input = EventsReference::parse(request)?;
                input.function.check(&owner)?;
                self.make(input.forget(self.revision()), deadline).await?;
                Ok(Reply::nothing())
            }
            _ => {
                let input = match operation {
                    Operation::UpdateFunctionEventInvokeConfig => ConfigureEvents::parse_update(request, &owner)?,
                    _ => ConfigureEvents::parse_put(request, &owner)?,
                };
                input.function.check(&owner)?;
                self.find_destinations(input.destinations(), deadline).await?;
                let function = self.change(input.change(self.revision()), deadline).await?;
                shown(&function, input.function.qualifier.as_deref().unwrap_or(LATEST))
            }
        }
    }

    async fn settings_of(
        &self,
        operation: Operation,
        request: &HttpRequest<'_>,
        deadline: Deadline,
    ) -> Result<Reply, LambdaError> {
        let owner = self.owner()?;
        match operation {
            Operation::GetAccountSettings => {
                let catalog = self.tables.newest(deadline).await;
                Ok(Reply::json(200, &account_settings_json(&catalog, self.settings.code_bytes_max)))
            }
            Operation::PutFunctionConcurrency => {
                let input = PutFunctionConcurrency::parse(request)?;
                input.function.check(&owner)?;
                let function = self.change(input.change(self.revision()), deadline).await?;
                Ok(Reply::json(200, &concurrency_json(&function)))
            }
            Operation::DeleteFunctionConcurrency => {
                let FunctionRequest { function } = FunctionRequest::parse_unqualified(request)?;
                function.check(&owner)?;
                self.make(PutFunctionConcurrency::reserve(&function, None, self.revision()), deadline).await?;
                Ok(Reply::nothing())
            }
            Operation::GetFunctionConcurrency | Operation::GetFunctionRecursionConfig => {
                let FunctionRequest { function } = FunctionRequest::parse_unqualified(request)?;
                let function = self.newest(&function, deadline).await?;
                let shown = match operation {
                    Operation::GetFunctionConcurrency => concurrency_json(&function),
                    _ => recursion_json(&function),
                };
                Ok(Reply::json(200, &shown))
            }
            Operation::PutFunctionRecursionConfig => {
                let input = PutFunctionRecursionConfig::parse(request)?;
                input.function.check(&owner)?;
                let function = self.change(input.change(self.revision()), deadline).await?;
                Ok(Reply::json(200, &recursion_json(&function)))
            }
            Operation::PutRuntimeManagementConfig => {
                let reference = PutRuntimeManagementConfig::parse(request)?.function;
                let function = self.newest(&reference, deadline).await?;
                let qualifier = reference.qualifier.as_deref();
                Ok(Reply::json(200, &runtime_management_json(&function, qualifier, &owner)))
            }
            _ => {
                let FunctionRequest { function: reference } = FunctionRequest::parse(request)?;
                let function = self.newest(&reference, deadline).await?;
                let shown = match operation {
                    // There is none for any function: what clients ask for is whether the path answers.
                    Operation::GetFunctionCodeSigningConfig => json!({ "FunctionName": function.name }),
                    _ => runtime_management_json(&function, reference.qualifier.as_deref(), &owner),
                };
                Ok(Reply::json(200, &shown))
            }
        }
    }

    fn revision(&self) -> u128 {
        self.environment.random.next_u128()
    }

    /// The function as the catalog's leader has it: what was changed through another node a moment ago is seen.
    async fn newest(&self, reference: &FunctionReference, deadline: Deadline) -> Result<Arc<Function>, LambdaError> {
        reference.check(&self.owner()?)?;
        let catalog = self.tables.newest(deadline).await;
        let found = catalog.function(&reference.name).cloned();
        found.ok_or_else(|| LambdaError::no_such_function(&reference.name, None))
    }

    /// Has the catalog's leader make a change.
    async fn make(&self, change: FunctionChange, deadline: Deadline) -> Result<Outcome, LambdaError> {
        self.tables.change(Change::Function(Box::new(change)), deadline).await.map_err(|error| match error {
            ChangeError::Refused(refusal) => refusal.into(),
            // It may still be made.
            ChangeError::DeadlinePassed => LambdaError::internal(),
        })
    }

    /// The same; the function as it is then.
    async fn change(&self, change: FunctionChange, deadline: Deadline) -> Result<Arc<Function>, LambdaError> {
        let name = change.function.clone();
        match self.make(change, deadline).await? {
            Outcome::Function(function) => Ok(function),
            // It was so already.
            _ => {
                let catalog = self.tables.newest(deadline).await;
                catalog.function(&name).cloned().ok_or_else(|| LambdaError::no_such_function(&name, None))
            }
        }
    }

    /// Refuses destinations that are not there, or that events cannot be sent to.
    async fn find_destinations<'a>(
        &self,
        arns: impl Iterator<Item = &'a str>,
        deadline: Deadline,
    ) -> Result<(), LambdaError> {
        let owner = self.owner()?;
        for arn in arns {
            let refused = |why: &str| Err(LambdaError::invalid(format!("The destination ARN {arn} is invalid: {why}")));
            match Destination::parse(arn, &owner) {
                None => return refused("it names neither a function nor a table of this cluster"),
                Some(Destination::Function(reference)) => {
                    if self.known(&reference, deadline).await.is_err() {
                        return refused("there is no such function");
                    }
                }
                Some(Destination::Table(name)) => {
                    let Some(table) = self.door.table(&name, deadline).await? else {
                        return refused("there is no such table");
                    };
                    if !table.has_string_key_alone() {
                        return refused("the table's key must be a string hash key alone");
                    }
                }
            }
        }
        Ok(())
    }
}

/// Checks a zip where it disturbs nobody.
async fn check_package(zip: Bytes) -> Result<(), LambdaError> {
    let checked = tokio::task::spawn_blocking(move || package::check(&zip)).await;
    checked.unwrap_or_else(|_| Err(LambdaError::internal()))
}

fn latest_json(function: &Function, owner: &stator_api::arn::Owner) -> Value {
    VersionView { function, number: None, version: &function.latest, qualifier: None, owner }.json()
}

/// What a qualifier shows of a function.
fn view<'a>(
    function: &'a Function,
    qualifier: Option<&'a str>,
    owner: &'a stator_api::arn::Owner,
) -> Result<VersionView<'a>, LambdaError> {
    let missing = || LambdaError::no_such_function(&function.name, qualifier);
    let (number, version) = match function.qualified(qualifier.unwrap_or(LATEST)).ok_or_else(missing)? {
        Qualified::Latest(version) => (None, version),
        Qualified::Version(number, version) => (Some(number), version),
        Qualified::Alias(alias) => (alias.version, function.version(alias.version).ok_or_else(missing)?),
    };
    Ok(VersionView { function, number, version, qualifier, owner })
}
