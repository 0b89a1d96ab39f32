//! The settings of a pool, their presets, and how code, URL and environment are combined.

use std::time::Duration;

mod choices;
mod durations;
mod env;
#[cfg(feature = "serde")]
mod json;
mod kubernetes;
mod overlay;
mod presets;
mod provenance;
mod retry;
mod role;
mod setters;
mod table;
mod text;
mod url;
mod validate;
mod value;

pub use choices::{Mode, PrePing, ResetOnReturn, Role};
#[cfg(feature = "sqlite")]
pub(crate) use durations::parse as parse_duration;
pub(crate) use durations::print as print_duration;
pub(crate) use env::database_url_from_env;
pub use retry::Retry;
pub(crate) use table::{letters, meant};
pub(crate) use url::{UrlSettings, bare, split_url};
pub(crate) use validate::GREATEST_CAPACITY;

/// The settings of a pool, as plain data: start from a preset, and change what you know better.
///
/// Every field has a setter of the same name, so that settings can be written as one expression:
///
/// ```
/// use std::time::Duration;
/// use queuepool::Settings;
///
/// let settings = Settings::default()
///     .pool_size(2)
///     .max_overflow(3)
///     .timeout(Duration::from_millis(300));
/// assert_eq!(settings.recycle, Duration::from_secs(3600));
/// ```
///
/// # Which preset
/// | preset | kept + overflow | for |
/// |---|---|---|
/// | [`small`](Settings::small) | 5 + 10 | under 100 users, under 10 requests at once |
/// | [`medium`](Settings::medium), the default | 10 + 20 | 100 to 1,000 users |
/// | [`large`](Settings::large) | 20 + 30 | more than 1,000 users |
/// | [`medium_traffic`](Settings::medium_traffic) | 20 + 40 | 10 to 50 requests at once |
/// | [`high_traffic`](Settings::high_traffic) | 50 + 100 | more than 50 requests at once; the server's limit must be raised |
/// | [`development`](Settings::development) | 20 + 40 | a developer's machine |
/// | [`production`](Settings::production), [`container`](Settings::container) | 5 + 10 | one of several instances; requires TLS |
/// | [`high_throughput`](Settings::high_throughput) | 100 + 0 | 1,000 and more operations a second |
///
/// A rule of thumb in addition to the presets: `pool_size = cores x 2 + disk spindles`, counting the cores and spindles of the
/// database server. The sum of pool_size + max_overflow over all instances must stay below the server's limit (PostgreSQL's
/// default is 100, of which 3 are reserved for superusers; MySQL's is 151), with headroom for administrators.
///
/// # Who wins
/// Code wins over the parameters of the URL, the URL over the environment ([`from_env`](Settings::from_env),
/// [`with_env`](Settings::with_env)), and the environment over the preset; this is decided for each setting by itself. A setter
/// makes its field count as set in code, even if the value stays the same. A field that was assigned counts as set in code if
/// its value differs from what the preset and the environment said.
///
/// # How settings are written
/// A duration is plain seconds (`30`, `0.5`) or has units (`30s`, `1h`, `500ms`, `1h 30min`); `off`, `none` or `never`
/// turns off a setting that can be turned off. A switch is `true`, `false`, `1`, `0`, `yes`, `no`, `on` or `off`. Displayed
/// settings have the form of a URL's query, name every setting, and parse back to the same settings:
///
/// ```
/// use queuepool::Settings;
///
/// let settings: Settings = "pool_size=5&max_overflow=10&pool_timeout=30".parse()?;
/// assert!(settings.to_string().starts_with("pool_size=5&max_overflow=10&pool_timeout=30s&"));
/// assert_eq!(settings.to_string().parse::<Settings>()?, settings);
/// # Ok::<(), queuepool::Error>(())
/// ```
///
/// Two `Settings` are equal if all their values are, wherever the values came from.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// Connections kept open between uses. Default 10, for 100 to 1,000 users; at least 1 in queue mode (there is no
    /// "unlimited"), and at most 10,000 together with `max_overflow`.
    ///
    /// URL `pool_size`, environment `DB_POOL_SIZE`. `max_pool_size=N` (`DB_MAX_POOL_SIZE`) alone means `pool_size` N and
    /// `max_overflow` 0; together with a `pool_size` P from the same place (URL or environment) it means `max_overflow` N - P.
    pub pool_size: u32,

    /// Connections opened on demand beyond `pool_size`, and closed after use. Default 20, twice the pool size, so that a
    /// burst of three times the usual load is served; 0 or more, and at most 10,000 together with `pool_size`. There is
    /// no "unlimited": SQLAlchemy's -1 is an error.
    ///
    /// URL `max_overflow`, environment `DB_MAX_OVERFLOW`.
    pub max_overflow: u32,

    /// The longest time that a checkout may take in all: waiting, connecting, pinging and retrying. Default
    /// 30 s, as in SQLAlchemy; more than zero, at most 100 years.
    ///
    /// URL `pool_timeout`, environment `DB_POOL_TIMEOUT`.
    pub timeout: Duration,

    /// How many callers may wait for a connection at the same time. One more is refused immediately, as
    /// [`Overloaded`](crate::ErrorKind::Overloaded), which sheds load instead of letting everybody time out. A caller counts as
    /// waiting while no connection is being opened for it: at capacity, or between two attempts to connect. Default off, which
    /// means any number; 0 means that nobody may wait.
    ///
    /// URL `max_waiting`, environment `DB_MAX_WAITING`: a whole number, or `off`.
    pub max_waiting: Option<u32>,

    /// The longest time that a checkout waits while the database is known not to answer, so that a service can refuse its own
    /// callers at once instead of keeping each for the whole `timeout`. It runs from the beginning of the checkout or of the
    /// outage, whichever is later. An outage has begun when three attempts to connect have failed in a row, nothing has been heard
    /// from the database since, and it has not said that it is full. Default off; at least 150 ms, at most 100 years.
    ///
    /// URL `outage_timeout`, environment `DB_OUTAGE_TIMEOUT`.
    pub outage_timeout: Option<Duration>,

    /// The greatest age of a connection, counted from its connect, and checked before each checkout and while it is idle.
    /// Default 1 h: below MySQL's `wait_timeout` of 8 h, and short enough to follow a failover or a changed password
    /// within the hour. More than zero, at most 100 years; [`Duration::MAX`] (written `never`, or `-1` as for SQLAlchemy) means
    /// no limit.
    ///
    /// URL `pool_recycle`, environment `DB_POOL_RECYCLE`.
    pub recycle: Duration,

    /// The largest share of `recycle` by which a connection's own limit is shortened. The share is drawn at random once for each
    /// connection, so that connections opened together are not recycled together. Default 0.1 (10 %), which is also the
    /// greatest value, so that an hour is always at least 54 minutes; 0.0 means no jitter.
    ///
    /// URL `pool_recycle_jitter`, environment `DB_POOL_RECYCLE_JITTER`.
    pub recycle_jitter: f64,

    /// Whether a connection is tested before it is handed out. Default [`PrePing::IdleFor`] 500 ms (HikariCP's
    /// figure): a connection that was proved alive within the last 500 ms counts as tested. At most 100 years.
    ///
    /// URL `pool_pre_ping` or `validate_on_checkout`, environment `DB_POOL_PRE_PING` or `DB_VALIDATE_ON_CHECKOUT`:
    /// `true` (the default), `false` or `never`, `always`, or the time, such as `2s`.
    pub pre_ping: PrePing,

    /// How a returned connection is reset. Default [`ResetOnReturn::Rollback`], as in SQLAlchemy.
    ///
    /// URL `reset_on_return` or SQLAlchemy's `pool_reset_on_return`, environment `DB_RESET_ON_RETURN` or
    /// `DB_POOL_RESET_ON_RETURN`: `never` (or `None`), `rollback` or `full`.
    pub reset_on_return: ResetOnReturn,

    /// Whether connections are kept at all. Default `None`, which leaves the choice to the driver: [`Mode::Queue`] for PostgreSQL
    /// and MySQL, [`Mode::Null`] for SQLite.
    ///
    /// URL `pool_mode`, environment `DB_POOL_MODE`: `queue`, `null` or `auto` (`None`).
    pub mode: Option<Mode>,

    /// Which server of a replicated database the connections lead to, and what follows once it has become read-only ([`Role`]).
    /// Default [`Role::Any`].
    ///
    /// URL `pool_role`, environment `DB_POOL_ROLE`: `any`, `primary` or `replica`. `target_session_attrs=read-write` in the URL
    /// implies `primary`.
    pub role: Role,

    /// How many instances of this pool, in all processes together, share the server: its limit of connections is divided by it in
    /// the recommendations. Default 1; at least 1.
    ///
    /// URL `pool_instances`, environment `DB_POOL_INSTANCES`.
    pub instances: u32,

    /// The longest time that opening one connection may take, including handshake and login. Default 10 s, so that a checkout of
    /// 30 s has time for a second and a third attempt; more than zero, at most 100 years. libpq's 0 for "no limit" is an error.
    /// Where a URL names several hosts, it is the time for each of them.
    ///
    /// URL `connect_timeout`, environment `DB_CONNECT_TIMEOUT`.
    pub connect_timeout: Duration,

    /// The server-side time limit for one statement, set on each new connection if the server has such a limit: PostgreSQL and
    /// MariaDB do, and MySQL for reads only. SQLite has no server and ignores it, as do other managers. Default off; 60 s in
    /// [`high_throughput`](Settings::high_throughput). More than zero, at most 100 years.
    ///
    /// URL `command_timeout`, environment `DB_COMMAND_TIMEOUT`.
    pub command_timeout: Option<Duration>,

    /// Connections beyond `min_pool_size` that have been idle for this long are closed. Default off. More than zero, at most 100
    /// years.
    ///
    /// URL `idle_timeout`, environment `DB_IDLE_TIMEOUT`.
    pub idle_timeout: Option<Duration>,

    /// Connections that have been idle for this long are pinged, so that firewalls do not forget them. Default
    /// off. More than zero, at most 100 years.
    ///
    /// URL `keepalive`, environment `DB_KEEPALIVE`.
    pub keepalive: Option<Duration>,

    /// Connections opened while the pool is being built. The build waits for them for at most `timeout`, and fails with their
    /// error. Default 0: building a pool opens no connection. At most `pool_size`; 0 in null mode.
    ///
    /// URL `warm_up`, environment `DB_WARM_UP`.
    pub warm_up: u32,

    /// Connections kept open at all times: opened in the background from the start, replaced when they are closed, and spared by
    /// `idle_timeout`. Both connections in use and idle ones count; the `min_idle` of r2d2 and HikariCP counts idle ones only.
    /// Default 0; 10 in [`high_throughput`](Settings::high_throughput). At most `pool_size`; 0 in null mode.
    ///
    /// URL `min_pool_size`, environment `DB_MIN_POOL_SIZE`.
    pub min_pool_size: u32,

    /// How a connect is retried: only after a transient failure, and never past the deadline of the checkout.
    pub retry: Retry,

    /// How many connections in a row may fail their test within one checkout before it gives up with a Validation error.
    /// Default 3; at least 1.
    ///
    /// URL `max_validation_failures`, environment `DB_MAX_VALIDATION_FAILURES`.
    pub max_validation_failures: u32,

    /// SQL that tests a connection instead of the driver's own ping. Default `None`, which means the driver's own ping, the
    /// cheaper of the two. Not blank.
    ///
    /// URL `validation_query` (percent-encoded; a `+` is a plus), environment `DB_VALIDATION_QUERY`; `off` or `none`
    /// means the driver's own ping.
    pub validation_query: Option<String>,

    /// How often the monitor checks whether the database answers. Default 10 s, the default period of a Kubernetes probe; more
    /// than zero, at most 100 years.
    ///
    /// URL `health_check_interval`, environment `DB_HEALTH_CHECK_INTERVAL`.
    pub health_check_interval: Duration,

    /// How long a ping, or a reset on return, may take before the connection is given up. It is also the limit of
    /// [`Pool::health_check`](crate::Pool::health_check) and [`Pool::ping`](crate::Pool::ping) as a whole. Default 5 s, half of
    /// `health_check_interval`; more than zero, at most 100 years.
    ///
    /// URL `health_check_timeout`, environment `DB_HEALTH_CHECK_TIMEOUT`.
    pub health_check_timeout: Duration,

    /// Whether the monitor runs: a background thread that checks the database every
    /// [`health_check_interval`](Settings#structfield.health_check_interval), and takes a sample every
    /// [`metrics_collection_interval`](Settings#structfield.metrics_collection_interval) for
    /// [`Pool::history`](crate::Pool::history) and the recommendations. The care of idle connections and the log lines about
    /// leaks and outages do not depend on it. Default off; on in [`high_throughput`](Settings::high_throughput).
    ///
    /// URL `enable_pool_metrics`, environment `DB_ENABLE_POOL_METRICS`.
    pub enable_pool_metrics: bool,

    /// How often the monitor takes a sample. The samples of the last hour are kept, at most 3,600. Default 5 s; more than zero,
    /// at most 100 years.
    ///
    /// URL `metrics_collection_interval`, environment `DB_METRICS_COLLECTION_INTERVAL`.
    pub metrics_collection_interval: Duration,

    /// The utilization (connections in use as a share of `pool_size`), in percent, from which the health is a warning. Default
    /// 70; more than 0, at most 100.
    ///
    /// URL `warning_utilization`, environment `DB_WARNING_UTILIZATION`.
    pub warning_utilization: f64,

    /// The capacity_utilization (connections in use as a share of `pool_size` + `max_overflow`), in percent, above which the
    /// health is critical and the HTTP probes answer 503. Default 90; more than 0, at most 100, with which it is never
    /// critical.
    ///
    /// URL `critical_utilization`, environment `DB_CRITICAL_UTILIZATION`.
    pub critical_utilization: f64,

    /// How long the overflow must be used up without a break, with more than 90 % of the capacity checked out, before the status
    /// reports a leak. Default 10 s; more than zero, at most 100 years.
    ///
    /// URL `leak_after`, environment `DB_LEAK_AFTER`.
    pub leak_after: Duration,

    /// A holder that keeps a connection for longer than this is logged, once, and in a minute at most one line for all that hold
    /// connections from the same source line. Default off. More than zero, at most 100 years.
    ///
    /// URL `holder_warn_after`, environment `DB_HOLDER_WARN_AFTER`.
    pub holder_warn_after: Option<Duration>,

    /// Whether the SQL that the pool or an AnyConnection runs is logged, at level debug. Default off.
    ///
    /// URL `echo`, environment `DB_ECHO`.
    pub echo: bool,

    /// Whether lifecycle events are logged at level info instead of debug. Default off.
    ///
    /// URL `echo_pool`, environment `DB_ECHO_POOL`.
    pub echo_pool: bool,

    /// Whether connections are encrypted even if nothing else says so: without an `sslmode` in the URL (MySQL: `ssl-mode`), the
    /// mode is `require` instead of `prefer`. To be sure of the server too, write `sslmode=verify-full`. Unix sockets and SQLite
    /// are not affected. A manager that is not one of the bundled ones must encrypt by itself; a warning in the log says so.
    /// Default off; on in [`production`](Settings::production).
    ///
    /// URL `require_tls`, environment `DB_REQUIRE_TLS`.
    pub require_tls: bool,

    provenance: provenance::Provenance,
}
