//! The hosts of a URL: those of its authority, or those that its parameters name in their place.

use std::net::IpAddr;
use std::ops::Range;

use percent_encoding::percent_decode_str;

use super::{Dsn, refused};
use crate::drivers::hosts::{HostAndPort, ports_are_wrong};
use crate::error::{Error, ErrorKind, URL};

/// The hosts that a URL names, decoded and without brackets. There is no port, or one for all hosts, or one for each.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) hosts: Vec<String>,
    /// `None` is the driver's default.
    pub(crate) ports: Vec<Option<u16>>,
}

#[cfg(feature = "mysql")]
impl Named {
    pub(crate) fn port(&self, host: usize) -> Option<u16> {
        match self.ports.as_slice() {
            [one] => *one,
            ports => ports.get(host).copied().flatten(),
        }
    }
}

impl Dsn<'_> {
    /// Takes the hosts and their ports out, and leaves `stand_in` in the authority. `None` means that the authority names one host
    /// at most and that no parameter changes it: that is left to the driver.
    ///
    /// `host=` replaces the hosts of the authority and `port=` its ports, as for libpq, whichever of the two is given; both are
    /// lists. The hosts may have ports of their own, and be parameters of their own, as SQLAlchemy writes them:
    /// `host=one:5432&host=two:5433`.
    ///
    /// # Errors
    /// Settings for a list that nobody can mean.
    pub(crate) fn take_hosts(&mut self, stand_in: &str) -> Result<Option<Named>, Error> {
        let at = self.authority();
        let authority = self.body[at.clone()].to_owned();
        if let Some(go) = ["tcp(", "unix("]
            .iter()
            .find(|go| authority.starts_with(**go))
        {
            let complaint = format!(
                "{go}…) is Go's form of a host: expected host:port without it, or the socket as the parameter unix_socket"
            );
            return Err(refused(self.scheme, &complaint));
        }
        let hosts = self.take(|key| key == "host");
        let ports = self.take(|key| key == "port");
        if hosts.is_empty() && ports.is_empty() && !authority.contains(',') {
            return Ok(None);
        }
        let own = self.in_authority(&authority, at.start > 0)?;
        let mut named = named(own);
        if !hosts.is_empty() {
            let replacing = self::named(in_host(&hosts)?);
            match (replacing.ports.is_empty(), ports.is_empty()) {
                (false, false) => {
                    return Err(invalid(
                        "host= has a port of its own beside port=: expected only one of the two",
                    ));
                }
                (false, true) => named = replacing,
                (true, _) => named.hosts = replacing.hosts,
            }
        }
        if !ports.is_empty() {
            named.ports = in_port(&ports)?;
        }
        // A list of addresses may take the place of the hosts, and is the driver's business.
        let count = named.hosts.len();
        if count > 0
            && let Some(complaint) = ports_are_wrong(named.ports.len(), count)
        {
            return Err(invalid(&complaint));
        }
        self.replace_authority(at, stand_in);
        Ok(Some(named))
    }

    /// Names a host where there is none, for a driver that cannot do without even for a socket.
    #[cfg(feature = "mysql")]
    pub(crate) fn name_a_host(&mut self, host: &str) {
        let at = self.authority();
        if at.is_empty() {
            self.replace_authority(at, host);
        }
    }

    /// Whether there is a user, but no host.
    #[cfg(feature = "mysql")]
    pub(crate) fn has_user_alone(&self) -> bool {
        let at = self.authority();
        at.is_empty() && at.start > 0
    }

    /// Where in the body the hosts are. It begins after the user and password, if there are any.
    fn authority(&self) -> Range<usize> {
        let start = self.body.rfind('@').map_or(0, |at| at + 1);
        let length = self.body[start..].find('/');
        start..length.map_or(self.body.len(), |length| start + length)
    }

    fn replace_authority(&mut self, at: Range<usize>, text: &str) {
        let mut body = self.body.to_string();
        body.replace_range(at, text);
        self.body = body.into();
    }

    fn in_authority(&self, text: &str, has_user: bool) -> Result<Vec<HostAndPort>, Error> {
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let mut hosts = HostAndPort::list(text, has_user)
            .map_err(|complaint| refused(self.scheme, &complaint))?;
        for host in &mut hosts {
            let decoded = percent_decode_str(&host.host).decode_utf8();
            host.host = decoded
                .map_err(|_| refused(self.scheme, "the bytes of a host are not UTF-8"))?
                .into_owned();
        }
        Ok(hosts)
    }
}

fn in_host(parameters: &[(String, String)]) -> Result<Vec<HostAndPort>, Error> {
    let entries: Vec<&str> = parameters
        .iter()
        .flat_map(|(_, list)| list.split(','))
        .collect();
    let count = entries.len();
    let read = |(index, entry): (usize, &&str)| {
        let is_whole = entry.starts_with(['/', '@'])
            || entry.parse::<IpAddr>().is_ok()
            || !entry.starts_with('[') && entry.matches(':').count() > 1;
        let host = match is_whole {
            true => Ok(HostAndPort {
                host: (*entry).to_owned(),
                port: None,
            }),
            false => HostAndPort::read(entry, false),
        };
        host.map_err(|words| invalid(&format!("host {} of {count} {words}", index + 1)))
    };
    entries.iter().enumerate().map(read).collect()
}

