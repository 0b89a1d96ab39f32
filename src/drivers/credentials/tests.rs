use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;

use super::{Source, Unavailable, log_in};
use crate::contract::credentials::Credentials;

const LIMIT: Duration = Duration::from_secs(60);

/// Answers each of these once, and the last one for good.
fn answers(passwords: &'static [&'static str]) -> (Arc<Source>, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let source = Source::new(move || {
        let call = count.fetch_add(1, SeqCst).min(passwords.len() - 1);
        Ok::<_, ()>(Credentials::from_password(passwords[call]))
    });
    (source, asked)
}

/// The password with which it has logged in; only `new` is right.
fn log_in_with(
    source: &Arc<Source>,
    opening: impl Fn(),
) -> Result<Result<String, ()>, Unavailable> {
    let open = |who: Option<&Credentials>, _left| {
        opening();
        let password = who.expect("there is a source").password().to_owned();
        (password == "new").then_some(password).ok_or(())
    };
    log_in(Some(source), LIMIT, LIMIT, open, |()| true)
}

#[test]
fn an_answer_from_before_the_refusal_is_not_taken_for_the_second_one() {
    let (source, asked) = answers(&["old", "old", "old", "new"]);
    let (opens, opening) = bounded(0);
    let (go_on, goes_on) = bounded(0);
    thread::scope(|scope| {
        let slow = scope.spawn(|| {
            log_in_with(&source, || {
                // The second login waits for nobody.
                if opens.send(()).is_ok() {
                    let _ = goes_on.recv();
                }
            })
        });
        opening.recv().expect("it opens");
        assert_eq!(log_in_with(&source, || ()), Ok(Err(())));
        assert_eq!(asked.load(SeqCst), 3);
        drop(opening);
        go_on.send(()).expect("it waits");
        let logged_in = slow.join().expect("no panic");
        assert_eq!(logged_in, Ok(Ok("new".to_owned())));
    });
    assert_eq!(asked.load(SeqCst), 4);
}

#[test]
fn another_answer_that_came_meanwhile_is_taken_without_asking() {
    let (source, asked) = answers(&["old", "new"]);
    let (opens, opening) = bounded(0);
    let (go_on, goes_on) = bounded(0);
    thread::scope(|scope| {
        let slow = scope.spawn(|| {
            log_in_with(&source, || {
                if opens.send(()).is_ok() {
                    let _ = goes_on.recv();
                }
            })
        });
        opening.recv().expect("it opens");
        assert_eq!(log_in_with(&source, || ()), Ok(Ok("new".to_owned())));
        drop(opening);
        go_on.send(()).expect("it waits");
        let logged_in = slow.join().expect("no panic");
        assert_eq!(logged_in, Ok(Ok("new".to_owned())));
    });
    assert_eq!(asked.load(SeqCst), 2);
}

#[test]
fn without_a_source_nothing_is_asked() {
    let open =
        |who: Option<&Credentials>, left| (who.is_none() && left == LIMIT).then_some(()).ok_or(());
    assert_eq!(log_in(None, LIMIT, LIMIT, open, |()| true), Ok(Ok(())));
}
