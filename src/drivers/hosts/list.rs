//! The list of hosts in a URL.

/// A host as a URL names it, and its port if that is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostAndPort {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}

impl HostAndPort {
    /// Reads `host:port,[::1]:port,…`.
    ///
    /// # Errors
    /// A complaint that says which of the hosts is wrong. It quotes nothing unless `may_show`: without an `@` before it, the list
    /// may be a user and a password.
    pub(crate) fn list(text: &str, may_show: bool) -> Result<Vec<HostAndPort>, String> {
        let entries: Vec<&str> = text.split(',').collect();
        let count = entries.len();
        let read = |(index, entry): (usize, &&str)| {
            HostAndPort::read(entry, may_show)
                .map_err(|words| format!("host {} of {count} {words}", index + 1))
        };
        entries.iter().enumerate().map(read).collect()
    }

    /// Reads one of them.
    pub(crate) fn read(entry: &str, may_show: bool) -> Result<HostAndPort, String> {
        let (host, port) = match entry.find(']').filter(|_| entry.starts_with('[')) {
            Some(end) => (&entry[..=end], entry[end + 1..].strip_prefix(':')),
            None => match entry.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (entry, None),
            },
        };
        if host.is_empty() {
            return Err("is empty: expected a name or an address".to_owned());
        }
        let port = match port.filter(|port| !port.is_empty()) {
            None => None,
            Some(port) => match port.parse() {
                Ok(number @ 1..) => Some(number),
                _ => {
                    let shown = match may_show {
                        true => format!(" {port:?}"),
                        false => String::new(),
                    };
                    return Err(format!(
                        "has an invalid port{shown}: expected a whole number from 1 to 65535"
                    ));
                }
            },
        };
        let host = host.to_owned();
        Ok(HostAndPort { host, port })
    }
}

/// What is wrong with the number of ports, if anything is.
pub(crate) fn ports_are_wrong(ports: usize, hosts: usize) -> Option<String> {
    let (of_ports, of_hosts) = (in_words(ports, "port"), in_words(hosts, "host"));
    (ports > 1 && ports != hosts)
        .then(|| format!("{of_ports} for {of_hosts}: expected one port, or one for each host"))
}

fn in_words(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Result<Vec<HostAndPort>, String> {
        HostAndPort::list(text, true)
    }

    #[test]
    fn hosts_have_ports_of_their_own_or_none() {
        let read = list("one:1,two,[::1]:3,[fe80::1],five:").expect("a list");
        let host = |host: &str, port| HostAndPort {
            host: host.to_owned(),
            port,
        };
        assert_eq!(
            read,
            [
                host("one", Some(1)),
                host("two", None),
                host("[::1]", Some(3)),
                host("[fe80::1]", None),
                host("five", None),
            ]
        );
    }

    #[test]
    fn a_wrong_list_is_refused_with_what_was_given_and_expected() {
        for (text, expected) in [
            (
                "a:1,b:70000",
                "host 2 of 2 has an invalid port \"70000\": expected",
            ),
            (
                "a:0,b",
                "host 1 of 2 has an invalid port \"0\": expected a whole number from 1 to 65535",
            ),
            (
                "a,,b",
                "host 2 of 3 is empty: expected a name or an address",
            ),
            ("a,:5432", "host 2 of 2 is empty"),
        ] {
            let complaint = list(text).expect_err(text);
            assert!(complaint.starts_with(expected), "{complaint}");
        }
        let hidden = HostAndPort::list("app:se,cret", false).map(drop);
        assert_eq!(
            hidden,
            Err(
                "host 1 of 2 has an invalid port: expected a whole number from 1 to 65535"
                    .to_owned()
            )
        );
    }

    #[test]
    fn there_is_one_port_or_one_for_each_host() {
        assert_eq!(ports_are_wrong(0, 2), None);
        assert_eq!(ports_are_wrong(1, 2), None);
        assert_eq!(ports_are_wrong(2, 2), None);
        assert_eq!(
            ports_are_wrong(3, 1).as_deref(),
            Some("3 ports for 1 host: expected one port, or one for each host")
        );
    }
}
