//! The pool's own statements: several in one round trip, and nothing but their own answers accepted.

use std::sync::atomic::Ordering;

use crate::base::log::say;

use ::mysql::prelude::Queryable;
use ::mysql::{Conn, Error as MyError, Row};

use super::MySqlManager;
use super::owed::another_answer;

/// A transaction that is rolled back would be followed by another at once, or by the end of the session, where a user has set
/// completion_type.
pub(super) const ROLLBACK: &str = "ROLLBACK AND NO CHAIN NO RELEASE";
pub(super) const UNLOCK_TABLES: &str = "UNLOCK TABLES";

impl MySqlManager {
    /// Runs `statements`, which return no rows, and then `question`, if any, for its only row: in one round trip, or one by
    /// one where the server, or a proxy before it, has refused several at once.
    pub(super) fn run_all(
        &self,
        connection: &mut Conn,
        statements: &[&str],
        question: Option<&str>,
    ) -> Result<Option<Row>, MyError> {
        if self.one_by_one.load(Ordering::Relaxed) {
            return self.run_one_by_one(connection, statements, question);
        }
        let is_one = statements.len() + usize::from(question.is_some()) == 1;
        match self.run_together(connection, statements, question) {
            Err(refusal) if !is_one && refuses_several(&refusal) => {
                let row = self.run_one_by_one(connection, statements, question)?;
                if !self.one_by_one.swap(true, Ordering::Relaxed) {
                    let words = crate::error::chain(&refusal);
                    say!(
                        Debug,
                        &self.target,
                        "several statements at once were refused ({words}): they are sent one by one from now on"
                    );
                }
                Ok(row)
            }
            other => other,
        }
    }

    fn run_one_by_one(
        &self,
        connection: &mut Conn,
        statements: &[&str],
        question: Option<&str>,
    ) -> Result<Option<Row>, MyError> {
        for statement in statements {
            // What refuses several statements may know MySQL's shortest words only.
            let statement = match *statement {
                ROLLBACK => "ROLLBACK",
                other => other,
            };
            match self.run_together(connection, &[statement], None) {
                // Who does not know the words has no such locks.
                Err(refusal) if statement == UNLOCK_TABLES && is_unknown(&refusal) => {}
                ran => drop(ran?),
            }
        }
        match question {
            Some(_) => self.run_together(connection, &[], question),
            None => Ok(None),
        }
    }

    /// Anything but exactly their own answers, one for each, is an error: it was somebody else's.
    fn run_together(
        &self,
        connection: &mut Conn,
        statements: &[&str],
        question: Option<&str>,
    ) -> Result<Option<Row>, MyError> {
        let mut all = statements.to_vec();
        all.extend(question);
        let sql = all.join("; ");
        self.note(&sql);
        let mut answers = 0;
        let mut answer_of_question = None;
        let mut result = connection.query_iter(&sql)?;
        while let Some(set) = result.iter() {
            let is_of_question = question.is_some() && answers == statements.len();
            let has_rows = !set.columns().as_ref().is_empty();
            for row in set {
                // Another's answer may be long, and is read to its end by the driver.
                if answer_of_question.replace(row?).is_some() {
                    return Err(another_answer());
                }
            }
            if has_rows != is_of_question {
                return Err(another_answer());
            }
            answers += 1;
        }
        match answers == all.len() && answer_of_question.is_some() == question.is_some() {
            true => Ok(answer_of_question),
            false => Err(another_answer()),
        }
    }
}

/// What servers and proxies say of several statements at once that do not take them: a syntax error, not supported, an unknown
/// command, an unspecified error, or TiDB's own number.
fn refuses_several(error: &MyError) -> bool {
    matches!(error, MyError::MySqlError(refusal) if matches!(refusal.code, 1047 | 1064 | 1105 | 1235 | 8130))
}

fn is_unknown(error: &MyError) -> bool {
    matches!(error, MyError::MySqlError(refusal) if matches!(refusal.code, 1064 | 1235))
}
