//! Functions are made, change and go.

use crate::{
    Alias, AliasUpdate, CODE_STORAGE_BYTES_MAX, CONCURRENCY_MAX, Catalog, CatalogRefusal, EventInvoke,
    EventInvokeUpdate, FUNCTION_TAGS_MAX, FUNCTIONS_BYTES_MAX, Function, FunctionChange, FunctionChangeKind,
    FunctionConfiguration, FunctionId, FunctionRefusal, FunctionSpec, FunctionUpdate, FunctionVersion, LATEST, Outcome,
    POLICY_BYTES_MAX, Stamp, UNRESERVED_CONCURRENCY_MIN, UPLOAD_AGE_MS_MAX, UploadedCode,
};
use std::sync::Arc;

/// A change under way: what it works on, and with which time and revision.
struct Turn<'a> {
    function: &'a mut Function,
    revision: u128,
    if_revision: Option<u128>,
    now_ms: u64,
}

impl Catalog {
    pub(super) fn change_function(&mut self, change: FunctionChange, at: &Stamp) -> Result<Outcome, CatalogRefusal> {
        let FunctionChange { function: name, what, revision, if_revision } = change;
        if let FunctionChangeKind::Create { spec, code, publish, code_bytes_max } = what {
            let made = self.create_function((*spec, code), publish, revision, at)?;
            return self.put_function(made, code_bytes_max).map_err(CatalogRefusal::Function);
        }
        let Some(known) = self.functions.get(&name) else {
            return Err(no_such(&name, None).into());
        };
        if let FunctionChangeKind::Delete { version } = what {
            return self.delete_function(&known.clone(), version).map_err(CatalogRefusal::Function);
        }
        if let FunctionChangeKind::ReserveConcurrency(Some(reserved)) = what {
            self.check_reserved(&name, reserved)?;
        }
        let mut function = Function::clone(known);
        let before = function.clone();
        let code_bytes_max = what.code_bytes_max();
        let turn = Turn { function: &mut function, revision, if_revision, now_ms: at.now_ms };
        turn.make(what)?;
        if function == before {
            return Ok(Outcome::Unchanged);
        }
        self.put_function(function, code_bytes_max).map_err(CatalogRefusal::Function)
    }

    fn create_function(
        &self,
        (spec, code): (FunctionSpec, UploadedCode),
        publish: bool,
        revision: u128,
        at: &Stamp,
    ) -> Result<Function, FunctionRefusal> {
        if self.functions.contains_key(&spec.name) {
            return Err(FunctionRefusal::FunctionExists(spec.name));
        }
        check_upload(&code, at.now_ms)?;
        check_tags(spec.tags.len())?;
        let FunctionSpec { name, configuration, is_arm, tags } = spec;
        let latest = FunctionVersion { configuration, code: code.code, is_arm, modified_ms: at.now_ms, revision };
        let mut function = Function {
            id: FunctionId(self.last.function + 1),
            name,
            latest: Arc::new(latest),
            versions: Default::default(),
            last_version: 0,
            aliases: Default::default(),
            reserved_concurrency: None,
            tags,
            policies: Default::default(),
            event_invokes: Default::default(),
            may_recur: false,
        };
        if publish {
            let turn = Turn { function: &mut function, revision, if_revision: None, now_ms: at.now_ms };
            turn.publish(None, None)?;
        }
        Ok(function)
    }

    /// Takes the function as it is to be, if there is room for it.
    fn put_function(&mut self, function: Function, code_bytes_max: Option<u64>) -> Result<Outcome, FunctionRefusal> {
        let others = || self.functions.values().filter(|other| other.name != function.name);
        let before = self.functions.get(&function.name).map(|known| known.code_bytes()).unwrap_or_default();
        let max = code_bytes_max.unwrap_or(CODE_STORAGE_BYTES_MAX);
        let code_bytes: u64 = others().map(|other| other.code_bytes()).sum::<u64>() + function.code_bytes();
        // What makes less of it is never refused.
        if code_bytes > max && function.code_bytes() > before {
            return Err(FunctionRefusal::CodeStorageFull { max });
        }
        let bytes: usize = others().map(|other| configured_bytes(other)).sum::<usize>() + configured_bytes(&function);
        let bytes_before = self.functions.get(&function.name).map(|known| configured_bytes(known)).unwrap_or_default();
        if bytes > FUNCTIONS_BYTES_MAX && configured_bytes(&function) > bytes_before {
            return Err(FunctionRefusal::ConfigurationsFull { max: FUNCTIONS_BYTES_MAX as u64 });
        }
        self.last.function = self.last.function.max(function.id.0);
        let function = Arc::new(function);
        self.functions.insert(function.name.clone(), function.clone());
        Ok(Outcome::Function(function))
    }

