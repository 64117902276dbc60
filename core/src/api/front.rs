use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{Router, extract::Request, response::Response};
use tower_service::Service;

use super::Guard;
use crate::gateway::Gateway;

/// What every request meets first: the guard, then the gateway where the request is MCP, and the
/// router for all else. A tool call passes no router and no layers.
#[derive(Debug, Clone)]
pub struct Front {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    guard: Guard,
    gateway: Gateway,
    rest: Router,
}

impl Front {
    /// Puts the guard before the gateway and the router.
    pub fn new(guard: Guard, gateway: Gateway, rest: Router) -> Self {
        Self {
            inner: Arc::new(Inner {
                guard,
                gateway,
                rest,
            }),
        }
    }
}

impl Service<Request> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            if let Some(refusal) = inner.guard.refusal(&request) {
                return Ok(refusal);
            }
            match Gateway::address(request.uri().path()) {
                Some(address) => Ok(inner.gateway.handle(address, request).await),
                None => inner.rest.clone().call(request).await,
            }
        })
    }
}
