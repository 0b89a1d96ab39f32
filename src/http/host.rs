//! The Host of a request: an IP address or a name, with or without a port.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Where a client believes that it has sent its request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// An IP address, so that no name was resolved.
    Address,
    /// A name in lower case, without the dot at the end that a full name may have.
    Name(String),
}

impl Host {
    /// Reads `name`, `name:port`, `1.2.3.4:port` or `[::1]:port`. `None` for anything else.
    ///
    /// The port is not compared with the server's, because a container's port may be published under another number.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(bracketed) => {
                let (address, port) = bracketed.split_once(']')?;
                address.parse::<Ipv6Addr>().ok()?;
                (Host::Address, port)
            }
            None => {
                let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
                match host.parse::<Ipv4Addr>() {
                    Ok(_) => (Host::Address, port),
                    Err(_) => (Host::Name(name(host)?), port),
                }
            }
        };
        let is_port =
            |port: &str| port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
        (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some(host)
    }
}

/// The name in the form in which names are compared. `None` if it has characters that no host's name has: a name in another script
/// is written in ASCII there (`xn--...`).
pub(super) fn name(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (!name.is_empty() && name.bytes().all(fits)).then(|| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_only_in_the_form_that_every_client_sends() {
        for address in [
            "127.0.0.1",
            "10.1.2.3:80",
            "[::1]",
            "[::1]:65535",
            "[fe80::1]:",
        ] {
            assert_eq!(Host::read(address), Some(Host::Address), "{address}");
        }
        // Resolvers take some of these for addresses too. No browser sends them, since it writes the address out first.
        for named in ["127.1", "0x7f.0.0.1", "2130706433", "127.0.0.1."] {
            assert!(matches!(Host::read(named), Some(Host::Name(_))), "{named}");
        }
    }

    #[test]
    fn a_name_is_compared_without_regard_to_case_port_and_final_dot() {
        for text in [
            "orders.internal",
            "Orders.Internal:8080",
            "orders.internal.:1",
        ] {
            let name = Host::Name("orders.internal".to_owned());
            assert_eq!(Host::read(text), Some(name), "{text}");
        }
    }

    #[test]
    fn what_is_neither_is_nothing() {
        for text in [
            "",
            ":80",
            ".",
            "::1",
            "[::1",
            "[::1]x",
            "[127.0.0.1]",
            "[::1%eth0]",
            "a b",
            "a,b",
            "a/b",
            "evil@127.0.0.1",
            "127.0.0.1:80:80",
            "127.0.0.1:x",
            "127.0.0.1:-1",
            "127.0.0.1:123456",
            "ü",
            "a\tb",
            "127.0.0.1 ",
            "http://127.0.0.1",
        ] {
            assert_eq!(Host::read(text), None, "{text:?}");
        }
    }
}
