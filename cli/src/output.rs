//! Standard output, which whoever reads it may close at any time (`reestr keys list | head`): that is no fault.

use std::io::Write;

/// Prints a text and a line end, and hands it on at once.
pub fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}
