//! Lists of hosts that nobody can mean.

use queuepool::mysql::MySqlManager;
use queuepool::postgres::PostgresManager;
use queuepool::postgres::postgres::Config;
use queuepool::{Error, ErrorKind};

fn postgres(url: &str) -> Result<(), Error> {
    PostgresManager::from_url(url).map(drop)
}

fn mysql(url: &str) -> Result<(), Error> {
    MySqlManager::from_url(url).map(drop)
}

#[track_caller]
fn is_refused(read: Result<(), Error>, words: &str) {
    let error = read.expect_err(words);
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Settings, "{text}");
    assert!(text.contains(words), "{text}");
    assert!(!text.contains("hunter"), "{text}");
}

#[test]
fn a_wrong_list_is_refused_with_what_was_given_and_expected() {
    for (hosts, words) in [
        (
            "a:1,b:70000",
            "host 2 of 2 has an invalid port \"70000\": expected a whole number from 1 to 65535",
        ),
        ("a:one,b", "host 1 of 2 has an invalid port \"one\""),
        ("a:0,b", "host 1 of 2 has an invalid port \"0\""),
        (
            "a,,b",
            "host 2 of 3 is empty: expected a name or an address",
        ),
        ("a:1,", "host 2 of 2 is empty"),
    ] {
        is_refused(
            postgres(&format!("postgresql://u:hunter2@{hosts}/d")),
            words,
        );
        is_refused(mysql(&format!("mysql://u:hunter2@{hosts}/d")), words);
    }
    for (parameters, words) in [
        (
            "host=a,b&port=1,2,3",
            "3 ports for 2 hosts: expected one port, or one for each host",
        ),
        ("host=a&port=1,2", "2 ports for 1 host"),
        (
            "host=a,b&hostaddr=10.0.0.1",
            "2 of host and 1 of hostaddr: expected as many of each",
        ),
        ("host=a,,b", "host 2 of 3 is empty"),
        ("host=a,b&port=1,0", "port 2 of 2 is 0"),
        (
            "host=a&tcp_user_timeout=80s",
            "invalid tcp_user_timeout \"80s\"",
        ),
        (
            "host=a&tcp_user_timeout=-1",
            "expected a whole number of milliseconds",
        ),
        (
            "host=a&target_session_attrs=Primary",
            "expected any, read-write, read-only, primary, standby or prefer-standby",
        ),
    ] {
        is_refused(postgres(&format!("postgresql:///d?{parameters}")), words);
    }
    for (parameters, words) in [
        (
            "target_session_attrs=replica",
            "invalid target_session_attrs \"replica\"",
        ),
        (
            "load_balance_hosts=yes",
            "invalid load_balance_hosts \"yes\" in the database URL: expected disable or random",
        ),
        ("tcp_user_timeout=1.5", "invalid tcp_user_timeout \"1.5\""),
    ] {
        is_refused(
            mysql(&format!("mysql://u:hunter2@a,b/d?{parameters}")),
            words,
        );
    }
}

#[test]
fn what_may_be_a_password_is_not_shown() {
    for (user_and_password, words) in [
        (
            "u:hunter,2",
            "host 1 of 2 has an invalid port: expected a whole number from 1 to 65535",
        ),
        ("u:1,hunter2:3,", "host 3 of 3 is empty"),
    ] {
        is_refused(
            postgres(&format!("postgresql://{user_and_password}/d")),
            words,
        );
        is_refused(mysql(&format!("mysql://{user_and_password}/d")), words);
    }
}

#[test]
fn a_configuration_that_does_not_fit_together_is_refused_too() {
    let new = |fill: fn(&mut Config) -> &mut Config| {
        let mut config = Config::new();
        config.host("a").host("b");
        fill(&mut config);
        PostgresManager::new(config).map(drop)
    };
    new(|config| config).unwrap();
    new(|config| config.port(1).port(2)).unwrap();
    is_refused(
        new(|config| config.port(1).port(2).port(3)),
        "3 ports for 2 hosts",
    );
    is_refused(new(|config| config.host("")), "host 3 of 3 is empty");
    is_refused(
        new(|config| config.hostaddr([10, 0, 0, 1].into())),
        "2 of host and 1 of hostaddr",
    );
}

#[test]
fn lists_are_read() {
    for hosts in ["a,b", "a:1,b:2", "a:1,b", "[::1]:1,b", "[::1],[::2]"] {
        postgres(&format!("postgresql://u:p@{hosts}/d")).unwrap();
        mysql(&format!("mysql://u:p@{hosts}/d")).unwrap();
    }
    postgres("postgresql:///d?host=a,b&port=1,2").unwrap();
    postgres("postgresql:///d?host=a,b&port=1").unwrap();
}
