use crate::error::Error;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PrePing {
    Never,
    Always,
    IdleFor(Duration),
}
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResetOnReturn {
    Never,
    Rollback,
    Full,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    Queue,
    Null,
}

#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Retry {
    pub max_attempts: u32,
    pub initial_delay: Duration,
    pub multiplier: f64,
    pub max_delay: Duration,
    pub jitter: bool,
}

#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    pub pool_size: u32,
    pub max_overflow: u32,
    pub timeout: Duration,
    pub recycle: Duration,
    pub recycle_jitter: f64,
    pub pre_ping: PrePing,
    pub reset_on_return: ResetOnReturn,
    pub mode: Option<Mode>,
    pub connect_timeout: Duration,
    pub command_timeout: Option<Duration>,
    pub idle_timeout: Option<Duration>,
    pub keepalive: Option<Duration>,
    pub warm_up: u32,
    pub min_idle: u32,
    pub retry: Retry,
    pub max_validation_failures: u32,
    pub validation_query: Option<String>,
    pub health_check_interval: Duration,
    pub health_check_timeout: Duration,
    pub enable_pool_metrics: bool,
    pub metrics_collection_interval: Duration,
    pub leak_after: Duration,
    pub holder_warn_after: Option<Duration>,
    pub echo: bool,
    pub echo_pool: bool,
    pub require_tls: bool,
}
impl Settings {
    pub fn validate(&self) -> Result<(), Error> {
        Ok(())
    }
}
impl Default for Settings {
    fn default() -> Self {
        let s = Duration::from_secs;
        Settings {
            pool_size: 10,
            max_overflow: 20,
            timeout: s(30),
            recycle: s(3600),
            recycle_jitter: 0.1,
            pre_ping: PrePing::IdleFor(Duration::from_millis(500)),
            reset_on_return: ResetOnReturn::Rollback,
            mode: None,
            connect_timeout: s(10),
            command_timeout: None,
            idle_timeout: None,
            keepalive: None,
            warm_up: 0,
            min_idle: 0,
            retry: Retry {
                max_attempts: 5,
                initial_delay: Duration::from_millis(500),
                multiplier: 2.0,
                max_delay: s(30),
                jitter: true,
            },
            max_validation_failures: 3,
            validation_query: None,
            health_check_interval: s(10),
            health_check_timeout: s(5),
            enable_pool_metrics: false,
            metrics_collection_interval: s(5),
            leak_after: s(10),
            holder_warn_after: None,
            echo: false,
            echo_pool: false,
            require_tls: false,
        }
    }
}
