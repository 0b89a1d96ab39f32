//! Answers to requests, none of which holds up another.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use hyper::{Method, Uri};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::http::Response;
use crate::http::request::Request;
use crate::registry::Registry;

/// What makes the answers. Clones are the same.
#[derive(Clone)]
pub(super) struct Answers {
    registry: Registry,
    /// Those that wait for a database, each once however many ask, so that the number of threads that wait is that of
    /// questions and not of clients.
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
        // `http://host?pool=orders` has no path, which is `/` by RFC 9110.
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

    /// On a thread of its own, whether or not whoever asked first stays.
    fn start(&self, request: Request) -> watch::Receiver<Option<Response>> {
        let (sender, receiver) = watch::channel(None);
        let answers = self.clone();
        tokio::task::spawn_blocking(move || {
            let answer = || request.clone().answer(&answers.registry);
            let answer = catch_unwind(AssertUnwindSafe(answer));
            // Before the answer is given, so that who has heard it and asks again asks the database again.
            answers.under_way.lock().remove(&request);
            sender.send_replace(Some(answer.unwrap_or_else(|_| Response::failed())));
        });
        receiver
    }
}
