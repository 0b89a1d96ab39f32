//! Tests that must be alone in their process, because they install a logger or rustls's crypto provider, fork, count
//! threads or memory, or measure time. [`support::alone`] gives each of them a process of its own.

#[cfg(all(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod database_echo;
#[cfg(all(feature = "postgres", feature = "mysql"))]
mod driver_echo;
mod episodes;
mod fork;
mod fork_first;
mod holders;
#[cfg(feature = "http")]
mod http_exhausted;
#[cfg(all(feature = "http", target_os = "linux"))]
mod http_no_threads;
#[cfg(all(feature = "http", target_os = "linux"))]
mod http_process;
mod logger;
mod loggers;
#[cfg(all(
    target_os = "linux",
    feature = "sqlite",
    feature = "postgres",
    feature = "mysql"
))]
mod no_descriptors;
#[cfg(target_os = "linux")]
mod no_threads;
#[cfg(target_os = "linux")]
mod no_timer;
mod overload;
#[cfg(feature = "sqlite")]
mod sqlite_log;
#[cfg(all(feature = "mysql", feature = "tls"))]
mod tls_authorities;
#[cfg(all(feature = "mysql", feature = "tls"))]
mod tls_provider;
