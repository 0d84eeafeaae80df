//! The Streams and Lambda APIs through the SDK's client for tables, which does not have them: a request of that client becomes one of
//! theirs before it is signed, and the reply is taken when the SDK has read it. So node, signature, deadline and errors are as
//! everywhere else.

use aws_sdk_dynamodb::{
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::{AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut},
    },
    error::BoxError,
};
use aws_types::SigningName;
use serde_json::Value as Json;
use std::sync::{Arc, Mutex, PoisonError};

/// Another request in the place of the SDK's, and its reply.
#[derive(Clone, Debug)]
pub(crate) struct Instead {
    to: To,
    body: String,
    reply: Arc<Mutex<Option<Vec<u8>>>>,
}

/// How a request says what it asks.
#[derive(Clone, Debug)]
enum To {
    Target(&'static str),
    Path { method: &'static str, path: String },
}

impl Instead {
    pub fn of(target: &'static str, body: &Json) -> Instead {
        Instead { to: To::Target(target), body: body.to_string(), reply: Arc::default() }
    }

    /// `body`: null for none.
    pub fn of_path(method: &'static str, path: &str, body: &Json) -> Instead {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        Instead { to: To::Path { method, path: path.to_owned() }, body, reply: Arc::default() }
    }

    /// What was replied, if it is JSON.
    pub fn reply(&self) -> Option<Json> {
        let reply = self.reply.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        serde_json::from_slice(&reply).ok()
    }
}

impl Intercept for Instead {
    fn name(&self) -> &'static str {
        "Instead"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        match &self.to {
            To::Target(target) => _ = request.headers_mut().insert("x-amz-target", *target),
            To::Path { method, path } => {
                config.interceptor_state().store_put(SigningName::from_static("lambda"));
                request.headers_mut().remove("x-amz-target");
                request.set_method(method)?;
                let uri = format!("{}{path}", request.uri().trim_end_matches('/'));
                request.set_uri(uri.as_str())?;
            }
        }
        request.headers_mut().insert("content-length", self.body.len().to_string());
        *request.body_mut() = self.body.clone().into();
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response().body().bytes().map(<[u8]>::to_vec);
        *self.reply.lock().unwrap_or_else(PoisonError::into_inner) = body;
        Ok(())
    }
}
