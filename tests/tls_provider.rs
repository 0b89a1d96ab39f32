//! A process that has chosen rustls' cryptography before any pool is built: a test binary of its own, since the choice is
//! the process'.

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/servers.rs"]
mod servers;

use certificates::{Authority, Files};
use queuepool::mysql::MySqlPool;
use queuepool::{Error, ErrorKind, Retry, Settings};
use servers::MariaDb;

#[test]
fn an_unguarded_provider_cannot_keep_verify_ca() {
    rustls::crypto::ring::default_provider()
        .install_default()
        .expect("the first");
    let ours = Authority::new("ours");
    let certificate = ours.server(&["127.0.0.1"]);
    let files = Files::new();
    let roots = files.put("roots.pem", &ours.certificate);
    let server = MariaDb::start_with_files(
        &["--ssl-cert=server.crt", "--ssl-key=server.key"],
        &[
            ("server.crt", &certificate.certificate),
            ("server.key", &certificate.key),
        ],
    );
    let connect = |mode: &str| -> Result<(), Error> {
        let url = format!(
            "{}?ssl-mode={mode}&ssl-ca={}",
            server.url(),
            roots.display()
        );
        let once = Settings::default().retry(Retry::default().max_attempts(1));
        MySqlPool::builder(&url)?
            .settings(once)
            .build()?
            .get()
            .map(drop)
    };
    for mode in ["VERIFY_CA", "REQUIRED"] {
        let error = connect(mode).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
        assert!(error.to_string().contains("guarded_provider"), "{error}");
    }
    connect("VERIFY_IDENTITY").unwrap();
}
