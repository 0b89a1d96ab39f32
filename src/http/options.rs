//! What a server serves, and to whom.

use std::fmt;

/// Which paths a server serves, from the fewest to all. Each choice includes those before it.
///
/// Texts of errors, threads, source lines, and the advice that quotes them, are in the answers only with [`All`](Paths::All).
/// With the other two they are replaced by `not shown here`, so what anybody can read is numbers, states and the names of pools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Paths {
    /// The paths that begin with `/health`.
    Probes,
    /// Also `/metrics`.
    Metrics,
    /// Also `/status`, `/history` and the page, and every answer in full.
    All,
}

/// What a server serves, and to whom; see [`serve_with`](crate::http::serve_with).
///
/// ```
/// use queuepool::http::{self, Options, Paths};
///
/// let options = Options::default()
///     .paths(Paths::All)
///     .bearer("mF_9.B5f-4.1JqM")
///     .hosts(["orders.internal"]);
/// let server = http::serve_with("0.0.0.0:0", queuepool::Registry::new(), options)?;
/// server.stop();
/// # Ok::<(), queuepool::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Which paths are served. `None`, the default: all of them if the server listens on a loopback address, which this machine
    /// alone can reach, and [`Paths::Metrics`] on any other.
    pub paths: Option<Paths>,
    /// A token that requests must bring as `Authorization: Bearer TOKEN`. `None`, the default: none is asked for.
    ///
    /// With a token, a request without any is answered only on the paths of [`Paths::Probes`], and as these are answered there, so
    /// that probes need no secret. Everything else is refused with 401, and so is every request with a wrong token.
    ///
    /// The token travels as it is, since the server has no TLS. It is compared in a time that does not depend on it, and is not
    /// shown by `Debug` or in errors.
    pub bearer: Option<String>,
    /// The names to which the server answers, without a port: `orders.internal`, or `app` for the service of that name in Compose.
    /// Empty by default.
    ///
    /// A request whose Host header has another name is refused with 421. Otherwise a web site could read what is served here
    /// through a browser that can reach it, by having its own name resolve to this address (DNS rebinding). An IP address is
    /// always let in, because no name is resolved then: that is how Kubernetes' probes and Prometheus' discovery of pods ask. On a
    /// loopback address, so is `localhost`.
    pub hosts: Vec<String>,
}

impl Options {
    /// Sets [`paths`](Options#structfield.paths).
    #[must_use]
    pub fn paths(mut self, paths: Paths) -> Self {
        self.paths = Some(paths);
        self
    }

    /// Sets [`bearer`](Options#structfield.bearer).
    #[must_use]
    pub fn bearer(mut self, token: impl Into<String>) -> Self {
        self.bearer = Some(token.into());
        self
    }

    /// Sets [`hosts`](Options#structfield.hosts).
    #[must_use]
    pub fn hosts(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.hosts = names.into_iter().map(Into::into).collect();
        self
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Options {
            paths,
            bearer,
            hosts,
        } = self;
        f.debug_struct("Options")
            .field("paths", paths)
            .field(
                "bearer",
                &bearer.as_ref().map(|_| format_args!("(not shown)")),
            )
            .field("hosts", hosts)
            .finish()
    }
}
