//! What a pool is built from.

use crate::contract::driver::Manager;
use crate::pool::builder::Builder;

/// What a pool of `M`'s connections is built from; [`Pool::builder`](crate::Pool::builder) has a table. Any manager will do; the pools of the bundled
/// drivers can also be built from a URL or from the driver's own configuration value. These may be malformed, so their output is a
/// `Result`.
///
/// This trait is sealed: it is implemented here only.
pub trait Source<M: Manager>: sealed::Sealed<M> {
    /// A [`Builder`], or a `Result` of one.
    type Output;

    /// Starts to describe a pool.
    fn into_builder(self) -> Self::Output;
}

/// Keeps [`Source`] to this crate.
pub(crate) mod sealed {
    pub trait Sealed<M> {}
}

impl<M: Manager> sealed::Sealed<M> for M {}

impl<M: Manager> Source<M> for M {
    type Output = Builder<M>;

    fn into_builder(self) -> Builder<M> {
        Builder::new(self)
    }
}