    fn delete_function(&mut self, function: &Function, version: Option<u64>) -> Result<Outcome, FunctionRefusal> {
        let Some(number) = version else {
            self.functions.remove(&function.name);
            return Ok(Outcome::Done);
        };
        if !function.versions.contains_key(&number) {
            return Err(no_such(&function.name, Some(&number.to_string())));
        }
        let names =
            |alias: &Alias| alias.version == Some(number) || alias.additional.is_some_and(|(other, _)| other == number);
        if function.aliases.values().any(names) {
            return Err(FunctionRefusal::Conflict(format!(
                "Version {number} of function {} is referenced by one or more aliases; delete or update them first",
                function.name
            )));
        }
        let mut function = function.clone();
        function.versions.remove(&number);
        let qualifier = number.to_string();
        function.policies.remove(&qualifier);
        function.event_invokes.remove(&qualifier);
        self.put_function(function, None)
    }

    fn check_reserved(&self, name: &str, reserved: u32) -> Result<(), FunctionRefusal> {
        let others = self.functions.values().filter(|other| other.name != name);
        let taken: u32 = others.filter_map(|other| other.reserved_concurrency).fold(0, u32::saturating_add);
        if taken.saturating_add(reserved) > CONCURRENCY_MAX - UNRESERVED_CONCURRENCY_MIN {
            return Err(FunctionRefusal::Invalid(format!(
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution \
                 below its minimum value of [{UNRESERVED_CONCURRENCY_MIN}]."
            )));
        }
        Ok(())
    }
}

impl FunctionChangeKind {
    fn code_bytes_max(&self) -> Option<u64> {
        match self {
            FunctionChangeKind::Create { code_bytes_max, .. }
            | FunctionChangeKind::UpdateCode { code_bytes_max, .. }
            | FunctionChangeKind::PublishVersion { code_bytes_max, .. } => *code_bytes_max,
            _ => None,
        }
    }
}

