//! Makes the answers to requests, so that none has to wait for another's.

use std::borrow::Cow;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use hyper::body::{Bytes, Incoming};
use hyper::{Method, Uri};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::base::helpers::Helpers;
use crate::http::admission::Admission;
use crate::http::detail::Detail;
use crate::http::limits::{MADE_AT_ONCE, WAITING_ANSWERS};
use crate::http::request::{Effort, Request};
use crate::http::{Paths, Response};
use crate::registry::Registry;

/// The name of the server's thread. Those that make answers have it in theirs.
pub(super) const THREAD: &str = "queuepool-http";

/// An answer as it is sent. Clones share the body, so that an answer of megabytes to many clients is there once.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) headers: &'static [(&'static str, &'static str)],
    pub(super) body: Bytes,
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        let Response {
            status,
            content_type,
            headers,
            body,
        } = response;
        Answer {
            status,
            content_type,
            headers,
            body: body.into(),
        }
    }
}

type Asked = (Request, Detail);

/// Makes the answers. Clones share the requests that are under way.
#[derive(Clone)]
pub(super) struct Answers {
    registry: Registry,
    admission: Arc<Admission>,
    /// The requests whose answers are made on other threads. Each is here only once, however many clients make it, so that the work
    /// depends on how many different requests there are, and not on how many clients.
    under_way: Arc<Mutex<HashMap<Asked, watch::Receiver<Option<Answer>>>>>,
    /// The threads that wait for databases.
    waiting: Helpers,
    /// The threads that make the other large answers, which must not wait behind a database.
    making: Helpers,
}

impl Answers {
    pub(super) fn from(registry: Registry, admission: Admission) -> Self {
        Answers {
            registry,
            admission: Arc::new(admission),
            under_way: Arc::default(),
            waiting: Helpers::new(THREAD, WAITING_ANSWERS),
            making: Helpers::new(THREAD, MADE_AT_ONCE),
        }
    }

    /// Idle threads end; busy ones finish what they were given.
    pub(super) fn stop(&self) {
        self.waiting.stop();
        self.making.stop();
    }

    pub(super) async fn to(&self, request: &hyper::Request<Incoming>) -> Answer {
        match self.read(request) {
            Ok((request, detail)) => match request.effort() {
                Effort::Little => request.answer(&self.registry, detail).into(),
                Effort::Much | Effort::Waits => self.wait_for((request, detail)).await,
            },
            Err(refusal) => refusal.into(),
        }
    }

    fn read(&self, request: &hyper::Request<Incoming>) -> Result<Asked, Response> {
        self.admission
            .check_host(request.uri(), request.headers())?;
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            return Err(Response::refused_method());
        }
        let target = target(request.uri());
        let path = target.split('?').next().unwrap_or_default();
        let paths = self.admission.check_token(path, request.headers())?;
        let detail = match paths {
            Paths::All => Detail::Full,
            Paths::Probes | Paths::Metrics => Detail::Brief,
        };
        Ok((Request::read(&self.registry, &target, paths)?, detail))
    }

    async fn wait_for(&self, asked: Asked) -> Answer {
        let mut answer = self.ask(asked);
        let answered = answer.wait_for(Option::is_some).await;
        answered
            .ok()
            .and_then(|answer| answer.clone())
            .unwrap_or_else(|| Response::failed().into())
    }

    /// Joins those who wait for the same answer. The first has it made, on another thread, which goes on even if that client goes
    /// away: others may wait for it.
    fn ask(&self, asked: Asked) -> watch::Receiver<Option<Answer>> {
        let (sender, receiver) = watch::channel(None);
        let joined = {
            let mut under_way = self.under_way.lock();
            let entry = under_way.entry(asked.clone());
            entry.or_insert_with(|| receiver.clone()).clone()
        };
        if joined.same_channel(&receiver) {
            self.start(asked, sender);
        }
        joined
    }

    fn start(&self, asked: Asked, sender: watch::Sender<Option<Answer>>) {
        let effort = asked.0.effort();
        let helpers = match effort {
            Effort::Waits => &self.waiting,
            Effort::Much | Effort::Little => &self.making,
        };
        let work = Work {
            answers: self.clone(),
            asked,
            sender: Arc::new(sender),
        };
        let on_a_thread = work.clone();
        let Err(unrun) = helpers.run(move || on_a_thread.make()) else {
            return;
        };
        // There is no thread to be had. This one must not wait for a database, but it can compute.
        match effort {
            Effort::Waits => work.give(Response::without_thread(&unrun.error)),
            Effort::Much | Effort::Little => work.make(),
        }
    }
}

/// An answer to be made.
#[derive(Clone)]
struct Work {
    answers: Answers,
    asked: Asked,
    sender: Arc<watch::Sender<Option<Answer>>>,
}

impl Work {
    fn make(&self) {
        let (request, detail) = self.asked.clone();
        let make = || request.answer(&self.answers.registry, detail);
        let response = catch_unwind(AssertUnwindSafe(make));
        self.give(response.unwrap_or_else(|_| Response::failed()));
    }

    fn give(&self, response: Response) {
        // Removed before the answer is given, so that a client that has received it and asks again gets a new one.
        self.answers.under_way.lock().remove(&self.asked);
        self.sender.send_replace(Some(response.into()));
    }
}

fn target(uri: &Uri) -> Cow<'_, str> {
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    // In `http://host?pool=orders` the path is empty, which by RFC 9110 means `/`.
    match target.starts_with('?') {
        true => format!("/{target}").into(),
        false => target.into(),
    }
}
