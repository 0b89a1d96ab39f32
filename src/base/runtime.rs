//! Whether this thread belongs to an async runtime, which must not be blocked.

/// Whether blocking here would block an async runtime; `spawn_blocking` and `block_in_place` are fine. The postgres
/// driver aborts the process there.
#[inline]
pub(crate) fn on_async_runtime_thread() -> bool {
    match tokio::runtime::Handle::try_current() {
        Ok(handle) => must_not_block(&handle),
        Err(_) => false,
    }
}

#[cold]
fn must_not_block(handle: &tokio::runtime::Handle) -> bool {
    if cfg!(panic = "abort") {
        // The trial would end the process where it finds something.
        return false;
    }
    std::panic::catch_unwind(|| handle.block_on(std::future::ready(()))).is_err()
}

/// Whether this thread belongs to an async runtime, for blocking work or not.
pub(crate) fn on_a_runtime() -> bool {
    tokio::runtime::Handle::try_current().is_ok()
}
