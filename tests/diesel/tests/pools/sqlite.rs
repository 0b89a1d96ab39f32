//! diesel on SQLite files.

use diesel::sqlite::SqliteConnection;
use tempfile::TempDir;

crate::both::all_on!(SqliteConnection, TempDir);

fn database() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().join("app.db").display().to_string();
    (folder, url)
}

/// A ROLLBACK without a transaction is an error here: "cannot rollback - no transaction is active".
fn rolls_back_nothing() -> bool {
    false
}

#[test]
fn diesel_and_rusqlite_share_one_sqlite() {
    let (_folder, url) = database();
    let diesel = undescribed::<SqliteConnection>(&url, size(1, 0));
    let table = "CREATE TABLE entry (id INTEGER PRIMARY KEY)";
    diesel.get().unwrap().batch_execute(table).unwrap();
    add(&mut diesel.get().unwrap(), 7).unwrap();
    let bundled = queuepool::sqlite::SqlitePool::builder(std::path::Path::new(&url)).unwrap();
    let bundled = bundled.build().unwrap();
    let guard = bundled.get().unwrap();
    let id = guard.query_row("SELECT id FROM entry", [], |row| row.get::<_, i64>(0));
    assert_eq!(id.unwrap(), 7);
}

#[test]
fn a_file_that_cannot_be_opened_is_a_connect_error_with_diesels_own_beneath() {
    let (folder, _) = database();
    let url = folder.path().join("nowhere/app.db").display().to_string();
    let retry = queuepool::Retry::default().max_attempts(1);
    let error = described::<SqliteConnection>(&url, size(1, 0).retry(retry))
        .get()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.to_string().contains("unable to open"), "{error}");
    let source = std::error::Error::source(&error).unwrap();
    assert!(source.downcast_ref::<diesel::r2d2::Error>().is_some());
}
