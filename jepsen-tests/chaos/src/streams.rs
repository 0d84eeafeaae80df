//! The Streams API through the SDK's client for tables, which does not have it: a request of that client becomes one of the Streams
//! API before it is signed, and the reply is taken when the SDK has read it. So node, signature, deadline and errors are as
//! everywhere else.

use aws_sdk_dynamodb::{
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::{AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut},
    },
    error::BoxError,
};
use serde_json::Value as Json;
use std::sync::{Arc, Mutex, PoisonError};

/// Another request in the place of the SDK's, and its reply.
#[derive(Clone, Debug)]
pub(crate) struct Instead {
    target: &'static str,
    body: String,
    reply: Arc<Mutex<Option<Vec<u8>>>>,
}

impl Instead {
    pub fn of(target: &'static str, body: &Json) -> Instead {
        Instead { target, body: body.to_string(), reply: Arc::default() }
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
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        request.headers_mut().insert("x-amz-target", self.target);
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
