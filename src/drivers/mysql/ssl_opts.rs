//! How the mysql driver is told to encrypt, and what its own options say about encryption.

use std::path::Path;

use ::mysql::prelude::Queryable;
use ::mysql::{ClientIdentity, Conn, Error as MyError, Opts, OptsBuilder, SslOpts};

use super::opening::by_name;
use super::{MySqlManager, authorities, system_roots};
use crate::tls::{Encryption, Identity, NamedFile, Roots, SslMode, Tls, Unusable, Verification};

const UNGUARDED: &str = "the application has installed a rustls CryptoProvider of its own as the default of the process, with \
     which the mysql driver would trust all of Mozilla's authorities beside the named ones: install it through \
     queuepool::mysql::guarded_provider";
const FORGED: &str = "the server's first answer is not the answer to the question: somebody in between has sent something before \
     the encryption began";

/// What the driver would do with these options.
pub(super) fn said_by(ssl_opts: &SslOpts) -> Tls {
    Tls {
        mode: Some(
            match (
                ssl_opts.accept_invalid_certs(),
                ssl_opts.skip_domain_validation(),
            ) {
                (true, _) => SslMode::Require,
                (false, true) => SslMode::VerifyCa,
                (false, false) => SslMode::VerifyFull,
            },
        ),
        roots: ssl_opts
            .root_cert_path()
            .filter(|_| !ssl_opts.accept_invalid_certs())
            .map(|path| Roots::File(read_by_the_driver("root_cert_path", path))),
        identity: ssl_opts.client_identity().map(|identity| Identity {
            certificate: read_by_the_driver("cert_chain_path", identity.cert_chain_path()),
            key: read_by_the_driver("priv_key_path", identity.priv_key_path()),
        }),
    }
}

fn read_by_the_driver(name: &str, path: &Path) -> NamedFile {
    NamedFile {
        place: Some("the Opts"),
        or_der: true,
        ..NamedFile::new(name, path)
    }
}

impl MySqlManager {
    pub(super) fn encrypted(&self) -> Result<Conn, MyError> {
        authorities::install();
        let mut connection = match self.ssl_opts_are_the_drivers {
            true => {
                self.look_at_the_drivers_files().map_err(unusable)?;
                self.open_with(self.ssl_opts.clone())
            }
            false => self.open_trusting(),
        }?;
        if self.encryption.verification() != Verification::Nothing {
            self.prove(&mut connection)?;
        }
        Ok(connection)
    }

    /// The files are read here first because the driver's errors do not say which file it cannot use. Without a file of roots
    /// the driver trusts Mozilla's authorities.
    pub(super) fn look_at_the_drivers_files(&self) -> Result<(), Unusable> {
        let mut encryption = self.encryption.clone();
        if encryption.roots.is_none() {
            encryption.mode = SslMode::Require;
        }
        encryption.client_config().map(drop)
    }

    fn open_trusting(&self) -> Result<Conn, MyError> {
        let ssl_opts = self.current_ssl_opts().map_err(unusable)?;
        if self.encryption.verification() == Verification::Nothing {
            return self.open_with(ssl_opts);
        }
        // This must come before the driver sends a password.
        if self.encryption.names_authorities() && !authorities::are_kept_out() {
            return Err(unusable(Unusable(UNGUARDED.into())));
        }
        let trusted = self.encryption.trusted().map_err(unusable)?;
        authorities::trusting_only(&trusted.roots, || self.open_with(ssl_opts))
    }

    fn open_with(&self, ssl_opts: SslOpts) -> Result<Conn, MyError> {
        // A socket that the server names would not be encrypted, and behind a forwarded port it would be another server's.
        let opts: Opts = OptsBuilder::from_opts(self.opts.clone())
            .ssl_opts(Some(ssl_opts))
            .prefer_socket(false)
            .into();
        match self.encryption.verification() {
            // The driver verifies the name that it is given to connect to.
            Verification::ChainAndName => by_name(&opts),
            Verification::Chain | Verification::Nothing => Conn::new(opts),
        }
    }

    /// Reads the files first, because the driver's errors do not say which file it cannot use.
    fn current_ssl_opts(&self) -> Result<SslOpts, Unusable> {
        let Encryption {
            roots, identity, ..
        } = &self.encryption;
        self.encryption.client_config()?;
        let verification = self.encryption.verification();
        let roots = match (verification, roots) {
            (Verification::Nothing, _) => None,
            (_, Some(Roots::File(file))) => Some(file.path.clone()),
            (_, Some(Roots::System { .. }) | None) => Some(system_roots::file()?),
        };
        let identity = identity.as_ref().map(|identity| {
            ClientIdentity::new(identity.certificate.path.clone(), identity.key.path.clone())
        });
        Ok(self
            .ssl_opts
            .clone()
            .with_danger_accept_invalid_certs(verification == Verification::Nothing)
            .with_danger_skip_domain_validation(verification == Verification::Chain)
            .with_root_cert_path(roots)
            .with_client_identity(identity))
    }

    /// The driver (28.0.4) reads what was sent in plain before TLS began as if it had come through TLS. All of that precedes
    /// the server's own first answer, and whoever sent it cannot know the random word that the server is asked for here.
    fn prove(&self, connection: &mut Conn) -> Result<(), MyError> {
        let mut random = [0; 16];
        rustls::crypto::ring::default_provider()
            .secure_random
            .fill(&mut random)
            .map_err(|_| unusable(Unusable("the system provides no random numbers".into())))?;
        let word = format!("{:032x}", u128::from_ne_bytes(random));
        let question = format!("SELECT '{word}'");
        self.note(&question);
        let answers: Vec<String> = connection.query(question)?;
        match answers == [word] {
            true => Ok(()),
            false => Err(unusable(Unusable(FORGED.into()))),
        }
    }
}

fn unusable(unusable: Unusable) -> MyError {
    MyError::IoError(std::io::Error::other(unusable))
}
