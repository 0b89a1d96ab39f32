//! Makes the answers to requests, so that none has to wait for another's.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use hyper::{Method, Uri};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::http::Response;
use crate::http::request::Request;
use crate::registry::Registry;

/// Makes the answers. Clones share the requests that are under way.
#[derive(Clone)]
pub(super) struct Answers {
    registry: Registry,
    /// The requests that wait for a database. Each is here only once, however many clients make it, so that the number of waiting
    /// threads depends on how many different requests there are, and not on how many clients.
    under_way: Arc<Mutex<HashMap<Request, watch::Receiver<Option<Response>>>>>,
}

impl Answers {
    pub(super) fn from(registry: Registry) -> Self {
        Answers {
            registry,
            under_way: Arc::default(),
        }
    }

    pub(super) async fn to(&self, method: &Method, uri: &Uri) -> Response {
        if ![Method::GET, Method::HEAD].contains(method) {
            return Response::refused_method();
        }
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        // In `http://host?pool=orders` the path is empty, which by RFC 9110 means `/`.
        let target = match target.strip_prefix('?') {
            Some(_) => &format!("/{target}"),
            None => target,
        };
        match Request::read(&self.registry, target) {
            Ok(request) if request.waits() => self.wait_for(request).await,
            Ok(request) => request.answer(&self.registry),
            Err(refusal) => refusal,
        }
    }

    async fn wait_for(&self, request: Request) -> Response {
        let mut answer = self
            .under_way
            .lock()
            .entry(request.clone())
            .or_insert_with(|| self.start(request))
            .clone();
        let answered = answer.wait_for(Option::is_some).await;
        answered
            .ok()
            .and_then(|answer| answer.clone())
            .unwrap_or_else(Response::failed)
    }

    /// Answers on a thread of its own, which goes on even if the client that asked first has gone: others may wait for the same
    /// answer.
    fn start(&self, request: Request) -> watch::Receiver<Option<Response>> {
        let (sender, receiver) = watch::channel(None);
        let answers = self.clone();
        tokio::task::spawn_blocking(move || {
            let answer = || request.clone().answer(&answers.registry);
            let answer = catch_unwind(AssertUnwindSafe(answer));
            // Removed before the answer is given, so that a client that has received it and asks again gets a new check.
            answers.under_way.lock().remove(&request);
            sender.send_replace(Some(answer.unwrap_or_else(|_| Response::failed())));
        });
        receiver
    }
}