impl Turn<'_> {
    fn make(self, what: FunctionChangeKind) -> Result<(), FunctionRefusal> {
        let Turn { function, revision, .. } = &self;
        let revision = *revision;
        match what {
            FunctionChangeKind::Create { .. } | FunctionChangeKind::Delete { .. } => Ok(()),
            FunctionChangeKind::UpdateCode { code, is_arm, publish, .. } => self.update_code(code, is_arm, publish),
            FunctionChangeKind::UpdateConfiguration(update) => self.update_configuration(*update),
            FunctionChangeKind::PublishVersion { sha256, description, .. } => {
                self.check_revision(function.latest.revision)?;
                self.publish(sha256, description)
            }
            FunctionChangeKind::CreateAlias { alias, version, description, additional } => {
                self.create_alias(alias, Alias { version, description, additional, revision })
            }
            FunctionChangeKind::UpdateAlias { alias, update } => self.update_alias(&alias, update),
            FunctionChangeKind::DeleteAlias { alias } => {
                // Deleting an alias that is not there is no error at Lambda.
                self.function.aliases.remove(&alias);
                self.function.policies.remove(&alias);
                self.function.event_invokes.remove(&alias);
                Ok(())
            }
            FunctionChangeKind::ReserveConcurrency(reserved) => {
                self.function.reserved_concurrency = reserved;
                Ok(())
            }
            FunctionChangeKind::ChangeTags { set, remove } => {
                self.function.tags.extend(set);
                self.function.tags.retain(|tag, _| !remove.contains(tag));
                check_tags(self.function.tags.len())
            }
            FunctionChangeKind::AddPermission { qualifier, statement_id, statement } => {
                self.add_permission(qualifier, statement_id, statement)
            }
            FunctionChangeKind::RemovePermission { qualifier, statement_id } => {
                self.remove_permission(&qualifier, &statement_id)
            }
            FunctionChangeKind::ConfigureEvents { qualifier, update } => self.configure_events(qualifier, update),
            FunctionChangeKind::ForgetEvents { qualifier } => {
                let (function, events) = (self.function.name.clone(), &mut self.function.event_invokes);
                match events.remove(&qualifier) {
                    Some(_) => Ok(()),
                    None => Err(FunctionRefusal::NoEventInvoke { function, qualifier }),
                }
            }
            FunctionChangeKind::SetRecursion { may_recur } => {
                self.function.may_recur = may_recur;
                Ok(())
            }
        }
    }

    fn check_revision(&self, revision: u128) -> Result<(), FunctionRefusal> {
        match self.if_revision {
            Some(expected) if expected != revision => Err(FunctionRefusal::OtherRevision),
            _ => Ok(()),
        }
    }

    fn update_code(self, code: UploadedCode, is_arm: Option<bool>, publish: bool) -> Result<(), FunctionRefusal> {
        self.check_revision(self.function.latest.revision)?;
        check_upload(&code, self.now_ms)?;
        let mut latest = FunctionVersion::clone(&self.function.latest);
        latest.code = code.code;
        latest.is_arm = is_arm.unwrap_or(latest.is_arm);
        latest.modified_ms = self.now_ms;
        latest.revision = self.revision;
        self.function.latest = Arc::new(latest);
        if publish { self.publish(None, None) } else { Ok(()) }
    }

    fn update_configuration(self, update: FunctionUpdate) -> Result<(), FunctionRefusal> {
        self.check_revision(self.function.latest.revision)?;
        let mut latest = FunctionVersion::clone(&self.function.latest);
        let known = latest.configuration;
        latest.configuration = FunctionConfiguration {
            runtime: update.runtime.unwrap_or(known.runtime),
            role: update.role.unwrap_or(known.role),
            handler: update.handler.unwrap_or(known.handler),
            description: update.description.unwrap_or(known.description),
            timeout_s: update.timeout_s.unwrap_or(known.timeout_s),
            memory_mb: update.memory_mb.unwrap_or(known.memory_mb),
            ephemeral_mb: update.ephemeral_mb.unwrap_or(known.ephemeral_mb),
            environment: update.environment.or(known.environment).filter(|variables| !variables.0.is_empty()),
            is_traced: update.is_traced.unwrap_or(known.is_traced),
            logging: update.logging.unwrap_or(known.logging),
            dead_letter: update.dead_letter.or(known.dead_letter).filter(|arn| !arn.is_empty()),
        };
        latest.modified_ms = self.now_ms;
        latest.revision = self.revision;
        self.function.latest = Arc::new(latest);
        Ok(())
    }

    /// Publishes `$LATEST`, unless that is what was published last.
    fn publish(self, sha256: Option<[u8; 32]>, description: Option<String>) -> Result<(), FunctionRefusal> {
        let latest = &self.function.latest;
        if sha256.is_some_and(|sha256| sha256 != latest.code.sha256) {
            return Err(FunctionRefusal::Invalid(
                "CodeSHA256 is different from current CodeSHA256 in $LATEST. Please try again with the CodeSHA256 in \
                 $LATEST."
                    .to_owned(),
            ));
        }
        let last = self.function.versions.get(&self.function.last_version);
        if last.is_some_and(|last| last.is_like(latest)) {
            return Ok(());
        }
        let mut version = FunctionVersion::clone(latest);
        if let Some(description) = description {
            version.configuration.description = description;
        }
        version.revision = self.revision.wrapping_add(1);
        self.function.last_version += 1;
        self.function.versions.insert(self.function.last_version, Arc::new(version));
        Ok(())
    }

    fn create_alias(self, name: String, alias: Alias) -> Result<(), FunctionRefusal> {
        if self.function.aliases.contains_key(&name) {
            return Err(FunctionRefusal::AliasExists { function: self.function.name.clone(), alias: name });
        }
        check_alias(self.function, &alias)?;
        self.function.aliases.insert(name, alias);
        Ok(())
    }

    fn update_alias(self, name: &str, update: AliasUpdate) -> Result<(), FunctionRefusal> {
        let Some(known) = self.function.aliases.get(name).cloned() else {
            return Err(FunctionRefusal::NoSuchAlias { function: self.function.name.clone(), alias: name.to_owned() });
        };
        self.check_revision(known.revision)?;
        let alias = Alias {
            version: update.version.unwrap_or(known.version),
            description: update.description.unwrap_or(known.description),
            additional: update.additional.unwrap_or(known.additional),
            revision: self.revision,
        };
        check_alias(self.function, &alias)?;
        self.function.aliases.insert(name.to_owned(), alias);
        Ok(())
    }

    fn add_permission(self, qualifier: String, id: String, statement: String) -> Result<(), FunctionRefusal> {
        check_qualifier(self.function, &qualifier)?;
        let mut policy = self.function.policies.get(&qualifier).cloned().unwrap_or_default();
        if !policy.statements.is_empty() {
            self.check_revision(policy.revision)?;
        }
        if policy.statements.contains_key(&id) {
            return Err(FunctionRefusal::Conflict(format!(
                "The statement id ({id}) provided already exists. Please provide a new statement id, or remove the \
                 existing statement."
            )));
        }
        policy.statements.insert(id, statement);
        if policy.statements.values().map(String::len).sum::<usize>() > POLICY_BYTES_MAX {
            return Err(FunctionRefusal::PolicyFull { max: POLICY_BYTES_MAX as u64 });
        }
        policy.revision = self.revision;
        self.function.policies.insert(qualifier, policy);
        Ok(())
    }

    fn remove_permission(self, qualifier: &str, id: &str) -> Result<(), FunctionRefusal> {
        check_qualifier(self.function, qualifier)?;
        let policy = self.function.policies.get(qualifier).cloned().filter(|policy| policy.statements.contains_key(id));
        let Some(mut policy) = policy else {
            return Err(FunctionRefusal::NotFound("No policy is associated with the given resource.".to_owned()));
        };
        self.check_revision(policy.revision)?;
        policy.statements.remove(id);
        policy.revision = self.revision;
        if policy.statements.is_empty() {
            self.function.policies.remove(qualifier);
        } else {
            self.function.policies.insert(qualifier.to_owned(), policy);
        }
        Ok(())
    }

    fn configure_events(self, qualifier: String, update: EventInvokeUpdate) -> Result<(), FunctionRefusal> {
        check_qualifier(self.function, &qualifier)?;
        let known = self.function.event_invokes.get(&qualifier).cloned();
        let known = match (known, update.replaces) {
            (_, true) => EventInvoke::default(),
            (Some(known), false) => known,
            (None, false) => {
                let function = self.function.name.clone();
                return Err(FunctionRefusal::NoEventInvoke { function, qualifier });
            }
        };
        let destination = |asked: Option<String>, known: Option<String>| {
            asked.or(known).filter(|destination| !destination.is_empty())
        };
        let events = EventInvoke {
            retries_max: update.retries_max.or(known.retries_max),
            age_s_max: update.age_s_max.or(known.age_s_max),
            on_success: destination(update.on_success, known.on_success),
            on_failure: destination(update.on_failure, known.on_failure),
            modified_ms: self.now_ms,
        };
        self.function.event_invokes.insert(qualifier, events);
        Ok(())
    }
}