fn named(hosts: Vec<HostAndPort>) -> Named {
    let ports: Vec<Option<u16>> = hosts.iter().map(|host| host.port).collect();
    let bare = |host: HostAndPort| {
        let inside = host
            .host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        inside.map_or(host.host.clone(), str::to_owned)
    };
    Named {
        hosts: hosts.into_iter().map(bare).collect(),
        ports: match ports.iter().all(Option::is_none) {
            true => Vec::new(),
            false => ports,
        },
    }
}

fn in_port(parameters: &[(String, String)]) -> Result<Vec<Option<u16>>, Error> {
    let lists = parameters.iter().map(|(_, list)| list.split(','));
    let entries: Vec<&str> = lists.flatten().collect();
    let count = entries.len();
    let read = |(index, entry): (usize, &&str)| match entry.parse() {
        Ok(port @ 1..) => Ok(Some(port)),
        _ if entry.is_empty() => Ok(None),
        _ => {
            let is_number = entry.len() < 10 && entry.chars().all(|digit| digit.is_ascii_digit());
            let shown = if is_number { entry } else { "no number" };
            let complaint = format!(
                "port {} of {count} is {shown}: expected a whole number from 1 to 65535",
                index + 1
            );
            Err(invalid(&complaint))
        }
    };
    entries.iter().enumerate().map(read).collect()
}

fn invalid(complaint: &str) -> Error {
    Error::new(
        ErrorKind::Settings,
        format!("invalid hosts in {URL}: {complaint}"),
    )
}

#[cfg(test)]
mod tests {
    use super::{Dsn, Named};

    fn take(url: &str) -> (Option<Named>, String) {
        let mut dsn = Dsn::parse(url, &["postgresql"], true).expect(url);
        let named = dsn.take_hosts("").expect(url);
        (named, dsn.for_driver())
    }

    #[track_caller]
    fn assert_hosts(url: &str, hosts: &[&str], ports: &[Option<u16>]) {
        let (named, _) = take(url);
        let named = named.expect(url);
        assert_eq!(named.hosts, hosts, "{url}");
        assert_eq!(named.ports, ports, "{url}");
    }

    #[test]
    fn one_host_is_left_to_the_driver() {
        for url in [
            "postgresql://u:p@h:1/d?user=x",
            "postgresql:///d",
            "postgresql://[::1]:5/d",
        ] {
            assert_eq!(take(url), (None, url.to_owned()));
        }
    }

    #[test]
    fn the_parameters_replace_the_authority_each_its_own_kind() {
        assert_hosts("postgresql://u:p@h:1/d?host=x", &["x"], &[Some(1)]);
        assert_hosts("postgresql://u:p@h:1/d?port=2", &["h"], &[Some(2)]);
        assert_hosts("postgresql://u:p@h:1/d?port=2&host=x", &["x"], &[Some(2)]);
        assert_hosts("postgresql://h/d?host=/run/pg", &["/run/pg"], &[]);
        assert_hosts(
            "postgresql:///d?host=a,b&port=1,",
            &["a", "b"],
            &[Some(1), None],
        );
        assert_hosts("postgresql://a,b/d?port=7", &["a", "b"], &[Some(7)]);
        assert_hosts("postgresql:///d?hostaddr=::1&port=7", &[], &[Some(7)]);
        let (_, left) = take("postgresql://u:p@h:1/d?host=x&user=y");
        assert_eq!(left, "postgresql://u:p@/d?user=y");
    }

    #[test]
    fn hosts_may_have_ports_and_parameters_of_their_own() {
        let own = [Some(1), Some(2)];
        assert_hosts("postgresql://u@/d?host=a:1&host=b:2", &["a", "b"], &own);
        assert_hosts("postgresql:///d?host=a:1,[::1]:2", &["a", "::1"], &own);
        assert_hosts(
            "postgresql:///d?host=a&host=b:2",
            &["a", "b"],
            &[None, Some(2)],
        );
        assert_hosts("postgresql://h:9/d?host=a:1", &["a"], &[Some(1)]);
        assert_hosts(
            "postgresql:///d?host=::1,/run/a:b:c",
            &["::1", "/run/a:b:c"],
            &[],
        );
    }

    #[test]
    fn the_authority_is_decoded() {
        let ports = [Some(1), None];
        assert_hosts(
            "postgresql://u@[::1]:1,%2Frun%2Fpg/d",
            &["::1", "/run/pg"],
            &ports,
        );
    }

    #[test]
    fn what_nobody_can_mean_is_refused() {
        for (query, words) in [
            ("host=a:1&port=2", "only one of the two"),
            ("host=a:x", "host 1 of 1 has an invalid port: expected"),
            ("host=", "host 1 of 1 is empty"),
            ("host=a,b&port=1,2,3", "3 ports for 2 hosts"),
            ("port=1,2", "2 ports for 1 host"),
            (
                "port=x",
                "port 1 of 1 is no number: expected a whole number",
            ),
            ("port=65536", "port 1 of 1 is 65536"),
        ] {
            let url = format!("postgresql://u:p@h/d?{query}");
            let mut dsn = Dsn::parse(&url, &["postgresql"], true).expect(query);
            let error = dsn.take_hosts("").expect_err(query).to_string();
            assert!(error.contains(words), "{query}: {error}");
        }
    }
}
