//! The operating system's authorities as a file, which is the only form in which the mysql driver takes authorities.

use std::path::PathBuf;

use parking_lot::Mutex;

use crate::tls::{Trusted, Unusable};

/// One file for the process, kept for as long as the process lives.
pub(super) fn file() -> Result<PathBuf, Unusable> {
    static FILE: Mutex<Option<(PathBuf, Kept)>> = Mutex::new(None);
    let mut file = FILE.lock();
    if let Some((path, _)) = &*file {
        return Ok(path.clone());
    }
    let text = pem_of(&*crate::tls::system_roots()?);
    let (path, kept) = written(text.as_bytes()).map_err(|error| {
        Unusable(format!(
            "the system's root certificates cannot be passed to the driver in a file: {error}"
        ))
    })?;
    *file = Some((path.clone(), kept));
    Ok(path)
}

fn pem_of(trusted: &Trusted) -> String {
    let blocks: Vec<pem::Pem> = trusted
        .certificates
        .iter()
        .map(|certificate| pem::Pem::new("CERTIFICATE", &**certificate))
        .collect();
    pem::encode_many(&blocks)
}

/// A file in memory: a container may have no folder to write to, and no cleaner of temporary files can delete it.
#[cfg(all(target_os = "linux", not(queuepool_portable)))]
type Kept = std::fs::File;

#[cfg(all(target_os = "linux", not(queuepool_portable)))]
fn written(text: &[u8]) -> std::io::Result<(PathBuf, Kept)> {
    use std::io::Write;
    use std::os::fd::AsRawFd;

    use nix::sys::memfd::{MFdFlags, memfd_create};

    let mut file: Kept = memfd_create("queuepool-roots", MFdFlags::MFD_CLOEXEC)?.into();
    file.write_all(text)?;
    Ok((format!("/proc/self/fd/{}", file.as_raw_fd()).into(), file))
}

#[cfg(not(all(target_os = "linux", not(queuepool_portable))))]
type Kept = tempfile::TempPath;

#[cfg(not(all(target_os = "linux", not(queuepool_portable))))]
fn written(text: &[u8]) -> std::io::Result<(PathBuf, Kept)> {
    let file = tempfile::NamedTempFile::new()?;
    std::io::Write::write_all(&mut file.as_file(), text)?;
    let kept = file.into_temp_path();
    Ok((kept.to_path_buf(), kept))
}
