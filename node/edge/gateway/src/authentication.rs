//! Who sent a request: its signature against the catalog's access keys.

use crate::settings::Authentication;
use http::request;
use parking_lot::Mutex;
use stator_api::{
    ApiError,
    sigv4::{self, Credential, Keyring, SignedRequest, SigningKey, SigningKeyCache},
};
use stator_cluster::Tables;
use stator_environment::Clock;
use stator_lambda::SessionKey;
use std::sync::Arc;

/// Derived signing keys kept: one for each access key, day and region in use.
const SIGNING_KEYS_MAX: usize = 1_000;

/// Checks signatures.
pub(crate) struct Authenticator {
    authentication: Authentication,
    keys: CatalogKeys,
}

impl Authenticator {
    pub fn new(authentication: Authentication, tables: Arc<dyn Tables>, clock: Arc<dyn Clock>) -> Authenticator {
        let derived = Mutex::new(SigningKeyCache::new(SIGNING_KEYS_MAX));
        Authenticator { authentication, keys: CatalogKeys { tables, clock, derived } }
    }

    /// Passes the request, or says in DynamoDB's words why not. `body`: the bytes as sent.
    pub fn check(&self, head: &request::Parts, body: &[u8], wall_ms: u64) -> Result<(), ApiError> {
        if self.authentication == Authentication::Anyone {
            return Ok(());
        }
        let mut headers: Vec<(&str, &[u8])> = Vec::with_capacity(head.headers.len() + 1);
        headers.extend(head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
        // Over HTTP/2 the host stands in `:authority`.
        if !head.headers.contains_key(http::header::HOST)
            && let Some(authority) = head.uri.authority()
        {
            headers.push(("host", authority.as_str().as_bytes()));
        }
        let request = SignedRequest {
            method: head.method.as_str(),
            path: head.uri.path(),
            query: head.uri.query().unwrap_or_default(),
            headers: &headers,
            body,
        };
        let now = sigv4::Now { ms: wall_ms, skew_ms: sigv4::SKEW_MS };
        sigv4::verify(&request, &self.keys, now).map(|_| ())
    }
}

/// The access keys of the catalog and those of functions' sessions, with their derived signing keys.
struct CatalogKeys {
    tables: Arc<dyn Tables>,
    clock: Arc<dyn Clock>,
    derived: Mutex<SigningKeyCache>,
}

impl Keyring for CatalogKeys {
    fn credential(&self, access_key: &str) -> Option<Credential> {
        let catalog = self.tables.catalog();
        let Some(key) = catalog.access_key(access_key) else {
            let session = SessionKey::of(catalog.identity()?).open(access_key, self.clock.wall_ms())?;
            // A session ends with its function.
            catalog.functions().any(|function| function.id == session.function).then_some(())?;
            let session_token = Some(session.token.into());
            return Some(Credential { secret: session.secret.into(), session_token, disabled: false });
        };
        Some(Credential { secret: key.secret.0.clone(), session_token: None, disabled: key.disabled })
    }

    fn signing_key(&self, credential_scope: &str, secret: &Arc<str>) -> Option<SigningKey> {
        self.derived.lock().get(credential_scope, secret)
    }
}
