//! A process that has chosen rustls's crypto provider before any pool is built. Alone in its process, because the choice
//! applies to the whole process.

use queuepool::mysql::MySqlPool;
use queuepool::{Error, ErrorKind, Retry, Settings};
use support::alone;
use support::certificates::{Authority, Files};
use support::servers::MariaDb;

#[test]
fn an_unguarded_provider_is_noticed_before_the_login() {
    alone(|| {
        rustls::crypto::ring::default_provider()
            .install_default()
            .expect("the first");
        let ours = Authority::new("ours");
        let certificate = ours.server(&["127.0.0.1"]);
        let files = Files::new();
        let roots = files.put("roots.pem", &ours.certificate);
        let server = MariaDb::start_with_files(
            &[
                "--ssl-cert=server.crt",
                "--ssl-key=server.key",
                "--general-log",
                "--general-log-file=../log",
            ],
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
        for mode in ["REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"] {
            let error = connect(mode).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
            assert!(error.to_string().contains("guarded_provider"), "{error}");
        }
        let logins = || server.log_text().matches("app@").count();
        assert_eq!(logins(), 0, "{}", server.log_text());
        drop(::mysql::Conn::new(server.url().as_str()).unwrap());
        assert_ne!(logins(), 0, "{}", server.log_text());
    });
}
