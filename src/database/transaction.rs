//! Transactions of an [`AnyConnection`].

#[cfg(feature = "postgres")]
use std::error::Error as StdError;

use crate::base::panics::keep_panic;
#[cfg(feature = "mysql")]
use crate::database::any_connection::run;
use crate::database::any_connection::{AnyConnection, Inside};
use crate::drivers::Words;
#[cfg(feature = "mysql")]
use crate::drivers::mysql::statements as mysql;
#[cfg(feature = "postgres")]
use crate::drivers::postgres::statements::{self as postgres, NotCommitted};
#[cfg(feature = "sqlite")]
use crate::drivers::sqlite::statements as sqlite;
use crate::error::{Error, ErrorKind};

impl AnyConnection {
    /// Runs `work` in a transaction, which is committed if it returns Ok and rolled back if it returns an error or panics. The
    /// panic then goes on, and the connection can be used by whoever catches it.
    ///
    /// It begins with BEGIN on PostgreSQL, START TRANSACTION on MySQL and MariaDB, and BEGIN IMMEDIATE on SQLite, where it may thus
    /// wait for another writer (`busy_timeout`); for a transaction there that only reads, `execute("BEGIN")`.
    ///
    /// ```
    /// # use queuepool::{Database, Error};
    /// # #[cfg(feature = "sqlite")]
    /// # fn main() -> Result<(), Error> {
    /// # let database = Database::open("sqlite::memory:")?;
    /// # database.get()?.execute("CREATE TABLE account (id INTEGER PRIMARY KEY, cents INTEGER)")?;
    /// database.get()?.transaction(|connection| {
    ///     connection.execute_with("UPDATE account SET cents = cents - ? WHERE id = ?", &[100.into(), 1.into()])?;
    ///     connection.execute_with("UPDATE account SET cents = cents + ? WHERE id = ?", &[100.into(), 2.into()])?;
    ///     Ok::<_, Error>(())
    /// })?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// What `work` returned, or an error of this crate, made into one of `work`'s type:
    ///
    /// - Unsupported, before `work` runs, if a transaction is open already. Transactions are not nested: within `work`, use
    ///   SAVEPOINT. One that was begun by SQL is noticed on MySQL, MariaDB and SQLite; on PostgreSQL it becomes this one, and the
    ///   server logs a warning.
    /// - Statement or Connect as [`execute`](AnyConnection::execute), if it cannot be begun or committed. It is then rolled back,
    ///   except that a connection which is lost during the COMMIT leaves open whether that took place.
    /// - Statement if it had ended before the COMMIT although `work` returned Ok: `work` has sent COMMIT or ROLLBACK, or on
    ///   MySQL and MariaDB a statement that commits (CREATE TABLE and the like), or it has passed over an error that ends a
    ///   transaction, such as a deadlock, or on PostgreSQL any error. What was done before that end is committed or rolled back
    ///   as that statement or error has it.
    ///
    /// A ROLLBACK that fails is not reported, because the connection is then closed or reset when it comes back.
    ///
    /// # Panics
    /// If `work` does.
    pub fn transaction<T, E: From<Error>>(
        &mut self,
        work: impl FnOnce(&mut AnyConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        self.begin()?;
        self.in_transaction = true;
        let worked = keep_panic(|| work(self));
        self.in_transaction = false;
        match worked {
            Ok(Ok(value)) => {
                self.commit()?;
                Ok(value)
            }
            Ok(Err(error)) => {
                self.roll_back();
                Err(error)
            }
            Err(panic) => {
                // The first panic is the one that goes on.
                let _second = keep_panic(|| self.roll_back());
                panic.resume()
            }
        }
    }

    fn begin(&mut self) -> Result<(), Error> {
        let is_open = self.in_transaction || self.is_in_transaction()? == Some(true);
        if is_open {
            return Err(Error::unsupported(
                "a transaction is open on this connection already, and transactions are not nested: end it first, or use \
                 SAVEPOINT within it",
            ));
        }
        self.execute(self.words().begin).map(drop)
    }

    fn commit(&mut self) -> Result<(), Error> {
        if self.is_in_transaction()? == Some(false) {
            return Err(ended("no transaction was open any more"));
        }
        let Err(error) = self.execute(self.words().commit) else {
            return Ok(());
        };
        #[cfg(feature = "postgres")]
        if let Some(refusal) = StdError::source(&error).and_then(|error| error.downcast_ref()) {
            return Err(match postgres::why_not_committed(refusal) {
                Some(NotCommitted::NoneOpen) => ended("no transaction was open any more"),
                Some(NotCommitted::HasFailed) => {
                    self.roll_back();
                    ended("a statement in it had failed, and it has been rolled back")
                }
                // The server has ended it.
                None => error,
            });
        }
        self.roll_back();
        Err(error)
    }

    /// If it fails, it is noted, and the connection is closed or reset when it comes back.
    fn roll_back(&mut self) {
        if !matches!(self.is_in_transaction(), Ok(Some(false))) {
            let _noted = self.execute("ROLLBACK");
        }
    }

    fn words(&self) -> Words {
        match &self.inside {
            #[cfg(feature = "postgres")]
            Inside::Postgres(_) => postgres::TRANSACTION,
            #[cfg(feature = "mysql")]
            Inside::MySql(_) => mysql::TRANSACTION,
            #[cfg(feature = "sqlite")]
            Inside::Sqlite(_) => sqlite::TRANSACTION,
        }
    }

    /// `None` if that cannot be known without a statement that a failed transaction would refuse.
    fn is_in_transaction(&mut self) -> Result<Option<bool>, Error> {
        match &mut self.inside {
            #[cfg(feature = "postgres")]
            Inside::Postgres(_) => Ok(None),
            #[cfg(feature = "mysql")]
            Inside::MySql(connection) => run(connection, mysql::is_in_transaction),
            #[cfg(feature = "sqlite")]
            Inside::Sqlite(connection) => Ok(Some(!connection.is_autocommit())),
        }
    }
}

fn ended(how: &str) -> Error {
    Error::new(
        ErrorKind::Statement,
        format!("the transaction had ended before its COMMIT: {how}"),
    )
}
