//! Parameters, rows and transactions of `AnyConnection`: the same on all databases, and what differs on each.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;

use queuepool::{
    AnyConnection, Database, DatabaseBuilder, Error, ErrorKind, Extensions, Mode, ReadWrite,
    ResetOnReturn, Settings, Value,
};
use support::servers::{MariaDb, MySql, NewestPostgres, PgBouncer, Postgres};

const TABLE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, big BIGINT, real_number DOUBLE PRECISION, word VARCHAR(40), \
                     bytes BLOB, flag BOOLEAN)";

/// With its own placeholders for `$1` and so on, which occur in their order.
fn words(connection: &mut AnyConnection, sql: &str) -> String {
    if connection.postgres().is_some() {
        return sql.replace("BLOB", "BYTEA");
    }
    let mut words = String::new();
    let mut parts = sql.split('$');
    words.push_str(parts.next().unwrap());
    for part in parts {
        words.push('?');
        words.push_str(&part[1..]);
    }
    words
}

fn run(connection: &mut AnyConnection, sql: &str, values: &[Value]) -> Result<u64, Error> {
    let sql = words(connection, sql);
    connection.execute_with(&sql, values)
}

fn insert(connection: &mut AnyConnection, id: i64) -> Result<u64, Error> {
    run(connection, "INSERT INTO t (id) VALUES ($1)", &[id.into()])
}

fn count(connection: &mut AnyConnection) -> i64 {
    connection.query_i64("SELECT count(*) FROM t").unwrap()
}

/// All of this on each database, with the table.
fn on_each(work: impl Fn(&Database)) {
    on_each_with(&Settings::default(), work);
}

fn on_each_with(settings: &Settings, work: impl Fn(&Database)) {
    let (postgres, mariadb) = (Postgres::start(), MariaDb::start());
    let newest = NewestPostgres::is_here().then(NewestPostgres::start);
    let mysql = MySql::is_here().then(MySql::start);
    let folder = tempfile::tempdir().unwrap();
    let mut urls = vec![
        format!("sqlite:///{}/rows.db", folder.path().display()),
        postgres.url(),
        mariadb.url(),
    ];
    urls.extend(newest.as_ref().map(NewestPostgres::url));
    urls.extend(mysql.as_ref().map(MySql::url));
    for url in urls {
        let database = Database::open_with(&url, settings.clone()).unwrap();
        let mut connection = database.get().unwrap();
        let table = words(&mut connection, TABLE);
        let charset = match connection.mysql() {
            Some(_) => " DEFAULT CHARSET utf8mb4",
            None => "",
        };
        connection.execute(&format!("{table}{charset}")).unwrap();
        drop(connection);
        work(&database);
    }
}

#[test]
fn what_is_stored_with_parameters_is_read_back() {
    on_each(|database| {
        let mut connection = database.get().unwrap();
        let connection = &mut connection;
        let sql = "INSERT INTO t VALUES ($1, $2, $3, $4, $5, $6)";
        let bytes: Vec<u8> = (0..=255).collect();
        let rows: [[Value; 6]; 3] = [
            [
                1.into(),
                i64::MIN.into(),
                0.1.into(),
                "tea; ' \" \\ ? $1 :x ä🦀".into(),
                bytes.clone().into(),
                true.into(),
            ],
            [
                2.into(),
                i64::MAX.into(),
                (-1e300).into(),
                "".into(),
                Vec::new().into(),
                false.into(),
            ],
            [
                3.into(),
                Value::Null,
                Value::Null,
                None::<&str>.into(),
                Value::Null,
                Value::Null,
            ],
        ];
        for row in &rows {
            assert_eq!(run(connection, sql, row).unwrap(), 1, "{connection:?}");
        }
        let read = connection
            .query("SELECT * FROM t ORDER BY id", &[])
            .unwrap();
        assert_eq!(read.len(), 3);
        assert_eq!(
            read[0].names(),
            ["id", "big", "real_number", "word", "bytes", "flag"]
        );
        assert_eq!(read[0].get::<i64>("id").unwrap(), 1);
        assert_eq!(read[0].get::<i64>(1).unwrap(), i64::MIN);
        assert_eq!(read[0].get::<f64>("real_number").unwrap(), 0.1);
        assert_eq!(read[1].get::<f64>("real_number").unwrap(), -1e300);
        assert_eq!(
            Value::from(read[0].get::<String>("word").unwrap()),
            rows[0][3]
        );
        assert_eq!(read[0].get::<Vec<u8>>("bytes").unwrap(), bytes);
        assert_eq!(read[1].get::<Vec<u8>>("bytes").unwrap(), b"");
        assert!(read[0].get::<bool>("flag").unwrap());
        assert!(!read[1].get::<bool>("flag").unwrap());
        for column in 1..6 {
            assert_eq!(*read[2].value(column).unwrap(), Value::Null);
        }
        assert_eq!(read[2].get::<Option<String>>("word").unwrap(), None);
        assert_eq!(read[1].get::<Option<i64>>("big").unwrap(), Some(i64::MAX));

        let sql = "UPDATE t SET word = $1 WHERE id > $2";
        assert_eq!(run(connection, sql, &["x".into(), 1.into()]).unwrap(), 2);
        let sql = words(connection, "SELECT id FROM t WHERE word = $1 AND id < $2");
        let found = connection.query(&sql, &["x".into(), 3.into()]).unwrap();
        assert_eq!(found.len(), 1);
        assert!(
            connection
                .query(&sql, &["y".into(), 3.into()])
                .unwrap()
                .is_empty()
        );
    });
}

