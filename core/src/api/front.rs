use std::sync::Arc;

use axum::{Router, body::Body, extract::Request, response::Response};
use tower_service::Service;

use super::{Guard, timely::Timely};
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

    /// Answers a request.
    pub async fn answer(&self, request: Request) -> Response {
        let inner = &self.inner;
        if let Some(refusal) = inner.guard.refusal(&request) {
            return refusal;
        }
        match Gateway::address(request.uri().path()) {
            Some(address) => inner.gateway.handle(address, request).await,
            None => match inner.rest.clone().call(request.map(timely)).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
        }
    }
}

fn timely(body: Body) -> Body {
    Body::new(Timely::new(body))
}
