//! The gRPC services of one listener. Two, so no router is needed.

use crate::{answer::Answerer, join::Joiner};
use stator_proto::{join::join_server::JoinServer, link::link_server::LinkServer};
use std::{
    convert::Infallible,
    task::{Context, Poll},
};
use tonic::{
    body::Body,
    codegen::{BoxFuture, Service, http},
    server::NamedService,
};

#[derive(Clone)]
pub(crate) struct Services {
    pub links: LinkServer<Answerer>,
    pub joins: JoinServer<Joiner>,
}

impl Service<http::Request<Body>> for Services {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let service = request.uri().path().split('/').nth(1);
        if service == Some(JoinServer::<Joiner>::NAME) {
            self.joins.call(request)
        } else {
            // Refuses every method that is not its own.
            self.links.call(request)
        }
    }
}
