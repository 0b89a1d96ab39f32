//! Variables that are no settings: typing errors, those of Kubernetes, and the name of the pool.

use super::{Variables, refusal, settings};
use crate::settings::Settings;

#[test]
fn a_pool_variable_that_is_no_setting_is_an_error_with_the_nearest_name() {
    for (variable, remedy) in [
        ("DB_POOL_TIMOUT", "did you mean DB_POOL_TIMEOUT?"),
        ("DATABASE_POOL_SIZ", "did you mean DATABASE_POOL_SIZE?"),
        ("DB_POOL_MAX_OVERFLOW", "did you mean DB_MAX_OVERFLOW?"),
        ("DB_POOL_MIN_SIZE", "did you mean DB_MIN_POOL_SIZE?"),
        ("DB_POOL_MAX_SIZE", "did you mean DB_MAX_POOL_SIZE?"),
        ("DB_POOL_OVERFLOWING", "remove it"),
        ("DB_POOL_NAMES", "did you mean DB_POOL_NAME?"),
        ("DB_POOL_PREPING", "did you mean DB_POOL_PRE_PING?"),
        ("DATABASE_POOL_SERVICE", "remove it"),
        ("DB_POOL_PORTS", "remove it"),
    ] {
        let text = refusal(&[(variable, "s3cret")]);
        let expected =
            format!("the environment variable {variable} is no setting of queuepool: {remedy}");
        assert_eq!(text, expected);
    }
}

#[test]
fn what_kubernetes_injects_for_a_service_is_left_alone() {
    let injected = [
        ("SERVICE_HOST", "10.0.0.1"),
        ("SERVICE_PORT", "5432"),
        ("SERVICE_PORT_PG_MAIN", "5432"),
        ("PORT", "tcp://10.0.0.1:5432"),
        ("PORT_5432_TCP", "tcp://10.0.0.1:5432"),
        ("PORT_5432_TCP_PROTO", "tcp"),
        ("PORT_5432_TCP_PORT", "5432"),
        ("PORT_5432_TCP_ADDR", "10.0.0.1"),
        ("PORT_53_UDP", "udp://10.0.0.1:53"),
        ("PORT_9_SCTP_ADDR", "10.0.0.1"),
    ];
    for service in ["DB_POOL", "DATABASE_POOL", "DB_POOL_EXPORTER"] {
        for (end, value) in injected {
            let variable = format!("{service}_{end}");
            assert_eq!(settings(&[(&variable, value)]), Settings::default());
        }
    }
}

#[test]
fn the_pool_s_name_is_in_one_of_two_variables() {
    let named = |variables: Variables| settings(variables).pool_name().map(str::to_owned);
    for variable in ["DB_POOL_NAME", "DATABASE_POOL_NAME"] {
        assert_eq!(named(&[(variable, "orders")]).as_deref(), Some("orders"));
    }
    assert_eq!(named(&[("DB_POOL_SIZE", "5")]), None);
    let text = refusal(&[("DB_POOL_NAME", "one"), ("DATABASE_POOL_NAME", "two")]);
    assert!(text.contains("DB_POOL_NAME"), "{text}");
    assert!(text.contains("DATABASE_POOL_NAME"), "{text}");
}
