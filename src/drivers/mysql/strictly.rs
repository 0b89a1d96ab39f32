//! Running the pool's own statements: several in one round trip, and accepting nothing but their own answers.

use std::sync::atomic::Ordering;

use crate::base::log::say;

use ::mysql::prelude::Queryable;
use ::mysql::{Conn, Error as MyError, Row};

use super::MySqlManager;
use super::owed::another_answer;

/// NO CHAIN and NO RELEASE are there because, if a user has set completion_type, the rollback would otherwise be followed by a new
/// transaction or by the end of the session.
pub(super) const ROLLBACK: &str = "ROLLBACK AND NO CHAIN NO RELEASE";
pub(super) const UNLOCK_TABLES: &str = "UNLOCK TABLES";

impl MySqlManager {
    /// Runs `statements`, which return no rows, and then `question`, if there is one, and returns its only row. This takes one
    /// round trip, or one for each statement if the server, or a proxy in front of it, has refused several at once.
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
                    let words = self.masked(crate::error::chain(&refusal));
                    say!(
                        Debug,
                        &self.target,
                        "several statements in one request were refused ({words}): from now on they are sent one by one"
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
            // What refuses several statements may only know the shortest forms of MySQL's statements.
            let statement = match *statement {
                ROLLBACK => "ROLLBACK",
                other => other,
            };
            match self.run_together(connection, &[statement], None) {
                // A server that does not know this statement does not have such locks.
                Err(refusal) if statement == UNLOCK_TABLES && is_unknown(&refusal) => {}
                ran => drop(ran?),
            }
        }
        match question {
            Some(_) => self.run_together(connection, &[], question),
            None => Ok(None),
        }
    }

    /// Fails unless there is exactly one answer of the right kind for each statement: any other answer was somebody else's.
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
                // The answer to another statement may be long. The driver reads it to its end when the result is dropped.
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

/// Whether a server or proxy has refused several statements in one request. They say a syntax error, not supported, an unknown
/// command, an unspecified error, or TiDB's own number.
fn refuses_several(error: &MyError) -> bool {
    matches!(error, MyError::MySqlError(refusal) if matches!(refusal.code, 1047 | 1064 | 1105 | 1235 | 8130))
}

fn is_unknown(error: &MyError) -> bool {
    matches!(error, MyError::MySqlError(refusal) if matches!(refusal.code, 1064 | 1235))
}
