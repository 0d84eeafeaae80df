//! What is served beside the API, to GET and without authentication: health, readiness, metrics.

use crate::{
    gateway::Gateway,
    reply::{self, ReplyBody},
    request_id::RequestId,
};
use http::{HeaderValue, Method, Response, StatusCode, header, request};

const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

impl Gateway {
    /// `None`: there is nothing at that path.
    pub(crate) fn beside(&self, head: &request::Parts, id: &RequestId) -> Option<Response<ReplyBody>> {
        if head.method != Method::GET {
            return None;
        }
        Some(match head.uri.path() {
            // In the words of DynamoDB's own endpoint, which load balancers ask.
            "/" => {
                let catalog = self.tables.catalog();
                let region = catalog.identity().map_or("us-east-1", |identity| &identity.region);
                let healthy = format!("healthy: dynamodb.{region}.amazonaws.com ");
                reply::text(StatusCode::OK, healthy, id)
            }
            "/healthz" => reply::text(StatusCode::OK, "ok\n", id),
            "/readyz" => match (self.ready)() {
                Ok(()) => reply::text(StatusCode::OK, "ready\n", id),
                Err(reason) => reply::text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n"), id),
            },
            // Where clients that spread their load find all nodes from any one (`stator-client`).
            "/nodes" => {
                let catalog = self.tables.catalog();
                let nodes: Vec<&str> = catalog.joined_nodes().map(|node| node.start.client_address.as_str()).collect();
                reply::text(StatusCode::OK, serde_json::json!({ "nodes": nodes }).to_string(), id)
            }
            "/metrics" => {
                let mut text = String::new();
                if prometheus_client::encoding::text::encode(&mut text, &self.registry.lock()).is_err() {
                    return Some(reply::text(StatusCode::INTERNAL_SERVER_ERROR, "metrics cannot be shown\n", id));
                }
                let mut response = reply::text(StatusCode::OK, text, id);
                response.headers_mut().insert(header::CONTENT_TYPE, OPEN_METRICS);
                response
            }
            _ => return None,
        })
    }
}