#[test]
fn what_does_not_fit_is_named() {
    on_each(|database| {
        let mut connection = database.get().unwrap();
        let sql = "INSERT INTO t (id, word) VALUES ($1, $2)";
        run(&mut connection, sql, &[7.into(), "tea".into()]).unwrap();
        let rows = connection
            .query("SELECT id, word, big FROM t", &[])
            .unwrap();
        let row = &rows[0];
        let said = |error: Error| {
            assert_eq!(error.kind(), ErrorKind::Statement);
            error.to_string()
        };
        assert_eq!(
            said(row.get::<i64>("word").unwrap_err()),
            r#"column "word" is "tea": expected a whole number"#
        );
        assert_eq!(
            said(row.get::<String>(0).unwrap_err()),
            r#"column "id" is 7: expected a text"#
        );
        assert_eq!(
            said(row.get::<bool>("id").unwrap_err()),
            r#"column "id" is 7: expected a truth value, 0 or 1"#
        );
        assert_eq!(
            said(row.get::<i64>("big").unwrap_err()),
            r#"column "big" is NULL: expected a whole number, or read it as an Option"#
        );
        assert_eq!(
            said(row.get::<i64>("Big").unwrap_err()),
            r#"there is no column "Big": expected one of ["id", "word", "big"], or 0 to 2"#
        );
        assert_eq!(
            said(row.value(3).unwrap_err()),
            r#"there is no column 3: expected one of ["id", "word", "big"], or 0 to 2"#
        );
    });
}

#[test]
fn a_refused_statement_changes_nothing_for_the_connection() {
    on_each(|database| {
        let mut connection = database.get().unwrap();
        let id = connection.info().id();
        for (sql, values) in [
            ("SELEC $1", &[1.into()][..]),
            ("INSERT INTO t (id) VALUES ($1)", &[]),
            ("INSERT INTO t (id, big) VALUES ($1, $2)", &[1.into()]),
            ("INSERT INTO t (id) VALUES ($1)", &[1.into(), 2.into()]),
            ("INSERT INTO t (id) VALUES (1)", &[1.into()]),
            ("INSERT INTO t (id) VALUES ($1); SELECT 1", &[1.into()]),
            ("INSERT INTO nowhere (id) VALUES ($1)", &[1.into()]),
            ("INSERT INTO t (id) VALUES ($1)", &["seven".into()]),
        ] {
            let sql = words(&mut connection, sql);
            let of_execute = connection.execute_with(&sql, values).unwrap_err();
            let of_query = connection.query(&sql, values).unwrap_err();
            for error in [of_execute, of_query] {
                assert_eq!(error.kind(), ErrorKind::Statement, "{sql}: {error}");
                assert!(std::error::Error::source(&error).is_some());
            }
        }
        assert_eq!(count(&mut connection), 0);
        drop(connection);
        if database.settings().mode != Some(Mode::Null) && database.sqlite().is_none() {
            assert_eq!(database.get().unwrap().info().id(), id);
        }
    });
}

