//! Quiet hours: from one time of day to another where the person lives, also over midnight.

use std::fmt;
use std::str::FromStr;

use proofs::time::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

const MINUTES_OF_DAY: i64 = 24 * 60;
const MINUTE_MILLIS: i64 = 60_000;
/// Offsets from UTC in use are between -12:00 and +14:00.
const OFFSET_MINUTES: std::ops::RangeInclusive<i64> = -12 * 60..=14 * 60;

/// A time of day, in minutes; as text `HH:MM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(u16);

/// A difference from UTC, in minutes; as text `+HH:MM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offset(i16);

/// Hours in which nobody is to be disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// They begin.
    #[schema(value_type = String, pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    pub from: Moment,
    /// They end; not when they begin. Earlier than `from` is on the next day.
    #[schema(value_type = String, pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    pub to: Moment,
    /// Where the person lives, as a difference from UTC: `+03:00` in Moscow.
    #[schema(value_type = String, pattern = "^[+-][0-9]{2}:[0-9]{2}$")]
    pub zone: Offset,
}

impl QuietHours {
    /// Do they begin and end at different times?
    pub fn is_some_time(&self) -> bool {
        self.from != self.to
    }

    /// When they end, if they are now.
    pub fn end(&self, now: Timestamp) -> Option<Timestamp> {
        let offset = i64::from(self.zone.0) * MINUTE_MILLIS;
        let local = now.millis().saturating_add(offset);
        let day = local.div_euclid(MINUTES_OF_DAY * MINUTE_MILLIS);
        let minute = local.rem_euclid(MINUTES_OF_DAY * MINUTE_MILLIS) / MINUTE_MILLIS;
        let (from, to) = (i64::from(self.from.0), i64::from(self.to.0));
        let end_day = match (from < to, minute) {
            (true, minute) if (from..to).contains(&minute) => day,
            (false, minute) if minute < to => day,
            (false, minute) if minute >= from => day + 1,
            _ => return None,
        };
        Some(Timestamp::from_millis((end_day * MINUTES_OF_DAY + to) * MINUTE_MILLIS - offset))
    }
}

/// Not of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not of its form")]
pub struct FormError;

/// Two digits, a colon, two digits: hours and minutes.
fn clock(text: &str) -> Result<(i64, i64), FormError> {
    let bytes: &[u8; 5] = text.as_bytes().try_into().map_err(|_| FormError)?;
    let digit =
        |at: usize| if bytes[at].is_ascii_digit() { Ok(i64::from(bytes[at] - b'0')) } else { Err(FormError) };
    let (hours, minutes) = (digit(0)? * 10 + digit(1)?, digit(3)? * 10 + digit(4)?);
    if bytes[2] == b':' && hours < 24 && minutes < 60 { Ok((hours, minutes)) } else { Err(FormError) }
}

impl FromStr for Moment {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        let (hours, minutes) = clock(text)?;
        u16::try_from(hours * 60 + minutes).map(Self).map_err(|_| FormError)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl FromStr for Offset {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        let sign = match text.as_bytes().first() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Err(FormError),
        };
        let (hours, minutes) = clock(text.get(1..).unwrap_or_default())?;
        let offset = sign * (hours * 60 + minutes);
        if !OFFSET_MINUTES.contains(&offset) {
            return Err(FormError);
        }
        i16::try_from(offset).map(Self).map_err(|_| FormError)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { '-' } else { '+' };
        write!(f, "{sign}{:02}:{:02}", self.0.unsigned_abs() / 60, self.0.unsigned_abs() % 60)
    }
}

macro_rules! as_text {
    ($($type:ty),+) => { $(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )+ };
}
as_text!(Moment, Offset);

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(from: &str, to: &str, zone: &str) -> QuietHours {
        QuietHours { from: from.parse().unwrap(), to: to.parse().unwrap(), zone: zone.parse().unwrap() }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn they_end_when_they_say_where_the_person_lives() {
        let night = hours("22:00", "08:00", "+03:00");
        let by_day = hours("13:00", "14:30", "-05:30");
        let cases = [
            (night, "2026-06-01T18:59:59.999Z", None),
            (night, "2026-06-01T19:00:00.000Z", Some("2026-06-02T05:00:00.000Z")),
            (night, "2026-06-01T20:59:59.999Z", Some("2026-06-02T05:00:00.000Z")),
            (night, "2026-06-01T21:00:00.000Z", Some("2026-06-02T05:00:00.000Z")),
            (night, "2026-06-02T04:59:59.999Z", Some("2026-06-02T05:00:00.000Z")),
            (night, "2026-06-02T05:00:00.000Z", None),
            (by_day, "2026-06-01T18:29:00.000Z", None),
            (by_day, "2026-06-01T18:30:00.000Z", Some("2026-06-01T20:00:00.000Z")),
            (by_day, "2026-06-01T20:00:00.000Z", None),
            // Midnight is the beginning of a day, and the end of none.
            (hours("00:00", "06:00", "+00:00"), "2026-06-01T00:00:00.000Z", Some("2026-06-01T06:00:00.000Z")),
            (hours("18:00", "00:00", "+00:00"), "2026-06-01T23:59:00.000Z", Some("2026-06-02T00:00:00.000Z")),
            (hours("18:00", "00:00", "+00:00"), "2026-06-01T00:00:00.000Z", None),
        ];
        for (quiet, now, end) in cases {
            assert_eq!(quiet.end(at(now)), end.map(at), "{quiet:?} at {now}");
        }
    }

    #[test]
    fn texts_come_back_and_others_are_refused() {
        for text in ["00:00", "09:05", "23:59"] {
            assert_eq!(text.parse::<Moment>().unwrap().to_string(), text);
        }
        for text in ["+00:00", "+03:00", "-05:30", "+14:00", "-12:00"] {
            assert_eq!(text.parse::<Offset>().unwrap().to_string(), text);
        }
        for bad in ["", "24:00", "12:60", "1:00", "12.00", "12:0", "12:000", "１2:00"] {
            assert!(bad.parse::<Moment>().is_err(), "{bad}");
        }
        for bad in ["", "03:00", "+14:01", "-12:30", "+3:00", "Europe/Moscow", "Z"] {
            assert!(bad.parse::<Offset>().is_err(), "{bad}");
        }
    }
}
