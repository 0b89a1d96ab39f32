//! That the answers on a connection are those of its own statements.
//!
//! The driver (tokio-postgres 0.7.18) takes each answer to be that of the oldest request that has none. Where the server refuses
//! `copy_in` as it is executed, for want of a permission or because the transaction is read-only, there is one answer too many,
//! and every later statement is given the answer of the one before: of 500 users who came after such a refusal and one more
//! statement, 211 read the other's row under `reset_on_return = never`. No look at the connection tells it, so each return
//! asks for a number that nobody has used before.

use std::error::Error as StdError;
use std::fmt;

// By the name that `to_sql_checked!` itself writes into its users' code.
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

    /// What the question must return in the first column of a row.
    pub(super) fn number(&self) -> &str {
        &self.number
    }

    /// # Errors
    /// The answer is not that of the question.
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
            // An error of the driver's type can be had only from the driver: nothing is sent.
            false => client
                .query_typed("", &[(&AnotherAnswer, Type::TEXT)])
                .map(drop),
        }
    }
}

/// Whether the connection gave the answer of another statement.
pub(super) fn is_another_answer(error: &PgError) -> bool {
    error
        .source()
        .is_some_and(|cause| cause.is::<AnotherAnswer>())
}

#[derive(Debug)]
struct AnotherAnswer;

impl fmt::Display for AnotherAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection gave the answer of another statement")
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
