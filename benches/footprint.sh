#!/usr/bin/env bash
# What each set of features costs a program that uses it, beside r2d2: the crates that are compiled, the processor's seconds that
# an optimized build from nothing takes (user and system, of all cores), and the size of the program. Each is a program of three
# lines that opens a pool and takes a connection. Names of rows as arguments choose some of them. It needs 1 GB of disk.
set -euo pipefail
cd "$(dirname "$0")/.."
queuepool=$PWD
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

any='struct Any; impl r2d2::ManageConnection for Any { type Connection = (); type Error = std::io::Error;
  fn connect(&self) -> std::io::Result<()> { Ok(()) }
  fn is_valid(&self, _: &mut ()) -> std::io::Result<()> { Ok(()) }
  fn has_broken(&self, _: &mut ()) -> bool { false } }'

# A name, its dependencies (| ends a line), items, and an expression that is a pool.
rows() {
  ours() { echo "queuepool = { path = \"$queuepool\", default-features = false, features = [$1] }"; }
  row "queuepool, no driver" "$(ours '')|r2d2 = \"0.8\"" "$any" 'queuepool::Pool::builder(Any).build()'
  row "queuepool, sqlite" "$(ours '"sqlite", "bundled"')" '' 'queuepool::sqlite::SqlitePool::builder("sqlite::memory:").unwrap().build()'
  local postgres='queuepool::postgres::PostgresPool::builder("postgres://a@b/c").unwrap().build()'
  row "queuepool, postgres" "$(ours '"postgres"')" '' "$postgres"
  row "queuepool, postgres and tls" "$(ours '"postgres", "tls"')" '' "$postgres"
  local mysql='queuepool::mysql::MySqlPool::builder("mysql://a@b/c").unwrap().build()'
  row "queuepool, mysql" "$(ours '"mysql"')" '' "$mysql"
  row "queuepool, mysql and tls" "$(ours '"mysql", "tls"')" '' "$mysql"
  local all='queuepool::Database::open(&std::env::args().nth(1).unwrap())'
  row "queuepool, the default" "$(ours '"sqlite", "bundled", "postgres", "mysql", "tls"')" '' "$all"
  row "queuepool, the default and http" "$(ours '"sqlite", "bundled", "postgres", "mysql", "tls", "http"')" '' \
    "$all.inspect(|it| queuepool::http::serve(\"0\", queuepool::Registry::new().add(\"it\", it).unwrap()).unwrap().stop())"

  row "r2d2, no driver" 'r2d2 = "0.8"' "$any" 'r2d2::Pool::new(Any)'
  row "r2d2, sqlite" 'r2d2 = "0.8"|r2d2_sqlite = { version = "0.35", features = ["bundled"] }' '' \
    'r2d2::Pool::new(r2d2_sqlite::SqliteConnectionManager::memory())'
  row "r2d2, postgres" 'r2d2 = "0.8"|r2d2_postgres = "0.18"' '' \
    'r2d2::Pool::new(r2d2_postgres::PostgresConnectionManager::new("postgres://a@b/c".parse().unwrap(), r2d2_postgres::postgres::NoTls))'
  row "r2d2, postgres and tls" 'r2d2 = "0.8"|r2d2_postgres = "0.18"|tokio-postgres-rustls = "0.14"|rustls-native-certs = "0.8"|rustls = { version = "0.23", default-features = false, features = ["ring", "std", "tls12"] }' '' \
    'r2d2::Pool::new(r2d2_postgres::PostgresConnectionManager::new("postgres://a@b/c".parse().unwrap(), { let mut roots = rustls::RootCertStore::empty(); roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs); tokio_postgres_rustls::MakeRustlsConnect::new(rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()) }))'
  row "r2d2, mysql" 'r2d2 = "0.8"|r2d2_mysql = "28"' '' \
    'r2d2::Pool::new(r2d2_mysql::MySqlConnectionManager::new(r2d2_mysql::mysql::OptsBuilder::from_opts(r2d2_mysql::mysql::Opts::from_url("mysql://a@b/c").unwrap())))'
}

row() {
  local name=$1 dependencies=$2 items=$3 pool=$4
  [ ${#chosen[@]} = 0 ] || printf '%s\n' "${chosen[@]}" | grep -qxF "$name" || return 0
  rm -rf "$folder/it"
  mkdir -p "$folder/it/src"
  # Its own workspace, and the versions that this repository is tested with.
  printf '[workspace]\n[package]\nname = "it"\nedition = "2024"\n[dependencies]\n%s\n' "${dependencies//|/$'\n'}" >"$folder/it/Cargo.toml"
  printf '%s\nfn main() { let pool = %s.unwrap(); drop(pool.get().unwrap()); }\n' "$items" "$pool" >"$folder/it/src/main.rs"
  cp Cargo.lock "$folder/it/Cargo.lock"
  (
    cd "$folder/it"
    export CARGO_TARGET_DIR=$folder/it/target CARGO_INCREMENTAL=0
    crates=$(cargo tree --quiet --edges normal,build --prefix none --no-dedupe --format '{p}' | sed 's/ (.*//' | sort -u | wc -l)
    TIMEFORMAT='%U %S'
    { time cargo build --quiet --release 2>error; } 2>seconds || { cat error >&2; exit 1; }
    awk -v name="$name" -v crates=$((crates - 1)) -v bytes="$(stat -c %s target/release/it)" \
      '{ printf "| %s | %d | %.0f s | %.1f MB |\n", name, crates, $1 + $2, bytes / 1e6 }' seconds
  )
}

chosen=("$@")
echo "| | crates | build, processor time | program |"
echo "|---|---|---|---|"
rows
