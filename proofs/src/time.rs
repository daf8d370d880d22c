//! Moments: RFC 3339 in UTC with milliseconds and `Z`, the only form that the format knows.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

use crate::encoding;

/// Milliseconds since 1970-01-01T00:00:00Z, in the years 0000 to 9999 (what RFC 3339 can write).
/// Shown, parsed and serialised exactly as `YYYY-MM-DDTHH:MM:SS.mmmZ`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The text is not a moment in the one form that is allowed, or the number is outside the years 0000 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time is written YYYY-MM-DDTHH:MM:SS.mmmZ, in UTC")]
pub struct TimeError;

const LENGTH: usize = 24;

impl Timestamp {
    /// 0000-01-01T00:00:00.000Z.
    pub const MIN: Self = Self(-62_167_219_200_000);
    /// 9999-12-31T23:59:59.999Z.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// The moment so many milliseconds after 1970-01-01T00:00:00Z. Saturates at [`Self::MIN`] and [`Self::MAX`];
    /// use `TryFrom<i64>` where a number outside them must be noticed.
    pub const fn from_millis(millis: i64) -> Self {
        if millis < Self::MIN.0 {
            Self::MIN
        } else if millis > Self::MAX.0 {
            Self::MAX
        } else {
            Self(millis)
        }
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// The day in UTC.
    pub fn date(self) -> NaiveDate {
        self.datetime().date()
    }

    /// The first moment of a day in UTC.
    pub fn from_date(date: NaiveDate) -> Self {
        Self::from_millis(date.and_time(NaiveTime::MIN).and_utc().timestamp_millis())
    }

    /// So many milliseconds later (earlier, when negative). Saturates as [`Self::from_millis`] does.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self::from_millis(self.0.saturating_add(millis))
    }

    fn datetime(self) -> NaiveDateTime {
        // Within MIN..=MAX chrono always has an answer; the default is never taken.
        DateTime::from_timestamp_millis(self.0).unwrap_or_default().naive_utc()
    }
}

impl TryFrom<i64> for Timestamp {
    type Error = TimeError;

    fn try_from(millis: i64) -> Result<Self, TimeError> {
        let moment = Self::from_millis(millis);
        if moment.0 == millis { Ok(moment) } else { Err(TimeError) }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, time) = (self.datetime().date(), self.datetime().time());
        // Years are 0 to 9999, so that all have their digits. Written as one piece: a writer of JSON looks at each.
        let mut text = *b"0000-00-00T00:00:00.000Z";
        for (digits, mut number) in [
            (0..4, date.year().unsigned_abs()),
            (5..7, date.month()),
            (8..10, date.day()),
            (11..13, time.hour()),
            (14..16, time.minute()),
            (17..19, time.second()),
            (20..23, time.nanosecond() / 1_000_000),
        ] {
            for digit in text[digits].iter_mut().rev() {
                *digit += u8::try_from(number % 10).unwrap_or_default();
                number /= 10;
            }
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let bytes: &[u8; LENGTH] = text.as_bytes().try_into().map_err(|_| TimeError)?;
        for (at, mark) in [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (23, b'Z')] {
            if bytes[at] != mark {
                return Err(TimeError);
            }
        }
        let number = |from: usize, to: usize| {
            bytes[from..to].iter().try_fold(0_u32, |number, digit| {
                if digit.is_ascii_digit() {
                    Ok(number * 10 + u32::from(digit - b'0'))
                } else {
                    Err(TimeError)
                }
            })
        };
        let year = i32::try_from(number(0, 4)?).map_err(|_| TimeError)?;
        let date = NaiveDate::from_ymd_opt(year, number(5, 7)?, number(8, 10)?).ok_or(TimeError)?;
        // chrono reads 1000..1999 ms as a leap second; three digits cannot say that, and second 60 is refused.
        let time =
            NaiveTime::from_hms_milli_opt(number(11, 13)?, number(14, 16)?, number(17, 19)?, number(20, 23)?)
                .ok_or(TimeError)?;
        Ok(Self(date.and_time(time).and_utc().timestamp_millis()))
    }
}

encoding::serde_as_text!(Timestamp);

#[cfg(test)]
mod tests;
