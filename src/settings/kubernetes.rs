//! The variables that Kubernetes injects into every container of a namespace, for each of its services.

/// Whether this is a name that Kubernetes makes for a service whose name begins with `pool` after our prefix, as `db-pool` or
/// `db-pool-exporter`: `rest` is what follows `DB_`. The set is closed; it is that of Kubernetes' own `envvars` package:
///
/// - `…_SERVICE_HOST`, `…_SERVICE_PORT`, and `…_SERVICE_PORT_<NAME>` for each port with a name,
/// - `…_PORT`, and for each port `…_PORT_<number>_<protocol>`, alone and with `_PROTO`, `_PORT` and `_ADDR`.
pub(super) fn makes(rest: &str) -> bool {
    let is_service = |service: &str| {
        let more = service.strip_prefix("POOL");
        more.is_some_and(|more| more.is_empty() || more.starts_with('_') && more.len() > 1)
    };
    let ends = ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"];
    if ends
        .iter()
        .any(|end| rest.strip_suffix(end).is_some_and(is_service))
    {
        return true;
    }
    let is_named = |(service, name): (&str, &str)| is_service(service) && !name.is_empty();
    if rest.split_once("_SERVICE_PORT_").is_some_and(is_named) {
        return true;
    }
    let rest = ["_PROTO", "_PORT", "_ADDR"]
        .iter()
        .find_map(|part| rest.strip_suffix(part))
        .unwrap_or(rest);
    rest.rsplit_once("_PORT_").is_some_and(|(service, port)| {
        let is_number = |number: &str| {
            number.starts_with(|digit: char| digit != '0') && number.parse::<u16>().is_ok()
        };
        let is_port = |(number, protocol): (&str, &str)| {
            is_number(number) && matches!(protocol, "TCP" | "UDP" | "SCTP")
        };
        is_service(service) && port.split_once('_').is_some_and(is_port)
    })
}

#[cfg(test)]
mod tests {
    use super::makes;

    #[test]
    fn all_names_for_a_service_are_known_whatever_its_ports() {
        for service in [
            "POOL",
            "POOL_X",
            "POOL_PORT",
            "POOL_SERVICE_PORT_X",
            "POOL_SIZE",
        ] {
            for end in [
                "SERVICE_HOST",
                "SERVICE_PORT",
                "SERVICE_PORT_METRICS",
                "SERVICE_PORT_POOL_SIZE",
                "PORT",
                "PORT_5432_TCP",
                "PORT_5432_TCP_PROTO",
                "PORT_5432_TCP_PORT",
                "PORT_5432_TCP_ADDR",
                "PORT_53_UDP",
                "PORT_53_UDP_ADDR",
                "PORT_65535_SCTP_PORT",
            ] {
                let name = format!("{service}_{end}");
                assert!(makes(&name), "{name}");
            }
        }
    }

    #[test]
    fn nothing_else_is() {
        for name in [
            "POOL",
            "POOL_",
            "POOL_TIMOUT",
            "POOL_HOST",
            "POOL_PORTS",
            "POOL_PORT_",
            "POOL_PORT_5432",
            "POOL_PORT_5432_TCP_",
            "POOL_PORT_5432_TCP_HOST",
            "POOL_PORT_5432_TLS",
            "POOL_PORT_0_TCP",
            "POOL_PORT_65536_TCP",
            "POOL_PORT_X_TCP",
            "POOL_SERVICE",
            "POOL_SERVICE_PORT_",
            "POOL__PORT",
            "POOLS_PORT",
            "PORT",
            "SERVICE_HOST",
            "_SERVICE_HOST",
        ] {
            assert!(!makes(name), "{name}");
        }
    }
}
