//! The snippets of the guide's page on statements, as they stand there, on a real server.

use queuepool::Settings;
use queuepool::postgres::PostgresPool;
use support::servers::Postgres;

fn pool(server: &Postgres) -> PostgresPool {
    let builder = PostgresPool::builder(server.url()).unwrap();
    builder.settings(Settings::small()).build().unwrap()
}

fn with_books(server: &Postgres) -> PostgresPool {
    let pool = pool(server);
    migrate::run(&pool);
    pool
}

#[test]
fn they_are_those_of_the_page() {
    let page = include_str!("../../src/guide/statements.md");
    for snippet in [
        include_str!("guide/transfer.rs"),
        include_str!("guide/find_book.rs"),
        include_str!("guide/migrate.rs"),
        include_str!("guide/copy.rs"),
        include_str!("guide/listen.rs"),
    ] {
        let fenced = format!("```rust,no_run\n{snippet}```\n");
        assert!(page.contains(&fenced), "not on the page: {snippet}");
    }
}

mod transfer {
    include!("guide/transfer.rs");

    #[test]
    fn money_is_moved_or_stays() {
        let server = super::Postgres::start();
        let pool = super::pool(&server);
        let sql = "CREATE TABLE account (id bigint, cents bigint CHECK (cents >= 0)); INSERT INTO account VALUES (1, 100), (2, 0)";
        pool.get().unwrap().batch_execute(sql).unwrap();
        transfer(&pool, 1, 2, 30).unwrap();
        transfer(&pool, 1, 2, 71).unwrap_err();
        let sql = "SELECT array_agg(cents ORDER BY id) FROM account";
        let left: Vec<i64> = pool.get().unwrap().query_one(sql, &[]).unwrap().get(0);
        assert_eq!(left, [70, 30]);
    }
}

mod find_book {
    include!("guide/find_book.rs");

    #[test]
    fn a_book_is_found_twice_by_one_statement() {
        let server = super::Postgres::start();
        let pool = super::with_books(&server);
        let sql = "INSERT INTO book (title) VALUES ('Dune')";
        pool.get().unwrap().batch_execute(sql).unwrap();
        assert_eq!(find_book(&pool, "Dune").unwrap(), Some(1));
        assert_eq!(find_book(&pool, "Emma").unwrap(), None);
        let sql = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT id FROM book%'";
        let prepared: i64 = pool.get().unwrap().query_one(sql, &[]).unwrap().get(0);
        assert_eq!(prepared, 1);
    }
}

mod migrate {
    include!("guide/migrate.rs");

    pub fn run(pool: &PostgresPool) {
        migrate(pool).unwrap();
    }

    #[test]
    fn instances_migrate_once() {
        let server = super::Postgres::start();
        let pool = super::pool(&server);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| run(&pool));
            }
        });
        let sql = "SELECT array_agg(number ORDER BY number) FROM migration";
        let done: Vec<i64> = pool.get().unwrap().query_one(sql, &[]).unwrap().get(0);
        assert_eq!(done, [1, 2]);
    }
}

mod copy {
    include!("guide/copy.rs");

    #[test]
    fn what_is_copied_in_is_copied_out() {
        let server = super::Postgres::start();
        let pool = super::with_books(&server);
        assert_eq!(import(&pool, &["Dune", "Em\"ma"]).unwrap(), 2);
        let mut copied = Vec::new();
        export(&pool, &mut copied).unwrap();
        assert_eq!(
            String::from_utf8(copied).unwrap(),
            "1,Dune\n2,\"Em\"\"ma\"\n"
        );
    }
}

mod listen {
    include!("guide/listen.rs");

    /// It listens for 30 s after the last notification, which nobody waits for here.
    #[test]
    fn it_listens_on_a_connection_that_has_left_the_pool() {
        let server = super::Postgres::start();
        let pool = super::pool(&server);
        std::thread::spawn({
            let pool = pool.clone();
            move || listen(&pool).map_err(|error| error.to_string())
        });
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE query = 'LISTEN orders'";
        support::scripted::eventually("somebody listens", || {
            let row = pool.get().unwrap().query_one(sql, &[]).unwrap();
            row.get::<_, i64>(0) == 1
        });
        assert_eq!(pool.status().detached, 1);
    }
}
