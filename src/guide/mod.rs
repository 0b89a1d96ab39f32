//! The guide: everything that is too long for the first page, one chapter a page.
//!
//! | to begin with | |
//! |---|---|
//! | [`settings`] | every setting, where it may be written, and what wins; URLs; a driver's own configuration value |
//! | [`sizing`] | the presets, and how many connections to keep |
//! | [`statements`] | transactions, prepared statements, data that belongs to a connection, migrations, COPY, batch jobs and LISTEN |
//! | [`pools`] | worker threads, several databases, reads apart from writes |
//! | [`hooks`] | code of yours that runs when a connection is opened, taken, returned or closed |
//! | [`errors`] | what can fail, what is tried again, repeating a transaction, what to do with a lost connection |
//! | [`testing`] | tests of your own code: one transaction for each test, a database in memory |
//!
//! | a database | |
//! |---|---|
//! | [`tls`] | encryption to PostgreSQL, MySQL and MariaDB |
//! | [`sqlite`] | null mode and queue mode, pragmas, several writers |
//! | [`drivers`] | any r2d2 manager, a `Driver` of your own, versions of the drivers and their conflicts |
//! | [`from_r2d2`] | what becomes of a program that uses r2d2 |
//!
//! | in service | |
//! |---|---|
//! | [`status`] | the report, its judgement, the monitor, and what is logged |
//! | [`http`] | health, metrics and a page |
//! | [`deployment`] | the environment, probes, Compose, Kubernetes, PgBouncer |
//! | [`fail_over`] | databases that move, servers that are full, many instances |
//! | [`shutdown`] | closing a pool, and stopping a service without losing work |
//! | [`async_programs`] | axum, actix and other programs on tokio |
//!
//! | when something is wrong | |
//! |---|---|
//! | [`troubleshooting`] | by symptom, in the words of the error |
//! | [`leaks`] | the common ones, with the wrong code and the right |
//! | [`limits`] | what the pool cannot do |
//! | [`comparison`] | with r2d2, SQLAlchemy and HikariCP, in features and figures |
//!
//! The guide is part of the documentation only. It is built with all features, as on docs.rs, and each of its snippets is compiled by
//! the tests; all of them run too, except those that need a server.

// A page is a file of Markdown that reads well by itself, so its links lead to other files. Of two definitions of a link the first
// one counts, and `links.md`, in front of each page, leads to the modules instead.
macro_rules! pages {
    ($($page:ident)*) => {$(
        #[doc = concat!(include_str!("links.md"), include_str!(concat!(stringify!($page), ".md")))]
        pub mod $page {}
    )*};
}

pages!(
    comparison deployment drivers errors fail_over from_r2d2 hooks http leaks limits pools settings shutdown sizing sqlite
    statements status testing tls troubleshooting
);

// Its first part is about tokio alone. The rest needs axum and actix, which are dependencies of the tests' crate: the snippets are
// compiled there (tests/support/guide.rs), and only read here.
#[doc = concat!(include_str!("links.md"), include_str!("async_programs.md"))]
#[cfg_attr(not(doctest), doc = include_str!("async_frameworks.md"))]
pub mod async_programs {}
