//! Where a database is, and what can be said about it if it does not open.

use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::url::SLASHES;
use crate::base::descriptors;

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// An absolute path. It is made absolute when the manager is created, so that a later change of the working directory does not
    /// lead to another file.
    File(PathBuf),
    /// A file in a private folder, which is created at the first connect inside this folder (`None`: inside
    /// [`std::env::temp_dir`]).
    Memory { folder: Option<PathBuf> },
}

impl Place {
    pub(super) fn file(path: &Path) -> Self {
        if path.as_os_str() == ":memory:" {
            return Place::Memory { folder: None };
        }
        // This fails for an empty path, which `complaint` refuses, and if the working directory does not exist. Then SQLite will
        // fail too, and say why.
        Place::File(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path) => path.display().fmt(f),
            Place::Memory { .. } => f.write_str(":memory:"),
        }
    }
}

/// Why no file can be opened or created at this path, if that can be seen without opening it.
pub(super) fn complaint(path: &Path) -> Option<String> {
    if path.as_os_str().is_empty() {
        return Some(
            "the path of the SQLite database is empty; a database in memory is called :memory:"
                .to_owned(),
        );
    }
    let shown = path.display();
    if path.is_dir() {
        return Some(format!(
            "the path of the SQLite database, {shown}, is a directory: name a file in it"
        ));
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())?;
    if folder.is_dir() {
        return None;
    }
    let what = if folder.exists() {
        "is not a directory"
    } else {
        "does not exist"
    };
    Some(format!(
        "the SQLite database {shown} cannot be opened: the directory {} {what}. Create it, or correct the path; in a URL, \
         {SLASHES}",
        folder.display()
    ))
}

/// Replaces the text of SQLite's error by one that also names the file and the remedy.
pub(super) fn explain(error: rusqlite::Error, path: &Path, creates: bool) -> rusqlite::Error {
    let rusqlite::Error::SqliteFailure(code, said) = error else {
        return error;
    };
    let said = said.unwrap_or_else(|| code.to_string());
    let shown = path.display();
    let text = match code.code {
        ErrorCode::NotADatabase => {
            format!("{shown} is not an SQLite database, or it is encrypted ({said})")
        }
        ErrorCode::CannotOpen if descriptors::are_used_up(&said) => {
            format!("the SQLite database {shown} cannot be opened ({said})")
        }
        ErrorCode::CannotOpen => match complaint(path) {
            Some(complaint) => format!("{complaint} ({said})"),
            None if !path.exists() && !creates => format!(
                "the SQLite database {shown} does not exist, and it is opened in a mode that does not create it; in a URL, \
                 {SLASHES} ({said})"
            ),
            None if path.exists() => format!(
                "the SQLite database {shown} cannot be opened: check its permissions and those of its directory ({said})"
            ),
            None => format!(
                "the SQLite database {shown} cannot be created: check the permissions of its directory; in a URL, \
                 {SLASHES} ({said})"
            ),
        },
        // Nothing has been written yet: reading itself needs to write a -shm file (in WAL mode), or to undo an interrupted
        // transaction first.
        ErrorCode::ReadOnly => format!(
            "the SQLite database {shown} cannot be read without writing files beside it, because it is in WAL mode or was not \
             closed properly, but its directory cannot be written to: allow that, or open it with immutable=1 if it was closed \
             properly and nobody changes it ({said})"
        ),
        _ => format!("{said}: the SQLite database {shown}"),
    };
    rusqlite::Error::SqliteFailure(code, Some(text))
}
