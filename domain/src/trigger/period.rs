//! Spans between a base date and the day that falls due, and back.
//!
//! Years and months end in the corresponding month and day, and where that month has no such day, on its last (Civil Code,
//! article 192). That is monotone: a later base never falls due earlier, so that the bases which fall due in an interval are
//! an interval too, and an index by base finds them.

use std::fmt;
use std::str::FromStr;

use chrono::{Days, Months, NaiveDate};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A span: years, months or days, forwards or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    amount: i32,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Years,
    Months,
    Days,
}

/// The text is no period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a period is written as 14Y, 6M, -30D or 0D")]
pub struct PeriodError;

impl Period {
    /// No span at all.
    pub const ZERO: Self = Self { amount: 0, unit: Unit::Days };

    /// The same span in the other direction.
    #[must_use]
    pub const fn negated(self) -> Self {
        Self { amount: -self.amount, unit: self.unit }
    }

    /// The day that falls due for this base; `None` when it is beyond the calendar.
    pub fn due(self, base: NaiveDate) -> Option<NaiveDate> {
        let amount = self.amount.unsigned_abs();
        let forwards = self.amount >= 0;
        match self.unit {
            Unit::Days if forwards => base.checked_add_days(Days::new(amount.into())),
            Unit::Days => base.checked_sub_days(Days::new(amount.into())),
            unit => {
                let months = Months::new(if unit == Unit::Years { amount * 12 } else { amount });
                if forwards { base.checked_add_months(months) } else { base.checked_sub_months(months) }
            }
        }
    }

    /// The bases that fall due after `after` and not after `until`, as such an interval: the first day is not in it, the
    /// last is. `None` when it is beyond the calendar.
    pub fn bases(self, after: NaiveDate, until: NaiveDate) -> Option<(NaiveDate, NaiveDate)> {
        Some((self.latest_base(after)?, self.latest_base(until)?))
    }

    /// The latest base that is due on or before this day.
    fn latest_base(self, day: NaiveDate) -> Option<NaiveDate> {
        let mut base = self.negated().due(day)?;
        // Several days at the end of a long month fall due on the last of a short one.
        while let Some(next) = base.succ_opt()
            && self.due(next).is_some_and(|due| due <= day)
        {
            base = next;
        }
        Some(base)
    }
}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let unit = match text.as_bytes().last() {
            Some(b'Y') => Unit::Years,
            Some(b'M') => Unit::Months,
            Some(b'D') => Unit::Days,
            _ => return Err(PeriodError),
        };
        let amount = &text[..text.len() - 1];
        let digits = amount.strip_prefix('-').unwrap_or(amount);
        // Five digits of years, 1.2 million months, are within i32 and, where the calendar ends, no due day.
        if !(1..=5).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(PeriodError);
        }
        Ok(Self { amount: amount.parse().map_err(|_| PeriodError)?, unit })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Years => 'Y',
            Unit::Months => 'M',
            Unit::Days => 'D',
        };
        write!(f, "{}{unit}", self.amount)
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn period(text: &str) -> Period {
        text.parse().unwrap()
    }

    #[test]
    fn ends_on_the_corresponding_day_or_the_last_of_the_month() {
        for (base, span, due) in [
            ("2004-02-29", "14Y", "2018-02-28"),
            ("2004-02-29", "20Y", "2024-02-29"),
            ("2024-01-31", "1M", "2024-02-29"),
            ("2024-03-31", "-1M", "2024-02-29"),
            ("2024-03-01", "-30D", "2024-01-31"),
            ("2024-03-01", "0D", "2024-03-01"),
        ] {
            assert_eq!(period(span).due(day(base)), Some(day(due)), "{base} {span}");
            assert_eq!(period(span).to_string(), span);
        }
        assert!(period("99999Y").due(day("2024-01-01")).is_some());
        assert!(period("99999Y").due(day("+200000-01-01")).is_none());
        for bad in ["", "Y", "14", "14W", "+1D", "1.5Y", "100000D", "--1D", "-D", "１Y"] {
            assert!(bad.parse::<Period>().is_err(), "{bad}");
        }
    }

    fn days() -> impl Strategy<Value = NaiveDate> {
        (0_u64..40_000).prop_map(|days| day("1950-01-01") + Days::new(days))
    }

    proptest! {
        #[test]
        fn the_bases_of_an_interval_are_those_that_fall_due_in_it(
            after in days(), length in 0_u64..70, amount in -400_i32..400, unit in "[YMD]",
        ) {
            let span = period(&format!("{amount}{unit}"));
            let until = after + Days::new(length);
            let Some((from, to)) = span.bases(after, until) else { return Ok(()) };
            let is_due = |base: NaiveDate| span.due(base).is_some_and(|due| after < due && due <= until);
            let mut base = from - Days::new(40);
            while base <= to + Days::new(40) {
                prop_assert_eq!(from < base && base <= to, is_due(base), "{} {}", base, span);
                base = base + Days::new(1);
            }
        }
    }
}
