//! Encrypted pools in use, with a client certificate: neither the password nor the certificate's key shows.

use queuepool::ErrorKind;

use crate::capture;
use crate::marker::{Secret, percent_encoded};
use crate::subject::{Place, administer, mariadb_of, open, postgres_of};
use crate::texts::{assert_process_silent, of_database, of_guard};
use support::certificates::{Authority, Certificate, Files};
use support::scripted::secs;
use support::servers::{MariaDb, Postgres};

const HERE: [&str; 1] = ["127.0.0.1"];
/// `app` is admitted only over TLS and with a certificate; the user who sets the password is admitted without.
const POSTGRES_ADMITS: &str = "hostssl all app 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n\
                               host all postgres 127.0.0.1/32 scram-sha-256\n";
const MARIADB_ADMITS: &str = "ALTER USER 'app'@'127.0.0.1' REQUIRE X509";

/// Who signs what, and which certificate the server presents.
struct World {
    ours: Authority,
    others: Authority,
    server: Certificate,
    files: Files,
}

impl World {
    fn new() -> Self {
        let (ours, others) = (Authority::new("ours"), Authority::new("others"));
        World {
            server: ours.server(&HERE),
            ours,
            others,
            files: Files::new(),
        }
    }

    fn of_the_server(&self) -> [(&str, &str); 3] {
        [
            ("server.crt", &self.server.certificate),
            ("server.key", &self.server.key),
            ("root.crt", &self.ours.certificate),
        ]
    }

    /// Parameters that trust `authority` alone and present a certificate signed by `signer`, whose key counts as a secret
    /// from now on.
    fn parameters(&self, secret: &mut Secret, authority: &Authority, signer: &Authority) -> String {
        let client = signer.client();
        secret.add_key(&client.key);
        let file = |name: &str, contents: &str| {
            let name = format!("{name}-{}", fastrand::u64(..));
            self.files.put(&name, contents).display().to_string()
        };
        format!(
            "sslmode=verify-full&sslrootcert={}&sslcert={}&sslkey={}",
            file("roots", &authority.certificate),
            file("certificate", &client.certificate),
            file("key", &client.key),
        )
    }
}

fn encrypted(mut secret: Secret, place: &Place, world: &World) {
    let right = percent_encoded(&secret.whole());
    let wrong = percent_encoded(&secret.wrong());
    let good = world.parameters(&mut secret, &world.ours, &world.ours);
    let unknown_authority = world.parameters(&mut secret, &world.others, &world.ours);
    let unknown_client = world.parameters(&mut secret, &world.ours, &world.others);

    let database = open(&format!("{}?{good}", place.url(&right)));
    let mut held = database.get().unwrap();
    let question = match database.postgres() {
        Some(_) => Postgres::IS_ENCRYPTED,
        None => MariaDb::IS_ENCRYPTED,
    };
    assert_eq!(held.query_i64(question).unwrap(), 1, "in plain");
    let mut texts = of_guard(&mut held);
    texts.0.extend(of_database(&database).0);
    drop(held);
    database.invalidate_all();
    database.ping().unwrap();
    database.close(secs(10)).unwrap();
    texts.0.extend(of_database(&database).0);

    for (password, parameters, words) in [
        (
            &right,
            &unknown_authority,
            "this side refused the server's certificate",
        ),
        (
            &right,
            &unknown_client,
            "may not trust the client certificate",
        ),
        (&wrong, &good, "for user"),
    ] {
        let database = open(&format!("{}?{parameters}", place.url(password)));
        let error = database.get().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
        texts.add_error("refused", &error);
        texts.0.extend(of_database(&database).0);
    }
    texts.assert_without(&secret);
    let lines = capture::lines();
    assert!(lines.iter().any(|line| line.target.starts_with("rustls::")));
    assert!(lines.iter().any(|line| line.target == "queuepool::spoken"));
    assert_process_silent(&secret);
}

#[test]
fn not_over_tls_on_postgres() {
    let (secret, world) = (Secret::new(), World::new());
    let files = [
        &world.of_the_server()[..],
        &[("pg_hba.conf", POSTGRES_ADMITS)],
    ]
    .concat();
    let server = Postgres::start_with_files(&["ssl=on", "ssl_ca_file=root.crt"], &files);
    let (_server, place) = postgres_of(server, &secret);
    encrypted(secret, &place, &world);
}

#[test]
fn not_over_tls_on_mariadb() {
    let (secret, world) = (Secret::new(), World::new());
    let options = [
        "--ssl-cert=server.crt",
        "--ssl-key=server.key",
        "--ssl-ca=root.crt",
    ];
    let server = MariaDb::start_with_files(&options, &world.of_the_server());
    let (server, place) = mariadb_of(server, &secret);
    administer(&server.admin_url(), MARIADB_ADMITS);
    encrypted(secret, &place, &world);
}
