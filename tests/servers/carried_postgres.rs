//! Random rounds: what a connection to PostgreSQL carries over to its next user.

use ::postgres::fallible_iterator::FallibleIterator;
use ::postgres::types::Type;
use ::postgres::{Client, SimpleQueryMessage};
use queuepool::ResetOnReturn;
use queuepool::postgres::{PostgresManager, PostgresPool};

use crate::pool::size;
use support::rounds::{Deed, Property, Undone, play};
use support::servers::{TestServer, on_each};

on_each!([
    never_hands_on_no_answer,
    rollback_leaves_what_the_table_says,
    full_leaves_what_the_table_says
]: installed = Postgres, newest = NewestPostgres);

fn never_hands_on_no_answer<S: TestServer>() {
    carried::<S>(ResetOnReturn::Never);
}

fn rollback_leaves_what_the_table_says<S: TestServer>() {
    carried::<S>(ResetOnReturn::Rollback);
}

fn full_leaves_what_the_table_says<S: TestServer>() {
    carried::<S>(ResetOnReturn::Full);
}

fn carried<S: TestServer>(how: ResetOnReturn) {
    let server = S::start();
    let pool = PostgresPool::builder(server.url())
        .unwrap()
        .settings(size(1, 0).reset_on_return(how))
        .build()
        .unwrap();
    pool.get()
        .unwrap()
        .batch_execute("CREATE TABLE kept (a int); CREATE SEQUENCE counted; CREATE TYPE mood AS ENUM ('sad', 'glad')")
        .unwrap();
    play(&pool, how, &[SQL, BY_THE_DRIVER].concat(), PROPERTIES);
}

/// The first value, or the error.
fn ask(client: &mut Client, sql: &str) -> String {
    match client.simple_query(sql) {
        Ok(messages) => messages
            .iter()
            .find_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
                _ => None,
            })
            .unwrap_or_default(),
        Err(error) => match error.code() {
            Some(code) => format!("error {}", code.code()),
            None => format!("error {error}"),
        },
    }
}

const PROPERTIES: &[Property<PostgresManager>] = &[
    ("its own answers", Undone::Always, |client| {
        let token = fastrand::u64(..);
        let answer = ask(client, &format!("SELECT {token}::text"));
        // A failed transaction refuses every statement, and gives no wrong answer.
        match answer == token.to_string() || answer == "error 25P02" {
            true => "right".to_owned(),
            false => answer,
        }
    }),
    ("transaction", Undone::ByRollback, |client| {
        ask(client, "SELECT now() = statement_timestamp()")
    }),
    (
        "rows that were not committed",
        Undone::ByRollback,
        |client| ask(client, "SELECT count(*) FROM public.kept"),
    ),
    ("listening", Undone::ByRollback, |client| {
        ask(client, "SELECT count(*) FROM pg_listening_channels()")
    }),
    ("notifications", Undone::ByRollback, |client| {
        ask(client, "SELECT 1");
        client.notifications().iter().count().unwrap().to_string()
    }),
    ("settings", Undone::ByFull, |client| {
        ask(
            client,
            "SELECT string_agg(name || '=' || setting, ', ' ORDER BY name) FROM pg_settings \
             WHERE source = 'session' OR name IN ('application_name', 'search_path')",
        )
    }),
    ("user", Undone::ByFull, |client| {
        ask(client, "SELECT current_user || ', ' || session_user")
    }),
    ("temporary tables", Undone::ByFull, |client| {
        ask(
            client,
            "SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relkind IN ('r', 'S')",
        )
    }),
    ("cursors", Undone::ByFull, |client| {
        ask(client, "SELECT count(*) FROM pg_cursors")
    }),
    ("statements prepared by SQL", Undone::ByFull, |client| {
        ask(
            client,
            "SELECT count(*) FROM pg_prepared_statements WHERE from_sql",
        )
    }),
    ("advisory locks", Undone::ByFull, |client| {
        ask(
            client,
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
        )
    }),
    ("sequences' values", Undone::ByFull, |client| {
        ask(client, "SELECT currval('public.counted')")
    }),
    ("custom settings", Undone::ByFull, |client| {
        // '' and NULL count as the same here.
        ask(
            client,
            "SELECT COALESCE(current_setting('app.tenant', true), '')",
        )
    }),
    ("types", Undone::ByFull, |client| {
        client
            .query("SELECT 'sad'::public.mood", &[])
            .map_or_else(|error| error.to_string(), |rows| rows.len().to_string())
    }),
];

