//! Pools of connections that do nothing, so that only the pools are measured.

use std::convert::Infallible;

use queuepool::Settings;
use tokio::runtime::{Handle, Runtime};

use crate::measure::Subject;

pub use manager::Nothing;
#[path = "../nothing/mod.rs"]
mod manager;

pub fn queuepool(connections: u32) -> queuepool::Pool<Nothing> {
    let settings = Settings::default().pool_size(connections).max_overflow(0);
    let pool = queuepool::Pool::builder(Nothing)
        .settings(settings)
        .build()
        .unwrap();
    pool.warm_up(connections).unwrap();
    pool
}

pub fn r2d2(connections: u32) -> r2d2::Pool<Nothing> {
    let builder = r2d2::Pool::builder().max_size(connections);
    builder.build(Nothing).unwrap()
}

impl Subject for queuepool::Pool<Nothing> {
    type Guard = queuepool::Connection<Nothing>;

    fn get(&self) -> Self::Guard {
        self.get().unwrap()
    }
}

impl Subject for r2d2::Pool<Nothing> {
    type Guard = r2d2::PooledConnection<Nothing>;

    fn get(&self) -> Self::Guard {
        self.get().unwrap()
    }
}

impl deadpool::managed::Manager for Nothing {
    type Type = u64;
    type Error = Infallible;

    async fn create(&self) -> Result<u64, Infallible> {
        Ok(7)
    }

    async fn recycle(
        &self,
        _: &mut u64,
        _: &deadpool::managed::Metrics,
    ) -> deadpool::managed::RecycleResult<Infallible> {
        Ok(())
    }
}

/// deadpool for blocking callers, who enter the runtime for each get.
pub struct Deadpool {
    pool: deadpool::managed::Pool<Nothing>,
    handle: Handle,
}

impl Deadpool {
    pub fn new(connections: u32, runtime: &Runtime) -> Deadpool {
        let builder = deadpool::managed::Pool::builder(Nothing);
        let pool = builder.max_size(connections as usize).build().unwrap();
        let handle = runtime.handle().clone();
        Deadpool { pool, handle }
    }
}

impl Subject for Deadpool {
    type Guard = deadpool::managed::Object<Nothing>;

    fn get(&self) -> Self::Guard {
        self.handle.block_on(self.pool.get()).unwrap()
    }
}
