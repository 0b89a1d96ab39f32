//! The one timer thread of the process.

use std::sync::{Arc, LazyLock};

use scheduled_thread_pool::ScheduledThreadPool;

/// The one timer thread of the process. It makes places and fires timers, all of which are short and never block.
pub(crate) static TIMER: LazyLock<Arc<ScheduledThreadPool>> = LazyLock::new(|| {
    Arc::new(
        ScheduledThreadPool::builder()
            .num_threads(1)
            .thread_name_pattern("queuepool-timer")
            .build(),
    )
});