macro_rules! run {
    ($($sql:literal),+ $(,)?) => {
        &[$(($sql, |client| { let _ = client.batch_execute($sql); }),)+]
    };
}

const SQL: &[Deed<PostgresManager>] = run![
    "BEGIN",
    "BEGIN; INSERT INTO public.kept VALUES (1)",
    "BEGIN; SELECT 1/0",
    "START TRANSACTION READ ONLY",
    "BEGIN; SAVEPOINT one; INSERT INTO public.kept VALUES (2)",
    "BEGIN; LOCK TABLE public.kept IN ACCESS EXCLUSIVE MODE",
    "BEGIN ISOLATION LEVEL SERIALIZABLE",
    "BEGIN; SET LOCAL work_mem = '77kB'",
    "BEGIN; CREATE TEMP TABLE dropped (a int) ON COMMIT DROP",
    "BEGIN; DECLARE inside CURSOR FOR SELECT generate_series(1, 100)",
    "BEGIN; SELECT pg_advisory_xact_lock(9)",
    "SET work_mem = '1234kB'",
    "SET search_path = pg_catalog",
    "SET TIME ZONE 'Asia/Tokyo'",
    "SET datestyle = 'German'",
    "SET application_name = 'somebody else'",
    "SET default_transaction_read_only = on",
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "SET statement_timeout = 12345",
    "SET standard_conforming_strings = off",
    "SET app.tenant = '42'",
    "SET ROLE pg_read_all_data",
    "SET client_min_messages = error",
    "CREATE TEMP TABLE mine (a int)",
    "CREATE TEMP SEQUENCE my_own",
    "SELECT nextval('public.counted')",
    "DECLARE held CURSOR WITH HOLD FOR SELECT generate_series(1, 100)",
    "PREPARE asked AS SELECT 1",
    "PREPARE \"an odd \"\"name\" AS SELECT 2",
    "LISTEN news",
    "LISTEN news; NOTIFY news, 'of the first user'",
    "NOTIFY news",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_advisory_lock_shared(2)",
    "SELECT nonsense",
    "SELECT 1/0",
    "SET statement_timeout = 5; SELECT pg_sleep(1)",
    "DO $$ BEGIN RAISE NOTICE 'so it is'; END $$",
];

const BY_THE_DRIVER: &[Deed<PostgresManager>] = &[
    ("a prepared query", |client| {
        let _ = client.query("SELECT $1::int4 + 1", &[&1i32]);
    }),
    ("a statement prepared and forgotten", |client| {
        let _ = client
            .prepare("SELECT count(*) FROM public.kept")
            .map(std::mem::forget);
    }),
    ("rows read halfway", |client| {
        if let Ok(mut rows) = client.query_raw::<_, i32, _>("SELECT generate_series(1, 1000)", []) {
            let _ = rows.next();
        }
    }),
    ("COPY out read halfway", |client| {
        let _ = client
            .copy_out("COPY (SELECT generate_series(1, 1000)) TO STDOUT")
            .map(drop);
    }),
    ("COPY in left unfinished", |client| {
        let _ = client.copy_in("COPY public.kept FROM STDIN").map(drop);
    }),
    ("a transaction of the driver's, forgotten", |client| {
        let _ = client.transaction().map(std::mem::forget);
    }),
    ("a portal in a transaction", |client| {
        if let Ok(mut transaction) = client.transaction()
            && let Ok(statement) =
                transaction.prepare_typed("SELECT generate_series(1, $1)", &[Type::INT4])
            && let Ok(portal) = transaction.bind(&statement, &[&100i32])
        {
            let _ = transaction.query_portal(&portal, 5);
        }
    }),
    ("an enum's type", |client| {
        let _ = client.query("SELECT 'glad'::public.mood", &[]);
    }),
];
