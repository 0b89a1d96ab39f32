//! SQLite URLs, good and bad.

use std::path::Path;

use proptest::prelude::*;
use queuepool::ErrorKind;
use queuepool::sqlite::SqliteManager;

#[test]
fn urls_name_the_file_that_sqlalchemy_would_open() {
    let here = std::env::current_dir().unwrap();
    for (url, path) in [
        ("sqlite:///app.db", here.join("app.db")),
        ("sqlite:///data/app.db", here.join("data/app.db")),
        ("sqlite://app.db", here.join("app.db")),
        ("sqlite://data/app.db", here.join("data/app.db")),
        ("sqlite:app.db", here.join("app.db")),
        ("sqlite+pysqlite:///app.db", here.join("app.db")),
        ("SQLite:///app.db", here.join("app.db")),
        ("sqlite:////var/lib/app.db", "/var/lib/app.db".into()),
        ("sqlite:/var/lib/app.db", "/var/lib/app.db".into()),
        ("sqlite:////a%20b/%C3%A9%3F.db", "/a b/é?.db".into()),
        ("sqlite:///a#b@c.db", here.join("a#b@c.db")),
        ("sqlite:///file:app.db", here.join("file:app.db")),
        ("sqlite:///file:app.db?uri=true", here.join("app.db")),
        ("sqlite:///app.db?uri=true", here.join("app.db")),
        (
            "sqlite:///file:/var/lib/app.db?uri=true",
            "/var/lib/app.db".into(),
        ),
        (
            "sqlite:///file:///var/lib/app.db?uri=1",
            "/var/lib/app.db".into(),
        ),
        ("sqlite:///app.db\n", here.join("app.db")),
        (" \"sqlite:///app.db\"\r\n", here.join("app.db")),
        ("'sqlite:///app.db?mode=ro'", here.join("app.db")),
        ("sqlite:///app.db%0A", here.join("app.db\n")),
        (
            "sqlite:////app.db?cache_size=-64000&mode=ro",
            "/app.db".into(),
        ),
    ] {
        let manager = SqliteManager::from_url(url).unwrap();
        assert_eq!(manager.path(), Some(&*path), "{url}");
    }
}

#[test]
fn no_path_and_memory_are_memory() {
    for url in [
        "sqlite:",
        "sqlite://",
        "sqlite:///",
        "sqlite::memory:",
        "sqlite://:memory:",
        "sqlite:///:memory:",
        "sqlite:///%3Amemory%3A",
        "sqlite:///ignored.db?mode=memory",
        "sqlite://?foreign_keys=off",
    ] {
        let manager = SqliteManager::from_url(url).unwrap();
        assert_eq!(manager.path(), None, "{url}");
    }
    assert_eq!(SqliteManager::file(":memory:").path(), None);
}

#[test]
fn bad_urls_are_settings_errors_that_say_what_is_accepted() {
    for (url, says) in [
        ("", "sqlite:"),
        ("app.db", "sqlite:"),
        ("sqlite", "sqlite:"),
        ("sqlitex:///app.db", "sqlite:"),
        ("postgres://u:secret@h/db", "sqlite:"),
        ("sqlite://u:secret@host/app.db", "user, password or host"),
        ("sqlite:///a%00b", "NUL"),
        ("sqlite:///%ff", "UTF-8"),
        ("sqlite:///app.db?password=secret", "password"),
        ("sqlite:///app.db?password=secret", "journal_size_limit"),
        ("sqlite:///app.db?url=true", "mode, immutable"),
        ("sqlite:///app.db?uri=maybe", "on or off"),
        ("sqlite:///app.db?journal_mode=fast", "truncate"),
        ("sqlite:///app.db?synchronous=3", "extra"),
        ("sqlite:///app.db?temp_store=disk", "file, memory"),
        ("sqlite:///app.db?cache_size=16MB", "-16000"),
        ("sqlite:///app.db?cache_size=9999999999", "pages"),
        ("sqlite:///app.db?mmap_size=-1", "134217728"),
        ("sqlite:///app.db?mmap_size=18446744073709551615", "at most"),
        ("sqlite:///app.db?foreign_keys=maybe", "on or off"),
        ("sqlite:///app.db?busy_timeout=5000", "250ms"),
        ("sqlite:///app.db?busy_timeout=25days", "24 days"),
        (
            "sqlite:///app.db?busy_timeout=18446744073709551615s1000000000ns",
            "250ms",
        ),
        (
            "sqlite://u:x?secret=1@host/app.db",
            "user, password or host",
        ),
        (
            "sqlite://u:x?cache_size=secret@host",
            "user, password or host",
        ),
        ("sqlite:///app.db?journal_size_limit=-2", "-1"),
        ("sqlite:///app.db?mode=fast", "rwc"),
        ("sqlite:///app.db?immutable=perhaps", "on or off"),
        ("sqlite:///app.db?vfs=", "VFS"),
        ("sqlite:///app.db?cache_size=1&cache_size=2", "twice"),
        ("sqlite://?mode=ro", "need a file"),
        ("sqlite:///:memory:?mode=ro", "need a file"),
        ("sqlite://?vfs=unix", "need a file"),
    ] {
        let error = SqliteManager::from_url(url).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Settings, "{url}");
        let text = error.to_string();
        assert!(text.contains(says), "{url}: {text}");
        assert!(!text.contains("secret"), "{url}: {text}");
    }
}

#[test]
fn an_unknown_vfs_is_named_at_connect() {
    use r2d2::ManageConnection;
    let manager = SqliteManager::from_url("sqlite:///app.db?vfs=nowhere").unwrap();
    let error = manager.connect().unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
}

proptest! {
    #[test]
    fn no_text_makes_from_url_panic(text in ".*") {
        let _ = SqliteManager::from_url(&text);
        let _ = SqliteManager::from_url(&format!("sqlite:{text}"));
        let _ = SqliteManager::from_url(&format!("sqlite:///app.db?{text}"));
    }

    #[test]
    fn no_value_makes_from_url_panic(
        name in "journal_mode|cache_size|mmap_size|busy_timeout|journal_size_limit|foreign_keys|mode|vfs",
        value in "-?[0-9]{0,30}[a-z%]{0,3}",
    ) {
        let _ = SqliteManager::from_url(&format!("sqlite:///app.db?{name}={value}"));
    }

    #[test]
    fn any_absolute_path_comes_back_from_its_encoded_url(name in "[^/\0.][^/\0]{0,40}") {
        let encoded = percent_encoding::utf8_percent_encode(&name, percent_encoding::NON_ALPHANUMERIC);
        let manager = SqliteManager::from_url(&format!("sqlite:////data/{encoded}")).unwrap();
        prop_assert_eq!(manager.path().unwrap(), Path::new("/data").join(&name));
    }
}
