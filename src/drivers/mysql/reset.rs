//! Resetting a returned connection to a clean session.

use ::mysql::{Conn, Error as MyError, Opts, OptsBuilder, Value};

use super::MySqlManager;
use super::base::{Base, Bases};
use super::owed::{another_answer, is_proved, unfit};
use super::strictly::{ROLLBACK, UNLOCK_TABLES};

/// Sets the character set that the driver's login asks for. COM_RESET_CONNECTION returns to it on MariaDB, but to the server's
/// default on MySQL.
pub(super) const SET_NAMES: &str = "SET NAMES utf8mb4 COLLATE utf8mb4_general_ci";

/// The same options, but setting the character set before their `init`, which has the last word.
pub(super) fn setting_names_first(opts: &Opts) -> Opts {
    let mut init = opts.get_init();
    init.insert(0, SET_NAMES.to_owned());
    OptsBuilder::from_opts(opts.clone()).init(init).into()
}

impl MySqlManager {
    /// Asks only the question, if an answer may be owed.
    pub(super) fn prove_nothing_is_owed(&self, connection: &mut Conn) -> Result<(), MyError> {
        self.run_proved(connection, &[])
    }

    /// The transaction is ended first, because SET autocommit=1 would commit it.
    ///
    /// All of this is always sent, even if the server's last answer said that no transaction is open and that autocommit is on. Such
    /// flags do not show a `SET TRANSACTION` for the next transaction, an XA transaction that a deadlock has ended, or locked tables;
    /// MySQL says that autocommit is on after each login, whatever it is; and the driver does not take them from every answer.
    /// (`tests/servers/mysql_rollback.rs`)
    pub(super) fn roll_back(&self, connection: &mut Conn, base: &Base) -> Result<(), MyError> {
        connection.set_local_infile_handler(None);
        let autocommit = match base.autocommit {
            true => "SET autocommit=1",
            false => "SET autocommit=0",
        };
        self.run_proved(connection, &[ROLLBACK, UNLOCK_TABLES, autocommit])
    }

    fn run_proved(&self, connection: &mut Conn, statements: &[&str]) -> Result<(), MyError> {
        let (proof, role) = (self.proof(), self.role_columns());
        let question = match (proof, role) {
            (None, _) if statements.is_empty() => return Ok(()),
            (None, "") => return self.run_all(connection, statements, None).map(drop),
            (proof, "") => format!("SELECT {}", proof.unwrap_or_default()),
            (proof, role) => format!("SELECT {}, {role}", proof.unwrap_or_default()),
        };
        let row = self.run_all(connection, statements, Some(&question))?;
        if !is_proved(row.as_ref(), 0, proof.unwrap_or_default()) {
            return Err(another_answer());
        }
        self.note_role(row.as_ref(), 1);
        Ok(())
    }

    /// Brings the session to its state after login and `init`. COM_RESET_CONNECTION rolls back, releases locks, and drops
    /// variables, temporary tables and prepared statements; it keeps the database and the roles.
    pub(super) fn reset_in_full(
        &self,
        connection: &mut Conn,
        bases: &Bases,
    ) -> Result<(), MyError> {
        connection.set_local_infile_handler(None);
        self.check_reset(connection)?;
        // The driver's own reset also runs the `init` of the Opts.
        connection.reset()?;
        let init = self.opts.get_init();
        let chooses = init.iter().any(|sql| chooses_a_database(sql));
        let mut statements = Vec::new();
        if !self.init_sets_names {
            statements.push(SET_NAMES.to_owned());
            if !init.is_empty() {
                // `init` has the last word, so it runs again. Its statements are not joined with ours, as they may end in such a
                // way that nothing can follow them.
                self.run(connection, SET_NAMES)?;
                for sql in &init {
                    self.run(connection, sql)?;
                }
                statements.clear();
            }
        }
        let own = self.opts.get_db_name().filter(|name| !name.is_empty());
        match own {
            Some(name) if !chooses => {
                statements.push(format!("USE `{}`", name.replace('`', "``")));
            }
            _ => {}
        }
        statements.extend(self.limit_of_statements_there(connection)?);
        let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
        let proof = self.proof().unwrap_or_default();
        let (role, first) = match self.role_columns() {
            "" => (String::new(), 2),
            role => (format!("{role}, "), 4),
        };
        let question = format!("SELECT {proof}, DATABASE(), {role}{}", Base::COLUMNS);
        let row = self.run_all(connection, &statements, Some(&question))?;
        if !is_proved(row.as_ref(), 0, proof) {
            return Err(another_answer());
        }
        let database = row.as_ref().and_then(|row| row.as_ref(1));
        if own.is_none() && !chooses && database != Some(&Value::NULL) {
            return Err(unfit(
                "the session has a current database although its login had none, and no statement can undo that",
            ));
        }
        if first > 2 {
            self.note_role(row.as_ref(), 2);
        }
        self.restore_roles(connection, bases, Base::read(row.as_ref(), first))
    }

    /// Restores the roles. Autocommit stays as the server and `init` have set it; what the connect hooks had set is gone.
    fn restore_roles(
        &self,
        connection: &mut Conn,
        bases: &Bases,
        now: Base,
    ) -> Result<(), MyError> {
        let Base {
            role, read_only, ..
        } = bases.of(connection);
        let wanted = Base {
            role,
            read_only,
            ..now
        };
        if wanted.role != now.role {
            self.run(connection, &wanted.set_role())?;
        }
        bases.note(connection, wanted);
        Ok(())
    }
}

/// Whether an entry of `init` is a USE statement or contains one.
fn chooses_a_database(sql: &str) -> bool {
    sql.split(';').any(|statement| {
        let word = statement.split_whitespace().next();
        word.is_some_and(|word| word.eq_ignore_ascii_case("use"))
    })
}
