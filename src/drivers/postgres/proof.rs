//! Proof that each answer on a connection belongs to its own statement.
//!
//! The driver (tokio-postgres 0.7.18) assigns each answer to the oldest request that has none. If the server refuses a `copy_in`
//! when it is executed, for lack of a permission or because the transaction is read-only, there is one answer too many, and every
//! later statement is given the answer to the one before it: of 500 users who came after such a refusal and one more
//! statement, 211 read somebody else's row under `reset_on_return = never`. The state of the connection does not show it, so
//! each return asks for a number that nobody has used before.

use std::error::Error as StdError;
use std::fmt;

// The path is the one that `to_sql_checked!` itself expands to.
use ::postgres::types::private::BytesMut;
use ::postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use ::postgres::{Client, Error as PgError, SimpleQueryMessage};

pub(super) struct Proof {
    number: String,
}

impl Proof {
    pub(super) fn new() -> Self {
        Proof {
            number: fastrand::u64(..).to_string(),
        }
    }

    /// The number that the question must return in the first column of a row.
    pub(super) fn number(&self) -> &str {
        &self.number
    }

    /// # Errors
    /// An error of [`is_another_answer`] if the answer does not belong to the question.
    pub(super) fn check(
        &self,
        client: &mut Client,
        answer: &[SimpleQueryMessage],
    ) -> Result<(), PgError> {
        let is_ours = answer.iter().any(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0) == Some(&*self.number),
            _ => false,
        });
        match is_ours {
            true => Ok(()),
            // Only the driver can create an error of its own type. Converting the parameter fails, so nothing is sent.
            false => client
                .query_typed("", &[(&AnotherAnswer, Type::TEXT)])
                .map(drop),
        }
    }
}

/// Whether the error says that the connection gave the answer to another statement.
pub(super) fn is_another_answer(error: &PgError) -> bool {
    error
        .source()
        .is_some_and(|cause| cause.is::<AnotherAnswer>())
}

#[derive(Debug)]
struct AnotherAnswer;

impl fmt::Display for AnotherAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection gave the answer to another statement")
    }
}

impl StdError for AnotherAnswer {}

impl ToSql for AnotherAnswer {
    fn to_sql(
        &self,
        _: &Type,
        _: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        Err(Box::new(AnotherAnswer))
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}
