//! Mozilla's authorities, which the mysql driver trusts in addition to those it is given. They sign nothing for tests, so
//! this process has a crypto provider that takes every certificate issued in the name of one of them as signed by it. Alone
//! in its process, because the crypto provider belongs to the process.

use std::path::Path;

use ::mysql::{Opts, OptsBuilder, SslOpts};
use queuepool::mysql::{MySqlManager, guarded_provider};
use queuepool::{Error, ErrorKind, Pool, SslMode, Tls};
use rcgen::{DistinguishedName, DnType, DnValue};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};
use support::alone;
use support::certificates::{Authority, Certificate, Files};
use support::servers::MariaDb;

/// The name of one whose key is of the same kind as those made here.
const NAME: [(DnType, &str); 3] = [
    (DnType::CountryName, "US"),
    (DnType::OrganizationName, "Amazon"),
    (DnType::CommonName, "Amazon Root CA 3"),
];

/// An authority with that name but another key.
fn double() -> Authority {
    let mut name = DistinguishedName::new();
    for (part, text) in NAME {
        name.push(part, DnValue::PrintableString(text.try_into().unwrap()));
    }
    Authority::called(name)
}

fn key() -> &'static [u8] {
    let (_, name) = &NAME[2];
    let root = webpki_roots::TLS_SERVER_ROOTS
        .iter()
        .find(|root| root.subject.ends_with(name.as_bytes()));
    &root.expect("among Mozilla's").subject_public_key_info
}

/// Accepts every signature that should be made with that key.
#[derive(Debug)]
struct Signed(&'static dyn SignatureVerificationAlgorithm);

impl SignatureVerificationAlgorithm for Signed {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        match key().ends_with(public_key) {
            true => Ok(()),
            false => self.0.verify_signature(public_key, message, signature),
        }
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.0.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.0.signature_alg_id()
    }
}

fn provider() -> CryptoProvider {
    let mut provider = default_provider();
    let algorithms = &mut provider.signature_verification_algorithms;
    let signed = |algorithm: &&'static dyn SignatureVerificationAlgorithm| {
        Box::leak(Box::new(Signed(*algorithm))) as &'static dyn SignatureVerificationAlgorithm
    };
    algorithms.all = algorithms.all.iter().map(signed).collect::<Vec<_>>().leak();
    provider
}

fn server(certificate: &Certificate) -> MariaDb {
    MariaDb::start_with_files(
        &["--ssl-cert=server.crt", "--ssl-key=server.key"],
        &[
            ("server.crt", &certificate.certificate),
            ("server.key", &certificate.key),
        ],
    )
}

/// One manager for each way to name an authority to a pool.
fn managers(server: &MariaDb, roots: &Path) -> Vec<MySqlManager> {
    let url = |mode| {
        let url = format!(
            "{}?ssl-mode={mode}&ssl-ca={}",
            server.url(),
            roots.display()
        );
        MySqlManager::from_url(&url).unwrap()
    };
    let tls = Tls::new(SslMode::VerifyFull).root_certificates(roots);
    let opts = Opts::from_url(&server.url()).unwrap();
    let beside = MySqlManager::new(opts).unwrap().tls(tls);
    vec![
        url("REQUIRED"),
        url("VERIFY_CA"),
        url("VERIFY_IDENTITY"),
        beside,
    ]
}

fn connect(manager: MySqlManager) -> Result<(), Error> {
    Pool::builder(manager).build()?.get().map(drop)
}

#[test]
fn mozillas_authorities_are_kept_out_beside_a_named_one() {
    alone(|| {
        guarded_provider(provider())
            .install_default()
            .expect("the first");
        let ours = Authority::new("ours");
        let files = Files::new();
        let roots = files.put("roots.pem", &ours.certificate);
        let theirs = server(&double().server(&["127.0.0.1"]));

        // The driver's own options mean what they mean to the driver, which does trust Mozilla's authorities.
        let ssl_opts = SslOpts::default().with_root_cert_path(Some(roots.clone()));
        let opts = OptsBuilder::from_opts(Opts::from_url(&theirs.url()).unwrap());
        connect(MySqlManager::new(opts.ssl_opts(Some(ssl_opts))).unwrap()).unwrap();

        for manager in managers(&theirs, &roots) {
            let error = connect(manager).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
            assert!(error.to_string().contains("BadSignature"), "{error}");
        }
        let server = server(&ours.server(&["127.0.0.1"]));
        for manager in managers(&server, &roots) {
            connect(manager).unwrap();
        }
    });
}
