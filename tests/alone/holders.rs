//! `holder_warn_after` logs one line for a source line and minute, however many connections are held there.

use log::{Level, LevelFilter};
use queuepool::Settings;

use support::alone;
use support::logged::{self, texts};
use support::scripted::*;

#[test]
fn holders_of_one_source_line_are_warned_of_together_once_a_minute() {
    alone(|| {
        logged::keep(LevelFilter::Warn);
        let server = Server::new();
        let clock = queuepool::Clock::stopped();
        let settings = Settings::default()
            .pool_size(30)
            .leak_after(secs(100_000))
            .holder_warn_after(secs(10));
        let pool = server
            .builder(settings)
            .name("holders")
            .clock(clock.clone())
            .build()
            .unwrap();
        let said = || texts("holders", Level::Warn);
        let mut held: Vec<_> = (0..20).map(|_| pool.get().unwrap()).collect();
        let other = pool.get().unwrap();
        clock.advance(secs(11));
        pool.upkeep();
        let lines = said();
        assert_eq!(lines.len(), 2, "one for each source line: {lines:#?}");
        let leaks = lines.iter().find(|line| line.contains("others")).unwrap();
        assert!(
            leaks.contains("connection 1 has been held by ")
                && leaks.ends_with(
                    " for 11.0s; 19 others that were taken there have been held for too long, too"
                ),
            "{leaks}"
        );

        // More of them become overdue within the minute, each at another time.
        for _ in 0..4 {
            clock.advance(secs(10));
            held.extend((0..1).map(|_| pool.get().unwrap()));
            pool.upkeep();
        }
        assert_eq!(said().len(), 3, "another source line: {:#?}", said());
        clock.advance(secs(100));
        pool.upkeep();
        // Each once, and those of the minute together.
        let lines = said();
        assert_eq!(lines.len(), 4, "{lines:#?}");
        assert!(
            lines[3].contains("; 2 others that were taken there"),
            "{lines:#?}"
        );
        pool.upkeep();
        clock.advance(secs(1000));
        pool.upkeep();
        assert_eq!(said().len(), 4);
        drop((held, other));
    });
}
