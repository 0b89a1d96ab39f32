//! Texts that are nearly database URLs.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use proptest::sample::select;

/// More than proptest's own 256: a case takes microseconds.
pub fn many() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(4_000),
    }
}

pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

pub fn scheme() -> impl Strategy<Value = &'static str> {
    select(vec![
        "postgres",
        "postgresql",
        "postgresql+psycopg2",
        "PostgreSQL",
        "mysql",
        "mariadb",
        "mysql+pymysql",
        "sqlite",
        "SQLite+pysqlite",
    ])
}

/// Characters without any meaning in a URL, or with every meaning there is.
pub fn odd() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9]{1,8}",
        "[a-z0-9:/?#&=+%'`\"\\\\ ,;\\[\\]-]{0,8}",
        "\\PC{0,6}",
        "[\0-\x1f\x7f]{1,3}",
        "(%[0-9a-fA-F]{0,2}){1,4}",
        select(vec![
            "%00",
            "%FF%FE",
            "%C3",
            "%25%34%30",
            "%",
            "%4",
            "%zz",
            "é",
            "мир",
            "🐘",
            "\u{feff}",
            "\u{202e}"
        ])
        .prop_map(str::to_owned),
    ]
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(vec![
            "", "localhost", "db.internal", "127.0.0.1", "::1", "[::1]", "[::1", "::1]", "[]", "[fe80::1%25eth0]",
            "[::ffff:1.2.3.4]", "999.1.1.1", "0x7f.1", "one,two", ",", "one,,two", "[::1],two", "%2Frun%2Fpostgresql",
            "%", "мир.рф", "-", "a..b", "host name",
        ])
        .prop_map(str::to_owned),
        1 => odd(),
    ]
}

fn port() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(vec![
            "", ":", ":5432", ":0", ":65535", ":65536", ":99999999999999999999", ":-1", ":+1", ":x", ":1,2", "::", ":%35",
            ":٣",
        ])
        .prop_map(str::to_owned),
        1 => odd().prop_map(|port| format!(":{port}")),
    ]
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            "",
            "/",
            "/app",
            "//",
            "/app/more",
            "///var/lib/app.db",
            "/:memory:",
            "/a%2Fb",
            "/a%00b",
            "/%ff",
            "/..",
            "/a b"
        ])
        .prop_map(str::to_owned),
        odd().prop_map(|path| format!("/{path}")),
    ]
}

/// The pool's own parameters, and those of the three drivers.
pub const OWN: [&str; 39] = [
    "pool_size",
    "max_overflow",
    "max_pool_size",
    "max_waiting",
    "outage_timeout",
    "pool_timeout",
    "pool_recycle",
    "pool_recycle_jitter",
    "pool_pre_ping",
    "validate_on_checkout",
    "reset_on_return",
    "pool_reset_on_return",
    "pool_mode",
    "pool_role",
    "pool_instances",
    "connect_timeout",
    "command_timeout",
    "idle_timeout",
    "keepalive",
    "warm_up",
    "min_pool_size",
    "max_retry_attempts",
    "initial_retry_delay",
    "retry_backoff_multiplier",
    "max_retry_delay",
    "retry_jitter",
    "max_validation_failures",
    "validation_query",
    "health_check_interval",
    "health_check_timeout",
    "enable_pool_metrics",
    "metrics_collection_interval",
    "warning_utilization",
    "critical_utilization",
    "leak_after",
    "holder_warn_after",
    "echo",
    "echo_pool",
    "require_tls",
];

pub const POSTGRES: [&str; 27] = [
    "ssl",
    "sslcompression",
    "client_encoding",
    "gssencmode",
    "fallback_application_name",
    "unix_sock",
    "unix_socket",
    "sslmode",
    "sslnegotiation",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "channel_binding",
    "target_session_attrs",
    "load_balance_hosts",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "tcp_user_timeout",
    "hostaddr",
    "host",
    "port",
    "user",
    "dbname",
    "options",
    "application_name",
];