#[test]
fn a_transaction_is_committed_on_ok_and_rolled_back_on_an_error() {
    for mode in [Mode::Queue, Mode::Null] {
        on_each_with(&Settings::default().mode(mode), |database| {
            let mut connection = database.get().unwrap();
            let inserted = connection.transaction(|connection| insert(connection, 1));
            assert_eq!(inserted.unwrap(), 1);
            let refused: Result<(), Error> = connection.transaction(|connection| {
                insert(connection, 2)?;
                insert(connection, 1).map(drop)
            });
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::Statement);
            let own: Result<(), Box<dyn std::error::Error>> =
                connection.transaction(|connection| {
                    insert(connection, 3)?;
                    Err("changed my mind".into())
                });
            assert_eq!(own.unwrap_err().to_string(), "changed my mind");
            assert_eq!(count(&mut connection), 1);
            // It is not in a transaction any more: another connection sees this at once.
            insert(&mut connection, 4).unwrap();
            assert_eq!(count(&mut database.get().unwrap()), 2);
        });
    }
}

#[test]
fn a_panic_in_a_transaction_rolls_it_back_at_once_and_goes_on() {
    on_each(|database| {
        let mut connection = database.get().unwrap();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            connection.transaction(|connection| {
                insert(connection, 1).unwrap();
                std::panic::resume_unwind(Box::new("the closure's own words"));
                #[allow(unreachable_code)]
                Ok::<_, Error>(())
            })
        }));
        let words = panicked.unwrap_err();
        assert_eq!(
            words.downcast_ref::<&str>(),
            Some(&"the closure's own words")
        );
        assert_eq!(count(&mut connection), 0);
        connection
            .transaction(|connection| insert(connection, 2))
            .unwrap();
        assert_eq!(count(&mut database.get().unwrap()), 1);
    });
}

#[test]
fn transactions_are_not_nested() {
    on_each(|database| {
        let mut connection = database.get().unwrap();
        connection
            .transaction(|connection| {
                insert(connection, 1)?;
                let nested = connection.transaction(|connection| insert(connection, 2));
                assert_eq!(nested.unwrap_err().kind(), ErrorKind::Unsupported);
                insert(connection, 3)
            })
            .unwrap();
        assert_eq!(count(&mut connection), 2);
        if connection.postgres().is_none() {
            connection.execute("BEGIN").unwrap();
            insert(&mut connection, 4).unwrap();
            let within = connection.transaction(|connection| insert(connection, 5));
            assert_eq!(within.unwrap_err().kind(), ErrorKind::Unsupported);
            connection.execute("ROLLBACK").unwrap();
            assert_eq!(count(&mut connection), 2);
        }
    });
}

#[test]
fn a_transaction_that_had_ended_before_its_commit_is_an_error() {
    on_each(|database| {
        let mut connection = database.get().unwrap();
        for (end, rows) in [("COMMIT", 1), ("ROLLBACK", 1)] {
            let ended = connection.transaction(|connection| {
                insert(connection, 1)?;
                connection.execute(end)
            });
            let error = ended.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Statement);
            assert!(
                error
                    .to_string()
                    .contains("no transaction was open any more"),
                "{end}: {error}"
            );
            assert_eq!(count(&mut connection), rows);
            connection.execute("DELETE FROM t WHERE id > 1").unwrap();
            connection.execute("UPDATE t SET id = 0").unwrap();
        }
        // It can be used.
        connection
            .transaction(|connection| insert(connection, 9))
            .unwrap();
        assert_eq!(count(&mut database.get().unwrap()), 2);
    });
}

#[test]
fn the_guard_of_a_read_write_pair_has_the_same_ways() {
    on_each(|database| {
        let pair = ReadWrite::new(database.clone())
            .replica(database.clone())
            .build()
            .unwrap();
        let mut writer = pair.write().unwrap();
        writer
            .transaction(|connection| insert(connection, 1))
            .unwrap();
        drop(writer);
        let rows = pair.read().unwrap().query("SELECT id FROM t", &[]).unwrap();
        assert_eq!(rows[0].get::<i64>("id").unwrap(), 1);
    });
}

