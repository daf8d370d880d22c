//! Progress for people: bars on a terminal, plain lines otherwise.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

/// How progress is shown.
#[derive(Clone, Copy)]
pub enum Progress {
    /// Bars.
    Bars,
    /// A line at the end of each piece of work.
    Lines,
    /// Nothing.
    Silent,
}

impl Progress {
    /// Bars where standard error is a terminal, lines otherwise.
    pub fn detect() -> Self {
        if std::io::stderr().is_terminal() { Self::Bars } else { Self::Lines }
    }

    /// Begins a piece of work of `total` units.
    pub fn bar(self, what: &'static str, total: u64) -> Bar {
        let shown = match self {
            Self::Bars => {
                let bar = ProgressBar::new(total);
                let style = ProgressStyle::with_template(
                    "{msg:>24} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}",
                );
                bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                bar.set_message(what);
                Some(bar)
            }
            Self::Lines | Self::Silent => None,
        };
        Bar { what, shown, done: AtomicU64::new(0), lines: matches!(self, Self::Lines) }
    }
}

/// One piece of work under way.
pub struct Bar {
    what: &'static str,
    shown: Option<ProgressBar>,
    done: AtomicU64,
    lines: bool,
}

impl Bar {
    /// So many more units are done.
    pub fn add(&self, units: u64) {
        self.done.fetch_add(units, Ordering::Relaxed);
        if let Some(bar) = &self.shown {
            bar.inc(units);
        }
    }

    /// Says what is under way.
    pub fn say(&self, what: &str) {
        if let Some(bar) = &self.shown {
            bar.set_message(what.to_owned());
        } else if self.lines {
            eprintln!("{what}");
        }
    }

    /// All is done.
    pub fn finish(&self) {
        if let Some(bar) = &self.shown {
            bar.finish();
        } else if self.lines {
            eprintln!("{}: {}", self.what, self.done.load(Ordering::Relaxed));
        }
    }
}
