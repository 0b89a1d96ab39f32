//! What a test has to be alone in a process for: a logger, rustls' cryptography, forks, threads and memory that are counted,
//! and time that is measured. Each test here has one to itself, by [`support::alone`].

#[cfg(all(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod database_echo;
#[cfg(all(feature = "postgres", feature = "mysql"))]
mod driver_echo;
mod episodes;
mod fork;
mod fork_first;
#[cfg(feature = "http")]
mod http_exhausted;
#[cfg(all(feature = "http", target_os = "linux"))]
mod http_process;
mod logger;
mod loggers;
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
