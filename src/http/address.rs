//! Where the server listens: `host:port`, `:port` or `port`.

use std::net::{TcpListener, ToSocketAddrs};
use std::sync::Arc;

use socket2::SockRef;

use crate::error::{Error, NOT_SHOWN};
use crate::http::limits::QUEUED;

const ACCEPTED: &str = "host:port, :port or port, such as 0.0.0.0:8080, [::1]:8080 or 8080";

/// Listens at `address`; without a host, only on this machine.
///
/// # Errors
/// Settings, with the system's error as its source if it is the system that refuses.
pub(super) fn listen(address: &str) -> Result<TcpListener, Error> {
    let (host, port) = split(address)?;
    let refused = |error: std::io::Error| {
        let expected = format!("one on which this process can listen; {error}");
        Error::setting("address", format_args!("{address:?}"), expected)
            .with_source(Arc::new(error))
    };
    // All the addresses that the name stands for. The first on which this process can listen is used.
    let places: Vec<_> = (host, port).to_socket_addrs().map_err(refused)?.collect();
    let listener = TcpListener::bind(&*places).map_err(refused)?;
    listener.set_nonblocking(true).map_err(refused)?;
    // The standard library asks for a queue of 128 connections. A burst of clients fills it, and the next probe then has to wait a
    // second, until it sends its second SYN. The system reduces the number to its own limit.
    SockRef::from(&listener).listen(QUEUED).map_err(refused)?;
    Ok(listener)
}

fn split(address: &str) -> Result<(&str, u16), Error> {
    // This looks like a URL, which may contain a password, so it is not repeated in the error.
    if address.contains(['/', '@']) {
        return Err(Error::setting("address", NOT_SHOWN, ACCEPTED));
    }
    let wrong = || Error::setting("address", format_args!("{address:?}"), ACCEPTED);
    let (host, port) = address.rsplit_once(':').unwrap_or(("", address));
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let port = port.parse().map_err(|_| wrong())?;
    let host = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.strip_suffix(']').ok_or_else(wrong)?,
        None if host.contains(':') => return Err(wrong()),
        None if host.is_empty() => "127.0.0.1",
        None => host,
    };
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;
    use std::time::Duration;

    use super::{listen, split};

    #[test]
    fn without_a_host_it_is_this_machine_alone() {
        for address in ["8080", ":8080"] {
            assert_eq!(split(address).unwrap(), ("127.0.0.1", 8080));
        }
        assert_eq!(split("0.0.0.0:80").unwrap(), ("0.0.0.0", 80));
        assert_eq!(split("[::1]:80").unwrap(), ("::1", 80));
        assert_eq!(split("db-probe.internal:0").unwrap().1, 0);
    }

    #[test]
    fn a_burst_of_clients_is_queued_until_it_is_accepted() {
        let listener = listen("0").unwrap();
        let address = listener.local_addr().unwrap();
        // Shorter than the second after which a client whose SYN was dropped sends it again.
        let patience = Duration::from_millis(900);
        let burst: Vec<_> = (0..200)
            .map(|_| TcpStream::connect_timeout(&address, patience).unwrap())
            .collect();
        assert_eq!(burst.len(), 200);
    }

    #[test]
    fn what_is_malformed_is_said_and_a_url_is_not_repeated() {
        for address in [
            "",
            ":",
            "localhost",
            "host:",
            "+80",
            ":-1",
            "65536",
            "::1:80",
            "[::1:80",
            "a b:x",
        ] {
            let error = split(address).unwrap_err().to_string();
            assert!(
                error.contains(&format!("{address:?}")) && error.contains("8080"),
                "{error}"
            );
        }
        let error = split("http://app:secret@host:80").unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
