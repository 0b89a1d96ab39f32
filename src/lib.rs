#![forbid(unsafe_code)]
pub mod driver;
pub mod error;
pub mod settings;
#[cfg(feature = "mysql")]
pub mod mysql {}
#[cfg(feature = "postgres")]
pub mod postgres {}
#[cfg(feature = "sqlite")]
pub mod sqlite {}
pub struct Pool;
impl Pool {
    pub fn close(&self) {}
}
