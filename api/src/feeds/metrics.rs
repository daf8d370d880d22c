//! What is measured of feeds and webhooks, in the Prometheus text format.

use std::fmt::{self, Write as _};

use crate::http::AppState;
use crate::webhooks::Counts;

/// Adds the measurements of this process, and how many messages of the store wait or are parked.
pub fn write(text: &mut String, state: &AppState, counts: Counts) -> fmt::Result {
    let feeds = state.feeds();
    let [delivered, failed, parked] = state.sent().counts();
    let gauges = [
        ("reestr_feed_streams", "Open streams of events", feeds.streams() as u64),
        ("reestr_feed_waits", "Requests that wait for entries", feeds.polls() as u64),
        (
            "reestr_webhook_waiting",
            "Messages to webhooks that are to be sent, in the whole store",
            counts.waiting,
        ),
        (
            "reestr_webhook_parked",
            "Messages to webhooks that were given up, in the whole store",
            counts.parked,
        ),
    ];
    for (name, help, value) in gauges {
        writeln!(text, "# HELP {name} {help}.\n# TYPE {name} gauge\n{name} {value}")?;
    }
    let counters = [
        ("reestr_feed_reads", "Reads of the journal for those who follow it", feeds.reads()),
        ("reestr_webhook_delivered", "Messages that webhooks' receivers have taken", delivered),
        ("reestr_webhook_failed", "Attempts at messages to webhooks that failed", failed),
        ("reestr_webhook_given_up", "Messages to webhooks that were parked", parked),
    ];
    for (name, help, value) in counters {
        writeln!(text, "# HELP {name} {help}.\n# TYPE {name} counter\n{name}_total {value}")?;
    }
    Ok(())
}
