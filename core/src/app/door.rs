use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::Bytes;
use hyper::{
    HeaderMap, Method, Response, Version,
    body::{Body as _, Frame, Incoming, SizeHint},
    header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE},
};

use super::connections::{Pulse, Request};
use crate::api::Front;

/// Where the requests of one connection come in.
pub(super) struct Door {
    pub(super) front: Front,
    pub(super) pulse: Arc<Pulse>,
    /// Where streams of events are taken from when the connection comes to rest: one of HTTP/1.1,
    /// which has one answer at a time.
    pub(super) aside: Option<Aside>,
}

/// Holds the stream of events that is the answer under way, so that it outlives who writes it.
#[derive(Debug, Clone, Default)]
pub(super) struct Aside {
    body: Arc<Mutex<Option<Body>>>,
}

impl Aside {
    fn body(&self) -> MutexGuard<'_, Option<Body>> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the stream away, where there is one: whoever wrote it sees its end.
    pub(super) fn take(&self) -> Option<Body> {
        self.body().take()
    }
}

impl hyper::service::Service<hyper::Request<Incoming>> for Door {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn call(&self, request: hyper::Request<Incoming>) -> Self::Future {
        let guard = self.pulse.request();
        let front = self.front.clone();
        let aside = self.aside.clone().filter(|_| stays(&request));
        Box::pin(async move {
            let body = guard.clone();
            let request = request.map(|body_in| {
                Body::new(Asked {
                    body: body_in,
                    _request: body,
                })
            });
            let response = front.answer(request).await;
            let aside = aside.filter(|_| is_endless(&response));
            Ok(response.map(|body| Answer::new(body, aside, guard)))
        })
    }
}

/// Whether the connection is gone on with after the answer, which is written in chunks where its
/// length is not known.
fn stays(request: &hyper::Request<Incoming>) -> bool {
    let closes = |value: &hyper::header::HeaderValue| {
        let value = value.to_str().unwrap_or("close");
        value
            .split(',')
            .any(|it| it.trim().eq_ignore_ascii_case("close"))
    };
    request.version() == Version::HTTP_11
        && request.method() != Method::HEAD
        && !request.headers().get_all(CONNECTION).iter().any(closes)
}

/// Whether a response is a stream of events, which may go on for hours.
fn is_endless(response: &Response<Body>) -> bool {
    let is_of_events = |headers: &HeaderMap| {
        headers
            .get(CONTENT_TYPE)
            .is_some_and(|it| it.as_bytes().starts_with(b"text/event-stream"))
    };
    is_of_events(response.headers())
        && !response.headers().contains_key(CONTENT_LENGTH)
        && response.body().size_hint().exact().is_none()
}

/// The body of a request, which keeps it among those in progress: a connection on which a part of
/// one is yet to come does not rest.
struct Asked {
    body: Incoming,
    _request: Request,
}

impl hyper::body::Body for Asked {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of a response, which keeps its request among those in progress.
pub(super) struct Answer {
    held: Held,
    _request: Request,
}

enum Held {
    Own(Body),
    Aside(Aside),
}

impl Answer {
    fn new(body: Body, aside: Option<Aside>, request: Request) -> Self {
        let held = match aside {
            Some(aside) => {
                *aside.body() = Some(body);
                request.streams();
                Held::Aside(aside)
            }
            None => Held::Own(body),
        };
        Self {
            held,
            _request: request,
        }
    }
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match &mut self.held {
            Held::Own(body) => Pin::new(body).poll_frame(context),
            Held::Aside(aside) => match &mut *aside.body() {
                Some(body) => Pin::new(body).poll_frame(context),
                None => Poll::Ready(None),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.held {
            Held::Own(body) => body.is_end_stream(),
            Held::Aside(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.held {
            Held::Own(body) => body.size_hint(),
            Held::Aside(_) => SizeHint::default(),
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Held::Aside(aside) = &self.held {
            // Who streams learns that nobody hears it any more.
            drop(aside.take());
        }
    }
}
