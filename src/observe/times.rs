//! The statistics of a status that are times, as durations.

use std::time::Duration;

use crate::base::histogram::in_full;
use crate::observe::history::{Recent, Sample};
use crate::observe::since::Since;
use crate::observe::status::Status;

macro_rules! durations {
    ($($type:ident: $($field:ident)*;)*) => {
        $(impl $type {
            $(
                #[doc = concat!(
                    "[`", stringify!($field), "`](", stringify!($type), "#structfield.", stringify!($field), ") as a duration."
                )]
                #[must_use]
                pub fn $field(&self) -> Duration {
                    in_full(self.$field)
                }
            )*
        })*
    };
}

durations! {
    Status: avg_connection_acquisition_time max_connection_acquisition_time avg_connection_hold_time max_connection_hold_time;
    Recent: seconds;
    Sample: seconds wait_p50 wait_p99 hold_p50 hold_p99;
    Since: seconds;
}