#[test]
fn what_is_kept_with_a_connection_lives_until_it_is_closed_or_reset_in_full() {
    for (how, kept) in [
        (ResetOnReturn::Never, Some(7_i64)),
        (ResetOnReturn::Rollback, Some(7)),
        (ResetOnReturn::Full, None),
    ] {
        let settings = Settings::default()
            .mode(Mode::Queue)
            .pool_size(1)
            .reset_on_return(how);
        on_each_with(&settings, |database| {
            let mut connection = database.get().unwrap();
            let extensions: &mut Extensions = connection.extensions();
            assert_eq!(extensions.insert(7_i64), None);
            drop(connection);
            let mut connection = database.get().unwrap();
            assert_eq!(connection.extensions().get().copied(), kept, "{database:?}");
        });
    }
}

#[test]
fn postgres_infers_the_types_of_parameters() {
    let mut servers = vec![Postgres::start().url()];
    let kept = Postgres::start();
    servers[0] = kept.url();
    let newest = NewestPostgres::is_here().then(NewestPostgres::start);
    servers.extend(newest.as_ref().map(NewestPostgres::url));
    for url in servers {
        let database = Database::open(&url).unwrap();
        let mut connection = database.get().unwrap();
        connection
            .execute("CREATE TYPE mood AS ENUM ('glad', 'sad')")
            .unwrap();
        // The type, a value for it, and what comes back; Err where it has to be cast to text.
        let cases: [(&str, Value, Result<Value, &str>); 24] = [
            ("int2", 7.into(), Ok(7.into())),
            ("int4", (-7).into(), Ok((-7).into())),
            ("int8", i64::MAX.into(), Ok(i64::MAX.into())),
            ("oid", u32::MAX.into(), Ok(u32::MAX.into())),
            ("float4", 0.5.into(), Ok(0.5.into())),
            ("float8", 0.1.into(), Ok(0.1.into())),
            ("float8", 3.into(), Ok(3.0.into())),
            ("float8", f64::INFINITY.into(), Ok(f64::INFINITY.into())),
            ("int4", 3.0.into(), Ok(3.into())),
            ("numeric", 1.5.into(), Ok("1.5".into())),
            (
                "numeric",
                "12345678901234567890.000100".into(),
                Ok("12345678901234567890.000100".into()),
            ),
            ("bool", true.into(), Ok(true.into())),
            ("bool", 0.into(), Ok(false.into())),
            ("text", "tea".into(), Ok("tea".into())),
            ("varchar(3)", "tea".into(), Ok("tea".into())),
            ("char(3)", "te".into(), Ok("te ".into())),
            ("name", "tea".into(), Ok("tea".into())),
            (
                "bytea",
                b"\0\xff".as_slice().into(),
                Ok(b"\0\xff".as_slice().into()),
            ),
            ("json", r#"{"a": 1}"#.into(), Ok(r#"{"a": 1}"#.into())),
            ("jsonb", r#"{"a":1}"#.into(), Ok(r#"{"a": 1}"#.into())),
            (
                "uuid",
                "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11".into(),
                Ok("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11".into()),
            ),
            ("mood", "glad".into(), Ok("glad".into())),
            (
                "timestamp",
                "2026-01-02 03:04:05.25".into(),
                Err("2026-01-02 03:04:05.25"),
            ),
            ("int4[]", "{1,2}".into(), Err("{1,2}")),
        ];
        for (of, given, expected) in cases {
            connection
                .execute(&format!("CREATE TEMP TABLE one (v {of})"))
                .unwrap();
            let inserted = connection.execute_with("INSERT INTO one VALUES ($1)", &[given]);
            assert_eq!(inserted.unwrap(), 1, "{of}");
            let rows = connection
                .query("SELECT v, v::text AS words FROM one", &[])
                .unwrap();
            match expected {
                Ok(value) => assert_eq!(*rows[0].value("v").unwrap(), value, "{of}"),
                Err(words) => {
                    let error = rows[0].value("v").unwrap_err().to_string();
                    assert!(error.contains(r#"column "v" is of type "#), "{error}");
                    assert!(error.contains("cast it to text"), "{error}");
                    assert_eq!(rows[0].get::<String>("words").unwrap(), words);
                }
            }
            connection.execute("DROP TABLE one").unwrap();
        }
    }
}

#[test]
fn postgres_reads_a_numeric_as_the_server_writes_it() {
    let server = Postgres::start();
    let database = Database::open(&server.url()).unwrap();
    let mut connection = database.get().unwrap();
    let mut sql = vec![
        "0",
        "0.0000",
        "-0.00001",
        "1",
        "9999",
        "10000",
        "10000.0001",
        "-123456789.5",
        "1e-30",
        "1e40",
        "'NaN'",
        "1e131000",
        "0.1000",
        "100000000",
        "99990000",
        "0.00010000",
    ];
    if NewestPostgres::is_here() {
        sql.push("'-Infinity'");
    }
    for literal in sql {
        let sql = format!(
            "SELECT n, n::text AS words FROM (SELECT CAST({literal} AS numeric) AS n) AS one"
        );
        let rows = connection.query(&sql, &[]).unwrap();
        let (number, words): (String, String) =
            (rows[0].get("n").unwrap(), rows[0].get("words").unwrap());
        assert_eq!(number, words, "{literal}");
    }
}

#[test]
fn postgres_refuses_what_does_not_fit_and_names_the_parameter() {
    let server = Postgres::start();
    let database = Database::open(&server.url()).unwrap();
    let mut connection = database.get().unwrap();
    let id = connection.info().id();
    connection
        .execute("CREATE TABLE p (small int2, n int4, flag bool, word text, raw bytea, u uuid)")
        .unwrap();
    for (column, given, said) in [
        ("small", Value::from(70_000), "70000"),
        ("n", 1.5.into(), "1.5"),
        ("n", "seven".into(), "seven"),
        ("flag", 7.into(), "7"),
        ("u", "tea".into(), "tea"),
        ("n", true.into(), "boolean"),
        ("n", b"x".as_slice().into(), "bytea"),
        ("word", "a\0b".into(), "0x00"),
    ] {
        let sql = format!("INSERT INTO p (raw, {column}) VALUES ($1, $2)");
        let refused = connection.execute_with(&sql, &[Value::Null, given]);
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Statement);
        let text = error.to_string();
        assert!(text.contains(said), "{column}: {text}");
        assert!(
            text.contains("parameter $2") || text.contains(&format!("column \"{column}\"")),
            "{column}: {text}"
        );
    }
    drop(connection);
    assert_eq!(database.get().unwrap().info().id(), id);
}

#[test]
fn postgres_does_not_take_the_rollback_of_a_failed_transaction_for_a_commit() {
    let server = Postgres::start();
    let database = Database::open(&server.url()).unwrap();
    let mut connection = database.get().unwrap();
    connection
        .execute("CREATE TABLE t (id int PRIMARY KEY)")
        .unwrap();
    let swallowed = connection.transaction(|connection| {
        insert(connection, 1)?;
        connection.execute("SELEC").unwrap_err();
        Ok::<_, Error>(())
    });
    let error = swallowed.unwrap_err().to_string();
    assert!(error.contains("a statement in it had failed"), "{error}");
    assert_eq!(count(&mut connection), 0);
    insert(&mut connection, 2).unwrap();
    assert_eq!(count(&mut database.get().unwrap()), 1);

    connection
        .execute("CREATE TABLE child (id int REFERENCES t DEFERRABLE INITIALLY DEFERRED)")
        .unwrap();
    let deferred =
        connection.transaction(|connection| connection.execute("INSERT INTO child VALUES (7)"));
    assert!(deferred.unwrap_err().to_string().contains("foreign key"));
    assert_eq!(
        connection.query_i64("SELECT count(*) FROM child").unwrap(),
        0
    );
}

#[test]
fn pgbouncer_in_transaction_mode_takes_parameters_and_transactions() {
    let server = Postgres::start();
    let bouncer = PgBouncer::start(&server, "transaction");
    let database = Database::open(&bouncer.url()).unwrap();
    let mut connection = database.get().unwrap();
    connection
        .execute("CREATE TABLE t (id int PRIMARY KEY)")
        .unwrap();
    for id in 0..20 {
        connection
            .transaction(|connection| insert(connection, id))
            .unwrap();
        let rows = connection
            .query("SELECT id FROM t WHERE id = $1", &[id.into()])
            .unwrap();
        assert_eq!(rows[0].get::<i64>(0).unwrap(), id);
    }
}

#[test]
fn mysqls_types_are_read() {
    let mariadb = MariaDb::start();
    let mysql = MySql::is_here().then(MySql::start);
    let mut urls = vec![mariadb.url()];
    urls.extend(mysql.as_ref().map(MySql::url));
    for url in urls {
        let database = Database::open(&url).unwrap();
        let mut connection = database.get().unwrap();
        let cases: [(&str, Value, Value); 22] = [
            ("TINYINT(1)", true.into(), 1.into()),
            ("TINYINT", (-7).into(), (-7).into()),
            ("SMALLINT UNSIGNED", 65_535.into(), 65_535.into()),
            ("INT UNSIGNED", u32::MAX.into(), u32::MAX.into()),
            ("BIGINT UNSIGNED", i64::MAX.into(), i64::MAX.into()),
            ("YEAR", 2026.into(), 2026.into()),
            ("BIT(1)", 1.into(), 1.into()),
            ("BIT(12)", 2_049.into(), 2_049.into()),
            ("FLOAT", 0.5.into(), 0.5.into()),
            ("DOUBLE", 0.1.into(), 0.1.into()),
            (
                "DECIMAL(22,3)",
                "-1234567890123456789.120".into(),
                "-1234567890123456789.120".into(),
            ),
            ("DATE", "2026-01-02".into(), "2026-01-02".into()),
            (
                "DATETIME",
                "2026-01-02 03:04:05".into(),
                "2026-01-02 03:04:05".into(),
            ),
            (
                "DATETIME",
                "2026-01-02 00:00:00".into(),
                "2026-01-02 00:00:00".into(),
            ),
            (
                "DATETIME(6)",
                "2026-01-02 03:04:05.25".into(),
                "2026-01-02 03:04:05.250000".into(),
            ),
            ("TIME", "-123:04:05".into(), "-123:04:05".into()),
            (
                "VARCHAR(9) CHARACTER SET latin1",
                "größe".into(),
                "größe".into(),
            ),
            ("TEXT", "tea".into(), "tea".into()),
            ("ENUM('a', 'b')", "b".into(), "b".into()),
            ("JSON", "[1]".into(), "[1]".into()),
            (
                "VARBINARY(3)",
                b"\0\xff".as_slice().into(),
                b"\0\xff".as_slice().into(),
            ),
            (
                "BLOB",
                b"\0\xff".as_slice().into(),
                b"\0\xff".as_slice().into(),
            ),
        ];
        for (number, (of, given, expected)) in cases.into_iter().enumerate() {
            // A statement for a table of another type may have been kept, with the type of its parameter.
            let table = format!("one_{number}");
            connection
                .execute(&format!("CREATE TABLE {table} (v {of})"))
                .unwrap();
            let inserted =
                connection.execute_with(&format!("INSERT INTO {table} VALUES (?)"), &[given]);
            assert_eq!(inserted.unwrap(), 1, "{of}");
            let rows = connection
                .query(&format!("SELECT v FROM {table}"), &[])
                .unwrap();
            assert_eq!(*rows[0].value("v").unwrap(), expected, "{of} {url}");
        }
        let rows = connection
            .query(
                "SELECT 18446744073709551615 AS n, CAST(18446744073709551615 AS CHAR) AS words",
                &[],
            )
            .unwrap();
        let error = rows[0].value("n").unwrap_err().to_string();
        assert!(
            error.contains(r#"column "n" is the unsigned 18446744073709551615"#)
                && error.contains("CHAR"),
            "{error}"
        );
        assert_eq!(
            rows[0].get::<String>("words").unwrap(),
            "18446744073709551615"
        );
        // Out of range, and the column is named.
        connection
            .execute("CREATE TABLE small (n TINYINT)")
            .unwrap();
        let refused = connection.execute_with("INSERT INTO small VALUES (?)", &[1000.into()]);
        assert!(refused.unwrap_err().to_string().contains("'n'"));
        // The rows of a procedure, which ends with an answer without rows.
        connection
            .execute("CREATE PROCEDURE p() BEGIN SELECT 1 AS a; SELECT 2 AS b; END")
            .unwrap();
        let rows = connection.query("CALL p()", &[]).unwrap();
        assert_eq!((rows.len(), rows[0].get::<i64>("a").unwrap()), (1, 1));
        assert_eq!(connection.query_i64("SELECT 3").unwrap(), 3);
    }
}

#[test]
fn mysql_ends_transactions_by_itself_and_that_is_noticed() {
    let mariadb = MariaDb::start();
    let mysql = MySql::is_here().then(MySql::start);
    let mut urls = vec![mariadb.url()];
    urls.extend(mysql.as_ref().map(MySql::url));
    for url in urls {
        let database = Database::open(&url).unwrap();
        let (mut one, mut other) = (database.get().unwrap(), database.get().unwrap());
        one.execute("CREATE TABLE t (id INT PRIMARY KEY, n INT)")
            .unwrap();
        one.execute("INSERT INTO t VALUES (1, 0), (2, 0)").unwrap();
        let by_ddl = one.transaction(|connection| {
            insert(connection, 3)?;
            connection.execute("CREATE TABLE u (id INT)")
        });
        let error = by_ddl.unwrap_err().to_string();
        assert!(
            error.contains("no transaction was open any more"),
            "{error}"
        );
        assert_eq!(count(&mut one), 3);

        // A deadlock that is passed over. The server chooses whom it ends.
        let both = &Barrier::new(2);
        let ended = std::thread::scope(|scope| {
            let second = scope.spawn(move || {
                other.transaction(|connection| {
                    connection.execute("UPDATE t SET n = n + 1 WHERE id = 2")?;
                    both.wait();
                    let _passed_over = connection.execute("UPDATE t SET n = n + 1 WHERE id = 1");
                    Ok::<_, Error>(())
                })
            });
            let first = one.transaction(|connection| {
                connection.execute("UPDATE t SET n = n + 1 WHERE id = 1")?;
                both.wait();
                let _passed_over = connection.execute("UPDATE t SET n = n + 1 WHERE id = 2");
                Ok::<_, Error>(())
            });
            [first, second.join().unwrap()]
        });
        let failed = ended.iter().filter(|ended| ended.is_err()).count();
        assert_eq!(failed, 1, "{ended:?}");
        assert_eq!(one.query_i64("SELECT sum(n) FROM t").unwrap(), 2);
    }
}

#[test]
fn a_lost_connection_is_noticed_by_the_new_ways_and_replaced() {
    let (postgres, mariadb) = (Postgres::start(), MariaDb::start());
    for (url, kill) in [
        (
            postgres.url(),
            "SELECT pg_terminate_backend(pg_backend_pid())",
        ),
        (mariadb.url(), "KILL CONNECTION_ID()"),
    ] {
        let database = Database::open(&url).unwrap();
        let mut connection = database.get().unwrap();
        let id = connection.info().id();
        let ended = connection.transaction(|connection| connection.query(kill, &[]));
        ended.unwrap_err();
        assert_eq!(
            connection.query("SELECT 1", &[]).unwrap_err().kind(),
            ErrorKind::Connect
        );
        drop(connection);
        let mut connection = database.get().unwrap();
        assert_ne!(connection.info().id(), id);
        connection.query("SELECT 1", &[]).unwrap();
    }
}

#[test]
fn sqlite_returns_what_is_stored() {
    let database = Database::open("sqlite::memory:").unwrap();
    let mut connection = database.get().unwrap();
    connection.execute("CREATE TABLE t (v)").unwrap();
    for value in [
        1.into(),
        1.5.into(),
        "1".into(),
        b"1".as_slice().into(),
        Value::Null,
    ] {
        let inserted =
            connection.execute_with("INSERT INTO t VALUES (?1)", std::slice::from_ref(&value));
        assert_eq!(inserted.unwrap(), 1);
        let sql = "SELECT v FROM t WHERE v IS ?1 OR v = ?1";
        let rows = connection.query(sql, std::slice::from_ref(&value)).unwrap();
        assert_eq!(*rows.last().unwrap().value("v").unwrap(), value);
    }
    let rows = connection
        .query("SELECT CAST(x'ff' AS TEXT) AS v, 2 AS w", &[])
        .unwrap();
    assert!(
        rows[0]
            .value("v")
            .unwrap_err()
            .to_string()
            .contains("not UTF-8")
    );
    assert_eq!(rows[0].get::<f64>("w").unwrap(), 2.0);
}

/// Its errors are texts of this crate's type, so `?` works in a closure that returns them.
#[test]
fn sqlite_keeps_a_transaction_whose_commit_was_refused_for_nobody() {
    let database: DatabaseBuilder = Database::builder("sqlite::memory:");
    let database = database.build().unwrap();
    let mut connection = database.get().unwrap();
    connection
        .execute(
            "CREATE TABLE t (id INTEGER PRIMARY KEY); CREATE TABLE child (id REFERENCES t DEFERRABLE INITIALLY DEFERRED)",
        )
        .unwrap();
    let deferred =
        connection.transaction(|connection| connection.execute("INSERT INTO child VALUES (7)"));
    assert!(deferred.unwrap_err().to_string().contains("FOREIGN KEY"));
    assert_eq!(
        connection.query_i64("SELECT count(*) FROM child").unwrap(),
        0
    );
    connection
        .transaction(|connection| insert(connection, 1))
        .unwrap();
}

/// A second connection that gives up on a lock of the first one soon.
fn impatient(database: &Database) -> AnyConnection {
    let mut connection = database.get().unwrap();
    let sql = match (database.postgres(), database.mysql()) {
        (Some(_), _) => "SET lock_timeout = '50ms'",
        (_, Some(_)) => "SET innodb_lock_wait_timeout = 1",
        _ => "PRAGMA busy_timeout = 0",
    };
    connection.query(sql, &[]).unwrap();
    connection
}

#[test]
fn what_fails_in_favour_of_another_session_is_a_conflict() {
    on_each(|database| {
        let mut first = database.get().unwrap();
        insert(&mut first, 1).unwrap();
        let mut second = impatient(database);
        let refused = first.transaction(|first| {
            run(first, "UPDATE t SET big = 1 WHERE id = $1", &[1.into()])?;
            Ok::<_, Error>(run(
                &mut second,
                "UPDATE t SET big = 2 WHERE id = $1",
                &[1.into()],
            ))
        });
        let refused = refused.unwrap().unwrap_err();
        assert!(refused.is_conflict(), "{refused:?}");
        assert!(!refused.is_transient(), "{refused:?}");
        drop(second);
        let duplicate = insert(&mut first, 1).unwrap_err();
        assert!(!duplicate.is_conflict(), "{duplicate:?}");
    });
}

#[test]
fn one_of_two_that_block_each_other_has_a_conflict() {
    on_each(|database| {
        if database.sqlite().is_some() {
            return; // There, only one writes.
        }
        let mut connection = database.get().unwrap();
        for id in 1..=2 {
            insert(&mut connection, id).unwrap();
        }
        let both_hold = Barrier::new(2);
        let update = |ids: [i64; 2]| {
            let mut connection = database.get()?;
            connection.transaction(|connection| {
                let first = run(
                    connection,
                    "UPDATE t SET big = 1 WHERE id = $1",
                    &[ids[0].into()],
                );
                both_hold.wait();
                first?;
                run(
                    connection,
                    "UPDATE t SET big = 2 WHERE id = $1",
                    &[ids[1].into()],
                )
            })
        };
        let results = std::thread::scope(|scope| {
            let other = scope.spawn(|| update([2, 1]));
            [update([1, 2]), other.join().unwrap()]
        });
        let mut failed = results.iter().filter_map(|result| result.as_ref().err());
        let error = failed.next().expect("the server ends one of them");
        assert!(error.is_conflict(), "{error:?}");
        assert!(failed.next().is_none(), "{results:?}");
    });
}
