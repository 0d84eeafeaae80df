//! Credentials of functions' own, made without writing anything down.

use crate::functions::FUNCTION_ARN;
use stator_cluster::Tables;
use stator_environment::{BoxFuture, Environment};
use stator_functions::{Credentials, CredentialsError, SessionCredentials};
use stator_lambda::{FunctionReference, SessionKey};
use std::{sync::Arc, time::Duration};

/// How long a session lasts. An instance ends before it.
const SESSION: Duration = Duration::from_secs(12 * 60 * 60);

/// Issues them.
pub struct FunctionCredentials {
    tables: Arc<dyn Tables>,
    environment: Environment,
}

impl FunctionCredentials {
    pub fn new(tables: Arc<dyn Tables>, environment: Environment) -> FunctionCredentials {
        FunctionCredentials { tables, environment }
    }

    fn session(&self, function_arn: &str) -> Result<SessionCredentials, CredentialsError> {
        let catalog = self.tables.catalog();
        let error = |text: &str| CredentialsError(text.to_owned());
        let identity = catalog.identity().ok_or_else(|| error("the cluster is not made yet"))?;
        let reference = FunctionReference::parse(function_arn).ok_or_else(|| error(FUNCTION_ARN))?;
        let function = catalog.function(&reference.name).ok_or_else(|| error("the function is gone"))?;
        let ends_ms = self.environment.clock.wall_ms().saturating_add(SESSION.as_millis() as u64);
        let session = SessionKey::of(identity).issue(function.id, ends_ms, self.environment.random.next_u64());
        Ok(SessionCredentials {
            access_key_id: session.access_key,
            secret_access_key: session.secret,
            session_token: session.token,
            expires_at_ms: session.expires_ms,
        })
    }
}

impl Credentials for FunctionCredentials {
    fn issue(&self, function_arn: &str) -> BoxFuture<'_, Result<SessionCredentials, CredentialsError>> {
        let session = self.session(function_arn);
        Box::pin(async move { session })
    }
}
