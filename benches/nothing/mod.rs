//! A manager that does nothing, so that only the pool is measured.

use std::convert::Infallible;

pub struct Nothing;

impl r2d2::ManageConnection for Nothing {
    type Connection = u64;
    type Error = Infallible;

    fn connect(&self) -> Result<u64, Infallible> {
        Ok(7)
    }

    fn is_valid(&self, _: &mut u64) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut u64) -> bool {
        false
    }
}