fn no_such(name: &str, qualifier: Option<&str>) -> FunctionRefusal {
    FunctionRefusal::NoSuchFunction { name: name.to_owned(), qualifier: qualifier.map(str::to_owned) }
}

fn check_upload(code: &UploadedCode, now_ms: u64) -> Result<(), FunctionRefusal> {
    if now_ms.saturating_sub(code.uploaded_ms) > UPLOAD_AGE_MS_MAX {
        return Err(FunctionRefusal::UploadTooOld);
    }
    Ok(())
}

fn check_tags(count: usize) -> Result<(), FunctionRefusal> {
    if count > FUNCTION_TAGS_MAX {
        return Err(FunctionRefusal::Invalid(format!("Tag limit exceeded: there can be at most {FUNCTION_TAGS_MAX}")));
    }
    Ok(())
}

/// Something of the function that a qualifier may name; an empty one is the function itself.
fn check_qualifier(function: &Function, qualifier: &str) -> Result<(), FunctionRefusal> {
    if qualifier.is_empty() || function.qualified(qualifier).is_some() {
        return Ok(());
    }
    Err(no_such(&function.name, Some(qualifier)))
}

fn check_alias(function: &Function, alias: &Alias) -> Result<(), FunctionRefusal> {
    let there = |version: Option<u64>| match function.version(version) {
        Some(_) => Ok(()),
        None => Err(no_such(&function.name, version.map(|number| number.to_string()).as_deref())),
    };
    there(alias.version)?;
    let Some((additional, _)) = alias.additional else { return Ok(()) };
    there(Some(additional))?;
    match alias.version {
        None => Err(FunctionRefusal::Invalid(format!(
            "{LATEST} is not supported for an alias pointing to more than 1 version"
        ))),
        Some(version) if version == additional => Err(FunctionRefusal::Invalid(format!(
            "Invalid function version {version}. Function version {version} is already included in routing configuration."
        ))),
        Some(_) => Ok(()),
    }
}

/// About what a function takes of the catalog.
fn configured_bytes(function: &Function) -> usize {
    const VERSION_BYTES: usize = 256;
    const ENTRY_BYTES: usize = 64;
    let pairs = |pairs: &std::collections::BTreeMap<String, String>| -> usize {
        pairs.iter().map(|(name, value)| name.len() + value.len() + 8).sum()
    };
    let version = |version: &Arc<FunctionVersion>| {
        let configuration = &version.configuration;
        let texts = [&configuration.runtime, &configuration.role, &configuration.handler, &configuration.description];
        VERSION_BYTES
            + texts.iter().map(|text| text.len()).sum::<usize>()
            + configuration.environment.as_ref().map_or(0, |variables| pairs(&variables.0))
    };
    let aliases = function.aliases.iter().map(|(name, alias)| name.len() + alias.description.len() + ENTRY_BYTES);
    let policies = function.policies.values().map(|policy| pairs(&policy.statements) + ENTRY_BYTES);
    let events = function.event_invokes.len() * (16 * ENTRY_BYTES);
    VERSION_BYTES
        + function.all_versions().map(version).sum::<usize>()
        + aliases.sum::<usize>()
        + policies.sum::<usize>()
        + pairs(&function.tags)
        + events
}
