//! The AWS SDK for Rust over all nodes of a cluster.
//!
//! Guarantees: every attempt of a request goes to the next living node. When no connection can be made, nothing was sent, and
//! another node is tried at once; any other failure goes back to the SDK, whose own retry meets another node. The request
//! bears the host name that was signed, so its signature holds at every node. Plain HTTP only.
//!
//! ```ignore
//! let endpoints = Endpoints::discover(vec![Address::parse("127.0.0.1:8000")?], REFRESH_INTERVAL).await?;
//! let config = aws_config::from_env().endpoint_url("http://stator").http_client(Spread::new(endpoints)).load().await;
//! ```

use crate::{Address, Endpoints};
use aws_smithy_http_client::Builder;
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
    },
    orchestrator::HttpRequest,
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use http::Uri;
use std::error::Error as StdError;

/// Most nodes that one attempt tries to connect to.
const CONNECTS_MAX: usize = 4;

/// Give it to the SDK's configuration as `http_client`, with any `http://` endpoint URL: the node is chosen here.
#[derive(Clone, Debug)]
pub struct Spread {
    endpoints: Endpoints,
    inner: SharedHttpClient,
}

impl Spread {
    pub fn new(endpoints: Endpoints) -> Spread {
        Spread { endpoints, inner: Builder::new().build_http() }
    }
}

impl HttpClient for Spread {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(SpreadConnector { endpoints: self.endpoints.clone(), inner })
    }
}

#[derive(Clone, Debug)]
struct SpreadConnector {
    endpoints: Endpoints,
    inner: SharedHttpConnector,
}

impl HttpConnector for SpreadConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let this = self.clone();
        HttpConnectorFuture::new(async move {
            let mut request = request;
            for _ in 1..CONNECTS_MAX {
                let Some(copy) = request.try_clone() else { break };
                let address = this.endpoints.next();
                match this.inner.call(directed(request, &address)?).await {
                    Err(error) if never_connected(&error) => this.endpoints.report_failure(&address),
                    result => return this.judged(&address, result),
                }
                request = copy;
            }
            let address = this.endpoints.next();
            let result = this.inner.call(directed(request, &address)?).await;
            this.judged(&address, result)
        })
    }
}

impl SpreadConnector {
    fn judged<T>(&self, address: &Address, result: Result<T, ConnectorError>) -> Result<T, ConnectorError> {
        if result.as_ref().is_err_and(|error| !error.is_user()) {
            self.endpoints.report_failure(address);
        }
        result
    }
}

/// The request, sent to that node, under the host name that it was signed for.
fn directed(mut request: HttpRequest, address: &Address) -> Result<HttpRequest, ConnectorError> {
    let signed_for: Uri = request.uri().parse().map_err(|error| ConnectorError::user(Box::new(error)))?;
    if request.headers().get("host").is_none()
        && let Some(authority) = signed_for.authority()
    {
        request
            .headers_mut()
            .try_insert("host", authority.as_str().to_owned())
            .map_err(|error| ConnectorError::user(error.into()))?;
    }
    let path = signed_for.path_and_query().map_or("/", |path| path.as_str());
    request.set_uri(format!("http://{address}{path}")).map_err(|error| ConnectorError::user(error.into()))?;
    Ok(request)
}

/// Whether the error came before anything could be sent.
fn never_connected(error: &ConnectorError) -> bool {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(|error| error.is_connect()) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_server::{Answer, TestServer};
    use aws_smithy_http_client::Connector;
    use bytes::Bytes;
    use http::Response;
    use std::sync::Arc;

    fn fine() -> Answer {
        Arc::new(|_| Response::new(Bytes::new()))
    }

    fn connector(endpoints: &Endpoints) -> SharedHttpConnector {
        let inner = SharedHttpConnector::new(Connector::builder().build_http());
        SharedHttpConnector::new(SpreadConnector { endpoints: endpoints.clone(), inner })
    }

    fn request() -> HttpRequest {
        let mut request = HttpRequest::empty();
        request.set_method("POST").expect("a method");
        request.set_uri("http://stator/").expect("a URI");
        request
    }

    #[tokio::test]
    async fn requests_are_spread_and_dead_nodes_passed_over() {
        let mut servers = Vec::new();
        for _ in 0..3 {
            servers.push(TestServer::start(fine()).await);
        }
        let dead = servers.pop().expect("three").address.clone();
        let addresses = servers.iter().map(|server| server.address.clone()).chain([dead.clone()]).collect();
        let endpoints = Endpoints::fixed(addresses).expect("three");
        let connector = connector(&endpoints);
        for _ in 0..12 {
            let response = connector.call(request()).await.expect("two of three live");
            assert_eq!(response.status().as_u16(), 200);
        }
        assert!(servers.iter().all(|server| server.requests() >= 4), "both are used");
        assert!(!endpoints.living().contains(&dead));
    }

    #[tokio::test]
    async fn the_signed_host_name_stays() {
        let server = TestServer::start(Arc::new(|request| {
            let status = if request.headers()["host"] == "stator" { 200 } else { 400 };
            Response::builder().status(status).body(Bytes::new()).expect("a response")
        }))
        .await;
        let endpoints = Endpoints::fixed(vec![server.address.clone()]).expect("one");
        let response = connector(&endpoints).call(request()).await.expect("it lives");
        assert_eq!(response.status().as_u16(), 200);
    }

    #[tokio::test]
    async fn nobody_there_is_the_sdks_error() {
        let address = TestServer::start(fine()).await.address.clone();
        let endpoints = Endpoints::fixed(vec![address]).expect("one");
        let error = connector(&endpoints).call(request()).await.expect_err("the server is gone");
        assert!(error.is_io() && never_connected(&error), "{error:?}");
    }
}