pub const MYSQL: [&str; 30] = [
    "unix_socket",
    "target_session_attrs",
    "load_balance_hosts",
    "tcp_user_timeout",
    "ssl-mode",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "root_cert_path",
    "cert_chain_path",
    "priv_key_path",
    "cipher_suites",
    "danger_accept_invalid_certs",
    "require_ssl",
    "charset",
    "socket",
    "prefer_socket",
    "tcp_keepalive_time_ms",
    "tcp_keepalive_probe_count",
    "tcp_connect_timeout_ms",
    "compress",
    "stmt_cache_size",
    "pool_min",
    "pool_max",
    "max_allowed_packet",
    "reset_connection",
    "host",
    "port",
    "user",
    "db_name",
];

pub const SQLITE: [&str; 13] = [
    "uri",
    "journal_mode",
    "synchronous",
    "temp_store",
    "cache_size",
    "mmap_size",
    "foreign_keys",
    "busy_timeout",
    "journal_size_limit",
    "mode",
    "immutable",
    "nolock",
    "vfs",
];

fn name() -> impl Strategy<Value = String> {
    let known = [&OWN[..], &POSTGRES, &MYSQL, &SQLITE].concat();
    prop_oneof![
        9 => select(known).prop_map(str::to_owned),
        1 => odd(),
    ]
}

/// Values that some parameter accepts, or almost accepts.
pub const VALUES: [&str; 48] = [
    "",
    " ",
    "0",
    "1",
    "5",
    "-1",
    "-0",
    "0.1",
    "1.5",
    "1e999",
    "NaN",
    "inf",
    "0x10",
    "65536",
    "4294967296",
    "18446744073709551616",
    "340282366920938463463374607431768211456",
    "5s",
    "5 s",
    "250ms",
    "100years",
    "584542046090years",
    "18446744073709551615s1000000000ns",
    "99999999999d99999999999d",
    "on",
    "off",
    "TRUE",
    "no",
    "never",
    "none",
    "always",
    "default",
    "auto",
    "queue",
    "null",
    "rollback",
    "full",
    "wal",
    "memory",
    "ro",
    "disable",
    "require",
    "verify-ca",
    "utf8mb4",
    "any",
    "é🐘",
    "a\0b",
    "SELECT 1",
];

/// One or another of them, not yet encoded.
pub fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{1,3}",
        "-?[0-9]{1,30}(\\.[0-9]{0,3})?",
        "([0-9]{1,21}(ns|us|ms|s|m|min|h|d|days|w|months|y|years| )){1,4}",
        select(VALUES.to_vec()).prop_map(str::to_owned),
        odd(),
    ]
}

prop_compose! {
    fn parameter()(name in name(), value in value(), is_encoded in any::<bool>(), has_value in prop::bool::weighted(0.95)) -> String {
        match (has_value, is_encoded) {
            (false, _) => name,
            (true, true) => format!("{name}={}", encoded(&value)),
            (true, false) => format!("{name}={value}"),
        }
    }
}

/// All that may follow the `@`.
pub fn rest() -> impl Strategy<Value = String> {
    let parameters = prop::collection::vec(parameter(), 0..5);
    let fragment = prop_oneof![9 => Just(""), 1 => Just("#part")];
    (host(), port(), path(), parameters, fragment).prop_map(
        |(host, port, path, parameters, fragment)| {
            let mark = if parameters.is_empty() { "" } else { "?" };
            format!("{host}{port}{path}{mark}{}{fragment}", parameters.join("&"))
        },
    )
}

pub fn url() -> impl Strategy<Value = String> {
    let userinfo = prop_oneof![
        Just(String::new()),
        Just("app@".to_owned()),
        Just("app:pass@".to_owned()),
        (odd(), odd()).prop_map(|(user, password)| format!("{user}:{password}@")),
    ];
    let separator = prop_oneof![12 => Just("://"), 1 => Just(":"), 1 => Just(":/"), 1 => Just("")];
    let scheme = prop_oneof![9 => scheme().prop_map(str::to_owned), 1 => odd()];
    (scheme, separator, userinfo, rest()).prop_map(|(scheme, separator, userinfo, rest)| {
        format!("{scheme}{separator}{userinfo}{rest}")
    })
}
